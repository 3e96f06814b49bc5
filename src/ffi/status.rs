//! Status codes.
//!
//! A code, once given, keeps its value and its meaning for ever and is never used for another.
//! Test the sign where the distinction is enough: negative values alone are failures, and they
//! alone have a text in warp_last_error().

use std::ffi::{c_char, CStr};

/// The result of a call: WARP_OK, an answer (positive) or an error (negative).
pub type warp_status = i32;

/// Done.
pub const WARP_OK: i32 = 0;
/// The key does not exist; the iterator is at its end.
pub const WARP_NOT_FOUND: i32 = 1;
/// The value does not fit: its length is given, and nothing was copied.
pub const WARP_BUFFER_TOO_SMALL: i32 = 2;
/// Compare-and-swap found another value.
pub const WARP_CONFLICT: i32 = 3;
/// The answer needs the disk, and the caller asked not to wait.
pub const WARP_WOULD_BLOCK: i32 = 4;
/// The value is still the one that the caller knows.
pub const WARP_UNCHANGED: i32 = 5;
/// A NULL, an empty key, an unknown option name, a value out of range, a handle of the parent in
/// a child of fork.
pub const WARP_ERR_INVALID_ARGUMENT: i32 = -1;
/// The operating system failed a read, a write or a sync (errno is in the text).
pub const WARP_ERR_IO: i32 = -2;
/// Stored bytes do not match their checksum, or files are missing.
pub const WARP_ERR_CORRUPTION: i32 = -3;
/// Another process has the directory open, still, after open_timeout_ms.
pub const WARP_ERR_BUSY: i32 = -4;
/// A deadline passed for another reason.
pub const WARP_ERR_TIMEOUT: i32 = -5;
/// The device or the quota is full. Nothing that was acknowledged is lost; reads and deletes
/// still work, and puts work again once there is room.
pub const WARP_ERR_NO_SPACE: i32 = -6;
/// A write on a handle that was opened read-only or that a failed sync has made read-only.
pub const WARP_ERR_READ_ONLY: i32 = -7;
/// A key, a value or a batch over the limits.
pub const WARP_ERR_TOO_LARGE: i32 = -8;
/// The directory was written by a newer format version, or the platform lacks what was asked for.
pub const WARP_ERR_UNSUPPORTED: i32 = -9;
/// An allocation failed or would pass the memory limit.
pub const WARP_ERR_OUT_OF_MEMORY: i32 = -10;
/// A defect of the library, caught. The handle refuses writes from now on; reads go on.
pub const WARP_ERR_INTERNAL: i32 = -11;

/// Name a status: "WARP_NOT_FOUND" for WARP_NOT_FOUND, and so on.
///
///   status   any value; one that is no code gives "WARP_UNKNOWN"
///
/// Returns a string that is never NULL and lives as long as the program.
#[no_mangle]
pub extern "C" fn warp_status_name(status: warp_status) -> *const c_char {
    name(status).as_ptr()
}

fn name(status: warp_status) -> &'static CStr {
    match status {
        WARP_OK => c"WARP_OK",
        WARP_NOT_FOUND => c"WARP_NOT_FOUND",
        WARP_BUFFER_TOO_SMALL => c"WARP_BUFFER_TOO_SMALL",
        WARP_CONFLICT => c"WARP_CONFLICT",
        WARP_WOULD_BLOCK => c"WARP_WOULD_BLOCK",
        WARP_UNCHANGED => c"WARP_UNCHANGED",
        WARP_ERR_INVALID_ARGUMENT => c"WARP_ERR_INVALID_ARGUMENT",
        WARP_ERR_IO => c"WARP_ERR_IO",
        WARP_ERR_CORRUPTION => c"WARP_ERR_CORRUPTION",
        WARP_ERR_BUSY => c"WARP_ERR_BUSY",
        WARP_ERR_TIMEOUT => c"WARP_ERR_TIMEOUT",
        WARP_ERR_NO_SPACE => c"WARP_ERR_NO_SPACE",
        WARP_ERR_READ_ONLY => c"WARP_ERR_READ_ONLY",
        WARP_ERR_TOO_LARGE => c"WARP_ERR_TOO_LARGE",
        WARP_ERR_UNSUPPORTED => c"WARP_ERR_UNSUPPORTED",
        WARP_ERR_OUT_OF_MEMORY => c"WARP_ERR_OUT_OF_MEMORY",
        WARP_ERR_INTERNAL => c"WARP_ERR_INTERNAL",
        _ => c"WARP_UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn codes_are_those_of_the_error_kinds() {
        for (kind, code) in [
            (ErrorKind::InvalidArgument, WARP_ERR_INVALID_ARGUMENT),
            (ErrorKind::Io, WARP_ERR_IO),
            (ErrorKind::Corruption, WARP_ERR_CORRUPTION),
            (ErrorKind::Busy, WARP_ERR_BUSY),
            (ErrorKind::Timeout, WARP_ERR_TIMEOUT),
            (ErrorKind::NoSpace, WARP_ERR_NO_SPACE),
            (ErrorKind::ReadOnly, WARP_ERR_READ_ONLY),
            (ErrorKind::TooLarge, WARP_ERR_TOO_LARGE),
            (ErrorKind::Unsupported, WARP_ERR_UNSUPPORTED),
            (ErrorKind::OutOfMemory, WARP_ERR_OUT_OF_MEMORY),
            (ErrorKind::Internal, WARP_ERR_INTERNAL),
        ] {
            assert_eq!(kind.code(), code, "{kind:?}");
        }
    }
}
