//! The text of the last failure.
//!
//! One text a thread. Only calls that return a negative status replace it: success and the
//! positive answers leave it alone, so it is worth reading after an error and at no other time.

use super::status::warp_status;
use crate::Error;
use std::cell::Cell;
use std::ffi::c_char;

/// Room for one text and its terminator. Fixed, so that the failure to allocate has a text too,
/// and so that a pointer taken before the next failure still points to a string.
const ROOM: usize = 1024;

thread_local! {
    static LAST: [Cell<u8>; ROOM] = const { [const { Cell::new(0) }; ROOM] };
}

/// Give the text of the last failure on the calling thread.
///
/// The text is one line of UTF-8, lower case, at most 1,023 bytes, and names the file, shard,
/// offset or argument concerned. It is for people: programs test the status.
///
/// Returns a string that is never NULL (empty when nothing has failed yet). The pointer is the
/// same at every call and valid until the thread ends; the next failure on the thread replaces
/// the text, so copy what is kept. Beware of f(warp_put(...), warp_last_error()): C may fetch the
/// text before it makes the call.
#[no_mangle]
pub extern "C" fn warp_last_error() -> *const c_char {
    LAST.with(|last| last.as_ptr().cast())
}

/// Keeps the text of `error` for [`warp_last_error`] and gives its code.
#[cold]
pub(super) fn fail(error: &Error) -> warp_status {
    let text = error.message();
    // Cut between characters; a NUL or a line break inside would end the text early or break it.
    let len = (0..=text.len().min(ROOM - 1)).rev().find(|&i| text.is_char_boundary(i));
    let text = &text.as_bytes()[..len.unwrap_or(0)];
    LAST.with(|last| {
        for (to, &from) in last.iter().zip(text) {
            to.set(if from.is_ascii_control() { b' ' } else { from });
        }
        last[text.len()].set(0);
    });
    error.kind().code()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text is a terminated string for as long as this thread lives.
        unsafe { CStr::from_ptr(warp_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_text_belongs_to_the_thread_and_control_characters_do_not_cut_it() {
        assert_eq!(last(), "");
        assert_eq!(fail(&Error::new(ErrorKind::Io, "a\0b\nc")), -2);
        assert_eq!(last(), "a b c");
        assert_eq!(fail(&Error::new(ErrorKind::Busy, "d")), -4);
        assert_eq!(last(), "d");
        std::thread::spawn(|| assert_eq!(last(), "")).join().unwrap();
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        fail(&Error::new(ErrorKind::Io, "é".repeat(ROOM)));
        assert_eq!(last(), "é".repeat((ROOM - 1) / 2));
    }
}
