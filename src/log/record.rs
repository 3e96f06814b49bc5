//! The record: how a key and its value lie in a segment.
//!
//! ```text
//! Format (little-endian, at a multiple of 8):
//!   0  crc32        u32   of everything after itself up to the end of the value, seeded
//!   4  key length   u16
//!   6  kind         u8    1 put, 2 delete, 3 batch frame
//!   7  flags        u8    bit 0: inside a batch frame; bit 1: expires, bit 2: compressed
//!                         (both reserved, 0); bit 3: a copy in a log of new records
//!   8  value length u32
//!  12  sequence     u64   per shard of the key
//!  20  key, value, zeros up to a multiple of 8
//! ```
//!
//! The CRC starts from the segment's seed, which no other use of the file ever had, so bytes of an
//! earlier life never pass for records. A delete's value is a [`Killed`]. A batch frame has no
//! key; its value is the records of the batch, each whole and flagged, so that an index entry can
//! point to one of them; the frame's CRC covers them all, and it counts whole or not at all.

use super::segment::Seed;
use crate::copy::copy;
use crate::index::entry::RECORD_ALIGN;
use crate::limits::{KEY_LEN_MAX, VALUE_LEN_MAX};
use crate::sabotage::{self, Sabotage};

/// Bytes before the key.
pub(crate) const RECORD_HEADER: usize = 20;
/// Flag of a record inside a batch frame.
pub(crate) const FLAG_IN_BATCH: u8 = 1;
/// Flag of a copy that compaction put into a log of new records: the numbers of those rise along
/// the log, that of a copy is older.
pub(crate) const FLAG_MOVED: u8 = 8;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The key has the value.
    Put = 1,
    /// The key does not exist any more.
    Delete = 2,
    /// The value is records that count together.
    Batch = 3,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            1 => Some(Kind::Put),
            2 => Some(Kind::Delete),
            3 => Some(Kind::Batch),
            _ => None,
        }
    }
}

/// Whether a byte names a kind of record.
pub(crate) fn is_kind(byte: u8) -> bool {
    Kind::from_byte(byte).is_some()
}

/// Bytes that a record takes, padding included.
#[inline(always)]
pub(crate) fn record_len(key_len: usize, value_len: usize) -> usize {
    (RECORD_HEADER + key_len + value_len).next_multiple_of(RECORD_ALIGN)
}

/// The fixed part of a record, not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) crc: u32,
    pub(crate) key_len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) value_len: usize,
    pub(crate) seq: u64,
}

impl Header {
    /// Reads the fixed part.
    #[inline(always)]
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER]) -> Header {
        let u32_at =
            |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        Header {
            crc: u32_at(0),
            key_len: u16::from_le_bytes([bytes[4], bytes[5]]) as usize,
            kind: bytes[6],
            flags: bytes[7],
            value_len: u32_at(8) as usize,
            seq: u64::from(u32_at(12)) | u64::from(u32_at(16)) << 32,
        }
    }

    /// Where its value ends, counted from its begin.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        RECORD_HEADER + self.key_len + self.value_len
    }

    /// Bytes that the whole record takes.
    #[inline(always)]
    pub(crate) fn total_len(&self) -> usize {
        record_len(self.key_len, self.value_len)
    }
}

/// A record whose lengths lie within its segment. Its checksum is right if it came from
/// [`parse`], or was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) seq: u64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Record<'_> {
    /// Bytes that the record takes.
    pub(crate) fn total_len(&self) -> usize {
        record_len(self.key.len(), self.value.len())
    }
}

/// The record at the start of `bytes`, if there is a whole one and its checksum fits.
pub(crate) fn parse<'a>(bytes: &'a [u8], seed: Seed) -> Option<Record<'a>> {
    let header = Header::decode(bytes.first_chunk()?);
    let kind = Kind::from_byte(header.kind)?;
    let end = RECORD_HEADER + header.key_len + header.value_len;
    let has_key = header.key_len != 0;
    if header.total_len() > bytes.len()
        || has_key == (kind == Kind::Batch)
        || kind != Kind::Batch && header.value_len > VALUE_LEN_MAX
    {
        return None;
    }
    if checksum(seed, &bytes[4..end]) != header.crc && !sabotage::is(Sabotage::UncheckedCrc) {
        return None;
    }
    let (key, value) = bytes[RECORD_HEADER..end].split_at(header.key_len);
    Some(Record { kind, flags: header.flags, seq: header.seq, key, value })
}

/// The checksum of a record's bytes after the checksum.
#[inline(always)]
pub(crate) fn checksum(seed: Seed, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(seed.0);
    crc.update(bytes);
    crc.finalize()
}

