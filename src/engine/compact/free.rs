//! The way out of a segment that compaction has emptied: from the mark to the file's next use.
//!
//! An emptied segment is freed when
//! * a checkpoint that does not list it has been published: recovery needs it no more, and takes
//!   its file, should it be there still, for a leftover; and
//! * the epoch has passed in which its last entry was replaced: no reader is on the way to it.
//!
//! Then its slot is cleared. Once nobody can be about to share it, its file becomes a spare for a
//! new segment, if nobody has it pinned, or is removed ([`crate::log::spares`]); the memory of one
//! that is pinned goes with the last pinned value.

use super::Compaction;
use crate::engine::Engine;
use crate::epoch;
use crate::error::Result;
use crate::log::segment::Segment;
use crate::log::spares::Retired;
use crate::sabotage::{self, Sabotage};
use crate::sync::{self, MutexGuard};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Spare files take at most this part of the logs' space, or so many bytes.
const SPARE_PART: u64 = 32;
const SPARE_BYTES_MIN: u64 = 2 << 20;

/// Segments on their way out.
#[derive(Default)]
pub(super) struct Freeing {
    pub(super) emptied: Vec<Emptied>,
    /// Slots cleared, and the epoch after which no [`crate::log::slots::SlotTable::all`] can be
    /// about to share the segment.
    cleared: Vec<(Arc<Segment>, u64)>,
    /// Segments whose data is damaged, so that they cannot be moved; by generation.
    pub(super) damaged: BTreeSet<u64>,
}

pub(super) struct Emptied {
    pub(super) segment: Arc<Segment>,
    pub(super) epoch: u64,
    /// Checkpoints begun when it was emptied: a later one leaves it out.
    pub(super) checkpoint: u64,
}

impl Compaction {
    pub(super) fn freeing(&self) -> MutexGuard<'_, Freeing> {
        self.freeing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything waits for a checkpoint.
    pub(super) fn has_emptied(&self) -> bool {
        !self.freeing().emptied.is_empty()
    }

    /// Frees what may be freed by now. Any thread may call this.
    pub(crate) fn free(&self, engine: &Engine) -> Result<()> {
        let mut freeing = self.freeing();
        if freeing.emptied.is_empty() && freeing.cleared.is_empty() {
            return Ok(());
        }
        let (safe, published) = (epoch::safe_epoch(), engine.checkpoints.last_begun_published());
        let early = engine.home.is_none() || sabotage::is(Sabotage::EarlyFree);
        let is_free = |e: &Emptied| {
            // In this order: once the epoch has passed nobody new begins to read.
            e.epoch < safe && !e.segment.has_readers() && (early || e.checkpoint < published)
        };
        let (free, rest) = std::mem::take(&mut freeing.emptied).into_iter().partition(is_free);
        freeing.emptied = rest;
        let free: Vec<Emptied> = free;
        for Emptied { segment, .. } in free {
            if let Some(map) = segment.mapping() {
                engine.memory.count_held(&map);
            }
            drop(engine.slots.clear(segment.id.slot));
            self.freed.fetch_add(segment.len() as u64, Ordering::Relaxed);
            freeing.cleared.push((segment, epoch::retire_epoch()));
        }
        let safe = epoch::safe_epoch();
        let cleared = std::mem::take(&mut freeing.cleared).into_iter();
        let (gone, rest) = cleared.partition(|(_, epoch)| *epoch < safe);
        freeing.cleared = rest;
        drop(freeing);
        let gone: Vec<(Arc<Segment>, u64)> = gone;
        let gone = gone.into_iter().map(|(segment, _)| segment).collect();
        engine.source.retire(gone, engine.spare_bytes_max()).map_err(|e| match e {
            Retired::Sync(e) => {
                engine.halt_after_sync(&e);
                e
            }
            Retired::Other(e) => e,
        })
    }

    /// Frees all that a checkpoint has made free, which takes the moments until readers have left.
    pub(crate) fn free_all(&self, engine: &Engine) -> Result<()> {
        for _ in 0..100 {
            self.free(engine)?;
            let freeing = self.freeing();
            if freeing.emptied.is_empty() && freeing.cleared.is_empty() {
                break;
            }
            drop(freeing);
            sync::sleep(Duration::from_micros(100));
        }
        Ok(())
    }
}

impl Engine {
    /// Makes a checkpoint, so that what was emptied is freed now.
    pub(super) fn publish_freed(&self) -> Result<()> {
        self.checkpoint()?;
        self.compaction.free_all(self)?;
        self.tend_reserve()
    }

    /// How much space spare files may take: a fraction of what the logs have, and none where
    /// others wait for it.
    pub(crate) fn spare_bytes_max(&self) -> u64 {
        if self.source.reserve.is_tight() || self.compaction.stopping.load(Ordering::Relaxed) {
            return 0;
        }
        let bytes: u64 = self.slots.all().iter().map(|s| s.len() as u64).sum();
        (bytes / SPARE_PART).max(SPARE_BYTES_MIN)
    }
}
