//! The segment table: from the slot in an index entry to the segment's memory.
//!
//! Invariants:
//! 1. A slot that an index entry names is filled before the entry is published.
//! 2. A reader that follows an entry holds an [`crate::epoch`] guard, or the shard's lock; a slot
//!    is emptied, and its segment dropped, only when the epoch has passed.
//! 3. The lengths of a slot are 0 while its segment is cold. They are stored after `base` when a
//!    segment is mapped. When it becomes cold they are stored alone: who has seen a length still
//!    uses `base`, so the mapping stays until every guard and every shard's lock that was held
//!    then has been given up (the grace period of `engine/memory.rs`).

use super::record::RECORD_HEADER;
use super::segment::{Raw, Segment};
use super::stored::NOWAIT_MAX;
use crate::error::{Error, ErrorKind, Result};
use crate::index::entry::{Location, OFFSET_END, SEGMENT_SLOTS};
use crate::sys;
use crate::sys::map::Mapping;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes of a record that are asked for ahead.
const WILL_NEED: usize = 4096;

struct Slot {
    base: AtomicPtr<u8>,
    /// Mapped bytes.
    len: AtomicUsize,
    /// The same if records need not be verified when they are read, else 0: one comparison tells
    /// a reader both that a record lies in the mapping and that it may be believed.
    trusted_len: AtomicUsize,
    segment: AtomicPtr<Segment>,
}

/// All segments of a database, by slot.
pub(crate) struct SlotTable {
    slots: Box<[Slot; SEGMENT_SLOTS]>,
    /// Where to look for the next free slot.
    free: Mutex<usize>,
    /// No slot from here on was ever filled.
    end: AtomicUsize,
    /// Held while a slot is filled, emptied, or its segment becomes cold.
    changing: Mutex<()>,
}

/// A record that an entry leads to.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) raw: Raw,
    pub(crate) at: Location,
    /// Whether it need not be verified: this process wrote it, or it was when it was read.
    pub(crate) trusted: bool,
}

impl SlotTable {
    pub(crate) fn new() -> Self {
        let layout = std::alloc::Layout::new::<[Slot; SEGMENT_SLOTS]>();
        // Zeroed by the system, so that its pages are taken only as they are used.
        // SAFETY: the layout is not empty; a slot of zeros is an empty slot, and the memory is
        // given back by the box with the layout that it was taken with.
        let slots = unsafe {
            let memory = std::alloc::alloc_zeroed(layout);
            if memory.is_null() {
                std::alloc::handle_alloc_error(layout);
            }
            Box::from_raw(memory.cast::<[Slot; SEGMENT_SLOTS]>())
        };
        SlotTable {
            slots,
            free: Mutex::new(0),
            end: AtomicUsize::new(0),
            changing: Mutex::default(),
        }
    }

