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
//!  64  previous segment u64   its generation, or 0
//!  72  remains          u32   1: behind the records may be those of earlier segments; zeros up to 112
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

use super::pool::FilePool;
use super::record::{self, Header, Kind, RECORD_HEADER};
use crate::engine::meta::COUNT_END;
use crate::error::{Error, ErrorKind, Result};
use crate::index::entry::{Location, OFFSET_END, SEGMENT_SLOTS};
use crate::limits::{KEY_LEN_MAX, VALUE_LEN_MAX};
use crate::sabotage::{self, Sabotage};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::io::File;
use crate::sys::map::{self, Mapping, HUGE_PAGE};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};

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
// What a reader finds who takes the header for a record (`Index::first`) is no put.
const _: () = assert!(MAGIC[6] != Kind::Put as u8);
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
    /// The file was a segment before, so what lies behind the records is not always zeros.
    pub(crate) remains: bool,
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
        bytes[72..76].copy_from_slice(&u32::from(self.remains).to_le_bytes());
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
            remains: u32_at(72) != 0,
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
    if !sabotage::is(Sabotage::SeedWithoutGeneration) {
        crc.update(&generation.to_le_bytes());
    }
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

/// A segment: mapped, or cold, which is to say read from its file.
///
/// It is mapped while records are appended to it, and from then on as long as the memory limit
/// lets it (`engine/memory.rs`). A mapping is given up in three steps: [`Segment::set_cold`], which
/// nobody new gets past; the grace period of `engine/memory.rs`; [`Segment::unmap`]. Pinned values
/// hold references to the mapping, so its memory goes with the last of them.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: Identity,
    pub(crate) seed: Seed,
    /// The checksum of no bytes yet, see [`record::seal_from`].
    pub(crate) checksum_start: crc32fast::Hasher,
    /// Whether this process wrote all of its records, so that reads need not verify them; unless
    /// a sync has failed since, and the kernel may have forgotten some.
    trusted: bool,
    distrusted: AtomicBool,
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
    /// Below this, pages were made present.
    populated: AtomicUsize,
    /// Whether the kernel was asked to map it in huge pages.
    huge: AtomicBool,
    /// Bytes of the file, when it was made or opened: all that may be addressed.
    len: usize,
    /// A reference to the mapping, with its address beside it; null once it was given up.
    map: AtomicPtr<Mapping>,
    base: AtomicPtr<u8>,
    /// The mapping that was given up, which pinned values may still hold.
    left: Mutex<Weak<Mapping>>,
    /// Whether the mapping is not to be used any more.
    cold: AtomicBool,
    /// Which parts of 64 KiB were looked at through the mapping, for a segment that was found at
    /// open: what the kernel has mapped around them is resident.
    touched: Box<[AtomicU64]>,
    /// Who reads the file at the moment, or will: it is not removed meanwhile.
    readers: AtomicUsize,
    /// What the header says of the end of the records and of the device.
    sealed: AtomicU32,
    synced: AtomicUsize,
    sync_open: AtomicBool,
    /// The file, while a sync needs it; later on while it is read now and then (see
    /// [`FilePool`]): a large database has more segments than a process may have open files.
    file: Mutex<Option<Arc<dyn File>>>,
    read_mark: AtomicBool,
    /// `None` in memory.
    pool: Option<Arc<FilePool>>,
    sync_failed: AtomicBool,
    /// Where the file is, for messages; empty in memory.
    pub(crate) path: PathBuf,
}

/// What the kernel maps at once around a page that is looked at, where the page cache has it.
const TOUCH: usize = 64 << 10;

impl Segment {
    /// A segment of `len` bytes that is neither mapped nor open.
    fn bare(id: Identity, trusted: bool, len: usize, path: PathBuf) -> Segment {
        assert!(len >= SEGMENT_HEADER && len as u64 <= id.capacity);
        Segment {
            id,
            seed: id.seed(),
            checksum_start: crc32fast::Hasher::new_with_initial(id.seed().0),
            trusted,
            distrusted: AtomicBool::new(false),
            dead_bytes: AtomicU64::new(0),
            delete_bytes: AtomicU64::new(0),
            horizon: AtomicU64::new(0),
            emptied: AtomicBool::new(false),
            end: AtomicU64::new(0),
            populated: AtomicUsize::new(0),
            huge: AtomicBool::new(false),
            len,
            map: AtomicPtr::new(std::ptr::null_mut()),
            base: AtomicPtr::new(std::ptr::null_mut()),
            left: Mutex::default(),
            cold: AtomicBool::new(true),
            touched: Box::default(),
            readers: AtomicUsize::new(0),
            sealed: AtomicU32::new(0),
            synced: AtomicUsize::new(0),
            sync_open: AtomicBool::new(false),
            file: Mutex::new(None),
            read_mark: AtomicBool::new(false),
            pool: None,
            sync_failed: AtomicBool::new(false),
            path,
        }
    }

