//! The packed form of a batch: one buffer, built by any language without a foreign call for each
//! operation.
//!
//! ```text
//! operation: kind u8 | key length u32 | value length u32 | key | value      little-endian
//!            kind 1 = put, 2 = delete (value length 0); operations follow each other to the end
//! ```
//!
//! Pages of an iterator are the same without the kind byte.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::{KEY_LEN_MAX, VALUE_LEN_MAX};

/// Kind byte of a put.
pub const PACKED_PUT: u8 = 1;
/// Kind byte of a delete.
pub const PACKED_DELETE: u8 = 2;
/// Bytes before the key of a packed operation.
pub(crate) const PACKED_HEADER: usize = 9;

/// One operation of a packed buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedOp<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value to store, or `None` to delete the key.
    pub value: Option<&'a [u8]>,
}

/// Reads a packed buffer, one operation at a time, checking every length before it is used.
#[derive(Debug, Clone)]
pub struct PackedOps<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> PackedOps<'a> {
    /// A reader of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        PackedOps { bytes, at: 0 }
    }

    fn parse(&mut self) -> Result<PackedOp<'a>> {
        let (at, rest) = (self.at, &self.bytes[self.at..]);
        if rest.len() < PACKED_HEADER {
            return Err(Error::invalid(format!(
                "packed batch: {} bytes at offset {at} are no operation header of {PACKED_HEADER}",
                rest.len()
            )));
        }
        let word = |i: usize| u32::from_le_bytes([rest[i], rest[i + 1], rest[i + 2], rest[i + 3]]);
        let (kind, key_len, value_len) = (rest[0], word(1) as usize, word(5) as usize);
        if kind != PACKED_PUT && kind != PACKED_DELETE {
            return Err(Error::invalid(format!(
                "packed batch: kind {kind} at offset {at} is neither 1 (put) nor 2 (delete)"
            )));
        }
        if kind == PACKED_DELETE && value_len != 0 {
            return Err(Error::invalid(format!(
                "packed batch: the delete at offset {at} has a value of {value_len} bytes"
            )));
        }
        check_lengths(key_len, value_len)
            .map_err(|e| e.context(format!("packed batch: offset {at}")))?;
        let body = rest.len() - PACKED_HEADER;
        if key_len + value_len > body {
            return Err(Error::invalid(format!(
                "packed batch: the operation at offset {at} needs {} bytes, {body} are left",
                key_len + value_len
            )));
        }
        let (key, rest) = rest[PACKED_HEADER..].split_at(key_len);
        self.at += PACKED_HEADER + key_len + value_len;
        Ok(PackedOp { key, value: (kind == PACKED_PUT).then(|| &rest[..value_len]) })
    }
}

impl<'a> Iterator for PackedOps<'a> {
    type Item = Result<PackedOp<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let op = self.parse();
        if op.is_err() {
            self.at = self.bytes.len();
        }
        Some(op)
    }
}

/// Refuses an empty or oversized key and an oversized value.
#[inline]
pub(crate) fn check_lengths(key_len: usize, value_len: usize) -> Result<()> {
    if key_len == 0 || key_len > KEY_LEN_MAX || value_len > VALUE_LEN_MAX {
        return Err(length_error(key_len, value_len));
    }
    Ok(())
}

#[cold]
fn length_error(key_len: usize, value_len: usize) -> Error {
    if key_len == 0 {
        return Error::invalid("the key is empty; keys are 1 to 65535 bytes");
    }
    let text = if key_len > KEY_LEN_MAX {
        format!("key length {key_len} exceeds {KEY_LEN_MAX}")
    } else {
        format!("value length {value_len} exceeds {VALUE_LEN_MAX}")
    };
    Error::new(ErrorKind::TooLarge, text)
}
