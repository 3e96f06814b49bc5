//! Batches.
//!
//! A batch is written whole or not at all, across all shards, whatever crashes. The last operation
//! on a key wins. A batch belongs to no database: it may be written to several, several times.
//!
//! The packed form, for languages that build a batch in their own memory (little-endian, without
//! padding, repeated to the end):
//!
//! ```text
//! u8 kind (1 put, 2 delete) | u32 key length | u32 value length (0 for a delete) | key | value
//! ```

use super::db::warp_db;
use super::guard::{guard, guard_free, write};
use super::pointer::{bytes, key, required, required_mut, value};
use super::status::{warp_status, WARP_OK};
use crate::{Batch, Db};
use std::ffi::c_void;

/// A list of puts and deletes. One thread at a time.
pub struct warp_batch {
    batch: Batch,
}

/// Kind byte of a put in the packed form.
pub const WARP_PACKED_PUT: u32 = 1;
/// Kind byte of a delete in the packed form.
pub const WARP_PACKED_DELETE: u32 = 2;

const _: () = assert!(WARP_PACKED_PUT == crate::PACKED_PUT as u32);
const _: () = assert!(WARP_PACKED_DELETE == crate::PACKED_DELETE as u32);

/// Make an empty batch.
///
/// Returns a batch to free with warp_batch_free, or NULL when there is no memory.
#[no_mangle]
pub extern "C" fn warp_batch_new() -> *mut warp_batch {
    let mut made = std::ptr::null_mut();
    guard(|| {
        made = Box::into_raw(Box::new(warp_batch { batch: Batch::new() }));
        Ok(WARP_OK)
    });
    made
}

/// Free a batch. What was written from it stays written.
///
///   batch   a batch, or NULL
#[no_mangle]
pub unsafe extern "C" fn warp_batch_free(batch: *mut warp_batch) {
    if !batch.is_null() {
        // SAFETY: the caller gives back what `warp_batch_new` made, once.
        guard_free(|| drop(unsafe { Box::from_raw(batch) }));
    }
}

/// Remove every operation from a batch and keep its memory for the next ones.
///
///   batch   a batch; NULL does nothing
#[no_mangle]
pub unsafe extern "C" fn warp_batch_clear(batch: *mut warp_batch) {
    // SAFETY: the caller passes NULL or a batch that only this thread uses.
    if let Some(batch) = unsafe { batch.as_mut() } {
        guard_free(|| batch.batch.clear());
    }
}

/// Count the operations of a batch.
///
///   batch   a batch; NULL has none
///
/// Returns the number of puts and deletes since the batch was made or cleared.
#[no_mangle]
pub unsafe extern "C" fn warp_batch_count(batch: *const warp_batch) -> usize {
    // SAFETY: the caller passes NULL or a batch that only this thread uses.
    unsafe { batch.as_ref() }.map_or(0, |batch| batch.batch.len())
}

/// Add a put to a batch. Key and value are copied.
///
///   batch   a batch
///   key     key_len bytes, 1 to 65,535
///   value   value_len bytes, 0 to 1 GiB; NULL with 0 is an empty value
///
/// Returns
///   WARP_OK                     added
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key or value over the limits; the batch is as it was
///   WARP_ERR_OUT_OF_MEMORY      there is no memory for it; the batch is as it was
#[no_mangle]
pub unsafe extern "C" fn warp_batch_put(
    batch: *mut warp_batch,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
) -> warp_status {
    guard(|| {
        // SAFETY: the caller passes a batch that only this thread uses.
        let batch = unsafe { required_mut(batch, "batch") }?;
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        // SAFETY: as above.
        let value = unsafe { self::value(value, value_len) }?;
        batch.batch.put(key, value)?;
        Ok(WARP_OK)
    })
}

/// Add a delete to a batch. Deleting a key that does not exist is no error.
///
///   batch   a batch
///   key     key_len bytes, 1 to 65,535; copied
///
/// Returns
///   WARP_OK                     added
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_OUT_OF_MEMORY      there is no memory for it; the batch is as it was
#[no_mangle]
pub unsafe extern "C" fn warp_batch_delete(
    batch: *mut warp_batch,
    key: *const c_void,
    key_len: usize,
) -> warp_status {
    guard(|| {
        // SAFETY: the caller passes a batch that only this thread uses.
        let batch = unsafe { required_mut(batch, "batch") }?;
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        batch.batch.delete(key)?;
        Ok(WARP_OK)
    })
}

/// Write a batch: all of it or none of it.
///
///   db      an open database
///   batch   a batch, which stays as it is; an empty one does nothing
///
/// Returns
///   WARP_OK                     all operations are done
///   WARP_ERR_INVALID_ARGUMENT   a NULL
///   WARP_ERR_TOO_LARGE          the batch needs more than 64 MiB of log; split it
///   WARP_ERR_NO_SPACE           the device is full; nothing was changed
///   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
///   WARP_ERR_OUT_OF_MEMORY      the index would pass memory_limit, or, in memory, the values
///                               would: nothing was changed
///   WARP_ERR_IO                 the log could not be written; all or nothing of the batch is
///                               there after the next open
#[no_mangle]
pub unsafe extern "C" fn warp_write(db: *mut warp_db, batch: *const warp_batch) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a batch that no other thread changes.
        let batch = unsafe { required(batch, "batch") }?;
        db.write(&batch.batch)?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// Write a batch in the packed form (see above): all of it or none of it.
///
///   db      an open database
///   bytes   len bytes of packed operations; (NULL, 0) does nothing
///
/// Returns
///   WARP_OK                     all operations are done
///   WARP_ERR_INVALID_ARGUMENT   a NULL, or bytes that are no packed operations (the text names the
///                               offset); nothing was changed
///   WARP_ERR_TOO_LARGE          a key or a value over the limits, or more than 64 MiB of log
///   WARP_ERR_NO_SPACE           the device is full; nothing was changed
///   WARP_ERR_READ_ONLY          opened read-only, or a sync has failed earlier
///   WARP_ERR_OUT_OF_MEMORY      the index would pass memory_limit, or, in memory, the values
///                               would: nothing was changed
///   WARP_ERR_IO                 the log could not be written; all or nothing of the batch is
///                               there after the next open
#[no_mangle]
pub unsafe extern "C" fn warp_write_encoded(
    db: *mut warp_db,
    bytes: *const c_void,
    len: usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let packed = unsafe { self::bytes(bytes, len, "bytes") }?;
        db.write_packed(packed)?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}
