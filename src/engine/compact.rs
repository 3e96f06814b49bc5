//! Compaction: gives back the space of records that nothing points to any more.
//!
//! A victim is a sealed segment. Its live records are copied into the cold log of their key's
//! shard, so that what lives long ends up with its like and is seldom moved again, or into the other
//! one while they are young ([`temperature`]); then the segment is *emptied*, and freed later. For
//! each record:
//! 1. take the lock of its key's shard;
//! 2. if the key's entry still points to the record, append a copy with the same sequence number
//!    to one of the shard's logs and point the entry to it; else the record is dead;
//! 3. release the lock. Writers wait for a few short copies at most.
//!
//! Where rules keep groups of keys together, the other records of a group are copied behind the one
//! that is moved, wherever they were, so that a group that is not written to lies in one place.
//!
//! A delete is copied too, unless nothing older can come back (see [`Killed`]): no segment up to
//! its horizon is left but the victim itself. Segments that are emptied and not yet freed count as
//! left, since a crash may bring them back.
//!
//! What becomes of an emptied segment is told in [`free`], how records are moved in [`moving`], who
//! waits for it in [`room`].
//!
//! A full disk: what is copied may take the reserve ([`crate::log::reserve`]), which holds what one
//! victim may take. So the best victims come first, and for less garbage; and what was emptied is
//! freed as soon as the next victim's living records would not fit.
//!
//! What a crash leaves: copies and originals with the same sequence number, of which recovery
//! takes either; or emptied segments, which are live data's second copy or leftovers.
//!
//! How much is done: compaction keeps the logs at somewhat more than what lives ([`Space`]), what is
//! emptied and not yet freed included. Checkpoints are asked for as soon as a part has been emptied,
//! writers help where compaction cannot keep up, and are made to wait where even that is not enough
//! (`log/pressure.rs`).
//!
//! Victims are chosen by cost and benefit as in Rosenblum and Ousterhout, "The Design and
//! Implementation of a Log-Structured File System" (1992): free space gained, times age, over the
//! work of moving what lives.

mod free;
mod moving;
mod room;
mod temperature;

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::log::pressure::Cause;
use crate::log::segment::{Segment, SEGMENT_HEADER};
use crate::sabotage::{self, Sabotage};
use crate::sync::{Mutex, MutexGuard};
use free::Freeing;
use moving::{Assist, ASSIST_MAX};
use room::Rounds;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use temperature::Temperature;

/// Compaction begins when so much is dead or emptied, in thousandths of what lives, and ends when so
/// much would be, were all freed that is emptied.
const BEGIN: u64 = 250;
const END: u64 = 210;
/// Writers help from here on, with one record each; from there on with as many as they ever do.
const ASSIST_FROM: u64 = 400;
const ASSIST_FULL: u64 = 760;
/// They are made to wait from here on, the more the further.
const WAIT_FROM: u64 = 800;
/// A checkpoint is asked for when so much has been emptied, or so many bytes.
const PUBLISH: u64 = 60;
const PUBLISH_MIN: u64 = 4 << 20;
/// The first two in a database in memory that is nearly at its limit.
const BEGIN_TIGHT: u64 = 20;
/// Deletes that wait for older segments to go are swept for when they are this share of the sealed
/// segments, in per cent.
const SWEEP_PERCENT: u64 = 10;
/// Below this, garbage is left alone: it is less than a few young segments.
const GARBAGE_MIN: u64 = 4 << 20;
/// The same three while the disk is full, and after that until there is no more to gain.
const BEGIN_FULL: u64 = 50;
const END_FULL: u64 = 20;
const GARBAGE_MIN_FULL: u64 = 64 << 10;

/// The state of compaction.
#[derive(Default)]
pub(crate) struct Compaction {
    /// Held by whoever compacts.
    running: Mutex<()>,
    freeing: Mutex<Freeing>,
    rounds: Rounds,
    stopping: AtomicBool,
    moved: AtomicU64,
    freed: AtomicU64,
    assist: Assist,
    pub(crate) temperature: Temperature,
}

impl Compaction {
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    pub(crate) fn freed_bytes(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }

    /// Time that writers spent moving records, in microseconds.
    pub(crate) fn assist_micros(&self) -> u64 {
        self.assist.micros()
    }

