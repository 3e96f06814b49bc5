//! The benchmarks that check what they measure, as small as they can be: that they run, find nothing
//! wrong, and print what they promise.

#![cfg(feature = "cli")]

use std::process::Command;

const WARP: &str = env!("CARGO_BIN_EXE_warp");

fn bench(args: &[&str]) -> serde_json::Value {
    let output = Command::new(WARP).arg("bench").args(args).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn overwriting_reports_space_and_latencies() {
    for distribution in ["uniform", "zipfian"] {
        let args = ["overwrite", "--keys", "3000", "--rounds", "3", "--distribution", distribution];
        let found = bench(&args);
        let rows = found["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 4, "three rounds and all of them");
        for row in rows {
            assert!(row["space_ratio"].as_f64().unwrap() >= 1.0, "{row}");
            assert!(row["put_micros"]["p99_9"].as_f64() >= row["put_micros"]["p50"].as_f64());
            assert!(row["write_amplification"].as_f64().unwrap() >= 1.0, "{row}");
        }
    }
}

#[test]
fn data_larger_than_memory_are_right_and_no_cache_beats_the_best() {
    let found = bench(&[
        "larger-than-memory",
        "--data",
        "8M",
        "--memory-limit",
        "64M",
        "--minutes",
        "0.02",
    ]);
    assert_eq!(found["wrong"], 0, "{found}");
    assert_eq!(found["errors"], 0, "{found}");
    let ratio = |name: &str| found[name].as_f64().unwrap();
    assert!(ratio("reads_per_second") > 0.0 && ratio("writes_per_second") > 0.0, "{found}");
    assert!(ratio("min_hit_ratio") >= ratio("lru_hit_ratio"), "{found}");
}
