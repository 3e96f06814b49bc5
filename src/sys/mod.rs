//! What the engine asks of the operating system, one concern a file.
//!
//! Everything that touches a file goes through [`io::Io`], so that a simulated disk can stand
//! behind the whole engine. Memory, threads and barriers are plain functions.

pub(crate) mod barrier;
pub(crate) mod cgroup;
pub(crate) mod io;
pub(crate) mod map;
pub(crate) mod thread;
pub(crate) mod unix;

use std::time::Duration;

/// Hints that the cache line at `address` will be read soon. Any address is allowed.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it faults on no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch(address.cast::<i8>(), std::arch::x86_64::_MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Hints that the cache line at `address` will be written soon. Any address is allowed.
#[inline(always)]
pub(crate) fn prefetch_for_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; it faults on no address, and processors without it ignore it.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Number of cores that this process may use, at least 1.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The pause before retry number `attempt` (from 0) of something that another process holds:
/// 1 ms doubled each time, at most 100 ms.
pub(crate) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis((1u64 << attempt.min(7)).min(100))
}

/// Starts an upkeep thread with all signals blocked, so that none of the host's handlers ever
/// runs on it.
pub(crate) fn spawn_upkeep(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    // SAFETY: both sets are owned by this frame; a mask change of the own thread has no other
    // effect, and the old one is put back below. The new thread inherits the blocked set.
    let old = unsafe {
        let (mut all, mut old) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut old);
        old
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    // SAFETY: restores the mask read above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &old, std::ptr::null_mut()) };
    thread
}

/// Number of files that the process may have open.
pub(crate) fn open_files_max() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the system call fills the struct, which this frame owns.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    if known {
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    } else {
        256
    }
}
