//! Database: open, close, put, delete, exists.
//!
//! All of these may be called from any number of threads at once, warp_close excepted.

use super::fork;
use super::guard::{guard, guard_with, handle, quiet, read, write, Poison};
use super::options::warp_options;
use super::pointer::{key, out, path as path_of, value};
use super::status::{warp_status, WARP_NOT_FOUND, WARP_OK};
use crate::error::Error;
use crate::{Db, Options, Temperature};
use std::ffi::{c_char, c_void};

/// An open database.
pub struct warp_db {
    pub(super) db: Db,
    pub(super) generation: u32,
    pub(super) poison: Poison,
}

const _: () = {
    const fn any_thread<T: Send + Sync>() {}
    any_thread::<warp_db>()
};

impl warp_db {
    pub(super) fn new(db: Db) -> Self {
        warp_db { db, generation: fork::generation(), poison: Poison::default() }
    }
}

/// Open a database.
///
/// After a crash the logs are replayed first, so this may take as long as the log since the last
/// checkpoint needs.
///
///   path      the database's directory, or NULL for a database in memory: the same behaviour,
///             nothing on disk, gone at close
///   options   options, or NULL for the defaults; not kept
///   out       receives the handle, or NULL on failure; close it with warp_close
///
/// Returns
///   WARP_OK                     open
///   WARP_ERR_INVALID_ARGUMENT   out is NULL, the path is empty, the directory is missing with
///                               create_if_missing=false or exists with error_if_exists=true, or
///                               it has another number of shards than asked for
///   WARP_ERR_BUSY               another handle has the directory, still, after open_timeout_ms
///   WARP_ERR_CORRUPTION         what was on the device once does not verify; the text names file
///                               and offset, and nothing was changed
///   WARP_ERR_UNSUPPORTED        written by a newer version
///   WARP_ERR_IO                 the directory or a file in it could not be used
///   WARP_ERR_NO_SPACE           there is no room for the first segments
///   WARP_ERR_OUT_OF_MEMORY      memory_limit is too small for this database
#[no_mangle]
pub unsafe extern "C" fn warp_open(
    path: *const c_char,
    options: *const warp_options,
    out: *mut *mut warp_db,
) -> warp_status {
    guard(|| {
        // SAFETY: the caller passes a place for one pointer.
        let place = unsafe { self::out(out, "out") }?.write(std::ptr::null_mut());
        let path = match path.is_null() {
            true => None,
            // SAFETY: the caller passes a terminated string.
            false => Some(unsafe { path_of(path, "path") }?),
        };
        // SAFETY: the caller passes NULL or options that no other thread uses.
        let options = unsafe { options.as_ref() }.map(|o| &o.options);
        fork::watch()?;
        let db = Db::open(path, options.unwrap_or(&Options::new()))?;
        *place = Box::into_raw(Box::new(warp_db::new(db)));
        Ok(WARP_OK)
    })
}

/// Close a database: flush, checkpoint, free.
///
/// The handle is gone whatever this returns. No other thread may use it meanwhile or afterwards.
/// Iterators and pinned values stay usable and are freed as before.
///
///   db   a database, or NULL
///
/// Returns
///   WARP_OK                     everything acknowledged is on the device; also for NULL
///   WARP_ERR_IO                 the last sync or checkpoint failed: what the durability option
///   WARP_ERR_NO_SPACE           promised holds, and the next open replays the logs
///   WARP_ERR_INVALID_ARGUMENT   called in a child of fork: nothing was written or freed
#[no_mangle]
pub unsafe extern "C" fn warp_close(db: *mut warp_db) -> warp_status {
    if db.is_null() {
        return WARP_OK;
    }
    quiet();
    // SAFETY: the caller passes a handle that is still open.
    if let Err(error) = unsafe { handle(db) } {
        return super::error::fail(&error);
    }
    // SAFETY: the caller gives back what `warp_open` made, once.
    let warp_db { db, poison, .. } = *unsafe { Box::from_raw(db) };
    guard_with(&poison, || db.close().map(|()| WARP_OK))
}

/// Store a value under a key, replacing the value there was.
///
/// When this returns, the write survives what the durability option says.
///
///   db          an open database
///   key         key_len bytes, 1 to 65,535
///   value       value_len bytes, 0 to 1 GiB; NULL with 0 is an empty value
///
/// Returns
///   WARP_OK                     stored
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key or value over the limits
///   WARP_ERR_NO_SPACE           the device is full; nothing was changed
///   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
///   WARP_ERR_OUT_OF_MEMORY      the index or the value alone would pass memory_limit, or, in memory,
///                               all values would: nothing was changed; deletes still work, and make
///                               room
///   WARP_ERR_IO                 the log could not be written; whether the value is stored shows
///                               after the next open
#[no_mangle]
pub unsafe extern "C" fn warp_put(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        // SAFETY: as above.
        let value = unsafe { self::value(value, value_len) }?;
        db.put(key, value)?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// The value will soon be overwritten or deleted.
pub const WARP_HOT: u32 = 1;
/// Nobody knows how long the value will stay; what warp_put takes.
pub const WARP_WARM: u32 = 2;
/// The value will stay for long.
pub const WARP_COLD: u32 = 3;

/// Store a value, with a hint of how long it will stay.
///
/// Cold values get segments of their own from the start, so that compaction need not move them out
/// of the way of hot ones. A hint changes no answer and no promise.
///
///   db          an open database
///   key         key_len bytes, 1 to 65,535
///   value       value_len bytes, 0 to 1 GiB; NULL with 0 is an empty value
///   hint        WARP_HOT, WARP_WARM or WARP_COLD
///
/// Returns what warp_put does, and WARP_ERR_INVALID_ARGUMENT for a hint that is none.
#[no_mangle]
pub unsafe extern "C" fn warp_put_hinted(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    hint: u32,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        // SAFETY: as above.
        let value = unsafe { self::value(value, value_len) }?;
        let hint = match hint {
            WARP_HOT => Temperature::Hot,
            WARP_WARM => Temperature::Warm,
            WARP_COLD => Temperature::Cold,
            _ => return Err(Error::invalid(format!("hint {hint} is none"))),
        };
        db.put_hinted(key, value, hint)?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// Delete a key and its value.
///
///   db    an open database
///   key   key_len bytes, 1 to 65,535
///
/// Returns
///   WARP_OK                     deleted
///   WARP_NOT_FOUND              there was nothing to delete
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
///   WARP_ERR_IO                 the log could not be written
#[no_mangle]
pub unsafe extern "C" fn warp_delete(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        Ok(found(db.delete(key)?))
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// Tell whether a key exists, without its value.
///
///   db    an open database
///   key   key_len bytes, 1 to 65,535
///
/// Returns
///   WARP_OK                     it exists
///   WARP_NOT_FOUND              it does not
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold record could not be read
///   WARP_ERR_CORRUPTION         a cold record does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_exists(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        Ok(found(db.exists(key)?))
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

fn found(yes: bool) -> warp_status {
    if yes {
        WARP_OK
    } else {
        WARP_NOT_FOUND
    }
}
