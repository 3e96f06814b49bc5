//! An asymmetric memory barrier: free for the frequent side, a system call for the rare one.
//!
//! [`light`] on one thread and [`heavy`] on another order each other as two sequentially
//! consistent fences would. On Linux the heavy side is `membarrier(PRIVATE_EXPEDITED)`, which
//! makes every running thread of the process pass a full barrier, so the light side is a mere
//! compiler barrier and lets the processor overlap the loads of consecutive reads. Elsewhere, and
//! on kernels that refuse, both sides are fences.

use std::sync::atomic::{compiler_fence, fence, AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const FENCES: u8 = 1;
const MEMBARRIER: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Finds out what the system offers. Called before the first [`light`]; later calls do nothing.
pub(crate) fn init() {
    if MODE.load(Ordering::Acquire) == UNKNOWN {
        let mode = if register() { MEMBARRIER } else { FENCES };
        // Two threads may race here; both find the same answer.
        MODE.store(mode, Ordering::Release);
    }
}

/// The frequent side.
#[inline(always)]
pub(crate) fn light() {
    if MODE.load(Ordering::Relaxed) == MEMBARRIER {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// Whether the light side is free: the answer stays what it is after [`init`].
pub(crate) fn is_free() -> bool {
    MODE.load(Ordering::Relaxed) == MEMBARRIER
}

/// [`light`] for whoever knows that it is free.
#[inline(always)]
pub(crate) fn light_unfenced() {
    compiler_fence(Ordering::SeqCst);
}

/// The rare side.
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
    if MODE.load(Ordering::Relaxed) == MEMBARRIER {
        expedite();
    }
    fence(Ordering::SeqCst);
}

#[cfg(target_os = "linux")]
fn register() -> bool {
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
    // SAFETY: a system call without pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 }
}

#[cfg(target_os = "linux")]
fn expedite() {
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    // SAFETY: a system call without pointers.
    let r = unsafe { libc::syscall(libc::SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) };
    // It cannot fail once registered; memory would be freed under readers if it did.
    assert_eq!(r, 0, "membarrier failed after registration");
}

#[cfg(not(target_os = "linux"))]
fn register() -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn expedite() {}
