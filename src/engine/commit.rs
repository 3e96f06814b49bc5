//! Group commit: how writes become durable together under `durability=sync`.
//!
//! Writers queue; one of them leads. The leader takes all that is queued, and for this group
//! 1. locks the shards concerned and the one whose log takes the group;
//! 2. appends every record to that one log (an index entry may point into any log), each under
//!    its own shard's next sequence number;
//! 3. syncs that log;
//! 4. publishes the entries, unlocks, and wakes the group.
//!
//! Writers that arrive meanwhile form the next group, and the first of them leads it. So the
//! device sees one sync for a group, and nobody reads a value before it is durable.
//!
//! A crash before 3 leaves records that nobody acknowledged; recovery may find some. A failed
//! sync halts the database: the group is told so, and its entries are never published.

use super::cold::Cold;
use super::durability::sync_failed;
use super::write::{Change, Locked, Prepared, Write};
use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::KeyHash;
use crate::log::record::{record_len, Kind, KILLED_LEN};
use crate::log::source::Purpose;
use crate::sabotage::{self, Sabotage};
use crate::sync::{Condvar, Mutex, MutexGuard};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::PoisonError;

/// What a member of a group waits for.
enum Turn {
    Waiting,
    /// The member is to lead the next group.
    Lead,
    Done(Answer),
}

/// What a group did with a request; `None`: nothing, because keys have changed their shards since
/// it was hashed.
type Answer = Option<Result<bool>>;

/// One writer in the queue, on its own stack.
struct Member<'a> {
    request: Request<'a>,
    turn: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Clone, Copy)]
enum Request<'a> {
    /// With the version of the placement under which it was hashed.
    One(Write<'a>, KeyHash, u64),
    Batch(&'a Prepared<'a>),
}

impl Request<'_> {
    fn purpose(&self) -> Purpose {
        match self {
            Request::One(write, ..) => write.purpose(),
            Request::Batch(batch) => batch.purpose(),
        }
    }
}

/// The queue.
#[derive(Default)]
pub(crate) struct Commits {
    queue: Mutex<Queue>,
    /// The shard whose log takes the groups. It moves on when its segment is full, so that the
    /// logs fill alike, and stays until then, so that one file is synced again and again.
    pub(crate) home: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    /// Members who wait on their stacks until their turn is done.
    waiting: Vec<MemberPointer>,
    has_leader: bool,
}

#[derive(Clone, Copy)]
struct MemberPointer(*const Member<'static>);

// SAFETY: a member is shared by its own thread and the leader, through a mutex.
unsafe impl Send for MemberPointer {}

impl MemberPointer {
    /// # Safety
    /// The member has not been told that it is done.
    unsafe fn get<'a>(self) -> &'a Member<'a> {
        // SAFETY: its thread keeps it on the stack until then.
        unsafe { &*self.0.cast() }
    }
}

impl Member<'_> {
    fn tell(&self, turn: Turn) {
        // Under the lock to the end: once the member sees `Done`, its memory may be gone.
        let mut now = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *now = turn;
        self.changed.notify_one();
    }

    /// Waits for a turn other than waiting.
    fn wait(&self) -> Turn {
        let mut now = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match std::mem::replace(&mut *now, Turn::Waiting) {
                Turn::Waiting => {
                    now = self.changed.wait(now).unwrap_or_else(PoisonError::into_inner);
                }
                turn => return turn,
            }
        }
    }
}

impl Engine {
    /// Makes one write durable, then visible. False: its condition did not hold.
    pub(crate) fn commit(&self, write: Write) -> Result<bool> {
        loop {
            let version = self.placement.version();
            let hash = self.hash_of(write.key());
            let Some(done) = self.join(Request::One(write, hash, version)) else { continue };
            let random = self.passes.syncs().wrapping_mul(hash.0 | 1);
            self.source.pressure.hold_back(write.len(), random);
            return done;
        }
    }

