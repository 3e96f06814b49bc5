//! Tab-separated lines: key, one tab, value.
//!
//! ```text
//! line   = field TAB field
//! field  = (byte other than TAB, LF, backslash | escape)*
//! escape = "\t" | "\n" | "\r" | "\\" | "\x" HEX HEX
//! ```
//!
//! The encoder writes valid UTF-8 as it is and escapes every control character (so a dump on a
//! terminal moves no cursor) and every byte that is no UTF-8. The decoder takes any byte.

use super::hex_byte;
use super::Record;
use std::io::{self, Write};

pub fn write(out: &mut dyn Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    escape(out, key)?;
    out.write_all(b"\t")?;
    escape(out, value)?;
    out.write_all(b"\n")
}

/// Writes one field.
pub fn escape(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        let mut done = 0; // everything before it is written
        for (at, c) in text.char_indices().filter(|&(_, c)| c == '\\' || c.is_control()) {
            out.write_all(&text.as_bytes()[done..at])?;
            done = at + c.len_utf8();
            match c {
                '\t' => out.write_all(b"\\t")?,
                '\n' => out.write_all(b"\\n")?,
                '\r' => out.write_all(b"\\r")?,
                '\\' => out.write_all(b"\\\\")?,
                _ => escape_bytes(out, &text.as_bytes()[at..done])?,
            }
        }
        out.write_all(&text.as_bytes()[done..])?;
        escape_bytes(out, chunk.invalid())?;
    }
    Ok(())
}

fn escape_bytes(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    bytes.iter().try_for_each(|b| write!(out, "\\x{b:02x}"))
}

pub fn read(line: &[u8], record: &mut Record) -> Result<(), String> {
    let Some(tab) = line.iter().position(|&b| b == b'\t') else {
        return Err("no tab between key and value".to_owned());
    };
    unescape(&line[..tab], 0, &mut record.key)?;
    unescape(&line[tab + 1..], tab + 1, &mut record.value)
}

/// Decodes one field that starts at byte `start` of the line.
fn unescape(field: &[u8], start: usize, to: &mut Vec<u8>) -> Result<(), String> {
    let mut at = 0;
    while at < field.len() {
        let special = |b: &u8| *b == b'\\' || *b == b'\t';
        let plain = field[at..].iter().position(special).unwrap_or(field.len() - at);
        to.extend_from_slice(&field[at..at + plain]);
        at += plain;
        let column = start + at + 1;
        match field[at..] {
            [] => break,
            [b'\t', ..] => {
                return Err(format!("column {column}: a second tab; inside a value write \\t"))
            }
            [_, b'x', high, low, ..] => {
                to.push(
                    hex_byte(high, low).ok_or_else(|| {
                        format!("column {column}: \\x needs two hexadecimal digits")
                    })?,
                );
                at += 4;
            }
            [_, c, ..] => {
                to.push(match c {
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b'\\' => b'\\',
                    b'x' => {
                        return Err(format!("column {column}: \\x needs two hexadecimal digits"))
                    }
                    _ => {
                        return Err(format!(
                        "column {column}: unknown escape \\{}; the escapes are \\t \\n \\r \\\\ \
                             \\xHH",
                        c.escape_ascii()
                    ))
                    }
                });
                at += 2;
            }
            [_] => {
                return Err(format!(
                    "column {column}: a backslash at the end; a literal one is \\\\"
                ))
            }
        }
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
        assert_eq!(line(b"k\t1", b"a\nb\rc\\d"), "k\\t1\ta\\nb\\rc\\\\d\n");
        assert_eq!(line("é😀".as_bytes(), b"\xff\0\x1b"), "é😀\t\\xff\\x00\\x1b\n");
        assert_eq!(line("\u{85}".as_bytes(), b""), "\\xc2\\x85\t\n");
    }

    #[test]
    fn raw_bytes_and_upper_case_digits_are_taken() {
        let mut record = Record::default();
        read(b"\xfe\\xFF\t\r\\x0a", &mut record).unwrap();
        assert_eq!(record, Record { key: b"\xfe\xff".to_vec(), value: b"\r\n".to_vec() });
    }

    #[test]
    fn errors_name_the_column() {
        assert_eq!(error("no value"), "no tab between key and value");
        assert!(error("k\ta\tb").starts_with("column 4: a second tab"));
        assert!(error("k\ta\\qb").starts_with("column 4: unknown escape \\q"));
        assert!(error("k\\x4\tv").starts_with("column 2: \\x needs"));
        assert!(error("k\t\\xg0").starts_with("column 3: \\x needs"));
        assert!(error("k\t\\x0").starts_with("column 3: \\x needs"));
        assert!(error("k\tab\\").starts_with("column 5: a backslash at the end"));
    }
}
