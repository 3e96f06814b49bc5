//! Records as lines of text, safe for any bytes: what `load` reads, what `dump` and `scan` write.
//!
//! Invariants, for both formats:
//! 1. A record is one line: no encoder writes a newline or a carriage return inside a record.
//! 2. Decoding what was encoded gives the same bytes, for every key and every value.
//! 3. A line is a record or an error that names the column; nothing is guessed or repaired.

mod jsonl;
mod tsv;

pub use jsonl::write_key;
pub use tsv::escape;

use clap::ValueEnum;
use std::io::{self, Write};
use std::path::Path;

/// A format of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Key, tab, value, with backslash escapes
    Tsv,
    /// One JSON object a line
    Jsonl,
}

/// A record that was read. Kept between lines, so that its memory is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl Format {
    /// The format that was asked for, or the one that the file's name suggests.
    pub fn choose(asked: Option<Format>, file: Option<&Path>) -> Format {
        asked.unwrap_or_else(|| match file.and_then(Path::extension) {
            Some(e) if e == "jsonl" || e == "ndjson" => Format::Jsonl,
            _ => Format::Tsv,
        })
    }

    /// Writes one record and its newline.
    pub fn write(self, out: &mut dyn Write, key: &[u8], value: &[u8]) -> io::Result<()> {
        match self {
            Format::Tsv => tsv::write(out, key, value),
            Format::Jsonl => jsonl::write(out, key, value),
        }
    }

    /// Reads one line, without its newline, into `record`.
    pub fn read(self, line: &[u8], record: &mut Record) -> Result<(), String> {
        record.key.clear();
        record.value.clear();
        match self {
            Format::Tsv => tsv::read(line, record),
            Format::Jsonl => jsonl::read(line, record),
        }
    }
}

/// A line without the carriage return of a CRLF ending. The encoders escape carriage returns, so
/// a bare one at the end of a line is never part of a value.
pub fn trim_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The byte of two hexadecimal digits.
pub fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

/// The text of a foreign error in this tool's lower case.
pub fn lower(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator that is the same on every run and needs no dependency (splitmix64).
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        /// Bytes that are likely to trip an encoder: uniform, from a small set of special ones,
        /// or UTF-8 that was cut anywhere.
        fn bytes(&mut self) -> Vec<u8> {
            const SPECIAL: &[u8] = b"\t\n\r\\xX0afAF\"{}:,\0\x1b\x7f\x80\xff";
            let len = (self.next() % 40) as usize;
            match self.next() % 3 {
                0 => (0..len).map(|_| self.next() as u8).collect(),
                1 => (0..len).map(|_| SPECIAL[self.next() as usize % SPECIAL.len()]).collect(),
                _ => {
                    let text: String = (0..len)
                        .filter_map(|_| char::from_u32(self.next() as u32 % 0x11_0000))
                        .collect();
                    let cut = self.next() as usize % (text.len() + 1);
                    text.as_bytes()[cut..].to_vec()
                }
            }
        }
    }

    fn round_trip(format: Format, key: &[u8], value: &[u8]) {
        let mut line = Vec::new();
        format.write(&mut line, key, value).unwrap();
        let body = line.strip_suffix(b"\n").expect("a record ends with a newline");
        assert!(
            !body.contains(&b'\n') && !body.contains(&b'\r'),
            "{format:?} of {key:?} {value:?} is more than one line"
        );
        assert!(std::str::from_utf8(body).is_ok(), "{format:?} of {key:?} {value:?} is no UTF-8");
        let mut record = Record::default();
        format.read(body, &mut record).unwrap();
        assert_eq!((&record.key[..], &record.value[..]), (key, value), "{format:?}");
    }

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        for format in [Format::Tsv, Format::Jsonl] {
            round_trip(format, &all, &all);
            round_trip(format, b"k", b"");
            for byte in 0..=255 {
                round_trip(format, &[byte], &[byte, byte]);
            }
        }
    }

    #[test]
    fn random_bytes_survive() {
        let mut random = Random(0x5eed);
        for _ in 0..20_000 {
            let (key, value) = (random.bytes(), random.bytes());
            for format in [Format::Tsv, Format::Jsonl] {
                round_trip(format, &key, &value);
            }
        }
    }

    #[test]
    fn random_lines_never_panic() {
        let mut random = Random(0xf00d);
        let mut record = Record::default();
        for _ in 0..20_000 {
            let line = random.bytes();
            for format in [Format::Tsv, Format::Jsonl] {
                let _ = format.read(&line, &mut record);
            }
        }
    }

    #[test]
    fn the_name_suggests_the_format_and_the_flag_decides() {
        let jsonl = Some(Path::new("a/b.jsonl"));
        assert_eq!(Format::choose(None, jsonl), Format::Jsonl);
        assert_eq!(Format::choose(None, Some(Path::new("b.ndjson"))), Format::Jsonl);
        assert_eq!(Format::choose(None, Some(Path::new("b.txt"))), Format::Tsv);
        assert_eq!(Format::choose(None, None), Format::Tsv);
        assert_eq!(Format::choose(Some(Format::Tsv), jsonl), Format::Tsv);
    }
}
