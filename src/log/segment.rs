//! A segment: a preallocated file (or anonymous memory) that records are appended to.
//!
//! ```text
//! Format of the header (little-endian, 128 bytes, records follow):
//!   0  magic            "WARPSEG\x01"
//!   8  format version   u32   1
//!  12  header length    u32   128
//!  16  database id      u64
//!  24  log              u32   number of the log (its shard)
//!  28  slot             u32   number by which index entries name the segment
//!  32  ordinal          u64   place in its log, from 1
//!  40  generation       u64   unique in the life of the database
//!  48  capacity         u64   bytes of the file
//!  56  previous end     u64   where the records of the segment before it in its log ended
//!  64  previous segment u64   its generation, or 0; zeros up to 112
//! 112  crc32            u32   of bytes 0 to 112
//! 116  sealed           u32   end of the records / 8 once none will follow, with the top bit if the
//!                             log went on in a new segment at once; 0 before
//! 120  synced           u64   how far the device has it, see [`synced`]; 0: unknown
//! ```
//!
//! Invariants:
//! 1. Bytes below the log's tail are complete records and never change again.
//! 2. What lies below `synced` is on the device.
//! 3. `sealed` is stored when the records have ended, and after the header of the segment that the
//!    top bit speaks of. It is believed only within one boot of the kernel, where no store can be
//!    lost: a sealed log ends exactly there, and an unsealed one in a file that has its capacity.
//! 4. The generation, and with it the checksum seed, is never used twice.

mod synced;

pub(crate) use synced::synced_end;

use super::record::{self, Header, Kind, Record, RECORD_HEADER};
use crate::engine::meta::COUNT_END;
use crate::error::{Error, ErrorKind, Result};
use crate::index::entry::{Location, OFFSET_END, SEGMENT_SLOTS};
use crate::limits::{KEY_LEN_MAX, VALUE_LEN_MAX};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::io::File;
use crate::sys::map::{Mapping, HUGE_PAGE};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::PoisonError;

/// Bytes before the first record.
pub(crate) const SEGMENT_HEADER: usize = 128;
/// Size of a segment of a large log.
pub(crate) const SEGMENT_MAX: usize = OFFSET_END;
/// Up to this, each segment of a log may be four times the one before it.
pub(crate) const SEGMENT_YOUNG: usize = 1 << 20;
/// Size that no segment exceeds: that of one for the longest record alone.
pub(crate) const SEGMENT_LEN_MAX: usize =
    (SEGMENT_HEADER + RECORD_HEADER + KEY_LEN_MAX + VALUE_LEN_MAX).next_multiple_of(4096) + 4096;
/// Size of the first segment of a log.
pub(crate) const SEGMENT_MIN: usize = 64 << 10;

const MAGIC: &[u8; 8] = b"WARPSEG\x01";
const FORMAT: u32 = 1;
/// Where the header begins to say what became of the segment since it was made.
pub(crate) const SEALED_AT: usize = 116;
const SYNCED_AT: usize = 120;
/// The bit of `sealed` that says that a segment follows.
const FOLLOWED: u32 = 1 << 31;
const CRC_AT: usize = 112;

/// What the checksums of a segment's records start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u32);

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) database: u64,
    pub(crate) log: u32,
    pub(crate) slot: u32,
    pub(crate) ordinal: u64,
    pub(crate) generation: u64,
    pub(crate) capacity: u64,
    pub(crate) previous_end: u64,
    pub(crate) previous: u64,
}

impl Identity {
    /// The checksum seed: depends on the generation in all its bits.
    pub(crate) fn seed(&self) -> Seed {
        seed_of(self.database, self.generation)
    }

