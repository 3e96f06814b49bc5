//! Bytes as they are spelled on the command line and shown in messages.

use crate::args::Spelling;
use crate::failure::{Failure, Outcome};
use crate::text::{hex_byte, lower};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

impl Spelling {
    /// The bytes that an argument stands for; `what` names it in the error.
    pub fn decode(self, what: &str, argument: &OsStr) -> Outcome<Vec<u8>> {
        let raw = argument.as_bytes();
        if self.hex {
            return unhex(raw).map_err(|m| Failure::Usage(format!("{what}: {m}")));
        }
        if self.base64 {
            return STANDARD
                .decode(raw)
                .map_err(|e| Failure::Usage(format!("{what}: not base64: {}", lower(&e))));
        }
        Ok(raw.to_vec())
    }

    /// The text that [`Spelling::decode`] takes for `bytes`, or `None` when they go as they are.
    pub fn encode(self, bytes: &[u8]) -> Option<String> {
        if self.hex {
            return Some(hex(bytes));
        }
        self.base64.then(|| STANDARD.encode(bytes))
    }
}

/// A key in a message: quoted and escaped, and cut where it would fill the screen.
pub fn show(key: &[u8]) -> String {
    const SHOWN: usize = 64;
    let (head, rest) = key.split_at(key.len().min(SHOWN));
    let dots = if rest.is_empty() { "" } else { "…" };
    format!("\"{}{dots}\"", head.escape_ascii())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

fn unhex(text: &[u8]) -> Result<Vec<u8>, String> {
    if text.len() % 2 != 0 {
        return Err(format!("{} hexadecimal digits; two make a byte", text.len()));
    }
    text.chunks_exact(2)
        .map(|pair| hex_byte(pair[0], pair[1]))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{} is not hexadecimal", show(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    const RAW: Spelling = Spelling { hex: false, base64: false };
    const HEX: Spelling = Spelling { hex: true, base64: false };
    const BASE64: Spelling = Spelling { hex: false, base64: true };

    #[test]
    fn what_is_encoded_decodes() {
        let all: Vec<u8> = (0..=255).collect();
        for spelling in [HEX, BASE64] {
            for len in 0..all.len() {
                let text = OsString::from(spelling.encode(&all[..len]).unwrap());
                assert_eq!(spelling.decode("key", &text).unwrap(), &all[..len]);
            }
        }
        assert_eq!(RAW.encode(b"x"), None);
    }

    #[test]
    fn wrong_spellings_are_refused() {
        for (spelling, wrong) in
            [(HEX, "abc"), (HEX, "0g"), (HEX, "+1"), (BASE64, "a"), (BASE64, "a b=")]
        {
            let failure = spelling.decode("the key", OsStr::new(wrong)).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.to_string().starts_with("the key: "), "{failure}");
        }
    }

    #[test]
    fn long_keys_are_cut_in_messages() {
        assert_eq!(show(b"a\n\xff"), "\"a\\n\\xff\"");
        assert!(show(&[b'k'; 1000]).len() < 80);
    }
}
