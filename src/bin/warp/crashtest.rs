//! `warp crashtest`: the crash lab from the command line.
//!
//! A violation of a promise is reported as corruption, with the seed that repeats it. Children and
//! their databases live in a directory of their own below the temporary one, removed at the end
//! unless a violation was found.

use crate::args::{CrashMode, Crashtest, Global};
use crate::failure::{Failure, Outcome};
use crate::output;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use warp_engine::lab::{self, kill};
use warp_engine::{Error, ErrorKind};

const DURABILITIES: [&str; 3] = ["process", "periodic", "sync"];
/// Of each kind of call, the number that fails is drawn from below this.
const CALLS_MAX: u64 = 60;
/// Operations of each thread of a child whose system calls fail.
const OPERATIONS: u64 = 200;
/// Seeds of the simulated disk between two with faults.
const FAULTS_EVERY: u64 = 16;
/// What happens to system calls: the call, and the fault as strace writes it.
const INJECTIONS: [(&str, &str); 17] = [
    ("fdatasync", "error=EIO"),
    ("fdatasync", "error=ENOSPC"),
    ("fdatasync", "signal=KILL"),
    ("fsync", "error=EIO"),
    ("fsync", "signal=KILL"),
    ("pwrite64", "error=EIO"),
    ("pwrite64", "error=ENOSPC"),
    ("pwrite64", "signal=KILL"),
    ("fallocate", "error=ENOSPC"),
    ("fallocate", "error=EIO"),
    ("rename", "error=EIO"),
    ("rename", "signal=KILL"),
    ("ftruncate", "error=EIO"),
    ("unlink", "error=EIO"),
    ("unlink", "signal=KILL"),
    ("openat", "error=EMFILE"),
    ("openat", "signal=KILL"),
];

pub fn run(global: &Global, args: &Crashtest) -> Outcome {
    if let Some(child) = &args.child {
        return be_child(args, child);
    }
    match args.mode {
        CrashMode::Sim => simulate(global, args),
        CrashMode::Resurrection => resurrect(global, args),
        CrashMode::Kill => processes(global, args, "kill", |bench, dir, durability, _| {
            bench.kill(&|_| child(args, dir, durability, u64::MAX))
        }),
        CrashMode::Syscall => {
            let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
            if !strace.is_ok_and(|s| s.success()) {
                return Err(Failure::Usage(
                    "--mode syscall needs strace, which is not here".into(),
                ));
            }
            processes(global, args, "syscall", |bench, dir, durability, n| {
                inject(args, bench, dir, durability, n)
            })
        }
    }
}

fn violation(text: String) -> Failure {
    Error::new(ErrorKind::Corruption, text).into()
}

fn simulate(global: &Global, args: &Crashtest) -> Outcome {
    let begin = Instant::now();
    let mut report = lab::Report::default();
    let mut seed = args.seed;
    while begin.elapsed() < args.duration {
        let mut work = lab::sweep(seed, &mut report);
        if seed % FAULTS_EVERY == 0 {
            work = work.and_then(|()| lab::faults(seed, 1, &mut report));
            work = work.and_then(|()| lab::full(seed, &mut report));
            work = work.and_then(|()| lab::recycling(seed, &mut report));
        }
        work.map_err(|v| violation(format!("seed {}: {}", v.seed, v.what)))?;
        seed += 1;
    }
    let points = report.crash_points();
    if global.json {
        return output::line(serde_json::json!({
            "mode": "sim",
            "violations": 0,
            "crash_points": points,
            "first_seed": args.seed,
            "seeds": report.seeds,
            "steps": report.steps,
            "calls": report.calls,
            "crashes": report.crashes,
            "second_crashes": report.second_crashes,
            "faults": report.faults,
            "seconds": begin.elapsed().as_secs_f64(),
        }));
    }
    output::line(format!(
        "no violation at {points} crash points: {} in workloads (at {} calls and after {} steps), \
         {} in recoveries; {} runs with a fault; seeds {} to {}",
        report.crashes,
        report.calls,
        report.steps,
        report.second_crashes,
        report.faults,
        args.seed,
        seed - 1
    ))
}

/// Rounds until the time is up, or as many as were asked for.
fn resurrect(global: &Global, args: &Crashtest) -> Outcome {
    let begin = Instant::now();
    let mut report = lab::ResurrectionReport::default();
    let mut seed = args.seed;
    loop {
        let left = args.rounds.map_or(u64::MAX, |n| n.saturating_sub(report.rounds));
        if left == 0 || args.rounds.is_none() && begin.elapsed() >= args.duration {
            break;
        }
        lab::resurrection(seed, left, &mut report)
            .map_err(|v| violation(format!("seed {}: {}", v.seed, v.what)))?;
        seed += 1;
    }
    let r = report;
    if global.json {
        return output::line(serde_json::json!({
            "mode": "resurrection",
            "violations": 0,
            "rounds": r.rounds,
            "databases": r.databases,
            "first_seed": args.seed,
            "deletes": r.deletes,
            "compactions": r.compactions,
            "inside_compaction": r.inside_compaction,
            "inside_recovery": r.inside_recovery,
            "without_images": r.without_images,
            "compared": r.compared,
            "seconds": begin.elapsed().as_secs_f64(),
        }));
    }
    output::line(format!(
        "no key came back and none went in {} rounds on {} databases: {} deletes, {} compactions; \
         {} crashes inside a compaction, {} inside a recovery, {} recoveries without index images; \
         {} states compared; seeds {} to {}",
        r.rounds,
        r.databases,
        r.deletes,
        r.compactions,
        r.inside_compaction,
        r.inside_recovery,
        r.without_images,
        r.compared,
        args.seed,
        seed.saturating_sub(1)
    ))
}

