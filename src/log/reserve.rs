//! The reserve: space that is held back, so that a full disk is a state to leave again.
//!
//! A log can only free space by writing: a delete is a record, compaction copies what lives before
//! it frees what is dead, and freeing waits for a checkpoint. So a file `RESERVE`, allocated and
//! never read, holds some space; what must go on takes it, by cutting the file, when the device
//! refuses. Puts never do.
//!
//! 1. While the reserve is not whole, or after a segment could not be made, the database is *full*:
//!    puts are refused with `WARP_ERR_NO_SPACE`, without being tried. Deletes, compaction and
//!    checkpoints go on, and take from the reserve.
//! 2. The database stops being full when the reserve has been made whole again, which upkeep
//!    tries, and each refused put, at most once in [`TRY_EVERY`]. So no put eats what deletes need.
//! 3. The last [`FLOOR`] bytes are for the small files that a checkpoint replaces, without which
//!    nothing is ever freed.
//!
//! The file's contents mean nothing, and its size is believed only as far as it can be allocated
//! anew, at open.

use crate::error::{Error, ErrorKind, Result};
use crate::log::segment::SEGMENT_MIN;
use crate::sync::{Mutex, MutexGuard};
use crate::sys::io::{File, Io};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// The name of the file.
pub(crate) const RESERVE: &str = "RESERVE";
/// The reserve of an empty database, and the least of any.
pub(crate) const RESERVE_MIN: u64 = 256 << 10;
/// What segments leave of it.
const FLOOR: u64 = 128 << 10;
/// How often a put tries to make it whole, or waits for compaction.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// A file system that is full may take its time to say so: this many times as long it is left alone.
const REST: u32 = 10;

/// The reserve of a database on disk.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    state: Mutex<State>,
    /// Whether puts are refused. Read by each of them.
    full: AtomicBool,
    /// Whether the database was full, and compaction has not seen since that there is no more to gain.
    tight: AtomicBool,
    /// What is held, for statistics.
    held: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Box<dyn File>>,
    path: PathBuf,
    held: u64,
    target: u64,
    /// When it is to be made whole again at the earliest.
    next_try: Option<Instant>,
    compacted: Option<Instant>,
}

impl Reserve {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether puts are to be refused.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Notes that there was no room for a segment.
    pub(crate) fn set_full(&self) {
        let mut state = self.state();
        state.next_try = Some(Instant::now() + TRY_EVERY);
        self.close();
    }

    fn close(&self) {
        self.tight.store(true, Ordering::Relaxed);
        self.full.store(true, Ordering::Relaxed);
    }

    /// Whether the database is full, or was: then little garbage is worth its while.
    pub(crate) fn is_tight(&self) -> bool {
        self.tight.load(Ordering::Relaxed)
    }

