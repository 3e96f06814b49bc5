//! The load monitor: how operations and bytes spread over shards, slots and keys.
//!
//! Callers do nothing for it but leave tracks in cache lines that they own anyway: a get stores
//! the hash of its key beside its thread's counters, where the last 8 are, a write stores hash,
//! count and bytes beside its shard's lock. The thread `warp-monitor` looks at these every millisecond while there is
//! load, and less and less often while there is none. Of each thread that has read since the last
//! look, the last keys stand for all its reads; writes are counted for each shard, and the last
//! keys stand for them where slots and keys are concerned. So what is known of reads is a sample,
//! up to 8,000 a second for each thread, and what is known of writes by shard is exact.
//!
//! All figures decay: what happened [`HALF_LIFE`] ago counts half.
//!
//! Invariants:
//! 1. No caller waits for the monitor, takes a lock for it, or takes a branch for it.
//! 2. The monitor takes no lock but its own, and the guard of an epoch while it reads a record.
//! 3. It judges only what it has enough samples for: a few operations are never a skew.
//!
//! Entropy is Shannon's, over the shares of the shards, divided by its maximum: 1 is an even load,
//! 0 one that meets a single shard. The estimate from n samples is too low by (k - 1) / 2n, which
//! is added (Miller, "Note on the bias of information estimates", 1955). The hottest keys are
//! found by Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and
//! top-k elements in data streams", 2005) over the samples.

use super::cold::Cold;
use super::stats::TRACKS;
use super::Engine;
use crate::epoch;
use crate::hash::{KeyHash, SLOTS};
use crate::log::record::Kind;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the thread looks while there is load, and when there has been none for a while.
const TICK: Duration = Duration::from_millis(1);
const IDLE_TICK: Duration = Duration::from_millis(50);
/// Looks without any operation after which it looks less often.
const IDLE_AFTER: u32 = 200;
/// What happened that long ago counts half.
const HALF_LIFE: Duration = Duration::from_millis(500);
/// The same for slots: there are many, so they take longer to know.
const SLOT_HALF_LIFE: Duration = Duration::from_secs(3);
/// Shortest time between two automatic rebalancings.
const REBALANCE_REST: Duration = Duration::from_secs(2);
/// How often figures are decayed and judged.
const INTERVAL: Duration = Duration::from_millis(100);
/// Samples, decayed, without which nothing is judged.
const SAMPLES_MIN: f64 = 100.0;
/// Intervals in a row that a skew must last to be told.
const INTERVALS_MIN: u32 = 3;
/// How far above the threshold the entropy must be for a skew to have ended.
const END_MARGIN: f64 = 0.02;
/// Intervals that the trend looks back.
const TREND_INTERVALS: usize = 50;
/// Events that are kept for callers.
const EVENTS_MAX: usize = 256;
/// Keys that are counted, and those that are shown.
const HOT_COUNTERS: usize = 128;
const HOT_SHOWN: usize = 8;

/// What writers leave of their work, under their shard's lock and on its cache line.
#[derive(Default)]
pub(crate) struct Traffic {
    tracks: [AtomicU64; TRACKS],
    operations: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    /// Notes a write, for a holder of the shard's lock.
    #[inline(always)]
    pub(crate) fn note(&self, hash: KeyHash, bytes: usize) {
        let operations = self.operations.load(Ordering::Relaxed);
        self.tracks[operations as usize % TRACKS].store(hash.0, Ordering::Relaxed);
        self.operations.store(operations + 1, Ordering::Relaxed);
        let sum = self.bytes.load(Ordering::Relaxed) + bytes as u64;
        self.bytes.store(sum, Ordering::Relaxed);
    }
}

/// Something that a caller may want to know of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) kind: EventKind,
    /// Milliseconds since open.
    pub(crate) at_ms: u64,
    /// Entropy of the operations then.
    pub(crate) entropy: f64,
    /// The hottest shard then, and its share of the operations.
    pub(crate) shard: usize,
    pub(crate) share: f64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    SkewBegan,
    SkewEnded,
    /// Slots were moved between shards.
    Rebalanced,
}

impl EventKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            EventKind::SkewBegan => "skew_began",
            EventKind::SkewEnded => "skew_ended",
            EventKind::Rebalanced => "rebalanced",
        }
    }
}

