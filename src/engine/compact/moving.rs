//! Moving what lives in a victim away, a few records at a time.
//!
//! A chunk of records is verified and hashed, and the lines of the index that they need begin to
//! load; only then is the lock of their shard taken, for a few records at most. So a record costs no
//! miss of its own, and writers wait for [`UNDER_LOCK`] short copies.
//!
//! Writers help ([`Engine::assist`]): when compaction falls behind, each write moves a record or two
//! of a victim that the compaction thread has put aside for them. What slows a writer down is then
//! the work that it has caused, in steps of less than a microsecond, and no wait.
//!
//! Invariants:
//! 1. A victim is moved by one thread at a time, from its begin to its end; it is emptied once all
//!    of it was looked at.
//! 2. What a copy is made of is on the device: else the copy could outlive a power loss that takes
//!    the original and what came before it in its log: a hole.
//! 3. Writers help only while the compaction thread runs a round, so whoever keeps compaction out
//!    ([`super::Compaction::lock`]) keeps them out.

use super::free::Emptied;
use super::Oldest;
use crate::engine::cold::Cold;
use crate::engine::rules::PLACE;
use crate::engine::{Engine, ShardState};
use crate::epoch;
use crate::error::{Error, Result};
use crate::hash::KeyHash;
use crate::index::entry::Location;
use crate::log::record::{Killed, Kind, Record, FLAG_MOVED, RECORD_HEADER};
use crate::log::segment::{Segment, SEGMENT_HEADER};
use crate::log::source::Purpose;
use crate::log::stored::Reader;
use crate::sabotage::{self, Sabotage};
use crate::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

/// Records that are looked at ahead of the lock.
const CHUNK: usize = 16;
/// Most records that are looked at under the lock of a shard at once, and most bytes after which it
/// is kept.
const UNDER_LOCK: usize = 8;
const BYTES_UNDER_LOCK: usize = 4 << 10;
/// Most records that one write moves.
pub(super) const ASSIST_MAX: u32 = 4;

/// A segment that is being moved.
pub(super) struct Victim {
    segment: Arc<Segment>,
    at: usize,
    end: usize,
    /// The oldest generation of all other segments when it was begun.
    oldest_other: u64,
}

/// What became of a step.
#[derive(PartialEq, Eq)]
enum Step {
    More,
    Emptied,
    Damaged,
}

/// What writers help with.
#[derive(Default)]
pub(super) struct Assist {
    /// Records that each write moves; 0 nearly always.
    level: AtomicU32,
    victim: Mutex<Option<Victim>>,
    /// Time that writers spent, in nanoseconds.
    nanos: AtomicU64,
}

impl Assist {
    /// Sets how many records each write moves.
    pub(super) fn set_level(&self, records: u32) {
        self.level.store(records.min(ASSIST_MAX), Ordering::Relaxed);
    }

    pub(super) fn level(&self) -> u32 {
        self.level.load(Ordering::Relaxed)
    }

    /// Time that writers spent moving records, in microseconds.
    pub(super) fn micros(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed) / 1000
    }

    /// Whether writers have nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.victim.try_lock().is_ok_and(|victim| victim.is_none())
    }

    /// Gives writers a victim.
    pub(super) fn give(&self, victim: Victim) {
        *self.victim.lock().unwrap_or_else(|e| e.into_inner()) = Some(victim);
    }

    /// Takes it back.
    pub(super) fn take(&self) -> Option<Victim> {
        self.victim.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
}

/// A record that was looked at, and what its key hashes to.
struct Looked<'a> {
    record: Record<'a>,
    hash: KeyHash,
    shard: usize,
    offset: usize,
}

impl Engine {
    /// For a writer that has let go of all locks: its share of compaction, if compaction is behind.
    #[inline(always)]
    pub(crate) fn assist(&self) {
        if self.compaction.assist.level.load(Ordering::Relaxed) != 0 {
            self.assist_now();
        }
    }

