//! WarpEngine: an embedded, sharded, log-structured key-value engine, for C and C++.
//!
//! A database is a directory (or memory alone). Keys and values are bytes. Operations run on the
//! caller's own thread: there is no server, and no thread is waited for on the way of a read.
//!
//! EXAMPLE
//!
//! ```c
//! #include <stdio.h>
//! #include <warp_engine.h>
//!
//! int main(void) {
//!     warp_db *db;
//!     char value[16];
//!     size_t len;
//!     if (warp_open("planets.db", NULL, &db) != WARP_OK ||
//!         warp_put(db, "earth", 5, "blue", 4) != WARP_OK ||
//!         warp_get(db, "earth", 5, value, sizeof value, &len) != WARP_OK) {
//!         fprintf(stderr, "%s\n", warp_last_error());
//!         return 1;
//!     }
//!     printf("%.*s\n", (int)len, value);
//!     return warp_close(db) == WARP_OK ? 0 : 1;
//! }
//! ```
//!
//! Compile with `cc planets.c $(pkg-config --cflags --libs warp-engine)`, or with CMake:
//! find_package(WarpEngine) and link WarpEngine::warp_engine.
//!
//! CONVENTIONS
//!
//! Results. Every call that can fail returns a warp_status: 0 is success, a positive value is an
//! answer (not found, buffer too small), a negative one is an error. After an error,
//! warp_last_error() has the text. Each function lists the codes that are likely for it; every
//! function may also give WARP_ERR_INTERNAL (a defect of the library, caught), after which the
//! handle refuses writes and goes on reading.
//!
//! Pointers. NULL where something is required is WARP_ERR_INVALID_ARGUMENT and never a crash.
//! (NULL, 0) is a valid empty value and a valid empty prefix. Everything that frees, releases or
//! closes accepts NULL.
//!
//! Memory. The library hands out nothing that is freed with free(): each thing has a release
//! function of its own. What a caller passes in is copied before the call returns.
//!
//! Bytes. Keys have 1 to 65,535 bytes, values 0 bytes to 1 GiB. They are opaque: no terminator is
//! read or written, and there is no order between keys.
//!
//! THREADS
//!
//! A warp_db may be used from any number of threads at once. warp_close is the exception: no
//! other thread may use the handle while it runs or after it. Batches, iterators and options
//! belong to one thread at a time and may move between threads. A pinned value may be read and
//! released by any thread. Nothing else depends on the thread that calls, except the text of
//! warp_last_error().
//!
//! CAVEATS
//!
//! Problem: a power failure takes writes that were acknowledged, up to sync_interval_ms of them,
//! because the default durability is periodic (the death of the process takes none).
//! Fix: call warp_sync or warp_wait_durable where it matters, or set durability to sync.
//!
//! Problem: a handle of the parent does not work in a child of fork. Every call on it gives
//! WARP_ERR_INVALID_ARGUMENT, and its memory stays allocated until the child ends.
//! Fix: open the database after the fork, or call exec. (A child that is made by a bare clone
//! system call is not noticed: do not use a handle there.)
//!
//! Problem: every write suddenly gives WARP_ERR_READ_ONLY. A sync has failed, and the kernel may
//! have dropped what it could not write, so nothing later could be promised.
//! Fix: mend the device, close, open again; what was on the device is recovered.
//!
//! Problem: opening a directory that is open already waits open_timeout_ms and gives
//! WARP_ERR_BUSY, also when both handles are in one process.
//! Fix: share the handle between threads; it is made for that.
//!
//! Problem: disk space or memory is not given back. A pinned value or an iterator that is still
//! held keeps the segment in which its bytes lie.
//! Fix: release values and free iterators soon; copy what is kept for long.
//!
//! Problem: a copy of a warp_value is not a second reference; releasing both is a double free.
//! Fix: release one of them, once. Releasing the same variable twice is harmless.
//!
//! Problem: warp_last_error() has the text of some other failure. It belongs to the thread, and
//! runtimes that move tasks between threads (Go, the BEAM) may move in between.
//! Fix: fetch it inside the same foreign call, in a small C function that does both.
//!
//! Problem: dlclose does not unload the library. It is linked with -z nodelete on purpose:
//! unloading code while a thread still has its thread-local data would crash.
//! Fix: none is needed; opening it again costs nothing.

// Types are named as C names them, and the contract of each function is its whole comment.
#![allow(non_camel_case_types)]
#![allow(clippy::missing_safety_doc)]

pub mod batch;
pub mod cas;
pub mod changed;
pub mod db;
pub mod durability;
pub mod error;
mod fork;
pub mod get;
mod guard;
pub mod iter;
pub mod links;
pub mod monitor;
pub mod nowait;
pub mod options;
mod pointer;
pub mod rebalance;
pub mod rules;
pub mod stats;
pub mod status;
pub mod value;
pub mod version;
