//! The database handle: arguments are checked here, the work is done by [`crate::engine`].

use crate::check::repair::{repair, RepairReport};
use crate::check::verify::{verify, VerifyReport};
use crate::engine::links::{Linked, Partner};
use crate::engine::read::{AtOnce, Blocked};
use crate::engine::rules::Rule;
use crate::engine::stats::Stats;
use crate::engine::upkeep::Upkeep;
use crate::engine::write::Write;
use crate::engine::{Engine, Home};
use crate::error::{Error, Result};
use crate::hash::SLOTS;
use crate::iter::Iter;
use crate::options::Options;
use crate::packed::check_lengths;
use crate::sys::unix::UnixIo;
use crate::value::Pinned;
use crate::Batch;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An open database. All calls may be made from any number of threads at once.
pub struct Db {
    engine: Arc<Engine>,
    upkeep: Option<Upkeep>,
}

/// How soon a record is expected to be overwritten or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Temperature {
    /// Soon.
    Hot,
    /// Nobody knows.
    #[default]
    Warm,
    /// Not for long.
    Cold,
}

/// The answer of a read that does not wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowait {
    /// The value's length; it was copied if the buffer is that long.
    Found(usize),
    /// The key does not exist.
    Missing,
    /// The answer needs the disk.
    WouldBlock,
}

/// The answer of a pinned read that does not wait for the disk.
#[derive(Debug)]
pub enum NowaitPinned {
    /// The value.
    Found(Pinned),
    /// The key does not exist.
    Missing,
    /// The answer needs the disk.
    WouldBlock,
}

/// The answer of a read that copies only what the caller does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The value is the one that the caller knows; nothing was copied.
    Unchanged,
    /// Another value; it was copied if the buffer is that long.
    Value {
        /// Its length.
        len: usize,
        /// Its revision, never 0.
        revision: u64,
    },
    /// The key does not exist.
    Missing,
    /// The answer needs the disk.
    WouldBlock,
}

impl Db {
    /// Opens the database in the directory `path`, or a new one in memory.
    pub fn open(path: Option<&Path>, options: &Options) -> Result<Db> {
        let engine = match path {
            Some(path) => Engine::open_dir(path, options, Arc::new(UnixIo))?,
            None => Engine::open_memory(options)?,
        };
        let engine = Arc::new(engine);
        engine.add_missing_rules()?;
        let upkeep = Upkeep::start(&engine)?;
        Ok(Db { engine, upkeep: Some(upkeep) })
    }

    /// Reads every file of the database in `path`, which nobody may have open for writing, and
    /// lists all that is damaged. Nothing is written. Of the options, `open_timeout` counts.
    /// `progress` is told how many bytes of how many were read.
    ///
    /// An error means that nothing could be said: no database there, another process writing, a
    /// newer format.
    pub fn verify(
        path: &Path,
        options: &Options,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<VerifyReport> {
        let home = Home { dir: path.to_path_buf(), io: Arc::new(UnixIo) };
        verify(home, options, &mut progress)
    }

    /// Copies everything of the damaged database in `from` that verifies into a new database in
    /// `to`, which must not exist or be an empty directory, and lists what could not be saved.
    /// Nothing is written in `from`. Of the options, `open_timeout` and `shards` count: the number
    /// of shards of the new database is that of the old one unless it is given.
    ///
    /// `to` appears when it is complete: until then the work goes on in `to` with `.partial` after
    /// its name.
    pub fn repair(
        from: &Path,
        to: &Path,
        options: &Options,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<RepairReport> {
        let home = Home { dir: from.to_path_buf(), io: Arc::new(UnixIo) };
        repair(home, to, options, &mut progress)
    }

    /// Syncs, checkpoints and closes. The handle is gone whatever the answer.
    pub fn close(mut self) -> Result<()> {
        self.shut()
    }

    fn shut(&mut self) -> Result<()> {
        match self.upkeep.take() {
            Some(upkeep) => {
                upkeep.end(&self.engine);
                self.engine.shut(Arc::strong_count(&self.engine) > 1)
            }
            None => Ok(()),
        }
    }

    /// [`Db::put`] of a value that is expected to be overwritten or deleted seldom
    /// ([`Temperature::Cold`]) or often: cold records get segments of their own from the start,
    /// so that compaction need not move them out of the way of the others.
    pub fn put_hinted(&self, key: &[u8], value: &[u8], hint: Temperature) -> Result<()> {
        check_lengths(key.len(), value.len())?;
        match hint {
            Temperature::Cold => self.engine.put_cold(key, value),
            Temperature::Hot | Temperature::Warm => self.engine.put(key, value),
        }
    }

    /// For benchmarks and tests: compaction that is blind to temperature, with one log for all, and
    /// how much more than what lives the logs may have, in thousandths (0: as usual).
    #[cfg(feature = "lab")]
    #[doc(hidden)]
    pub fn set_compaction_trial(&self, blind: bool, budget: u64) {
        self.engine.compaction.temperature.set_trial(blind, budget);
    }

    /// Stores `value` under `key`.
    #[inline(always)]
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        check_lengths(key.len(), value.len())?;
        self.engine.put(key, value)
    }

    /// The value of `key`, copied.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        check_lengths(key.len(), 0)?;
        self.engine.read(key, |_, value| value.to_vec())
    }

