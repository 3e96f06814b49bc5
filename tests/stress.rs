//! The stress test, bounded: some seconds of `warp stress`, resumed once.
//!
//! `warp stress --duration 24h` is the long form.

use std::path::Path;
use std::process::Command;

fn stress(dir: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_warp"))
        .args(["stress", "--json", "--dir"])
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_answer_is_what_the_model_says_and_a_run_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let seed = std::env::var("WARP_SEED").unwrap_or_else(|_| std::process::id().to_string());
    println!("WARP_SEED={seed}");
    let first = stress(dir.path(), &["--duration", "5s", "--threads", "2", "--seed", &seed]);
    println!("{first}");
    let second = stress(dir.path(), &["--duration", "3s", "--resume"]);
    println!("{second}");
    let number = |summary: &serde_json::Value, name: &str| summary[name].as_u64().unwrap();
    for name in ["operations", "answers", "children", "kills", "checks"] {
        assert!(number(&first, name) > 0, "{name}: {first}");
        assert!(number(&second, name) > number(&first, name), "{name}: {second}");
    }
    assert_eq!(second["seed"], first["seed"]);
}

#[test]
fn a_directory_with_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_warp"));
    let status = command.args(["stress", "--duration", "1s", "--dir"]).arg(dir.path()).status();
    assert_eq!(status.unwrap().code(), Some(2));
}

/// Its oracle says that operations were done which the database does not have.
#[test]
fn a_database_that_lost_its_writes_is_a_violation() {
    let dir = tempfile::tempdir().unwrap();
    stress(dir.path(), &["--duration", "1s", "--threads", "1"]);
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_warp"));
    command.args(["stress", "--duration", "1s", "--resume", "--dir"]).arg(dir.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("seed 1"), "{said}");
}
