//! The crash lab catches broken engines: each deliberate defect, within a few seeds.
//!
//! `cargo test --features sabotage --test sabotage -- --nocapture` prints what gave each away.

use std::time::{Duration, Instant};
use warp_engine::lab::{self, sabotage, Report};

/// Longest search for one defect.
const SECONDS_MAX: u64 = 120;

fn caught() -> (Report, Option<lab::Violation>) {
    let (mut report, begin) = (Report::default(), Instant::now());
    for seed in 1.. {
        if let Err(violation) = lab::sweep(seed, &mut report) {
            return (report, Some(violation));
        }
        if begin.elapsed() > Duration::from_secs(SECONDS_MAX) {
            break;
        }
    }
    (report, None)
}

#[test]
fn every_defect_is_caught() {
    let mut missed = Vec::new();
    for defect in sabotage::ALL {
        sabotage::set(Some(defect));
        let (report, violation) = caught();
        let points = report.crash_points();
        match violation {
            Some(v) => {
                println!("{defect:?}: after {points} crash points, seed {}: {}", v.seed, v.what)
            }
            None => missed.push((defect, points)),
        }
    }
    sabotage::set(None);
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