    /// Name of the file.
    pub(crate) fn file_name(&self) -> String {
        file_name(self.generation)
    }

    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&(SEGMENT_HEADER as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.database.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.log.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.slot.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.ordinal.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.generation.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.capacity.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.previous.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header. `Err` holds what is wrong with it, without the file's name.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Result<Identity> {
        let u32_at =
            |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        let u64_at = |i: usize| u64::from(u32_at(i)) | u64::from(u32_at(i + 4)) << 32;
        if &bytes[..8] != MAGIC {
            return Err(Error::corruption("the magic number at offset 0 is not a segment's"));
        }
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        if crc != u32_at(CRC_AT) {
            return Err(Error::corruption(format!(
                "the segment header's checksum at offset {CRC_AT} is {:#010x}, its bytes give {crc:#010x}",
                u32_at(CRC_AT)
            )));
        }
        if u32_at(8) != FORMAT {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "segment format {} is newer than {FORMAT}, which this version reads",
                    u32_at(8)
                ),
            ));
        }
        let identity = Identity {
            database: u64_at(16),
            log: u32_at(24),
            slot: u32_at(28),
            ordinal: u64_at(32),
            generation: u64_at(40),
            capacity: u64_at(48),
            previous_end: u64_at(56),
            previous: u64_at(64),
        };
        let in_range = (identity.slot as usize) < SEGMENT_SLOTS
            && u32_at(12) as usize == SEGMENT_HEADER
            && (1..COUNT_END).contains(&identity.ordinal)
            && identity.generation >> 32 < u64::from(u32::MAX)
            && identity.previous_end <= SEGMENT_LEN_MAX as u64;
        if !in_range {
            return Err(Error::corruption(format!(
                "the segment header is out of range: {identity:?}"
            )));
        }
        Ok(identity)
    }
}

/// The checksum seed of a database's segment of that generation.
pub(crate) fn seed_of(database: u64, generation: u64) -> Seed {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&database.to_le_bytes());
    crc.update(&generation.to_le_bytes());
    Seed(crc.finalize())
}

/// Name of the file of a segment.
pub(crate) fn file_name(generation: u64) -> String {
    format!("{generation:016x}.seg")
}

/// The generation of a segment by the name of its file.
pub(crate) fn generation_of(name: &str) -> Option<u64> {
    let generation = u64::from_str_radix(name.strip_suffix(".seg")?, 16).ok()?;
    (file_name(generation) == name).then_some(generation)
}

fn sealed(word: u32) -> Option<(usize, bool)> {
    (word != 0).then_some(((word & !FOLLOWED) as usize * 8, word & FOLLOWED != 0))
}

/// What the `sealed` word of a header says, see [`Segment::sealed`].
pub(crate) fn sealed_end(header: &[u8; SEGMENT_HEADER]) -> Option<(usize, bool)> {
    let word = header[SEALED_AT..].first_chunk::<4>();
    sealed(word.map_or(0, |word| u32::from_le_bytes(*word)))
}

/// A mapped segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: Identity,
    pub(crate) seed: Seed,
    /// Whether this process wrote all of its records, so that reads need not verify them.
    trusted: AtomicBool,
    /// Bytes of records that nothing points to any more, deletes apart.
    pub(crate) dead_bytes: AtomicU64,
    /// Bytes of deletes, and the highest horizon among them.
    pub(crate) delete_bytes: AtomicU64,
    pub(crate) horizon: AtomicU64,
    /// Whether compaction has moved all that was live away. The next checkpoint leaves the segment
    /// out, and then it is freed.
    pub(crate) emptied: AtomicBool,
    /// Where the records end, once the segment is sealed; 0 before.
    end: AtomicU64,
    /// Below this, pages were made present when the segment was made.
    pub(crate) populated: usize,
    map: Mapping,
    /// `None` in memory, and once the segment is sealed and on the device: a large database has
    /// more segments than a process may have open files.
    file: Mutex<Option<Box<dyn File>>>,
    sync_failed: AtomicBool,
    /// Where the file is, for messages; empty in memory.
    pub(crate) path: PathBuf,
}

