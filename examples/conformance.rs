//! The data set of the conformance suite, from the command line, so that a database that one
//! language wrote is read by the others:
//!
//! ```text
//! cargo run --example conformance -- write DIR     create it; DIR must not exist
//! cargo run --example conformance -- read DIR      check it, and print its keys and digest
//! ```

#[path = "../tests/conformance/dataset.rs"]
mod dataset;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["write", dir] => dataset::write(Path::new(dir)).map(|()| "written".to_owned()),
        ["read", dir] => dataset::read(Path::new(dir)),
        _ => {
            eprintln!("usage: conformance write DIR | read DIR");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(summary) if words[0] == "write" || summary == dataset::EXPECTED => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Ok(summary) => {
            eprintln!("{summary}, and not {}", dataset::EXPECTED);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