/// The load as it is now. Rates are a second, decayed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Load {
    pub(crate) operations: f64,
    pub(crate) bytes: f64,
    /// Normalised entropy over shards; 1 while there is no load to judge.
    pub(crate) operation_entropy: f64,
    pub(crate) byte_entropy: f64,
    /// Change of the entropy of operations a second.
    pub(crate) trend: f64,
    pub(crate) skewed: bool,
    /// Operations a second of each shard.
    pub(crate) shards: Vec<f64>,
    /// The hottest slots: slot, share of the operations.
    pub(crate) slots: Vec<(usize, f64)>,
    /// The hottest keys: key, share of the operations.
    pub(crate) keys: Vec<(Vec<u8>, f64)>,
}

/// A JSON string of bytes; those that are no UTF-8 are replaced.
pub(crate) fn json_string(bytes: &[u8]) -> String {
    let mut json = String::from('"');
    for c in String::from_utf8_lossy(bytes).chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '"' | '\\' => write!(json, "\\{c}"),
            c if (c as u32) < 0x20 => write!(json, "\\u{:04x}", c as u32),
            c => write!(json, "{c}"),
        };
    }
    json.push('"');
    json
}

fn json_list<T>(all: &[T], each: impl Fn(&T) -> String) -> String {
    format!("[{}]", all.iter().map(each).collect::<Vec<_>>().join(","))
}

impl Load {
    /// As one JSON object.
    pub(crate) fn json(&self) -> String {
        format!(
            "{{\"operations_per_second\":{:.0},\"bytes_per_second\":{:.0},\
             \"operation_entropy\":{:.4},\"byte_entropy\":{:.4},\"trend_per_second\":{:.4},\
             \"skewed\":{},\"shard_operations_per_second\":{},\"hot_slots\":{},\"hot_keys\":{}}}",
            self.operations,
            self.bytes,
            self.operation_entropy,
            self.byte_entropy,
            self.trend,
            self.skewed,
            json_list(&self.shards, |n| format!("{n:.0}")),
            json_list(&self.slots, |(slot, share)| format!(
                "{{\"slot\":{slot},\"share\":{share:.4}}}"
            )),
            json_list(&self.keys, |(key, share)| format!(
                "{{\"key\":{},\"share\":{share:.4}}}",
                json_string(key)
            )),
        )
    }
}

impl Event {
    fn json(&self) -> String {
        format!(
            "{{\"number\":{},\"kind\":\"{}\",\"at_ms\":{},\"entropy\":{:.4},\"shard\":{},\
             \"share\":{:.4}}}",
            self.number,
            self.kind.name(),
            self.at_ms,
            self.entropy,
            self.shard,
            self.share
        )
    }
}

/// The state of the monitor.
#[derive(Default)]
pub(crate) struct Monitor {
    figures: Mutex<Figures>,
    closing: Mutex<bool>,
    wake: Condvar,
}

/// All that is known, decayed.
struct Figures {
    opened: Instant,
    /// Operations and bytes of each shard and slot.
    shards: Vec<[f64; 2]>,
    slots: Vec<[f32; 2]>,
    /// Sum of the weights of the samples, and of their squares.
    weights: [f64; 2],
    hot: SpaceSaving,
    /// What had been counted at the last look.
    seen_reads: Vec<[u64; 2]>,
    seen_writes: Vec<[u64; 2]>,
    /// Entropies at the last intervals, the newest last.
    history: VecDeque<f64>,
    rebalanced: Option<Instant>,
    low_intervals: u32,
    skewed: bool,
    events: VecDeque<Event>,
    next_event: u64,
}

impl Default for Figures {
    fn default() -> Self {
        Figures {
            opened: Instant::now(),
            shards: Vec::new(),
            slots: Vec::new(),
            weights: [0.0; 2],
            hot: SpaceSaving::default(),
            seen_reads: Vec::new(),
            seen_writes: Vec::new(),
            history: VecDeque::new(),
            rebalanced: None,
            low_intervals: 0,
            skewed: false,
            events: VecDeque::new(),
            next_event: 1,
        }
    }
}

impl Monitor {
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread to end.
    pub(crate) fn close(&self) {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }

