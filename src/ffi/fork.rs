//! Which process a handle belongs to.
//!
//! A child of `fork` has one thread and a copy of every lock in whatever state it was. So nothing
//! of the parent's handles may be used there, not even to free them. A process-global generation
//! tells: the child's first step after `fork` adds one, and a handle remembers the generation in
//! which it was made.
//!
//! Invariants:
//! 1. The handler is registered before the first handle exists ([`watch`] in `warp_open`).
//! 2. Comparing generations is one relaxed load: the only writer runs in a process with a single
//!    thread, before `fork` returns there.

use crate::error::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

static GENERATION: AtomicU32 = AtomicU32::new(1);

/// The generation of this process.
#[inline]
pub(super) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Registers the handler that runs in every child, once.
pub(super) fn watch() -> Result<()> {
    static REGISTERED: OnceLock<i32> = OnceLock::new();
    match *REGISTERED.get_or_init(register) {
        0 => Ok(()),
        errno => Err(Error::os("pthread_atfork", &std::io::Error::from_raw_os_error(errno))),
    }
}

#[cfg(unix)]
fn register() -> i32 {
    extern "C" fn child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler touches one atomic and stays mapped (the library is never unloaded).
    unsafe { libc::pthread_atfork(None, None, Some(child)) }
}

#[cfg(not(unix))]
fn register() -> i32 {
    0
}

/// Refuses what was made in another generation.
#[inline]
pub(super) fn check(made_in: u32, what: &str) -> Result<()> {
    if made_in != generation() {
        return Err(forked(what));
    }
    Ok(())
}

#[cold]
fn forked(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("{what} belongs to the parent of this process; open the database after the fork"),
    )
}
