//! Open after SIGKILL under load.
//!
//! A child process fills the database, says so, and overwrites random keys until it is killed.
//! The child is this program again, with the arguments `bench child`; whoever links this module
//! passes them on to [`child`]. It ends by itself when its standard input does, so that it does not
//! outlive a parent that was killed.

use super::abi::CDb;
use super::loads::{check_all, fill};
use super::workload::{fill_value, key, Draw};
use super::{millis, Bench};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use warp_engine::{Error, ErrorKind};

const ROWS: [&str; 3] = [OPEN, REPLAYED, CHECKED];
const OPEN: &str = "open after SIGKILL under load";
const REPLAYED: &str = "open after SIGKILL, replayed";
const CHECKED: &str = "open after SIGKILL, keys checked";

/// What the child says once all keys are there.
const FILLED: &str = "filled";

pub(super) fn run(bench: &mut Bench, dir: &Path) -> Result<(), Error> {
    if !ROWS.iter().any(|name| bench.wants(name)) {
        return Ok(());
    }
    let path = dir.join("killed");
    // What is acknowledged must outlive the process, and no more.
    let options = bench.config.with_durability("process");
    let mut child = Killed::start(bench, &path, &options)?;
    let mut line = String::new();
    let stdout = child.0.stdout.take().expect("standard output is piped");
    BufReader::new(stdout).read_line(&mut line).map_err(|e| Error::os("read the child", &e))?;
    if line.trim_end() != FILLED {
        let text = "the child that fills the database ended early; it says why above";
        return Err(Error::new(ErrorKind::Internal, text));
    }
    std::thread::sleep(bench.config.span);
    // Under load means that it is alive until it is killed.
    if let Ok(Some(status)) = child.0.try_wait() {
        return Err(Error::new(ErrorKind::Internal, format!("the child ended early: {status}")));
    }
    drop(child);
    let begin = Instant::now();
    let db = CDb::open(&path, &options)?;
    bench.row(OPEN, millis(begin.elapsed()), None, "ms");
    bench.row(REPLAYED, db.stats().recovered_records as f64, None, "records");
    check_all(&db, bench.config.keys, bench.config.value_len);
    bench.row(CHECKED, bench.config.keys as f64, None, "keys");
    db.close()
}

/// A child that gets SIGKILL when this is dropped.
struct Killed(Child);

impl Killed {
    fn start(bench: &Bench, path: &Path, options: &[(String, String)]) -> Result<Killed, Error> {
        let os = |e: std::io::Error| Error::os("start a child process", &e);
        let mut command = Command::new(std::env::current_exe().map_err(os)?);
        command.args(["bench", "child"]).arg(path);
        command.args([bench.config.keys.to_string(), bench.config.value_len.to_string()]);
        command.args(options.iter().map(|(name, value)| format!("{name}={value}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().map(Killed).map_err(os)
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Of one that has ended already there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the child fills and overwrites.
#[derive(Debug, Clone)]
pub struct Load {
    /// Directory of the database.
    pub path: PathBuf,
    /// Number of keys.
    pub keys: u64,
    /// Bytes of a value.
    pub value_len: usize,
    /// Options of the database, by name.
    pub options: Vec<(String, String)>,
}

/// The body of the child. Returns only with an error.
pub fn child(load: &Load) -> Result<(), Error> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
    let db = CDb::open(&load.path, &load.options)?;
    fill(load.keys, load.value_len, |key, value| db.put(key, value));
    writeln!(std::io::stdout(), "{FILLED}").map_err(|e| Error::os("tell the parent", &e))?;
    let mut draw = Draw::uniform(load.keys, 1);
    let mut value = vec![b'k'; load.value_len];
    loop {
        let n = draw.next();
        fill_value(&mut value, n);
        db.put(&key(n), &value);
    }
}
