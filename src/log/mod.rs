//! A shard's log: the segments that its records are appended to, in order.
//!
//! ```text
//! ordinal 1        2        3
//! [ sealed ] [ sealed ] [ active ····tail       ] [ next: prepared ]
//! ```
//!
//! Invariants:
//! 1. Appends happen under the shard's lock; the lock is held until every entry of what was
//!    appended is published. So whoever takes the lock finds all that lies below the tail in the
//!    indexes.
//! 2. Bytes below the tail never change. A record is written whole before the tail passes it.
//! 3. A segment's header names where its predecessor ended, so a log read back has no hole that
//!    goes unnoticed.
//! 4. A log never goes on in a segment whose tail a crash may have torn: recovery seals it.
//! 5. Behind the tail lie zeros, as many as a record's header has, or the beginning of a record that
//!    is being written: a file that was a segment before ([`spares`]) gets them with each append. So
//!    an end is told from a record that was torn.

pub(crate) mod anonymous;
pub(crate) mod pool;
pub(crate) mod pressure;
pub(crate) mod record;
pub(crate) mod reserve;
pub(crate) mod resync;
pub(crate) mod segment;
pub(crate) mod slots;
pub(crate) mod source;
pub(crate) mod spares;
pub(crate) mod stored;

use crate::error::Result;
use crate::index::entry::{Location, OFFSET_END};
use crate::sabotage::{self, Sabotage};
use crate::sys::map::HUGE_PAGE;
use record::{record_len, Kind, RECORD_HEADER};
use segment::{Segment, SEGMENT_HEADER, SEGMENT_MAX, SEGMENT_MIN, SEGMENT_YOUNG};
use source::{Purpose, SegmentSource};
use std::sync::Arc;

/// How far ahead of the tail pages are made present.
const POPULATE_AHEAD: usize = 4 << 20;
/// The same for a log that compaction appends to, of which there are as many.
const POPULATE_AHEAD_COLD: usize = 512 << 10;
/// Most cache lines behind the tail that are fetched ahead of the next record.
const PREFETCH_LINES: usize = 4;
/// A segment has this part of what lives in its shard, up to twice as much. The reserve is as large as
/// one, and each log has dead records in the one that it appends to.
const LIVE_PART: u64 = 16;
/// Unused bytes at the end of a sealed segment that are worth giving back.
const TRIM_MIN: usize = 16 << 10;

/// The log of one shard.
#[derive(Debug)]
pub(crate) struct Log {
    number: u32,
    active: Option<Active>,
    /// What comes after the active one: ordinal, and where the last segment ended.
    next_ordinal: u64,
    last_end: u64,
    /// Generation of the newest segment; 0 if it is gone.
    last_generation: u64,
    /// A segment that the preparation thread made ready.
    prepared: Option<Segment>,
    /// Whether that thread was told and has not answered.
    asked: bool,
    /// Bytes of the records that live in the shard, by which segments are sized: so that what lies
    /// dead in an active segment, and what is made ahead, stays a fraction of what lives. The cold
    /// log of a shard takes over what the other one counts.
    pub(crate) live_bytes: u64,
    last_capacity: usize,
    /// Whether the preparation thread makes segments for this log, and not its pages alone.
    prepares: bool,
    /// Sealed segments with records that no sync has covered, and where they end.
    unsynced: Vec<(Arc<Segment>, usize)>,
}

#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    /// Where the tail was when it became active.
    from: usize,
    tail: usize,
    /// Below this the device has everything, or a sync that began will see to it.
    synced: usize,
    /// Below this pages are present.
    populated: usize,
    /// How far ahead of the tail they are to be.
    ahead: usize,
    /// At this tail the preparation thread is asked for more.
    ask_at: usize,
    /// Whether anything but zeros may lie behind the tail.
    remains: bool,
}

/// Where a log stands: the segment's ordinal and the offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    pub(crate) ordinal: u64,
    pub(crate) offset: u64,
}

/// What the preparation thread finds to do for a log.
pub(crate) struct ToPrepare {
    pub(crate) populate: Option<(Arc<Segment>, usize, usize)>,
    pub(crate) capacity: Option<usize>,
}

impl Log {
    /// An empty log. `prepares`: segments are made ahead for it, and more pages of them.
    pub(crate) fn new(number: u32, prepares: bool) -> Log {
        Log {
            number,
            active: None,
            next_ordinal: 1,
            last_end: 0,
            last_generation: 0,
            prepared: None,
            asked: false,
            live_bytes: 0,
            last_capacity: 0,
            prepares,
            unsynced: Vec::new(),
        }
    }

