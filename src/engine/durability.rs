//! Durability on the device: sync passes, and tokens that name them.
//!
//! A pass syncs all that any log had when the pass began. Passes are numbered from 1, one runs at
//! a time, and a token is the number of the first pass that begins after the token was taken: so
//! it covers every write acknowledged before.
//!
//! Invariants:
//! 1. `completed <= started <= completed + 1`.
//! 2. A pass that fails is never completed; the database is halted, since the kernel has dropped
//!    what it could not write, and a second sync would report success for lost data. The next
//!    opening in the same boot is told (UNSYNCED) and writes all of that again.

use super::meta::UNSYNCED;
use super::{Engine, Home};
use crate::error::{Error, ErrorKind, Result};
use crate::log::segment::Segment;
use crate::sync::{Condvar, Mutex, MutexGuard};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Threads that sync files side by side: the device takes several, the gain ends soon.
const SYNC_THREADS: usize = 8;

/// The state of sync passes.
#[derive(Default)]
pub(crate) struct Passes {
    /// Held by whoever runs a pass.
    running: Mutex<()>,
    progress: Mutex<Progress>,
    /// `completed` or `wanted` rose, or the database was halted or closed.
    changed: Condvar,
    syncs: AtomicU64,
}

#[derive(Default, Clone, Copy)]
struct Progress {
    started: u64,
    completed: u64,
    /// The highest pass that somebody waits for.
    wanted: u64,
    closing: bool,
}

impl Passes {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs of a file since open.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub(crate) fn count_syncs(&self, n: u64) {
        self.syncs.fetch_add(n, Ordering::Relaxed);
    }

    /// Tells the sync thread to end.
    pub(crate) fn close(&self) {
        self.progress().closing = true;
        self.changed.notify_all();
    }
}

impl Engine {
    /// A token that covers every write acknowledged before.
    pub(crate) fn token(&self) -> u64 {
        self.passes.progress().started + 1
    }

    /// Whether the pass that a token names is completed.
    pub(crate) fn is_durable(&self, token: u64) -> Result<bool> {
        if self.home.is_none() || self.passes.progress().completed >= token {
            return Ok(true);
        }
        if !self.options.read_only {
            self.check_writable()?;
        }
        self.check_token(token)?;
        Ok(false)
    }

    /// Refuses a token that was never given out, which no pass might ever reach.
    fn check_token(&self, token: u64) -> Result<()> {
        let newest = self.token();
        if token > newest {
            return Err(Error::invalid(format!(
                "token {token} was not given by this handle; the newest is {newest}"
            )));
        }
        Ok(())
    }

