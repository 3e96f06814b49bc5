//! Notices that the process is a child of `fork`.
//!
//! A handler of `pthread_atfork` counts forks in the child, so a handle compares one number
//! instead of asking the kernel for the process id at every call.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between the process that loaded the library and this one. A handle keeps
/// the number that it was opened under; another number later means another process.
#[inline]
pub(crate) fn generation() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Installs the handler; later calls do nothing.
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only increments an atomic, which is safe after fork. The shared
        // library is never unloaded (`-z nodelete`), so the handler's address stays valid.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}