    /// Goes on after the segment `last`, whose records end at `end`. With `continues`, in that
    /// segment itself.
    pub(crate) fn resume(&mut self, last: &Arc<Segment>, end: usize, continues: bool) {
        self.next_ordinal = last.id.ordinal + 1;
        self.last_generation = last.id.generation;
        self.last_capacity = last.len();
        self.last_end = end as u64;
        if continues {
            let mut active = Active::new(last.clone(), end, self.most_ahead(), !self.prepares);
            active.synced = end;
            self.active = Some(active);
        }
    }

    /// Has the next sync cover a segment that recovery sealed: what it holds may be in the page
    /// cache alone.
    pub(crate) fn sync_later(&mut self, segment: &Arc<Segment>, end: usize) {
        self.unsynced.push((segment.clone(), end));
    }

    /// Goes on after `position`, whose segment is gone: compaction has moved what lived in it.
    pub(crate) fn resume_after(&mut self, position: Position) {
        self.next_ordinal = position.ordinal + 1;
        self.last_end = position.offset;
        self.last_generation = 0;
    }

    /// Room for a record of `len` bytes at the tail, not yet part of the log.
    #[inline(always)]
    pub(crate) fn reserve<'a>(
        &'a mut self,
        len: usize,
        source: &'a SegmentSource,
        purpose: Purpose,
    ) -> Result<Room<'a>> {
        match &self.active {
            // An oversized segment may have room behind its one record, but out of an entry's reach.
            Some(active)
                if active.tail + len <= active.segment.len() && active.tail < OFFSET_END => {}
            _ => self.roll(len, source, purpose)?,
        }
        let Some(active) = &mut self.active else { unreachable!("roll made an active segment") };
        Ok(Room { active, len, asked: &mut self.asked, number: self.number, source })
    }

    /// Appends one record and returns where it is.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        head: (Kind, u8, u64),
        key: &[u8],
        value: &[u8],
        source: &SegmentSource,
        purpose: Purpose,
    ) -> Result<Location> {
        let mut room = self.reserve(record_len(key.len(), value.len()), source, purpose)?;
        let seed = room.active.segment.seed;
        record::encode(room.bytes(), seed, head, key, value);
        Ok(room.commit())
    }

    /// Takes back the last append, of `len` bytes at `at`, that no entry was published for.
    pub(crate) fn unappend(&mut self, at: Location, len: usize) {
        if let Some(active) = &mut self.active {
            assert_eq!(active.tail, at.offset as usize + len, "not the last record");
            active.tail = at.offset as usize;
            // Whole as it is, the record would come back at the next open.
            // SAFETY: the bytes lie above the tail now, and the shard's lock is held.
            unsafe { std::ptr::write_bytes(active.segment.base().add(active.tail), 0, 8) };
        }
    }

    /// Seals the active segment and makes one active that has room for `len` bytes.
    #[cold]
    #[inline(never)]
    fn roll(&mut self, len: usize, source: &SegmentSource, purpose: Purpose) -> Result<()> {
        let need = len + SEGMENT_HEADER;
        // First whatever can fail. From here to the seal nothing is appended, so the end that the
        // new header names is the end that the old segment keeps.
        let segment = match self.prepared.take() {
            Some(segment) if segment.len() >= need => segment,
            other => {
                self.prepared = other;
                source.create_for(purpose, self.capacity_for(need, source), need)?
            }
        };
        let previous = (self.last_generation, self.position().offset);
        let segment = source.activate(segment, (self.number, self.next_ordinal), previous)?;
        if let Some(active) = &self.active {
            // What was written ahead of the pages that were made present.
            let tail = active.tail;
            source.pressure.take_room(tail.saturating_sub(active.segment.populated()));
            active.segment.set_present(active.from, tail);
        }
        self.seal(true);
        self.next_ordinal += 1;
        self.last_generation = segment.id.generation;
        self.last_capacity = segment.len();
        let ahead = source.ahead(self.most_ahead());
        self.active = Some(Active::new(segment, SEGMENT_HEADER, ahead, !self.prepares));
        Ok(())
    }

    /// How far ahead of the tail pages are made present at most.
    fn most_ahead(&self) -> usize {
        if self.prepares {
            POPULATE_AHEAD
        } else {
            POPULATE_AHEAD_COLD
        }
    }

    /// The size of segments that a log of so much that lives settles at.
    pub(crate) fn usual_capacity(&self, source: &SegmentSource) -> usize {
        let part = (self.live_bytes / LIVE_PART).min(SEGMENT_MAX as u64) as usize;
        part.next_power_of_two().clamp(SEGMENT_MIN, source.segment_max())
    }

    fn capacity_for(&self, need: usize, source: &SegmentSource) -> usize {
        // A young log grows faster: each segment costs a file.
        let young = (self.last_capacity * 4).min(SEGMENT_YOUNG);
        let most = source.segment_max().min(source.share_of_room());
        let grown = self.usual_capacity(source).max(young).min(most);
        if need <= grown {
            grown
        } else if need <= SEGMENT_MAX {
            need.next_power_of_two()
        } else {
            need.next_multiple_of(4096)
        }
    }

    /// Seals the active segment. `followed`: the header of the one behind it is written.
    fn seal(&mut self, followed: bool) {
        let Some(active) = self.active.take() else { return };
        self.last_end = active.tail as u64;
        active.segment.set_end(active.tail);
        active.segment.mark_sealed(active.tail, followed);
        if active.segment.len() - active.tail >= TRIM_MIN {
            // Only space is at stake; the segment is complete either way.
            let _ = active.segment.trim(active.tail);
        }
        // In memory no sync would ever take it off the list, nor free what compaction emptied.
        if active.tail > active.synced && !active.segment.in_memory() {
            self.unsynced.push((active.segment, active.tail));
        } else {
            active.segment.close_idle_file();
        }
    }

    /// Seals the active segment if it has records, so that compaction can have it.
    pub(crate) fn retire_active(&mut self) {
        if self.active.as_ref().is_some_and(|a| a.tail > SEGMENT_HEADER) {
            self.seal(false);
        }
    }

    /// Where the log ends now.
    pub(crate) fn position(&self) -> Position {
        match &self.active {
            Some(a) => Position { ordinal: a.segment.id.ordinal, offset: a.tail as u64 },
            None => Position { ordinal: self.next_ordinal - 1, offset: self.last_end },
        }
    }

    /// The segment that was made ahead.
    pub(crate) fn next(&self) -> Option<&Segment> {
        self.prepared.as_ref()
    }

    /// The active segment, and what was appended to it since it is.
    pub(crate) fn appended(&self) -> Option<(&Arc<Segment>, usize, usize)> {
        self.active.as_ref().map(|a| (&a.segment, a.from, a.tail))
    }

    /// The active segment and its tail.
    pub(crate) fn active(&self) -> Option<(&Arc<Segment>, usize)> {
        self.active.as_ref().map(|a| (&a.segment, a.tail))
    }

    /// Ordinal of the newest segment; 0 for an empty log.
    pub(crate) fn ordinal(&self) -> u64 {
        self.next_ordinal - 1
    }

    /// All that no sync has covered, each segment with the end up to which it is to be synced.
    pub(crate) fn unsynced(&self, into: &mut Vec<(Arc<Segment>, usize)>) {
        if !sabotage::is(Sabotage::ForgottenSealed) {
            into.extend(self.unsynced.iter().cloned());
        }
        if let Some(active) = &self.active {
            if active.tail > active.synced {
                into.push((active.segment.clone(), active.tail));
            }
        }
    }

    /// Notes that all of [`Log::unsynced`] has been synced. Until then, whoever else asks gets the
    /// same answer: nobody counts on a sync that may yet fail.
    pub(crate) fn confirm(&mut self, synced: &[(Arc<Segment>, usize)]) {
        for (segment, end) in synced.iter().filter(|(s, _)| s.id.log == self.number) {
            self.unsynced.retain(|(s, e)| !(Arc::ptr_eq(s, segment) && e <= end));
            if let Some(active) = self.active.as_mut().filter(|a| Arc::ptr_eq(&a.segment, segment))
            {
                active.synced = active.synced.max(*end);
            }
            segment.set_synced(*end);
        }
    }

    /// What the preparation thread should do now.
    pub(crate) fn work_to_prepare(&mut self, source: &SegmentSource) -> ToPrepare {
        self.asked = false;
        let capacity = self.capacity_for(0, source);
        let ahead = source.ahead(self.most_ahead());
        let Some(active) = &mut self.active else {
            return ToPrepare { populate: None, capacity: None };
        };
        let (tail, len) = (active.tail, active.segment.len());
        // Should the work fail, it is asked for again only after a while.
        active.ahead = ahead;
        active.ask_at = tail + ahead / 4;
        // Whole huge pages, so that the kernel can map them as such.
        let unit = if ahead >= HUGE_PAGE { HUGE_PAGE } else { 4096 };
        let to = (tail + ahead).next_multiple_of(unit).min(len);
        let populate =
            (to > active.populated).then(|| (active.segment.clone(), active.populated, to));
        let wants_next = self.prepares && self.prepared.is_none() && tail > next_at(len);
        ToPrepare { populate, capacity: wants_next.then_some(capacity) }
    }

    /// Takes what the preparation thread made.
    pub(crate) fn prepared(&mut self, segment: &Arc<Segment>, populated: usize) {
        if let Some(active) = &mut self.active {
            if Arc::ptr_eq(&active.segment, segment) {
                active.populated = active.populated.max(populated);
                active.ask_at = active.next_ask(self.prepared.is_some() || !self.prepares);
            }
        }
    }

    /// Takes a segment that the preparation thread made; gives it back if there is one already.
    pub(crate) fn set_prepared(&mut self, segment: Segment) -> Option<Segment> {
        if self.prepared.is_some() {
            return Some(segment);
        }
        self.prepared = Some(segment);
        if let Some(active) = &mut self.active {
            active.ask_at = active.next_ask(true);
        }
        None
    }

    /// Gives up the prepared segment, for closing.
    pub(crate) fn take_prepared(&mut self) -> Option<Segment> {
        self.prepared.take()
    }
}

