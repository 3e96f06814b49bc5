//! The C ABI against what is committed: the header, the exported symbols, the layout of structs
//! and the values of codes. A difference is either a mistake or an ABI change; for the latter,
//! `WARP_BLESS=1 cargo test --test abi` writes the files anew, to be reviewed with the change.

mod header;
mod layout;
mod symbols;

use std::path::{Path, PathBuf};

/// A path of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a committed file with what it should hold, or writes it under `WARP_BLESS=1`.
fn compare(path: &str, fresh: &str) {
    let file = repository(path);
    if std::env::var_os("WARP_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&file, fresh).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    let line = committed.lines().zip(fresh.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or(committed.lines().count().min(fresh.lines().count()));
    assert!(
        committed == fresh,
        "{path} is out of date from line {}:\n  committed: {}\n  fresh:     {}\n\
         if the change is meant: WARP_BLESS=1 cargo test --test abi",
        line + 1,
        committed.lines().nth(line).unwrap_or("(end)"),
        fresh.lines().nth(line).unwrap_or("(end)"),
    );
}
