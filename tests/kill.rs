//! Every acknowledged write is there after SIGKILL at any moment; see `src/lab/kill.rs`.
//!
//! `WARP_SEED` and `WARP_KILLS` set seed and number of kills; `warp crashtest --mode kill` is the
//! long form.

use std::path::Path;
use std::process::Command;
use warp_engine::lab::kill::{child, Bench};

/// The body of the child; does nothing in an ordinary run of the tests.
#[test]
fn child_process() {
    let Ok(dir) = std::env::var("WARP_KILL_DIR") else { return };
    let durability = std::env::var("WARP_KILL_DURABILITY").unwrap();
    let seed: u64 = std::env::var("WARP_KILL_SEED").unwrap().parse().unwrap();
    child(Path::new(&dir), &durability, seed, u64::MAX).unwrap();
}

fn kills(durability: &str, default: u64) {
    let seed: u64 = std::env::var("WARP_SEED")
        .map_or_else(|_| std::process::id().into(), |s| s.parse().unwrap());
    let kills = std::env::var("WARP_KILLS").map_or(default, |s| s.parse().unwrap());
    println!("WARP_SEED={seed}, {kills} kills, durability={durability}");
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), durability, seed).unwrap();
    for _ in 0..kills {
        let command = |dir: &Path| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(["--exact", "child_process", "--nocapture", "--test-threads=1"])
                .env("WARP_KILL_DIR", dir)
                .env("WARP_KILL_DURABILITY", durability)
                .env("WARP_KILL_SEED", seed.to_string());
            command
        };
        bench.kill(&command).unwrap();
    }
    println!("{:?}", bench.report);
    assert!(bench.report.operations > 0);
}

#[test]
fn acknowledged_writes_survive_under_process() {
    kills("process", 60);
}

#[test]
fn acknowledged_writes_survive_under_periodic() {
    kills("periodic", 60);
}

#[test]
fn acknowledged_writes_survive_under_sync() {
    kills("sync", 60);
}

/// All that is sealed is read from files.
#[test]
fn acknowledged_writes_survive_with_little_memory() {
    kills("process, little memory", 30);
}