    /// Makes a batch durable, then visible.
    pub(crate) fn commit_batch(&self, packed: &[u8]) -> Result<()> {
        loop {
            let batch = Prepared::new(self, packed)?;
            if batch.ops.is_empty() {
                return self.check_writable();
            }
            let Some(done) = self.join(Request::Batch(&batch)) else { continue };
            done?;
            self.source.pressure.hold_back(packed.len(), batch.ops[0].hash.0);
            return Ok(());
        }
    }

    fn join(&self, request: Request) -> Answer {
        match self.join_once(request) {
            Some(Err(e)) if e.kind() == ErrorKind::NoSpace => {
                // A change of placement comes back as an answer of its own, and is no failure.
                let mut moved = false;
                let again =
                    self.with_room(request.purpose(), e, || match self.join_once(request) {
                        Some(answer) => answer,
                        None => {
                            moved = true;
                            Ok(false)
                        }
                    });
                (!moved).then_some(again)
            }
            answer => answer,
        }
    }

    fn join_once(&self, request: Request) -> Answer {
        // The leader will look again, and find it in the cache.
        let puts = request.purpose() == Purpose::Put;
        let ready = self
            .check_writable()
            .and_then(|()| if puts { self.check_room() } else { Ok(()) })
            .and_then(|()| self.read_request_ahead(&request, &mut Cold::default()));
        if let Err(e) = ready {
            return Some(Err(e));
        }
        let member = Member { request, turn: Mutex::new(Turn::Waiting), changed: Condvar::new() };
        let pointer = MemberPointer(std::ptr::from_ref(&member).cast());
        let mut queue = self.commits.lock();
        queue.waiting.push(pointer);
        let leads = !std::mem::replace(&mut queue.has_leader, true);
        drop(queue);
        if !leads {
            match member.wait() {
                Turn::Done(answer) => return answer,
                Turn::Lead | Turn::Waiting => {}
            }
        }
        self.lead();
        match member.wait() {
            Turn::Done(answer) => answer,
            Turn::Lead | Turn::Waiting => unreachable!("the leader is in its own group"),
        }
    }

    /// Reads what a request will look at under the locks, as far as it is cold.
    fn read_request_ahead(&self, request: &Request, cold: &mut Cold) -> Result<()> {
        match request {
            Request::One(write, hash, _) => self.read_ahead(*hash, write.key(), cold),
            Request::Batch(batch) => {
                batch.ops.iter().try_for_each(|op| self.read_ahead(op.hash, op.op.key, cold))
            }
        }
    }

    /// Commits all that is queued, and names the next leader.
    fn lead(&self) {
        let group = std::mem::take(&mut self.commits.lock().waiting);
        // SAFETY: every member waits until it is told, below.
        let requests: Vec<Request> = group.iter().map(|m| unsafe { m.get() }.request).collect();
        // A panic must not leave the group waiting for ever.
        let work = std::panic::AssertUnwindSafe(|| self.commit_group(&requests));
        let answers = std::panic::catch_unwind(work).unwrap_or_else(|_| {
            let error = Error::new(
                crate::error::ErrorKind::Internal,
                "a defect in group commit; the database takes no more writes",
            );
            self.halt(error.clone());
            requests.iter().map(|_| Some(Err(error.clone()))).collect()
        });
        let mut queue = self.commits.lock();
        match queue.waiting.first() {
            // SAFETY: it waits, and only this leader tells it, now or as part of its own group.
            Some(next) => unsafe { next.get() }.tell(Turn::Lead),
            None => queue.has_leader = false,
        }
        drop(queue);
        for (member, answer) in group.iter().zip(answers) {
            // SAFETY: not yet told.
            unsafe { member.get() }.tell(Turn::Done(answer));
        }
    }

