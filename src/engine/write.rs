//! Writes: a record appended, then its entry published, under the shard's lock.
//!
//! The steps of a single write, and what a crash of the process leaves at each:
//! 1. lock the shard, reserve room in its log, write the record there: a record beyond the tail
//!    that nobody acknowledged; whole, it may be recovered, torn, it is cut;
//! 2. move the tail over it and publish the entry: the write is there;
//! 3. unlock and return: it is acknowledged, and its bytes are in the kernel's page cache.
//!
//! With `durability=sync` the same steps are done for a group of writers by [`super::commit`],
//! with a sync between 1 and 2.

use super::cold::Cold;
use super::placement::SCANNED;
use super::{Engine, ShardState};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::KeyHash;
use crate::index::entry::Location;
use crate::index::Place;
use crate::limits::BATCH_BYTES_MAX;
use crate::log::record::{
    self, record_len, Killed, Kind, FLAG_IN_BATCH, KILLED_LEN, RECORD_HEADER,
};
use crate::log::slots::Found;
use crate::log::source::Purpose;
use crate::log::Log;
use crate::packed::{PackedOp, PackedOps};
use crate::sabotage::{self, Sabotage};
use crate::sync::MutexGuard;
use hashbrown::HashTable;
use std::sync::atomic::Ordering;

/// Changes of a batch whose lookups are under way together.
const AHEAD: usize = 8;

/// A change of one key: its record is in a log, its entry yet to be published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) hash: KeyHash,
    pub(crate) key: &'a [u8],
    pub(crate) kind: Kind,
    pub(crate) at: Location,
    /// Bytes of the record.
    pub(crate) len: usize,
}

/// The record of a key that a change puts an end to.
#[derive(Debug, Clone, Copy)]
struct Replaced {
    place: Place,
    slot: u32,
    /// Bytes of the record.
    len: usize,
}

/// A write of one key, with the condition it is under.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Write<'a> {
    Put { key: &'a [u8], value: &'a [u8] },
    Delete { key: &'a [u8] },
    Swap { key: &'a [u8], expected: Option<&'a [u8]>, desired: Option<&'a [u8]> },
}

impl<'a> Write<'a> {
    pub(crate) fn key(&self) -> &'a [u8] {
        match self {
            Write::Put { key, .. } | Write::Delete { key } | Write::Swap { key, .. } => key,
        }
    }

    /// Bytes of the key and of the value that may be stored.
    pub(crate) fn len(&self) -> usize {
        match self {
            Write::Put { key, value } => key.len() + value.len(),
            Write::Delete { key } => key.len() + KILLED_LEN,
            Write::Swap { key, desired, .. } => key.len() + desired.map_or(0, <[u8]>::len),
        }
    }

    /// What a full disk does with it. A swap is decided under the lock, so it counts as what it
    /// wants to do.
    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Write::Delete { .. } | Write::Swap { desired: None, .. } => Purpose::Delete,
            _ => Purpose::Put,
        }
    }

    /// What to store given the current value: `Some(None)` deletes, `None` changes nothing.
    pub(crate) fn outcome(&self, current: Option<&[u8]>) -> Option<Option<&'a [u8]>> {
        match *self {
            Write::Put { value, .. } => Some(Some(value)),
            Write::Delete { .. } => current.is_some().then_some(None),
            Write::Swap { expected, desired, .. } => (current == expected).then_some(desired),
        }
    }
}

impl ShardState {
    /// For a writer of a key of this shard that read `version` before it hashed: false if the
    /// shard may no longer be the key's. Otherwise the write is noted, if the shard is scanned.
    #[cold]
    #[inline(never)]
    pub(crate) fn note(&mut self, version: u64, hash: KeyHash) -> bool {
        if self.changed > version {
            return false;
        }
        if self.mark == SCANNED {
            self.written.push(hash);
        }
        true
    }
}

