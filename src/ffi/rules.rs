//! Rules: which keys belong together.
//!
//! A rule is a list of patterns, each a literal with one `*` that stands for one byte or more. What
//! the star stands for names the group: with the rule `user:*`, `profile:*` the keys `user:42` and
//! `profile:42` are the group 42, and the key of the first pattern, `user:42`, is its primary.
//! Rules are part of the database.

use super::db::warp_db;
use super::guard::{read, write};
use super::pointer::{bytes, key, out as place};
use super::status::{warp_status, WARP_NOT_FOUND, WARP_OK};
use super::value::warp_slice;
use crate::error::{Error, ErrorKind};
use crate::{Db, Rule};
use std::ffi::{c_char, c_void, CString};

/// The keys of a group have one shard, and compaction lays them beside each other.
pub const WARP_RULE_PLACE: u32 = 1;
/// warp_get_linked of one key of a group returns the others.
pub const WARP_RULE_LINK: u32 = 2;

/// Add a rule, behind the others. The first rule with a pattern that fits a key counts.
///
/// Keys that are there already go to their new shards before the call returns. Reads go on
/// meanwhile; writes wait while index entries move, about a microsecond for each key concerned, so add
/// rules early. Once the call has returned, the rule outlives a crash.
///
///   db         an open database
///   n          number of patterns, 1 to 16
///   patterns   n patterns of up to 256 bytes, each with exactly one *, none of another rule
///   flags      WARP_RULE_PLACE, WARP_RULE_LINK or both
///
/// Returns
///   WARP_OK                     added, or there already
///   WARP_ERR_INVALID_ARGUMENT   a NULL, a pattern or flags that are none, over 64 rules
///   WARP_ERR_READ_ONLY          the database takes no writes
///   WARP_ERR_IO, WARP_ERR_NO_SPACE
///                               the rule holds, but is not on the device yet
///   WARP_ERR_CORRUPTION         a record is damaged; nothing has changed
#[no_mangle]
pub unsafe extern "C" fn warp_add_rule(
    db: *mut warp_db,
    n: usize,
    patterns: *const warp_slice,
    flags: u32,
) -> warp_status {
    let body = |db: &Db| {
        if flags & !(WARP_RULE_PLACE | WARP_RULE_LINK) != 0 || n > PATTERNS_MAX {
            let text = format!("flags {flags:#x} with {n} patterns: no such rule");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let len = n * size_of::<warp_slice>();
        // SAFETY: the caller passes n slices, of as many bytes as they say.
        let patterns = unsafe {
            bytes(patterns.cast(), len, "patterns")?;
            (0..n)
                .map(|i| {
                    let slice = &*patterns.add(i);
                    bytes(slice.data.cast(), slice.len, "pattern").map(<[u8]>::to_vec)
                })
                .collect::<crate::Result<Vec<_>>>()?
        };
        let (place, link) = (flags & WARP_RULE_PLACE != 0, flags & WARP_RULE_LINK != 0);
        db.add_rule(&Rule { patterns, place, link })?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// More patterns than any rule has.
const PATTERNS_MAX: usize = 1024;

/// Remove a rule. Its keys go back to the shards that they would have without it, see
/// warp_add_rule.
///
///   db            an open database
///   pattern       the first pattern of the rule
///   pattern_len   its length in bytes
///
/// Returns
///   WARP_OK                     removed
///   WARP_NOT_FOUND              no rule begins with this pattern
///   WARP_ERR_INVALID_ARGUMENT   a NULL
///   WARP_ERR_READ_ONLY          the database takes no writes
#[no_mangle]
pub unsafe extern "C" fn warp_remove_rule(
    db: *mut warp_db,
    pattern: *const c_void,
    pattern_len: usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let pattern = unsafe { bytes(pattern, pattern_len, "pattern") }?;
        Ok(if db.remove_rule(pattern)? { WARP_OK } else { WARP_NOT_FOUND })
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// Get all rules as JSON: {"rules":[{"patterns":["user:*"],"place":true,"link":true}]}.
///
///   db    an open database
///   out   receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
///
/// Returns
///   WARP_OK                     made
///   WARP_ERR_INVALID_ARGUMENT   a NULL
#[no_mangle]
pub unsafe extern "C" fn warp_rules_json(db: *mut warp_db, out: *mut *mut c_char) -> warp_status {
    // SAFETY: the caller passes an open handle and a place for one pointer.
    unsafe { string(db, out, |db| db.rules_json()) }
}

/// Get the shard of a key, whether the key exists or not. Rules and rebalancing may change it.
///
///   db      an open database
///   key     key_len bytes, 1 to 65,535
///   shard   receives the shard, from 0
///
/// Returns
///   WARP_OK                     known
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
#[no_mangle]
pub unsafe extern "C" fn warp_shard_of(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    shard: *mut u32,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a place for a number, and that many bytes.
        let (place, key) = unsafe { (place(shard, "shard")?, self::key(key, key_len)?) };
        place.write(db.shard_of(key)? as u32);
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Get the core that works for a shard under pin_shards (or would, without that option), for
/// callers that pin their own threads.
///
///   db      an open database
///   shard   a shard
///   cpu     receives the number of a core that the process may use
///
/// Returns
///   WARP_OK                     known
///   WARP_ERR_INVALID_ARGUMENT   a NULL, or no such shard
#[no_mangle]
pub unsafe extern "C" fn warp_shard_cpu(
    db: *mut warp_db,
    shard: u32,
    cpu: *mut u32,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a place for a number.
        let place = unsafe { place(cpu, "cpu") }?;
        place.write(db.shard_cpu(shard as usize)? as u32);
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Hands out a text as a string of the library.
///
/// # Safety
/// `db` as in [`read`]; `out` is NULL or a place for one pointer.
pub(super) unsafe fn string(
    db: *mut warp_db,
    out: *mut *mut c_char,
    text: impl FnOnce(&Db) -> String,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller's promise.
        let place = unsafe { place(out, "out") }?.write(std::ptr::null_mut());
        let text = CString::new(text(db))
            .map_err(|e| Error::new(ErrorKind::Internal, format!("a text with a 0 byte: {e}")))?;
        *place = text.into_raw();
        Ok(WARP_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { read(db, body) }
}