    /// Whether the thread was told to end, after waiting for that for a while.
    fn wait(&self, time: Duration) -> bool {
        let closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.wake.wait_timeout_while(closing, time, |c| !*c);
        *wait.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Adds an event of the engine's own.
    pub(crate) fn tell(&self, kind: EventKind) {
        self.figures().tell(kind);
    }

    /// The events from number `from` on that are still kept, and the number of the next one.
    pub(crate) fn events(&self, from: u64) -> (Vec<Event>, u64) {
        let figures = self.figures();
        let new = figures.events.iter().filter(|e| e.number >= from).copied().collect();
        (new, figures.next_event)
    }

    /// Whether a skew lasts that nobody has done anything about for a while.
    pub(crate) fn wants_rebalance(&self) -> bool {
        let mut figures = self.figures();
        let rested = figures.rebalanced.is_none_or(|at| at.elapsed() > REBALANCE_REST);
        if !figures.skewed || !rested {
            return false;
        }
        figures.rebalanced = Some(Instant::now());
        true
    }

    /// Decayed operations of every slot, for the rebalancer; `None` while there are too few.
    pub(crate) fn slot_loads(&self) -> Option<Vec<f64>> {
        let figures = self.figures();
        let enough = figures.samples() >= SAMPLES_MIN && figures.slots.len() == SLOTS;
        enough.then(|| figures.slots.iter().map(|s| f64::from(s[0])).collect())
    }

    /// Counts what a slot did for the shard it has moved to.
    pub(crate) fn moved(&self, slot: usize, from: usize, to: usize) {
        let mut figures = self.figures();
        for what in 0..2 {
            let of_slots: f64 = figures.slots.iter().map(|s| f64::from(s[what])).sum();
            let of_shards: f64 = figures.shards.iter().map(|s| s[what]).sum();
            if of_slots > 0.0 {
                let part = f64::from(figures.slots[slot][what]) / of_slots * of_shards;
                let part = part.min(figures.shards[from][what]);
                figures.shards[from][what] -= part;
                figures.shards[to][what] += part;
            }
        }
    }
}

impl Figures {
    fn add(&mut self, shard: usize, operations: f64, bytes: f64) {
        self.shards[shard][0] += operations;
        self.shards[shard][1] += bytes;
    }

    /// A sample: the key of `hash` stands for `operations` and `bytes`.
    fn sample(&mut self, hash: KeyHash, operations: f64, bytes: f64) {
        let slot = &mut self.slots[hash.slot()];
        slot[0] += operations as f32;
        slot[1] += bytes as f32;
        self.hot.add(hash, operations);
        self.weights[0] += operations;
        self.weights[1] += operations * operations;
    }

    /// How many samples of one weight would say as much as those that there are.
    fn samples(&self) -> f64 {
        if self.weights[1] > 0.0 {
            self.weights[0] * self.weights[0] / self.weights[1]
        } else {
            0.0
        }
    }