    /// A new segment in anonymous memory.
    pub(crate) fn in_anonymous(id: Identity, map: Mapping) -> Segment {
        let segment = Segment::bare(id, true, map.len(), PathBuf::new());
        segment.set_map(map);
        segment
    }

    /// A new segment in a file.
    pub(crate) fn create(
        id: Identity,
        map: Mapping,
        file: Box<dyn File>,
        path: PathBuf,
        pool: Arc<FilePool>,
    ) -> Segment {
        let mut segment = Segment::bare(id, true, map.len(), path);
        segment.set_map(map);
        segment.pool = Some(pool);
        segment.file = Mutex::new(Some(file.into()));
        segment
    }

    /// A segment that was found, whose file of `len` bytes begins with `header`. It is cold.
    pub(crate) fn found(
        id: Identity,
        header: &[u8; SEGMENT_HEADER],
        len: usize,
        path: PathBuf,
        pool: Arc<FilePool>,
    ) -> Segment {
        let mut segment = Segment::bare(id, false, len, path);
        segment.touched = (0..len.div_ceil(TOUCH * 64)).map(|_| AtomicU64::new(0)).collect();
        segment.pool = Some(pool);
        let word = header[SEALED_AT..].first_chunk::<4>();
        segment.sealed = AtomicU32::new(word.map_or(0, |word| u32::from_le_bytes(*word)));
        let (end, sync_open) = synced::of_header(header);
        segment.synced = AtomicUsize::new(end);
        segment.sync_open = AtomicBool::new(sync_open);
        segment
    }

