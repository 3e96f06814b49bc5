//! The C++ header calls every function of the C ABI.
//!
//! A function that the ABI gains must not be forgotten in `include/warp_engine.hpp`: it is called
//! there, or has its reason in `ELSEWHERE`. A mention in a comment does not count.

use std::path::Path;

/// Functions that the header has no use for, and why.
const ELSEWHERE: [(&str, &str); 0] = [];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text without its comments, all of which are of `//` in that header.
fn without_comments(text: &str) -> String {
    assert!(!text.contains("/*"), "the header has a comment that this test does not know");
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

#[test]
fn every_function_is_called() {
    let symbols = read("abi/symbols.txt");
    let symbols: Vec<_> = symbols.split_whitespace().collect();
    assert!(symbols.len() > 50, "{} functions were found", symbols.len());
    let header = without_comments(&read("include/warp_engine.hpp"));
    let called: Vec<_> = words(&header).filter(|word| word.starts_with("warp_")).collect();
    for symbol in &symbols {
        let reason = ELSEWHERE.iter().find(|(name, _)| name == symbol);
        let is_called = called.contains(symbol);
        assert_ne!(is_called, reason.is_some(), "{symbol}: called {is_called}, listed {reason:?}");
    }
    for (name, _) in ELSEWHERE {
        assert!(symbols.contains(&name), "{name} is listed, and is no function of the ABI");
    }
}