impl Engine {
    /// Stores a value.
    pub(crate) fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.is_sync() {
            return self.commit(Write::Put { key, value }).map(|_| ());
        }
        match self.put_once::<true>(key, value) {
            Err(e) if e.kind() == ErrorKind::NoSpace => {
                self.with_room(Purpose::Put, e, || self.put_once::<true>(key, value))
            }
            done => done,
        }
    }

    /// Stores a value that is expected to stay, in the log of what compaction has moved.
    pub(crate) fn put_cold(&self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.is_sync() {
            // A group goes to one log.
            return self.put(key, value);
        }
        match self.put_once::<false>(key, value) {
            Err(e) if e.kind() == ErrorKind::NoSpace => {
                self.with_room(Purpose::Put, e, || self.put_once::<false>(key, value))
            }
            done => done,
        }
    }

    #[inline(always)]
    fn put_once<const HOT: bool>(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_writable()?;
        self.check_room()?;
        let mut cold = Cold::default();
        let (hash, mut state) = self.lock_shard_of(key, &mut cold)?;
        self.write_record::<HOT>(hash, &mut state, (Kind::Put, key, value), &mut cold)?;
        let random = state.log.live_bytes ^ state.seq << 7;
        drop(state);
        self.source.pressure.hold_back(key.len() + value.len(), random);
        self.assist();
        Ok(())
    }

    /// Deletes a key; false if there was none. Or swaps its value; false if it was another.
    pub(crate) fn write_if(&self, write: Write) -> Result<bool> {
        if self.is_sync() {
            return self.commit(write);
        }
        let again = || self.write_if_once(write);
        again().or_else(|e| self.with_room(write.purpose(), e, again))
    }

    fn write_if_once(&self, write: Write) -> Result<bool> {
        self.check_writable()?;
        let mut cold = Cold::default();
        let early = match sabotage::is(Sabotage::UnlockedSwap) {
            true => Some(self.current(self.hash_of(write.key()), write.key(), &mut cold)?),
            false => None,
        };
        let (hash, mut state) = self.lock_shard_of(write.key(), &mut cold)?;
        let found = match early {
            Some(found) => found,
            None => self.current(hash, write.key(), &mut cold)?,
        };
        // SAFETY: the shard's lock is held, which keeps the record where it is.
        let current = found.as_ref().map(|(_, found)| unsafe { found.raw.value() });
        match (write.outcome(current), found) {
            (Some(Some(value)), _) => {
                self.check_room()?;
                let record = (Kind::Put, write.key(), value);
                self.write_record::<true>(hash, &mut state, record, &mut cold)?;
            }
            (Some(None), Some((_, found))) => {
                let killed = self.killed(&found).encode();
                let record = (Kind::Delete, write.key(), &killed[..]);
                self.write_record::<true>(hash, &mut state, record, &mut cold)?;
            }
            // A swap from nothing to nothing holds already.
            (Some(None), None) => {}
            (None, _) => return Ok(false),
        }
        let random = state.log.live_bytes ^ state.seq << 7;
        drop(state);
        self.source.pressure.hold_back(write.len(), random);
        self.assist();
        Ok(true)
    }

    /// The hash of a key and the lock of the shard that has it; what will be looked at there has
    /// been read, as far as it is cold.
    #[inline(always)]
    fn lock_shard_of(
        &self,
        key: &[u8],
        cold: &mut Cold,
    ) -> Result<(KeyHash, MutexGuard<'_, ShardState>)> {
        loop {
            let version = self.placement.version();
            let hash = self.hash_of(key);
            let shard = self.shard(hash);
            shard.index.prefetch(hash);
            self.read_ahead(hash, key, cold)?;
            let mut state = shard.lock();
            if state.mark <= version || state.note(version, hash) {
                return Ok((hash, state));
            }
        }
    }

    /// Appends a record to the shard's own log, or its cold one, and publishes it.
    #[inline(always)]
    fn write_record<const HOT: bool>(
        &self,
        hash: KeyHash,
        state: &mut MutexGuard<'_, ShardState>,
        (kind, key, value): (Kind, &[u8], &[u8]),
        cold: &mut Cold,
    ) -> Result<()> {
        let state = &mut **state;
        let len = record_len(key.len(), value.len());
        let purpose = if kind == Kind::Put { Purpose::Put } else { Purpose::Delete };
        let seq = state.seq + 1;
        let mut room = state.log_mut(HOT).reserve(len, &self.source, purpose)?;
        let start = room.checksum_start();
        let bytes = room.bytes();
        record::fill(bytes, (kind, 0, seq), key, value);
        let candidate = self.shard(hash).index.candidate(hash);
        if let Some((_, at)) = candidate {
            // Its key will be compared below; the load runs while the checksum is computed.
            self.slots.prefetch(at);
        }
        record::seal_from(bytes, RECORD_HEADER + key.len() + value.len(), start);
        let at = room.commit();
        let change = Change { hash, key, kind, at, len };
        let replaced = self.replaced_at(candidate, hash, key, cold);
        match replaced.and_then(|replaced| self.publish_over(state, change, replaced)) {
            Ok(()) => {
                state.seq = seq;
                if kind == Kind::Delete && sabotage::is(Sabotage::ForgottenDelete) {
                    state.log.unappend(at, len);
                }
                Ok(())
            }
            Err(e) => {
                state.log_mut(HOT).unappend(at, len);
                Err(e)
            }
        }
    }

    /// The place and the record of a key, for a holder of the shard's lock.
    #[inline(always)]
    pub(crate) fn current(
        &self,
        hash: KeyHash,
        key: &[u8],
        cold: &mut Cold,
    ) -> Result<Option<(Place, Found)>> {
        let mut record = None;
        // SAFETY: every caller holds the shard's lock.
        let place = unsafe {
            self.shard(hash).index.locate(hash, |at| {
                record = self.is_record_of(at, key, cold)?;
                Ok::<_, Error>(record.is_some())
            })?
        };
        Ok(place.zip(record))
    }

    /// What a change of a key replaces, which is most likely at `candidate`, found under the same
    /// lock.
    #[inline(always)]
    fn replaced_at(
        &self,
        candidate: Option<(Place, Location)>,
        hash: KeyHash,
        key: &[u8],
        cold: &mut Cold,
    ) -> Result<Option<Replaced>> {
        if let Some((place, at)) = candidate {
            // SAFETY: every caller holds the shard's lock.
            if let Some(value) = unsafe { self.slots.trusted_value(at, key) } {
                let len = record_len(key.len(), value.len());
                return Ok(Some(Replaced { place, slot: at.slot, len }));
            }
        }
        self.replaced(hash, key, cold)
    }

    /// What a change of a key replaces, for a holder of the shard's lock.
    #[inline(never)]
    fn replaced(&self, hash: KeyHash, key: &[u8], cold: &mut Cold) -> Result<Option<Replaced>> {
        Ok(self.current(hash, key, cold)?.map(|(place, found)| Replaced {
            place,
            slot: found.at.slot,
            len: found.raw.header.total_len(),
        }))
    }

    /// What a delete of `found` names as removed.
    pub(crate) fn killed(&self, found: &Found) -> Killed {
        self.killed_before(found.raw.header.seq)
    }

    /// What a delete of whatever is older than now names as removed.
    fn killed_before(&self, seq: u64) -> Killed {
        Killed { horizon: self.source.newest_generation(), seq }
    }

    /// Makes changes visible one after the other, for a holder of the locks of their keys' shards.
    /// With an error the changes before are visible, and that one and those after are not.
    ///
    /// What a change replaces has to be looked up, and the lookups would wait for memory one by
    /// one, so the lines of the index and the old records are fetched some changes ahead.
    pub(crate) fn publish_all(
        &self,
        changes: &[Change],
        locked: &mut Locked,
        cold: &mut Cold,
    ) -> Result<()> {
        let line = |change: &Change| self.shard(change.hash).index.prefetch(change.hash);
        let record = |change: &Change| {
            if let Some((_, at)) = self.shard(change.hash).index.candidate(change.hash) {
                self.slots.prefetch(at);
            }
        };
        changes.iter().take(2 * AHEAD).for_each(line);
        changes.iter().take(AHEAD).for_each(record);
        for (i, change) in changes.iter().enumerate() {
            changes.get(i + 2 * AHEAD).map(line);
            changes.get(i + AHEAD).map(record);
            let candidate = self.shard(change.hash).index.candidate(change.hash);
            let replaced = self.replaced_at(candidate, change.hash, change.key, cold)?;
            let state = locked.state(self.shard_number(change.hash));
            self.publish_over(state, *change, replaced)?;
        }
        Ok(())
    }

    /// Makes a change visible where it is known what it replaces, for a holder of the lock of its
    /// key's shard. Either all of it happens or, with an error, nothing.
    #[inline(always)]
    fn publish_over(
        &self,
        state: &mut ShardState,
        change: Change,
        replaced: Option<Replaced>,
    ) -> Result<()> {
        let Change { hash, kind, at, len, .. } = change;
        let index = &self.shard(hash).index;
        // SAFETY: the caller holds the lock; the record at `at` is complete, and `place` is fresh.
        unsafe {
            match (&replaced, kind) {
                (Some(old), Kind::Put) => index.update(hash, old.place, at),
                (Some(old), _) => index.remove(hash, old.place),
                (None, Kind::Put) => {
                    index.reserve(hash).map_err(|e| Error::os("grow the index", &e))?;
                    index.insert(hash, at);
                }
                (None, _) => {}
            }
        }
        if let Some(old) = &replaced {
            self.add_dead(old.slot, old.len);
            state.log.live_bytes = state.log.live_bytes.saturating_sub(old.len as u64);
        }
        state.put_bytes += len as u64;
        self.shard(hash).traffic.note(hash, len);
        if kind == Kind::Put {
            state.log.live_bytes += len as u64;
            state.puts += 1;
            state.keys += u64::from(replaced.is_none());
        } else {
            // SAFETY: the segment of a record just written, under the lock that it was under.
            let segment = unsafe { self.slots.segment(at.slot) };
            segment.add_delete(len, self.source.newest_generation());
            state.deletes += u64::from(replaced.is_some());
            state.keys -= u64::from(replaced.is_some());
        }
        Ok(())
    }

    /// Counts bytes that nothing points to any more.
    pub(crate) fn add_dead(&self, slot: u32, bytes: usize) {
        // SAFETY: every caller holds a lock under which an entry named the slot.
        let segment = unsafe { self.slots.segment(slot) };
        segment.dead_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Writes all operations of a packed batch, or none.
    pub(crate) fn write_packed(&self, packed: &[u8]) -> Result<()> {
        if self.is_sync() {
            return self.commit_batch(packed);
        }
        self.write_packed_once(packed)
            .or_else(|e| self.with_room(purpose_of(packed), e, || self.write_packed_once(packed)))
    }

    fn write_packed_once(&self, packed: &[u8]) -> Result<()> {
        let mut cold = Cold::default();
        let (batch, mut locked) = loop {
            let batch = Prepared::new(self, packed)?;
            self.check_writable()?;
            if batch.ops.is_empty() {
                return Ok(());
            }
            if batch.purpose() == Purpose::Put {
                self.check_room()?;
            }
            self.source.pressure.hold_back(packed.len(), batch.ops[0].hash.0);
            for op in &batch.ops {
                self.read_ahead(op.hash, op.op.key, &mut cold)?;
            }
            let mut locked = self.lock_shards(batch.shards.iter().copied());
            if locked.are_of(&batch) {
                break (batch, locked);
            }
        };
        let home = self.shard_number(batch.ops[0].hash);
        let changes = self.append_batch(&batch, home, &mut locked, &mut cold)?;
        self.publish_all(&changes, &mut locked, &mut cold)
            .inspect_err(|e| self.halt(e.clone().context("a batch was written in part")))
    }

    /// Appends a batch as one frame to the log of shard `home`, for a holder of all its locks.
    pub(crate) fn append_batch<'a>(
        &self,
        batch: &Prepared<'a>,
        home: usize,
        locked: &mut Locked<'_>,
        cold: &mut Cold,
    ) -> Result<Vec<Change<'a>>> {
        // Above the sequence of every shard concerned, so that each key keeps a total order.
        let seq = 1 + batch.shards.iter().map(|s| locked.state(*s).seq).max().unwrap_or(0);
        let mut plan = Vec::with_capacity(batch.ops.len());
        let mut payload = 0;
        for op in &batch.ops {
            let (killed, len) = match op.op.value {
                Some(value) => {
                    if self.memory.has_cold() {
                        // What cannot be read must show before anything is appended.
                        self.current(op.hash, op.op.key, cold)?;
                    }
                    (None, value.len())
                }
                None => match self.current(op.hash, op.op.key, cold)? {
                    Some((_, found)) => (Some(self.killed(&found).encode()), KILLED_LEN),
                    // What deleted it may be in another log, and be lost where this is kept. A
                    // batch that is kept is kept whole.
                    None => (Some(self.killed_before(0).encode()), KILLED_LEN),
                },
            };
            payload += record_len(op.op.key.len(), len);
            plan.push((op, killed));
        }
        if payload > BATCH_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "the batch takes {payload} bytes in the log, the limit is {BATCH_BYTES_MAX}"
                ),
            ));
        }
        let log: &mut Log = &mut locked.state(home).log;
        let mut room = log.reserve(record_len(0, payload), &self.source, batch.purpose())?;
        let (seed, start) = (room.seed(), room.location());
        let bytes = room.bytes();
        let mut changes = Vec::with_capacity(plan.len());
        let mut at = RECORD_HEADER.next_multiple_of(8);
        // The frame's header is 20 bytes; 4 zeros align the first record.
        let frame_value = at - RECORD_HEADER + payload;
        bytes[RECORD_HEADER..at].fill(0);
        for (op, killed) in &plan {
            let kind = if killed.is_some() { Kind::Delete } else { Kind::Put };
            let value = killed.as_ref().map_or_else(|| op.op.value.unwrap_or(&[]), |k| &k[..]);
            let len = record_len(op.op.key.len(), value.len());
            let head = (kind, FLAG_IN_BATCH, seq);
            record::encode(&mut bytes[at..at + len], seed, head, op.op.key, value);
            let place = Location { slot: start.slot, offset: start.offset + at as u32 };
            changes.push(Change { hash: op.hash, key: op.op.key, kind, at: place, len });
            at += len;
        }
        record::encode_header(bytes, (Kind::Batch, 0, seq), 0, frame_value);
        record::seal(bytes, at, seed);
        room.commit();
        for shard in &batch.shards {
            locked.state(*shard).seq = seq;
        }
        Ok(changes)
    }

    /// Locks shards, each once, in the order given, which ascends.
    pub(crate) fn lock_shards(&self, numbers: impl Iterator<Item = usize>) -> Locked<'_> {
        let mut states: Vec<(usize, MutexGuard<'_, ShardState>)> = Vec::new();
        for number in numbers {
            assert!(states.last().is_none_or(|(last, _)| *last < number), "lock order");
            states.push((number, self.shards[number].lock()));
        }
        Locked { states }
    }
}

