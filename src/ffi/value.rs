//! Reading without a copy: pinned values.
//!
//! A pinned value stays valid and unchanged until it is released, whatever is written, deleted,
//! compacted or closed meanwhile. Release values soon: each keeps a segment of the log in memory, or
//! a copy of the value if that came from a cold segment.

use super::db::warp_db;
use super::fork;
use super::guard::{guard_free, read};
use super::pointer::{bytes, key, out};
use super::status::{warp_status, WARP_ERR_INVALID_ARGUMENT, WARP_NOT_FOUND, WARP_OK};
use crate::error::{Error, ErrorKind, Result};
use crate::packed::check_lengths;
use crate::{Db, Pinned};
use std::ffi::c_void;

/// Bytes that somebody else owns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct warp_slice {
    /// First byte; may be NULL when len is 0.
    pub data: *const u8,
    /// Number of bytes.
    pub len: usize,
}

impl warp_slice {
    pub(super) const EMPTY: warp_slice = warp_slice { data: std::ptr::null(), len: 0 };

    pub(super) fn of(bytes: &[u8]) -> Self {
        warp_slice { data: bytes.as_ptr(), len: bytes.len() }
    }
}

/// A pinned value. Read data and len; the rest belongs to the library. All zero is a value that
/// holds nothing.
#[repr(C)]
pub struct warp_value {
    /// First byte of the value; not to be read when len is 0.
    pub data: *const u8,
    /// Length of the value, in bytes.
    pub len: usize,
    /// Private: what keeps the bytes alive.
    pub private_owner: usize,
    /// Private: the process that may release them.
    pub private_process: usize,
}

impl warp_value {
    pub(super) const EMPTY: warp_value =
        warp_value { data: std::ptr::null(), len: 0, private_owner: 0, private_process: 0 };

    pub(super) fn new(pinned: Pinned) -> Self {
        let (data, len, private_owner) = pinned.into_raw();
        debug_assert_ne!(private_owner, 0);
        warp_value { data, len, private_owner, private_process: fork::generation() as usize }
    }
}

