//! Changes of placement: slots that move to other shards, rules that come and go; and the
//! rebalancer, which moves slots from hot shards to cool ones.
//!
//! A change, step by step, and what a crash leaves at each:
//! 1. Keep compaction, checkpoints and backups out. Mark the shards that lose keys as scanned,
//!    each under its lock: from then on whoever writes there notes the hash of the key.
//! 2. Read the keys of all records that the indexes of these shards point to, without locks, and
//!    collect the hashes of those that are to leave.
//! 3. Lock the shards concerned. Find the entries of the hashes collected and noted; insert each
//!    where it is to be; switch the table or the rules; remove each from where it was; raise the
//!    sequence numbers of these shards to the highest of theirs, so that the next write of a key is
//!    above its last. Unlock. Slots move one at a time, so writers wait for the entries of one; rules
//!    change at once, for all shards.
//! 4. Let checkpoints and compaction go on. The next checkpoint stores placement and indexes
//!    together.
//!
//! Nothing of this writes to disk. A crash before that checkpoint leaves the old placement, one
//! after it the new; records are found under either, since recovery asks the placement at hand
//! where the key of a record belongs, whatever log it is in.
//!
//! Readers never wait ([`super::placement`], invariant 2).

use super::cold::Cold;
use super::monitor::EventKind;
use super::placement::{Map, SCANNED};
use super::rules::{Rule, RuleSet};
use super::Engine;
use crate::epoch;
use crate::error::{Error, Result};
use crate::hash::{KeyHash, SLOTS};
use crate::index::entry::{Entry, Location};
use crate::index::rows::GROUPS;
use crate::log::slots::Found;
use std::sync::Arc;

/// Normalised entropy at which there is nothing left to do.
const BALANCED: f64 = 0.985;
/// Most slots that one round moves.
const MOVES_MAX: usize = 1024;

/// A slot that is to move, and the shard it is to move to.
pub(crate) type SlotMove = (usize, usize);

/// An entry that moves.
struct Moving {
    from: usize,
    to: usize,
    hash: KeyHash,
    at: Location,
    len: usize,
}

/// A key that is to leave its shard, or that was written there meanwhile.
#[derive(Clone, Copy)]
struct Leaver {
    from: usize,
    /// Its hash under the new placement, if it was seen; group and tag are the same under any.
    hash: KeyHash,
    /// Where it was seen, and the length of its record.
    seen: Option<(Location, usize)>,
}

impl Leaver {
    fn new(from: usize, hash: KeyHash, found: &Found) -> Leaver {
        Leaver { from, hash, seen: Some((found.at, found.raw.header.total_len())) }
    }
}

/// Shards marked as scanned; the mark goes with this.
struct Scan<'e> {
    engine: &'e Engine,
    shards: Vec<usize>,
}

impl<'e> Scan<'e> {
    fn begin(engine: &'e Engine, shards: Vec<usize>) -> Scan<'e> {
        for shard in &shards {
            let mut state = engine.shards[*shard].lock();
            state.written.clear();
            state.mark = SCANNED;
        }
        Scan { engine, shards }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        for shard in &self.shards {
            let mut state = self.engine.shards[*shard].lock();
            state.mark = state.changed;
            state.written = Vec::new();
        }
    }
}

impl Engine {
    /// Moves slots to other shards; returns how many keys went with them.
    pub(crate) fn move_slots(&self, moves: &[SlotMove]) -> Result<u64> {
        self.check_writable()?;
        let changing = self.placement.change();
        let mut map = Map::clone(&self.placement.read());
        let is_move = |(slot, to): &&SlotMove| usize::from(map.table[*slot]) != *to;
        let moves: Vec<SlotMove> = moves.iter().filter(is_move).copied().collect();
        let mut from: Vec<usize> = moves.iter().map(|(s, _)| usize::from(map.table[*s])).collect();
        from.sort_unstable();
        from.dedup();
        let mut leaves = vec![false; SLOTS];
        moves.iter().for_each(|(slot, _)| leaves[*slot] = true);
        let _compaction = self.compaction.lock();
        let _checkpoint = self.checkpoints.lock();
        let scan = Scan::begin(self, from);
        let mut of_slot: Vec<Vec<Leaver>> = vec![Vec::new(); SLOTS];
        for shard in &scan.shards {
            self.scan(*shard, &mut |found, key| {
                let hash = self.hash_of(key);
                if leaves[hash.slot()] {
                    of_slot[hash.slot()].push(Leaver::new(*shard, hash, found));
                }
            })?;
        }
        let mut keys = 0;
        for (slot, to) in moves {
            let from = usize::from(map.table[slot]);
            map.table[slot] = to as u16;
            let leavers = std::mem::take(&mut of_slot[slot]);
            let shards = if from < to { [from, to] } else { [to, from] };
            keys += self.switch(&shards, leavers, map.clone())?;
            self.monitor.moved(slot, from, to);
        }
        drop(scan);
        drop(changing);
        Ok(keys)
    }