/// What a full disk does with a packed batch.
fn purpose_of(packed: &[u8]) -> Purpose {
    let puts = PackedOps::new(packed).flatten().any(|op| op.value.is_some());
    if puts {
        Purpose::Put
    } else {
        Purpose::Delete
    }
}

/// The locks of several shards.
pub(crate) struct Locked<'a> {
    states: Vec<(usize, MutexGuard<'a, ShardState>)>,
}

impl Locked<'_> {
    /// Whether the shards are still those of a batch's keys, as they were when it was hashed. If
    /// they are, writes to shards that are being scanned are noted.
    pub(crate) fn are_of(&mut self, batch: &Prepared) -> bool {
        if batch.shards.iter().all(|s| self.find(*s).is_some_and(|s| s.mark <= batch.version)) {
            return true;
        }
        batch.shards.iter().all(|s| self.find(*s).is_some_and(|s| s.changed <= batch.version))
            && batch.ops.iter().zip(&batch.shard_of).all(|(op, shard)| {
                let state = self.state(usize::from(*shard));
                state.mark <= batch.version || state.note(batch.version, op.hash)
            })
    }

    /// The state of a shard, if it is among them.
    pub(crate) fn find(&mut self, shard: usize) -> Option<&mut ShardState> {
        let i = self.states.binary_search_by_key(&shard, |(n, _)| *n).ok()?;
        Some(&mut self.states[i].1)
    }

    /// The state of a shard that is among them.
    pub(crate) fn state(&mut self, shard: usize) -> &mut ShardState {
        let i = self.states.binary_search_by_key(&shard, |(n, _)| *n).expect("the shard is locked");
        &mut self.states[i].1
    }
}

