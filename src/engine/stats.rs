//! Counters and sizes.
//!
//! Gets are counted in stripes, one for each thread, so that a read writes no cache line that
//! another thread reads. Writes are counted under the shard's lock.

use super::memory::Usage;
use super::Engine;
use crate::epoch::{ShortGuard, SHORT_NUMBERS};
use crate::hash::KeyHash;
use crate::log::segment::SEGMENT_HEADER;
use crossbeam_utils::CachePadded;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads with a stripe of their own; those beyond share the last.
const STRIPES: usize = SHORT_NUMBERS;

/// Keys whose hashes a thread, or a shard's writers, leave for the load monitor: the last ones.
pub(super) const TRACKS: usize = 8;

/// What one thread counts: gets that found their key, those that did not, and the hashes of keys,
/// which the load monitor looks at.
///
/// The hash of the key that is looked for lies at `tracks[hits % TRACKS]`; one that is found stays
/// there, since `hits` goes on, and one that is not gives its place to the next. So there are the
/// hashes of the last hits, and of a miss that came after them.
#[derive(Default)]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
    tracks: [AtomicU64; TRACKS],
}

impl Stripe {
    /// Leaves the hash of a key that is looked for, while it is still in a register.
    #[inline(always)]
    fn note(&self, hash: KeyHash) -> Noted<'_> {
        let hits = self.hits.load(Ordering::Relaxed);
        self.tracks[hits as usize % TRACKS].store(hash.0, Ordering::Relaxed);
        Noted { stripe: self, hits }
    }
}

/// A key that is looked for, on the stripe of its thread alone.
pub(crate) struct Noted<'s> {
    stripe: &'s Stripe,
    hits: u64,
}

impl Noted<'_> {
    /// Counts a hit. No other thread writes the stripe, so no atomic addition is needed.
    #[inline(always)]
    pub(crate) fn hit(self) {
        self.stripe.hits.store(self.hits + 1, Ordering::Relaxed);
    }
}

/// Counts of gets, by thread.
pub(crate) struct ReadCounters {
    stripes: Box<[CachePadded<Stripe>; STRIPES + 1]>,
}

impl ReadCounters {
    pub(crate) fn new() -> Self {
        ReadCounters { stripes: Box::new(std::array::from_fn(|_| CachePadded::default())) }
    }

    /// Notes a key that is looked for under a short guard.
    #[inline(always)]
    pub(crate) fn note(&self, guard: &ShortGuard, hash: KeyHash) -> Noted<'_> {
        let thread = guard.thread_number();
        debug_assert!(thread < STRIPES);
        // SAFETY: the number of a thread with a short guard is below SHORT_NUMBERS.
        unsafe { self.stripes.get_unchecked(thread) }.note(hash)
    }

    /// Counts a get that found its key.
    #[inline(always)]
    pub(crate) fn hit(&self, thread: usize, hash: KeyHash) {
        if thread < STRIPES {
            self.stripes[thread].note(hash).hit();
        } else {
            let stripe = &self.stripes[STRIPES];
            let hits = stripe.hits.fetch_add(1, Ordering::Relaxed);
            stripe.tracks[hits as usize % TRACKS].store(hash.0, Ordering::Relaxed);
        }
    }

    /// Counts `gets` gets, of which `hits` found their key; `last` is one of them.
    pub(crate) fn count(&self, thread: usize, gets: u64, hits: u64, last: KeyHash) {
        let stripe = &*self.stripes[thread.min(STRIPES)];
        let (h, m) = (&stripe.hits, &stripe.misses);
        let before = h.load(Ordering::Relaxed);
        // The others of a multi-get leave no hash, so the last stands for as many as there are.
        for i in 0..(hits + 1).min(TRACKS as u64) {
            let place = before.wrapping_add(i) as usize % TRACKS;
            stripe.tracks[place].store(last.0, Ordering::Relaxed);
        }
        if thread < STRIPES {
            h.store(before + hits, Ordering::Relaxed);
            m.store(m.load(Ordering::Relaxed) + gets - hits, Ordering::Relaxed);
        } else {
            h.fetch_add(hits, Ordering::Relaxed);
            m.fetch_add(gets - hits, Ordering::Relaxed);
        }
    }

    fn sum(&self) -> [u64; 2] {
        let add = |a: [u64; 2], s: &CachePadded<Stripe>| {
            [a[0] + s.hits.load(Ordering::Relaxed), a[1] + s.misses.load(Ordering::Relaxed)]
        };
        self.stripes.iter().fold([0; 2], add)
    }

    /// For each thread its hits, its misses, and the hashes of its last keys, of which some may be
    /// older. The threads without a stripe of their own come first, as one; the place of a thread
    /// never changes.
    pub(super) fn tracks(&self) -> impl Iterator<Item = ([u64; 2], &[AtomicU64; TRACKS])> + '_ {
        let used = crate::epoch::threads().min(STRIPES);
        let stripes = self.stripes[STRIPES..].iter().chain(&self.stripes[..used]);
        stripes.map(|s| ([&s.hits, &s.misses].map(|n| n.load(Ordering::Relaxed)), &s.tracks))
    }
}