    fn commit_group<'a>(&self, requests: &[Request<'a>]) -> Vec<Answer> {
        let all_fail = |e: Error| requests.iter().map(|_| Some(Err(e.clone()))).collect();
        if let Err(e) = self.check_writable() {
            return all_fail(e);
        }
        let home = self.commits.home.load(Ordering::Relaxed) % self.shards.len();
        let mut cold = Cold::default();
        let read = |request: &Request| self.read_request_ahead(request, &mut cold);
        let ahead: Vec<Result<()>> = requests.iter().map(read).collect();
        let mut locked = self.lock_shards(shards_of(self, requests, home).into_iter());
        let ordinal = locked.state(home).log.ordinal();
        let mut group = Group { engine: self, home, changes: Vec::new(), cold };
        let append = |(request, ahead): (&Request<'a>, Result<()>)| {
            let is_current = self.is_current(request, &mut locked);
            is_current.then(|| ahead.and_then(|()| group.append(request, &mut locked)))
        };
        let mut answers: Vec<Answer> = requests.iter().zip(ahead).map(append).collect();
        let Group { changes, mut cold, .. } = group;
        if let Err(e) = self.check_writable() {
            answers = all_fail(e);
        } else if !changes.is_empty() {
            let done = self.sync_log(home, &mut locked).and_then(|()| {
                self.publish_all(&changes, &mut locked, &mut cold)
                    .inspect_err(|e| self.halt(e.clone()))
            });
            if let Err(e) = done {
                answers = all_fail(e);
            }
        }
        if locked.state(home).log.ordinal() != ordinal {
            self.commits.home.store((home + 1) % self.shards.len(), Ordering::Relaxed);
        }
        answers
    }

    /// Whether a request's shards are still those of its keys. If they are, its writes are noted
    /// where they must be.
    fn is_current(&self, request: &Request, locked: &mut Locked) -> bool {
        match *request {
            Request::Batch(batch) => locked.are_of(batch),
            Request::One(_, hash, version) => {
                // The shard that was locked for it is the one that has the hash now, or was when
                // the shards were listed; either was marked by a change in between.
                let shard = self.shard_number(hash);
                locked.find(shard).is_some_and(|s| s.mark <= version || s.note(version, hash))
            }
        }
    }

    /// Syncs all that is unsynced in one log.
    fn sync_log(&self, home: usize, locked: &mut Locked) -> Result<()> {
        // After a failed sync nothing is durable any more, whatever the next one says.
        self.check_writable()?;
        let mut segments = Vec::new();
        locked.state(home).log.unsynced(&mut segments);
        if sabotage::is(Sabotage::UnsyncedGroup) {
            return Ok(());
        }
        let synced = segments
            .iter()
            .try_for_each(|(s, end)| s.sync(*end).map_err(|e| sync_failed(s, &e)))
            .and_then(|()| self.source.sync_dir())
            .and_then(|()| self.check_writable());
        match synced {
            Ok(()) => {
                locked.state(home).log.confirm(&segments);
                self.passes.count_syncs(segments.len() as u64);
                Ok(())
            }
            Err(e) => {
                self.halt_after_sync(&e);
                Err(e)
            }
        }
    }
}

impl Commits {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shards that a group's keys belong to and `home`, ascending.
fn shards_of(engine: &Engine, requests: &[Request], home: usize) -> Vec<usize> {
    let mut shards = vec![home];
    for request in requests {
        match request {
            Request::One(_, hash, _) => shards.push(engine.shard_number(*hash)),
            Request::Batch(batch) => shards.extend(&batch.shards),
        }
    }
    shards.sort_unstable();
    shards.dedup();
    shards
}

/// A group while its records are appended.
struct Group<'e, 'a> {
    engine: &'e Engine,
    home: usize,
    /// What will be published, in order.
    changes: Vec<Change<'a>>,
    /// What was read for it.
    cold: Cold<'e>,
}

impl<'a> Group<'_, 'a> {
    fn append(&mut self, request: &Request<'a>, locked: &mut Locked) -> Result<bool> {
        match *request {
            Request::Batch(batch) => {
                // A delete inside the batch of a key that the group has just put would look at
                // the index alone and miss it, so what is pending is made plain first.
                if batch
                    .ops
                    .iter()
                    .any(|o| o.op.value.is_none() && self.pending(o.op.key).is_some())
                {
                    return self.append_batch_after_pending(batch, locked);
                }
                let changes = self.engine.append_batch(batch, self.home, locked, &mut self.cold)?;
                self.changes.extend(changes);
                Ok(true)
            }
            Request::One(write, hash, _) => self.append_one(write, hash, locked),
        }
    }