impl Active {
    /// `ahead`: how far ahead of the tail pages are made present; `has_next`: no other segment is to
    /// be made.
    fn new(segment: Arc<Segment>, tail: usize, ahead: usize, has_next: bool) -> Active {
        let populated = segment.populated().max(tail);
        let remains = segment.id.remains;
        let mut active = Active {
            segment,
            from: tail,
            tail,
            synced: tail,
            populated,
            ahead,
            ask_at: 0,
            remains,
        };
        if tail == SEGMENT_HEADER {
            // The header itself has yet to be synced.
            active.synced = 0;
            active.end_remains();
        }
        active.ask_at = active.next_ask(has_next);
        active
    }

    /// Puts zeros behind the tail, if something else may be there.
    #[inline(always)]
    fn end_remains(&self) {
        if self.remains {
            let zeros = RECORD_HEADER.next_multiple_of(8).min(self.segment.len() - self.tail);
            // SAFETY: above the tail, within the mapping, and the shard's lock is held.
            unsafe { std::ptr::write_bytes(self.segment.base().add(self.tail), 0, zeros) };
        }
    }

    /// The tail at which there is something to prepare.
    fn next_ask(&self, has_next: bool) -> usize {
        let len = self.segment.len();
        let populate = if self.populated < len {
            self.populated.saturating_sub(self.ahead / 2)
        } else {
            usize::MAX
        };
        populate.min(if has_next { usize::MAX } else { next_at(len) })
    }
}

