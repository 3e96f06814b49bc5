//! Compare-and-swap.

use super::db::warp_db;
use super::guard::write;
use super::pointer::{key, value};
use super::status::{warp_status, WARP_CONFLICT, WARP_OK};
use super::value::warp_slice;
use crate::error::Result;
use crate::Db;
use std::ffi::c_void;

/// Replace a value if it is still the one that is expected, in one atomic step.
///
///   db         an open database
///   key        key_len bytes, 1 to 65,535
///   expected   the value that the key must have; NULL: the key must not exist. A pointer to
///              {NULL, 0} is the empty value, which is not the same.
///   desired    the value to store; NULL: delete the key
///
/// Returns
///   WARP_OK                     replaced
///   WARP_CONFLICT               the key has another value, or none, or exists; nothing was changed
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key or value over the limits
///   WARP_ERR_NO_SPACE           the device is full; nothing was changed
///   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
///   WARP_ERR_IO                 the log could not be written, or a cold value not be read
#[no_mangle]
pub unsafe extern "C" fn warp_compare_and_swap(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    expected: *const warp_slice,
    desired: *const warp_slice,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        // SAFETY: the caller passes NULL or slices of bytes that it owns.
        let (expected, desired) = unsafe { (optional(expected)?, optional(desired)?) };
        let swapped = db.compare_and_swap(key, expected, desired)?;
        Ok(if swapped { WARP_OK } else { WARP_CONFLICT })
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// # Safety
/// `slice` is NULL, or it and its bytes are valid for `'a`.
unsafe fn optional<'a>(slice: *const warp_slice) -> Result<Option<&'a [u8]>> {
    // SAFETY: the caller's promise.
    let Some(slice) = (unsafe { slice.as_ref() }) else { return Ok(None) };
    // SAFETY: the caller's promise.
    unsafe { value(slice.data.cast(), slice.len) }.map(Some)
}