    /// Decays everything by what `time` does to it, and judges the load.
    fn interval(&mut self, time: Duration, threshold: f64) {
        let factor = (-time.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.shards.iter_mut().flatten().for_each(|n| *n *= factor);
        let slow = (-time.as_secs_f64() / SLOT_HALF_LIFE.as_secs_f64()).exp2() as f32;
        self.slots.iter_mut().flatten().for_each(|n| *n *= slow);
        self.hot.decay(factor);
        self.weights[0] *= factor;
        self.weights[1] *= factor * factor;
        if self.samples() < SAMPLES_MIN {
            // A skew of a load that has gone is over.
            if self.skewed {
                self.skewed = false;
                self.tell(EventKind::SkewEnded);
            }
            self.low_intervals = 0;
            return;
        }
        let entropy = self.entropy(0);
        if self.history.len() == TREND_INTERVALS {
            self.history.pop_front();
        }
        self.history.push_back(entropy);
        self.low_intervals = if entropy < threshold { self.low_intervals + 1 } else { 0 };
        if !self.skewed && self.low_intervals >= INTERVALS_MIN {
            self.skewed = true;
            self.tell(EventKind::SkewBegan);
        } else if self.skewed && entropy > (threshold + END_MARGIN).min(0.999) {
            self.skewed = false;
            self.tell(EventKind::SkewEnded);
        }
    }

    /// Normalised entropy over shards: of operations (0) or bytes (1).
    fn entropy(&self, what: usize) -> f64 {
        let all: Vec<f64> = self.shards.iter().map(|s| s[what]).collect();
        normalised_entropy(&all, self.samples())
    }

    fn hottest_shard(&self) -> (usize, f64) {
        let sum: f64 = self.shards.iter().map(|s| s[0]).sum();
        let hottest = self.shards.iter().map(|s| s[0]).enumerate();
        let (shard, most) = hottest.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
        (shard, if sum > 0.0 { most / sum } else { 0.0 })
    }

    fn tell(&mut self, kind: EventKind) {
        let (shard, share) = self.hottest_shard();
        let at_ms = self.opened.elapsed().as_millis() as u64;
        let entropy = if self.samples() < SAMPLES_MIN { 1.0 } else { self.entropy(0) };
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        let number = self.next_event;
        self.next_event += 1;
        self.events.push_back(Event { number, kind, at_ms, entropy, shard, share });
    }
}

/// The hashes of the last `new` operations, as far as they are still there, when there have been
/// `operations` in all.
fn newest(
    tracks: &[AtomicU64; TRACKS],
    operations: u64,
    new: u64,
) -> impl Iterator<Item = KeyHash> + '_ {
    let count = new.min(TRACKS as u64);
    let at = move |i: u64| operations.wrapping_sub(1 + i) as usize % TRACKS;
    (0..count).map(move |i| KeyHash(tracks[at(i)].load(Ordering::Relaxed)))
}

/// Shannon's entropy of the shares of `counts`, over its maximum, with the bias of an estimate
/// from `samples` samples taken off; 1 where there is nothing to compare.
pub(crate) fn normalised_entropy(counts: &[f64], samples: f64) -> f64 {
    let sum: f64 = counts.iter().sum();
    if counts.len() < 2 || sum <= 0.0 {
        return 1.0;
    }
    let of_share = |n: &f64| if *n > 0.0 { -(n / sum) * (n / sum).ln() } else { 0.0 };
    let entropy: f64 = counts.iter().map(of_share).sum();
    let met = counts.iter().filter(|n| **n > 0.0).count() as f64;
    let bias = if samples > 0.0 { (met - 1.0) / (2.0 * samples) } else { 0.0 };
    ((entropy + bias) / (counts.len() as f64).ln()).clamp(0.0, 1.0)
}

/// Counts of the most frequent hashes, decayed.
#[derive(Default)]
struct SpaceSaving {
    counters: Vec<(KeyHash, f64)>,
}

impl SpaceSaving {
    fn add(&mut self, hash: KeyHash, weight: f64) {
        if let Some((_, count)) = self.counters.iter_mut().find(|(h, _)| *h == hash) {
            *count += weight;
        } else if self.counters.len() < HOT_COUNTERS {
            self.counters.push((hash, weight));
        } else if let Some(least) = self.counters.iter_mut().min_by(|a, b| a.1.total_cmp(&b.1)) {
            // What takes the place of the least begins with its count: never too low.
            *least = (hash, least.1 + weight);
        }
    }

    fn decay(&mut self, factor: f64) {
        self.counters.iter_mut().for_each(|(_, count)| *count *= factor);
    }

    fn top(&self, n: usize) -> Vec<(KeyHash, f64)> {
        let mut all = self.counters.clone();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(n);
        all
    }
}

impl Engine {
    /// The body of the monitor's thread.
    pub(crate) fn run_monitor_thread(&self) {
        let (mut idle, mut judged) = (0u32, Instant::now());
        loop {
            let tick = if idle > IDLE_AFTER { IDLE_TICK } else { TICK };
            if self.monitor.wait(tick) {
                return;
            }
            idle = if self.look() { 0 } else { idle.saturating_add(1) };
            let time = judged.elapsed();
            if time >= INTERVAL {
                let threshold = f64::from(self.options.skew_percent) / 100.0;
                self.monitor.figures().interval(time, threshold);
                judged = Instant::now();
                self.rebalance_if_skewed();
            }
        }
    }

