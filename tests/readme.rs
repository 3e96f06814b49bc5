//! The snippets of the README are the programs that are compiled and run elsewhere, byte for byte.

use std::path::Path;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What stands in the first fenced block of `language`.
fn snippet(readme: &str, language: &str) -> String {
    let fence = format!("```{language}\n");
    let (_, rest) = readme.split_once(&fence).unwrap_or_else(|| panic!("no block of {language}"));
    rest.split_once("```").expect("the block ends").0.to_owned()
}

#[test]
fn the_c_program_is_the_example() {
    assert_eq!(snippet(&file("README.md"), "c"), file("examples/hello.c"));
}

/// Doctests run the example at the head of the crate; its hidden lines are not for readers.
#[test]
fn the_rust_program_is_the_crates_example() {
    let library = file("src/lib.rs");
    let doc: String = library
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let (_, rest) = doc.split_once("```\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("the example ends");
    let shown: String =
        example.lines().filter(|l| !l.starts_with("# ")).map(|l| format!("{l}\n")).collect();
    assert_eq!(snippet(&file("README.md"), "rust"), shown);
}

#[test]
fn the_two_commands_are_targets_of_the_makefile() {
    let (readme, makefile) = (file("README.md"), file("Makefile"));
    for target in ["demo", "test"] {
        assert!(readme.contains(&format!("\n    make {target}\n")), "make {target}");
        assert!(makefile.contains(&format!("\n{target}:\n")), "{target}");
    }
}

/// The table of limits says what the code says.
#[test]
fn the_limits_are_the_librarys() {
    let readme = file("README.md");
    let limits = [warp_engine::KEY_LEN_MAX, warp_engine::BATCH_BYTES_MAX, warp_engine::SHARDS_MAX];
    for limit in limits {
        assert!(readme.contains(&grouped(limit)), "{}", grouped(limit));
    }
    assert_eq!(warp_engine::VALUE_LEN_MAX, 1 << 30);
    assert!(readme.contains("| value | 0 bytes to 1 GiB |"));
    assert_eq!(warp_engine::SHARDS_DEFAULT, 24);
}

/// A number with commas between its thousands.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let from_end = |i: usize| (digits.len() - i) % 3 == 0 && i != 0;
    digits
        .char_indices()
        .flat_map(|(i, c)| from_end(i).then_some(',').into_iter().chain([c]))
        .collect()
}
