//! Checkpoints: so that open replays the tails of the logs and not all of them.
//!
//! The steps, and what a crash leaves at each:
//! 1. take every log's position at one moment, under the locks of all shards (microseconds), and
//!    the segment table;
//! 2. write the index image of all shards into a new file, while reads and writes go on;
//! 3. run a sync pass: every record that the image points to is on the device;
//! 4. sync the image, then the directory: up to here the old checkpoint holds;
//! 5. replace CHECKPOINT (write beside, sync, rename, sync the directory): the new one holds;
//! 6. remove the old image: one left over is removed at the next open.
//!
//! Where there is no room for the image, the old one goes first, and if that is not enough the
//! checkpoint is published without one: the next open rebuilds the index, which takes longer.
//! CHECKPOINT itself has its place in the reserve. So a full disk never keeps a checkpoint from
//! freeing what compaction has emptied.
//!
//! A record below the positions of step 1 was published before its shard's lock was released
//! (`log`, invariant 1), so the image, which is taken later, has it or what replaced it.

use super::meta::{image_name, Checkpoint, SegmentInfo, CHECKPOINT};
use super::{image, Engine, Home};
use crate::error::{Error, ErrorKind, Result};
use crate::sabotage::{self, Sabotage};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::io::replace_file;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::PoisonError;

/// The state of checkpoints.
#[derive(Default)]
pub(crate) struct Checkpoints {
    /// Held while one is made.
    numbers: Mutex<Numbers>,
    /// Checkpoints begun since open, and the number of the last begun that was published.
    begun: AtomicU64,
    begun_published: AtomicU64,
    published: AtomicU64,
    /// Bytes in all logs at the last one.
    log_bytes: AtomicU64,
    /// Asks the thread for one.
    asks: Mutex<Option<Sender<()>>>,
}

/// Numbers of checkpoints. A number is used once, even if its checkpoint fails: how far that came
/// is not always known, and the image of one that holds must not be written anew.
#[derive(Default)]
struct Numbers {
    used: u64,
    published: u64,
    /// The one that holds, if it has an image of all that it covers.
    last: Option<Checkpoint>,
}

impl Checkpoints {
    /// Goes on after checkpoint `number`; `last` is that one, unless open had to rebuild or replay.
    pub(crate) fn new(number: u64, last: Option<Checkpoint>) -> Self {
        let numbers = Mutex::new(Numbers { used: number, published: number, last });
        Checkpoints { numbers, ..Self::default() }
    }

    /// Connects the thread that makes them, or disconnects it.
    pub(crate) fn connect(&self, asks: Option<Sender<()>>) {
        *self.asks.lock().unwrap_or_else(PoisonError::into_inner) = asks;
    }

    /// Asks the thread for one; false if there is none.
    pub(crate) fn ask(&self) -> bool {
        let asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        asks.as_ref().is_some_and(|asks| asks.send(()).is_ok())
    }

    /// Keeps checkpoints out for as long as the guard lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, impl Sized> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checkpoints published since open.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Checkpoints begun since open.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// The highest value of [`Checkpoints::begun`] whose checkpoint was published.
    pub(crate) fn last_begun_published(&self) -> u64 {
        self.begun_published.load(Ordering::SeqCst)
    }

    /// Log bytes written since the last one.
    pub(crate) fn log_bytes_since(&self, now: u64) -> u64 {
        now.saturating_sub(self.log_bytes.load(Ordering::Relaxed))
    }

    /// Notes how much there was when the last one was made.
    pub(crate) fn set_log_bytes(&self, now: u64) {
        self.log_bytes.store(now, Ordering::Relaxed);
    }
}