    /// Waits for a token's pass; false if `timeout` passed first.
    pub(crate) fn wait_durable(&self, token: u64, timeout: Duration) -> Result<bool> {
        if self.is_durable(token)? || self.options.read_only {
            return Ok(true);
        }
        let until = Instant::now() + timeout;
        let mut progress = self.passes.progress();
        if progress.wanted < token {
            progress.wanted = token;
            self.passes.changed.notify_all();
        }
        while progress.completed < token {
            self.check_writable()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // In slices, since a halt does not always come from a pass.
            let slice = left.min(Duration::from_millis(100));
            let waited = self.passes.changed.wait_timeout(progress, slice);
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(true)
    }

    /// Returns once everything acknowledged before is on the device. Callers that meet share a
    /// pass.
    pub(crate) fn sync(&self) -> Result<()> {
        if self.home.is_none() {
            return Ok(());
        }
        if !self.options.read_only {
            self.check_writable()?;
            self.run_pass(self.token())?;
        }
        Ok(())
    }

    /// Runs a pass unless pass `token` is completed by the time it could begin.
    pub(crate) fn run_pass(&self, token: u64) -> Result<()> {
        let _running = self.passes.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut progress = self.passes.progress();
        if progress.completed >= token {
            return Ok(());
        }
        progress.started += 1;
        drop(progress);
        let result = self.check_writable().and_then(|()| self.sync_all());
        match &result {
            Ok(()) => {
                let mut progress = self.passes.progress();
                progress.completed = progress.started;
            }
            Err(e) => self.halt_after_sync(e),
        }
        self.passes.changed.notify_all();
        result
    }

    /// Syncs what all logs have now.
    fn sync_all(&self) -> Result<()> {
        let mut segments: Vec<(Arc<Segment>, usize)> = Vec::new();
        for shard in &self.shards {
            let state = shard.lock();
            state.log.unsynced(&mut segments);
            state.cold.unsynced(&mut segments);
        }
        self.source.sync_dir()?;
        self.links.sync().map_err(|e| Error::os("sync LINKS", &e))?;
        let sync = |(segment, end): &(Arc<Segment>, usize)| {
            segment.sync(*end).map_err(|e| sync_failed(segment, &e))
        };
        let serial = self.source.io().is_serial();
        let threads = if serial { 1 } else { SYNC_THREADS.min(segments.len()) };
        if threads <= 1 {
            segments.iter().try_for_each(sync)?;
        } else {
            let share = segments.len().div_ceil(threads);
            std::thread::scope(|scope| {
                let run = |part| {
                    scope.spawn(move || -> Result<()> {
                        Iterator::try_for_each(&mut <[_]>::iter(part), sync)
                    })
                };
                let parts: Vec<_> = segments.chunks(share).map(run).collect();
                parts.into_iter().try_for_each(|part| match part.join() {
                    Ok(result) => result,
                    Err(_) => Err(Error::new(ErrorKind::Internal, "a sync thread panicked")),
                })
            })?;
        }
        // Only now: a segment that is marked says that those before it in its log are whole too.
        segments.iter().for_each(|(segment, end)| segment.set_synced(*end));
        self.passes.count_syncs(segments.len() as u64);
        // Only now, and all of them: the mark of a segment says that those before it are there too.
        for shard in &self.shards {
            let mut state = shard.lock();
            state.log.confirm(&segments);
            state.cold.confirm(&segments);
        }
        Ok(())
    }

    /// The body of the sync thread: a pass whenever one is wanted, and with `interval` at least
    /// that often while there is something to sync.
    pub(crate) fn run_sync_thread(&self, interval: Option<Duration>) {
        let mut last = Instant::now();
        loop {
            let mut progress = self.passes.progress();
            while !progress.closing && progress.wanted <= progress.completed {
                let left = interval.map(|i| i.saturating_sub(last.elapsed()));
                progress = match left {
                    Some(Duration::ZERO) => break,
                    Some(left) => {
                        let waited = self.passes.changed.wait_timeout(progress, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => {
                        let waited = self.passes.changed.wait(progress);
                        waited.unwrap_or_else(PoisonError::into_inner)
                    }
                };
            }
            if progress.closing {
                return;
            }
            let token = progress.started + 1;
            drop(progress);
            last = Instant::now();
            // The error is kept by the halt, and told to whoever writes or waits.
            if self.run_pass(token).is_err() {
                return;
            }
        }
    }
}

/// The error of whoever asked for a sync that failed.
pub(crate) fn sync_failed(segment: &Segment, e: &std::io::Error) -> Error {
    Error::os(format!("sync {}", segment.path.display()), e)
}

impl Engine {
    /// Stops all writing after a sync that failed with `error`; everybody from now on is told why.
    pub(crate) fn halt_after_sync(&self, error: &Error) {
        if let Some(Home { dir, io }) = &self.home {
            // The kernel takes what it could not write for clean, and forgets it when it likes: then
            // reads meet the old bytes, and whoever opens the directory in this boot may meet them
            // or the new ones. The name is for that one, so it need not outlive the boot; where it
            // cannot be made, `synced` in the segments' headers says most of it.
            let _ = io.create(&dir.join(UNSYNCED));
            self.slots.distrust();
        }
        self.halt(Error::new(
            ErrorKind::ReadOnly,
            format!(
                "{}; what was not yet durable may be lost, so the database takes no more writes: \
                 close it, mend the device and open it again",
                error.message()
            ),
        ));
    }
}