    /// The last pending change of a key.
    fn pending(&self, key: &[u8]) -> Option<Change<'a>> {
        self.changes.iter().rev().find(|c| c.key == key).copied()
    }

    fn append_one(&mut self, write: Write<'a>, hash: KeyHash, locked: &mut Locked) -> Result<bool> {
        let (engine, key) = (self.engine, write.key());
        let found = match self.pending(key) {
            Some(Change { kind: Kind::Put, at, .. }) => {
                // SAFETY: the locks keep the record, which this group wrote.
                unsafe { engine.record(at, &mut self.cold)? }
            }
            Some(_) => None,
            None => engine.current(hash, key, &mut self.cold)?.map(|(_, found)| found),
        };
        // SAFETY: the locks keep the record.
        let current = found.as_ref().map(|found| unsafe { found.raw.value() });
        let killed = found.as_ref().map_or([0; KILLED_LEN], |f| engine.killed(f).encode());
        let (kind, value) = match write.outcome(current) {
            None => return Ok(false),
            Some(None) if found.is_none() => return Ok(true),
            Some(None) => (Kind::Delete, &killed[..]),
            Some(Some(value)) => (Kind::Put, value),
        };
        let shard = engine.shard_number(hash);
        let seq = locked.state(shard).seq + 1;
        let log = &mut locked.state(self.home).log;
        let purpose = if kind == Kind::Put { Purpose::Put } else { Purpose::Delete };
        let at = log.append((kind, 0, seq), key, value, &engine.source, purpose)?;
        locked.state(shard).seq = seq;
        let len = record_len(key.len(), value.len());
        self.changes.push(Change { hash, key, kind, at, len });
        Ok(true)
    }

    /// Syncs and publishes what is pending, then appends the batch.
    fn append_batch_after_pending(
        &mut self,
        batch: &Prepared<'a>,
        locked: &mut Locked,
    ) -> Result<bool> {
        self.engine.sync_log(self.home, locked)?;
        let pending = std::mem::take(&mut self.changes);
        self.engine
            .publish_all(&pending, locked, &mut self.cold)
            .inspect_err(|e| self.engine.halt(e.clone()))?;
        let changes = self.engine.append_batch(batch, self.home, locked, &mut self.cold)?;
        self.changes.extend(changes);
        Ok(true)
    }
}

#[cfg(all(test, feature = "lab"))]
mod tests {
    use super::*;
    use crate::lab::disk::{Disk, Fault};
    use crate::lab::session::Setup;
    use crate::options::Durability;
    use crate::Batch;

    /// A batch that deletes what its group has just put syncs what is pending first. When that
    /// failed, the next sync found nothing left to sync, and the group was acknowledged.
    #[test]
    fn a_group_whose_first_sync_fails_is_not_acknowledged() {
        let disk = Disk::new(1);
        let engine =
            Setup { shards: 1, durability: Durability::Sync, cold: false }.open(&disk).unwrap();
        engine.put(b"before", b"").unwrap();
        let mut batch = Batch::new();
        batch.delete(b"key").unwrap();
        let batch = Prepared::new(&engine, batch.as_packed()).unwrap();
        let put = Write::Put { key: b"key", value: b"value" };
        let requests = [Request::One(put, engine.hasher.hash(b"key"), 0), Request::Batch(&batch)];
        disk.set_fault(Some(Fault::Sync(disk.calls().1 + 1)));
        let answers = engine.commit_group(&requests);
        assert!(answers.iter().all(|a| matches!(a, Some(Err(_)))), "{answers:?}");
        assert_eq!(engine.read(b"key", |_, v| v.to_vec()).unwrap(), None);
    }
}