    /// Tells the thread to end, in the middle of a victim if need be.
    pub(crate) fn close(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.rounds.close();
    }

    /// From here on nothing is kept for later.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Keeps compaction out for as long as the guard lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sealed segment as a possible victim.
struct Candidate {
    segment: Arc<Segment>,
    used: u64,
    /// Bytes that compacting it would gain.
    garbage: u64,
}

/// What the logs hold, in bytes of records.
#[derive(Clone, Copy)]
pub(crate) struct Space {
    /// What lives, and deletes that wait for older segments to go.
    pub(crate) live: u64,
    /// What is dead in sealed segments, where something can be done about it.
    pub(crate) dead: u64,
    /// All that is in emptied segments that are not yet freed.
    pub(crate) emptied: u64,
    /// What is dead in segments that are appended to.
    pub(crate) active_dead: u64,
}

impl Space {
    /// How much more than what lives there is, in thousandths.
    fn over(&self) -> u64 {
        (self.dead + self.emptied) * 1000 / self.live.max(1)
    }

    /// How much more there would be, were all freed that is emptied.
    fn over_then(&self) -> u64 {
        self.dead * 1000 / self.live.max(1)
    }
}

impl Engine {
    /// One round, whether there was anything to do. Writers help only meanwhile.
    fn compact_some(&self) -> Result<bool> {
        let _running = self.compaction.lock();
        let result = self.compact_round();
        // What an error has left is a victim for another round.
        drop(self.compaction.assist.take());
        result
    }

    /// As many victims as it takes, and checkpoints that free them.
    fn compact_round(&self) -> Result<bool> {
        self.check_writable()?;
        self.compaction.temperature.set_by_hand(false);
        self.compaction.free(self)?;
        let mut space = self.space();
        self.set_slowdown(&space);
        let (used, garbage, mut victims) = self.candidates();
        self.sweep(used, &victims)?;
        // Memory that cannot be had from anywhere else is worth the work at once.
        let no_memory = self.home.is_none() && self.source.anonymous.is_tight();
        let tight = self.source.reserve.is_tight();
        let (begin, end, least) = match (no_memory, tight, self.compaction.temperature.budget()) {
            (true, ..) => (BEGIN_TIGHT, 0, 0),
            (_, true, _) => (BEGIN_FULL, END_FULL, GARBAGE_MIN_FULL),
            (.., Some(budget)) => {
                let begin = budget.saturating_sub(space.active_dead * 1000 / space.live.max(1));
                (begin, begin.saturating_sub(BEGIN - END), 0)
            }
            _ => (BEGIN, END, GARBAGE_MIN),
        };
        let is_enough = |space: &Space, end: u64| space.dead < least || space.over_then() < end;
        if garbage == 0 || space.over() < begin || is_enough(&space, end) {
            self.source.reserve.calm_down();
            return Ok(false);
        }
        let newest = self.source.newest_generation() as f64;
        let benefit = |c: &Candidate| {
            let (dead, age) = (c.garbage as f64, newest - c.segment.id.generation as f64 + 1.0);
            dead * age.sqrt() / (c.used as f64 + c.used.saturating_sub(c.garbage) as f64)
        };
        victims.sort_by(|a, b| benefit(b).total_cmp(&benefit(a)));
        let (mut emptied, mut unfreed) = (0, 0);
        let worth = if no_memory { 50 } else { 10 };
        for victim in victims.iter().filter(|v| v.garbage * worth > v.used) {
            if is_enough(&space, end) || self.compaction.stopping.load(Ordering::Relaxed) {
                break;
            }
            let assist = &self.compaction.assist;
            if assist.level() > 0 && !tight && !victim.segment.is_cold() && assist.is_idle() {
                if let Some(victim) = self.begin_victim(&victim.segment)? {
                    assist.give(victim);
                }
            } else if self.empty_or_leave(victim)? {
                emptied += victim.used;
                unfreed += victim.used;
                if unfreed > PUBLISH_MIN && unfreed * 1000 > space.live * PUBLISH {
                    self.checkpoints.ask();
                    unfreed = 0;
                }
            }
            space = self.space();
            self.set_slowdown(&space);
        }
        if let Some(victim) = self.compaction.assist.take() {
            self.finish(victim)?;
            emptied += 1;
        }
        // A file that anybody holds is not used again.
        drop(victims);
        let stopping = self.compaction.stopping.load(Ordering::Relaxed);
        if emptied > 0 && self.home.is_some() && !stopping {
            // Those who wait for room wait for this.
            if tight {
                self.publish_freed()?;
            } else if !self.checkpoints.ask() {
                self.checkpoint()?;
            }
        }
        self.compaction.free(self)?;
        Ok(emptied > 0)
    }

