//! Records of cold segments: how a read or a write gets at what is not mapped.
//!
//! Invariants:
//! 1. A record from a cold segment has been verified before anybody compares its key.
//! 2. A reader's guard is paused while the disk is read, so a slow disk holds no reclamation back.
//!    What the reader goes on with then is its own: the record, and the index, whose memory is
//!    never freed. The segment's file stays meanwhile ([`Hold`]).
//! 3. A writer reads the old record of its key before it takes the shard's lock
//!    ([`Engine::read_ahead`]), and under the lock uses what it has read if the entry still leads
//!    there. If it does not, and leads into a cold segment again, the disk is read under the lock:
//!    that takes a compaction of that very record in between.
//! 4. A record is known by the generation of its segment and its offset, which are never used
//!    twice; a slot alone would be.

use super::Engine;
use crate::epoch::{self, Guard};
use crate::error::Result;
use crate::hash::KeyHash;
use crate::index::entry::Location;
use crate::log::slots::Found;
use crate::log::stored::{self, Hold, Stored};
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// Where a record is, for good: generation and offset.
pub(crate) type Place = (u64, u32);

/// What one operation has read from cold segments, and how it may go about that. A [`Found`] may
/// point into it.
#[derive(Default)]
pub(crate) struct Cold<'g> {
    /// Paused while the disk is read.
    guard: Option<&'g Guard>,
    /// The disk is not waited for.
    nowait: bool,
    /// The cache is left alone.
    uncached: bool,
    /// Something cold was looked for.
    looked: bool,
    /// A record could not be looked at without waiting.
    pub(crate) blocked: bool,
    /// A handful at most: the candidates of one key.
    records: Vec<(Place, Arc<Stored>)>,
}

impl<'g> Cold<'g> {
    /// For a reader, whose guard may be paused.
    pub(crate) fn reader(guard: &'g Guard) -> Cold<'g> {
        Cold { guard: Some(guard), ..Cold::default() }
    }

    /// For a reader that must not wait.
    pub(crate) fn nowait() -> Cold<'g> {
        Cold { nowait: true, ..Cold::default() }
    }

    /// For statistics: it waits for nothing, and leaves the cache and its figures as they are.
    pub(crate) fn glance() -> Cold<'g> {
        Cold { nowait: true, uncached: true, ..Cold::default() }
    }

    /// For recovery, which compares each record once.
    pub(crate) fn uncached() -> Cold<'g> {
        Cold { uncached: true, ..Cold::default() }
    }

    /// Whether the disk is not to be waited for.
    #[inline(always)]
    pub(crate) fn is_nowait(&self) -> bool {
        self.nowait
    }

    /// Whether the guard may have been paused.
    pub(crate) fn may_have_paused(&self) -> bool {
        self.guard.is_some() && self.looked
    }

    /// The record that a [`Found`] points to, if it was read.
    pub(crate) fn stored(&self, found: &Found) -> Option<&Arc<Stored>> {
        let is_it = |s: &&Arc<Stored>| std::ptr::eq(s.raw().address, found.raw.address);
        self.records.iter().map(|(_, record)| record).find(is_it)
    }
}

/// What keeps a value that was found.
#[derive(Clone, Copy)]
pub(crate) enum Keeper<'a> {
    /// The mapping of the segment in this slot.
    Slot(u32),
    /// A record that was read.
    Stored(&'a Arc<Stored>),
}

impl Engine {
    /// The record at `at`, of a cold segment. `None`: it takes a read of the disk, which `cold` does
    /// not allow.
    ///
    /// # Safety
    /// The caller holds an epoch guard, which is that of `cold` if that has one, or the shard's
    /// lock; the answer is good for as long as `cold`.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn cold_record(
        &self,
        at: Location,
        cold: &mut Cold,
    ) -> Result<Option<Found>> {
        cold.looked = true;
        // SAFETY: the caller's promise.
        let segment = unsafe { self.slots.located(at)? };
        let place = (segment.id.generation, at.offset);
        let found = |record: &Stored| Some(Found { raw: record.raw(), at, trusted: true });
        if let Some((_, record)) = cold.records.iter().find(|(p, _)| *p == place) {
            return Ok(found(record));
        }
        if !cold.uncached {
            if let Some(record) = self.cache.get(place, cold.nowait)? {
                let answer = found(&record);
                cold.records.push((place, record));
                return Ok(answer);
            }
        }
        // The file may be removed only once nobody holds it, and the entry keeps it until here.
        let hold = Hold::new(segment);
        let read = || stored::read(hold.segment(), at.offset as usize, !cold.nowait);
        let record = match cold.guard {
            // SAFETY: nothing is used afterwards but what is held.
            Some(guard) => unsafe { guard.pause(read)? },
            None => read()?,
        };
        let Some(record) = record.map(Arc::new) else {
            self.block(cold);
            return Ok(None);
        };
        self.memory.cold_reads.fetch_add(1, Ordering::Relaxed);
        if !cold.uncached {
            self.cache.put(place, &record);
        }
        let answer = found(&record);
        cold.records.push((place, record));
        Ok(answer)
    }

    /// Notes that a record was not looked at.
    #[cold]
    pub(crate) fn block(&self, cold: &mut Cold) {
        cold.blocked = true;
        self.memory.blocked.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a write of `key`, or of any, may have to wait: for a device, for the record of its
    /// key that is on it, for those that writers are held back for, or for keys that are moved.
    pub(crate) fn write_would_wait(&self, key: Option<&[u8]>) -> Result<bool> {
        if self.is_sync() || self.source.pressure.holds_back() || self.placement.is_changing() {
            return Ok(true);
        }
        if !self.memory.has_cold() && !self.opened.found {
            return Ok(false);
        }
        let Some(key) = key else { return Ok(true) };
        let _guard = epoch::pin();
        let mut cold = Cold::nowait();
        // SAFETY: the guard is held; what was found is not used.
        unsafe { self.lookup(self.hash_of(key), key, &mut cold)? };
        // A candidate of another key counts too: the write will look at it.
        Ok(cold.blocked)
    }

    /// Reads what a write of `key` will look at under its shard's lock, as far as it is cold.
    #[inline(always)]
    pub(crate) fn read_ahead(&self, hash: KeyHash, key: &[u8], cold: &mut Cold) -> Result<()> {
        if self.memory.has_cold() {
            self.read_ahead_cold(hash, key, cold)?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn read_ahead_cold(&self, hash: KeyHash, key: &[u8], cold: &mut Cold) -> Result<()> {
        let guard = epoch::pin();
        let mut ahead = Cold::reader(&guard);
        // SAFETY: the guard is held; what was found is not used.
        unsafe { self.lookup(hash, key, &mut ahead)? };
        cold.records.append(&mut ahead.records);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::pressure::Cause;
    use crate::options::Options;

    #[test]
    fn a_write_would_wait_while_writers_are_held_back() {
        let engine = Engine::open_memory(&Options::new()).unwrap();
        engine.put(b"k", b"v").unwrap();
        for (micros, waits) in [(0, false), (1, true), (20_000, true), (0, false)] {
            engine.source.pressure.set(Cause::Garbage, micros);
            assert_eq!(engine.write_would_wait(Some(b"k")).unwrap(), waits, "{micros}");
            assert_eq!(engine.write_would_wait(None).unwrap(), waits, "{micros}");
        }
    }
}
