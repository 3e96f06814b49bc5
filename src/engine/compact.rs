//! Compaction: gives back the space of records that nothing points to any more.
//!
//! A victim is a sealed segment. Its live records are copied into the cold log of their key's
//! shard, so that what lives long ends up with its like and is seldom moved again; then the
//! segment is *emptied*, and freed later. For each record:
//! 1. take the lock of its key's shard;
//! 2. if the key's entry still points to the record, append a copy with the same sequence number
//!    to the shard's cold log and point the entry to it; else the record is dead;
//! 3. release the lock. Writers wait for one copy at most.
//!
//! Where rules keep groups of keys together, the other records of a group are copied behind the one
//! that is moved, wherever they were, so that a group that is not written to lies in one place.
//!
//! A delete is copied too, unless nothing older can come back (see [`Killed`]): no segment up to
//! its horizon is left but the victim itself. Segments that are emptied and not yet freed count as
//! left, since a crash may bring them back.
//!
//! An emptied segment is freed when
//! * a checkpoint that does not list it has been published: recovery needs it no more, and takes
//!   its file, should it be there still, for a leftover; and
//! * the epoch has passed in which its last entry was replaced: no reader is on the way to it.
//!
//! Then its slot is cleared and its file removed; its memory goes with the last pinned value.
//!
//! What a crash leaves: copies and originals with the same sequence number, of which recovery
//! takes either; or emptied segments, which are live data's second copy or leftovers.
//!
//! Victims are chosen by cost and benefit as in Rosenblum and Ousterhout, "The Design and
//! Implementation of a Log-Structured File System" (1992): free space gained, times age, over the
//! work of moving what lives.