/// Counters and sizes, all in the units of their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys that exist.
    pub keys: u64,
    /// Puts, batch operations included, since open.
    pub puts: u64,
    /// Gets of all kinds since open.
    pub gets: u64,
    /// Gets that found the key.
    pub hits: u64,
    /// Deletes that removed a key, since open.
    pub deletes: u64,
    /// Number of shards.
    pub shards: u64,
    /// Bytes of records in all logs.
    pub log_bytes: u64,
    /// Bytes of records that an index points to.
    pub live_bytes: u64,
    /// Bytes of the indexes.
    pub index_bytes: u64,
    /// Bytes of the value cache.
    pub cache_bytes: u64,
    /// Bytes that the engine keeps resident: index, mapped log, cache.
    pub resident_bytes: u64,
    /// Checkpoints published since open.
    pub checkpoints: u64,
    /// Records replayed from the logs at open.
    pub recovered_records: u64,
    /// How long open took, in microseconds.
    pub open_micros: u64,
    /// Bytes of segment files on disk, preallocation and spare files included.
    pub disk_bytes: u64,
    /// Syncs of a log's file to the device since open.
    pub syncs: u64,
    /// Bytes of records written for callers since open.
    pub put_bytes: u64,
    /// Bytes of records that compaction has moved since open. Write amplification is
    /// `(put_bytes + moved_bytes) / put_bytes`.
    pub moved_bytes: u64,
    /// Bytes of segments that compaction has freed since open.
    pub freed_bytes: u64,
    /// Time that writers were held back since open because compaction had fallen behind, in
    /// microseconds, all writers together.
    pub slowdown_micros: u64,
}

impl Stats {
    /// Names and values, in the order of the fields.
    pub fn fields(&self) -> [(&'static str, u64); 20] {
        [
            ("keys", self.keys),
            ("puts", self.puts),
            ("gets", self.gets),
            ("hits", self.hits),
            ("deletes", self.deletes),
            ("shards", self.shards),
            ("log_bytes", self.log_bytes),
            ("live_bytes", self.live_bytes),
            ("index_bytes", self.index_bytes),
            ("cache_bytes", self.cache_bytes),
            ("resident_bytes", self.resident_bytes),
            ("checkpoints", self.checkpoints),
            ("recovered_records", self.recovered_records),
            ("open_micros", self.open_micros),
            ("disk_bytes", self.disk_bytes),
            ("syncs", self.syncs),
            ("put_bytes", self.put_bytes),
            ("moved_bytes", self.moved_bytes),
            ("freed_bytes", self.freed_bytes),
            ("slowdown_micros", self.slowdown_micros),
        ]
    }
}

/// One shard's part of the statistics.
#[derive(Debug, Clone, Copy, Default)]
struct ShardStats {
    keys: u64,
    puts: u64,
    deletes: u64,
    index_bytes: u64,
    log_bytes: u64,
    dead_bytes: u64,
    put_bytes: u64,
    segments: u64,
    disk_bytes: u64,
}

impl Engine {
    pub(crate) fn stats(&self) -> Stats {
        self.stats_of(&self.shard_stats(), &self.usage())
    }