/// Pin a value, without copying it.
///
///   db    an open database
///   key   key_len bytes, 1 to 65,535
///   out   receives the value, all zero unless WARP_OK is returned; what it held before is not
///         released
///
/// Returns
///   WARP_OK                     found; release it with warp_value_release
///   WARP_NOT_FOUND              the key does not exist
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold value could not be read
///   WARP_ERR_CORRUPTION         a cold value does not match its checksum
///   WARP_ERR_OUT_OF_MEMORY      there is no memory to read a cold value into
#[no_mangle]
pub unsafe extern "C" fn warp_get_pinned(
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
        let (value, status) = answer(db.get_pinned(key))?;
        *place = value;
        Ok(status)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

fn answer(got: Result<Option<Pinned>>) -> Result<(warp_value, warp_status)> {
    Ok(match got? {
        Some(pinned) => (warp_value::new(pinned), WARP_OK),
        None => (warp_value::EMPTY, WARP_NOT_FOUND),
    })
}

/// Release a pinned value and zero it.
///
///   value   a value of warp_get_pinned or warp_multi_get; NULL, a zeroed value and one that was
///           released already do nothing
///
/// Any thread may call this, also after warp_close. Make no copies of the struct that outlive it.
#[no_mangle]
pub unsafe extern "C" fn warp_value_release(value: *mut warp_value) {
    // SAFETY: the caller passes NULL or a value that no other thread releases.
    let Some(value) = (unsafe { value.as_mut() }) else { return };
    let value = std::mem::replace(value, warp_value::EMPTY);
    // A child of fork leaks it: the locks behind it may be held by threads that are not there.
    if value.private_owner != 0 && value.private_process == fork::generation() as usize {
        let warp_value { data, len, private_owner, .. } = value;
        // SAFETY: the three come from `into_raw`, and the caller's copy is zero from here on.
        guard_free(|| drop(unsafe { Pinned::from_raw(data, len, private_owner) }));
    }
}

/// Pin the values of many keys in one call.
///
/// The memory latencies of the reads overlap, so this is several times faster than as many single
/// reads. The reads are not a snapshot: each sees its key at some moment of the call.
///
///   db         an open database
///   n          number of keys
///   keys       n keys
///   values     receives n values, all zero where nothing was found; release each one
///   statuses   receives n statuses, each as warp_get_pinned would give it for that key
///
/// With n = 0 the arrays may be NULL.
///
/// Returns
///   WARP_OK                     every key was looked up; its answer is in its status
///   WARP_ERR_INVALID_ARGUMENT   an array is NULL, or a key is NULL with a length: nothing was
///                               looked up, and every value is zero
#[no_mangle]
pub unsafe extern "C" fn warp_multi_get(
    db: *mut warp_db,
    n: usize,
    keys: *const warp_slice,
    values: *mut warp_value,
    statuses: *mut warp_status,
) -> warp_status {
    let body = |db: &Db| {
        if n == 0 {
            return Ok(WARP_OK);
        }
        // SAFETY: the caller passes arrays of n elements.
        let keys = unsafe { prepare(n, keys, values, statuses) }?;
        let key = |i: usize| keys_at(keys, i);
        db.multi_get(n, key, |i, got| {
            debug_assert!(i < n);
            let (value, status) = match got {
                Ok(Some(pinned)) => (warp_value::new(pinned), WARP_OK),
                got => not_found(keys[i].len, got),
            };
            // SAFETY: i < n, and both arrays have n elements.
            unsafe {
                values.add(i).write(value);
                statuses.add(i).write(status);
            }
        });
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// The answer for a key without a value.
#[cold]
fn not_found(key_len: usize, got: Result<Option<Pinned>>) -> (warp_value, warp_status) {
    check_lengths(key_len, 0)
        .and_then(|()| answer(got))
        .unwrap_or_else(|error| (warp_value::EMPTY, super::error::fail(&error)))
}

/// Zeroes the results and checks the keys, before anything is looked up.
///
/// # Safety
/// Each pointer is NULL or an array of `n` elements; `keys` stays valid for `'a`.
unsafe fn prepare<'a>(
    n: usize,
    keys: *const warp_slice,
    values: *mut warp_value,
    statuses: *mut warp_status,
) -> Result<&'a [warp_slice]> {
    // SAFETY: the caller's promise; only whether they are NULL is looked at.
    unsafe { (out(values, "values")?, out(statuses, "statuses")?) };
    if n > isize::MAX as usize / size_of::<warp_value>() {
        return Err(invalid(format!("n is {n}, more than there is memory")));
    }
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe {
            values.add(i).write(warp_value::EMPTY);
            statuses.add(i).write(WARP_ERR_INVALID_ARGUMENT);
        }
    }
    // SAFETY: the caller's promise.
    unsafe { super::pointer::required(keys, "keys") }?;
    // SAFETY: not NULL, and n elements are shorter than an object can be.
    let keys = unsafe { std::slice::from_raw_parts(keys, n) };
    match keys.iter().position(|k| k.data.is_null() && k.len != 0) {
        Some(i) => Err(invalid(format!("keys[{i}] is NULL but its length is {}", keys[i].len))),
        None => Ok(keys),
    }
}

#[cold]
fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

/// The bytes of one key, below the number of keys; none when the length is over the limit, so that nobody reads that far.
#[inline(always)]
fn keys_at(keys: &[warp_slice], i: usize) -> &[u8] {
    debug_assert!(i < keys.len());
    // SAFETY: the engine asks for the keys that it was told of.
    let warp_slice { data, len } = *unsafe { keys.get_unchecked(i) };
    let len = if len > crate::KEY_LEN_MAX { 0 } else { len };
    // SAFETY: the caller of `warp_multi_get` passes that many bytes; `prepare` refused NULLs.
    unsafe { bytes(data.cast(), len, "key") }.unwrap_or(&[])
}

const _: () = assert!(size_of::<warp_slice>() == 2 * size_of::<usize>());
const _: () = assert!(size_of::<warp_value>() == 4 * size_of::<usize>());