    /// Copies the value of `key` into `buf` if it fits, and returns its length.
    #[inline(always)]
    pub fn get_into(&self, key: &[u8], buf: &mut [MaybeUninit<u8>]) -> Result<Option<usize>> {
        check_lengths(key.len(), 0)?;
        self.engine.get_into(key, buf)
    }

    /// See [`Engine::find_at_once`]. The key's length is within the limits.
    #[inline(always)]
    pub(crate) fn find_at_once(&self, key: &[u8]) -> Option<AtOnce<'_>> {
        self.engine.find_at_once(key)
    }

    /// [`Db::get_into`] that never waits for the disk.
    #[inline(always)]
    pub fn get_nowait(&self, key: &[u8], buf: &mut [MaybeUninit<u8>]) -> Result<Nowait> {
        check_lengths(key.len(), 0)?;
        let answer = self.engine.get_into_nowait(key, buf)?;
        Ok(match answer {
            Ok(Some(len)) => Nowait::Found(len),
            Ok(None) => Nowait::Missing,
            Err(Blocked) => Nowait::WouldBlock,
        })
    }

    /// Copies the value of `key` into `buf` if it fits, unless its revision is still `known`.
    ///
    /// A revision belongs to one value of one key, from its put until the next write of the key,
    /// whatever is compacted or moved meanwhile; and to this opening of the database. 0 is no revision.
    #[inline(always)]
    pub fn get_if_changed(
        &self,
        key: &[u8],
        known: u64,
        buf: &mut [MaybeUninit<u8>],
    ) -> Result<Changed> {
        check_lengths(key.len(), 0)?;
        self.engine.get_if_changed(key, known, buf, true)
    }

    /// [`Db::get_if_changed`] that never waits for the disk.
    #[inline(always)]
    pub fn get_if_changed_nowait(
        &self,
        key: &[u8],
        known: u64,
        buf: &mut [MaybeUninit<u8>],
    ) -> Result<Changed> {
        check_lengths(key.len(), 0)?;
        self.engine.get_if_changed(key, known, buf, false)
    }

    /// The value of `key`, not copied.
    #[inline]
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Pinned>> {
        check_lengths(key.len(), 0)?;
        self.engine.get_pinned(key)
    }

    /// [`Db::get_pinned`] that never waits for the disk.
    #[inline]
    pub fn get_pinned_nowait(&self, key: &[u8]) -> Result<NowaitPinned> {
        check_lengths(key.len(), 0)?;
        Ok(match self.engine.get_pinned_nowait(key)? {
            Ok(Some(pinned)) => NowaitPinned::Found(pinned),
            Ok(None) => NowaitPinned::Missing,
            Err(Blocked) => NowaitPinned::WouldBlock,
        })
    }

    /// [`Db::exists`] that never waits for the disk; `None` if it would have to.
    pub fn exists_nowait(&self, key: &[u8]) -> Result<Option<bool>> {
        check_lengths(key.len(), 0)?;
        Ok(self.engine.read_nowait(key, |_, _| ())?.ok().map(|found| found.is_some()))
    }

    /// Whether a write of `key`, or, without one, a write of any, may have to wait.
    pub fn write_would_wait(&self, key: Option<&[u8]>) -> Result<bool> {
        check_lengths(key.map_or(1, <[u8]>::len), 0)?;
        self.engine.write_would_wait(key)
    }

    /// Whether `key` exists.
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        check_lengths(key.len(), 0)?;
        Ok(self.engine.read(key, |_, _| ())?.is_some())
    }

    /// Deletes `key`; false when there was nothing to delete.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        check_lengths(key.len(), 0)?;
        self.engine.write_if(Write::Delete { key })
    }

    /// `n` pinned reads whose memory latencies overlap: `key(i)` names the keys, `each(i, answer)`
    /// takes the answers, in order.
    #[inline(always)]
    pub fn multi_get<'k>(
        &self,
        n: usize,
        key: impl Fn(usize) -> &'k [u8],
        each: impl FnMut(usize, Result<Option<Pinned>>),
    ) {
        self.engine.multi_get(n, key, each);
    }

    /// Stores `desired` (`None`: deletes) if the current value is `expected` (`None`: no value);
    /// false, and nothing changed, if it is another.
    pub fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        desired: Option<&[u8]>,
    ) -> Result<bool> {
        check_lengths(key.len(), desired.map_or(0, <[u8]>::len))?;
        self.engine.write_if(Write::Swap { key, expected, desired })
    }

    /// Writes all operations of `batch`, or none.
    pub fn write(&self, batch: &Batch) -> Result<()> {
        self.engine.write_packed(batch.as_packed())
    }

    /// [`Db::write`] from the packed form (see [`crate::PackedOps`]).
    pub fn write_packed(&self, packed: &[u8]) -> Result<()> {
        self.engine.write_packed(packed)
    }

    /// Returns once everything acknowledged before the call is on the device.
    pub fn sync(&self) -> Result<()> {
        self.engine.sync()
    }

    /// A token that covers every write acknowledged before the call.
    pub fn token(&self) -> u64 {
        self.engine.token()
    }

    /// Waits until the writes of `token` are on the device; false when `timeout` passed first.
    pub fn wait_durable(&self, token: u64, timeout: Duration) -> Result<bool> {
        self.engine.wait_durable(token, timeout)
    }

    /// Whether the writes of `token` are on the device, without waiting.
    pub fn is_durable(&self, token: u64) -> Result<bool> {
        self.engine.is_durable(token)
    }

    /// Checkpoints all shards, while reads and writes go on.
    pub fn checkpoint(&self) -> Result<()> {
        self.engine.checkpoint()
    }

    /// Makes a consistent copy in the directory `to`, which opens as a database of its own; or
    /// brings an earlier one there up to date.
    pub fn backup(&self, to: &Path) -> Result<()> {
        self.engine.backup(to)
    }

    /// Reclaims what can be reclaimed now.
    pub fn compact(&self) -> Result<()> {
        self.engine.compact_all()
    }

    /// An iterator over the keys that start with `prefix`.
    pub fn iter(&self, prefix: &[u8]) -> Result<Iter> {
        Ok(Iter::new(self.engine.clone(), prefix))
    }

    /// The rules of the database, in their order.
    pub fn rules(&self) -> Vec<Rule> {
        self.engine.placement.all_rules()
    }

    /// The same as JSON.
    pub fn rules_json(&self) -> String {
        self.engine.placement.read().rules.json()
    }

    /// Adds a rule behind the others, and brings the keys that it concerns to their new shards.
    /// Reads go on meanwhile; writes wait while the entries move, about a microsecond for each. Once this
    /// returns the rule outlives a crash.
    pub fn add_rule(&self, rule: &Rule) -> Result<()> {
        let edit = |rules: &mut Vec<Rule>| {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
            Ok(())
        };
        self.engine.set_rules(edit)
    }

    /// Removes the rule whose first pattern this is; false if there is none. See
    /// [`Db::add_rule`] for what else it does.
    pub fn remove_rule(&self, first_pattern: &[u8]) -> Result<bool> {
        let mut removed = false;
        self.engine.set_rules(|rules| {
            let count = rules.len();
            rules.retain(|r| r.patterns[0] != first_pattern);
            removed = rules.len() < count;
            Ok(())
        })?;
        Ok(removed)
    }

    /// The shard of a key, whether it exists or not. It may change with rules and rebalancing.
    pub fn shard_of(&self, key: &[u8]) -> Result<usize> {
        check_lengths(key.len(), 0)?;
        Ok(self.engine.shard_number(self.engine.hash_of(key)))
    }

    /// Moves slots from hot shards to cool ones until the load is even: the operations of the last
    /// seconds if the load monitor knows enough of them, else the bytes that are stored. Returns
    /// how many slots were moved.
    pub fn rebalance(&self) -> Result<u64> {
        self.engine.rebalance()
    }

    /// Moves one placement slot, 0 to 4095, to a shard; returns how many keys went with it.
    pub fn move_slot(&self, slot: usize, shard: usize) -> Result<u64> {
        let shards = self.engine.shards.len();
        if slot >= SLOTS || shard >= shards {
            return Err(Error::invalid(format!(
                "slot {slot} of {SLOTS} and shard {shard} of {shards}: one does not exist"
            )));
        }
        self.engine.move_slots(&[(slot, shard)])
    }

    /// What the load monitor has to tell, from event number `from` on, as JSON with the number to
    /// ask with next. Old events are dropped after a while.
    pub fn events_json(&self, from: u64) -> String {
        self.engine.events_json(from)
    }

    /// All statistics as OpenMetrics text.
    pub fn openmetrics(&self) -> String {
        self.engine.openmetrics()
    }

    /// Links `to` to `from`, in this direction, with a strength above 0 and up to 1: a read of
    /// `from` is likely to be followed by one of `to`. A link that is there gets the new strength.
    /// Neither key need exist.
    pub fn link(&self, from: &[u8], to: &[u8], strength: f32) -> Result<()> {
        self.engine.link(from, to, strength)
    }

    /// Takes a link away; false if there was none.
    pub fn unlink(&self, from: &[u8], to: &[u8]) -> Result<bool> {
        self.engine.unlink_keys(from, to)
    }

    /// The partners of a key: linked by hand, the strongest first, then by rules, then learned.
    pub fn partners(&self, key: &[u8]) -> Result<Vec<Partner>> {
        check_lengths(key.len(), 0)?;
        Ok(self.engine.partners(key))
    }

    /// The value of a key, first, and those of its partners that exist, their loads overlapped;
    /// `None` if the key does not exist.
    pub fn get_linked(&self, key: &[u8]) -> Result<Option<Vec<Linked>>> {
        check_lengths(key.len(), 0)?;
        self.engine.get_linked(key)
    }

    /// The processor that works for a shard under `pin_shards`, for callers that pin themselves.
    /// Without that option, the one that would.
    pub fn shard_cpu(&self, shard: usize) -> Result<usize> {
        let shards = self.engine.shards.len();
        if shard >= shards {
            return Err(Error::invalid(format!("shard {shard} of {shards} does not exist")));
        }
        Ok(self.engine.pinning.cpu_of(shard))
    }

    /// Counters and sizes.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Everything that is known, per shard too, as JSON.
    pub fn stats_json(&self) -> String {
        self.engine.stats_json()
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // Whoever wants to know closes.
        let _ = self.shut();
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("home", &self.engine.home).finish_non_exhaustive()
    }
}
