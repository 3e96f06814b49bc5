//! When compaction runs: the rounds of its thread, and writes that found no room and wait for one.
//!
//! A write that finds no room hurries the thread and waits until a round that began after that has
//! ended, or until anything was freed, whichever is first, then tries again. Invariants:
//! 1. A put waits for [`WAIT_MAX`] in all at most, whatever compaction is at: on a full device it is
//!    told so soon.
//! 2. Of puts one waits at a time, and then none for a while ([`crate::log::reserve`]), so that those
//!    who go on in spite of the refusals are refused at once.
//! 3. Deletes are what makes room, so they always wait: as long as compaction frees anything, for
//!    [`WAIT_MAX_DELETE`] in all at most. A device that is slow as well as full syncs for longer than
//!    a put may wait, and what a round has emptied may be free only after the next.
//! 4. The waiting caller holds no lock.
//!
//! Where calls are to be made one after the other (`Io::is_serial`) there is no thread, and the
//! caller compacts.

use super::Compaction;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::log::source::Purpose;
use crate::sync::{Condvar, Mutex, MutexGuard};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How often a write is tried again.
const TRIES: usize = 8;
/// How long it waits in all.
const WAIT_MAX: Duration = Duration::from_millis(200);
const WAIT_MAX_DELETE: Duration = Duration::from_secs(5);
/// Rounds in a row that free nothing, after which a delete gives up.
const IDLE_MAX_DELETE: usize = 10;
/// How often it looks whether anything was freed, which others do as well.
const WAIT_LOOK: Duration = Duration::from_millis(5);
/// How often the thread looks, and how soon again when there was something to do.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What the thread and those who wait for it tell each other.
#[derive(Default)]
pub(super) struct Rounds {
    state: Mutex<State>,
    wake: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    closing: bool,
    /// A write has found no room since the last round began.
    hurry: bool,
    begun: u64,
    ended: u64,
}

impl Rounds {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread to end.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.wake.notify_all();
        self.ended.notify_all();
    }

    /// Waits until it is time for a round; false if there will be none.
    fn next(&self, look: Duration) -> bool {
        let state = self.state();
        let wait = self.wake.wait_timeout_while(state, look, |s| !s.closing && !s.hurry);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner).0;
        state.hurry = false;
        state.begun += 1;
        !state.closing
    }

    fn end(&self) {
        let mut state = self.state();
        state.ended = state.begun;
        drop(state);
        self.ended.notify_all();
    }

    /// Has a round begin soon, and waits for its end, until `deadline` at most, or until `is_enough`.
    fn hurry(&self, deadline: Instant, is_enough: impl Fn() -> bool) {
        let mut state = self.state();
        state.hurry = true;
        let awaited = state.begun + 1;
        self.wake.notify_all();
        while state.ended < awaited && !state.closing && Instant::now() < deadline && !is_enough() {
            let wait = self.ended.wait_timeout_while(state, WAIT_LOOK, |s| s.ended < awaited);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Compaction {
    /// Whether anything was freed since `before`, that many bytes.
    fn has_freed(&self, before: u64) -> bool {
        self.freed_bytes() != before
    }
}

impl Engine {
    /// The body of the compaction thread.
    pub(crate) fn run_compact_thread(&self) {
        let mut look = LOOK;
        while self.compaction.rounds.next(look) {
            // What fails now fails again for whoever compacts by hand, and is told then.
            let busy = self.compact_some().unwrap_or(false);
            self.compaction.rounds.end();
            look = if busy { LOOK_AGAIN } else { LOOK };
        }
    }

    /// After a write that found no room: waits for compaction, as long as that gains any, and tries
    /// again. For a caller that holds no lock; `error` is what it is told otherwise.
    #[cold]
    pub(crate) fn with_room<T>(
        &self,
        purpose: Purpose,
        mut error: Error,
        mut write: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let serial = self.source.io().is_serial();
        let waits = |e: &Error| e.kind() == ErrorKind::NoSpace;
        if !waits(&error)
            || !serial && purpose == Purpose::Put && !self.source.reserve.is_time_to_compact()
        {
            return Err(error);
        }
        let (wait, tries, idle_max) = match purpose {
            _ if serial => (WAIT_MAX, TRIES, 1),
            Purpose::Put => (WAIT_MAX, TRIES, 1),
            _ => (WAIT_MAX_DELETE, usize::MAX, IDLE_MAX_DELETE),
        };
        let (deadline, mut idle) = (Instant::now() + wait, 0);
        for _ in 0..tries {
            let before = self.compaction.freed_bytes();
            if serial {
                // What fails here is no more than no room made.
                let _ = self.compact_some();
            } else {
                self.compaction.rounds.hurry(deadline, || self.compaction.has_freed(before));
            }
            idle = if self.compaction.has_freed(before) { 0 } else { idle + 1 };
            if idle >= idle_max {
                break;
            }
            match write() {
                Err(e) if waits(&e) => error = e,
                done => return done,
            }
            if !serial && Instant::now() >= deadline {
                break;
            }
            if idle > 0 {
                std::thread::sleep(WAIT_LOOK);
            }
        }
        Err(error)
    }
}
