//! WarpEngine beside other embedded key-value stores.
//!
//! ```text
//! warp-compare run [--quick] [--out DIR] [--dir DIR] [--stores a,b] [--data a,b] [--seed N]
//! warp-compare report DIR        tables and plots again, from DIR/results.json
//! ```
//!
//! The parent plans jobs (`plan`) and runs each in a child process of its own, one after another,
//! in a temporary directory: so the memory of a store is its own, and one that fails takes nothing
//! with it. Children say their rows as lines of JSON.

mod facts;
mod killed;
mod loads;
mod measure;
mod phases;
mod plan;
mod plot;
mod redb_phases;
mod report;
mod result;
mod store;
mod stores;
mod workload;

use phases::{row, Job};
use plan::{Plan, Task};
use result::{Row, Run, Unit};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::time::{Duration, Instant};
use store::Result;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["run", rest @ ..] => run(rest),
        ["report", dir] => report::write_from(Path::new(dir)),
        [child @ ("child" | "load" | "check"), job] => run_child(child, job),
        _ => Err("usage: warp-compare run [--quick] [--out DIR] [--dir DIR] [--stores a,b] \
                  [--data a,b] [--seed N] | report DIR"
            .into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("warp-compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The options of `run`.
struct Options {
    quick: bool,
    /// Where tables, plots and results go.
    out: PathBuf,
    /// Where the databases are, each in a directory that is removed.
    dir: PathBuf,
    stores: Option<Vec<String>>,
    data: Option<Vec<String>>,
    seed: u64,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Options> {
        let mut options = Options {
            quick: false,
            out: "docs/benchmarks".into(),
            dir: std::env::temp_dir(),
            stores: None,
            data: None,
            seed: 1,
        };
        let mut args = args.iter();
        while let Some(&name) = args.next() {
            if name == "--quick" {
                options.quick = true;
                continue;
            }
            let value = *args.next().ok_or_else(|| format!("{name} needs a value"))?;
            let list = || Some(value.split(',').map(str::to_owned).collect());
            match name {
                "--out" => options.out = value.into(),
                "--dir" => options.dir = value.into(),
                "--stores" => options.stores = list(),
                "--data" => options.data = list(),
                "--seed" => options.seed = value.parse()?,
                _ => return Err(format!("there is no option {name}").into()),
            }
        }
        for store in options.stores.iter().flatten() {
            store::kind(store)?;
        }
        Ok(options)
    }
}

fn run(args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    let plan = Plan::new(options.quick, options.seed);
    let begin = Instant::now();
    let mut facts = facts::gather(&options.dir, options.seed, plan.span_ms);
    let wanted = |list: &Option<Vec<String>>, name: &String| {
        list.as_ref().is_none_or(|list| list.contains(name))
    };
    let mut rows = Vec::new();
    for task in plan.tasks {
        let job = task.job();
        if wanted(&options.stores, &job.store) && wanted(&options.data, &job.data.name) {
            let temporary =
                tempfile::Builder::new().prefix("warp-compare-").tempdir_in(&options.dir)?;
            rows.extend(run_task(&task, temporary.path())?);
        }
    }
    facts.seconds = begin.elapsed().as_secs_f64();
    facts.load[1] = facts::load();
    std::fs::create_dir_all(&options.out)?;
    let run = Run { facts, data: plan.data, rows };
    std::fs::write(options.out.join("results.json"), run.to_json()?)?;
    report::write(&run, &options.out)?;
    eprintln!("warp-compare: {:.0} s, see {}", run.facts.seconds, options.out.display());
    Ok(())
}

/// A child is given up after so long.
const CHILD_LIMIT: Duration = Duration::from_secs(1800);

fn run_task(task: &Task, temporary: &Path) -> Result<Vec<Row>> {
    let mut job = task.job().clone();
    job.dir = temporary.join("db");
    std::fs::create_dir(&job.dir)?;
    eprintln!(
        "warp-compare: {} at {}, {}{}",
        job.store,
        job.level.name(),
        job.data.name,
        match task {
            Task::Phases(_) => "",
            Task::Kill(_) => ", killed under load",
        }
    );
    let mut rows = Vec::new();
    let failed = match task {
        Task::Phases(_) => collect("child", &job, &mut rows),
        Task::Kill(_) => {
            let span = Duration::from_millis(job.span_ms.max(500));
            killed::kill_under_load(command("load", &job)?, span)
                .and_then(|()| collect("check", &job, &mut rows))
        }
    };
    if let Err(error) = failed {
        eprintln!("warp-compare: {} failed: {error}", job.store);
        let name = match task {
            Task::Phases(_) => "all phases",
            Task::Kill(_) => "open after SIGKILL under load",
        };
        let mut failed = row(&job, name, 1, 0.0, Unit::Failed);
        failed.note = Some(error.to_string());
        rows.push(failed);
    }
    Ok(rows)
}

fn command(mode: &str, job: &Job) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(mode).arg(serde_json::to_string(job)?).stdin(Stdio::null());
    Ok(command)
}

/// Runs a child to its end and collects its rows.
fn collect(mode: &str, job: &Job, rows: &mut Vec<Row>) -> Result<()> {
    let mut child = command(mode, job)?.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("no pipe from the child")?;
    let (to, lines) = channel();
    // Ends with the child's output.
    std::thread::spawn(move || BufReader::new(stdout).lines().try_for_each(|line| to.send(line)));
    let deadline = Instant::now() + CHILD_LIMIT;
    let ended = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => rows.push(serde_json::from_str(&line?)?),
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                break Err(format!("not done after {} s", CHILD_LIMIT.as_secs()).into());
            }
        }
    };
    let status = child.wait()?;
    ended.and_then(|()| match status.success() {
        true => Ok(()),
        false => Err(format!("{status}; it says why on standard error").into()),
    })
}

fn run_child(mode: &str, job: &str) -> Result<()> {
    // A child does not outlive its parent.
    // SAFETY: sets a property of this process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let job: Job = serde_json::from_str(job)?;
    let mut tell = |row: Row| match serde_json::to_string(&row) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("warp-compare: {error}"),
    };
    match mode {
        "child" => phases::run(&job, &mut tell),
        "load" => killed::load_until_killed(&job),
        _ => killed::check(&job, &mut tell),
    }
}