    fn shard_stats(&self) -> Vec<ShardStats> {
        let mut all = vec![ShardStats::default(); self.shards.len()];
        for (shard, stats) in self.shards.iter().zip(&mut all) {
            let state = shard.lock();
            stats.keys = state.keys;
            stats.puts = state.puts;
            stats.deletes = state.deletes;
            stats.index_bytes = shard.index.bytes() as u64;
            stats.put_bytes = state.put_bytes;
            stats.disk_bytes += state.log.next().map_or(0, |next| next.len()) as u64;
            for (_, tail) in state.log.active().into_iter().chain(state.cold.active()) {
                stats.log_bytes += (tail - SEGMENT_HEADER) as u64;
            }
        }
        for segment in self.slots.all() {
            let stats = &mut all[segment.id.log as usize % self.shards.len()];
            stats.log_bytes += segment.end().map_or(0, |end| end - SEGMENT_HEADER) as u64;
            stats.dead_bytes += segment.dead_bytes.load(Ordering::Relaxed)
                + segment.delete_bytes.load(Ordering::Relaxed);
            stats.segments += 1;
            stats.disk_bytes += segment.len() as u64;
        }
        all
    }

    fn stats_of(&self, shards: &[ShardStats], usage: &Usage) -> Stats {
        let sum = |field: fn(&ShardStats) -> u64| shards.iter().map(field).sum::<u64>();
        let [hits, misses] = self.reads.sum();
        let (log_bytes, index_bytes) = (sum(|s| s.log_bytes), sum(|s| s.index_bytes));
        Stats {
            keys: sum(|s| s.keys),
            puts: sum(|s| s.puts),
            gets: hits + misses,
            hits,
            deletes: sum(|s| s.deletes),
            shards: shards.len() as u64,
            log_bytes,
            // The counts are taken while writers go on, so a moment's difference is cut off.
            live_bytes: log_bytes.saturating_sub(sum(|s| s.dead_bytes)),
            index_bytes,
            cache_bytes: usage.cache,
            resident_bytes: usage.resident(),
            checkpoints: self.checkpoints.published(),
            recovered_records: self.opened.replayed,
            open_micros: self.opened.micros,
            disk_bytes: match self.home {
                Some(_) => sum(|s| s.disk_bytes) + self.source.spares.bytes(),
                None => 0,
            },
            syncs: self.passes.syncs(),
            put_bytes: sum(|s| s.put_bytes),
            moved_bytes: self.compaction.moved_bytes(),
            freed_bytes: self.compaction.freed_bytes(),
            slowdown_micros: self.source.pressure.waited_micros() + self.compaction.assist_micros(),
        }
    }