/// A packed batch, checked, hashed, and without the operations that a later one overrides.
pub(crate) struct Prepared<'a> {
    pub(crate) ops: Vec<HashedOp<'a>>,
    /// The shards concerned, ascending.
    pub(crate) shards: Vec<usize>,
    /// The shard of each operation.
    shard_of: Vec<u16>,
    /// The version of the placement under which all of this holds.
    pub(crate) version: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct HashedOp<'a> {
    pub(crate) hash: KeyHash,
    pub(crate) op: PackedOp<'a>,
}

impl Prepared<'_> {
    /// A batch of deletes makes room.
    pub(crate) fn purpose(&self) -> Purpose {
        let puts = self.ops.iter().any(|o| o.op.value.is_some());
        if puts {
            Purpose::Put
        } else {
            Purpose::Delete
        }
    }
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(engine: &Engine, packed: &'a [u8]) -> Result<Self> {
        let mut ops: Vec<HashedOp> = Vec::with_capacity(packed.len() / 64 + 1);
        let mut by_key: HashTable<usize> = HashTable::new();
        let version = engine.placement.version();
        for op in PackedOps::new(packed) {
            let op = op?;
            let hash = engine.hash_of(op.key);
            let same = |i: &usize| ops[*i].op.key == op.key;
            match by_key.find(hash.0, same) {
                // The last operation on a key wins.
                Some(i) => ops[*i].op = op,
                None => {
                    by_key.insert_unique(hash.0, ops.len(), |i| ops[*i].hash.0);
                    ops.push(HashedOp { hash, op });
                }
            }
        }
        let shard_of: Vec<u16> = ops.iter().map(|o| engine.shard_number(o.hash) as u16).collect();
        let mut shards: Vec<usize> = shard_of.iter().map(|s| usize::from(*s)).collect();
        shards.sort_unstable();
        shards.dedup();
        Ok(Prepared { ops, shards, shard_of, version })
    }
}
