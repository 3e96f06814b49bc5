//! What the machine is, as far as it says so itself.

use crate::result::Facts;
use crate::store::KINDS;
use std::path::Path;
use std::process::Command;

/// Everything but how long the run took.
pub fn gather(dir: &Path, seed: u64, span_ms: u64) -> Facts {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
    };
    let memory = after(&file("/proc/meminfo"), "MemTotal");
    let kib = memory.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    let dir = dir.to_string_lossy().into_owned();
    Facts {
        processor: after(&file("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_bytes: kib.unwrap_or(0) << 10,
        // The version, without what a builder put behind it.
        kernel: output("uname", &["-sr"]).split('-').next().unwrap_or_default().to_owned(),
        file_system: output("df", &["--output=fstype", &dir])
            .lines()
            .last()
            .unwrap_or("")
            .to_owned(),
        load: [load(); 2],
        commit: output("git", &["rev-parse", "--short", "HEAD"]),
        date: output("date", &["-u", "+%F"]),
        seconds: 0.0,
        seed,
        span: span_ms as f64 / 1e3,
        command: command(std::env::args().skip(1)),
        stores: KINDS.iter().map(|kind| [kind.name.to_owned(), (kind.describe)()]).collect(),
    }
}

/// The load average of the last minute.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or(String::new(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

/// The command line, without the directory of the databases, which is gone afterwards.
fn command(mut args: impl Iterator<Item = String>) -> String {
    let mut kept = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--dir" => drop(args.next()),
            _ => kept.push(arg),
        }
    }
    kept.join(" ")
}
