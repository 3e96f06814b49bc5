//! Tkrzw's hash database, set up in `shim/tkrzw.cc`.
//!
//! `process` needs its appending mode: updated in place, a record that is being overwritten when
//! the process dies may be lost. It has no atomic batches: one is a loop, and one sync.

use super::shim::{Calls, RawEach, RawPair, Shim};
use crate::store::{Kind, Level, Result, Session, Setup, Store};
use std::ffi::{c_char, c_void, CString};
use std::os::unix::ffi::OsStrExt;

pub const KIND: Kind =
    Kind { name: "tkrzw", levels: &[Level::None, Level::Process, Level::Device], describe, open };

fn describe() -> String {
    "Tkrzw, Debian's (1.0.25 in Debian 12), HashDBM on MemoryMapParallelFile, C++ interface; none: \
     updates in place; process: appending mode; device: appending mode and a hard Synchronize after \
     each write; two buckets a key; batches are loops, not atomic"
        .into()
}

extern "C" {
    fn tkz_error() -> *const c_char;
    fn tkz_open(path: *const c_char, keys: u64, appending: bool, sync: bool) -> *mut c_void;
    fn tkz_close(at: *mut c_void) -> i64;
    fn tkz_put(at: *mut c_void, k: *const u8, k_len: usize, v: *const u8, v_len: usize) -> i64;
    fn tkz_delete(at: *mut c_void, key: *const u8, key_len: usize) -> i64;
    fn tkz_batch(at: *mut c_void, pairs: *const RawPair, count: usize) -> i64;
    fn tkz_get(at: *mut c_void, k: *const u8, k_len: usize, buf: *mut u8, room: usize) -> i64;
    fn tkz_scan(at: *mut c_void, context: *mut c_void, each: RawEach) -> i64;
    fn tkz_len(at: *mut c_void) -> i64;
    fn tkz_compact(at: *mut c_void) -> i64;
}

static CALLS: Calls = Calls {
    error: tkz_error,
    put: tkz_put,
    delete: tkz_delete,
    batch: tkz_batch,
    get: tkz_get,
    scan: None,
    each: Some(tkz_scan),
    multi_get: None,
    len: Some(tkz_len),
};

struct Tkrzw(*mut c_void);

// SAFETY: a database may be used from any number of threads.
unsafe impl Send for Tkrzw {}
// SAFETY: as above.
unsafe impl Sync for Tkrzw {}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let path = CString::new(setup.dir.join("data.tkh").as_os_str().as_bytes())?;
    let (appending, sync) = (setup.level != Level::None, setup.level == Level::Device);
    // SAFETY: a terminated path.
    let at = unsafe { tkz_open(path.as_ptr(), setup.keys, appending, sync) };
    if at.is_null() {
        return Err(CALLS.check(-2).map_or_else(|e| e, |_| "cannot open".into()));
    }
    Ok(Box::new(Tkrzw(at)))
}

impl Store for Tkrzw {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Shim { at: self.0, calls: &CALLS })
    }

    fn close(self: Box<Self>) -> Result<()> {
        // SAFETY: the handle is given up.
        CALLS.check(unsafe { tkz_close(self.0) }).map(drop)
    }

    fn compact(&mut self) -> Result<bool> {
        // SAFETY: an open handle.
        CALLS.check(unsafe { tkz_compact(self.0) }).map(|_| true)
    }
}
