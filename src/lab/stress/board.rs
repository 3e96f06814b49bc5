//! What a child has done and is doing: numbers in a mapped file that outlives it, and that its
//! parent reads while it runs. The engine knows nothing of it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const BYTES: usize = 64 << 10;
/// Most threads there is room for.
pub(super) const THREADS_MAX: u64 = 256;
/// Words of a thread, behind those that are for all.
const THREAD_WORDS: usize = 4;
const FIRST_THREAD: usize = 64;
const FIRST_KILL: usize = 32;

/// What a child is doing as a whole, and its upkeep thread once it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Doing {
    /// Nothing but what its writers do.
    Load,
    /// Opening: recovery, if another was killed before.
    Open,
    /// Comparing the database with the oracle.
    Check,
    /// Making a checkpoint.
    Checkpoint,
    /// Compacting all that can be.
    Compact,
    /// Making a backup, and opening it.
    Backup,
    /// Closing.
    Close,
    /// A put, a delete or a swap.
    Write,
    /// A batch.
    Batch,
    /// A sync, or the wait for a token.
    Sync,
}

/// All of [`Doing`], in order, with names for reports.
pub const DOINGS: [&str; 10] =
    ["load", "open", "check", "checkpoint", "compact", "backup", "close", "write", "batch", "sync"];

/// Counters that are for all threads.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub enum Count {
    /// What the child is doing.
    Phase,
    /// Children that began.
    Lives,
    /// Children that were killed.
    Kills,
    /// Children that closed in order.
    Closes,
    /// Backups that were opened and compared.
    Backups,
    /// Checkpoints that were asked for.
    Checkpoints,
    /// Compactions that were asked for.
    Compactions,
    /// Operations under way at a kill that were found done.
    InFlight,
    /// Whole comparisons of the database with the oracle.
    Checks,
    /// Seconds of earlier runs.
    Seconds,
}

/// The numbers.
pub struct Board(memmap2::MmapMut);

impl Board {
    /// Makes the file.
    pub fn create(path: &Path) -> std::io::Result<()> {
        std::fs::write(path, [0; BYTES])
    }

    /// Maps the file.
    pub fn open(path: &Path) -> std::io::Result<Board> {
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() != BYTES as u64 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        // SAFETY: only a parent and its child map the file, and touch it as atomic words.
        Ok(Board(unsafe { memmap2::MmapMut::map_mut(&file)? }))
    }

    fn word(&self, n: usize) -> &AtomicU64 {
        assert!(n < BYTES / 8);
        // SAFETY: within the mapping, which is page-aligned, and only ever accessed so.
        unsafe { &*self.0.as_ptr().cast::<AtomicU64>().add(n) }
    }

    fn thread(&self, thread: u64, n: usize) -> &AtomicU64 {
        assert!(thread < THREADS_MAX);
        self.word(FIRST_THREAD + thread as usize * THREAD_WORDS + n)
    }

    /// A counter.
    pub fn get(&self, count: Count) -> u64 {
        self.word(count as usize).load(Ordering::SeqCst)
    }

    /// Adds to a counter.
    pub fn add(&self, count: Count, n: u64) {
        self.word(count as usize).fetch_add(n, Ordering::SeqCst);
    }

    pub(super) fn set_phase(&self, doing: Doing) {
        self.word(Count::Phase as usize).store(doing as u64, Ordering::SeqCst);
    }

    pub(super) fn acknowledged(&self, thread: u64) -> &AtomicU64 {
        self.thread(thread, 0)
    }

    pub(super) fn answers_of(&self, thread: u64) -> &AtomicU64 {
        self.thread(thread, 1)
    }

    pub(super) fn set_doing(&self, thread: u64, doing: Doing) {
        self.thread(thread, 2).store(doing as u64, Ordering::Relaxed);
    }

    fn sum(&self, n: usize) -> u64 {
        (0..THREADS_MAX).map(|t| self.thread(t, n).load(Ordering::SeqCst)).sum()
    }

    /// Acknowledged operations of all threads.
    pub fn operations(&self) -> u64 {
        self.sum(0)
    }

    /// Answers that were compared with the model.
    pub fn answers(&self) -> u64 {
        self.sum(1)
    }

    /// Notes a kill, by all that was under way.
    pub fn count_kill(&self, threads: u64) {
        self.add(Count::Kills, 1);
        let phase = self.get(Count::Phase);
        let mut seen = vec![phase];
        // Before and after its load a child's threads do nothing.
        let loads = ![Doing::Open, Doing::Check, Doing::Close].map(|d| d as u64).contains(&phase);
        if loads {
            seen.extend((0..threads).map(|t| self.thread(t, 2).load(Ordering::SeqCst)));
        }
        seen.sort_unstable();
        seen.dedup();
        for doing in seen {
            self.word(FIRST_KILL + doing as usize).fetch_add(1, Ordering::SeqCst);
        }
    }

    /// For each of [`DOINGS`], the kills at which it was under way.
    pub fn kills_by(&self) -> [u64; DOINGS.len()] {
        std::array::from_fn(|n| self.word(FIRST_KILL + n).load(Ordering::SeqCst))
    }
}

const _: () = assert!(FIRST_KILL + DOINGS.len() <= FIRST_THREAD);
const _: () = assert!(FIRST_THREAD + THREADS_MAX as usize * THREAD_WORDS <= BYTES / 8);
