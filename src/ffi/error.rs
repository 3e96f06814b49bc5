//! The text of the last failure.
//!
//! One text a thread. Only calls that return a negative status replace it: success and the
//! positive answers leave it alone, so it is worth reading after an error and at no other time.

use super::status::warp_status;
use crate::Error;
use std::cell::RefCell;
use std::ffi::{c_char, CString};

thread_local! {
    static LAST: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Give the text of the last failure on the calling thread.
///
/// The text is one line of UTF-8, lower case, and names the file, shard, offset or argument
/// concerned. It is for people: programs test the status.
///
/// Returns a string that is never NULL (empty when nothing has failed yet) and that is valid until
/// the next failure on the same thread or the end of the thread.
#[no_mangle]
pub extern "C" fn warp_last_error() -> *const c_char {
    // A thread that is ending may have lost its text already.
    LAST.try_with(|last| last.borrow().as_ref().map(|text| text.as_ptr()))
        .ok()
        .flatten()
        .unwrap_or(c"".as_ptr())
}

/// Keeps the text of `error` for [`warp_last_error`] and gives its code.
#[cold]
pub(super) fn fail(error: &Error) -> warp_status {
    let bytes = error.message().bytes().map(|b| if b == 0 { b' ' } else { b }).collect::<Vec<_>>();
    if let Ok(text) = CString::new(bytes) {
        let _ = LAST.try_with(|last| last.replace(Some(text)));
    }
    error.kind().code()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text is valid until the next failure on this thread.
        unsafe { CStr::from_ptr(warp_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_text_belongs_to_the_thread_and_a_nul_does_not_cut_it() {
        assert_eq!(last(), "");
        assert_eq!(fail(&Error::new(ErrorKind::Io, "a\0b")), -2);
        assert_eq!(last(), "a b");
        std::thread::spawn(|| assert_eq!(last(), "")).join().unwrap();
    }
}