    /// Whether reads need not verify.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted && !self.distrusted.load(Ordering::Relaxed)
    }

    /// Whether this opening of the database has made it, so that no other can have seen its file.
    pub(crate) fn is_of_this_opening(&self) -> bool {
        self.trusted
    }

    /// Has reads verify from now on.
    pub(crate) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Relaxed);
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

    /// Address of the mapping. Only for those whom it cannot be taken from: whoever appends, and
    /// recovery.
    #[inline(always)]
    pub(crate) fn base(&self) -> *mut u8 {
        self.base.load(Ordering::Relaxed)
    }

    /// Bytes of the file: all that may be addressed.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn set_map(&self, map: Mapping) {
        assert_eq!(map.len(), self.len);
        self.base.store(map.address(), Ordering::Release);
        let old = self.map.swap(Arc::into_raw(Arc::new(map)).cast_mut(), Ordering::AcqRel);
        assert!(old.is_null(), "a segment is mapped twice");
        self.cold.store(false, Ordering::Release);
    }

    /// Maps a cold segment. `keep`: its file stays open, for a sync.
    ///
    /// # Safety
    /// Nobody else maps or unmaps it: recovery, or the memory thread.
    pub(crate) unsafe fn map_in(&self, writable: bool, keep: bool) -> std::io::Result<()> {
        let Some(pool) = &self.pool else { return Ok(()) };
        if !self.is_cold() {
            if keep && self.file().is_none() {
                *self.file() = Some(pool.io.open(&self.path, writable)?.into());
            }
            return Ok(());
        }
        let file = pool.io.open(&self.path, writable)?;
        self.set_map(file.map(self.len, writable)?);
        if keep {
            *self.file() = Some(file.into());
        }
        Ok(())
    }

    /// Whether the segment is read from its file.
    #[inline]
    pub(crate) fn is_cold(&self) -> bool {
        self.cold.load(Ordering::Acquire)
    }

    /// Tells everybody who comes from now on to read from the file.
    pub(crate) fn set_cold(&self) {
        self.cold.store(true, Ordering::Release);
    }

    /// Gives the segment's own reference to the mapping up, after the grace period. What is
    /// returned holds the memory while there are pinned values in it.
    ///
    /// # Safety
    /// Nobody uses the address any more but with a reference of their own.
    pub(crate) unsafe fn unmap(&self) -> Option<Weak<Mapping>> {
        let map = self.map.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if map.is_null() {
            return None;
        }
        // SAFETY: the segment's own reference, given up once.
        let map = unsafe { Arc::from_raw(map.cast_const()) };
        let left = Arc::downgrade(&map);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left.clone();
        Some(left)
    }

    /// Whether nobody looks at the bytes of the file any more, or ever will: for whoever has the
    /// segment alone, which is not used afterwards.
    pub(crate) fn given_up(self) -> bool {
        // SAFETY: nobody has a reference to the segment, so its address is not used.
        drop(unsafe { self.unmap() });
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = left.strong_count() == 0 && !self.has_readers();
        // What the last holder read it has read before this.
        std::sync::atomic::fence(Ordering::Acquire);
        unseen
    }

    /// A reference to the mapping of a segment that is not cold.
    pub(crate) fn mapping(&self) -> Option<Arc<Mapping>> {
        let _guard = crate::epoch::pin();
        // Whoever makes it cold from here on waits for the guard before the reference goes.
        if self.is_cold() {
            return None;
        }
        // SAFETY: as just said.
        Some(unsafe { self.share_mapping() })
    }

    /// A reference to the mapping.
    ///
    /// # Safety
    /// The caller holds an epoch guard, under which the segment was seen not to be cold; or the
    /// shard's lock, likewise.
    #[inline]
    pub(crate) unsafe fn share_mapping(&self) -> Arc<Mapping> {
        let map = self.map.load(Ordering::Acquire).cast_const();
        // SAFETY: the segment holds a reference, which cannot go while the caller's promise holds.
        unsafe {
            Arc::increment_strong_count(map);
            Arc::from_raw(map)
        }
    }

    /// Notes that pages are present: all up to `to` in a segment that was made by this process, since
    /// it was filled from its begin.
    pub(crate) fn set_present(&self, from: usize, to: usize) {
        if self.trusted {
            self.populated.fetch_max(to.min(self.len), Ordering::Relaxed);
        } else {
            self.touch(from, to.min(self.len));
        }
    }

    /// Below this pages are present.
    pub(crate) fn populated(&self) -> usize {
        self.populated.load(Ordering::Relaxed)
    }

    /// Notes that a part was looked at through the mapping.
    #[inline]
    pub(crate) fn touch(&self, from: usize, to: usize) {
        for part in from / TOUCH..to.div_ceil(TOUCH) {
            let Some(word) = self.touched.get(part / 64) else { return };
            if word.load(Ordering::Relaxed) >> (part % 64) & 1 == 0 {
                word.fetch_or(1 << (part % 64), Ordering::Relaxed);
            }
        }
    }

    /// Whether a range can be looked at through the mapping at `base` without waiting: its parts were
    /// looked at before, or are in memory as a whole. Has the kernel begin to read them otherwise.
    pub(crate) fn is_present(&self, base: *const u8, from: usize, to: usize) -> bool {
        let is_touched = |part: usize| {
            let word = self.touched.get(part / 64).map_or(0, |w| w.load(Ordering::Relaxed));
            word >> (part % 64) & 1 == 1
        };
        if (from / TOUCH..to.div_ceil(TOUCH)).all(is_touched) {
            return true;
        }
        let begin = from / TOUCH * TOUCH;
        let end = to.next_multiple_of(TOUCH).min(self.end().unwrap_or(self.len)).max(to);
        let (address, len) = (base.wrapping_add(begin), end - begin);
        if map::is_resident(address, len) {
            return true;
        }
        map::fetch(address, len);
        false
    }

    /// Bytes of the mapping that are resident, as far as the engine has touched them; `tail` is
    /// where the records end. The second number bounds what they can become.
    pub(crate) fn resident(&self, tail: usize) -> (usize, usize) {
        if self.map.load(Ordering::Relaxed).is_null() {
            return (0, 0);
        }
        // A huge page is resident as a whole as soon as one byte of it was touched.
        let page = if self.huge.load(Ordering::Relaxed) { HUGE_PAGE } else { 4096 };
        let written = self.populated().max(tail).next_multiple_of(page).min(self.len);
        if self.trusted {
            return (written, written);
        }
        let parts = self.touched.iter().map(|w| w.load(Ordering::Relaxed).count_ones() as usize);
        ((parts.sum::<usize>() * TOUCH).max(self.populated()).min(self.len), self.len)
    }

    /// The file, for reading: open already, or opened now.
    pub(crate) fn reading(self: &Arc<Self>) -> std::io::Result<Arc<dyn File>> {
        self.read_mark.store(true, Ordering::Relaxed);
        if let Some(file) = &*self.file() {
            return Ok(file.clone());
        }
        let Some(pool) = &self.pool else { return Err(std::io::ErrorKind::NotFound.into()) };
        let opened: Arc<dyn File> = pool.io.open(&self.path, false)?.into();
        let mut file = self.file();
        let is_first = file.is_none();
        let opened = file.get_or_insert(opened).clone();
        drop(file);
        if is_first {
            pool.opened(self);
        }
        Ok(opened)
    }

    /// Whether the file is open. With what it answers nothing is read: another thread may close it.
    pub(crate) fn is_open(&self) -> bool {
        self.file().is_some()
    }

    /// Whether the file was read since the last call.
    pub(crate) fn take_read_mark(&self) -> bool {
        self.read_mark.swap(false, Ordering::Relaxed)
    }

    /// Keeps the file from being removed.
    pub(crate) fn add_reader(&self) {
        self.readers.fetch_add(1, Ordering::AcqRel);
    }

    /// See [`Segment::add_reader`].
    pub(crate) fn remove_reader(&self) {
        self.readers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether somebody reads the file.
    pub(crate) fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Acquire) > 0
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
        if let Some(map) = self.mapping().filter(|map| map.len() >= HUGE_PAGE) {
            map.advise_huge();
            self.huge.store(true, Ordering::Relaxed);
        }
    }

    /// Asks for pages of the smallest size. A store through the mapping makes the whole page
    /// dirty, and the next sync writes it.
    pub(crate) fn map_small(&self) {
        if let Some(map) = self.mapping() {
            map.advise_small();
        }
    }

    /// Makes pages present ahead of their first touch.
    pub(crate) fn populate(&self, from: usize, to: usize) {
        if let Some(map) = self.mapping() {
            map.populate(from, to);
            self.set_present(from, to);
        }
    }

    /// Gives the file's unused end back to the file system, unless the file is being synced: the
    /// caller holds a shard's lock and does not wait for the device.
    pub(crate) fn trim(&self, end: usize) -> std::io::Result<()> {
        let len = end.next_multiple_of(4096).min(self.len());
        let Ok(file) = self.file.try_lock() else { return Ok(()) };
        file.as_ref().map_or(Ok(()), |f| f.set_len(len as u64))
    }

    fn file(&self) -> MutexGuard<'_, Option<Arc<dyn File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the segment is sealed, and all of it on the device.
    pub(crate) fn is_synced(&self) -> bool {
        self.end().is_some_and(|end| self.synced.load(Ordering::Acquire) >= end)
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
    /// The segment is mapped, and nobody else looks at the bytes beyond `end`.
    pub(crate) unsafe fn cut(&self, end: usize) -> std::io::Result<()> {
        let page_end = end.next_multiple_of(4096).min(self.len());
        // SAFETY: the range is in the mapping; the caller vouches for the others.
        let rest = unsafe { std::slice::from_raw_parts_mut(self.base().add(end), page_end - end) };
        if rest.iter().any(|b| *b != 0) {
            rest.fill(0);
        }
        self.trim(end)
    }

    /// Stores that the records have ended at `end`, and whether the log goes on in a segment whose
    /// header is written.
    pub(crate) fn mark_sealed(&self, end: usize, followed: bool) {
        let word = (end / 8) as u32 | if followed { FOLLOWED } else { 0 };
        self.sealed.store(word, Ordering::Release);
        if let Some(map) = self.mapping() {
            // SAFETY: the header is in the mapping, the word is aligned, and only accessed so.
            let stored = unsafe { AtomicU32::from_ptr(map.address().add(SEALED_AT).cast()) };
            stored.store(word.to_le(), Ordering::Release);
        }
    }

    /// Where the records have ended, if the segment is sealed, and whether another one follows.
    pub(crate) fn sealed(&self) -> Option<(usize, bool)> {
        sealed(self.sealed.load(Ordering::Acquire))
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

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference to the segment any more, so its address is not used.
        drop(unsafe { self.unmap() });
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

    /// Whether the record is a put of `key`.
    ///
    /// # Safety
    /// See [`Raw::key`].
    #[inline(always)]
    pub(crate) unsafe fn is_put_of(&self, key: &[u8]) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.is_key(key) && self.header.kind == Kind::Put as u8 }
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
            if (word ^ wanted) << 8 != 0 || !is_equal(record.add(RECORD_HEADER), key) {
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
            remains: true,
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
            remains: false,
        };
        assert_ne!(id(1).seed(), id(2).seed());
        assert_ne!(id(1).seed(), id(1 << 32 | 1).seed());
    }
}