    /// Takes the tracks of all threads and shards since the last look; false if there are none.
    fn look(&self) -> bool {
        let mut figures = self.monitor.figures();
        let figures = &mut *figures;
        if figures.slots.is_empty() {
            figures.slots = vec![[0.0; 2]; SLOTS];
            figures.shards = vec![[0.0; 2]; self.shards.len()];
            figures.seen_writes = vec![[0; 2]; self.shards.len()];
        }
        let mut any = false;
        let _guard = epoch::pin();
        for (n, ([hits, misses], tracks)) in self.reads.tracks().enumerate() {
            if figures.seen_reads.len() == n {
                figures.seen_reads.push([0; 2]);
            }
            let [seen_hits, seen_misses] = figures.seen_reads[n];
            let (new, new_misses) =
                (hits.wrapping_sub(seen_hits), misses.wrapping_sub(seen_misses));
            if new == 0 && new_misses == 0 {
                continue;
            }
            figures.seen_reads[n] = [hits, misses];
            any = true;
            let weight = new as f64 / new.min(TRACKS as u64).max(1) as f64;
            let found = newest(tracks, hits, new).map(|hash| (hash, weight));
            // The last key that was looked for stands for those that were not there.
            let last = KeyHash(tracks[hits as usize % TRACKS].load(Ordering::Relaxed));
            let missed = (new_misses > 0).then_some((last, new_misses as f64));
            for (hash, weight) in found.chain(missed) {
                // SAFETY: the guard is held.
                let len = unsafe { self.record_len_of(hash) }.unwrap_or(0) as f64;
                figures.add(self.shard_number(hash), weight, weight * len);
                figures.sample(hash, weight, weight * len);
            }
        }
        for (n, shard) in self.shards.iter().enumerate() {
            let [operations, bytes] = [&shard.traffic.operations, &shard.traffic.bytes]
                .map(|count| count.load(Ordering::Relaxed));
            let new = operations.wrapping_sub(figures.seen_writes[n][0]);
            let new_bytes = bytes.wrapping_sub(figures.seen_writes[n][1]) as f64;
            if new == 0 {
                continue;
            }
            any = true;
            figures.seen_writes[n] = [operations, bytes];
            figures.add(n, new as f64, new_bytes);
            let parts = new.min(TRACKS as u64) as f64;
            for hash in newest(&shard.traffic.tracks, operations, new) {
                figures.sample(hash, new as f64 / parts, new_bytes / parts);
            }
        }
        any
    }

    /// Bytes of the record that a hash leads to, if it is mapped and one.
    ///
    /// # Safety
    /// The caller holds an epoch guard.
    unsafe fn record_len_of(&self, hash: KeyHash) -> Option<usize> {
        let (_, at) = self.shard(hash).index.candidate(hash)?;
        // SAFETY: the caller's promise.
        let found = unsafe { self.slots.record(at) }?;
        Some(found.raw.header.total_len())
    }

    /// The key that has this hash, if it exists and `cold` allows to read it.
    pub(crate) fn key_of(&self, hash: KeyHash, mut cold: Cold) -> Option<Vec<u8>> {
        let _guard = epoch::pin();
        let mut search = self.shard(hash).index.search(hash);
        while let Some((_, at)) = search.next() {
            // SAFETY: the guard is held.
            let Some(found) = unsafe { self.record(at, &mut cold) }.ok()? else { continue };
            // SAFETY: likewise.
            let key = unsafe { found.raw.key() };
            if found.raw.header.kind == Kind::Put as u8 && self.hash_of(key) == hash {
                return Some(key.to_vec());
            }
        }
        None
    }

    /// The events from number `from` on, and the number of the next one, as JSON.
    pub(crate) fn events_json(&self, from: u64) -> String {
        let (events, next) = self.monitor.events(from);
        format!("{{\"next\":{next},\"events\":{}}}", json_list(&events, Event::json))
    }