    #[cold]
    fn assist_now(&self) {
        let assist = &self.compaction.assist;
        // Another writer is at it: one is enough.
        let Ok(mut place) = assist.victim.try_lock() else { return };
        let Some(victim) = place.as_mut().filter(|v| !v.segment.is_cold()) else { return };
        let begin = Instant::now();
        // The compaction thread meets an error again, and knows what to do about it.
        let most = assist.level.load(Ordering::Relaxed) as usize;
        let segment = victim.segment.clone();
        let step = Reader::new(&segment).and_then(|mut r| self.move_records(victim, &mut r, most));
        match step {
            Ok(Step::More) => {}
            Ok(Step::Emptied | Step::Damaged) | Err(_) => *place = None,
        }
        assist.nanos.fetch_add(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// A victim at its begin; `None` if it is still appended to.
    pub(super) fn begin_victim(&self, segment: &Arc<Segment>) -> Result<Option<Victim>> {
        let Some(end) = segment.end() else { return Ok(None) };
        if self.home.is_some() && segment.synced() < end {
            self.run_pass(self.token())?;
        }
        let oldest_other = Oldest::of(&self.slots.all()).other_than(segment);
        Ok(Some(Victim { segment: segment.clone(), at: SEGMENT_HEADER, end, oldest_other }))
    }

    /// Moves all that lives in a segment away. False: it was stopped, or the segment is damaged.
    pub(super) fn empty(&self, segment: &Arc<Segment>) -> Result<bool> {
        match self.begin_victim(segment)? {
            Some(victim) => self.finish(victim),
            None => Ok(false),
        }
    }

    /// Moves what is left of a victim.
    pub(super) fn finish(&self, mut victim: Victim) -> Result<bool> {
        let segment = victim.segment.clone();
        let mut reader = Reader::new(&segment)?;
        loop {
            if self.compaction.stopping.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.source.pressure.wait_for_room(&self.compaction.stopping);
            match self.move_records(&mut victim, &mut reader, CHUNK)? {
                Step::More => {}
                step => return Ok(step == Step::Emptied),
            }
        }
    }

    /// Moves the next records of a victim, `most` of them or a few less.
    fn move_records(&self, victim: &mut Victim, reader: &mut Reader, most: usize) -> Result<Step> {
        let segment = victim.segment.clone();
        // Others of its group may have to be read before the lock of one is taken.
        let most = if self.placement.rules().is_some() { 1 } else { most.min(CHUNK) };
        let bytes = reader.upcoming(victim.at, victim.end)?;
        let mut looked: [Option<Looked>; CHUNK] = [const { None }; CHUNK];
        let (mut count, mut used) = (0, 0);
        while count < most && used < bytes.len() {
            let Some(record) = crate::log::record::parse(&bytes[used..], segment.seed) else {
                break;
            };
            let offset = victim.at + used;
            if record.kind == Kind::Batch {
                // The records of the batch follow, each whole; it was verified as one.
                used += RECORD_HEADER.next_multiple_of(8);
                continue;
            }
            used += record.total_len();
            let hash = self.hash_of(record.key);
            let shard = self.shard_number(hash);
            self.shards[shard].index.prefetch(hash);
            looked[count] = Some(Looked { record, hash, shard, offset });
            count += 1;
        }
        if used == 0 && victim.at < victim.end {
            self.compaction.freeing().damaged.insert(segment.id.generation);
            return Ok(Step::Damaged);
        }
        let moved = self.relocate_all(&segment, &looked[..count], victim.oldest_other)?;
        self.compaction.moved.fetch_add(moved, Ordering::Relaxed);
        victim.at += used;
        if victim.at < victim.end {
            return Ok(Step::More);
        }
        self.emptied(segment);
        Ok(Step::Emptied)
    }

    /// Marks a segment of which all was looked at.
    fn emptied(&self, segment: Arc<Segment>) {
        // In this order: whoever sees it emptied, or begins a checkpoint that leaves it out, does
        // so after its last entry was replaced.
        let epoch = epoch::retire_epoch();
        let mut freeing = self.compaction.freeing();
        segment.emptied.store(true, Ordering::Release);
        let checkpoint = self.checkpoints.begun();
        freeing.emptied.push(Emptied { segment, epoch, checkpoint });
    }

    /// Moves those of some records that live; returns the bytes copied.
    fn relocate_all(
        &self,
        victim: &Segment,
        looked: &[Option<Looked>],
        oldest_other: u64,
    ) -> Result<u64> {
        let mut moved = 0;
        let mut next = looked.iter().flatten().peekable();
        while let Some(first) = next.peek() {
            let shard = first.shard;
            let mut group = Cold::default();
            self.read_group_ahead(first.record.key, &mut group)?;
            let mut state = self.shards[shard].lock();
            let (mut count, mut bytes) = (0, 0);
            while count < UNDER_LOCK && bytes < BYTES_UNDER_LOCK {
                let Some(looked) = next.next_if(|l| l.shard == shard) else { break };
                bytes += self.relocate(&mut state, victim, looked, oldest_other, &mut group)?;
                count += 1;
            }
            moved += bytes as u64;
        }
        Ok(moved)
    }

    /// Moves one record if it lives, for a holder of its shard's lock; returns the bytes copied.
    fn relocate(
        &self,
        state: &mut ShardState,
        victim: &Segment,
        looked: &Looked,
        oldest_other: u64,
        group: &mut Cold,
    ) -> Result<usize> {
        let Looked { record, hash, shard, offset } = looked;
        let len = record.total_len();
        // The others of a group follow to one place.
        let in_group =
            || self.placement.rules().and_then(|r| r.member(record.key, PLACE)).is_some();
        let is_hot = record.kind == Kind::Put && self.is_hot(state, record.seq) && !in_group();
        let head = (record.kind, if is_hot { FLAG_MOVED } else { 0 }, record.seq);
        state.cold.live_bytes = state.log.live_bytes;
        let log = state.log_mut(is_hot);
        let mut copy = || log.append(head, record.key, record.value, &self.source, Purpose::Move);
        if record.kind == Kind::Delete {
            let horizon = Killed::decode(record.value).horizon;
            if horizon < oldest_other || sabotage::is(Sabotage::DroppedDeletes) {
                return Ok(0);
            }
            let at = copy()?;
            // SAFETY: the segment of a record just appended, under the lock.
            unsafe { self.slots.segment(at.slot) }.add_delete(len, horizon);
            return Ok(len);
        }
        let index = &self.shards[*shard].index;
        let from = Location { slot: victim.id.slot, offset: *offset as u32 };
        // SAFETY: the shard's lock is held; the copy is complete before it is published.
        unsafe {
            let place = index.locate(*hash, |at| Ok::<_, Error>(at == from))?;
            let Some(place) = place else { return Ok(0) };
            let at = copy()?;
            index.update(*hash, place, at);
        }
        victim.dead_bytes.fetch_add(len as u64, Ordering::Relaxed);
        let pulled = self.pull_group(state, record.key, group)?;
        Ok(len + pulled)
    }

    /// Reads what [`Engine::pull_group`] will look at under the lock, as far as it is cold.
    fn read_group_ahead(&self, key: &[u8], cold: &mut Cold) -> Result<()> {
        let member = self.placement.rules().and_then(|rules| rules.member(key, PLACE));
        let mut others = member.iter().flat_map(|member| member.others());
        others.try_for_each(|key| self.read_ahead(self.hash_of(&key), &key, cold))
    }

    /// Moves the other records of a key's group behind the one that was moved, so that a group lies
    /// in one place. Under the lock of the shard, which has all of them. Returns the bytes copied.
    fn pull_group(&self, state: &mut ShardState, key: &[u8], cold: &mut Cold) -> Result<usize> {
        let Some(member) = self.placement.rules().and_then(|rules| rules.member(key, PLACE)) else {
            return Ok(0);
        };
        let mut moved = 0;
        for key in member.others() {
            let hash = self.hash_of(&key);
            let Some((place, found)) = self.current(hash, &key, cold)? else { continue };
            // SAFETY: the shard's lock is held, and an entry names the slot.
            let segment = unsafe { self.slots.segment(found.at.slot) };
            let len = found.raw.header.total_len();
            let end = found.at.offset as usize + len;
            // What is not on the device may be lost with what was before it in its log, and must not
            // live on in a copy. Nor is anything moved that was moved just now.
            let is_durable = self.home.is_none() || segment.synced() >= end;
            if segment.end().is_none() || !is_durable || segment.emptied.load(Ordering::Acquire) {
                continue;
            }
            let head = (Kind::Put, 0, found.raw.header.seq);
            // SAFETY: the lock keeps the record; the copy is complete before it is published.
            unsafe {
                let at = state.cold.append(
                    head,
                    &key,
                    found.raw.value(),
                    &self.source,
                    Purpose::Move,
                )?;
                self.shard(hash).index.update(hash, place, at);
            }
            segment.dead_bytes.fetch_add(len as u64, Ordering::Relaxed);
            moved += len;
        }
        Ok(moved)
    }
}
