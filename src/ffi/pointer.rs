//! Safe types out of what a C caller passes, each with its check and a text that names the
//! argument.

use crate::error::{Error, ErrorKind, Result};
use crate::packed::check_lengths;
use std::ffi::{c_char, c_void, CStr};
use std::mem::MaybeUninit;

#[cold]
fn null(what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{what} is NULL"))
}

#[cold]
fn null_bytes(what: &str, len: usize) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{what} is NULL but its length is {len}"))
}

/// The object behind a pointer that must not be NULL.
///
/// # Safety
/// `ptr` is NULL or valid for reads for `'a`.
#[inline]
pub(super) unsafe fn required<'a, T>(ptr: *const T, what: &str) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { ptr.as_ref() }.ok_or_else(|| null(what))
}

/// The object behind a pointer that must not be NULL, to change.
///
/// # Safety
/// `ptr` is NULL or valid and used by nobody else for `'a`.
#[inline]
pub(super) unsafe fn required_mut<'a, T>(ptr: *mut T, what: &str) -> Result<&'a mut T> {
    // SAFETY: the caller's promise.
    unsafe { ptr.as_mut() }.ok_or_else(|| null(what))
}

/// A place for a result, which may hold anything yet.
///
/// # Safety
/// `ptr` is NULL or valid for writes for `'a`.
#[inline]
pub(super) unsafe fn out<'a, T>(ptr: *mut T, what: &str) -> Result<&'a mut MaybeUninit<T>> {
    // SAFETY: the caller's promise; MaybeUninit has the layout of what it holds.
    unsafe { ptr.cast::<MaybeUninit<T>>().as_mut() }.ok_or_else(|| null(what))
}

/// Bytes to read; (NULL, 0) are no bytes.
///
/// # Safety
/// `ptr` is NULL or valid for reads of `len` bytes for `'a`.
#[inline]
pub(super) unsafe fn bytes<'a>(ptr: *const c_void, len: usize, what: &str) -> Result<&'a [u8]> {
    if ptr.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(null_bytes(what, len)) };
    }
    if len > isize::MAX as usize {
        return Err(no_size(what, len));
    }
    // SAFETY: not NULL, not longer than an object can be; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(ptr.cast(), len) })
}

#[cold]
fn no_size(what: &str, len: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("{what} length {len} exceeds every object"))
}

/// A key within the limits.
///
/// # Safety
/// As [`bytes`].
#[inline]
pub(super) unsafe fn key<'a>(ptr: *const c_void, len: usize) -> Result<&'a [u8]> {
    check_lengths(len, 0)?;
    // SAFETY: the caller's promise.
    unsafe { bytes(ptr, len, "key") }
}

/// A value within the limits.
///
/// # Safety
/// As [`bytes`].
#[inline]
pub(super) unsafe fn value<'a>(ptr: *const c_void, len: usize) -> Result<&'a [u8]> {
    check_lengths(1, len)?;
    // SAFETY: the caller's promise.
    unsafe { bytes(ptr, len, "value") }
}

/// A buffer to fill; (NULL, 0) is an empty one.
///
/// # Safety
/// `ptr` is NULL or valid for writes of `len` bytes, by nobody else, for `'a`.
#[inline]
pub(super) unsafe fn buffer<'a>(ptr: *mut c_void, len: usize) -> Result<&'a mut [MaybeUninit<u8>]> {
    if ptr.is_null() {
        return if len == 0 { Ok(&mut []) } else { Err(null_bytes("buf", len)) };
    }
    // A caller that says "as long as it takes" means it; no object is longer than this.
    let len = len.min(isize::MAX as usize);
    // SAFETY: not NULL, not longer than an object can be; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(ptr.cast(), len) })
}

/// A C string.
///
/// # Safety
/// `ptr` is NULL or a terminated string that is valid for `'a`.
pub(super) unsafe fn c_str<'a>(ptr: *const c_char, what: &str) -> Result<&'a CStr> {
    if ptr.is_null() {
        return Err(null(what));
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    Ok(unsafe { CStr::from_ptr(ptr) })
}

/// A C string that must be UTF-8.
///
/// # Safety
/// As [`c_str`].
pub(super) unsafe fn text<'a>(ptr: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: the caller's promise.
    let text = unsafe { c_str(ptr, what) }?;
    text.to_str().map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, format!("{what} {text:?} is not UTF-8"))
    })
}

/// A path, which is bytes on Unix and must be UTF-8 elsewhere.
///
/// # Safety
/// As [`c_str`].
pub(super) unsafe fn path<'a>(ptr: *const c_char, what: &str) -> Result<&'a std::path::Path> {
    #[cfg(unix)]
    let path = {
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: the caller's promise.
        std::ffi::OsStr::from_bytes(unsafe { c_str(ptr, what) }?.to_bytes())
    };
    #[cfg(not(unix))]
    // SAFETY: the caller's promise.
    let path = std::ffi::OsStr::new(unsafe { text(ptr, what) }?);
    if path.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, format!("{what} is empty")));
    }
    Ok(std::path::Path::new(path))
}
