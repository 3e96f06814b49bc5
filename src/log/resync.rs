//! Finding records in bytes that may be damaged: at an offset, or at the next one where there is
//! one.
//!
//! Invariant: the time is linear in the bytes, whatever they are. A stretch of hostile bytes can
//! look like the headers of records at every eighth byte, each as long as the rest of the segment;
//! computing all those checksums would take hours. The checksum of a long candidate is therefore
//! derived from sums of the bytes before its begin and before its end (CRCs are linear), which are
//! kept for every block.

use super::record::{self, Header, Record, RECORD_HEADER};
use super::segment::Seed;
use crate::index::entry::RECORD_ALIGN;
use std::cell::OnceCell;

/// Bytes between two kept sums.
const BLOCK: usize = 512;
/// Candidates up to this length are summed directly.
const SHORT: usize = 2 * BLOCK;

/// The bytes of a segment, from the start of its file.
pub(crate) struct Resync<'a> {
    bytes: &'a [u8],
    seed: Seed,
    /// The CRC of the bytes before every block.
    sums: OnceCell<Vec<u32>>,
    /// See [`Resync::with_remains`].
    remains: bool,
}

impl<'a> Resync<'a> {
    pub(crate) fn new(bytes: &'a [u8], seed: Seed) -> Self {
        Resync { bytes, seed, sums: OnceCell::new(), remains: false }
    }

    /// Says whether the file was a segment before, so that there are many records of other seeds in
    /// it, each of which verifies once in 2^32 times: [`Resync::next`] then finds a record only if
    /// another one follows, or zeros, or nothing.
    pub(crate) fn with_remains(self, remains: bool) -> Self {
        Resync { remains, ..self }
    }

    /// The record at `at`, if a whole one lies there that ends at `to` at the latest.
    pub(crate) fn record(&self, at: usize, to: usize) -> Option<Record<'a>> {
        let to = to.min(self.bytes.len());
        let bytes = self.bytes.get(at..to)?;
        let header = Header::decode(bytes.first_chunk()?);
        let len = header.total_len();
        if len > bytes.len() {
            return None;
        }
        let end = at + RECORD_HEADER + header.key_len + header.value_len;
        if len > SHORT && self.checksum(at + 4, end) != header.crc {
            return None;
        }
        record::parse(bytes, self.seed)
    }

    /// The first record at `from` or behind it that ends at `to` at the latest.
    pub(crate) fn next(&self, from: usize, to: usize) -> Option<(usize, Record<'a>)> {
        let to = to.min(self.bytes.len());
        let last = to.checked_sub(RECORD_HEADER)?;
        (from.next_multiple_of(RECORD_ALIGN)..=last)
            .step_by(RECORD_ALIGN)
            .filter(|at| matches!(self.bytes[at + 6], 1..=3))
            .filter_map(|at| Some((at, self.record(at, to)?)))
            .find(|(at, record)| !self.remains || self.is_followed(at + record.total_len(), to))
    }

    /// Whether what lies at `at` may follow a record.
    fn is_followed(&self, at: usize, to: usize) -> bool {
        let to = to.min(self.bytes.len());
        let rest = &self.bytes[at.min(to)..to];
        rest.len() < RECORD_HEADER
            || rest[..RECORD_HEADER] == [0; RECORD_HEADER]
            || self.record(at, to).is_some()
    }

    /// The checksum of a range, under the segment's seed.
    fn checksum(&self, from: usize, to: usize) -> u32 {
        shift(self.sum(from) ^ self.seed.0, to - from) ^ self.sum(to)
    }

    /// The CRC of the bytes before `at`.
    fn sum(&self, at: usize) -> u32 {
        let sums = self.sums.get_or_init(|| {
            let mut crc = crc32fast::Hasher::new();
            let mut sums = vec![0];
            for block in self.bytes.chunks(BLOCK) {
                crc.update(block);
                sums.push(crc.clone().finalize());
            }
            sums
        });
        let mut crc = crc32fast::Hasher::new_with_initial(sums[at / BLOCK]);
        crc.update(&self.bytes[at / BLOCK * BLOCK..at]);
        crc.finalize()
    }
}

/// The CRC-32 polynomial, lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// x to the power of 2^n modulo the polynomial.
const POWERS: [u32; 32] = {
    let mut powers = [0x4000_0000; 32];
    let mut n = 1;
    while n < 32 {
        powers[n] = multiply(powers[n - 1], powers[n - 1]);
        n += 1;
    }
    powers
};

/// The product of two polynomials modulo the CRC's; `a` is not 0.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let (mut bit, mut product) = (1 << 31, 0);
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = b >> 1 ^ if b & 1 != 0 { POLYNOMIAL } else { 0 };
        bit >>= 1;
    }
    product
}

/// What `crc` becomes when `len` more zero bytes are taken in, without the final inversions: the
/// step that combines checksums of neighbouring ranges.
fn shift(crc: u32, len: usize) -> u32 {
    let mut power = 1 << 31;
    // 8 bits a byte: begin at x to the power of 2^3.
    let (mut n, mut k) = (len, 3);
    while n != 0 {
        if n & 1 != 0 {
            power = multiply(POWERS[k % 32], power);
        }
        n >>= 1;
        k += 1;
    }
    multiply(power, crc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{encode, record_len, Kind};

    const SEED: Seed = Seed(0x9876_5432);

    fn push(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) -> usize {
        let at = bytes.len();
        bytes.resize(at + record_len(key.len(), value.len()), 0);
        encode(&mut bytes[at..], SEED, (Kind::Put, 0, 1), key, value);
        at
    }

    #[test]
    fn derived_checksums_are_the_computed_ones() {
        let bytes: Vec<u8> = (0..10_000u32).map(|n| ((n * n) >> 3) as u8).collect();
        let resync = Resync::new(&bytes, SEED);
        for (from, to) in [(0, 0), (0, 10_000), (4, 5_000), (511, 513), (512, 1_024), (999, 9_999)]
        {
            assert_eq!(
                resync.checksum(from, to),
                record::checksum(SEED, &bytes[from..to]),
                "{from}..{to}"
            );
        }
    }

    #[test]
    fn the_next_record_behind_damage_is_found() {
        let mut bytes = vec![0; 128];
        let short = push(&mut bytes, b"short", b"v");
        let long = push(&mut bytes, b"long", &[7; 5_000]);
        let last = push(&mut bytes, b"last", &[8; 40]);
        let len = bytes.len();
        for (damaged, found) in [(short, long), (long, last)] {
            let mut bytes = bytes.clone();
            bytes[damaged + 9] ^= 0x40;
            let resync = Resync::new(&bytes, SEED);
            assert_eq!(resync.next(damaged, len).map(|(at, _)| at), Some(found));
        }
        let resync = Resync::new(&bytes, SEED);
        assert_eq!(resync.next(last + 8, len).map(|(at, _)| at), None);
        assert_eq!(resync.next(long, last - 8).map(|(at, _)| at), None, "it ends beyond the limit");
        assert_eq!(resync.record(long, len).map(|r| r.value.len()), Some(5_000));
    }

    #[test]
    fn hostile_headers_cost_linear_time() {
        // A header every 8 bytes, each of a record as long as all the rest.
        let mut bytes = Vec::new();
        while bytes.len() < 4 << 20 {
            bytes.extend_from_slice(&[1, 0, 0x20, 0, 1, 0, 1, 0]);
        }
        let begin = std::time::Instant::now();
        assert!(Resync::new(&bytes, SEED).next(0, bytes.len()).is_none());
        assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    }
}
