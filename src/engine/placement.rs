//! Placement: which shard a key belongs to, and how that changes while the database serves.
//!
//! A key's hash names its slot, rules may have it name another ([`super::rules`]), and the table
//! says which shard has the slot. A *change* is another table or another rule set: the entries of
//! the keys concerned go from one shard's index to another's. Records stay where they are, since
//! an index may point into any log. What it takes to make a change is in [`super::rebalance`].
//!
//! Invariants:
//! 1. A change holds the locks of all shards that lose or gain keys, from before the first entry
//!    is copied until the last is removed. Entries are inserted where they are to be, then table
//!    and rules are switched and the version is raised, then the old entries are removed.
//! 2. A reader takes no lock: it finds an entry in the old place or in the new one. What it does
//!    *not* find is right only if the version was the same before and after; otherwise it hashes
//!    and searches again. The version is 0 until the first change since open.
//! 3. A writer reads the version, hashes, locks the shard, and asks the shard for its *mark*: the
//!    version of the last change that concerned it, or [`SCANNED`] while a change that will is
//!    being prepared. A mark above the version that the writer read means that the shard may no
//!    longer be the key's, or that the write is to be noted.
//! 4. Iterators hold `current` shared while they take a group, and a change holds it alone while
//!    entries are in two places. An iterator that began before a change goes by the placement it
//!    began with (see [`crate::iter`]).
//! 5. What is in CHECKPOINT is what its image was written under: changes keep checkpoints and
//!    backups out. So a change needs no step of its own on disk, and a crash leaves the placement
//!    of the last checkpoint, under which every log is replayed.

use super::rules::{Rule, RuleSet};
use crate::hash::{Hasher, KeyHash, SLOTS};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The mark of a shard that is being scanned for keys that are to leave it.
pub(crate) const SCANNED: u64 = u64::MAX;

/// A placement, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    /// The shard of each slot.
    pub(crate) table: Vec<u16>,
    pub(crate) rules: Arc<RuleSet>,
}

impl Map {
    /// The hash of a key.
    pub(crate) fn hash(&self, hasher: &Hasher, key: &[u8]) -> KeyHash {
        self.rules.hash(hasher, hasher.hash(key), key)
    }

    /// The shard of a key.
    pub(crate) fn shard(&self, hasher: &Hasher, key: &[u8]) -> usize {
        usize::from(self.table[self.hash(hasher, key).slot()])
    }
}

/// The placement of an open database.
pub(crate) struct Placement {
    /// `current`, for readers: the shard of each slot.
    table: Box<[AtomicU16; SLOTS]>,
    /// `current`, for readers: the rules; null while no rule places and no read is attended.
    rules: AtomicPtr<RuleSet>,
    version: AtomicU64,
    /// Reads are more than reads: links are learned from them, or prefetched for them.
    attends: bool,
    /// Whether a placement was stored, or has been since open.
    stored: AtomicBool,
    current: RwLock<Arc<Map>>,
    /// Rule sets that a reader may still be looking at: all there have been since open.
    kept: Mutex<Vec<Arc<RuleSet>>>,
    /// Held over a change, from its scan to its end.
    changing: Mutex<()>,
    /// Whether it is.
    is_changing: AtomicBool,
}

/// A change under way, alone.
pub(crate) struct Changing<'p> {
    placement: &'p Placement,
    _alone: MutexGuard<'p, ()>,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.placement.is_changing.store(false, Ordering::Relaxed);
    }
}

impl Placement {
    /// The placement of CHECKPOINT, or else of a MANIFEST with the table `original`.
    /// See there for `attends`.
    pub(crate) fn new(original: Vec<u16>, stored: Option<&Map>, attends: bool) -> Placement {
        let plain = || Map { table: original, rules: Arc::default() };
        let map = stored.cloned().unwrap_or_else(plain);
        let placement = Placement {
            table: Box::new(std::array::from_fn(|slot| AtomicU16::new(map.table[slot]))),
            rules: AtomicPtr::new(std::ptr::null_mut()),
            version: AtomicU64::new(0),
            current: RwLock::new(Arc::new(map.clone())),
            attends,
            stored: AtomicBool::new(stored.is_some()),
            kept: Mutex::default(),
            changing: Mutex::new(()),
            is_changing: AtomicBool::new(false),
        };
        placement.set_rules(&map.rules);
        placement
    }

    /// The shard of a hash.
    #[inline(always)]
    pub(crate) fn shard(&self, hash: KeyHash) -> usize {
        usize::from(self.table[hash.slot()].load(Ordering::Relaxed))
    }

    /// Changes since open. See invariants 2 and 3.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The rules, if any of them places keys or if reads are attended.
    #[inline(always)]
    pub(crate) fn rules(&self) -> Option<&RuleSet> {
        // SAFETY: null, or a set that `kept` holds for as long as this lives.
        unsafe { self.rules.load(Ordering::Acquire).as_ref() }
    }

    /// Begins a change, once no other is under way.
    pub(crate) fn change(&self) -> Changing<'_> {
        let alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_changing.store(true, Ordering::Relaxed);
        Changing { placement: self, _alone: alone }
    }

    /// Whether a change is under way, for which writers may have to wait.
    #[inline(always)]
    pub(crate) fn is_changing(&self) -> bool {
        self.is_changing.load(Ordering::Relaxed)
    }

    /// The placement as it is, which does not change while the guard is held.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Arc<Map>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps iterators out, for a change.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Arc<Map>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What CHECKPOINT is to say of it: nothing until it has changed for the first time.
    pub(crate) fn to_store(&self) -> Option<Map> {
        self.stored.load(Ordering::Acquire).then(|| Map::clone(&self.read()))
    }

    /// Whether reads are attended.
    pub(crate) fn attends(&self) -> bool {
        self.attends
    }

    /// All rules, those included that only link.
    pub(crate) fn all_rules(&self) -> Vec<Rule> {
        self.read().rules.rules().to_vec()
    }

    /// Has readers go by `map`, and returns the new version. The caller holds all locks of the
    /// change and `current`, into which it puts `map` itself.
    pub(crate) fn switch(&self, map: &Map) -> u64 {
        for (slot, shard) in map.table.iter().enumerate() {
            self.table[slot].store(*shard, Ordering::Release);
        }
        self.set_rules(&map.rules);
        self.stored.store(true, Ordering::Release);
        self.version.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn set_rules(&self, rules: &Arc<RuleSet>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.iter().any(|k| Arc::ptr_eq(k, rules)) {
            kept.push(rules.clone());
        }
        let pointer =
            if rules.places() || self.attends { Arc::as_ptr(rules) } else { std::ptr::null() };
        self.rules.store(pointer.cast_mut(), Ordering::Release);
    }
}