    /// The load as the monitor sees it.
    pub(crate) fn load(&self) -> Load {
        let figures = self.monitor.figures();
        let sum: f64 = figures.shards.iter().map(|s| s[0]).sum();
        // A steady rate, decayed, adds up to what comes in HALF_LIFE / ln 2.
        let rate = |n: f64| n / (HALF_LIFE.as_secs_f64() / std::f64::consts::LN_2);
        let judged = figures.samples() >= SAMPLES_MIN;
        let entropy = |what| if judged { figures.entropy(what) } else { 1.0 };
        let share = |n: f64| if sum > 0.0 { n / sum } else { 0.0 };
        let trend = match (figures.history.front(), figures.history.back()) {
            (Some(old), Some(new)) if figures.history.len() > 1 => {
                let span = INTERVAL.as_secs_f64() * (figures.history.len() - 1) as f64;
                (new - old) / span
            }
            _ => 0.0,
        };
        let of_slots: f64 = figures.slots.iter().map(|s| f64::from(s[0])).sum();
        let slot_share = |s: &[f32; 2]| f64::from(s[0]) / of_slots.max(f64::MIN_POSITIVE);
        let mut slots: Vec<(usize, f64)> =
            figures.slots.iter().map(slot_share).enumerate().collect();
        slots.sort_by(|a, b| b.1.total_cmp(&a.1));
        slots.truncate(HOT_SHOWN);
        slots.retain(|(_, share)| *share > 0.0);
        let hot = figures.hot.top(HOT_SHOWN);
        let mut load = Load {
            operations: rate(sum),
            bytes: rate(figures.shards.iter().map(|s| s[1]).sum()),
            operation_entropy: entropy(0),
            byte_entropy: entropy(1),
            trend: if judged { trend } else { 0.0 },
            skewed: figures.skewed,
            shards: figures.shards.iter().map(|s| rate(s[0])).collect(),
            slots,
            keys: Vec::new(),
        };
        drop(figures);
        let key = |(hash, n): (KeyHash, f64)| Some((self.key_of(hash, Cold::glance())?, share(n)));
        load.keys = hot.into_iter().filter_map(key).collect();
        load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_one_for_an_even_load_and_zero_for_one_shard() {
        assert!(normalised_entropy(&[5.0; 24], 1e9) > 0.999_999);
        assert!(normalised_entropy(&[0.0, 7.0, 0.0], 1e9) < 1e-6);
        assert_eq!(normalised_entropy(&[3.0], 1e9), 1.0);
        assert_eq!(normalised_entropy(&[0.0; 4], 0.0), 1.0);
        let half = normalised_entropy(&[1.0, 1.0, 0.0, 0.0], 1e9);
        assert!((half - 0.5).abs() < 1e-6, "{half}");
    }

    #[test]
    fn the_bias_of_few_samples_is_taken_off() {
        // 24 shards, 240 samples of an even load: the plain estimate is too low by 0.015.
        let mut random = 1u64;
        let mut counts = [0.0; 24];
        for _ in 0..240 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            counts[(random >> 33) as usize % 24] += 1.0;
        }
        let (plain, mended) =
            (normalised_entropy(&counts, 1e12), normalised_entropy(&counts, 240.0));
        assert!((1.0 - mended).abs() < (1.0 - plain).abs(), "{plain} {mended}");
    }

    #[test]
    fn a_frequent_hash_is_found_among_many() {
        let mut hot = SpaceSaving::default();
        for i in 0..10_000u64 {
            hot.add(KeyHash(i), 1.0);
            if i % 10 == 0 {
                hot.add(KeyHash(u64::MAX), 1.0);
            }
        }
        assert_eq!(hot.top(1)[0].0, KeyHash(u64::MAX));
        assert!(hot.counters.len() <= HOT_COUNTERS);
    }

    #[test]
    fn a_skew_is_told_once_and_its_end_too() {
        let mut figures = Figures { shards: vec![[0.0; 2]; 8], ..Figures::default() };
        figures.slots = vec![[0.0; 2]; SLOTS];
        let mut run = |load: [f64; 8], intervals| {
            for _ in 0..intervals {
                for (shard, n) in load.iter().enumerate() {
                    figures.add(shard, *n, *n);
                }
                figures.weights = [100.0, 100.0].map(|n| n + figures.weights[0]);
                figures.interval(INTERVAL, 0.9);
            }
            figures.events.iter().map(|e| e.kind).collect::<Vec<_>>()
        };
        assert_eq!(run([100.0; 8], 50), []);
        let mut skewed = [100.0; 8];
        skewed[3] = 3_000.0;
        assert_eq!(run(skewed, 15), [EventKind::SkewBegan], "within 1.5 s");
        assert_eq!(run(skewed, 50), [EventKind::SkewBegan]);
        assert_eq!(run([100.0; 8], 50), [EventKind::SkewBegan, EventKind::SkewEnded]);
    }
}