impl Engine {
    /// Makes a checkpoint.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let Some(home) = &self.home else { return Ok(()) };
        self.check_writable()?;
        let mut numbers = self.checkpoints.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.used += 1;
        // What fails may take the image of the last one along.
        numbers.last = None;
        let number = numbers.used;
        let begun = self.checkpoints.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let mut checkpoint = self.take_positions(number);
        let log_bytes = checkpoint.segments.iter().map(|s| s.end).sum();
        let old = home.dir.join(image_name(numbers.published));
        let remove_old = || {
            if home.io.exists(&old).unwrap_or(false) {
                let _ = home.io.remove(&old);
            }
        };
        let name = image_name(number);
        checkpoint.image_blocks = match self.write_image(home, &name) {
            Err(e) if e.kind() == ErrorKind::NoSpace => {
                // An image saves a recovery time and nothing else, so the old one makes room.
                let _ = home.io.remove(&home.dir.join(&name));
                remove_old();
                self.write_image(home, &name)
            }
            other => other,
        }
        .or_else(|e| {
            // The old checkpoint holds; a file in part is of no use to anyone.
            let _ = home.io.remove(&home.dir.join(&name));
            if e.kind() != ErrorKind::NoSpace {
                return Err(e);
            }
            self.run_pass(self.token())?;
            Ok(0)
        })?;
        let bytes = checkpoint.encode();
        let publish = || {
            replace_file(&*home.io, &home.dir, CHECKPOINT, &bytes).map_err(|e| {
                Error::os(format!("publish {}", home.dir.join(CHECKPOINT).display()), &e)
            })
        };
        match publish() {
            Err(e) if e.kind() == ErrorKind::NoSpace && self.source.reserve.take_all() => publish(),
            other => other,
        }?;
        numbers.published = number;
        remove_old();
        self.checkpoints.begun_published.store(begun, Ordering::SeqCst);
        self.checkpoints.published.fetch_add(1, Ordering::Relaxed);
        self.checkpoints.set_log_bytes(log_bytes);
        numbers.last = (checkpoint.image_blocks > 0).then_some(checkpoint);
        drop(numbers);
        self.tend_reserve()
    }

    /// Whether the checkpoint that holds says all that a new one would: nothing has been written,
    /// moved or freed since.
    pub(crate) fn is_checkpointed(&self) -> bool {
        let numbers = self.checkpoints.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = &numbers.last else { return false };
        let now = self.take_positions(last.number);
        Checkpoint { image: last.image, image_blocks: last.image_blocks, ..now } == *last
    }

    /// Step 1.
    pub(crate) fn take_positions(&self, number: u64) -> Checkpoint {
        let mut checkpoint = Checkpoint { number, image: number, ..Checkpoint::default() };
        let mut cold = Vec::new();
        // All locks at once: a record of a key may lie in one log and what overrides it in
        // another, and the positions must not come between them.
        let mut locked = self.lock_shards(0..self.shards.len());
        for shard in 0..self.shards.len() {
            let state = locked.state(shard);
            checkpoint.logs.push((state.log.position(), state.seq));
            cold.push((state.cold.position(), 0));
        }
        // Under the locks: a change of placement holds those of the shards that it concerns.
        checkpoint.placement = self.placement.to_store();
        drop(locked);
        checkpoint.logs.append(&mut cold);
        for segment in self.slots.all() {
            let position = checkpoint.logs[segment.id.log as usize].0;
            // One that was made after its log's position was taken is not part of this; one that
            // compaction has emptied is needed no more once this is published.
            if segment.id.ordinal > position.ordinal || segment.emptied.load(Ordering::Acquire) {
                continue;
            }
            let is_last = segment.id.ordinal == position.ordinal;
            let end = if is_last { position.offset } else { segment.end().unwrap_or(0) as u64 };
            checkpoint.segments.push(SegmentInfo {
                slot: segment.id.slot,
                log: segment.id.log,
                generation: segment.id.generation,
                ordinal: segment.id.ordinal,
                end,
                dead: segment.dead_bytes.load(Ordering::Relaxed),
                deletes: segment.delete_bytes.load(Ordering::Relaxed),
                horizon: segment.horizon.load(Ordering::Relaxed),
            });
        }
        checkpoint
    }

    /// Sizes the reserve by what the database has, and makes it whole if there is room.
    pub(crate) fn tend_reserve(&self) -> Result<()> {
        if self.home.is_none() || self.options.read_only {
            return Ok(());
        }
        self.source.tend_reserve(0)
    }

    /// Steps 2 to 4.
    fn write_image(&self, home: &Home, name: &str) -> Result<u64> {
        let path = home.dir.join(name);
        let os =
            |action: &str, e: &std::io::Error| Error::os(format!("{action} {}", path.display()), e);
        if home.io.exists(&path).map_err(|e| os("look for", &e))? {
            home.io.remove(&path).map_err(|e| os("remove", &e))?;
        }
        let file = home.io.create(&path).map_err(|e| os("create", &e))?;
        let blocks = image::write(self, &*file).map_err(|e| e.context(path.display()))?;
        if !sabotage::is(Sabotage::UnsyncedCheckpoint) {
            self.run_pass(self.token())?;
        }
        file.sync_data().map_err(|e| os("sync", &e))?;
        home.io.sync_dir(&home.dir).map_err(|e| os("sync the directory of", &e))?;
        Ok(blocks)
    }
}