/// One database for each durability, crashed in turn until the time is up.
fn processes(
    global: &Global,
    args: &Crashtest,
    mode: &str,
    mut crash: impl FnMut(&mut kill::Bench, &Path, &str, u64) -> Result<(), String>,
) -> Outcome {
    let begin = Instant::now();
    let home = Home::new()?;
    let mut benches = Vec::new();
    for durability in DURABILITIES {
        let dir = home.0.join(durability);
        let os = |e| Failure::from(Error::os(format!("create {}", dir.display()), &e));
        std::fs::create_dir(&dir).map_err(os)?;
        benches.push((durability, kill::Bench::new(&dir, durability, args.seed).map_err(os)?, dir));
    }
    let mut n = 0;
    while begin.elapsed() < args.duration {
        for (durability, bench, dir) in &mut benches {
            if let Err(what) = crash(bench, dir, durability, lab::mix(args.seed, n)) {
                let kept = home.keep();
                return Err(violation(format!("{durability}: {what}; kept: {}", kept.display())));
            }
            n += 1;
        }
    }
    let mut sum = kill::KillReport::default();
    for (_, bench, _) in &mut benches {
        bench.check().map_err(violation)?;
        sum.children += bench.report.children;
        sum.told += bench.report.told;
        sum.operations += bench.report.operations;
        sum.in_flight += bench.report.in_flight;
    }
    if global.json {
        return output::line(serde_json::json!({
            "mode": mode,
            "violations": 0,
            "children": sum.children,
            "told": sum.told,
            "operations": sum.operations,
            "in_flight": sum.in_flight,
            "seed": args.seed,
            "seconds": begin.elapsed().as_secs_f64(),
        }));
    }
    output::line(format!(
        "no violation: {} children, {} of them told of an error; {} acknowledged operations were \
         looked for, {} under way were found done",
        sum.children, sum.told, sum.operations, sum.in_flight
    ))
}

/// Runs a child under strace, with one kind of call failing from a random one on, once or for good.
fn inject(
    args: &Crashtest,
    bench: &mut kill::Bench,
    dir: &Path,
    durability: &str,
    n: u64,
) -> Result<(), String> {
    let (call, fault) = INJECTIONS[(n % INJECTIONS.len() as u64) as usize];
    let when = 1 + (n >> 32) % CALLS_MAX;
    let for_good = if (n >> 20) % 2 == 0 { "+" } else { "" };
    let inject = format!("inject={call}:{fault}:when={when}{for_good}");
    let command = |_: &Path| {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &inject]);
        let child = child(args, dir, durability, OPERATIONS);
        command.arg(child.get_program()).args(child.get_args()).stderr(Stdio::null());
        command
    };
    let status = bench.inject(&command).map_err(|e| format!("{inject}: {e}"))?;
    // Ended well, told of an error, or killed. Before `main`, an openat that fails ends it with
    // 127. Anything else is a crash of its own.
    match status.code() {
        Some(0 | kill::TOLD | 127) => Ok(()),
        None if fault == "signal=KILL" => Ok(()),
        Some(137) if fault == "signal=KILL" => Ok(()),
        _ => Err(format!("{inject}: the child ended with {status}")),
    }
}

fn child(args: &Crashtest, dir: &Path, durability: &str, operations: u64) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("warp"));
    let mut command = Command::new(program);
    command.arg("crashtest").arg("--seed").arg(args.seed.to_string());
    command.arg("--child").arg(dir).arg(durability).arg(operations.to_string());
    command
}

fn be_child(args: &Crashtest, child: &[String]) -> Outcome {
    let [dir, durability, operations] = child else {
        return Err(Failure::Usage("--child takes three values".into()));
    };
    let operations = operations
        .parse()
        .map_err(|_| Failure::Usage(format!("{operations:?} is no number of operations")))?;
    if let Err(e) = kill::child(Path::new(dir), durability, args.seed, operations) {
        eprintln!("{e}");
        std::process::exit(kill::TOLD);
    }
    Ok(())
}

/// A temporary directory.
struct Home(PathBuf);

impl Home {
    fn new() -> Outcome<Home> {
        let path = std::env::temp_dir().join(format!("warp-crashtest-{}", std::process::id()));
        std::fs::create_dir(&path)
            .map_err(|e| Error::os(format!("create {}", path.display()), &e))?;
        Ok(Home(path))
    }

    /// Leaves it where it is.
    fn keep(self) -> PathBuf {
        let path = self.0.clone();
        std::mem::forget(self);
        path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