    /// Has the database go by other rules from now on, also after a crash.
    pub(crate) fn set_rules(&self, edit: impl FnOnce(&mut Vec<Rule>) -> Result<()>) -> Result<()> {
        self.check_writable()?;
        let changing = self.placement.change();
        let old = self.placement.read().clone();
        let mut rules = old.rules.rules().to_vec();
        edit(&mut rules)?;
        let new = Map { table: old.table.clone(), rules: Arc::new(RuleSet::new(rules)?) };
        if new == *old {
            return Ok(());
        }
        {
            let _compaction = self.compaction.lock();
            let _checkpoint = self.checkpoints.lock();
            let all: Vec<usize> = (0..self.shards.len()).collect();
            let scan = Scan::begin(self, all.clone());
            let mut leavers = Vec::new();
            // Rules that place nothing, before and after, concern no entry.
            let places = old.rules.places() || new.rules.places();
            for shard in all.iter().filter(|_| places) {
                self.scan(*shard, &mut |found, key| {
                    if new.shard(&self.hasher, key) != *shard {
                        let hash = new.hash(&self.hasher, key);
                        leavers.push(Leaver::new(*shard, hash, found));
                    }
                })?;
            }
            self.switch(&all, leavers, new)?;
            drop(scan);
        }
        drop(changing);
        // From here on the rules outlive a crash.
        self.checkpoint()
    }

    /// Adds the rules of the options that the database has not got yet.
    pub(crate) fn add_missing_rules(&self) -> Result<()> {
        let there = self.placement.all_rules();
        if self.options.read_only || self.options.rules.iter().all(|r| there.contains(r)) {
            return Ok(());
        }
        self.set_rules(|rules| {
            rules.extend(self.options.rules.iter().filter(|r| !there.contains(r)).cloned());
            Ok(())
        })
    }

    /// Step 2: hands out every record that a shard's index points to, with its key.
    fn scan(&self, shard: usize, each: &mut dyn FnMut(&Found, &[u8])) -> Result<()> {
        let mut words = Vec::new();
        for group in 0..GROUPS {
            let _guard = epoch::pin();
            self.shards[shard].index.snapshot_group(group, &mut words);
            for entry in words.iter().filter_map(|w| Entry::from_word(*w)) {
                // SAFETY: the guard is held. A key that is damaged belongs nowhere, so it must verify.
                unsafe {
                    let mut cold = Cold::default();
                    let Some(found) = self.record(entry.location(), &mut cold)? else { continue };
                    self.slots.verify(&found)?;
                    each(&found, found.raw.key());
                }
            }
        }
        Ok(())
    }

    /// Step 3; `shards` ascend, and are all that lose or gain keys. Either all of it happens or,
    /// with an error, nothing.
    fn switch(&self, shards: &[usize], mut leavers: Vec<Leaver>, map: Map) -> Result<u64> {
        let mut locked = self.lock_shards(shards.iter().copied());
        for shard in shards {
            let written = locked.state(*shard).written.iter();
            leavers.extend(written.map(|hash| Leaver { from: *shard, hash: *hash, seen: None }));
        }
        let moving = self.entries_to_move(&map, leavers)?;
        let mut current = self.placement.write();
        for (n, m) in moving.iter().enumerate() {
            let index = &self.shards[m.to].index;
            // SAFETY: the lock of the shard is held, and the record is complete.
            unsafe {
                if let Err(e) = index.reserve(m.hash) {
                    moving[..n].iter().for_each(|m| self.unlink(m.to, m));
                    return Err(Error::os("grow the index", &e));
                }
                index.insert(m.hash, m.at);
            }
        }
        let version = self.placement.switch(&map);
        *current = Arc::new(map);
        for m in &moving {
            // SAFETY: the lock of the shard is held.
            unsafe { self.unlink(m.from, m) };
            let from = locked.state(m.from);
            from.keys -= 1;
            from.log.live_bytes = from.log.live_bytes.saturating_sub(m.len as u64);
            let to = locked.state(m.to);
            to.keys += 1;
            to.log.live_bytes += m.len as u64;
        }
        let seq = shards.iter().map(|s| locked.state(*s).seq).max().unwrap_or(0);
        for shard in shards {
            let state = locked.state(*shard);
            state.seq = seq;
            state.changed = version;
            state.mark = state.mark.max(version);
        }
        Ok(moving.len() as u64)
    }

