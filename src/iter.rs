//! Iteration over the keys with a prefix, in no particular order.
//!
//! Invariants:
//! 1. Shard by shard, group by group. A key's group never changes, so a key that exists for the
//!    whole life of the iterator is met exactly once.
//! 2. A key that changes its shard meanwhile is met where it was when the iterator began: from the
//!    first change of placement on, the iterator looks for the keys of a shard's group in that
//!    group of every shard that may have them now, and passes over those that were elsewhere.
//! 3. A group's entries are taken together with references to the segments they point to, so what
//!    is returned later is still there, whatever is written, compacted or closed meanwhile. Of a
//!    mapped segment that is a reference to the mapping; the file of a cold one is kept from being
//!    removed by this database. (Once the database is closed, another process may remove it; files
//!    that are open then, which close sees to as far as it can, are read still.)
//! 4. Records of cold segments are read one by one, in the order of their places, past the cache;
//!    those of mapped ones are fetched into the processor's caches some records ahead.
//!
//! An iterator belongs to one thread at a time and may move between threads.

use crate::engine::placement::Map;
use crate::engine::Engine;
use crate::epoch;
use crate::error::Result;
use crate::index::entry::{Entry, Location};
use crate::index::rows::GROUPS;
use crate::log::record::Kind;
use crate::log::segment::{Raw, Segment};
use crate::log::stored::{self, Hold, Stored};
use crate::sys::map::Mapping;
use std::sync::Arc;

/// An iterator. It outlives its database.
pub struct Iter {
    engine: Arc<Engine>,
    prefix: Box<[u8]>,
    /// The placement when the iterator began.
    origin: Arc<Map>,
    /// The shard whose keys the current group is of, once keys have moved.
    only: Option<usize>,
    /// Number of the next group, counted over all shards.
    next_group: usize,
    /// What is left of the groups that were taken, the next place last, and the segments they
    /// point to, in the order of their slots.
    entries: Vec<Location>,
    segments: Vec<(u32, Held)>,
    /// The record that was read last.
    stored: Option<Stored>,
    /// Memory for a group's words.
    words: Vec<u64>,
    current: Option<Raw>,
}

/// Entries that are taken at once where there are cold segments, and where there are none.
const COLD_ENTRIES: usize = 64 << 10;
const MAPPED_ENTRIES: usize = 512;
/// Records that are fetched ahead.
const AHEAD: usize = 8;

/// A segment that the entries of a group lead to.
enum Held {
    Mapped(Arc<Segment>, Arc<Mapping>),
    Cold(Hold),
}

// SAFETY: `current` points into one of `segments` or into `stored`, which the iterator holds.
unsafe impl Send for Iter {}

impl Iter {
    pub(crate) fn new(engine: Arc<Engine>, prefix: &[u8]) -> Iter {
        let origin = engine.placement.read().clone();
        Iter {
            origin,
            only: None,
            engine,
            prefix: prefix.into(),
            next_group: 0,
            entries: Vec::new(),
            segments: Vec::new(),
            stored: None,
            words: Vec::new(),
            current: None,
        }
    }

    /// Moves to the next entry; false at the end.
    pub fn advance(&mut self) -> Result<bool> {
        self.current = None;
        loop {
            while let Some(at) = self.entries.pop() {
                if let Some(ahead) = self.entries.len().checked_sub(AHEAD) {
                    self.engine.slots.prefetch(self.entries[ahead]);
                }
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

    /// Takes the entries of the next groups: many if records have to be read from files, so that
    /// those of one file are read one after the other.
    fn load_group(&mut self) {
        self.segments.clear();
        let engine = &self.engine;
        let has_cold = engine.memory.has_cold();
        let wanted = if has_cold { COLD_ENTRIES } else { MAPPED_ENTRIES };
        // While it is held no entry is in two places, or on the way.
        let placement = engine.placement.read();
        let moved = !Arc::ptr_eq(&placement, &self.origin);
        // From the first snapshot to the references nothing may be freed.
        let _guard = epoch::pin();
        while self.entries.len() < wanted && self.next_group < engine.shards.len() * GROUPS {
            let (shard, group) = (self.next_group / GROUPS, self.next_group % GROUPS);
            self.next_group += 1;
            let shards = if moved { self.shards_of(&placement, shard) } else { vec![shard] };
            for shard in shards {
                engine.shards[shard].index.snapshot_group(group, &mut self.words);
                let entries = self.words.iter().filter_map(|w| Entry::from_word(*w));
                self.entries.extend(entries.map(Entry::location));
            }
            if moved {
                // What is passed over depends on the group's shard.
                self.only = Some(shard);
                break;
            }
        }
        drop(placement);
        if has_cold {
            // From the end on they are taken: neighbours in a segment one after the other.
            self.entries.sort_unstable_by_key(|at| std::cmp::Reverse((at.slot, at.offset)));
        }
        self.entries.iter().rev().take(AHEAD).for_each(|at| engine.slots.prefetch(*at));
        for at in &self.entries {
            let Err(place) = self.segments.binary_search_by_key(&at.slot, |held| held.0) else {
                continue;
            };
            // SAFETY: an entry names the slot, and the guard keeps it.
            let segment = unsafe { engine.slots.shared(at.slot) };
            let held = match segment.mapping() {
                Some(mapping) => Held::Mapped(segment, mapping),
                None => Held::Cold(Hold::new(segment)),
            };
            self.segments.insert(place, (at.slot, held));
        }
    }

    /// The shards that may now have keys which `shard` had when the iterator began.
    fn shards_of(&self, now: &Map, shard: usize) -> Vec<usize> {
        if now.rules != self.origin.rules {
            return (0..self.engine.shards.len()).collect();
        }
        let pairs = self.origin.table.iter().zip(&now.table);
        let mut shards: Vec<usize> = pairs
            .filter(|(then, _)| usize::from(**then) == shard)
            .map(|(_, now)| usize::from(*now))
            .collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// The record at `at` if it is one to return.
    fn record(&mut self, at: Location) -> Result<Option<Raw>> {
        let place = self.segments.binary_search_by_key(&at.slot, |held| held.0);
        let Ok(place) = place else { unreachable!("load_group took the segment of every entry") };
        let offset = at.offset as usize;
        let raw = match &self.segments[place].1 {
            Held::Mapped(segment, mapping) => {
                // SAFETY: the mapping is held, and an entry was published for the record.
                let raw = unsafe { Raw::read(mapping.address(), mapping.len(), at) };
                let raw = raw.ok_or_else(|| segment.damaged(offset))?;
                segment.touch(offset, offset + raw.header.total_len());
                // SAFETY: likewise.
                if !segment.is_trusted() && !unsafe { raw.verifies(segment.seed) } {
                    return Err(segment.damaged(offset));
                }
                raw
            }
            Held::Cold(hold) => match stored::read(hold.segment(), offset, true)? {
                Some(record) => self.stored.insert(record).raw(),
                None => unreachable!("a read that waits has an answer"),
            },
        };
        // SAFETY: the mapping or the record is held.
        let key = unsafe { raw.key() };
        let wanted = raw.header.kind == Kind::Put as u8
            && key.starts_with(&self.prefix)
            && self.only.is_none_or(|s| s == self.origin.shard(&self.engine.hasher, key));
        Ok(wanted.then_some(raw))
    }
}