/// Writes a record of [`record_len`] bytes into `to`.
#[inline(always)]
pub(crate) fn encode(to: &mut [u8], seed: Seed, head: (Kind, u8, u64), key: &[u8], value: &[u8]) {
    fill(to, head, key, value);
    seal(to, RECORD_HEADER + key.len() + value.len(), seed);
}

/// Writes a record but for its checksum, which makes it one.
#[inline(always)]
pub(crate) fn fill(to: &mut [u8], head: (Kind, u8, u64), key: &[u8], value: &[u8]) {
    assert!(key.len() <= KEY_LEN_MAX && to.len() == record_len(key.len(), value.len()));
    let value_at = RECORD_HEADER + key.len();
    let end = value_at + value.len();
    let padding = to.len() - RECORD_ALIGN;
    to[padding..].fill(0);
    encode_header(to, head, key.len(), value.len());
    copy(&mut to[RECORD_HEADER..value_at], key);
    copy(&mut to[value_at..end], value);
}

/// Writes the fixed part but for the checksum.
#[inline(always)]
pub(crate) fn encode_header(
    to: &mut [u8],
    (kind, flags, seq): (Kind, u8, u64),
    key_len: usize,
    value_len: usize,
) {
    to[4..6].copy_from_slice(&(key_len as u16).to_le_bytes());
    to[6] = kind as u8;
    to[7] = flags;
    to[8..12].copy_from_slice(&(value_len as u32).to_le_bytes());
    to[12..20].copy_from_slice(&seq.to_le_bytes());
}

/// Puts the checksum of a record that ends at `end` (without padding) in its place.
#[inline(always)]
pub(crate) fn seal(record: &mut [u8], end: usize, seed: Seed) {
    let crc = checksum(seed, &record[4..end]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
}

/// [`seal`] from a checksum that was begun for the segment: the library finds out what the
/// processor can do each time that one is begun.
#[inline(always)]
pub(crate) fn seal_from(record: &mut [u8], end: usize, start: crc32fast::Hasher) {
    let mut crc = start;
    crc.update(&record[4..end]);
    record[..4].copy_from_slice(&crc.finalize().to_le_bytes());
}

/// What a delete removed: the value of its record.
///
/// ```text
/// Format: horizon u64 | sequence of the removed record u64
/// ```
///
/// The horizon is the newest generation that any segment had when the key was deleted. No segment
/// made later can hold an older record of the key, so once none up to the horizon is left, nothing
/// can come back, and compaction may drop the delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Killed {
    pub(crate) horizon: u64,
    pub(crate) seq: u64,
}

/// Bytes of an encoded [`Killed`].
pub(crate) const KILLED_LEN: usize = 16;

impl Killed {
    pub(crate) fn encode(self) -> [u8; KILLED_LEN] {
        let mut bytes = [0; KILLED_LEN];
        bytes[..8].copy_from_slice(&self.horizon.to_le_bytes());
        bytes[8..].copy_from_slice(&self.seq.to_le_bytes());
        bytes
    }

    /// Reads the value of a delete. One of another length keeps its delete for ever.
    pub(crate) fn decode(value: &[u8]) -> Killed {
        match (value.first_chunk::<8>(), value.last_chunk::<8>()) {
            (Some(horizon), Some(seq)) if value.len() == KILLED_LEN => {
                Killed { horizon: u64::from_le_bytes(*horizon), seq: u64::from_le_bytes(*seq) }
            }
            _ => Killed { horizon: u64::MAX, seq: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed(0x1234_5678);

    fn sample() -> Vec<u8> {
        let mut bytes = vec![0xff; record_len(5, 9)];
        encode(&mut bytes, SEED, (Kind::Put, 0, 77), b"lemon", b"sour fish");
        bytes
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let bytes = sample();
        let record = parse(&bytes, SEED).unwrap();
        assert_eq!((record.kind, record.seq), (Kind::Put, 77));
        assert_eq!((record.key, record.value), (&b"lemon"[..], &b"sour fish"[..]));
        assert_eq!(record.total_len(), bytes.len());
    }

    #[test]
    fn no_flipped_bit_and_no_missing_byte_passes() {
        let bytes = sample();
        for bit in 0..(RECORD_HEADER + 14) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&flipped, SEED).is_none(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len], SEED).is_none(), "length {len}");
        }
    }

    #[test]
    fn a_record_of_another_life_of_the_file_does_not_pass() {
        assert!(parse(&sample(), Seed(SEED.0 + 1)).is_none());
    }

    #[test]
    fn zeros_are_no_record() {
        assert!(parse(&[0; 4096], SEED).is_none());
        assert!(parse(&[0; 4096], Seed(0)).is_none());
    }
}
