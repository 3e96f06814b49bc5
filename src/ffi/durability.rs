//! Durability and upkeep.
//!
//! A token names a moment: it covers every write that was acknowledged before it was taken. So a
//! program writes thousands of values, takes one token and waits once.

use super::db::warp_db;
use super::guard::{read, write};
use super::pointer::path;
use super::status::{warp_status, WARP_OK, WARP_WOULD_BLOCK};
use crate::error::{Error, ErrorKind, Result};
use crate::Db;
use std::ffi::c_char;
use std::time::Duration;

/// Put everything that was acknowledged before the call on the device.
///
/// Calls from many threads share one sync. A database in memory has no device: done at once.
///
///   db   an open database
///
/// Returns
///   WARP_OK                     it is on the device
///   WARP_ERR_INVALID_ARGUMENT   a NULL
///   WARP_ERR_IO                 the device failed; the database is read-only from now on
///   WARP_ERR_READ_ONLY          an earlier sync has failed
#[no_mangle]
pub unsafe extern "C" fn warp_sync(db: *mut warp_db) -> warp_status {
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, |db| db.sync().map(|()| WARP_OK)) }
}

/// Take a token that covers every write acknowledged before the call.
///
///   db   an open database
///
/// Returns the token, or 0, which is no token, when db may not be used (warp_last_error says why).
#[no_mangle]
pub unsafe extern "C" fn warp_token(db: *mut warp_db) -> u64 {
    let mut token = 0;
    let body = |db: &Db| {
        token = db.token();
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) };
    token
}

/// Wait until the writes that a token covers are on the device, starting a sync if none is due.
///
///   db           an open database
///   token        a token of this handle
///   timeout_ms   longest time to wait, in milliseconds
///
/// Returns
///   WARP_OK                     they are on the device
///   WARP_ERR_TIMEOUT            not yet; waiting again is allowed
///   WARP_ERR_INVALID_ARGUMENT   a NULL, or a token that warp_token never gave
///   WARP_ERR_IO                 the device failed; the database is read-only from now on
///   WARP_ERR_READ_ONLY          an earlier sync has failed
#[no_mangle]
pub unsafe extern "C" fn warp_wait_durable(
    db: *mut warp_db,
    token: u64,
    timeout_ms: u32,
) -> warp_status {
    let body = |db: &Db| {
        real(token)?;
        if db.wait_durable(token, Duration::from_millis(timeout_ms.into()))? {
            return Ok(WARP_OK);
        }
        let text = format!("the writes of token {token} are not durable after {timeout_ms} ms");
        Err(Error::new(ErrorKind::Timeout, text))
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Tell whether the writes that a token covers are on the device, without waiting.
///
///   db      an open database
///   token   a token of this handle
///
/// Returns
///   WARP_OK                     they are
///   WARP_WOULD_BLOCK            not yet
///   WARP_ERR_INVALID_ARGUMENT   a NULL, or a token that warp_token never gave
///   WARP_ERR_IO                 the device failed
///   WARP_ERR_READ_ONLY          a sync has failed: they may never be
#[no_mangle]
pub unsafe extern "C" fn warp_is_durable(db: *mut warp_db, token: u64) -> warp_status {
    let body = |db: &Db| {
        real(token)?;
        Ok(if db.is_durable(token)? { WARP_OK } else { WARP_WOULD_BLOCK })
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// The answer of a `warp_token` that failed must not pass for something durable.
fn real(token: u64) -> Result<()> {
    if token == 0 {
        return Err(Error::new(ErrorKind::InvalidArgument, "token 0 was never given"));
    }
    Ok(())
}

/// Checkpoint all shards, side by side, while reads and writes go on.
///
/// Afterwards everything acknowledged before the call is on the device, and the next open replays
/// only what came later. The engine does this by itself often enough to keep opening fast.
///
///   db   an open database
///
/// Returns
///   WARP_OK                     done
///   WARP_ERR_INVALID_ARGUMENT   a NULL
///   WARP_ERR_NO_SPACE           the device is full; the last checkpoint stays in force
///   WARP_ERR_IO                 the device failed
///   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
#[no_mangle]
pub unsafe extern "C" fn warp_checkpoint(db: *mut warp_db) -> warp_status {
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, |db| db.checkpoint().map(|()| WARP_OK)) }
}

/// Copy the database to another directory, consistently, while reads and writes go on.
///
/// The copy opens as a database of its own. Files that no longer change are hard-linked where the
/// file system can, so a copy on the same file system is fast and small.
///
///   db    an open database
///   dir   the directory to make; it must not exist, or be empty
///
/// Returns
///   WARP_OK                     the copy is complete and on the device
///   WARP_ERR_INVALID_ARGUMENT   a NULL, an empty path, or a directory that is not empty
///   WARP_ERR_NO_SPACE           no room for the copy
///   WARP_ERR_IO                 the copy could not be written
///   WARP_ERR_UNSUPPORTED        the database is in memory
#[no_mangle]
pub unsafe extern "C" fn warp_backup(db: *mut warp_db, dir: *const c_char) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a terminated string.
        let dir = unsafe { path(dir, "dir") }?;
        db.backup(dir)?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Reclaim now what overwritten and deleted values take up. The engine also does this by itself.
///
///   db   an open database
///
/// Returns
///   WARP_OK                     done, or there was nothing to do
///   WARP_ERR_INVALID_ARGUMENT   a NULL
///   WARP_ERR_NO_SPACE           no room to move what is live
///   WARP_ERR_IO                 the device failed
///   WARP_ERR_CORRUPTION         a value to move does not match its checksum; it was not moved
///   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
#[no_mangle]
pub unsafe extern "C" fn warp_compact(db: *mut warp_db) -> warp_status {
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, |db| db.compact().map(|()| WARP_OK)) }
}