impl Segment {
    /// Wraps a mapping whose header is written.
    pub(crate) fn new(
        id: Identity,
        trusted: bool,
        map: Mapping,
        file: Option<Box<dyn File>>,
        path: PathBuf,
    ) -> Segment {
        assert!(map.len() >= SEGMENT_HEADER && map.len() as u64 <= id.capacity);
        Segment {
            id,
            seed: id.seed(),
            trusted: AtomicBool::new(trusted),
            dead_bytes: AtomicU64::new(0),
            delete_bytes: AtomicU64::new(0),
            horizon: AtomicU64::new(0),
            emptied: AtomicBool::new(false),
            end: AtomicU64::new(0),
            populated: 0,
            map,
            file: Mutex::new(file),
            sync_failed: AtomicBool::new(false),
            path,
        }
    }

    /// Whether reads need not verify.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }

    /// Has reads verify from now on.
    pub(crate) fn distrust(&self) {
        self.trusted.store(false, Ordering::Relaxed);
    }

    /// Whether it has never had a file.
    pub(crate) fn in_memory(&self) -> bool {
        self.path.as_os_str().is_empty()
    }

    /// Where the records of a sealed segment end; `None` while it may still grow.
    pub(crate) fn end(&self) -> Option<usize> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            end => Some(end as usize),
        }
    }

    /// Counts a delete that the segment holds.
    pub(crate) fn add_delete(&self, bytes: usize, horizon: u64) {
        self.delete_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.horizon.fetch_max(horizon, Ordering::Relaxed);
    }

    /// Notes that the segment is sealed.
    pub(crate) fn set_end(&self, end: usize) {
        self.end.store(end as u64, Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn base(&self) -> *mut u8 {
        self.map.address()
    }

    /// Bytes mapped: all of the file, and all that may be addressed.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Writes the header of a segment that nobody else holds yet: the magic number last and whole,
    /// so that a process killed on the way leaves a file that is plainly of no log.
    pub(crate) fn write_header(&mut self) {
        let header = self.id.encode();
        let (magic, rest) = header.split_at(8);
        // SAFETY: the mapping is at least a header long, and page-aligned; the exclusive borrow
        // keeps other writers away.
        unsafe {
            std::ptr::copy_nonoverlapping(rest.as_ptr(), self.base().add(8), rest.len());
            let magic = u64::from_ne_bytes(magic.try_into().expect("8 bytes"));
            AtomicU64::from_ptr(self.base().cast()).store(magic, Ordering::Release);
        }
    }

    /// Asks for huge pages where the segment is large enough to have some. File systems with large
    /// folios (ext4 since Linux 6.16, xfs) then map a file like that, and reads miss the TLB less.
    pub(crate) fn map_huge(&self) {
        if self.len() >= HUGE_PAGE {
            self.map.advise_huge();
        }
    }

    pub(crate) fn populate(&self, from: usize, to: usize) {
        self.map.populate(from, to);
    }

    /// The bytes of the segment from `from` on that no writer touches any more.
    ///
    /// # Safety
    /// Nobody writes below `to` while the slice lives: `to` is at most the log's tail, or nobody
    /// appends to the segment.
    pub(crate) unsafe fn bytes(&self, from: usize, to: usize) -> &[u8] {
        assert!(from <= to && to <= self.len());
        // SAFETY: the range is in the mapping; the caller vouches for the writers.
        unsafe { std::slice::from_raw_parts(self.base().add(from), to - from) }
    }

    /// The record at `offset`, lengths checked against the mapping and the checksum verified.
    ///
    /// # Safety
    /// As for [`Segment::bytes`].
    pub(crate) unsafe fn verified(&self, offset: usize) -> Option<Record<'_>> {
        // SAFETY: the caller's promise.
        record::parse(unsafe { self.bytes(offset, self.len()) }, self.seed)
    }

    /// Gives the file's unused end back to the file system, unless the file is being synced: the
    /// caller holds a shard's lock and does not wait for the device.
    pub(crate) fn trim(&self, end: usize) -> std::io::Result<()> {
        let len = end.next_multiple_of(4096).min(self.len());
        let Ok(file) = self.file.try_lock() else { return Ok(()) };
        file.as_ref().map_or(Ok(()), |f| f.set_len(len as u64))
    }

    fn file(&self) -> MutexGuard<'_, Option<Box<dyn File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the file. The mapping stays.
    pub(crate) fn close_file(&self) {
        *self.file() = None;
    }

    /// Closes the file of a sealed segment that is on the device, unless it is being synced: then
    /// whoever does that closes it, in [`Segment::set_synced`].
    pub(crate) fn close_idle_file(&self) {
        if let Ok(mut file) = self.file.try_lock() {
            *file = None;
        }
    }

    /// Takes away what lies beyond `end`, where a crash has cut the log: what is left of the last
    /// page, and the rest of the file. Later recoveries see a log that ends there, and do not take
    /// the remains for damage.
    ///
    /// # Safety
    /// Nobody else looks at the bytes beyond `end`.
    pub(crate) unsafe fn cut(&self, end: usize) -> std::io::Result<()> {
        let page_end = end.next_multiple_of(4096).min(self.len());
        // SAFETY: the range is in the mapping; the caller vouches for the others.
        let rest = unsafe { std::slice::from_raw_parts_mut(self.base().add(end), page_end - end) };
        if rest.iter().any(|b| *b != 0) {
            rest.fill(0);
        }
        self.trim(end)
    }

    fn sealed_word(&self) -> &AtomicU32 {
        // SAFETY: the header is in the mapping, the word is aligned, and only ever accessed so.
        unsafe { AtomicU32::from_ptr(self.base().add(SEALED_AT).cast()) }
    }

    /// Stores that the records have ended at `end`, and whether the log goes on in a segment whose
    /// header is written.
    pub(crate) fn mark_sealed(&self, end: usize, followed: bool) {
        let word = (end / 8) as u32 | if followed { FOLLOWED } else { 0 };
        self.sealed_word().store(word.to_le(), Ordering::Release);
    }

    /// Where the records have ended, if the segment is sealed, and whether another one follows.
    pub(crate) fn sealed(&self) -> Option<(usize, bool)> {
        sealed(u32::from_le(self.sealed_word().load(Ordering::Acquire)))
    }

    /// The error for a record that does not verify.
    #[cold]
    pub(crate) fn damaged(&self, offset: usize) -> Error {
        Error::corruption(format!(
            "{}: the record at offset {offset} does not match its checksum; \
             `warp verify` lists all damage, a backup or `warp repair` saves the rest",
            self.path.display()
        ))
    }
}

