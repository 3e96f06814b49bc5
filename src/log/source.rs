//! Where segments come from: files in the database's directory, or anonymous memory.
//!
//! A segment is made in two steps, so that the costly one can be done ahead, off the caller's
//! path: `create` allocates, maps and populates a file without a header; `activate` writes the
//! header, its magic number last, which makes it part of a log. A file without one is of no log;
//! recovery removes it.
//!
//! Files that compaction has freed are used again ([`super::spares`]). Where the device has no room,
//! what must go on takes from the [`super::reserve`], and puts do not.

use super::anonymous::Anonymous;
use super::pool::FilePool;
use super::pressure::Pressure;
use super::reserve::{Reserve, RESERVE_MIN};
use super::segment::{file_name, Identity, Segment, SEGMENT_MAX, SEGMENT_MIN};
use super::slots::SlotTable;
use super::spares::{Retired, Spares};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Durability;
use crate::sabotage::{self, Sabotage};
use crate::sync::Mutex;
use crate::sys::io::Io;
use crate::sys::map::HUGE_PAGE;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::Arc;

/// How much of a new segment is made present when it is made ahead: a huge page.
pub(crate) const POPULATE_AHEAD_FIRST: usize = 2 << 20;
/// And when a writer waits for it: what keeps it going until the preparation thread comes.
pub(crate) const POPULATE_INLINE: usize = 64 << 10;

/// A segment has at most this part of a shard's share of the device's free space.
const ROOM_SHARES: u64 = 4;

/// What a segment is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Data that a full disk refuses.
    Put,
    /// A delete, which makes room in the end.
    Delete,
    /// What compaction moves, which does so soon.
    Move,
}

/// Makes segments for all logs of a database.
pub(crate) struct SegmentSource {
    /// The directory; `None` for a database in memory.
    dir: Option<PathBuf>,
    io: Arc<dyn Io>,
    pub(crate) pool: Arc<FilePool>,
    /// What holds writers back.
    pub(crate) pressure: Pressure,
    /// Where segments of a database in memory come from.
    pub(crate) anonymous: Anonymous,
    /// Largest segment that is made for short records, by the memory limit: what is appended to
    /// stays mapped. A power of two.
    segment_max: AtomicUsize,
    /// Largest segment that is made for one long record.
    largest: AtomicU64,
    /// Whether what is appended is synced soon, again and again.
    syncs_often: bool,
    database: u64,
    /// The next generation: the number of this opening of the database in the high half, so that
    /// no generation is used twice even if the files that would show it are lost.
    generation: AtomicU64,
    pub(crate) slots: Arc<SlotTable>,
    pub(crate) spares: Spares,
    pub(crate) reserve: Reserve,
    shards: AtomicUsize,
    /// Whether a name in the directory is newer than the last sync of it.
    dir_dirty: AtomicBool,
    /// Held over a sync of the directory, so that nobody goes on before it is done.
    dir_sync: Mutex<()>,
    /// Tells the preparation thread which log wants something.
    asks: Mutex<Option<Sender<u32>>>,
}

