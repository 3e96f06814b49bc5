//! Version.
//!
//! A program that loads the library at run time compares the number that it was compiled with
//! (the macro) with the number of the library (the function) before any other call.

use std::ffi::c_char;

/// The version of this interface, as the caller was compiled with. It is also the number in the
/// library's SONAME, and changes only when something is removed or changes its meaning.
pub const WARP_ABI_VERSION: u32 = 0;

/// Give the version of the interface that the library has.
///
/// Returns WARP_ABI_VERSION of the header that the library was built with. If it differs from the
/// caller's macro, the two do not fit, and no other call may be made.
#[no_mangle]
pub extern "C" fn warp_abi_version() -> u32 {
    WARP_ABI_VERSION
}

/// Give the version of the library, such as "0.1.0" (semantic versioning).
///
/// Returns a string that is never NULL and lives as long as the program.
#[no_mangle]
pub extern "C" fn warp_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
