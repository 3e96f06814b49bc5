//! Reading without waiting: what warp_get_nowait is to warp_get.
//!
//! For threads that must not wait for the disk, such as event loops and schedulers: call these
//! first, and the ones that wait on a thread that may, when the answer is WARP_WOULD_BLOCK. A value
//! is there at once if it was written since the open and its segment is mapped, if it is in the
//! cache, or if its bytes are in the kernel's page cache and the system can say so (Linux can; where
//! it cannot, only the first two count). What is longer than 64 KiB is there in the first two cases
//! alone, and not if the cache keeps it compressed: the rest takes long to check or to decompress.

use super::db::warp_db;
use super::guard::read;
use super::pointer::{key, out};
use super::status::{warp_status, WARP_NOT_FOUND, WARP_OK, WARP_WOULD_BLOCK};
use super::value::warp_value;
use crate::db::{Db, NowaitPinned};
use std::ffi::c_void;

/// Pin a value, without copying it, or say that this would wait for the disk.
///
///   db    an open database
///   key   key_len bytes, 1 to 65,535
///   out   receives the value, all zero unless WARP_OK is returned; what it held before is not
///         released
///
/// Returns
///   WARP_OK                     found; release it with warp_value_release
///   WARP_NOT_FOUND              the key does not exist
///   WARP_WOULD_BLOCK            the answer needs the disk
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold value could not be read
///   WARP_ERR_CORRUPTION         a cold value does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_get_pinned_nowait(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    out: *mut warp_value,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a place for one value.
        let place = unsafe { self::out(out, "out") }?.write(warp_value::EMPTY);
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        Ok(match db.get_pinned_nowait(key)? {
            NowaitPinned::Found(pinned) => {
                *place = warp_value::new(pinned);
                WARP_OK
            }
            NowaitPinned::Missing => WARP_NOT_FOUND,
            NowaitPinned::WouldBlock => WARP_WOULD_BLOCK,
        })
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Tell whether a key exists, or say that this would wait for the disk.
///
///   db    an open database
///   key   key_len bytes, 1 to 65,535
///
/// Returns
///   WARP_OK                     it exists
///   WARP_NOT_FOUND              it does not
///   WARP_WOULD_BLOCK            the answer needs the disk
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold record could not be read
///   WARP_ERR_CORRUPTION         a cold record does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_exists_nowait(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        Ok(match db.exists_nowait(key)? {
            Some(true) => WARP_OK,
            Some(false) => WARP_NOT_FOUND,
            None => WARP_WOULD_BLOCK,
        })
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Tell whether a write of a key would have to wait, for threads that must not.
///
/// Nearly always a put, a delete or a swap is a copy in memory. It waits if what it overwrites is
/// only on the disk, since that is looked at first (for any key there may be such a value once
/// memory is short, or if the database had any when it was opened); while writers are held back, because compaction
/// falls behind or memory runs short; while rules change or slots move; and, with durability sync,
/// for the device. The answer is that of the moment, and this counts as no read.
///
///   db    an open database
///   key   key_len bytes, 1 to 65,535; NULL with 0: whether a write of any key might, for batches
///
/// Returns
///   WARP_OK                     it would not
///   WARP_WOULD_BLOCK            it might: write on a thread that may wait
///   WARP_ERR_INVALID_ARGUMENT   a NULL handle, a NULL key with a length, an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 what is under the key could not be read
///   WARP_ERR_CORRUPTION         what is under the key does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_write_would_wait(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
) -> warp_status {
    let body = |db: &Db| {
        let key = match key.is_null() && key_len == 0 {
            true => None,
            // SAFETY: the caller passes that many bytes.
            false => Some(unsafe { self::key(key, key_len) }?),
        };
        Ok(if db.write_would_wait(key)? { WARP_WOULD_BLOCK } else { WARP_OK })
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}
