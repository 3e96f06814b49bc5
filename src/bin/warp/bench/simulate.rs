//! Caches simulated on a trace: LRU and Belady's MIN, both with a budget of bytes.

use std::collections::{BTreeMap, HashMap};

/// An access to the cache.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    pub key: u64,
    pub bytes: u32,
    /// A write takes the record out of the cache, and is no hit and no miss.
    pub is_write: bool,
}

/// What a simulated cache did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Simulated {
    pub reads: u64,
    pub hits: u64,
}

impl Simulated {
    pub fn ratio(&self) -> f64 {
        self.hits as f64 / self.reads.max(1) as f64
    }
}

/// What LRU and MIN would have done with `budget` bytes.
pub fn simulate(trace: &[Access], budget: u64) -> (Simulated, Simulated) {
    (lru(trace, budget), min(trace, budget))
}

/// A cache whose records have a rank; that with the lowest is evicted first.
#[derive(Default)]
struct Ranked {
    by_rank: BTreeMap<u64, (u64, u32)>,
    ranks: HashMap<u64, u64>,
    bytes: u64,
}

impl Ranked {
    /// Takes a record out; whether it was there.
    fn remove(&mut self, key: u64) -> bool {
        let Some(rank) = self.ranks.remove(&key) else { return false };
        if let Some((_, bytes)) = self.by_rank.remove(&rank) {
            self.bytes -= u64::from(bytes);
        }
        true
    }

    /// Puts a record in, and evicts down to the budget, itself perhaps.
    fn insert(&mut self, access: &Access, rank: u64, budget: u64) {
        self.by_rank.insert(rank, (access.key, access.bytes));
        self.ranks.insert(access.key, rank);
        self.bytes += u64::from(access.bytes);
        while self.bytes > budget {
            let Some((_, (key, bytes))) = self.by_rank.pop_first() else { break };
            self.ranks.remove(&key);
            self.bytes -= u64::from(bytes);
        }
    }
}

fn lru(trace: &[Access], budget: u64) -> Simulated {
    let (mut cache, mut seen) = (Ranked::default(), Simulated::default());
    for (now, access) in trace.iter().enumerate() {
        let hit = cache.remove(access.key);
        if !access.is_write {
            seen.reads += 1;
            seen.hits += u64::from(hit);
            cache.insert(access, now as u64, budget);
        }
    }
    seen
}

/// With records of different sizes, evicting the farthest is not exactly the best that can be done,
/// which nobody can compute for a long trace; it is within a few per cent.
fn min(trace: &[Access], budget: u64) -> Simulated {
    // For each read, when the same record is read next; never, if it is written before.
    let mut next = vec![u32::MAX; trace.len()];
    let mut later: HashMap<u64, u32> = HashMap::new();
    for (i, access) in trace.iter().enumerate().rev() {
        if access.is_write {
            later.remove(&access.key);
        } else {
            next[i] = later.insert(access.key, i as u32).unwrap_or(u32::MAX);
        }
    }
    let (mut cache, mut seen) = (Ranked::default(), Simulated::default());
    for (access, next) in trace.iter().zip(&next) {
        let hit = cache.remove(access.key);
        if !access.is_write {
            seen.reads += 1;
            seen.hits += u64::from(hit);
            if *next != u32::MAX {
                // The later the next read, the lower the rank; no two are read at the same time.
                cache.insert(access, u64::from(u32::MAX - next), budget);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    #[allow(unused_imports, reason = "cargo bench has no test harness")]
    use super::super::workload::mix;
    #[allow(unused_imports, reason = "cargo bench has no test harness")]
    use super::*;

    fn reads(keys: &[u64]) -> Vec<Access> {
        keys.iter().map(|key| Access { key: *key, bytes: 10, is_write: false }).collect()
    }

    #[test]
    fn a_loop_that_does_not_fit_is_nothing_to_lru_and_something_to_min() {
        let trace = reads(&[1, 2, 3].repeat(4));
        let (lru, min) = simulate(&trace, 20);
        assert_eq!((lru.reads, lru.hits), (12, 0));
        // Two stay for good and are found in each later round; the third is never let in.
        assert_eq!(min.hits, 6);
        let (lru, min) = simulate(&trace, 30);
        assert_eq!((lru.hits, min.hits), (9, 9));
    }

    /// The most hits that any choice of what to keep gives, by trying all of them.
    fn best(trace: &[u64], kept: &[u64], room: usize) -> u64 {
        let Some((key, rest)) = trace.split_first() else { return 0 };
        let hit = u64::from(kept.contains(key));
        let mut all: Vec<u64> = kept.iter().copied().filter(|k| k != key).collect();
        all.push(*key);
        if all.len() <= room {
            return hit + best(rest, &all, room);
        }
        let without = |i: usize| [&all[..i], &all[i + 1..]].concat();
        hit + (0..all.len()).map(|i| best(rest, &without(i), room)).max().unwrap_or(0)
    }

    #[test]
    fn min_is_the_best_that_there_is_and_lru_is_no_better() {
        for seed in 0..200u64 {
            let keys: Vec<u64> = (0..12).map(|i| mix(seed << 8 | i) % 5).collect();
            let (lru, min) = simulate(&reads(&keys), 20);
            assert_eq!(min.hits, best(&keys, &[], 2), "{keys:?}");
            assert!(lru.hits <= min.hits, "{keys:?}");
        }
    }

    #[test]
    fn a_write_takes_the_record_out() {
        let mut trace = reads(&[1, 1, 1]);
        trace[1].is_write = true;
        let (lru, min) = simulate(&trace, 100);
        assert_eq!((lru.reads, lru.hits, min.hits), (2, 0, 0));
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let (lru, min) = simulate(&reads(&[1, 1, 1]), 5);
        assert_eq!((lru.hits, min.hits), (0, 0));
    }
}
