//! What every entry goes through: no panic reaches the caller, every failure leaves its text.
//!
//! An entry does four things: it checks pointers, makes safe types of them, calls one safe method
//! and maps the result. The guard functions here are the frame around that.
//!
//! Invariants:
//! 1. A caught panic is `WARP_ERR_INTERNAL`, and poisons the handle it happened on: whatever it
//!    interrupted may be half done, so nothing is written after it. Reads go on.
//! 2. Nothing of a handle is touched before its generation was compared (see `fork`).
//! 3. Nothing is printed: the panic hook is silent on threads that this copy of the standard
//!    library did not name, which are those of a C host, and on the engine's own. A Rust program
//!    that links the crate keeps its hook for its main and named threads.

use super::db::warp_db;
use super::error::fail;
use super::fork;
use super::status::warp_status;
use crate::error::{Error, ErrorKind, Result};
use crate::Db;
use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

/// Whether a panic has passed through a database's calls; shared with its iterators.
#[derive(Clone, Default)]
pub(super) struct Poison(Arc<AtomicBool>);

impl Poison {
    /// Refuses to go on after a panic.
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(poisoned());
        }
        Ok(())
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cold]
fn poisoned() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the handle refuses writes, because an earlier call met a defect of the library; \
         close it and open the database again",
    )
}

/// Runs the body of an entry that has no database.
#[inline]
pub(super) fn guard(body: impl FnOnce() -> Result<warp_status>) -> warp_status {
    quiet();
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => fail(&error),
        Err(panic) => fail(&internal(&*panic)),
    }
}

/// Runs the body of an entry that frees: there is nobody to tell of a panic.
pub(super) fn guard_free(body: impl FnOnce()) {
    guard(|| {
        body();
        Ok(0)
    });
}

/// [`guard`] around a part of a database whose poison is known.
#[inline]
pub(super) fn guard_with(
    poison: &Poison,
    body: impl FnOnce() -> Result<warp_status>,
) -> warp_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => fail(&error),
        Err(panic) => {
            poison.set();
            fail(&internal(&*panic))
        }
    }
}

/// Runs the body of an entry that reads `db`.
///
/// # Safety
/// `db` is NULL or a handle that is open for as long as the call runs.
#[inline]
pub(super) unsafe fn read(
    db: *const warp_db,
    body: impl FnOnce(&Db) -> Result<warp_status>,
) -> warp_status {
    // SAFETY: the caller's promise.
    let handle = match unsafe { handle(db) } {
        Ok(handle) => handle,
        Err(error) => return fail(&error),
    };
    guard_with(&handle.poison, || body(&handle.db))
}

/// Runs the body of an entry that changes `db`; refused once a panic was caught.
///
/// # Safety
/// As [`read`].
#[inline]
pub(super) unsafe fn write(
    db: *const warp_db,
    body: impl FnOnce(&Db) -> Result<warp_status>,
) -> warp_status {
    // SAFETY: the caller's promise.
    match unsafe { handle(db) }.and_then(|handle| handle.poison.check().map(|()| handle)) {
        Ok(handle) => guard_with(&handle.poison, || body(&handle.db)),
        Err(error) => fail(&error),
    }
}

/// The handle behind a pointer, if it may be used in this process.
///
/// # Safety
/// As [`read`].
#[inline]
pub(super) unsafe fn handle<'a>(db: *const warp_db) -> Result<&'a warp_db> {
    // SAFETY: the caller's promise.
    let handle = unsafe { super::pointer::required(db, "db") }?;
    fork::check(handle.generation, "db")?;
    Ok(handle)
}

thread_local! {
    static PANIC_AT: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// Keeps panics from printing, once for the process; see invariant 3.
pub(super) fn quiet() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let at = info.location().map(|at| (at.file().to_owned(), at.line()));
            let _ = PANIC_AT.try_with(|cell| cell.set(at));
            let thread = std::thread::current();
            if thread.name().is_some_and(|name| !name.starts_with("warp-")) {
                before(info);
            }
        }));
    });
}

#[cold]
fn internal(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text");
    let at = PANIC_AT.try_with(Cell::take).ok().flatten();
    let at = at.map_or(String::new(), |(file, line)| format!(" at {file}:{line}"));
    Error::new(ErrorKind::Internal, format!("defect of the library{at}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::super::status::{WARP_ERR_INTERNAL, WARP_NOT_FOUND, WARP_OK};
    use super::*;
    use crate::Options;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text is valid until the next failure on this thread.
        unsafe { CStr::from_ptr(super::super::error::warp_last_error()) }
            .to_string_lossy()
            .into_owned()
    }

    #[test]
    fn a_panic_is_an_internal_error_and_ends_writing_but_not_reading() {
        let db = warp_db::new(Db::open(None, &Options::new()).unwrap());
        // An unnamed thread, as a C host's are: the hook keeps it silent.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                quiet();
                let db: *const warp_db = &db;
                // SAFETY: the handle outlives the scope.
                unsafe {
                    assert_eq!(write(db, |db| db.put(b"k", b"v").map(|()| WARP_OK)), WARP_OK);
                    assert_eq!(read(db, |_| panic!("odd {}", 7)), WARP_ERR_INTERNAL);
                    assert!(last().contains("odd 7") && last().contains("guard.rs"), "{}", last());

                    let write_again = write(db, |_| unreachable!("the body must not run"));
                    assert_eq!(write_again, WARP_ERR_INTERNAL);
                    assert!(last().contains("refuses writes"), "{}", last());

                    let found = read(db, |db| Ok(i32::from(!db.exists(b"k")?)));
                    assert_eq!(found, WARP_OK);
                    let found = read(db, |db| Ok(i32::from(!db.exists(b"none")?)));
                    assert_eq!(found, WARP_NOT_FOUND);
                }
            });
        });
    }

    #[test]
    fn a_handle_of_another_generation_is_refused() {
        let mut db = warp_db::new(Db::open(None, &Options::new()).unwrap());
        db.generation -= 1;
        // SAFETY: the handle outlives the call.
        let status = unsafe { read(&db, |_| unreachable!("the body must not run")) };
        assert_eq!(status, ErrorKind::InvalidArgument.code());
        assert!(last().contains("fork"), "{}", last());
    }
}
