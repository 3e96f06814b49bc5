//! JSON Lines: one object a line.
//!
//! ```text
//! {"key":"…","value":"…"}                    both are UTF-8
//! {"key_base64":"…","value_base64":"…"}      neither is; each stands for itself, so they mix
//! ```
//!
//! Base64 is the standard alphabet with padding. A field that is unknown, missing or there twice
//! is an error.

use super::lower;
use super::Record;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{self, Write};

pub fn write(out: &mut dyn Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(b"{")?;
    write_field(out, "key", key)?;
    out.write_all(b",")?;
    write_field(out, "value", value)?;
    out.write_all(b"}\n")
}

/// Writes an object of a key alone, and a newline.
pub fn write_key(out: &mut dyn Write, key: &[u8]) -> io::Result<()> {
    out.write_all(b"{")?;
    write_field(out, "key", key)?;
    out.write_all(b"}\n")
}

/// Writes `"name":"text"`, or `"name_base64":"…"` when the bytes are no UTF-8.
fn write_field(out: &mut dyn Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            write!(out, "\"{name}\":")?;
            serde_json::to_writer(out, text).map_err(io::Error::from)
        }
        Err(_) => write!(out, "\"{name}_base64\":\"{}\"", STANDARD.encode(bytes)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    key_base64: Option<Cow<'a, str>>,
    value: Option<Cow<'a, str>>,
    value_base64: Option<Cow<'a, str>>,
}

pub fn read(line: &[u8], record: &mut Record) -> Result<(), String> {
    let line: Line = serde_json::from_slice(line).map_err(|e| {
        // The parser counts lines from the start of what it got, which is always one line.
        let text = e.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        format!("column {}: {what}", e.column())
    })?;
    field("key", line.key, line.key_base64, &mut record.key)?;
    field("value", line.value, line.value_base64, &mut record.value)
}

fn field(
    name: &str,
    text: Option<Cow<str>>,
    base64: Option<Cow<str>>,
    to: &mut Vec<u8>,
) -> Result<(), String> {
    match (text, base64) {
        (Some(text), None) => to.extend_from_slice(text.as_bytes()),
        (None, Some(base64)) => STANDARD
            .decode_vec(base64.as_bytes(), to)
            .map_err(|e| format!("{name}_base64: {}", lower(&e)))?,
        (Some(_), Some(_)) => return Err(format!("both {name} and {name}_base64; give one")),
        (None, None) => return Err(format!("neither {name} nor {name}_base64")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &[u8], value: &[u8]) -> String {
        let mut out = Vec::new();
        write(&mut out, key, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn error(line: &str) -> String {
        read(line.as_bytes(), &mut Record::default()).unwrap_err()
    }

    #[test]
    fn the_documented_spellings() {
        assert_eq!(line(b"k", b"a\"\n"), "{\"key\":\"k\",\"value\":\"a\\\"\\n\"}\n");
        assert_eq!(line(b"k", b"\xff"), "{\"key\":\"k\",\"value_base64\":\"/w==\"}\n");
        assert_eq!(line(b"\xff", b""), "{\"key_base64\":\"/w==\",\"value\":\"\"}\n");
    }

    #[test]
    fn order_and_white_space_do_not_matter() {
        let mut record = Record::default();
        read(br#" { "value_base64" : "AAE=" , "key":"\u00e9" } "#, &mut record).unwrap();
        assert_eq!(record, Record { key: "é".into(), value: vec![0, 1] });
    }

    #[test]
    fn errors_name_the_field_or_the_column() {
        assert!(error("{").contains("column 1: EOF"), "{}", error("{"));
        assert!(error(r#"{"kye":"a","value":"b"}"#).contains("unknown field `kye`"));
        assert!(error(r#"{"key":"a","key":"b","value":"c"}"#).contains("duplicate field `key`"));
        assert_eq!(error(r#"{"key":"a"}"#), "neither value nor value_base64");
        assert_eq!(
            error(r#"{"key":"a","key_base64":"YQ==","value":""}"#),
            "both key and key_base64; give one"
        );
        assert!(error(r#"{"key":"a","value_base64":"?"}"#).starts_with("value_base64: invalid"));
        assert!(error(r#"{"key":1,"value":""}"#).contains("column 8: invalid type"));
        assert!(error("[]x").starts_with("column "));
    }
}