    /// The entries of the shards' indexes that `map` has elsewhere, among those of some hashes.
    /// The caller holds the locks.
    fn entries_to_move(&self, map: &Map, mut leavers: Vec<Leaver>) -> Result<Vec<Moving>> {
        // Two hashes with one group and one tag have the same entries.
        let place = |leaver: &Leaver| (leaver.from, leaver.hash.group(), leaver.hash.tag());
        leavers.sort_unstable_by_key(place);
        let mut moving = Vec::with_capacity(leavers.len());
        for same in leavers.chunk_by(|a, b| place(a) == place(b)) {
            let Leaver { from, hash, .. } = same[0];
            let mut search = self.shards[from].index.search(hash);
            while let Some((_, at)) = search.next() {
                let seen = same.iter().find(|l| l.seen.is_some_and(|(seen, _)| seen == at));
                let (hash, len) = match seen {
                    // Compaction is kept out, so a place that was seen has the record that it had.
                    Some(Leaver { hash, seen: Some((_, len)), .. }) => (*hash, *len),
                    // SAFETY: the shard's lock is held.
                    _ => unsafe {
                        let mut cold = Cold::default();
                        let Some(found) = self.record(at, &mut cold)? else { continue };
                        self.slots.verify(&found)?;
                        let hash = map.hash(&self.hasher, found.raw.key());
                        (hash, found.raw.header.total_len())
                    },
                };
                let to = usize::from(map.table[hash.slot()]);
                if to != from {
                    moving.push(Moving { from, to, hash, at, len });
                }
            }
        }
        Ok(moving)
    }

    /// Removes an entry from the index of a shard.
    ///
    /// # Safety
    /// The caller holds the shard's lock.
    unsafe fn unlink(&self, shard: usize, moving: &Moving) {
        let index = &self.shards[shard].index;
        // SAFETY: the caller's promise.
        unsafe {
            let place =
                index.locate(moving.hash, |at| Ok::<_, std::convert::Infallible>(at == moving.at));
            if let Ok(Some(place)) = place {
                index.remove(moving.hash, place);
            }
        }
    }

    /// Evens out the load: by operations if the monitor knows enough of them, else by the bytes
    /// that are stored. Returns how many slots were moved.
    pub(crate) fn rebalance(&self) -> Result<u64> {
        self.check_writable()?;
        let loads = match self.monitor.slot_loads() {
            Some(loads) => loads,
            None => self.slot_bytes()?,
        };
        let table = self.placement.read().table.clone();
        let moves = plan(&loads, &table, self.shards.len());
        if !moves.is_empty() {
            self.move_slots(&moves)?;
            self.monitor.tell(EventKind::Rebalanced);
        }
        Ok(moves.len() as u64)
    }

    /// Bytes of the records of every slot.
    fn slot_bytes(&self) -> Result<Vec<f64>> {
        let mut bytes = vec![0.0; SLOTS];
        for shard in 0..self.shards.len() {
            let mut words = Vec::new();
            for group in 0..GROUPS {
                let _guard = epoch::pin();
                self.shards[shard].index.snapshot_group(group, &mut words);
                for entry in words.iter().filter_map(|w| Entry::from_word(*w)) {
                    // SAFETY: the guard is held.
                    let mut cold = Cold::default();
                    // SAFETY: likewise.
                    let found = unsafe { self.record(entry.location(), &mut cold)? };
                    let Some(found) = found else { continue };
                    // SAFETY: likewise.
                    let hash = self.hash_of(unsafe { found.raw.key() });
                    bytes[hash.slot()] += found.raw.header.total_len() as f64;
                }
            }
        }
        Ok(bytes)
    }

