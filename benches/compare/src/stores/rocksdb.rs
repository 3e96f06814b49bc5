//! RocksDB, set up in `shim/rocksdb.cc`.

use super::shim::{Calls, MultiGet, RawEach, RawPair, Shim};
use crate::store::{Kind, Level, Result, Session, Setup, Store, CACHE_BYTES};
use std::ffi::{c_char, c_void, CString};
use std::os::unix::ffi::OsStrExt;

pub const KIND: Kind =
    Kind { name: "rocksdb", levels: &[Level::Process, Level::Device], describe, open };

fn describe() -> String {
    "RocksDB, Debian's (7.8.3 in Debian 12, which is built with its assertions on and so slower \
     than it could be), C++ interface; log on; process: sync=false; device: \
     sync=true; block cache 1 GiB, Bloom filter of 10 bits, hash index in data blocks, memtables \
     of 128 MiB with a filter, dynamic level sizes, no compression, all files open"
        .into()
}

extern "C" {
    fn rdb_error() -> *const c_char;
    fn rdb_open(path: *const c_char, cache_bytes: u64, sync: bool) -> *mut c_void;
    fn rdb_close(at: *mut c_void) -> i64;
    fn rdb_put(at: *mut c_void, k: *const u8, k_len: usize, v: *const u8, v_len: usize) -> i64;
    fn rdb_delete(at: *mut c_void, key: *const u8, key_len: usize) -> i64;
    fn rdb_batch(at: *mut c_void, pairs: *const RawPair, count: usize) -> i64;
    fn rdb_get(at: *mut c_void, k: *const u8, k_len: usize, buf: *mut u8, room: usize) -> i64;
    fn rdb_multi_get(
        at: *mut c_void,
        keys: *const RawPair,
        count: usize,
        context: *mut c_void,
        each: RawEach,
    ) -> i64;
    fn rdb_scan(
        at: *mut c_void,
        from: *const u8,
        from_len: usize,
        context: *mut c_void,
        each: RawEach,
    ) -> i64;
    fn rdb_compact(at: *mut c_void) -> i64;
}

static CALLS: Calls = Calls {
    error: rdb_error,
    put: rdb_put,
    delete: rdb_delete,
    batch: rdb_batch,
    get: rdb_get,
    scan: Some(rdb_scan),
    each: None,
    multi_get: Some(rdb_multi_get as MultiGet),
    len: None,
};

struct RocksDb(*mut c_void);

// SAFETY: a database may be used from any number of threads.
unsafe impl Send for RocksDb {}
// SAFETY: as above.
unsafe impl Sync for RocksDb {}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let path = CString::new(setup.dir.join("rocksdb").as_os_str().as_bytes())?;
    // SAFETY: a terminated path.
    let at = unsafe { rdb_open(path.as_ptr(), CACHE_BYTES, setup.level == Level::Device) };
    if at.is_null() {
        return Err(CALLS.check(-2).map_or_else(|e| e, |_| "cannot open".into()));
    }
    Ok(Box::new(RocksDb(at)))
}

impl Store for RocksDb {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Shim { at: self.0, calls: &CALLS })
    }

    fn close(self: Box<Self>) -> Result<()> {
        // SAFETY: the handle is given up.
        CALLS.check(unsafe { rdb_close(self.0) }).map(drop)
    }

    fn compact(&mut self) -> Result<bool> {
        // SAFETY: an open handle.
        CALLS.check(unsafe { rdb_compact(self.0) }).map(|_| true)
    }
}
