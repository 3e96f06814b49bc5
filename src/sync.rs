//! Locks, atomics and threads' own variables, where threads meet: the standard library's, or with
//! the feature `shuttle` those of a scheduler that tries their interleavings (`crate::model`).
//!
//! The engine's locks and the atomics of index and epochs come from here. What lies in mapped memory
//! (records, the words of a segment's header), the table of segments and plain counters do not: the
//! scheduler cannot stop there. It knows sequential consistency alone; that the orderings are
//! strong enough is what `scripts/tsan.sh` and the tests on real threads look at.

#[cfg(not(feature = "shuttle"))]
pub(crate) use std::{
    sync::{atomic, Condvar, Mutex, MutexGuard},
    thread_local,
};

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::{
    sync::{atomic, Condvar, Mutex, MutexGuard},
    thread_local,
};

/// Lets others run for a moment.
#[inline]
pub(crate) fn yield_now() {
    #[cfg(not(feature = "shuttle"))]
    std::thread::yield_now();
    #[cfg(feature = "shuttle")]
    shuttle::thread::yield_now();
}

/// Waits for others, who need about so long.
pub(crate) fn sleep(time: std::time::Duration) {
    #[cfg(not(feature = "shuttle"))]
    std::thread::sleep(time);
    #[cfg(feature = "shuttle")]
    {
        let _ = time;
        shuttle::thread::yield_now();
    }
}
