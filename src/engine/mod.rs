//! The engine: shards, and what they share.
//!
//! Invariants:
//! 1. An operation runs on its caller's thread, and touches the shard of its key alone; a batch
//!    locks the shards of all its keys, in ascending order.
//! 2. A read takes no lock, holds an epoch guard while it looks at records, and writes nothing
//!    that another thread reads.
//! 3. Locks are taken in this order: compaction, checkpoint, sync pass, shards by number, then the leaves
//!    (row arena, slot table, segment source).
//! 4. Once `halted` is set nothing is written any more; reads go on.

pub(crate) mod backup;
pub(crate) mod cache;
pub(crate) mod changed;
pub(crate) mod checkpoint;
pub(crate) mod cold;
pub(crate) mod commit;
pub(crate) mod compact;
pub(crate) mod durability;
pub(crate) mod image;
pub(crate) mod linkfile;
pub(crate) mod links;
pub(crate) mod memory;
pub(crate) mod meta;
pub(crate) mod monitor;
pub(crate) mod open;
pub(crate) mod openmetrics;
pub(crate) mod pinning;
pub(crate) mod placement;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod rebalance;
pub(crate) mod recovery;
pub(crate) mod rules;
pub(crate) mod stats;
pub(crate) mod upkeep;
pub(crate) mod write;

use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Hasher, KeyHash};
use crate::index::rows::RowArena;
use crate::index::Index;
use crate::log::slots::SlotTable;
use crate::log::source::SegmentSource;
use crate::log::Log;
use crate::options::{Durability, Options};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::io::Io;
use crossbeam_utils::CachePadded;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// An independent part of the database: a share of the keys, their index and a log.
pub(crate) struct Shard {
    pub(crate) index: Index,
    state: Mutex<ShardState>,
    pub(crate) traffic: monitor::Traffic,
}

/// What a shard's lock protects, besides the writing side of its index.
pub(crate) struct ShardState {
    pub(crate) log: Log,
    /// Where compaction puts the records that it moves.
    pub(crate) cold: Log,
    /// The last sequence number given to a record of one of the shard's keys.
    pub(crate) seq: u64,
    pub(crate) keys: u64,
    pub(crate) puts: u64,
    pub(crate) deletes: u64,
    /// Bytes of records written for callers since open.
    pub(crate) put_bytes: u64,
    /// The version of the last change of placement that concerned the shard, or
    /// [`placement::SCANNED`].
    pub(crate) mark: u64,
    /// Its version, also while the shard is scanned.
    pub(crate) changed: u64,
    /// Hashes of keys written while the shard is scanned.
    pub(crate) written: Vec<KeyHash>,
}

impl ShardState {
    /// The log of the callers' writes, or the one of compaction.
    pub(crate) fn log_mut(&mut self, hot: bool) -> &mut Log {
        if hot {
            &mut self.log
        } else {
            &mut self.cold
        }
    }
}

impl Shard {
    fn new(number: usize, shards: usize, arena: &Arc<RowArena>) -> Shard {
        let state = ShardState {
            log: Log::new(number as u32, true),
            cold: Log::new((shards + number) as u32, false),
            seq: 0,
            keys: 0,
            puts: 0,
            deletes: 0,
            put_bytes: 0,
            mark: 0,
            changed: 0,
            written: Vec::new(),
        };
        let (index, state) = (Index::new(arena.clone()), Mutex::new(state));
        Shard { index, state, traffic: monitor::Traffic::default() }
    }

    /// Takes the shard's lock. A panic under it makes the handle refuse writes (see `ffi`), so
    /// what it protects is looked at by readers of counters at most.
    #[inline(always)]
    pub(crate) fn lock(&self) -> MutexGuard<'_, ShardState> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Where a database on disk lives.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) io: Arc<dyn Io>,
}

/// An open database.
pub(crate) struct Engine {
    pub(crate) options: Options,
    pub(crate) hasher: Hasher,
    pub(crate) shards: Box<[CachePadded<Shard>]>,
    pub(crate) placement: placement::Placement,
    pub(crate) slots: Arc<SlotTable>,
    pub(crate) source: SegmentSource,
    pub(crate) reads: stats::ReadCounters,
    pub(crate) revisions: changed::Revisions,
    pub(crate) memory: memory::Memory,
    /// Records of cold segments.
    pub(crate) cache: cache::Cache,
    pub(crate) passes: durability::Passes,
    pub(crate) commits: commit::Commits,
    pub(crate) checkpoints: checkpoint::Checkpoints,
    pub(crate) compaction: compact::Compaction,
    pub(crate) monitor: monitor::Monitor,
    pub(crate) links: links::Links,
    pub(crate) pinning: pinning::Pinning,
    pub(crate) opened: open::Opened,
    /// `None` for a database in memory.
    pub(crate) home: Option<Home>,
    /// The directory's lock, until the database is closed.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
    /// Set once nothing may be written any more, with the reason beside it.
    halted: AtomicBool,
    halt_reason: Mutex<Option<Error>>,
}

impl Engine {
    /// The hash of a key, its slot as the rules say.
    #[inline(always)]
    pub(crate) fn hash_of(&self, key: &[u8]) -> KeyHash {
        let hash = self.hasher.hash(key);
        match self.placement.rules() {
            None => hash,
            Some(rules) => rule_hash(rules, &self.hasher, hash, key),
        }
    }

    #[inline(always)]
    pub(crate) fn shard_number(&self, hash: KeyHash) -> usize {
        self.placement.shard(hash)
    }

    #[inline(always)]
    pub(crate) fn shard(&self, hash: KeyHash) -> &Shard {
        let number = self.shard_number(hash);
        debug_assert!(number < self.shards.len());
        // SAFETY: the slot table names shards that exist (`meta` checks what it reads), and their
        // number never changes.
        unsafe { self.shards.get_unchecked(number) }
    }

    /// Whether acknowledged writes must be on the device.
    #[inline(always)]
    pub(crate) fn is_sync(&self) -> bool {
        self.options.durability == Durability::Sync && self.home.is_some()
    }

    /// Refuses writes where there may be none.
    #[inline(always)]
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.halted.load(Ordering::Relaxed) {
            return Err(self.halt_error());
        }
        Ok(())
    }

    /// Refuses puts while the disk is full.
    #[inline(always)]
    pub(crate) fn check_room(&self) -> Result<()> {
        if self.source.reserve.is_full() {
            return self.wait_for_room();
        }
        Ok(())
    }

    #[cold]
    fn wait_for_room(&self) -> Result<()> {
        let always = self.source.io().is_serial();
        if self.source.reserve.try_again(self.source.io(), always)? {
            return Ok(());
        }
        Err(self.source.reserve.error())
    }

    #[cold]
    fn halt_error(&self) -> Error {
        let reason = self.halt_reason.lock().unwrap_or_else(|e| e.into_inner());
        reason.clone().unwrap_or_else(|| Error::new(ErrorKind::Internal, "the database has halted"))
    }

    /// Stops all writing for good. The first reason stays.
    #[cold]
    pub(crate) fn halt(&self, reason: Error) {
        self.halt_reason.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(reason);
        self.halted.store(true, Ordering::SeqCst);
    }

    /// Gives the directory back.
    pub(crate) fn unlock(&self) {
        self.lock.lock().unwrap_or_else(|e| e.into_inner()).take();
    }
}

/// [`rules::RuleSet::hash`], out of the way of databases without rules.
#[cold]
#[inline(never)]
fn rule_hash(rules: &rules::RuleSet, hasher: &Hasher, plain: KeyHash, key: &[u8]) -> KeyHash {
    rules.hash(hasher, plain, key)
}
