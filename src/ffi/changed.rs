//! Reading only what has changed: for callers that keep what they made of a value.
//!
//! Who has decoded a value may keep the result for as long as the value is the same. Its revision
//! tells: a number that a read gives with the value, and that the next read compares, without
//! looking at the value. So asking costs the look-up alone, however long the value is.
//!
//! A revision belongs to one value of one key, from the write that made it until the next write of
//! the key. No other value of the key has it or ever had it: not one with the same bytes, not one
//! put after a delete, not one of a batch. It stays the same when the value is compacted, when it
//! becomes cold, when a rule or a rebalancing gives the key another shard.
//!
//! Revisions are compared for equality and say nothing else; those of two keys have nothing to do
//! with each other. They belong to one opening of one database, on disk or in memory. After a
//! close, in a restored backup, in another database every value counts as changed, once.

use super::db::warp_db;
use super::guard::read;
use super::pointer::{buffer, key, out};
use super::status::{
    warp_status, WARP_BUFFER_TOO_SMALL, WARP_NOT_FOUND, WARP_OK, WARP_UNCHANGED, WARP_WOULD_BLOCK,
};
use crate::db::{Changed, Db};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Copy a value into a buffer, unless it is the one that the caller knows.
///
///   db          an open database
///   key         key_len bytes, 1 to 65,535
///   known       the revision that an earlier call gave for this key; 0 for none, so that what is
///               there is a change
///   buf         room for buf_len bytes; may be NULL when buf_len is 0
///   value_len   receives the value's length, also when it does not fit; 0 when there is no value
///               or when it is unchanged
///   revision    receives the value's revision, also when it does not fit, never 0 then; known when
///               the value is unchanged; 0 when there is no value
///
/// Returns
///   WARP_OK                     another value, copied
///   WARP_UNCHANGED              the value is still that of known: nothing was copied
///   WARP_NOT_FOUND              the key does not exist (any more)
///   WARP_BUFFER_TOO_SMALL       another value, longer than buf_len: nothing was copied; try again
///                               with *value_len bytes and the same known
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold value could not be read
///   WARP_ERR_CORRUPTION         a cold value does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_get_if_changed(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    known: u64,
    buf: *mut c_void,
    buf_len: usize,
    value_len: *mut usize,
    revision: *mut u64,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes these arguments as the contract says.
        let call = unsafe { Call::new(key, key_len, buf, buf_len, value_len, revision) }?;
        let answer = db.get_if_changed(call.key, known, call.buf)?;
        Ok(call.finish(known, answer))
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Copy a value that has changed, or say that this would wait for the disk.
///
/// As warp_get_if_changed, for threads that must not wait.
///
///   db          an open database
///   key         key_len bytes, 1 to 65,535
///   known       as for warp_get_if_changed
///   buf         room for buf_len bytes; may be NULL when buf_len is 0
///   value_len   as for warp_get_if_changed; 0 when it is not known
///   revision    as for warp_get_if_changed; 0 when it is not known
///
/// Returns
///   WARP_OK                     another value, copied
///   WARP_UNCHANGED              the value is still that of known: nothing was copied
///   WARP_NOT_FOUND              the key does not exist (any more)
///   WARP_BUFFER_TOO_SMALL       another value, longer than buf_len: nothing was copied
///   WARP_WOULD_BLOCK            the answer needs the disk
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold value could not be read
///   WARP_ERR_CORRUPTION         a cold value does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_get_if_changed_nowait(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    known: u64,
    buf: *mut c_void,
    buf_len: usize,
    value_len: *mut usize,
    revision: *mut u64,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes these arguments as the contract says.
        let call = unsafe { Call::new(key, key_len, buf, buf_len, value_len, revision) }?;
        let answer = db.get_if_changed_nowait(call.key, known, call.buf)?;
        Ok(call.finish(known, answer))
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// The arguments of a call, checked; its answers are 0 so far.
struct Call<'a> {
    key: &'a [u8],
    buf: &'a mut [MaybeUninit<u8>],
    value_len: &'a mut usize,
    revision: &'a mut u64,
}

impl<'a> Call<'a> {
    /// # Safety
    /// The pointers are NULL or valid as the contract of [`warp_get_if_changed`] says.
    #[inline]
    unsafe fn new(
        key: *const c_void,
        key_len: usize,
        buf: *mut c_void,
        buf_len: usize,
        value_len: *mut usize,
        revision: *mut u64,
    ) -> crate::Result<Call<'a>> {
        // SAFETY: the caller's promise.
        unsafe {
            let value_len = out(value_len, "value_len")?.write(0);
            let revision = out(revision, "revision")?.write(0);
            let (key, buf) = (self::key(key, key_len)?, buffer(buf, buf_len)?);
            Ok(Call { key, buf, value_len, revision })
        }
    }

    #[inline]
    fn finish(self, known: u64, answer: Changed) -> warp_status {
        match answer {
            Changed::Unchanged => {
                *self.revision = known;
                WARP_UNCHANGED
            }
            Changed::Value { len, revision } => {
                (*self.value_len, *self.revision) = (len, revision);
                if len <= self.buf.len() {
                    WARP_OK
                } else {
                    WARP_BUFFER_TOO_SMALL
                }
            }
            Changed::Missing => WARP_NOT_FOUND,
            Changed::WouldBlock => WARP_WOULD_BLOCK,
        }
    }
}
