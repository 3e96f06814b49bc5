//! Iteration.
//!
//! An iterator gives every key with its prefix exactly once if the key exists for the whole life
//! of the iterator; keys that come or go meanwhile may appear or not. There is no order. It stays
//! usable after warp_close. Entries and pages may be taken in turn.

use super::db::warp_db;
use super::fork;
use super::guard::{guard_free, guard_with, handle, Poison};
use super::pointer::{buffer, bytes, out, required_mut};
use super::status::{warp_status, WARP_BUFFER_TOO_SMALL, WARP_NOT_FOUND, WARP_OK};
use super::value::warp_slice;
use crate::error::{Error, ErrorKind, Result};
use crate::Iter;
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// An iterator. One thread at a time.
pub struct warp_iter {
    cursor: Cursor,
    generation: u32,
    poison: Poison,
}

/// The engine's iterator, and what is still to hand out of it.
struct Cursor {
    iter: Iter,
    state: State,
}

/// Where an iterator stands between two calls.
enum State {
    /// The current entry, if any, was handed out.
    Given,
    /// The current entry did not fit into the last page; it comes next.
    Kept,
    /// A failure came after entries that were handed out; it comes next.
    Failed(Error),
    /// There is nothing more.
    Ended,
    /// A call is running, or a panic has ended one.
    Running,
}

impl Cursor {
    /// Whether there is an entry to hand out, which `iter.current()` then is.
    fn next(&mut self) -> Result<bool> {
        let more = match std::mem::replace(&mut self.state, State::Running) {
            State::Kept => true,
            State::Ended => false,
            State::Failed(error) => {
                self.state = State::Given;
                return Err(error);
            }
            State::Given => self.iter.advance().inspect_err(|_| self.state = State::Given)?,
            State::Running => return Err(Error::new(
                ErrorKind::Internal,
                "the iterator is of no use, because an earlier call met a defect of the library",
            )),
        };
        self.state = if more { State::Given } else { State::Ended };
        Ok(more)
    }

    fn entry(&self) -> (&[u8], &[u8]) {
        self.iter.current().expect("an iterator that advanced has an entry")
    }

    /// Fills a page; see [`warp_iter_next_page`].
    fn page(&mut self, buf: &mut [MaybeUninit<u8>]) -> Result<Page> {
        let mut page = Page { used: 0, count: 0, status: WARP_OK };
        loop {
            match self.next() {
                Ok(true) => {}
                Ok(false) if page.count == 0 => page.status = WARP_NOT_FOUND,
                Err(error) if page.count == 0 => return Err(error),
                Err(error) => self.state = State::Failed(error),
                Ok(false) => {}
            }
            if !matches!(self.state, State::Given) {
                return Ok(page);
            }
            let (key, value) = self.entry();
            let size = PAGE_HEADER + key.len() + value.len();
            let Some(room) = buf.get_mut(page.used..).and_then(|b| b.get_mut(..size)) else {
                if page.count == 0 {
                    (page.used, page.status) = (size, WARP_BUFFER_TOO_SMALL);
                }
                self.state = State::Kept;
                return Ok(page);
            };
            put(room, key, value);
            page.used += size;
            page.count += 1;
        }
    }
}

/// What a page came to.
struct Page {
    used: usize,
    count: usize,
    status: warp_status,
}

/// Bytes before the key of an entry of a page: two lengths.
const PAGE_HEADER: usize = 8;