    /// For compaction that found nothing worth its while.
    pub(crate) fn calm_down(&self) {
        if !self.is_full() {
            self.tight.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a put that is refused is to wait for compaction: one at a time, and then none for a
    /// while.
    pub(crate) fn is_time_to_compact(&self) -> bool {
        let mut state = self.state();
        let is_time = state.compacted.is_none_or(|t| t.elapsed() >= TRY_EVERY);
        if is_time {
            state.compacted = Some(Instant::now());
        }
        is_time
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether segments for so many bytes can be taken from it.
    pub(crate) fn holds(&self, bytes: u64) -> bool {
        self.held() >= FLOOR + bytes + SEGMENT_MIN as u64
    }

    /// Opens or makes the file in `dir`. A device without room for it is no error: the database is
    /// full from the beginning.
    pub(crate) fn open(&self, dir: &Path, io: &dyn Io, target: u64) -> Result<()> {
        let mut state = self.state();
        state.path = dir.join(RESERVE);
        state.target = target;
        let file = if io.exists(&state.path).map_err(|e| state.os("look for", &e))? {
            io.open(&state.path, true).map_err(|e| state.os("open", &e))?
        } else {
            match io.create(&state.path) {
                Ok(file) => file,
                Err(e) => {
                    let error = state.os("create", &e);
                    return self.refused(error);
                }
            }
        };
        // Blocks are what counts, and `allocate` gives those that are missing below the length.
        state.held = file.len().map_err(|e| state.os("look at", &e))?;
        if state.held > target {
            file.set_len(target).map_err(|e| state.os("cut", &e))?;
            state.held = target;
        }
        state.file = Some(file);
        let target = std::mem::replace(&mut state.held, 0);
        self.fill_to(&mut state, io, target).and_then(|()| self.fill(&mut state, io))
    }

    /// Makes the reserve as large as `target`, if that is far from what it is, and whole.
    pub(crate) fn tend(&self, io: &dyn Io, target: u64) -> Result<()> {
        let mut state = self.state();
        if state.file.is_none() {
            return Ok(());
        }
        if target > state.target + state.target / 4 || target < state.target / 2 {
            state.target = target;
        }
        if state.held > state.target {
            let target = state.target;
            state.cut(target)?;
        }
        self.fill(&mut state, io)
    }

    /// Whether puts may go on after all. `always`: tried however often this is called.
    pub(crate) fn try_again(&self, io: &dyn Io, always: bool) -> Result<bool> {
        let mut state = self.state();
        let begin = Instant::now();
        if always || state.next_try.is_none_or(|next| begin >= next) {
            let done = self.fill(&mut state, io);
            state.next_try = Some(Instant::now() + TRY_EVERY.max(begin.elapsed() * REST));
            done?;
        }
        Ok(!self.is_full())
    }

    /// Gives up to `most` bytes of the reserve back to the device, and at least `least`; how many,
    /// or 0 if there are not so many.
    pub(crate) fn take(&self, least: u64, most: u64) -> u64 {
        self.release(least, most, FLOOR)
    }

    /// Gives all of it back, for the small files of a checkpoint; false if there is nothing.
    pub(crate) fn take_all(&self) -> bool {
        self.release(1, u64::MAX, 0) > 0
    }

    fn release(&self, least: u64, most: u64, floor: u64) -> u64 {
        let mut state = self.state();
        let left = state.held.saturating_sub(floor);
        if left < least {
            return 0;
        }
        let bytes = left.min(most);
        // From here on it is not whole.
        self.close();
        let held = state.held - bytes;
        if state.cut(held).is_err() {
            return 0;
        }
        self.held.store(held, Ordering::Relaxed);
        bytes
    }

    fn fill(&self, state: &mut State, io: &dyn Io) -> Result<()> {
        let target = state.target;
        self.fill_to(state, io, target)
    }

    fn fill_to(&self, state: &mut State, io: &dyn Io, target: u64) -> Result<()> {
        let Some(file) = &state.file else { return Ok(()) };
        if state.held < target {
            let free = state.path.parent().and_then(|dir| io.free_space(dir));
            let allocated = match free {
                // Not tried: what cannot succeed takes a file system long.
                Some(free) if free < target - state.held => Err(no_space()),
                _ => file.allocate(target),
            };
            if let Err(e) = allocated {
                // A part may have been allocated.
                let _ = file.set_len(state.held);
                self.held.store(state.held, Ordering::Relaxed);
                let error = state.os("allocate", &e);
                return self.refused(error);
            }
            state.held = target;
        }
        self.held.store(state.held, Ordering::Relaxed);
        self.full.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn refused(&self, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::NoSpace {
            return Err(error);
        }
        self.close();
        Ok(())
    }

    /// Why a put is refused.
    pub(crate) fn error(&self) -> Error {
        let state = self.state();
        Error::os(
            format!(
                "put: {} holds {} of {} bytes that deletes and compaction need, and has to be \
                 made whole first",
                state.path.display(),
                state.held,
                state.target
            ),
            &no_space(),
        )
    }
}

fn no_space() -> std::io::Error {
    std::io::Error::from_raw_os_error(libc::ENOSPC)
}

impl State {
    fn cut(&mut self, held: u64) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.set_len(held).map_err(|e| self.os("cut", &e))?;
        self.held = held;
        Ok(())
    }

    fn os(&self, action: &str, e: &std::io::Error) -> Error {
        Error::os(format!("{action} {}", self.path.display()), e)
    }
}