    /// What the monitor's thread does about a skew that lasts.
    pub(crate) fn rebalance_if_skewed(&self) {
        if self.options.auto_rebalance && self.monitor.wants_rebalance() {
            // What fails now fails again for whoever rebalances by hand, and is told then.
            let _ = self.rebalance();
        }
    }
}

/// Which slots to move: from the hottest shard to the coolest, the slot whose load is nearest to
/// half of what divides them, until the load is even or no move makes it more so.
pub(crate) fn plan(loads: &[f64], table: &[u16], shards: usize) -> Vec<SlotMove> {
    let mut table: Vec<usize> = table.iter().map(|s| usize::from(*s)).collect();
    let mut sums = vec![0.0; shards];
    for (slot, shard) in table.iter().enumerate() {
        sums[*shard] += loads[slot];
    }
    let mut moves: Vec<SlotMove> = Vec::new();
    while moves.len() < MOVES_MAX && super::monitor::normalised_entropy(&sums, 0.0) < BALANCED {
        let by_load = |a: &&usize, b: &&usize| sums[**a].total_cmp(&sums[**b]);
        let all: Vec<usize> = (0..shards).collect();
        let (Some(&hot), Some(&cool)) = (all.iter().max_by(by_load), all.iter().min_by(by_load))
        else {
            break;
        };
        let gap = sums[hot] - sums[cool];
        let fits = |slot: &usize| table[*slot] == hot && loads[*slot] > 0.0 && loads[*slot] < gap;
        let distance = |slot: &usize| (loads[*slot] - gap / 2.0).abs();
        let best = (0..table.len()).filter(fits).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(slot) = best else { break };
        sums[hot] -= loads[slot];
        sums[cool] += loads[slot];
        table[slot] = cool;
        match moves.iter_mut().find(|(s, _)| *s == slot) {
            Some((_, to)) => *to = cool,
            None => moves.push((slot, cool)),
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::monitor::normalised_entropy;
    use crate::engine::write::Write;
    use crate::iter::Iter;
    use crate::options::Options;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    fn memory(shards: usize) -> Arc<Engine> {
        let mut options = Options::new();
        options.shards = Some(shards);
        Arc::new(Engine::open_memory(&options).unwrap())
    }

    fn key(n: u64) -> Vec<u8> {
        format!("key{n}").into_bytes()
    }

    #[test]
    fn a_plan_evens_out_what_can_be_evened_out() {
        let table: Vec<u16> = (0..SLOTS).map(|s| (s % 8) as u16).collect();
        let mut loads = vec![1.0; SLOTS];
        (0..SLOTS).filter(|s| s % 8 == 3).for_each(|s| loads[s] = 20.0);
        let mut sums = vec![0.0; 8];
        let mut after = table.clone();
        for (slot, to) in plan(&loads, &table, 8) {
            after[slot] = to as u16;
        }
        after.iter().zip(&loads).for_each(|(shard, load)| sums[usize::from(*shard)] += load);
        assert!(normalised_entropy(&sums, 0.0) >= BALANCED, "{sums:?}");
        assert!(plan(&[1.0; SLOTS], &table, 8).is_empty(), "an even load is left alone");
        let mut one = vec![0.0; SLOTS];
        one[3] = 1.0;
        assert!(plan(&one, &table, 8).is_empty(), "one hot slot is as hot elsewhere");
    }

    #[test]
    fn every_key_is_found_after_moves_and_counted_once() {
        let engine = memory(5);
        for n in 0..5_000 {
            engine.put(&key(n), &key(n)).unwrap();
        }
        let moves: Vec<SlotMove> = (0..SLOTS).map(|slot| (slot, (slot * 7 + 1) % 5)).collect();
        assert!(engine.move_slots(&moves).unwrap() > 1_000);
        for n in 0..5_000 {
            assert_eq!(engine.read(&key(n), |_, v| v.to_vec()).unwrap(), Some(key(n)));
            let shard = engine.shard_number(engine.hash_of(&key(n)));
            assert_eq!(shard, (engine.hash_of(&key(n)).slot() * 7 + 1) % 5);
        }
        assert_eq!(engine.stats().keys, 5_000);
        for n in 0..5_000 {
            assert!(engine.write_if(Write::Delete { key: &key(n) }).unwrap());
        }
        assert_eq!(engine.stats().keys, 0);
    }

    #[test]
    fn rules_bring_the_keys_of_a_group_into_one_shard_and_back() {
        let engine = memory(7);
        for n in 0..500 {
            engine.put(format!("user:{n}").as_bytes(), b"u").unwrap();
            engine.put(format!("profile:{n}").as_bytes(), b"p").unwrap();
        }
        let shard = |name: &str, n: u64| {
            let key = format!("{name}:{n}");
            assert!(engine.read(key.as_bytes(), |_, _| ()).unwrap().is_some(), "{key}");
            engine.shard_number(engine.hash_of(key.as_bytes()))
        };
        let together = || (0..500).filter(|n| shard("user", *n) == shard("profile", *n)).count();
        let before = together();
        assert!(before < 200, "{before}");
        let rule = Rule::parse("user:*,profile:*").unwrap();
        engine
            .set_rules(|rules| {
                rules.push(rule);
                Ok(())
            })
            .unwrap();
        assert_eq!(together(), 500);
        engine
            .set_rules(|rules| {
                rules.clear();
                Ok(())
            })
            .unwrap();
        assert_eq!(together(), before);
        assert_eq!(engine.stats().keys, 1_000);
    }

    /// Readers, writers and iterators beside moves: nobody misses a key, nothing is lost.
    #[test]
    fn nothing_is_missed_or_lost_while_slots_move_and_rules_change() {
        const KEYS: u64 = 3_000;
        let engine = memory(4);
        for n in 0..KEYS {
            engine.put(&key(n), &0u64.to_le_bytes()).unwrap();
        }
        let (end, moves) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 1u64;
                while !end.load(Ordering::Relaxed) {
                    n = n.wrapping_mul(6364136223846793005).wrapping_add(1);
                    let found = engine.read(&key((n >> 33) % KEYS), |_, _| ()).unwrap();
                    assert!(found.is_some(), "a key that exists all along is missed");
                }
            });
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    let mut iter = Iter::new(engine.clone(), b"key");
                    let mut seen = BTreeSet::new();
                    while iter.advance().unwrap() {
                        let key = iter.current().unwrap().0.to_vec();
                        assert!(seen.insert(key), "a key is met twice");
                        std::thread::yield_now();
                    }
                    assert_eq!(seen.len() as u64, KEYS);
                }
            });
            scope.spawn(|| {
                // One writer, so each key counts up; a batch now and then.
                let mut round = 0u64;
                while !end.load(Ordering::Relaxed) {
                    round += 1;
                    for n in 0..KEYS {
                        if n % 50 == 0 {
                            let mut batch = crate::Batch::new();
                            batch.put(&key(n), &round.to_le_bytes()).unwrap();
                            batch.put(&key((n + 1) % KEYS), &round.to_le_bytes()).unwrap();
                            engine.write_packed(batch.as_packed()).unwrap();
                        } else {
                            engine.put(&key(n), &round.to_le_bytes()).unwrap();
                        }
                        let now = engine.read(&key(n), |_, v| v.to_vec()).unwrap();
                        assert_eq!(now.as_deref(), Some(&round.to_le_bytes()[..]), "key {n}");
                    }
                }
            });
            let begin = std::time::Instant::now();
            let mut round = 0usize;
            while begin.elapsed() < std::time::Duration::from_secs(2) {
                round += 1;
                let some: Vec<SlotMove> =
                    (0..64).map(|i| ((round * 97 + i * 31) % SLOTS, (round + i) % 4)).collect();
                moves.fetch_add(engine.move_slots(&some).unwrap(), Ordering::Relaxed);
                if round % 3 == 0 {
                    let rule = Rule::parse("key1*,key2*,key*").unwrap();
                    let edit = |rules: &mut Vec<Rule>| {
                        if rules.is_empty() {
                            rules.push(rule)
                        } else {
                            rules.clear()
                        }
                        Ok(())
                    };
                    engine.set_rules(edit).unwrap();
                }
            }
            end.store(true, Ordering::Relaxed);
        });
        assert!(moves.into_inner() > 100);
        assert_eq!(engine.stats().keys, KEYS);
    }
}
