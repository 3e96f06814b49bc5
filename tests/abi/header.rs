//! `include/warp_engine.h`: one section for each file of `src/ffi/`, in reading order. The file's
//! module comment opens the section, cbindgen renders its items.

use crate::{compare, repository};
use std::fmt::Write;

/// The sections; types are declared before they are used.
const SECTIONS: &[&str] = &[
    "version",
    "status",
    "error",
    "options",
    "db",
    "get",
    "value",
    "nowait",
    "changed",
    "cas",
    "batch",
    "durability",
    "iter",
    "stats",
    "monitor",
    "rules",
    "rebalance",
    "links",
];

const OPEN: &str = "\
/* Generated from src/ffi/ by cbindgen; do not edit.
   Regenerate with: WARP_BLESS=1 cargo test --test abi */
#ifndef WARP_ENGINE_H
#define WARP_ENGINE_H

";

const INCLUDES: &str = "
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {
#endif
";

const CLOSE: &str = "
#ifdef __cplusplus
} /* extern \"C\" */
#endif

#endif /* WARP_ENGINE_H */
";

/// The whole header.
pub fn generate() -> String {
    let mut text = OPEN.to_owned();
    text += &comment(&module_comment("mod"));
    text += INCLUDES;
    for section in SECTIONS {
        let mut lines = module_comment(section);
        lines[0] = format!("==== {} ====", lines[0].trim_end_matches('.'));
        writeln!(text, "\n{}", comment(&lines).trim_end()).unwrap();
        writeln!(text, "\n{}", items(section).trim()).unwrap();
    }
    text + CLOSE
}

/// The `//!` lines of a module.
fn module_comment(module: &str) -> Vec<String> {
    let path = repository(&format!("src/ffi/{module}.rs"));
    let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()).collect()
}

/// A block comment; fenced text is set in by three columns, without its fences.
fn comment(lines: &[String]) -> String {
    if let [line] = lines {
        return format!("/* {line} */\n");
    }
    let mut text = String::from("/*");
    let (mut fenced, mut first) = (false, true);
    for line in lines {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let indent = if fenced { "   " } else { "" };
        let lead = if first { " " } else { "\n * " };
        // A comment inside the example must not end this one.
        let line = line.replace("*/", "* /");
        text += format!("{lead}{indent}{line}").trim_end_matches(' ');
        first = false;
    }
    text + "\n */\n"
}

/// What cbindgen makes of a module's public items.
fn items(module: &str) -> String {
    let config = cbindgen::Config::from_file(repository("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(repository(&format!("src/ffi/{module}.rs")))
        .generate()
        .unwrap();
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let kept = text.lines().filter(|line| !line.trim_start().starts_with("* ```"));
    let text = kept.map(|line| define(line) + "\n").collect::<String>();
    one_line_comments(&text)
}

/// A comment of a single sentence on a single line.
fn one_line_comments(text: &str) -> String {
    let lines = text.lines().collect::<Vec<_>>();
    let (mut out, mut i) = (String::new(), 0);
    while i < lines.len() {
        let indent = &lines[i][..lines[i].len() - lines[i].trim_start().len()];
        let body = match lines.get(i..i + 3) {
            Some([open, body, close]) if open.trim() == "/**" && close.trim() == "*/" => {
                body.trim_start().strip_prefix("* ")
            }
            _ => None,
        };
        match body {
            Some(body) if indent.len() + body.len() < 92 => {
                writeln!(out, "{indent}/** {body} */").unwrap();
                i += 3;
            }
            _ => {
                writeln!(out, "{}", lines[i]).unwrap();
                i += 1;
            }
        }
    }
    // Constants whose comments are single lines stand together.
    let lines = out.lines().collect::<Vec<_>>();
    let mut close = String::new();
    for (i, line) in lines.iter().enumerate() {
        let next = lines.get(i + 1).copied().unwrap_or_default();
        let after = lines.get(i + 2).is_some_and(|line| line.starts_with("#define"));
        let between = i > 0 && lines[i - 1].starts_with("#define") && next.starts_with("/** ");
        if !(line.is_empty() && between && after) {
            writeln!(close, "{line}").unwrap();
        }
    }
    close
}

/// A negative constant in parentheses, so that it stays one operand wherever it is used.
fn define(line: &str) -> String {
    match line.strip_prefix("#define ").and_then(|rest| rest.split_once(' ')) {
        Some((name, value)) if value.starts_with('-') => format!("#define {name} ({value})"),
        _ => line.to_owned(),
    }
}

#[test]
fn the_header_is_what_the_sources_give() {
    compare("include/warp_engine.h", &generate());
}

#[test]
fn every_entry_of_the_sources_is_in_a_section() {
    let listed = SECTIONS.iter().chain(&["mod", "fork", "guard", "pointer"]);
    let mut listed = listed.map(|name| format!("{name}.rs")).collect::<Vec<_>>();
    let mut found = std::fs::read_dir(repository("src/ffi"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect::<Vec<_>>();
    listed.sort();
    found.sort();
    assert_eq!(listed, found);
}
