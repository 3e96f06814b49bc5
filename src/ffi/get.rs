//! Reading into a buffer of the caller.

use super::fork;
use super::guard::read;
use super::pointer::{buffer, key, out};
use super::status::{
    warp_status, WARP_BUFFER_TOO_SMALL, WARP_NOT_FOUND, WARP_OK, WARP_WOULD_BLOCK,
};
use crate::copy::{copy_short, SHORT_MAX};
use crate::engine::read::AtOnce;
use crate::ffi::db::warp_db;
use crate::{Db, Nowait};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Copy a value into a buffer.
///
///   db          an open database
///   key         key_len bytes, 1 to 65,535
///   buf         room for buf_len bytes; may be NULL when buf_len is 0, which asks for the length
///   value_len   receives the value's length, also when it does not fit; 0 when there is no value
///
/// Returns
///   WARP_OK                     found and copied
///   WARP_NOT_FOUND              the key does not exist
///   WARP_BUFFER_TOO_SMALL       found, but longer than buf_len: nothing was copied; try again with
///                               *value_len bytes (and again, should the value grow meanwhile)
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold value could not be read
///   WARP_ERR_CORRUPTION         a cold value does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_get(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    buf: *mut c_void,
    buf_len: usize,
    value_len: *mut usize,
) -> warp_status {
    // The common get: every argument in order, the value found at once. Anything else starts over
    // in `get_with_care`. No guard against panics, since nothing here can; with a short key no
    // call either, so that there is nothing to save for one.
    //
    // SAFETY: the caller passes NULLs or what the contract says.
    unsafe {
        let in_order = !db.is_null()
            && (*db).generation == fork::generation()
            && !key.is_null()
            && (1..=SHORT_KEY_MAX).contains(&key_len)
            && !buf.is_null()
            && !value_len.is_null();
        if in_order {
            std::hint::assert_unchecked(key_len <= SHORT_KEY_MAX);
            if let Some(status) = get_at_once(&(*db).db, key, key_len, buf, buf_len, value_len) {
                return status;
            }
        }
        get_with_care(db, key, key_len, buf, buf_len, value_len)
    }
}

/// Longest key that is hashed and compared without a call.
const SHORT_KEY_MAX: usize = 16;

/// A get with its arguments in order; `None` says nothing and has written nothing.
///
/// # Safety
/// As for [`warp_get`], with no NULL among the pointers.
#[inline(always)]
unsafe fn get_at_once(
    db: &Db,
    key: *const c_void,
    key_len: usize,
    buf: *mut c_void,
    buf_len: usize,
    value_len: *mut usize,
) -> Option<warp_status> {
    // SAFETY: the caller's promise; a caller's buffer is not log memory.
    unsafe {
        let found = db.find_at_once(std::slice::from_raw_parts(key.cast::<u8>(), key_len))?;
        let len = found.value.len();
        if len > SHORT_MAX || len > buf_len {
            return Some(finish(found, buf.cast(), buf_len, value_len));
        }
        copy_short(found.value.as_ptr(), buf.cast(), len);
        value_len.write(len);
    }
    Some(WARP_OK)
}

/// The rest of a get that found a longer value, or one that does not fit.
///
/// # Safety
/// `buf` has room for `buf_len` bytes, and `value_len` may be written.
#[inline(never)]
unsafe fn finish(
    found: AtOnce<'_>,
    buf: *mut u8,
    buf_len: usize,
    value_len: *mut usize,
) -> warp_status {
    let len = found.value.len();
    // SAFETY: the caller's promise; a caller's buffer is not log memory.
    unsafe {
        value_len.write(len);
        if len > buf_len {
            return WARP_BUFFER_TOO_SMALL;
        }
        std::ptr::copy_nonoverlapping(found.value.as_ptr(), buf, len);
    }
    WARP_OK
}

/// Any get at all.
///
/// # Safety
/// As for [`warp_get`].
#[inline(never)]
unsafe extern "C" fn get_with_care(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    buf: *mut c_void,
    buf_len: usize,
    value_len: *mut usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes these arguments as the contract says.
        let (key, buf, len) = unsafe { arguments(key, key_len, buf, buf_len, value_len) }?;
        match db.get_into(key, buf)? {
            Some(n) => Ok(fits(n, buf.len(), len)),
            None => Ok(WARP_NOT_FOUND),
        }
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Copy a value into a buffer, or say that this would wait for the disk.
///
/// As warp_get, for threads that must not wait (event loops, schedulers): call this first, and
/// warp_get on a thread that may wait when the answer is WARP_WOULD_BLOCK.
///
///   db          an open database
///   key         key_len bytes, 1 to 65,535
///   buf         room for buf_len bytes; may be NULL when buf_len is 0
///   value_len   receives the value's length; 0 when there is none or it is not known
///
/// Returns
///   WARP_OK                     found and copied
///   WARP_NOT_FOUND              the key does not exist
///   WARP_BUFFER_TOO_SMALL       found, but longer than buf_len: nothing was copied
///   WARP_WOULD_BLOCK            the value is neither mapped, nor cached, nor in the kernel's page
///                               cache
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold value could not be read
///   WARP_ERR_CORRUPTION         a cold value does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_get_nowait(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    buf: *mut c_void,
    buf_len: usize,
    value_len: *mut usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes these arguments as the contract says.
        let (key, buf, len) = unsafe { arguments(key, key_len, buf, buf_len, value_len) }?;
        match db.get_nowait(key, buf)? {
            Nowait::Found(n) => Ok(fits(n, buf.len(), len)),
            Nowait::Missing => Ok(WARP_NOT_FOUND),
            Nowait::WouldBlock => Ok(WARP_WOULD_BLOCK),
        }
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

type Arguments<'a> = (&'a [u8], &'a mut [MaybeUninit<u8>], &'a mut usize);

/// Key, buffer and place for the length, which is 0 from here on.
///
/// # Safety
/// The pointers are NULL or valid as the contract of [`warp_get`] says.
#[inline]
unsafe fn arguments<'a>(
    key: *const c_void,
    key_len: usize,
    buf: *mut c_void,
    buf_len: usize,
    value_len: *mut usize,
) -> crate::Result<Arguments<'a>> {
    // SAFETY: the caller's promise.
    unsafe {
        let len = out(value_len, "value_len")?.write(0);
        Ok((self::key(key, key_len)?, buffer(buf, buf_len)?, len))
    }
}

#[inline]
fn fits(value_len: usize, buf_len: usize, len: &mut usize) -> warp_status {
    *len = value_len;
    if value_len <= buf_len {
        WARP_OK
    } else {
        WARP_BUFFER_TOO_SMALL
    }
}
