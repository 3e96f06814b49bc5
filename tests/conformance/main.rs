//! The conformance suite, run by the Rust interface: every `*.json` beside this file, and the
//! data set that the other languages read. `README.md` describes both.
//!
//! Set `WARP_CONFORMANCE` to part of a name to run the files that have it.

mod bytes;
mod changed;
mod dataset;
mod features;
mod steps;

use serde_json::Value;
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let only = std::env::var("WARP_CONFORMANCE").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::fs::read_dir(&here)
        .expect("the directory of the suite")
        .map(|entry| entry.expect("an entry of the directory").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .filter(|path| path.file_stem().is_some_and(|n| n.to_string_lossy().contains(&only)))
        .collect();
    found.sort();
    found
}

/// Runs one file; the number of steps, or what the first step that differs says.
fn run(document: &Value) -> Result<usize, String> {
    let mut runner = steps::Runner::new(document["store"] == "memory");
    if let Some(options) = document.get("open") {
        let open = serde_json::json!({ "op": "open", "options": options });
        runner.run(open.as_object().expect("an object")).map_err(|e| format!("open: {e}"))?;
    }
    let list = document["steps"].as_array().ok_or("steps is no list")?;
    for (i, step) in list.iter().enumerate() {
        let step = step.as_object().ok_or("a step is no object")?;
        runner.run(step).map_err(|error| {
            let text: String = Value::from(step.clone()).to_string().chars().take(160).collect();
            format!("step {i} {text}: {error}")
        })?;
    }
    Ok(list.len())
}

#[test]
fn every_file_agrees() {
    let mut wrong = Vec::new();
    let files = files();
    assert!(!files.is_empty(), "no conformance file was found");
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a conformance file");
        let document: Value = serde_json::from_str(&text).expect("a conformance file is JSON");
        match run(&document) {
            Ok(steps) => println!("{name}: {steps} steps"),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} files differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_data_set_is_read_as_it_was_written() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let dir = root.path().join("dataset");
    dataset::write(&dir).expect("the data set is written");
    for _ in 0..2 {
        assert_eq!(dataset::read(&dir).expect("the data set is read"), dataset::EXPECTED);
    }
}
