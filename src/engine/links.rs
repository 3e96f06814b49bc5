//! Links: keys that are read together, and reads that run ahead of the caller.
//!
//! A key's *partners* are, in this order and each once: those that were linked to it by hand, the
//! strongest first; the other keys of its group, where a rule links them ([`super::rules`]); those
//! that the database has learned. At most [`PARTNERS_MAX`] count.
//!
//! * **By hand**: in memory, and in the file LINKS ([`super::linkfile`]).
//! * **Learned**, if the option `learn_links` is on: of two keys that one thread reads within
//!   [`WINDOW`] reads, the later becomes a candidate of the earlier. A table of fixed size keeps
//!   for a key [`CANDIDATES`] of them with counts, which decay as new ones come. It holds hashes;
//!   keys are read off their records when they are needed. It is not kept on disk.
//! * **Prefetch**, if the option `prefetch_links` is on: a get of a key with partners starts the
//!   loads of their index lines at once, and the thread `warp-prefetch` those of their records, from
//!   the device if need be. The get does not wait for either; what the thread cannot keep up with
//!   is dropped.
//!
//! Invariants:
//! 1. With both options off, no get comes here (see [`super::placement`], `attends`).
//! 2. What is learned takes [`LEARNED_BYTES`] at most, what is queued [`QUEUE_MAX`] hashes.
//! 3. A link is in the file before it is acknowledged, and on the device when a write would be.

use super::cold::Cold;
use super::linkfile::{LinkFile, LINKS};
use super::rules::LINK;
use super::Engine;
use crate::epoch;
use crate::error::{Error, Result};
use crate::hash::KeyHash;
use crate::limits::KEY_LEN_MAX;
use crate::packed::check_lengths;
use crate::value::Pinned;
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// Partners of one key that count.
pub(crate) const PARTNERS_MAX: usize = 32;
/// Reads of one thread within which keys are taken to belong together.
const WINDOW: usize = 4;
/// Candidates that are kept for a key.
const CANDIDATES: usize = 6;
/// Lines of the learned table.
const LINES: usize = 1 << 16;
/// Bytes of the learned table.
const LEARNED_BYTES: usize = 8 << 20;
const _: () = assert!(LINES * size_of::<Mutex<Line>>() <= LEARNED_BYTES);
/// A candidate is a partner once it has followed that often, and in that share of the reads.
const FOLLOWED_MIN: u8 = 3;
const SHARE_MIN: f32 = 0.2;
/// Hashes that wait for the prefetch thread; more are dropped.
const QUEUE_MAX: usize = 1024;
/// Prefetched keys that are remembered, to count how many were read.
const REMEMBERED: usize = 1 << 12;

/// A partner of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Partner {
    /// Its key.
    pub key: Vec<u8>,
    /// How strong the link is, above 0, up to 1. Links by rules have 1.
    pub strength: f32,
}

/// What a line of the learned table knows of one key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Line {
    from: u64,
    reads: u16,
    followed: [u8; CANDIDATES],
    to: [u64; CANDIDATES],
}

impl Line {
    /// Notes that `to` followed. A candidate that is not met wears off and makes room.
    fn note(&mut self, to: u64) {
        if let Some(i) = self.to.iter().position(|t| *t == to) {
            self.followed[i] += 1;
            if self.followed[i] == u8::MAX {
                self.followed.iter_mut().for_each(|n| *n /= 2);
                self.reads /= 2;
            }
            return;
        }
        let least = (0..CANDIDATES).min_by_key(|i| self.followed[*i]).unwrap_or(0);
        if self.followed[least] == 0 {
            (self.to[least], self.followed[least]) = (to, 1);
        } else {
            self.followed[least] -= 1;
        }
    }

    /// The candidates that count, and how strong they are.
    fn partners(&self) -> impl Iterator<Item = (KeyHash, f32)> + '_ {
        let share = |i: usize| f32::from(self.followed[i]) / f32::from(self.reads.max(1));
        (0..CANDIDATES)
            .filter(move |i| self.followed[*i] >= FOLLOWED_MIN && share(*i) >= SHARE_MIN)
            .map(move |i| (KeyHash(self.to[i]), share(i).min(1.0)))
    }
}

/// What was prefetched, and what came of it.
#[derive(Default)]
struct Prefetched {
    recent: Box<[AtomicU64]>,
    issued: AtomicU64,
    hits: AtomicU64,
    wasted: AtomicU64,
    dropped: AtomicU64,
}

