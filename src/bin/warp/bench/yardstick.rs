//! The bare yardstick: what the machine itself charges for the work of a get and of a put.
//!
//! * get: one probe of an array of 8-byte slots in huge-page memory, one compare of the key and
//!   one copy of the value out of a mapped file;
//! * put: one copy of the record into prepared mapped memory, its CRC, one store into a slot.
//!
//! No deletes, no growth, no locks, no recovery. A store that does all of these cannot be faster;
//! how close it comes is what the benchmark reports.

use super::workload::Key;
use std::sync::atomic::{AtomicU64, Ordering};

const HEADER: usize = 20;
/// The slot's bits that come from the key's hash: so many that a put need not compare keys.
const TAG: u64 = !((1 << 34) - 1);

/// One thread's or all threads' array and file.
pub struct Yardstick {
    slots: memmap2::MmapMut,
    mask: u64,
    file: memmap2::MmapMut,
    value_len: usize,
    tail: AtomicU64,
    _backing: std::fs::File,
}

// SAFETY: slots are atomics; each record is written by one thread, before its slot is stored.
unsafe impl Sync for Yardstick {}

/// A cheap mixing hash: the yardstick is not exposed to anybody who chooses keys.
fn hash(key: &Key) -> u64 {
    let word = |i: usize| u64::from_le_bytes(key[i..i + 8].try_into().expect("8 bytes"));
    let product =
        u128::from(word(0) ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word(8) ^ 0xd6e8_feb8_6659_fd93);
    product as u64 ^ (product >> 64) as u64
}

impl Yardstick {
    /// Room for `keys` slots and `records` records, its file in `dir`.
    pub fn new(
        dir: &std::path::Path,
        keys: u64,
        records: u64,
        value_len: usize,
    ) -> std::io::Result<Self> {
        let slots = (keys * 2).next_power_of_two();
        let map = memmap2::MmapOptions::new().len((slots * 8) as usize).map_anon()?;
        let _ = map.advise(memmap2::Advice::HugePage);
        let len = records as usize * record_len(value_len);
        let backing = tempfile_in(dir)?;
        backing.set_len(len as u64)?;
        // SAFETY: the file has no name and no other user.
        let file = unsafe { memmap2::MmapOptions::new().len(len).map_mut(&backing)? };
        let _ = file.advise(memmap2::Advice::PopulateWrite);
        Ok(Yardstick {
            slots: map,
            mask: slots - 1,
            file,
            value_len,
            tail: AtomicU64::new(0),
            _backing: backing,
        })
    }

    fn slot(&self, i: u64) -> &AtomicU64 {
        // SAFETY: the mask keeps `i` within the page-aligned map.
        unsafe { &*self.slots.as_ptr().cast::<AtomicU64>().add((i & self.mask) as usize) }
    }

    fn record(&self, at: u64) -> *mut u8 {
        self.file.as_ptr().wrapping_add(at as usize).cast_mut()
    }

    fn write(&self, at: u64, key: &Key, value: &[u8]) {
        let to = self.record(at);
        // SAFETY: `at` was given to this writer, and the record fits.
        let bytes = unsafe { std::slice::from_raw_parts_mut(to, record_len(self.value_len)) };
        bytes[4..HEADER].copy_from_slice(&[1; HEADER - 4]);
        bytes[HEADER..HEADER + 16].copy_from_slice(key);
        bytes[HEADER + 16..HEADER + 16 + value.len()].copy_from_slice(value);
        let crc = crc32fast::hash(&bytes[4..HEADER + 16 + value.len()]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
    }

    /// Appends a record and points the key's slot to it.
    pub fn put(&self, key: &Key, value: &[u8]) {
        let len = record_len(self.value_len) as u64;
        let at = self.tail.load(Ordering::Relaxed);
        self.tail.store(at + len, Ordering::Relaxed);
        self.write(at, key, value);
        let hash = hash(key);
        let word = hash & TAG | (at / 8 + 1);
        let mut i = hash;
        loop {
            let slot = self.slot(i);
            let now = slot.load(Ordering::Relaxed);
            if now == 0 || now & TAG == hash & TAG {
                return slot.store(word, Ordering::Release);
            }
            i = i.wrapping_add(1);
        }
    }

    #[inline]
    fn find(&self, key: &Key) -> Option<u64> {
        let hash = hash(key);
        let mut i = hash;
        loop {
            let word = self.slot(i).load(Ordering::Acquire);
            if word == 0 {
                return None;
            }
            if word & TAG == hash & TAG {
                let at = ((word & !TAG) - 1) * 8;
                // SAFETY: a stored slot points to a whole record.
                let stored = unsafe { std::slice::from_raw_parts(self.record(at).add(HEADER), 16) };
                if stored == key {
                    return Some(at);
                }
            }
            i = i.wrapping_add(1);
        }
    }

    /// Copies the value of `key` into `buf`.
    #[inline]
    pub fn get(&self, key: &Key, buf: &mut [u8]) -> bool {
        let Some(at) = self.find(key) else { return false };
        // SAFETY: a stored slot points to a whole record.
        let value =
            unsafe { std::slice::from_raw_parts(self.record(at).add(HEADER + 16), self.value_len) };
        buf[..self.value_len].copy_from_slice(value);
        true
    }
}

/// Bytes of a record.
pub fn record_len(value_len: usize) -> usize {
    (HEADER + 16 + value_len).next_multiple_of(8)
}

fn tempfile_in(dir: &std::path::Path) -> std::io::Result<std::fs::File> {
    let path = dir.join("yardstick");
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}