impl std::fmt::Debug for SegmentSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentSource").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl SegmentSource {
    pub(crate) fn new(
        dir: Option<PathBuf>,
        pool: Arc<FilePool>,
        database: u64,
        opens: u64,
        slots: Arc<SlotTable>,
        durability: Durability,
    ) -> Self {
        SegmentSource {
            syncs_often: matches!(durability, Durability::Periodic | Durability::Sync),
            dir,
            io: pool.io.clone(),
            pool,
            pressure: Pressure::default(),
            anonymous: Anonymous::new(),
            segment_max: AtomicUsize::new(SEGMENT_MAX),
            largest: AtomicU64::new(u64::MAX),
            database,
            generation: AtomicU64::new(opens << 32),
            slots,
            spares: Spares::default(),
            reserve: Reserve::default(),
            shards: AtomicUsize::new(0),
            // A process that died may have left names to be synced.
            dir_dirty: AtomicBool::new(true),
            dir_sync: Mutex::new(()),
            asks: Mutex::new(None),
        }
    }

    /// The id of the database.
    pub(crate) fn database(&self) -> u64 {
        self.database
    }

    /// The file system that the files are in.
    pub(crate) fn io(&self) -> &dyn Io {
        &*self.io
    }

    /// Largest segment that is made for short records.
    pub(crate) fn segment_max(&self) -> usize {
        self.segment_max.load(Ordering::Relaxed)
    }

    /// Sets it, to a power of two.
    pub(crate) fn set_segment_max(&self, bytes: usize) {
        let max = bytes.clamp(SEGMENT_MIN, SEGMENT_MAX);
        self.segment_max.store(1 << max.ilog2(), Ordering::Relaxed);
    }

    /// Sets the largest segment that is made for one long record.
    pub(crate) fn set_largest(&self, bytes: u64) {
        self.largest.store(bytes, Ordering::Relaxed);
    }

    /// Bytes ahead of a log's tail that are made present, of the most that there may be.
    pub(crate) fn ahead(&self, most: usize) -> usize {
        most.min(self.segment_max() / 4)
    }

    /// The largest segment that is made for short records by what is left of the device: all shards
    /// may have one, and one made ahead, so that what is not yet used is a small part of the rest.
    pub(crate) fn share_of_room(&self) -> usize {
        let free = self.dir.as_ref().and_then(|dir| self.io.free_space(dir));
        let shares = ROOM_SHARES * self.shards.load(Ordering::Relaxed).max(1) as u64;
        let share = free.map_or(SEGMENT_MAX as u64, |free| free / shares);
        let share = (share as usize).clamp(SEGMENT_MIN, SEGMENT_MAX);
        1 << share.ilog2()
    }

    /// Connects the preparation thread, or disconnects it.
    pub(crate) fn connect(&self, asks: Option<Sender<u32>>) {
        *self.asks.lock().unwrap_or_else(|e| e.into_inner()) = asks;
    }

    /// Tells the preparation thread that log `number` has something for it.
    #[cold]
    pub(crate) fn ask(&self, number: u32) {
        if let Some(asks) = &*self.asks.lock().unwrap_or_else(|e| e.into_inner()) {
            let _ = asks.send(number);
        }
    }

    /// The newest generation that any segment has.
    pub(crate) fn newest_generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Notes that a name in the directory is gone.
    pub(crate) fn set_dir_dirty(&self) {
        self.dir_dirty.store(true, Ordering::Release);
    }

    /// Opens the reserve of a database of so many shards.
    pub(crate) fn open_reserve(&self, shards: usize) -> Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        self.shards.store(shards, Ordering::Relaxed);
        self.reserve.open(dir, &*self.io, self.reserve_target(0))
    }

    /// What compaction of one segment may take, and a small segment of each log for deletes and for
    /// what is moved; but of the one no more than a quarter of what there is, and of the other no more
    /// than that, `more` bytes that are about to be made included.
    pub(crate) fn reserve_target(&self, more: usize) -> u64 {
        let (mut most, mut sum) = (more.min(SEGMENT_MAX), more);
        for segment in self.slots.all() {
            most = most.max(segment.len().min(SEGMENT_MAX));
            sum += segment.len();
        }
        let small = 2 * self.shards.load(Ordering::Relaxed) * SEGMENT_MIN;
        (RESERVE_MIN + (most.min(sum / 4) + small.min(sum)) as u64) & !4095
    }

    /// Makes the reserve as large as it should be with `more` bytes of segments, if there is room.
    pub(crate) fn tend_reserve(&self, more: usize) -> Result<()> {
        if self.dir.is_none() {
            return Ok(());
        }
        self.reserve.tend(self.io(), self.reserve_target(more))
    }

    /// The same before a segment for puts is made: what they take must not be what deletes will
    /// need.
    pub(crate) fn tend_reserve_for(&self, capacity: usize) -> Result<()> {
        // What else may go wrong with the reserve is told by those who look after it.
        let _ = self.tend_reserve(capacity);
        if self.reserve.is_full() {
            return Err(self.reserve.error());
        }
        Ok(())
    }

    /// Makes a segment of `capacity` bytes, or as much as `need` where there is no room for more,
    /// that belongs to no log yet. For a purpose that makes room, from the reserve if it must be.
    #[cold]
    pub(crate) fn create_for(
        &self,
        purpose: Purpose,
        capacity: usize,
        need: usize,
    ) -> Result<Segment> {
        let (first, urgent) = ((need, POPULATE_INLINE), purpose != Purpose::Put);
        let least = need.next_multiple_of(4096).max(SEGMENT_MIN).min(capacity);
        let full = |e: &Error| e.kind() == ErrorKind::NoSpace && self.dir.is_some();
        if purpose == Purpose::Put {
            self.tend_reserve_for(capacity)?;
        }
        let mut error = match self.create(capacity, first, urgent) {
            // Spares are room as well.
            Err(e) if full(&e) && self.spares.shrink(self.io(), 0) => {
                match self.create(capacity, first, urgent) {
                    Err(e) if full(&e) => e,
                    other => return other,
                }
            }
            Err(e) if full(&e) => e,
            other => return other,
        };
        for smaller in [capacity / 8, least].into_iter().filter(|c| (least..capacity).contains(c)) {
            match self.create(smaller, first, urgent) {
                Err(e) if full(&e) => error = e,
                other => return other,
            }
        }
        if purpose == Purpose::Put {
            self.reserve.set_full();
            return Err(error);
        }
        // As little as it takes for deletes, of which each shard has some. A part of the rest for what
        // is moved, and then what it takes.
        let part = if purpose == Purpose::Move { self.reserve.held() / 4 } else { 0 };
        for most in [part, 0] {
            let most = most.clamp(least as u64, capacity as u64) & !4095;
            let given = self.reserve.take(least as u64, most) as usize & !4095;
            if given < least {
                break;
            }
            match self.create(given, first, urgent) {
                Err(e) if full(&e) => error = e,
                other => return other,
            }
        }
        Err(error)
    }

    /// Makes a segment of `capacity` bytes, or of a spare file of less that holds `need`, the first
    /// `populate` of them present, that belongs to no log yet. `urgent`: for what gives memory back
    /// (see [`Anonymous`]).
    pub(crate) fn create(
        &self,
        capacity: usize,
        (need, populate): (usize, usize),
        urgent: bool,
    ) -> Result<Segment> {
        let largest = self.largest.load(Ordering::Relaxed);
        if capacity as u64 > largest && !urgent {
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "a segment of {capacity} bytes, for one record, is more than the {largest} \
                     that memory_limit leaves for it"
                ),
            ));
        }
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let id = Identity {
            database: self.database,
            log: 0,
            slot: u32::MAX,
            ordinal: 0,
            generation,
            capacity: capacity as u64,
            previous_end: 0,
            previous: 0,
            remains: false,
        };
        let Some(dir) = &self.dir else {
            let map = self.anonymous.map(capacity, urgent)?;
            let segment = Segment::in_anonymous(id, map);
            if self.ahead(usize::MAX) >= HUGE_PAGE {
                segment.map_huge();
            }
            return Ok(segment);
        };
        let path = dir.join(file_name(generation));
        let at = |action: &str, e: &std::io::Error| {
            Error::os(format!("{action} {} ({capacity} bytes)", path.display()), e)
        };
        let spare = self.spares.take(&*self.io, capacity, need, &path)?;
        let remains = spare.is_some();
        let (file, capacity) = match spare {
            Some(spare) => spare,
            None => (self.io.create(&path).map_err(|e| at("create", &e))?, capacity),
        };
        let allocated = match file.allocate(capacity as u64) {
            // Not a look at the device: a spare has its blocks.
            _ if remains => Ok(()),
            Err(_) if sabotage::is(Sabotage::IgnoredAllocate) => Ok(()),
            result => result,
        };
        let map = match allocated.and_then(|()| file.map(capacity, true)) {
            Ok(map) => map,
            Err(e) => {
                let error = at("allocate", &e);
                // Nothing refers to the file; an empty one left behind is removed at open.
                let _ = self.io.remove(&path);
                return Err(error);
            }
        };
        self.dir_dirty.store(true, Ordering::Release);
        let id = Identity { capacity: capacity as u64, remains, ..id };
        let segment = Segment::create(id, map, file, path, self.pool.clone());
        self.choose_pages(&segment);
        self.populate(&segment, 0, populate.min(capacity));
        Ok(segment)
    }

    /// Asks for huge pages, unless memory is so short that they would be a large part of it, or
    /// each sync would write a whole one for the few bytes that are new in it.
    fn choose_pages(&self, segment: &Segment) {
        if self.syncs_often {
            segment.map_small();
        } else if self.ahead(usize::MAX) >= HUGE_PAGE {
            segment.map_huge();
        }
    }

    /// Makes pages of a segment present, which takes room.
    pub(crate) fn populate(&self, segment: &Segment, from: usize, to: usize) {
        self.pressure.take_room(to - from);
        segment.populate(from, to);
    }

    /// Writes the header, as number `ordinal` of log `log`, behind the segment of generation
    /// `previous` whose records ended at `previous_end`, and puts the segment into the table.
    pub(crate) fn activate(
        &self,
        mut segment: Segment,
        (log, ordinal): (u32, u64),
        (previous, previous_end): (u64, u64),
    ) -> Result<Arc<Segment>> {
        let slot = self.slots.reserve()?;
        segment.id = Identity { log, slot, ordinal, previous_end, previous, ..segment.id };
        segment.write_header();
        let segment = Arc::new(segment);
        self.slots.fill(segment.clone());
        Ok(segment)
    }

    /// Gets rid of the files of segments that nothing needs any more; spares of them stay, up to
    /// `bytes_max`. The first error is that of a failed sync, which is final.
    pub(crate) fn retire(
        &self,
        segments: Vec<Arc<Segment>>,
        bytes_max: u64,
    ) -> std::result::Result<(), Retired> {
        let Some(dir) = self.dir.as_ref().filter(|_| !segments.is_empty()) else { return Ok(()) };
        // Names of removed files need no sync of their own: one that stays is a leftover.
        self.dir_dirty.store(true, Ordering::Release);
        self.spares.retire(dir, &*self.io, segments, bytes_max)
    }

    /// Removes a segment's file that no log used.
    pub(crate) fn discard(&self, segment: &Segment) -> Result<()> {
        if segment.in_memory() {
            return Ok(());
        }
        self.io
            .remove(&segment.path)
            .map_err(|e| Error::os(format!("remove {}", segment.path.display()), &e))
    }

    /// Makes new names durable, if there are any.
    pub(crate) fn sync_dir(&self) -> Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let _syncing = self.dir_sync.lock().unwrap_or_else(|e| e.into_inner());
        if self.dir_dirty.swap(false, Ordering::AcqRel)
            && !sabotage::is(Sabotage::UnsyncedDirectory)
        {
            self.io
                .sync_dir(dir)
                .map_err(|e| Error::os(format!("sync directory {}", dir.display()), &e))?;
        }
        Ok(())
    }
}