    /// A slot that is empty and stays so for the caller to fill.
    pub(crate) fn reserve(&self) -> Result<u32> {
        let mut next = self.free.lock().unwrap_or_else(|e| e.into_inner());
        for _ in 0..SEGMENT_SLOTS {
            let slot = *next;
            *next = (*next + 1) % SEGMENT_SLOTS;
            if self.slots[slot].segment.load(Ordering::Acquire).is_null() {
                return Ok(slot as u32);
            }
        }
        Err(Error::new(
            ErrorKind::NoSpace,
            format!("all {SEGMENT_SLOTS} segment slots of the database are in use"),
        ))
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Fills an empty slot.
    pub(crate) fn fill(&self, segment: Arc<Segment>) {
        let _changing = self.changing();
        self.end.fetch_max(segment.id.slot as usize + 1, Ordering::AcqRel);
        let slot = &self.slots[segment.id.slot as usize];
        if !segment.is_cold() {
            slot.base.store(segment.base(), Ordering::Release);
            slot.len.store(segment.len(), Ordering::Release);
            let trusted_len = if segment.is_trusted() { segment.len() } else { 0 };
            slot.trusted_len.store(trusted_len, Ordering::Release);
        }
        let old = slot.segment.swap(Arc::into_raw(segment).cast_mut(), Ordering::AcqRel);
        assert!(old.is_null(), "segment slot filled twice");
    }

    /// Notes that the segment of a filled slot has been mapped: recovery does that.
    pub(crate) fn mapped(&self, segment: &Segment) {
        let slot = &self.slots[segment.id.slot as usize];
        slot.base.store(segment.base(), Ordering::Release);
        slot.len.store(segment.len(), Ordering::Release);
    }

    /// Sends those who come from now on to the segment's file. False: it has left its slot. The
    /// mapping may go after the grace period.
    pub(crate) fn make_cold(&self, segment: &Arc<Segment>) -> bool {
        let _changing = self.changing();
        let slot = &self.slots[segment.id.slot as usize];
        if !std::ptr::eq(slot.segment.load(Ordering::Acquire), Arc::as_ptr(segment)) {
            return false;
        }
        segment.set_cold();
        slot.trusted_len.store(0, Ordering::Release);
        slot.len.store(0, Ordering::Release);
        true
    }

    /// Empties a slot that no index entry names and no reader can still know of. The segment may
    /// be dropped once the epoch has passed (see [`SlotTable::all`]).
    pub(crate) fn clear(&self, slot: u32) -> Option<Arc<Segment>> {
        let _changing = self.changing();
        let slot = &self.slots[slot as usize];
        slot.trusted_len.store(0, Ordering::Release);
        slot.len.store(0, Ordering::Release);
        slot.base.store(std::ptr::null_mut(), Ordering::Release);
        let segment = slot.segment.swap(std::ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: the table's own reference, given up once.
        (!segment.is_null()).then(|| unsafe { Arc::from_raw(segment) })
    }

    /// For each slot the end of the offsets that lie in its segment; 0 for an empty one. For
    /// recovery, which is alone with the table.
    pub(crate) fn ends(&self) -> Vec<u32> {
        let end = |slot: &Slot| {
            // SAFETY: nobody empties a slot during recovery.
            let segment = unsafe { slot.segment.load(Ordering::Acquire).as_ref() };
            segment.map_or(0, |s| s.len().min(OFFSET_END) as u32)
        };
        self.slots[..self.end.load(Ordering::Acquire)].iter().map(end).collect()
    }

    /// Starts loading the record at `at`: as much of it as records of some 100 bytes have.
    #[inline(always)]
    pub(crate) fn prefetch(&self, at: Location) {
        let base = self.slots[at.slot as usize].base.load(Ordering::Relaxed);
        let address = base.wrapping_add(at.offset as usize);
        sys::prefetch(address);
        sys::prefetch(address.wrapping_add(64));
        sys::prefetch(address.wrapping_add(128));
    }

    /// The value of the record at `at` if the record is a put of `key` that this process wrote.
    /// `None` says nothing: it takes [`SlotTable::record`].
    ///
    /// # Safety
    /// The caller holds an epoch guard while it uses the answer.
    #[inline(always)]
    pub(crate) unsafe fn trusted_value<'a>(&self, at: Location, key: &[u8]) -> Option<&'a [u8]> {
        let slot = &self.slots[at.slot as usize];
        let len = slot.trusted_len.load(Ordering::Acquire);
        let base = slot.base.load(Ordering::Acquire);
        // SAFETY: as in `record`.
        unsafe { Raw::value_of_put(base, len, at, key) }
    }

    /// The record at `at` if this process wrote it, which is looked at without waiting. `None` says
    /// nothing: it takes [`SlotTable::record`].
    ///
    /// # Safety
    /// As for [`SlotTable::trusted_value`].
    #[inline(always)]
    pub(crate) unsafe fn trusted_record(&self, at: Location) -> Option<Found> {
        let slot = &self.slots[at.slot as usize];
        let len = slot.trusted_len.load(Ordering::Acquire);
        let base = slot.base.load(Ordering::Acquire);
        // SAFETY: as in `record`.
        let raw = unsafe { Raw::read(base, len, at) }?;
        Some(Found { raw, at, trusted: true })
    }

    /// Has the kernel begin to read the beginning of a record from the device, if it is not in
    /// memory.
    ///
    /// # Safety
    /// The caller holds an epoch guard, and an index entry names the slot.
    pub(crate) unsafe fn will_need(&self, at: Location) {
        let slot = &self.slots[at.slot as usize];
        let (len, base) = (slot.len.load(Ordering::Acquire), slot.base.load(Ordering::Acquire));
        if (at.offset as usize) < len {
            sys::map::will_need(base.wrapping_add(at.offset as usize), WILL_NEED);
        } else if len == 0 {
            // SAFETY: the caller's promise.
            let segment = unsafe { self.shared(at.slot) };
            // A hint: what it cannot do is done by the read.
            if let Ok(file) = segment.reading() {
                file.will_need(u64::from(at.offset), WILL_NEED as u64);
            }
        }
    }

    /// The record at `at` if it is mapped, not yet verified. `None` says nothing: it takes
    /// [`SlotTable::located`].
    ///
    /// # Safety
    /// The caller holds an epoch guard or the shard's lock while it uses the answer.
    #[inline(always)]
    pub(crate) unsafe fn record(&self, at: Location) -> Option<Found> {
        let slot = &self.slots[at.slot as usize];
        let len = slot.len.load(Ordering::Acquire);
        let base = slot.base.load(Ordering::Acquire);
        // SAFETY: an empty slot and that of a cold segment have length 0, so nothing is read; else
        // the caller's promise keeps the mapping, and a published entry points to a complete
        // record.
        let raw = unsafe { Raw::read(base, len, at) }?;
        Some(Found { raw, at, trusted: slot.trusted_len.load(Ordering::Relaxed) != 0 })
    }

    /// Whether a look at the record at `at` may have to wait, though it is mapped: its pages are on
    /// the device, or it is long and has to be verified. Only a segment that was found at open has
    /// such records.
    ///
    /// # Safety
    /// As for [`SlotTable::record`].
    #[inline(always)]
    pub(crate) unsafe fn may_wait(&self, at: Location) -> bool {
        let slot = &self.slots[at.slot as usize];
        // SAFETY: the caller's promise.
        slot.trusted_len.load(Ordering::Acquire) == 0 && unsafe { self.found_may_wait(at) }
    }

    /// # Safety
    /// As for [`SlotTable::record`].
    #[inline(never)]
    unsafe fn found_may_wait(&self, at: Location) -> bool {
        let slot = &self.slots[at.slot as usize];
        let len = slot.len.load(Ordering::Acquire);
        let base = slot.base.load(Ordering::Acquire);
        let from = at.offset as usize;
        if from + RECORD_HEADER > len {
            // Not mapped, or damaged: whoever looks says which.
            return false;
        }
        // SAFETY: the slot is filled, as an index entry names it and it has a length.
        let segment = unsafe { self.segment(at.slot) };
        if !segment.is_present(base, from, from + RECORD_HEADER) {
            return true;
        }
        // SAFETY: as in `record`.
        let Some(raw) = (unsafe { Raw::read(base, len, at) }) else { return false };
        let total = raw.header.total_len();
        total > NOWAIT_MAX || !segment.is_present(base, from, from + total)
    }

    /// The cold segment that the record at `at` lies in.
    ///
    /// # Safety
    /// As for [`SlotTable::record`], which found nothing.
    #[cold]
    pub(crate) unsafe fn located(&self, at: Location) -> Result<Arc<Segment>> {
        let slot = &self.slots[at.slot as usize];
        // SAFETY: the caller keeps what the slot holds.
        match unsafe { slot.segment.load(Ordering::Acquire).as_ref() } {
            Some(segment) if segment.is_cold() && (at.offset as usize) < segment.len() => {
                // SAFETY: filled, as has just been seen.
                Ok(unsafe { self.shared(at.slot) })
            }
            _ => Err(self.dangling(at)),
        }
    }

    #[cold]
    fn dangling(&self, at: Location) -> Error {
        Error::corruption(format!(
            "an index entry points to offset {} of segment slot {}, where no whole record lies",
            at.offset, at.slot
        ))
    }

    /// Verifies a record that this process did not write.
    ///
    /// # Safety
    /// As for [`SlotTable::record`], still.
    #[inline(always)]
    pub(crate) unsafe fn verify(&self, found: &Found) -> Result<()> {
        if found.trusted {
            return Ok(());
        }
        // SAFETY: the caller's promise.
        unsafe { self.verify_stored(found) }
    }

    /// # Safety
    /// As for [`SlotTable::verify`].
    #[inline(never)]
    unsafe fn verify_stored(&self, found: &Found) -> Result<()> {
        // SAFETY: the record was found, so its slot is filled, and the caller keeps it so.
        unsafe {
            let segment = self.segment(found.at.slot);
            let from = found.at.offset as usize;
            segment.touch(from, from + found.raw.header.total_len());
            if found.raw.verifies(segment.seed) {
                Ok(())
            } else {
                Err(segment.damaged(found.at.offset as usize))
            }
        }
    }

    /// The segment in a slot that is filled.
    ///
    /// # Safety
    /// As for [`SlotTable::record`], and an index entry names the slot.
    #[inline(always)]
    pub(crate) unsafe fn segment(&self, slot: u32) -> &Segment {
        // SAFETY: filled, by the caller's promise.
        unsafe { &*self.slots[slot as usize].segment.load(Ordering::Acquire) }
    }

    /// A reference of one's own to the segment in a filled slot.
    ///
    /// # Safety
    /// As for [`SlotTable::segment`].
    #[inline]
    pub(crate) unsafe fn shared(&self, slot: u32) -> Arc<Segment> {
        let segment = self.slots[slot as usize].segment.load(Ordering::Acquire);
        // SAFETY: the table holds a reference, which cannot go while the caller's promise holds.
        unsafe {
            Arc::increment_strong_count(segment);
            Arc::from_raw(segment)
        }
    }

    /// A reference of one's own to the mapping of the segment in a slot, in which a record was
    /// found.
    ///
    /// # Safety
    /// As for [`SlotTable::record`], which found the record under the same guard or lock.
    #[inline]
    pub(crate) unsafe fn share(&self, slot: u32) -> Arc<Mapping> {
        // SAFETY: the caller's promise.
        unsafe { self.segment(slot).share_mapping() }
    }

    /// Has every read verify its record from now on.
    pub(crate) fn distrust(&self) {
        for segment in self.all() {
            segment.distrust();
            self.slots[segment.id.slot as usize].trusted_len.store(0, Ordering::Release);
        }
    }

    /// All segments, in the order of their slots.
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        let _guard = crate::epoch::pin();
        (0..self.end.load(Ordering::Acquire) as u32)
            .filter_map(|slot| {
                // Once: the slot may be emptied at any moment, and what was seen in it stays while
                // the guard is held.
                let segment = self.slots[slot as usize].segment.load(Ordering::Acquire);
                // SAFETY: as just said.
                (!segment.is_null()).then(|| unsafe {
                    Arc::increment_strong_count(segment);
                    Arc::from_raw(segment)
                })
            })
            .collect()
    }
}

impl Drop for SlotTable {
    fn drop(&mut self) {
        for slot in &self.slots[..*self.end.get_mut()] {
            let segment = slot.segment.load(Ordering::Acquire);
            if !segment.is_null() {
                // SAFETY: the table's own reference, given up once.
                drop(unsafe { Arc::from_raw(segment) });
            }
        }
    }
}
