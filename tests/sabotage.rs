//! The crash lab catches broken engines: each deliberate defect, within a few seeds.
//!
//! `cargo test --features sabotage --test sabotage -- --nocapture` prints what gave each away;
//! `WARP_DEFECT=UncheckedCrc` tries one alone.

use std::time::{Duration, Instant};
use warp_engine::lab::{self, sabotage, Report};

/// Longest search for one defect.
const SECONDS_MAX: u64 = 240;

fn caught(defect: sabotage::Sabotage) -> (Report, Option<lab::Violation>) {
    let (mut report, begin) = (Report::default(), Instant::now());
    // Every fourth workload, from the second on, compacts one segment or another all the time.
    let (first, step) = match defect {
        sabotage::Sabotage::DroppedDeletes => (2, 4),
        _ => (1, 1),
    };
    for seed in (first..).step_by(step) {
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
    let only = std::env::var("WARP_DEFECT").ok();
    let wanted = |d: &sabotage::Sabotage| only.as_ref().is_none_or(|o| *o == format!("{d:?}"));
    for defect in sabotage::ALL.into_iter().filter(wanted) {
        sabotage::set(Some(defect));
        let (report, violation) = caught(defect);
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