/// Counts of prefetches since open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PrefetchCounts {
    /// Keys whose loads were started.
    pub(crate) issued: u64,
    /// Of these, keys that were read before they were forgotten.
    pub(crate) hits: u64,
    /// And keys that were not.
    pub(crate) wasted: u64,
    /// Keys that were not loaded because too many waited.
    pub(crate) dropped: u64,
}

type ByHand = HashMap<Box<[u8]>, Vec<Partner>>;

/// The links of an open database.
#[derive(Default)]
pub(crate) struct Links {
    by_hand: RwLock<ByHand>,
    file: Mutex<Option<LinkFile>>,
    dirty: AtomicBool,
    learned: Box<[Mutex<Line>]>,
    prefetched: Prefetched,
    queue: Mutex<VecDeque<KeyHash>>,
    closing: AtomicBool,
    wake: Condvar,
}

thread_local! {
    /// The last reads of this thread, and whose they are.
    static LAST: Cell<(usize, [u64; WINDOW])> = const { Cell::new((0, [0; WINDOW])) };
}

impl Links {
    /// The links of a database: `learns`, `prefetches` as the options say.
    pub(crate) fn new(learns: bool, prefetches: bool) -> Links {
        let mut links = Links::default();
        if learns {
            links.learned = (0..LINES).map(|_| Mutex::default()).collect();
        }
        if prefetches {
            links.prefetched.recent = (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect();
        }
        links
    }

    fn by_hand(&self) -> std::sync::RwLockReadGuard<'_, ByHand> {
        self.by_hand.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Option<LinkFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the links of a file, when the database is opened.
    pub(crate) fn load(&mut self, file: Option<LinkFile>, links: Vec<(Vec<u8>, Partner)>) {
        let by_hand = self.by_hand.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (from, partner) in links {
            set(by_hand, &from, partner);
        }
        *self.file.get_mut().unwrap_or_else(PoisonError::into_inner) = file;
    }

    /// All links by hand.
    pub(crate) fn all(&self) -> Vec<(Vec<u8>, Partner)> {
        let by_hand = self.by_hand();
        let mut all = Vec::new();
        for (from, partners) in by_hand.iter() {
            all.extend(partners.iter().map(|p| (from.to_vec(), p.clone())));
        }
        all
    }

    /// Links by hand, one for each key and partner.
    pub(crate) fn count(&self) -> u64 {
        self.by_hand().values().map(|p| p.len() as u64).sum()
    }

    pub(crate) fn prefetches(&self) -> PrefetchCounts {
        let p = &self.prefetched;
        let [issued, hits, wasted, dropped] =
            [&p.issued, &p.hits, &p.wasted, &p.dropped].map(|n| n.load(Ordering::Relaxed));
        PrefetchCounts { issued, hits, wasted, dropped }
    }

    /// Puts on the device what LINKS has been given since it was last.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.file().as_ref().map_or(Ok(()), LinkFile::sync)
    }