use super::cold::Cold;
use super::rules::PLACE;
use super::{Engine, ShardState};
use crate::epoch;
use crate::error::{Error, Result};
use crate::index::entry::Location;
use crate::log::pressure::Cause;
use crate::log::record::{Killed, Kind, Record, RECORD_HEADER};
use crate::log::segment::{Segment, SEGMENT_HEADER};
use crate::log::stored::Reader;
use crate::sabotage::{self, Sabotage};
use crate::sync::{self, Condvar, Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Compaction begins when more than this share of the sealed segments is dead, in per cent, and
/// goes on until it is less than the second.
const BEGIN_PERCENT: u64 = 20;
const END_PERCENT: u64 = 15;
/// In a database in memory that is nearly at its limit it begins at this.
const TIGHT_PERCENT: u64 = 2;
/// Writers are held back when the dead share passes this, the more the further.
const SLOW_PERCENT: u64 = 45;
/// Deletes that wait for older segments to go are swept for when they are this share.
const SWEEP_PERCENT: u64 = 10;
/// Below this, garbage is left alone: it is less than a few young segments.
const GARBAGE_MIN: u64 = 4 << 20;
/// How often the thread looks.
const LOOK: Duration = Duration::from_millis(50);

/// The state of compaction.
#[derive(Default)]
pub(crate) struct Compaction {
    /// Held by whoever compacts.
    running: Mutex<()>,
    freeing: Mutex<Freeing>,
    closing: Mutex<bool>,
    wake: Condvar,
    stopping: AtomicBool,
    moved: AtomicU64,
    freed: AtomicU64,
}

/// Segments on their way out.
#[derive(Default)]
struct Freeing {
    emptied: Vec<Emptied>,
    /// Slots cleared, and the epoch after which no [`crate::log::slots::SlotTable::all`] can be
    /// about to share the segment.
    cleared: Vec<(Arc<Segment>, u64)>,
    /// Segments whose data is damaged, so that they cannot be moved; by generation.
    damaged: BTreeSet<u64>,
}

struct Emptied {
    segment: Arc<Segment>,
    epoch: u64,
    /// Checkpoints begun when it was emptied: a later one leaves it out.
    checkpoint: u64,
}

impl Compaction {
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    pub(crate) fn freed_bytes(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }

    /// Tells the thread to end, in the middle of a victim if need be.
    pub(crate) fn close(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }

    /// Keeps compaction out for as long as the guard lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn freeing(&self) -> MutexGuard<'_, Freeing> {
        self.freeing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees what may be freed by now. Any thread may call this.
    pub(crate) fn free(&self, engine: &Engine) {
        let mut freeing = self.freeing();
        if freeing.emptied.is_empty() && freeing.cleared.is_empty() {
            return;
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
            if let Some(table) = engine.slots.clear(segment.id.slot) {
                freeing.cleared.push((table, epoch::retire_epoch()));
            }
            self.freed.fetch_add(segment.len() as u64, Ordering::Relaxed);
            // A file that stays is a leftover for the next open.
            if engine.source.discard(&segment).is_ok() {
                engine.source.set_dir_dirty();
            }
        }
        freeing.cleared.retain(|(_, epoch)| *epoch >= safe);
    }
}

/// A sealed segment as a possible victim.
struct Candidate {
    segment: Arc<Segment>,
    used: u64,
    /// Bytes that compacting it would gain.
    garbage: u64,
}

impl Engine {
    /// The body of the compaction thread.
    pub(crate) fn run_compact_thread(&self) {
        loop {
            let closing = self.compaction.closing.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = self.compaction.wake.wait_timeout_while(closing, LOOK, |c| !*c);
            if *wait.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
            // What fails now fails again for whoever compacts by hand, and is told then.
            let _ = self.compact_some();
        }
    }

    /// One round: as many victims as it takes, then a checkpoint that frees them.
    fn compact_some(&self) -> Result<()> {
        let _running = self.compaction.lock();
        self.check_writable()?;
        self.compaction.free(self);
        let (mut used, mut garbage, mut victims) = self.candidates();
        self.set_slowdown(used, garbage);
        self.sweep(used, &victims)?;
        // Memory that cannot be had from anywhere else is worth the work at once.
        let tight = self.home.is_none() && self.source.anonymous.is_tight();
        let (begin, end, least) = match tight {
            true => (TIGHT_PERCENT, 0, 0),
            false => (BEGIN_PERCENT, END_PERCENT, GARBAGE_MIN),
        };
        if garbage < least || garbage * 100 < used * begin || garbage == 0 {
            return Ok(());
        }
        let newest = self.source.newest_generation() as f64;
        let benefit = |c: &Candidate| {
            let (dead, age) = (c.garbage as f64, newest - c.segment.id.generation as f64 + 1.0);
            dead * age.sqrt() / (c.used as f64 + c.used.saturating_sub(c.garbage) as f64)
        };
        victims.sort_by(|a, b| benefit(b).total_cmp(&benefit(a)));
        let mut emptied = 0;
        let worth = if tight { 50 } else { 10 };
        for victim in victims.iter().filter(|v| v.garbage * worth > v.used) {
            if garbage * 100 < used * end || self.compaction.stopping.load(Ordering::Relaxed) {
                break;
            }
            if self.empty(&victim.segment)? {
                used -= victim.used.min(used);
                garbage -= victim.garbage.min(garbage);
                emptied += victim.used;
            }
            self.set_slowdown(used + emptied, garbage);
        }
        if emptied > 0 && self.home.is_some() && !self.compaction.stopping.load(Ordering::Relaxed) {
            self.checkpoint()?;
        }
        self.compaction.free(self);
        Ok(())
    }

    /// Raises the oldest generation when deletes that wait for that have become many: moves the
    /// oldest segment's records, or seals it if it is active, so that a later round can.
    fn sweep(&self, used: u64, sealed: &[Candidate]) -> Result<()> {
        let all = self.slots.all();
        let waiting: u64 = all.iter().map(|s| s.delete_bytes.load(Ordering::Relaxed)).sum();
        if waiting < GARBAGE_MIN || waiting * 100 < used * SWEEP_PERCENT {
            return Ok(());
        }
        let left = |s: &&Arc<Segment>| !s.emptied.load(Ordering::Acquire);
        let Some(oldest) = all.iter().filter(left).min_by_key(|s| s.id.generation) else {
            return Ok(());
        };
        if let Some(candidate) = sealed.iter().find(|c| Arc::ptr_eq(&c.segment, oldest)) {
            self.empty(&candidate.segment)?;
            return Ok(());
        }
        let (log, count) = (oldest.id.log as usize, self.shards.len());
        self.shards[log % count].lock().log_mut(log < count).retire_active();
        Ok(())
    }

    /// Does all that can be done now: seals the active segments, empties every segment with
    /// garbage, makes a checkpoint and frees them; again, as long as that gains something.
    pub(crate) fn compact_all(&self) -> Result<()> {
        self.check_writable()?;
        let _running = self.compaction.lock();
        // A second round can drop the deletes whose horizon the first one has passed.
        for _ in 0..3 {
            for shard in &self.shards {
                let mut state = shard.lock();
                state.log.retire_active();
                state.cold.retire_active();
            }
            let (_, _, victims) = self.candidates();
            let mut emptied = 0;
            for victim in victims.iter().filter(|v| v.garbage > 0) {
                emptied += u64::from(self.empty(&victim.segment)?);
            }
            if sabotage::is(Sabotage::EarlyFree) {
                self.compaction.free(self);
            }
            self.checkpoint()?;
            // Readers leave within moments.
            for _ in 0..100 {
                self.compaction.free(self);
                if self.compaction.freeing().emptied.is_empty() {
                    break;
                }
                sync::sleep(Duration::from_micros(100));
            }
            if emptied == 0 {
                break;
            }
        }
        let damaged = self.compaction.freeing().damaged.clone();
        match damaged.first() {
            Some(generation) => Err(Error::corruption(format!(
                "{} of the segments are damaged and stay as they are, the first is {}; \
                 `warp verify` lists all damage",
                damaged.len(),
                crate::log::segment::file_name(*generation)
            ))),
            None => Ok(()),
        }
    }

    /// Empties the `n`-th sealed segment, whatever it would gain, and frees what may be freed.
    /// For an odd `n` the active ones are sealed first.
    #[cfg(feature = "lab")]
    pub(crate) fn compact_one(&self, n: usize) -> Result<()> {
        self.check_writable()?;
        let _running = self.compaction.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.compaction.free(self);
        for shard in self.shards.iter().filter(|_| n % 2 == 1) {
            shard.lock().log.retire_active();
        }
        let (_, _, victims) = self.candidates();
        if let Some(victim) = victims.get(n % victims.len().max(1)) {
            self.empty(&victim.segment)?;
        }
        Ok(())
    }

    /// All sealed segments that are not on their way out: bytes of records, bytes of garbage.
    fn candidates(&self) -> (u64, u64, Vec<Candidate>) {
        let segments = self.slots.all();
        let left = |s: &&Arc<Segment>| s.end().is_some() && !s.emptied.load(Ordering::Acquire);
        let damaged = self.compaction.freeing().damaged.clone();
        let candidate = |segment: &Arc<Segment>| {
            let used = (segment.end().unwrap_or(SEGMENT_HEADER) - SEGMENT_HEADER) as u64;
            let oldest_other = oldest_other(&segments, segment);
            let deletes = if segment.horizon.load(Ordering::Relaxed) < oldest_other {
                segment.delete_bytes.load(Ordering::Relaxed)
            } else {
                0
            };
            let dead = segment.dead_bytes.load(Ordering::Relaxed) + deletes;
            // A segment without a record is garbage as well.
            let garbage = if used == 0 { 1 } else { dead.min(used) };
            Candidate { segment: segment.clone(), used, garbage }
        };
        let all: Vec<Candidate> = segments
            .iter()
            .filter(left)
            .filter(|s| !damaged.contains(&s.id.generation))
            .map(candidate)
            .collect();
        let sum = |field: fn(&Candidate) -> u64| all.iter().map(field).sum();
        (sum(|c| c.used), sum(|c| c.garbage), all)
    }

    fn set_slowdown(&self, used: u64, garbage: u64) {
        let percent = if garbage < 16 * GARBAGE_MIN { 0 } else { garbage * 100 / used.max(1) };
        let over = percent.saturating_sub(SLOW_PERCENT) as u32;
        let micros =
            if self.compaction.stopping.load(Ordering::Relaxed) { 0 } else { over * over * 20 };
        self.source.pressure.set(Cause::Garbage, micros);
    }

    /// Moves all that lives in a segment away. False: it was stopped, or the segment is damaged.
    fn empty(&self, victim: &Arc<Segment>) -> Result<bool> {
        let Some(end) = victim.end() else { return Ok(false) };
        if self.home.is_some() && victim.synced() < end {
            // Else a copy could outlive a power loss that takes the original and what came before
            // it in its log: a hole.
            self.run_pass(self.token())?;
        }
        let oldest_other = oldest_other(&self.slots.all(), victim);
        let mut reader = Reader::new(victim)?;
        let (mut at, mut moved) = (SEGMENT_HEADER, 0u64);
        while at < end {
            if self.compaction.stopping.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.source.pressure.wait_for_room(&self.compaction.stopping);
            let Some(record) = reader.record(at, end)? else {
                self.compaction.freeing().damaged.insert(victim.id.generation);
                return Ok(false);
            };
            if record.kind == Kind::Batch {
                // The records of the batch follow, each whole; it was verified as one.
                at += RECORD_HEADER.next_multiple_of(8);
                continue;
            }
            let from = Location { slot: victim.id.slot, offset: at as u32 };
            moved += self.relocate(victim, from, &record, oldest_other)?;
            at += record.total_len();
        }
        self.compaction.moved.fetch_add(moved, Ordering::Relaxed);
        // In this order: whoever sees it emptied, or begins a checkpoint that leaves it out, does
        // so after its last entry was replaced.
        let epoch = epoch::retire_epoch();
        let mut freeing = self.compaction.freeing();
        victim.emptied.store(true, Ordering::Release);
        let checkpoint = self.checkpoints.begun();
        freeing.emptied.push(Emptied { segment: victim.clone(), epoch, checkpoint });
        Ok(true)
    }

    /// Moves one record if it lives; returns the bytes copied.
    fn relocate(
        &self,
        victim: &Segment,
        from: Location,
        record: &Record,
        oldest_other: u64,
    ) -> Result<u64> {
        let hash = self.hash_of(record.key);
        let shard = self.shard(hash);
        let mut group = Cold::default();
        self.read_group_ahead(record.key, &mut group)?;
        let mut state = shard.lock();
        let head = (record.kind, 0, record.seq);
        let len = record.total_len();
        if record.kind == Kind::Delete {
            let horizon = Killed::decode(record.value).horizon;
            if horizon < oldest_other || sabotage::is(Sabotage::DroppedDeletes) {
                return Ok(0);
            }
            let at = state.cold.append(head, record.key, record.value, &self.source)?;
            // SAFETY: the segment of a record just appended, under the lock.
            unsafe { self.slots.segment(at.slot) }.add_delete(len, horizon);
            return Ok(len as u64);
        }
        // SAFETY: the shard's lock is held; the copy is complete before it is published.
        unsafe {
            let place = shard.index.locate(hash, |at| Ok::<_, Error>(at == from))?;
            let Some(place) = place else { return Ok(0) };
            let at = state.cold.append(head, record.key, record.value, &self.source)?;
            shard.index.update(hash, place, at);
        }
        victim.dead_bytes.fetch_add(len as u64, Ordering::Relaxed);
        let pulled = self.pull_group(&mut state, record.key, &mut group)?;
        Ok(len as u64 + pulled)
    }

    /// Reads what [`Engine::pull_group`] will look at under the lock, as far as it is cold.
    fn read_group_ahead(&self, key: &[u8], cold: &mut Cold) -> Result<()> {
        let member = self.placement.rules().and_then(|rules| rules.member(key, PLACE));
        let mut others = member.iter().flat_map(|member| member.others());
        others.try_for_each(|key| self.read_ahead(self.hash_of(&key), &key, cold))
    }

    /// Moves the other records of a key's group behind the one that was moved, so that a group lies
    /// in one place. Under the lock of the shard, which has all of them. Returns the bytes copied.
    fn pull_group(&self, state: &mut ShardState, key: &[u8], cold: &mut Cold) -> Result<u64> {
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
                let at = state.cold.append(head, &key, found.raw.value(), &self.source)?;
                self.shard(hash).index.update(hash, place, at);
            }
            segment.dead_bytes.fetch_add(len as u64, Ordering::Relaxed);
            moved += len as u64;
        }
        Ok(moved)
    }
}

/// The oldest generation of all segments but one.
fn oldest_other(segments: &[Arc<Segment>], but: &Segment) -> u64 {
    let others = segments.iter().map(|s| s.id.generation).filter(|g| *g != but.id.generation);
    others.min().unwrap_or(u64::MAX)
}