/// A record as a reader sees it: through the mapping, while something keeps the segment.
#[derive(Clone, Copy)]
pub(crate) struct Raw {
    pub(crate) address: *const u8,
    pub(crate) header: Header,
}

impl Raw {
    /// Reads the fixed part at `at` of a mapping of `len` bytes at `base`. `None`: the record
    /// would not lie within it, so the entry that led here is damaged.
    ///
    /// # Safety
    /// The mapping stays while the answer is used, and the record at `at` is complete.
    #[inline(always)]
    pub(crate) unsafe fn read(base: *const u8, len: usize, at: Location) -> Option<Raw> {
        let offset = at.offset as usize;
        if offset + RECORD_HEADER > len {
            return None;
        }
        // SAFETY: the header lies in the mapping.
        let (address, header) = unsafe {
            let address = base.add(offset);
            (address, Header::decode(&*address.cast::<[u8; RECORD_HEADER]>()))
        };
        (offset + header.total_len() <= len).then_some(Raw { address, header })
    }

    /// The key.
    ///
    /// # Safety
    /// The mapping outlives `'a`; so for the next two.
    #[inline(always)]
    pub(crate) unsafe fn key<'a>(&self) -> &'a [u8] {
        // SAFETY: `read` checked the lengths.
        unsafe { std::slice::from_raw_parts(self.address.add(RECORD_HEADER), self.header.key_len) }
    }