    /// Tells the thread to end.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake.notify_all();
    }

    fn line(&self, hash: KeyHash) -> Option<&Mutex<Line>> {
        // Bits that neither the slot nor the group of the index says.
        self.learned.get((hash.0 >> 20) as usize % LINES)
    }

    /// Learns from a read of this thread.
    fn learn(&self, hash: KeyHash) {
        let me = std::ptr::from_ref(self) as usize;
        let (whose, mut last) = LAST.get();
        if whose != me {
            last = [0; WINDOW];
        }
        if last.contains(&hash.0) {
            return;
        }
        for from in last.iter().filter(|from| **from != 0) {
            // Whoever finds a line taken lets it be: what is learned is a sample anyway.
            let Some(Ok(mut line)) = self.line(KeyHash(*from)).map(Mutex::try_lock) else {
                continue;
            };
            if line.from == *from {
                line.note(hash.0);
            }
        }
        if let Some(Ok(mut line)) = self.line(hash).map(Mutex::try_lock) {
            if line.from == hash.0 {
                line.reads = line.reads.saturating_add(1);
            } else if line.reads > 1 {
                // The key that has the line wears off first.
                line.reads -= 1;
            } else {
                *line = Line { from: hash.0, reads: 1, ..Line::default() };
            }
        }
        last.rotate_right(1);
        last[0] = hash.0;
        LAST.set((me, last));
    }

    /// What was learned of a key.
    fn learned(&self, hash: KeyHash) -> Vec<(KeyHash, f32)> {
        let Some(line) = self.line(hash) else { return Vec::new() };
        let line = *line.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            if line.from == hash.0 { line.partners().collect() } else { Vec::new() };
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }

    /// Counts a read of a key that may have been prefetched.
    fn was_read(&self, hash: KeyHash) {
        let recent = &self.prefetched.recent;
        let Some(place) = recent.get((hash.0 >> 30) as usize % REMEMBERED) else { return };
        if place.load(Ordering::Relaxed) == hash.0 {
            place.store(0, Ordering::Relaxed);
            self.prefetched.hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues the loads of some keys' records.
    fn queue(&self, hashes: &[KeyHash]) {
        let p = &self.prefetched;
        let count = hashes.len() as u64;
        // A get does not wait here.
        let Ok(mut queue) = self.queue.try_lock() else {
            p.dropped.fetch_add(count, Ordering::Relaxed);
            return;
        };
        if queue.len() + hashes.len() > QUEUE_MAX {
            p.dropped.fetch_add(count, Ordering::Relaxed);
            return;
        }
        let was_empty = queue.is_empty();
        queue.extend(hashes);
        drop(queue);
        p.issued.fetch_add(count, Ordering::Relaxed);
        for hash in hashes {
            let place = &p.recent[(hash.0 >> 30) as usize % REMEMBERED];
            let old = place.swap(hash.0, Ordering::Relaxed);
            p.wasted.fetch_add(u64::from(old != 0 && old != hash.0), Ordering::Relaxed);
        }
        if was_empty {
            self.wake.notify_one();
        }
    }
}

/// Adds a partner, or removes it if it has no strength.
fn set(by_hand: &mut ByHand, from: &[u8], partner: Partner) -> bool {
    let partners = by_hand.entry(from.into()).or_default();
    let before = partners.len();
    partners.retain(|p| p.key != partner.key);
    let was_there = partners.len() < before;
    if partner.strength > 0.0 {
        partners.push(partner);
        partners.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    } else if partners.is_empty() {
        by_hand.remove(from);
    }
    was_there
}

/// One of the answers of [`Engine::get_linked`].
pub struct Linked {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Pinned,
    /// How strong the link is; 1 for the key that was asked for.
    pub strength: f32,
}

impl Engine {
    /// Links `to` to `from`, or changes how strong they are linked. One direction.
    pub(crate) fn link(&self, from: &[u8], to: &[u8], strength: f32) -> Result<()> {
        check_link(from, to)?;
        if !(strength > 0.0 && strength <= 1.0) {
            return Err(Error::invalid(format!("strength {strength} is not above 0 and up to 1")));
        }
        let full = {
            let by_hand = self.links.by_hand();
            by_hand.get(from).is_some_and(|partners| {
                partners.len() >= PARTNERS_MAX && partners.iter().all(|p| p.key != to)
            })
        };
        if full {
            return Err(Error::invalid(format!(
                "the key has {PARTNERS_MAX} partners already; unlink one first"
            )));
        }
        self.change_link(from, Partner { key: to.to_vec(), strength }).map(|_| ())
    }

    /// Takes a link by hand away; false if there was none.
    pub(crate) fn unlink_keys(&self, from: &[u8], to: &[u8]) -> Result<bool> {
        check_link(from, to)?;
        let is_there = |p: &Vec<Partner>| p.iter().any(|p| p.key == to);
        if !self.links.by_hand().get(from).is_some_and(is_there) {
            return self.check_writable().map(|()| false);
        }
        self.change_link(from, Partner { key: to.to_vec(), strength: 0.0 })
    }

    fn change_link(&self, from: &[u8], partner: Partner) -> Result<bool> {
        self.check_writable()?;
        let mut file = self.links.file();
        if let Some(home) = &self.home {
            let at = |e: &std::io::Error| {
                Error::os(format!("write {}", home.dir.join(LINKS).display()), e)
            };
            if file.is_none() {
                let made = LinkFile::create(home, self.source.database());
                *file = Some(made.map_err(|e| at(&e))?);
                self.source.set_dir_dirty();
            }
            if let Some(file) = file.as_mut() {
                file.append(from, &partner).map_err(|e| at(&e))?;
            }
            self.links.dirty.store(true, Ordering::Release);
        }
        let mut by_hand = self.links.by_hand.write().unwrap_or_else(PoisonError::into_inner);
        let was_there = set(&mut by_hand, from, partner);
        drop(by_hand);
        drop(file);
        if self.is_sync() {
            self.run_pass(self.token())?;
        }
        Ok(was_there)
    }

    /// The partners of a key.
    pub(crate) fn partners(&self, key: &[u8]) -> Vec<Partner> {
        let mut all: Vec<Partner> = self.links.by_hand().get(key).cloned().unwrap_or_default();
        let map = self.placement.read().clone();
        if let Some(member) = map.rules.links().then(|| map.rules.member(key, LINK)).flatten() {
            for key in member.others() {
                if all.iter().all(|p| p.key != key) {
                    all.push(Partner { key, strength: 1.0 });
                }
            }
        }
        if !self.links.learned.is_empty() {
            for (hash, strength) in self.links.learned(self.hash_of(key)) {
                if let Some(key) = self.key_of(hash, Cold::default()) {
                    if all.iter().all(|p| p.key != key) {
                        all.push(Partner { key, strength });
                    }
                }
            }
        }
        all.truncate(PARTNERS_MAX);
        all
    }

    /// The value of a key, first, and those of its partners that exist; `None` if the key does not.
    pub(crate) fn get_linked(&self, key: &[u8]) -> Result<Option<Vec<Linked>>> {
        let partners = self.partners(key);
        let keys: Vec<&[u8]> =
            std::iter::once(key).chain(partners.iter().map(|p| &p.key[..])).collect();
        {
            // All loads from the device at once, before the first is waited for.
            let _guard = epoch::pin();
            let hashes: Vec<KeyHash> = keys.iter().map(|key| self.hash_of(key)).collect();
            hashes.iter().for_each(|hash| self.shard(*hash).index.prefetch(*hash));
            for hash in hashes {
                if let Some((_, at)) = self.shard(hash).index.candidate(hash) {
                    // SAFETY: the guard is held.
                    unsafe { self.slots.will_need(at) };
                }
            }
        }
        let mut found: Vec<Result<Option<Pinned>>> = Vec::with_capacity(keys.len());
        self.multi_get(keys.len(), |i| keys[i], |_, answer| found.push(answer));
        let mut linked = Vec::with_capacity(keys.len());
        for (i, answer) in found.into_iter().enumerate() {
            let value = match answer? {
                Some(value) => value,
                None if i == 0 => return Ok(None),
                None => continue,
            };
            let strength = if i == 0 { 1.0 } else { partners[i - 1].strength };
            linked.push(Linked { key: keys[i].to_vec(), value, strength });
        }
        Ok(Some(linked))
    }

    /// What a get does for links before it looks for its key: learns, and starts the loads of the
    /// partners.
    pub(crate) fn attend_read(&self, key: &[u8], hash: KeyHash) {
        if self.options.learn_links {
            self.links.learn(hash);
        }
        if !self.options.prefetch_links || self.options.read_only {
            return;
        }
        self.links.was_read(hash);
        let mut hashes = [KeyHash(0); PARTNERS_MAX];
        let mut count = 0;
        let mut add = |hash: KeyHash| {
            if count < PARTNERS_MAX {
                self.shard(hash).index.prefetch(hash);
                hashes[count] = hash;
                count += 1;
            }
        };
        if let Some(partners) = self.links.by_hand().get(key) {
            partners.iter().for_each(|p| add(self.hash_of(&p.key)));
        }
        if let Some(rules) = self.placement.rules().filter(|rules| rules.links()) {
            // A get of a partner is most likely what the prefetch was for.
            if let Some(member) = rules.member(key, LINK).filter(|m| m.is_primary()) {
                member.others().for_each(|key| add(self.hash_of(&key)));
            }
        }
        self.links.learned(hash).into_iter().for_each(|(hash, _)| add(hash));
        if count > 0 {
            self.links.queue(&hashes[..count]);
        }
    }

    /// The body of the prefetch thread.
    pub(crate) fn run_prefetch_thread(&self) {
        let links = &self.links;
        let mut taken = Vec::new();
        while !links.closing.load(Ordering::SeqCst) {
            let queue = links.queue.lock().unwrap_or_else(PoisonError::into_inner);
            // In slices, since whoever closes does not hold the lock of the queue.
            let wait = links.wake.wait_timeout_while(queue, Duration::from_millis(50), |queue| {
                queue.is_empty() && !links.closing.load(Ordering::SeqCst)
            });
            taken.extend(wait.unwrap_or_else(PoisonError::into_inner).0.drain(..));
            for hash in taken.drain(..) {
                let _guard = epoch::pin();
                if let Some((_, at)) = self.shard(hash).index.candidate(hash) {
                    // SAFETY: the guard is held.
                    unsafe { self.slots.will_need(at) };
                    self.slots.prefetch(at);
                }
            }
        }
    }
}

fn check_link(from: &[u8], to: &[u8]) -> Result<()> {
    check_lengths(from.len(), 0)?;
    check_lengths(to.len(), 0)?;
    debug_assert!(from.len() <= KEY_LEN_MAX && to.len() <= KEY_LEN_MAX);
    if from == to {
        return Err(Error::invalid("a key is no partner of itself"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::Rule;
    use crate::options::Options;

    fn engine(set: impl Fn(&mut Options)) -> Engine {
        let mut options = Options::new();
        options.shards = Some(3);
        set(&mut options);
        Engine::open_memory(&options).unwrap()
    }

    fn keys(linked: Option<Vec<Linked>>) -> Vec<String> {
        let name = |l: &Linked| String::from_utf8(l.key.clone()).unwrap();
        linked.iter().flatten().map(name).collect()
    }

    #[test]
    fn links_by_hand_come_strongest_first_and_go_one_by_one() {
        let engine = engine(|_| ());
        for key in [&b"a"[..], b"b", b"c"] {
            engine.put(key, b"v").unwrap();
        }
        engine.link(b"a", b"b", 0.3).unwrap();
        engine.link(b"a", b"c", 0.7).unwrap();
        engine.link(b"a", b"gone", 1.0).unwrap();
        assert_eq!(keys(engine.get_linked(b"a").unwrap()), ["a", "c", "b"]);
        engine.link(b"a", b"b", 0.9).unwrap();
        assert_eq!(keys(engine.get_linked(b"a").unwrap()), ["a", "b", "c"]);
        assert!(engine.unlink_keys(b"a", b"b").unwrap());
        assert!(!engine.unlink_keys(b"a", b"b").unwrap());
        assert_eq!(keys(engine.get_linked(b"a").unwrap()), ["a", "c"]);
        assert_eq!(keys(engine.get_linked(b"c").unwrap()), ["c"]);
        assert!(engine.get_linked(b"gone").unwrap().is_none());
        assert!(engine.link(b"a", b"a", 0.5).is_err());
        assert!(engine.link(b"a", b"b", 0.0).is_err());
        assert!(engine.link(b"a", b"b", f32::NAN).is_err());
    }

    #[test]
    fn a_rule_links_its_groups_and_only_those() {
        let engine = engine(|_| ());
        let rule = Rule::parse("user:*,profile:*,posts:*").unwrap();
        engine
            .set_rules(|rules| {
                rules.push(rule);
                Ok(())
            })
            .unwrap();
        for key in ["user:1", "profile:1", "posts:1", "profile:2"] {
            engine.put(key.as_bytes(), b"v").unwrap();
        }
        assert_eq!(keys(engine.get_linked(b"user:1").unwrap()), ["user:1", "profile:1", "posts:1"]);
        assert_eq!(
            keys(engine.get_linked(b"posts:1").unwrap()),
            ["posts:1", "user:1", "profile:1"]
        );
        assert_eq!(keys(engine.get_linked(b"profile:2").unwrap()), ["profile:2"]);
    }

    #[test]
    fn keys_that_are_read_together_become_partners_and_others_do_not() {
        let engine = engine(|o| o.learn_links = true);
        let key = |kind: &str, n: usize| format!("{kind}{n}").into_bytes();
        for n in 0..100 {
            engine.put(&key("user", n), b"v").unwrap();
            engine.put(&key("profile", n), b"v").unwrap();
        }
        let mut random = 1usize;
        for _ in 0..3_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let n = (random >> 33) % 100;
            engine.read(&key("user", n), |_, _| ()).unwrap();
            engine.read(&key("profile", n), |_, _| ()).unwrap();
        }
        let right = (0..100)
            .filter(|n| {
                let found = engine.get_linked(&key("user", *n)).unwrap();
                keys(found) == [format!("user{n}"), format!("profile{n}")]
            })
            .count();
        assert!(right >= 90, "{right} of 100");
    }

    #[test]
    fn a_prefetch_that_is_read_is_a_hit() {
        let engine = engine(|o| o.prefetch_links = true);
        engine.put(b"a", b"v").unwrap();
        engine.put(b"b", b"v").unwrap();
        engine.link(b"a", b"b", 1.0).unwrap();
        engine.read(b"a", |_, _| ()).unwrap();
        engine.read(b"b", |_, _| ()).unwrap();
        engine.read(b"b", |_, _| ()).unwrap();
        let counts = engine.links.prefetches();
        assert_eq!(counts, PrefetchCounts { issued: 1, hits: 1, wasted: 0, dropped: 0 });
    }
}
