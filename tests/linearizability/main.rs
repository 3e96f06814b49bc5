//! Operations on one key that overlap in time take effect one after the other, each at a moment
//! between its call and its return; nobody reads what was never whole.
//!
//! `WARP_SEED` repeats the operations, though not their timing; `WARP_SECONDS` bounds each test.

mod checker;
mod histories;

use std::time::Duration;

fn run(on_disk: bool, durability: &str) {
    let seed = std::env::var("WARP_SEED").map_or(std::process::id().into(), |s| s.parse().unwrap());
    let seconds = std::env::var("WARP_SECONDS").map_or(3, |s| s.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = on_disk.then(|| dir.path().join("db"));
    println!("WARP_SEED={seed}, on disk: {on_disk}, durability={durability}");
    let time = Duration::from_secs(seconds);
    let report = histories::run(path.as_deref(), durability, seed, time).unwrap();
    println!("{report:?}");
    assert!(report.overlapping > 0, "no two operations overlapped: {report:?}");
}

#[test]
fn on_one_key_in_memory() {
    run(false, "process");
}

#[test]
fn on_one_key_on_disk() {
    run(true, "process");
}

#[test]
fn on_one_key_in_groups() {
    run(true, "sync");
}