/// The tail at which the next segment is to be made ready: late, since until it is used it is space
/// that holds nothing.
fn next_at(len: usize) -> usize {
    len / 4 * 3
}

/// Reserved bytes at a log's tail.
pub(crate) struct Room<'a> {
    active: &'a mut Active,
    len: usize,
    asked: &'a mut bool,
    number: u32,
    source: &'a SegmentSource,
}

impl Room<'_> {
    /// The bytes to fill.
    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the range lies above the tail, within the mapping (`reserve`), and only the
        // holder of the shard's lock, which the log is borrowed under, touches it.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.active.segment.base().add(self.active.tail),
                self.len,
            )
        }
    }

    /// The segment's checksum seed.
    pub(crate) fn seed(&self) -> segment::Seed {
        self.active.segment.seed
    }

    /// What a record's checksum begins from, see [`record::seal_from`].
    #[inline(always)]
    pub(crate) fn checksum_start(&self) -> crc32fast::Hasher {
        self.active.segment.checksum_start.clone()
    }

    /// Where the bytes are.
    #[inline(always)]
    pub(crate) fn location(&self) -> Location {
        Location { slot: self.active.segment.id.slot, offset: self.active.tail as u32 }
    }

    /// Makes the bytes part of the log.
    #[inline(always)]
    pub(crate) fn commit(self) -> Location {
        let at = self.location();
        self.active.tail += self.len;
        self.active.end_remains();
        // The next record will be written here. Without its lines in the cache, the lock of the
        // next writer waits until the stores of this one have reached theirs.
        let next = self.active.segment.base().wrapping_add(self.active.tail);
        for line in 1..=(self.len / 64 + 1).min(PREFETCH_LINES) {
            crate::sys::prefetch_for_write(next.wrapping_add(line * 64));
        }
        if self.active.tail >= self.active.ask_at && !*self.asked {
            *self.asked = true;
            self.source.ask(self.number);
        }
        at
    }
}