    /// Whether the key is `key`. Most keys are short, and a call to compare them would cost more
    /// than the comparison.
    ///
    /// # Safety
    /// See [`Raw::key`].
    #[inline(always)]
    pub(crate) unsafe fn is_key(&self, key: &[u8]) -> bool {
        // SAFETY: `read` checked the lengths.
        self.header.key_len == key.len()
            && unsafe { is_equal(self.address.add(RECORD_HEADER), key) }
    }

    /// The value of the record at `at` if it is a put of `key` and lies within `len` bytes.
    ///
    /// # Safety
    /// As for [`Raw::read`].
    #[inline(always)]
    pub(crate) unsafe fn value_of_put<'a>(
        base: *const u8,
        len: usize,
        at: Location,
        key: &[u8],
    ) -> Option<&'a [u8]> {
        let value_at = at.offset as usize + RECORD_HEADER + key.len();
        if value_at > len {
            return None;
        }
        // SAFETY: header and key lie in the mapping; the value, once its length is checked.
        unsafe {
            let record = base.add(at.offset as usize);
            // Key length and kind lie side by side.
            let word = u32::from_le(record.add(4).cast::<u32>().read_unaligned());
            let wanted = key.len() as u32 | (Kind::Put as u32) << 16;
            if word & 0x00ff_ffff != wanted || !is_equal(record.add(RECORD_HEADER), key) {
                return None;
            }
            let value_len = u32::from_le(record.add(8).cast::<u32>().read_unaligned()) as usize;
            (value_at + value_len <= len)
                .then(|| std::slice::from_raw_parts(base.add(value_at), value_len))
        }
    }

    /// The value.
    ///
    /// # Safety
    /// See [`Raw::key`].
    #[inline(always)]
    pub(crate) unsafe fn value<'a>(&self) -> &'a [u8] {
        let at = RECORD_HEADER + self.header.key_len;
        // SAFETY: `read` checked the lengths.
        unsafe { std::slice::from_raw_parts(self.address.add(at), self.header.value_len) }
    }

    /// Whether the checksum fits.
    ///
    /// # Safety
    /// See [`Raw::key`].
    #[inline]
    pub(crate) unsafe fn verifies(&self, seed: Seed) -> bool {
        let end = RECORD_HEADER + self.header.key_len + self.header.value_len;
        // SAFETY: `read` checked the lengths.
        let bytes = unsafe { std::slice::from_raw_parts(self.address.add(4), end - 4) };
        record::checksum(seed, bytes) == self.header.crc
    }
}

/// Whether as many bytes at `stored` as `key` has are `key`. Most keys are short, and a call to
/// compare them would cost more than the comparison.
///
/// # Safety
/// So many bytes may be read at `stored`.
#[inline(always)]
unsafe fn is_equal(stored: *const u8, key: &[u8]) -> bool {
    let len = key.len();
    if !(8..=16).contains(&len) {
        // SAFETY: the caller's promise.
        return unsafe { std::slice::from_raw_parts(stored, len) } == key;
    }
    // The first and the last eight bytes cover the key; where they overlap they agree.
    // SAFETY: both have at least 8 bytes.
    unsafe {
        let word = |p: *const u8, at: usize| p.add(at).cast::<u64>().read_unaligned();
        let given = key.as_ptr();
        (word(stored, 0) ^ word(given, 0)) | (word(stored, len - 8) ^ word(given, len - 8)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_no_flipped_bit_passes() {
        let id = Identity {
            database: 1,
            log: 2,
            slot: 3,
            ordinal: 4,
            generation: 5,
            capacity: 6,
            previous_end: 7,
            previous: 8,
        };
        let bytes = id.encode();
        assert_eq!(Identity::decode(&bytes), Ok(id));
        for bit in 0..(CRC_AT + 4) * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn seeds_differ_between_generations() {
        let id = |generation| Identity {
            database: 9,
            log: 0,
            slot: 0,
            ordinal: 1,
            generation,
            capacity: 0,
            previous_end: 0,
            previous: 0,
        };
        assert_ne!(id(1).seed(), id(2).seed());
        assert_ne!(id(1).seed(), id(1 << 32 | 1).seed());
    }
}