    /// Everything that is known, as one JSON object.
    pub(crate) fn stats_json(&self) -> String {
        let shards = self.shard_stats();
        let mut json = String::from("{");
        let usage = self.usage();
        for (name, value) in self.stats_of(&shards, &usage).fields() {
            // Writing to a string cannot fail.
            let _ = write!(json, "\"{name}\":{value},");
        }
        let (hits, misses) = self.cache.counts();
        let _ = write!(
            json,
            "\"memory\":{{\"limit\":{},\"index_bytes\":{},\"cache_bytes\":{},\"active_bytes\":{},\
             \"sealed_bytes\":{},\"held_bytes\":{},\"fixed_bytes\":{},\"mapped_segments\":{},\
             \"cold_segments\":{},\"open_files\":{},\"cold_reads\":{},\"would_block\":{}}},\
             \"cache\":{{\"capacity\":{},\"bytes\":{},\"records\":{},\"hits\":{hits},\
             \"misses\":{misses}}},",
            self.memory.limit(),
            usage.index,
            usage.cache,
            usage.active,
            usage.sealed,
            usage.held,
            usage.fixed,
            usage.mapped_segments,
            usage.cold_segments,
            self.source.pool.len(),
            self.memory.cold_reads.load(Ordering::Relaxed),
            self.memory.blocked.load(Ordering::Relaxed),
            self.cache.capacity(),
            usage.cache,
            self.cache.len(),
        );
        let (o, space) = (&self.opened, self.space());
        let _ = write!(
            json,
            "\"space\":{{\"dead_bytes\":{},\"emptied_bytes\":{},\"spare_bytes\":{},\
             \"reserve_bytes\":{},\"recycled_segments\":{},\"full\":{},\"assist_micros\":{}}},",
            space.dead,
            space.emptied,
            self.source.spares.bytes(),
            self.source.reserve.held(),
            self.source.spares.recycled(),
            self.source.reserve.is_full(),
            self.compaction.assist_micros(),
        );
        let _ = write!(
            json,
            "\"recovery\":{{\"replayed_records\":{},\"cut_logs\":{},\"cut_bytes\":{},\
             \"index_rebuilt\":{}}},\"shard\":[",
            o.replayed, o.cut_logs, o.cut_bytes, o.rebuilt
        );
        for (i, s) in shards.iter().enumerate() {
            let _ = write!(
                json,
                "{}{{\"keys\":{},\"puts\":{},\"deletes\":{},\"index_bytes\":{},\"log_bytes\":{},\
                 \"dead_bytes\":{},\"segments\":{},\"disk_bytes\":{}}}",
                if i == 0 { "" } else { "," },
                s.keys,
                s.puts,
                s.deletes,
                s.index_bytes,
                s.log_bytes,
                s.dead_bytes,
                s.segments,
                s.disk_bytes
            );
        }
        json.push_str("],\"load\":");
        json.push_str(&self.load().json());
        let p = self.links.prefetches();
        let _ = write!(
            json,
            ",\"links\":{{\"by_hand\":{},\"prefetches\":{},\"prefetch_hits\":{},\
             \"prefetch_wasted\":{},\"prefetch_dropped\":{}}}",
            self.links.count(),
            p.issued,
            p.hits,
            p.wasted,
            p.dropped
        );
        json.push('}');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracks_of(counters: &ReadCounters, thread: usize) -> ([u64; 2], Vec<u64>) {
        let stripe = &counters.stripes[thread];
        let counts = [&stripe.hits, &stripe.misses].map(|n| n.load(Ordering::Relaxed));
        (counts, stripe.tracks.iter().map(|t| t.load(Ordering::Relaxed)).collect())
    }

    #[test]
    fn the_last_hits_leave_their_hashes_and_a_miss_lies_where_the_next_hit_will() {
        for thread in [0, STRIPES, STRIPES + 5] {
            let counters = ReadCounters::new();
            let stripe = thread.min(STRIPES);
            for hash in 1..=10 {
                counters.hit(thread, KeyHash(hash));
            }
            assert_eq!(tracks_of(&counters, stripe), ([10, 0], vec![9, 10, 3, 4, 5, 6, 7, 8]));
            counters.count(thread, 1, 0, KeyHash(77));
            assert_eq!(tracks_of(&counters, stripe), ([10, 1], vec![9, 10, 77, 4, 5, 6, 7, 8]));
            counters.hit(thread, KeyHash(11));
            assert_eq!(tracks_of(&counters, stripe), ([11, 1], vec![9, 10, 11, 4, 5, 6, 7, 8]));
        }
    }

    #[test]
    fn the_last_key_of_a_multi_get_stands_for_its_others() {
        let counters = ReadCounters::new();
        counters.count(0, 4, 3, KeyHash(5));
        // Three hits, and the miss in the place of the next.
        assert_eq!(tracks_of(&counters, 0), ([3, 1], vec![5, 5, 5, 5, 0, 0, 0, 0]));
        counters.count(0, 100, 100, KeyHash(6));
        assert_eq!(tracks_of(&counters, 0), ([103, 1], vec![6; 8]));
    }
}
