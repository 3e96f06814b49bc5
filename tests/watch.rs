//! `warp stats` of a database that another process has open: this one.

#![cfg(feature = "cli")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use warp_engine::{Db, Options};

const WARP: &str = env!("CARGO_BIN_EXE_warp");

fn warp(dir: &Path, args: &[&str]) -> String {
    let output = Command::new(WARP).arg("stats").arg(dir).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn readings(dir: &Path, count: u32) -> Vec<serde_json::Value> {
    let count = count.to_string();
    let text = warp(dir, &["--watch", "--json", "--interval", "0.7", "--count", &count]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_open_database_is_watched_and_a_closed_one_is_waited_for() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("db");
    let options = Options::new();
    let db = Db::open(Some(&dir), &options).unwrap();
    for n in 0..1_000u32 {
        db.put(&n.to_le_bytes(), b"value").unwrap();
    }
    let begin = Instant::now();
    let published = dir.join("stats.json");
    while !std::fs::read_to_string(&published).is_ok_and(|text| text.contains("\"keys\":1000")) {
        assert!(begin.elapsed() < Duration::from_secs(20), "nothing is written");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Without waiting for the lock.
    let begin = Instant::now();
    let table = warp(&dir, &[]);
    assert!(table.starts_with(&format!("open in process {}", std::process::id())), "{table}");
    assert!(table.contains("1,000"), "{table}");
    let stats: serde_json::Value = serde_json::from_str(&warp(&dir, &["--json"])).unwrap();
    assert_eq!(stats["keys"], 1_000);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    // Rates, while something is done.
    let readings = std::thread::scope(|scope| {
        let watch = scope.spawn(|| readings(&dir, 5));
        while !watch.is_finished() {
            db.get(&7u32.to_le_bytes()).unwrap();
            std::thread::sleep(Duration::from_micros(100));
        }
        watch.join().unwrap()
    });
    assert_eq!(readings.len(), 5);
    let rate = |r: &serde_json::Value| r["per_second"]["gets"].as_f64().unwrap();
    assert!(readings.iter().all(|r| r["open"] == true));
    assert!(readings.iter().any(|r| rate(r) > 10.0), "{readings:?}");
    // Nothing that counts is written by being watched, and nothing stays.
    db.close().unwrap();
    assert!(!published.exists());
    assert_eq!(readings_when_closed(&dir), vec![serde_json::json!({"open": false})]);
}

fn readings_when_closed(dir: &Path) -> Vec<serde_json::Value> {
    readings(dir, 1)
}