    /// Empties a victim, unless there is no room for what lives in it. What is copied of one that
    /// does not fit in the end would be lost to the reserve, so it is not begun. A checkpoint costs
    /// several syncs, so it is made only when room is needed.
    fn empty_or_leave(&self, victim: &Candidate) -> Result<bool> {
        let reserve = &self.source.reserve;
        let no_room = |e: &Error| e.kind() == ErrorKind::NoSpace;
        let living = victim.used.saturating_sub(victim.garbage);
        let fits = || living == 0 || !reserve.is_full() || reserve.holds(living);
        if !fits() && self.compaction.has_emptied() {
            self.publish_freed()?;
        }
        if !fits() {
            return Ok(false);
        }
        match self.empty(&victim.segment) {
            // What was emptied so far gives room for the next.
            Err(e) if no_room(&e) => {
                self.publish_freed()?;
                self.empty(&victim.segment)
            }
            other => other,
        }
        .or_else(|e| if no_room(&e) { Ok(false) } else { Err(e) })
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
    /// garbage, makes a checkpoint and frees them; again, as long as that gains something. Small
    /// segments become one, and what compaction appends to is sealed only if it has garbage, so that
    /// calls that follow each other closely do not leave a segment each.
    pub(crate) fn compact_all(&self) -> Result<()> {
        self.check_writable()?;
        let _running = self.compaction.lock();
        self.compaction.temperature.set_by_hand(true);
        // A second round can drop the deletes whose horizon the first one has passed.
        for round in 0..3 {
            self.retire_for_compaction();
            let (_, _, mut victims) = self.candidates();
            if round == 0 && !self.source.reserve.is_tight() {
                self.note_small(&mut victims);
            }
            if self.source.reserve.is_tight() {
                victims.sort_by_key(|v| std::cmp::Reverse(v.garbage * 1000 / v.used.max(1)));
            }
            let mut emptied = 0;
            for victim in victims.iter().filter(|v| v.garbage > 0) {
                emptied += u64::from(self.empty_or_leave(victim)?);
            }
            if sabotage::is(Sabotage::EarlyFree) {
                self.compaction.free(self)?;
            }
            self.checkpoint()?;
            // A file that anybody holds is not used again.
            drop(victims);
            self.compaction.free_all(self)?;
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

    /// Seals active segments from which there is something to gain.
    fn retire_for_compaction(&self) {
        for shard in &self.shards {
            let mut state = shard.lock();
            for hot in [true, false] {
                let log = state.log_mut(hot);
                let Some((segment, _)) = log.active() else { continue };
                let dead = segment.dead_bytes.load(Ordering::Relaxed);
                let has_garbage = dead + segment.delete_bytes.load(Ordering::Relaxed) > 0;
                // On a full disk the room that is left in one is what deletes have.
                let is_worth_it = match self.source.reserve.is_full() {
                    true => dead * 2 >= segment.len() as u64,
                    false => hot || has_garbage,
                };
                if is_worth_it {
                    log.retire_active();
                }
            }
        }
    }

    /// Has segments that are less than half of what their shard's logs have count as garbage, where a
    /// shard has several.
    fn note_small(&self, victims: &mut [Candidate]) {
        let count = self.shards.len();
        let usual: Vec<u64> = (self.shards.iter())
            .map(|shard| shard.lock().log.usual_capacity(&self.source) as u64)
            .collect();
        let shard_of = |c: &Candidate| c.segment.id.log as usize % count;
        let is_small = |c: &Candidate| c.used * 2 < usual[shard_of(c)];
        let mut small = vec![0; count];
        victims.iter().filter(|c| is_small(c)).for_each(|c| small[shard_of(c)] += 1);
        for victim in victims.iter_mut().filter(|c| is_small(c)) {
            if small[shard_of(victim)] > 1 {
                victim.garbage = victim.garbage.max(1);
            }
        }
    }

    /// Empties the `n`-th sealed segment, whatever it would gain, and frees what may be freed.
    /// For an odd `n` the active ones are sealed first.
    #[cfg(feature = "lab")]
    pub(crate) fn compact_one(&self, n: usize) -> Result<()> {
        self.check_writable()?;
        let _running = self.compaction.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.compaction.temperature.set_by_hand(false);
        self.compaction.free(self)?;
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
        let oldest = Oldest::of(&segments);
        let left = |s: &&Arc<Segment>| s.end().is_some() && !s.emptied.load(Ordering::Acquire);
        let damaged = self.compaction.freeing().damaged.clone();
        let candidate = |segment: &Arc<Segment>| {
            let used = (segment.end().unwrap_or(SEGMENT_HEADER) - SEGMENT_HEADER) as u64;
            // A segment without a record is garbage as well.
            let garbage = if used == 0 { 1 } else { oldest.garbage_of(segment).min(used) };
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

    /// What the logs hold now. Writers go on meanwhile, so it is exact to some records.
    pub(crate) fn space(&self) -> Space {
        let mut space = Space { live: 0, dead: 0, emptied: 0, active_dead: 0 };
        for shard in &self.shards {
            let state = shard.lock();
            for (_, tail) in state.log.active().into_iter().chain(state.cold.active()) {
                space.live += (tail - SEGMENT_HEADER) as u64;
            }
        }
        let segments = self.slots.all();
        let oldest = Oldest::of(&segments);
        for segment in &segments {
            let used = segment.end().map_or(0, |end| (end - SEGMENT_HEADER) as u64);
            if segment.emptied.load(Ordering::Acquire) {
                space.emptied += used;
            } else if segment.end().is_some() {
                space.live += used;
                space.dead += oldest.garbage_of(segment);
            } else {
                space.active_dead += segment.dead_bytes.load(Ordering::Relaxed);
            }
        }
        space.live = space.live.saturating_sub(space.dead + space.active_dead);
        space
    }

    /// Has writers help, or wait, as far as that is needed.
    fn set_slowdown(&self, space: &Space) {
        let stopping = self.compaction.stopping.load(Ordering::Relaxed);
        let is_little = space.dead + space.emptied < 2 * GARBAGE_MIN;
        let over = if stopping || is_little { 0 } else { space.over() };
        let step = (ASSIST_FULL - ASSIST_FROM) / u64::from(ASSIST_MAX);
        self.compaction.assist.set_level((over.saturating_sub(ASSIST_FROM)).div_ceil(step) as u32);
        let micros = over.saturating_sub(WAIT_FROM).min(1000) as u32 * 50;
        self.source.pressure.set(Cause::Garbage, micros);
    }
}

/// The two oldest generations of all segments: what a delete waits for.
struct Oldest {
    first: u64,
    second: u64,
}

impl Oldest {
    fn of(segments: &[Arc<Segment>]) -> Oldest {
        let mut oldest = Oldest { first: u64::MAX, second: u64::MAX };
        for generation in segments.iter().map(|s| s.id.generation) {
            if generation < oldest.first {
                oldest = Oldest { first: generation, second: oldest.first };
            } else {
                oldest.second = oldest.second.min(generation);
            }
        }
        oldest
    }

    /// The oldest generation of all segments but one.
    fn other_than(&self, segment: &Segment) -> u64 {
        if segment.id.generation == self.first {
            self.second
        } else {
            self.first
        }
    }

    /// Bytes that compacting a segment would gain: of records that nothing points to, and of deletes
    /// that nothing older can come back from.
    fn garbage_of(&self, segment: &Segment) -> u64 {
        let can_go = segment.horizon.load(Ordering::Relaxed) < self.other_than(segment);
        let deletes = if can_go { segment.delete_bytes.load(Ordering::Relaxed) } else { 0 };
        segment.dead_bytes.load(Ordering::Relaxed) + deletes
    }
}
