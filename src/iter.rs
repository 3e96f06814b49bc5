//! Iteration over the keys with a prefix, in no particular order.
//!
//! Invariants:
//! 1. Shard by shard, group by group. A key's group never changes, so a key that exists for the
//!    whole life of the iterator is met exactly once.
//! 2. A group's entries are taken together with references to the segments they point to, so what
//!    is returned later is still there, whatever is written, compacted or closed meanwhile.
//!
//! An iterator belongs to one thread at a time and may move between threads.

use crate::engine::Engine;
use crate::epoch;
use crate::error::Result;
use crate::index::entry::{Entry, Location};
use crate::index::rows::GROUPS;
use crate::log::record::Kind;
use crate::log::segment::{Raw, Segment};
use std::sync::Arc;

/// An iterator. It outlives its database.
pub struct Iter {
    engine: Arc<Engine>,
    prefix: Box<[u8]>,
    /// Number of the next group, counted over all shards.
    next_group: usize,
    /// What is left of the current group, and the segments it points to.
    entries: Vec<Location>,
    segments: Vec<Arc<Segment>>,
    /// Memory for a group's words.
    words: Vec<u64>,
    current: Option<Raw>,
}

// SAFETY: `current` points into one of `segments`, which the iterator holds.
unsafe impl Send for Iter {}

impl Iter {
    pub(crate) fn new(engine: Arc<Engine>, prefix: &[u8]) -> Iter {
        Iter {
            engine,
            prefix: prefix.into(),
            next_group: 0,
            entries: Vec::new(),
            segments: Vec::new(),
            words: Vec::new(),
            current: None,
        }
    }

    /// Moves to the next entry; false at the end.
    pub fn advance(&mut self) -> Result<bool> {
        self.current = None;
        loop {
            while let Some(at) = self.entries.pop() {
                if let Some(raw) = self.record(at)? {
                    self.current = Some(raw);
                    return Ok(true);
                }
            }
            if self.next_group == self.engine.shards.len() * GROUPS {
                self.segments.clear();
                return Ok(false);
            }
            self.load_group();
        }
    }

    /// The entry that the last [`Iter::advance`] moved to: key and value.
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        // SAFETY: the iterator holds the segment.
        self.current.map(|raw| unsafe { (raw.key(), raw.value()) })
    }

    fn load_group(&mut self) {
        let (shard, group) = (self.next_group / GROUPS, self.next_group % GROUPS);
        self.next_group += 1;
        self.segments.clear();
        // From the snapshot to the references nothing may be freed.
        let _guard = epoch::pin();
        self.engine.shards[shard].index.snapshot_group(group, &mut self.words);
        let entries = self.words.iter().filter_map(|w| Entry::from_word(*w));
        self.entries.extend(entries.map(Entry::location));
        for at in &self.entries {
            if !self.segments.iter().any(|s| s.id.slot == at.slot) {
                // SAFETY: an entry names the slot, and the guard keeps it.
                self.segments.push(unsafe { self.engine.slots.share(at.slot) });
            }
        }
    }

    /// The record at `at` if it is one to return.
    fn record(&self, at: Location) -> Result<Option<Raw>> {
        let Some(segment) = self.segments.iter().find(|s| s.id.slot == at.slot) else {
            unreachable!("load_group took the segment of every entry")
        };
        // SAFETY: the segment is held, and an entry was published for the record.
        unsafe {
            let Some(raw) = Raw::read(segment.base(), segment.len(), at) else {
                return Err(segment.damaged(at.offset as usize));
            };
            if !segment.is_trusted() && !raw.verifies(segment.seed) {
                return Err(segment.damaged(at.offset as usize));
            }
            let wanted = raw.header.kind == Kind::Put as u8 && raw.key().starts_with(&self.prefix);
            Ok(wanted.then_some(raw))
        }
    }
}
