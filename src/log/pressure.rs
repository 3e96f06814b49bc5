//! What holds writers back: compaction that has fallen behind, and memory that runs short.
//!
//! A writer looks at one word after each write, and nearly always finds 0. Otherwise it waits for
//! every 64 KiB that it writes, outside of all locks; for eight times as much at once, so that of
//! short writes less than one in a thousand waits, since no wait is shorter than some 50 us. The word is the highest of what compaction
//! and the memory thread ask for; and while the room for pages of segments is used up, which is taken as
//! they are made present and given back by the memory thread, it is the most that there is, from
//! that moment on: the memory thread may be late.

use crate::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::PoisonError;
use std::time::Duration;

/// Longest time that a writer is held back for each 64 KiB it writes, in microseconds.
pub(crate) const SLOWDOWN_MAX: u32 = 20_000;
/// So many times 64 KiB are waited for at once.
const AT_ONCE: u32 = 8;
/// So many times as long it waits, at most, for room.
const ROOM_WAITS: u32 = 10;
/// Milliseconds that compaction waits for room before each record that it moves.
const COMPACTION_WAITS: u32 = 20;

/// Why writers are held back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Much of the log is dead.
    Garbage = 0,
    /// The memory limit is near.
    Memory = 1,
}

/// The state of one database.
#[derive(Debug)]
pub(crate) struct Pressure {
    /// What each writer waits for each 64 KiB, in microseconds; 0 nearly always.
    micros: AtomicU32,
    /// What it is made of, by cause.
    causes: Mutex<[u32; 2]>,
    /// Bytes that pages of segments may take before the memory limit is reached.
    room: AtomicI64,
    waited: AtomicU64,
}

impl Default for Pressure {
    fn default() -> Self {
        Pressure {
            micros: AtomicU32::new(0),
            causes: Mutex::default(),
            room: AtomicI64::new(i64::MAX),
            waited: AtomicU64::new(0),
        }
    }
}

impl Pressure {
    /// Holds writers back, or ends that.
    pub(crate) fn set(&self, cause: Cause, micros: u32) {
        self.change(|causes| causes[cause as usize] = micros.min(SLOWDOWN_MAX));
    }

    fn change(&self, change: impl FnOnce(&mut [u32; 2])) {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut causes);
        let most = if self.is_full() { SLOWDOWN_MAX } else { 0 };
        self.micros.store(causes[0].max(causes[1]).max(most), Ordering::Relaxed);
    }

    /// Whether the room is used up.
    pub(crate) fn is_full(&self) -> bool {
        self.room.load(Ordering::Relaxed) < 0
    }

    /// Sets the room.
    pub(crate) fn set_room(&self, bytes: i64) {
        self.room.store(bytes, Ordering::Relaxed);
        self.change(|_| {});
    }

    /// Takes room for pages.
    pub(crate) fn take_room(&self, bytes: usize) {
        let bytes = bytes as i64;
        let left = self.room.fetch_sub(bytes, Ordering::Relaxed).saturating_sub(bytes);
        if left < 0 {
            self.change(|_| {});
        }
    }

    /// Lets all writers go on, for the close.
    pub(crate) fn lift(&self) {
        self.room.store(i64::MAX, Ordering::Relaxed);
        self.change(|causes| *causes = [0; 2]);
    }

    /// Time that writers have waited, all together, in microseconds.
    pub(crate) fn waited_micros(&self) -> u64 {
        self.waited.load(Ordering::Relaxed)
    }

    /// Holds a writer of `bytes` back if it must be: every 512 KiB on average, for which `random`
    /// decides. The caller holds no lock.
    #[inline(always)]
    pub(crate) fn hold_back(&self, bytes: usize, random: u64) {
        if self.micros.load(Ordering::Relaxed) != 0 && (random & 0x7_ffff) < bytes as u64 {
            self.wait();
        }
    }

    /// Whether writers are held back.
    #[inline(always)]
    pub(crate) fn holds_back(&self) -> bool {
        self.micros.load(Ordering::Relaxed) != 0
    }

    /// Holds compaction back while there is no room for what it moves, for a while at most: what it
    /// frees may be what is missing.
    #[inline(always)]
    pub(crate) fn wait_for_room(&self, stopping: &AtomicBool) {
        if self.is_full() {
            let mut left = COMPACTION_WAITS;
            while left > 0 && self.is_full() && !stopping.load(Ordering::Relaxed) {
                left -= 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[cold]
    fn wait(&self) {
        let mut left = AT_ONCE * ROOM_WAITS;
        loop {
            let micros = u64::from(self.micros.load(Ordering::Relaxed));
            self.waited.fetch_add(micros, Ordering::Relaxed);
            std::thread::sleep(Duration::from_micros(micros));
            left -= 1;
            let is_enough = left <= AT_ONCE * (ROOM_WAITS - 1);
            if left == 0 || is_enough && !self.is_full() {
                return;
            }
        }
    }
}
