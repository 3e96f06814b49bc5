//! The crash lab, bounded: crashes at every call of simulated workloads and of the recoveries that
//! follow.
//!
//! `WARP_SEED` is the first seed, `WARP_SECONDS` bounds the run; `warp crashtest --mode sim` is
//! the long form.

use std::time::{Duration, Instant};
use warp_engine::lab;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().unwrap())
}

/// Runs `work` for one seed after the other until the time is up.
fn seeds(
    seconds: u64,
    work: impl Fn(u64, &mut lab::Report) -> Result<(), lab::Violation>,
) -> lab::Report {
    let (first, seconds) = (number("WARP_SEED", 1), number("WARP_SECONDS", seconds));
    let begin = Instant::now();
    let mut report = lab::Report::default();
    for seed in first.. {
        if let Err(violation) = work(seed, &mut report) {
            panic!("WARP_SEED={} breaks a promise: {}", violation.seed, violation.what);
        }
        if begin.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    println!("{} crash points from seed {first}: {report:?}", report.crash_points());
    report
}

#[test]
fn every_crash_leaves_what_was_promised() {
    seeds(30, lab::sweep);
}

#[test]
fn a_full_disk_refuses_puts_alone_and_ends() {
    seeds(8, lab::full);
}

#[test]
fn a_file_that_is_used_again_holds_one_segment() {
    assert!(seeds(5, lab::recycling).recycled > 0, "no file was used again");
}

/// `warp crashtest --mode resurrection --rounds N` is the long form.
#[test]
fn no_deleted_key_comes_back_and_no_live_one_goes() {
    let (first, rounds) = (number("WARP_SEED", 1), number("WARP_ROUNDS", 1_000));
    let mut report = lab::ResurrectionReport::default();
    for seed in first.. {
        let left = rounds.saturating_sub(report.rounds);
        if left == 0 {
            break;
        }
        if let Err(violation) = lab::resurrection(seed, left, &mut report) {
            panic!("WARP_SEED={} breaks a promise: {}", violation.seed, violation.what);
        }
    }
    println!("{} rounds from seed {first}: {report:?}", report.rounds);
}

#[test]
fn every_fault_is_told_and_loses_nothing() {
    seeds(15, |seed, report| lab::faults(seed, 1, report));
}
