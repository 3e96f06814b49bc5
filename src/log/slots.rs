//! The segment table: from the slot in an index entry to the segment's memory.
//!
//! Invariants:
//! 1. A slot that an index entry names is filled before the entry is published.
//! 2. A reader that follows an entry holds an [`crate::epoch`] guard, or the shard's lock; a slot
//!    is emptied, and its segment dropped, only when the epoch has passed.
//! 3. `base` and `len` are written before the slot is used by anyone, and together.

use super::segment::{Raw, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::index::entry::{Location, SEGMENT_SLOTS};
use crate::sys;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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
}

/// A record found through the table.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) raw: Raw,
    pub(crate) at: Location,
    trusted: bool,
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
        SlotTable { slots, free: Mutex::new(0), end: AtomicUsize::new(0) }
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

    /// Fills an empty slot.
    pub(crate) fn fill(&self, segment: Arc<Segment>) {
        self.end.fetch_max(segment.id.slot as usize + 1, Ordering::AcqRel);
        let slot = &self.slots[segment.id.slot as usize];
        slot.len.store(segment.len(), Ordering::Release);
        let trusted_len = if segment.trusted { segment.len() } else { 0 };
        slot.trusted_len.store(trusted_len, Ordering::Release);
        slot.base.store(segment.base(), Ordering::Release);
        let old = slot.segment.swap(Arc::into_raw(segment).cast_mut(), Ordering::AcqRel);
        assert!(old.is_null(), "segment slot filled twice");
    }

    /// Empties a slot that no index entry names and no reader can still know of. The segment may
    /// be dropped once the epoch has passed (see [`SlotTable::all`]).
    pub(crate) fn clear(&self, slot: u32) -> Option<Arc<Segment>> {
        let slot = &self.slots[slot as usize];
        slot.trusted_len.store(0, Ordering::Release);
        slot.len.store(0, Ordering::Release);
        slot.base.store(std::ptr::null_mut(), Ordering::Release);
        let segment = slot.segment.swap(std::ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: the table's own reference, given up once.
        (!segment.is_null()).then(|| unsafe { Arc::from_raw(segment) })
    }

    /// Whether a location lies in a segment that exists.
    #[inline]
    pub(crate) fn covers(&self, at: Location) -> bool {
        let slot = &self.slots[at.slot as usize];
        (at.offset as usize) < slot.len.load(Ordering::Relaxed)
    }

    /// Starts loading the record at `at`.
    #[inline(always)]
    pub(crate) fn prefetch(&self, at: Location) {
        let base = self.slots[at.slot as usize].base.load(Ordering::Relaxed);
        let address = base.wrapping_add(at.offset as usize);
        sys::prefetch(address);
        sys::prefetch(address.wrapping_add(64));
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

    /// Has the kernel begin to read the beginning of a record from the device, if it is not in
    /// memory. For a holder of an epoch guard.
    pub(crate) fn will_need(&self, at: Location) {
        let slot = &self.slots[at.slot as usize];
        let (len, base) = (slot.len.load(Ordering::Acquire), slot.base.load(Ordering::Acquire));
        if (at.offset as usize) < len {
            sys::map::will_need(base.wrapping_add(at.offset as usize), WILL_NEED);
        }
    }

    /// The record at `at`, not yet verified.
    ///
    /// # Safety
    /// The caller holds an epoch guard or the shard's lock while it uses the answer.
    #[inline(always)]
    pub(crate) unsafe fn record(&self, at: Location) -> Result<Found> {
        let slot = &self.slots[at.slot as usize];
        let len = slot.len.load(Ordering::Acquire);
        let base = slot.base.load(Ordering::Acquire);
        // SAFETY: an empty slot has length 0, so nothing is read; else the caller's promise
        // keeps the mapping, and a published entry points to a complete record.
        match unsafe { Raw::read(base, len, at) } {
            Some(raw) => {
                Ok(Found { raw, at, trusted: slot.trusted_len.load(Ordering::Relaxed) != 0 })
            }
            None => Err(self.dangling(at)),
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
    pub(crate) unsafe fn share(&self, slot: u32) -> Arc<Segment> {
        let segment = self.slots[slot as usize].segment.load(Ordering::Acquire);
        // SAFETY: the table holds a reference, which cannot go while the caller's promise holds.
        unsafe {
            Arc::increment_strong_count(segment);
            Arc::from_raw(segment)
        }
    }

    /// All segments, in the order of their slots.
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        let _guard = crate::epoch::pin();
        (0..self.end.load(Ordering::Acquire) as u32)
            .filter(|slot| !self.slots[*slot as usize].segment.load(Ordering::Acquire).is_null())
            // SAFETY: filled, and the guard keeps it.
            .map(|slot| unsafe { self.share(slot) })
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
