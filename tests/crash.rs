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

#[test]
fn every_crash_leaves_what_was_promised() {
    let (first, limit) = (number("WARP_SEED", 1), Duration::from_secs(number("WARP_SECONDS", 40)));
    let begin = Instant::now();
    let mut report = lab::Report::default();
    let mut seed = first;
    while begin.elapsed() < limit {
        if let Err(violation) = lab::sweep(seed, &mut report) {
            panic!("WARP_SEED={} breaks a promise: {}", violation.seed, violation.what);
        }
        seed += 1;
    }
    println!("{} crash points from seed {first}: {report:?}", report.crash_points());
    assert!(report.second_crashes > 0);
}