/// Writes one entry: `key length u32 | value length u32 | key | value`, little-endian.
fn put(room: &mut [MaybeUninit<u8>], key: &[u8], value: &[u8]) {
    debug_assert_eq!(room.len(), PAGE_HEADER + key.len() + value.len());
    let lengths = [(key.len() as u32).to_le_bytes(), (value.len() as u32).to_le_bytes()];
    let mut at = 0;
    for part in [lengths.as_flattened(), key, value] {
        // SAFETY: MaybeUninit<u8> has the layout of u8, and holds any byte.
        let part: &[MaybeUninit<u8>] =
            unsafe { std::slice::from_raw_parts(part.as_ptr().cast(), part.len()) };
        room[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
}

/// Make an iterator over the keys with a prefix.
///
///   db       an open database
///   prefix   prefix_len bytes that the keys start with; length 0 (pointer may be NULL): all keys
///   out      receives the iterator, or NULL on failure; free it with warp_iter_free
///
/// Returns
///   WARP_OK                     it stands before the first entry
///   WARP_ERR_INVALID_ARGUMENT   a NULL
///   WARP_ERR_OUT_OF_MEMORY      there is no memory for it
#[no_mangle]
pub unsafe extern "C" fn warp_iter_new(
    db: *mut warp_db,
    prefix: *const c_void,
    prefix_len: usize,
    out: *mut *mut warp_iter,
) -> warp_status {
    // SAFETY: the caller passes an open handle.
    let handle = match unsafe { handle(db) } {
        Ok(handle) => handle,
        Err(error) => return super::error::fail(&error),
    };
    guard_with(&handle.poison, || {
        // SAFETY: the caller passes a place for one pointer.
        let place = unsafe { self::out(out, "out") }?.write(std::ptr::null_mut());
        // SAFETY: the caller passes that many bytes.
        let prefix = unsafe { bytes(prefix, prefix_len, "prefix") }?;
        let iter = handle.db.iter(prefix)?;
        let cursor = Cursor { iter, state: State::Given };
        let (generation, poison) = (handle.generation, handle.poison.clone());
        *place = Box::into_raw(Box::new(warp_iter { cursor, generation, poison }));
        Ok(WARP_OK)
    })
}

/// Move to the next entry.
///
///   iter    an iterator
///   key     receives the key; its bytes hold until the next call on the iterator
///   value   receives the value, likewise
///
/// Returns
///   WARP_OK                     key and value are those of an entry
///   WARP_NOT_FOUND              there is no further entry, now and ever after; both are empty
///   WARP_ERR_INVALID_ARGUMENT   a NULL, or an iterator of the parent in a child of fork
///   WARP_ERR_IO                 a cold record could not be read
///   WARP_ERR_CORRUPTION         a cold record does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_iter_next(
    iter: *mut warp_iter,
    key: *mut warp_slice,
    value: *mut warp_slice,
) -> warp_status {
    let body = |iter: &mut Cursor| {
        // SAFETY: the caller passes places for two slices.
        let (key, value) = unsafe { (out(key, "key")?, out(value, "value")?) };
        let (key, value) = (key.write(warp_slice::EMPTY), value.write(warp_slice::EMPTY));
        if !iter.next()? {
            return Ok(WARP_NOT_FOUND);
        }
        let (k, v) = iter.entry();
        (*key, *value) = (warp_slice::of(k), warp_slice::of(v));
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an iterator that only this thread uses.
    unsafe { with(iter, body) }
}

/// Copy as many entries as fit into a buffer: one call for hundreds of records.
///
/// The entries follow each other without padding, little-endian, in the packed form of
/// warp_write_encoded without the kind byte:
///
/// ```text
/// u32 key length | u32 value length | key | value
/// ```
///
/// An entry that does not fit is kept for the next call.
///
///   iter    an iterator
///   buf     room for buf_len bytes; may be NULL when buf_len is 0, which asks for the size that
///           the next entry needs
///   used    receives the number of bytes written
///   count   receives the number of entries written
///
/// Returns
///   WARP_OK                     at least one entry was written
///   WARP_NOT_FOUND              there is no further entry; *used and *count are 0
///   WARP_BUFFER_TOO_SMALL       not even one entry fits: *used is the size that it needs, *count
///                               is 0, nothing was written or skipped
///   WARP_ERR_INVALID_ARGUMENT   a NULL, or an iterator of the parent in a child of fork
///   WARP_ERR_IO                 a cold record could not be read
///   WARP_ERR_CORRUPTION         a cold record does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_iter_next_page(
    iter: *mut warp_iter,
    buf: *mut c_void,
    buf_len: usize,
    used: *mut usize,
    count: *mut usize,
) -> warp_status {
    let body = |iter: &mut Cursor| {
        // SAFETY: the caller passes places for two numbers.
        let (used, count) = unsafe { (out(used, "used")?, out(count, "count")?) };
        let (used, count) = (used.write(0), count.write(0));
        // SAFETY: the caller passes a buffer of that length.
        let page = iter.page(unsafe { buffer(buf, buf_len) }?)?;
        (*used, *count) = (page.used, page.count);
        Ok(page.status)
    };
    // SAFETY: the caller passes an iterator that only this thread uses.
    unsafe { with(iter, body) }
}

/// Free an iterator.
///
///   iter   an iterator, or NULL; in a child of fork this does nothing
#[no_mangle]
pub unsafe extern "C" fn warp_iter_free(iter: *mut warp_iter) {
    // SAFETY: the caller passes NULL or an iterator that only this thread uses.
    let made_in = unsafe { iter.as_ref() }.map(|iter| iter.generation);
    if made_in == Some(fork::generation()) {
        // SAFETY: the caller gives back what `warp_iter_new` made, once.
        guard_free(|| drop(unsafe { Box::from_raw(iter) }));
    }
}

/// Runs the body of an entry that uses an iterator.
///
/// # Safety
/// `iter` is NULL or an iterator that nobody else uses during the call.
unsafe fn with(
    iter: *mut warp_iter,
    body: impl FnOnce(&mut Cursor) -> Result<warp_status>,
) -> warp_status {
    // SAFETY: the caller's promise.
    let iter = match unsafe { required_mut(iter, "iter") } {
        Ok(iter) => iter,
        Err(error) => return super::error::fail(&error),
    };
    if let Err(error) = fork::check(iter.generation, "iter") {
        return super::error::fail(&error);
    }
    guard_with(&iter.poison, || body(&mut iter.cursor))
}
