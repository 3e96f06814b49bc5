//! The crash lab catches broken engines: each deliberate defect, in each of its modes, in bounded
//! time.
//!
//! `cargo test --features sabotage --test sabotage -- --nocapture` prints what gave each away;
//! `WARP_DEFECT=UncheckedCrc` tries one alone. One test, since a process has one defect at a time.

#[path = "linearizability/checker.rs"]
mod checker;
#[path = "linearizability/histories.rs"]
mod histories;

use std::process::Command;
use std::time::{Duration, Instant};
use warp_engine::lab::sabotage::{self, Sabotage};
use warp_engine::lab::{self, Report};

/// Longest search for one defect.
const SECONDS_MAX: u64 = 240;

/// What gave the defect away, or what was tried in vain.
type Caught = Result<String, String>;

/// The simulated disk, crashed or with faults, from the first seed on in steps.
fn simulated(
    (first, step): (u64, usize),
    work: impl Fn(u64, &mut Report) -> Result<(), lab::Violation>,
) -> Caught {
    let (mut report, begin) = (Report::default(), Instant::now());
    let tried = |report: &Report| {
        format!("{} crash points, {} runs with a fault", report.crash_points(), report.faults)
    };
    for seed in (first..).step_by(step) {
        if let Err(v) = work(seed, &mut report) {
            return Ok(format!("after {}, seed {}: {}", tried(&report), v.seed, v.what));
        }
        if begin.elapsed() > Duration::from_secs(SECONDS_MAX) {
            break;
        }
    }
    Err(tried(&report))
}

/// The command-line tool, whose processes all have the defect: exit code 4.
fn process(defect: Sabotage, arguments: &[&str]) -> Caught {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warp"));
    command.args(arguments).args(["--duration", &format!("{SECONDS_MAX}s")]);
    let output = command.env("WARP_SABOTAGE", format!("{defect:?}")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    // A run that finds something keeps its directory and names it.
    if let Some((_, kept)) = said.rsplit_once("kept: ") {
        let _ = std::fs::remove_dir_all(kept.trim());
    }
    match output.status.code() {
        Some(4) => Ok(said),
        _ => Err(format!("{}: {said}", output.status)),
    }
}

/// Histories of one key.
fn history(_: Sabotage) -> Caught {
    let found = histories::run(None, "process", 1, Duration::from_secs(SECONDS_MAX / 4));
    match found {
        Err(what) => Ok(what),
        Ok(report) => Err(format!("{report:?}")),
    }
}

/// Long lives of deletes and compactions on the simulated disk.
fn resurrected(_: Sabotage) -> Caught {
    let (mut report, begin) = (lab::ResurrectionReport::default(), Instant::now());
    for seed in 1.. {
        if let Err(v) = lab::resurrection(seed, u64::MAX, &mut report) {
            return Ok(format!("after {} rounds, seed {}: {}", report.rounds, v.seed, v.what));
        }
        if begin.elapsed() > Duration::from_secs(SECONDS_MAX) {
            break;
        }
    }
    Err(format!("{} rounds", report.rounds))
}

#[test]
fn every_defect_is_caught() {
    let mut missed = Vec::new();
    let only = std::env::var("WARP_DEFECT").ok();
    let mut attempt = |mode: &str, defect: Sabotage, search: &dyn Fn(Sabotage) -> Caught| {
        if only.as_ref().is_some_and(|only| *only != format!("{defect:?}")) {
            return;
        }
        sabotage::set(Some(defect));
        let begin = Instant::now();
        let caught = search(defect);
        sabotage::set(None);
        println!("{mode}, {defect:?}, {:.1} s: {caught:?}", begin.elapsed().as_secs_f64());
        if let Err(tried) = caught {
            missed.push((mode.to_owned(), defect, tried));
        }
    };
    for defect in sabotage::SIMULATED {
        attempt("sim", defect, &|defect| {
            // Every fourth workload, from the second on, compacts one segment all the time.
            let seeds = if defect == Sabotage::DroppedDeletes { (2, 4) } else { (1, 1) };
            simulated(seeds, lab::sweep)
        });
    }
    for defect in [Sabotage::DroppedDeletes, Sabotage::EarlyForget] {
        attempt("resurrection", defect, &resurrected);
    }
    for defect in [Sabotage::UnsyncedSpare, Sabotage::SeedWithoutGeneration] {
        attempt("recycling", defect, &|_| simulated((1, 1), lab::recycling));
    }
    attempt("sim", Sabotage::TrustedCache, &|_| {
        simulated((1, 1), |seed, report| lab::faults(seed, 1, report))
    });
    attempt("kill", Sabotage::ForgottenDelete, &|defect| {
        process(defect, &["crashtest", "--mode", "kill"])
    });
    attempt("stress", Sabotage::ForgottenDelete, &|defect| {
        process(defect, &["stress", "--threads", "2"])
    });
    if Command::new("strace").arg("-V").output().is_ok_and(|o| o.status.success()) {
        attempt("syscall", Sabotage::IgnoredAllocate, &|defect| {
            process(defect, &["crashtest", "--mode", "syscall"])
        });
    } else {
        println!("syscall: no strace here");
    }
    attempt("history", Sabotage::UnlockedSwap, &history);
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
