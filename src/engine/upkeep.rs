//! The upkeep threads: sync, checkpoint, compaction, segment preparation, memory, and the statistics
//! that are written for other processes. None is on a caller's path.
//!
//! Each sleeps until there is something to do, blocks all signals, and ends when the database is
//! closed; close waits for them.

use super::Engine;
use crate::error::{Error, Result};
use crate::log::source::POPULATE_AHEAD_FIRST;
use crate::options::Durability;
use crate::sys::spawn_upkeep;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the checkpoint thread looks.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(200);
/// A checkpoint is made at least that often while there are writes.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);
/// And after so many bytes of log: what takes a fraction of a second to replay.
const CHECKPOINT_LOG_BYTES: u64 = 256 << 20;

/// The running threads of one database.
pub(crate) struct Upkeep {
    threads: Vec<JoinHandle<()>>,
    /// Dropped to end the thread of the statistics.
    stop: Option<Sender<()>>,
}

impl Upkeep {
    /// Starts what the database needs.
    pub(crate) fn start(engine: &Arc<Engine>) -> Result<Upkeep> {
        let mut upkeep = Upkeep { threads: Vec::new(), stop: None };
        let memory = engine.clone();
        upkeep.spawn("warp-memory", move || memory.run_memory_thread())?;
        if engine.options.read_only {
            return Ok(upkeep);
        }
        let (asks, asked) = channel();
        engine.source.connect(Some(asks));
        if engine.options.prefetch_links {
            let prefetch = engine.clone();
            upkeep.spawn("warp-prefetch", move || prefetch.run_prefetch_thread())?;
        }
        if engine.options.load_monitor {
            let monitor = engine.clone();
            upkeep.spawn("warp-monitor", move || monitor.run_monitor_thread())?;
        }
        let prepare = engine.clone();
        upkeep.spawn("warp-prepare", move || prepare.run_prepare_thread(&asked))?;
        if engine.home.is_none() {
            let compact = engine.clone();
            upkeep.spawn("warp-compact", move || {
                compact.pinning.pin_to(2);
                compact.run_compact_thread();
            })?;
            return Ok(upkeep);
        }
        let periodic = engine.options.durability == Durability::Periodic;
        let interval = periodic.then_some(engine.options.sync_interval);
        let sync = engine.clone();
        upkeep.spawn("warp-sync", move || {
            sync.pinning.pin_to(0);
            sync.run_sync_thread(interval);
        })?;
        let compact = engine.clone();
        upkeep.spawn("warp-compact", move || {
            compact.pinning.pin_to(2);
            compact.run_compact_thread();
        })?;
        let (stop_stats, stats_stopped) = channel();
        upkeep.stop = Some(stop_stats);
        let stats = engine.clone();
        upkeep.spawn("warp-stats", move || stats.run_stats_thread(&stats_stopped))?;
        let checkpoint = engine.clone();
        let (asks, asked) = channel();
        engine.checkpoints.connect(Some(asks));
        upkeep.spawn("warp-checkpoint", move || {
            checkpoint.pinning.pin_to(1);
            checkpoint.run_checkpoint_thread(&asked);
        })?;
        Ok(upkeep)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread =
            spawn_upkeep(name, body).map_err(|e| Error::os(format!("start thread {name}"), &e))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends the threads and waits for them.
    pub(crate) fn end(mut self, engine: &Engine) {
        engine.source.connect(None);
        engine.checkpoints.connect(None);
        engine.passes.close();
        engine.compaction.close();
        engine.monitor.close();
        engine.links.close();
        engine.memory.close();
        engine.source.pressure.lift();
        self.stop = None;
        for thread in self.threads {
            // A panic in it was reported when it happened; closing goes on.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// Makes segments and pages ready for the logs that ask.
    fn run_prepare_thread(&self, asked: &Receiver<u32>) {
        while let Ok(number) = asked.recv() {
            // The first touch of the pages decides which memory they are in.
            self.pinning.pin_to(number as usize);
            self.prepare(number as usize);
        }
    }

    /// Makes ready what one log will need next.
    pub(crate) fn prepare(&self, number: usize) {
        let (shard, hot) = (&self.shards[number % self.shards.len()], number < self.shards.len());
        let work = shard.lock().log_mut(hot).work_to_prepare(&self.source);
        if self.source.pressure.is_full() {
            // Memory is short: what writers need they touch themselves, and wait for.
            return;
        }
        if let Some((segment, from, to)) = work.populate {
            self.source.populate(&segment, from, to);
            shard.lock().log_mut(hot).prepared(&segment, to);
        }
        if let Some(capacity) = work.capacity {
            if self.source.tend_reserve_for(capacity).is_err() {
                return;
            }
            // If this fails, the writer that needs the segment tries itself, and is told.
            let first = self.source.ahead(POPULATE_AHEAD_FIRST);
            let Ok(segment) = self.source.create(capacity, (0, first), false) else { return };
            let unwanted = shard.lock().log.set_prepared(segment);
            if let Some(segment) = unwanted {
                let _ = self.source.discard(&segment);
            }
        }
    }

    /// Makes a checkpoint whenever replay would begin to take long, or compaction asks for one.
    fn run_checkpoint_thread(&self, asked: &Receiver<()>) {
        let interval = self.options.checkpoint_interval.unwrap_or(CHECKPOINT_INTERVAL);
        let look = CHECKPOINT_LOOK.min(interval);
        let mut last = Instant::now();
        loop {
            let freeing = match asked.recv_timeout(look) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // One is enough for all who have asked by now.
            while asked.try_recv().is_ok() {}
            if freeing {
                last = Instant::now();
                let _ = self.checkpoint().and_then(|()| self.compaction.free_all(self));
                continue;
            }
            let stats = self.stats();
            // What fails here fails again for whoever compacts or checkpoints by hand.
            let _ = self.compaction.free(self);
            let _ = self.tend_reserve();
            // The image costs a write of the index, so a large one waits for more log.
            let enough = self
                .options
                .checkpoint_log_bytes
                .unwrap_or(CHECKPOINT_LOG_BYTES.max(2 * stats.index_bytes));
            let written = self.checkpoints.log_bytes_since(self.log_ends());
            if written < enough && (last.elapsed() < interval || written == 0) {
                continue;
            }
            last = Instant::now();
            // A failure leaves the old checkpoint; the next round tries again, and an explicit
            // checkpoint or the close reports it.
            let _ = self.checkpoint();
        }
    }

    /// The sum of where all segments end, for comparison with a checkpoint's.
    fn log_ends(&self) -> u64 {
        let active = |s: &crossbeam_utils::CachePadded<super::Shard>| {
            s.lock().log.active().map_or(0, |(_, tail)| tail as u64)
        };
        // A segment that compaction freed counts no more, so the sum may fall; then less has been
        // written than it takes, and the next look comes soon.
        let sealed: u64 = self.slots.all().iter().filter_map(|s| s.end()).sum::<usize>() as u64;
        sealed + self.shards.iter().map(active).sum::<u64>()
    }
}
