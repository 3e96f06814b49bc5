//! `abi/symbols.txt`: what the shared library exports, its SONAME, and that it stays loaded.

use crate::compare;
use std::path::PathBuf;
use std::process::Command;

/// The shared library that cargo built along with this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.with_file_name("libwarp_engine.so");
    assert!(library.is_file(), "{} is not built", library.display());
    library
}

fn run(tool: &str, option: &[&str]) -> String {
    let output = Command::new(tool).args(option).arg(library()).output();
    let output = output.unwrap_or_else(|e| panic!("{tool} (from binutils): {e}"));
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn the_exported_symbols_are_the_committed_ones_and_those_of_the_header() {
    let table = run("nm", &["--dynamic", "--defined-only"]);
    let mut names = table.lines().filter_map(|l| l.split_whitespace().last()).collect::<Vec<_>>();
    names.sort_unstable();
    let header = crate::header::generate();
    for name in &names {
        assert!(name.starts_with("warp_"), "{name} is exported");
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
    compare("abi/symbols.txt", &(names.join("\n") + "\n"));
}

#[test]
#[cfg(target_os = "linux")]
fn the_soname_carries_the_abi_version_and_the_library_stays_loaded() {
    let dynamic = run("readelf", &["--dynamic", "--wide"]);
    let soname = format!("[libwarp_engine.so.{}]", warp_engine::ffi::version::WARP_ABI_VERSION);
    assert!(dynamic.lines().any(|l| l.contains("SONAME") && l.contains(&soname)), "{dynamic}");
    assert!(dynamic.lines().any(|l| l.contains("FLAGS_1") && l.contains("NODELETE")), "{dynamic}");
}
