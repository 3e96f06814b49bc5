//! Links: keys that are read together.
//!
//! The partners of a key are those linked to it with warp_link, the strongest first; the other keys
//! of its group, if a rule links them; and, with the option learn_links, those that were read after
//! it again and again. With the option prefetch_links, a get of a key starts the loads of its
//! partners and does not wait for them. Links of warp_link are part of the database.

use super::db::warp_db;
use super::guard::{guard_free, read, write};
use super::pointer::{key, out as place};
use super::status::{warp_status, WARP_NOT_FOUND, WARP_OK};
use super::value::warp_slice;
use crate::{Db, Linked, Partner, Pinned};
use std::ffi::c_void;

/// A key's value and those of its partners. One thread at a time.
pub struct warp_linked {
    all: Vec<Item>,
}

struct Item {
    key: Vec<u8>,
    /// `None` where keys alone were asked for.
    value: Option<Pinned>,
    strength: f32,
}

impl From<Linked> for Item {
    fn from(Linked { key, value, strength }: Linked) -> Item {
        Item { key, value: Some(value), strength }
    }
}

impl From<Partner> for Item {
    fn from(Partner { key, strength }: Partner) -> Item {
        Item { key, value: None, strength }
    }
}

/// Link one key to another, in this direction, or change the strength of a link.
///
/// Neither key need exist. A key has up to 32 partners. The link is as durable as a put.
///
///   db         an open database
///   from       from_len bytes, 1 to 65,535: the key that is read first
///   to         to_len bytes, 1 to 65,535: the key that is read with it
///   strength   above 0, up to 1
///
/// Returns
///   WARP_OK                     linked
///   WARP_ERR_INVALID_ARGUMENT   a NULL, an empty key, a key linked to itself, a strength out of
///                               range, too many partners
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_READ_ONLY          the database takes no writes
///   WARP_ERR_IO, WARP_ERR_NO_SPACE
///                               the link could not be written; it is not there
#[no_mangle]
pub unsafe extern "C" fn warp_link(
    db: *mut warp_db,
    from: *const c_void,
    from_len: usize,
    to: *const c_void,
    to_len: usize,
    strength: f64,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let (from, to) = unsafe { (key(from, from_len)?, key(to, to_len)?) };
        db.link(from, to, strength as f32)?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// Take a link of warp_link away.
///
///   db     an open database
///   from   from_len bytes
///   to     to_len bytes
///
/// Returns
///   WARP_OK                     it is gone
///   WARP_NOT_FOUND              there was none
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_READ_ONLY          the database takes no writes
///   WARP_ERR_IO, WARP_ERR_NO_SPACE
///                               it could not be written; the link is still there
#[no_mangle]
pub unsafe extern "C" fn warp_unlink(
    db: *mut warp_db,
    from: *const c_void,
    from_len: usize,
    to: *const c_void,
    to_len: usize,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes that many bytes.
        let (from, to) = unsafe { (key(from, from_len)?, key(to, to_len)?) };
        Ok(if db.unlink(from, to)? { WARP_OK } else { WARP_NOT_FOUND })
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// Get a key's value and those of its partners in one call, their latencies overlapped.
///
///   db        an open database
///   key       key_len bytes, 1 to 65,535
///   out       receives the values, to free with warp_linked_free; NULL unless WARP_OK is returned
///
/// Returns
///   WARP_OK                     found: the key itself comes first, then the partners that exist
///   WARP_NOT_FOUND              the key does not exist
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
///   WARP_ERR_IO                 a cold value could not be read
///   WARP_ERR_CORRUPTION         a cold value does not match its checksum
#[no_mangle]
pub unsafe extern "C" fn warp_get_linked(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    out: *mut *mut warp_linked,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a place for one pointer.
        let place = unsafe { place(out, "out") }?.write(std::ptr::null_mut());
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        let Some(all) = db.get_linked(key)? else { return Ok(WARP_NOT_FOUND) };
        let all = all.into_iter().map(Item::from).collect();
        *place = Box::into_raw(Box::new(warp_linked { all }));
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// List the partners of a key, whether they and the key exist or not, without their values.
///
///   db        an open database
///   key       key_len bytes, 1 to 65,535
///   out       receives the partners, their values empty, to free with warp_linked_free; NULL
///             unless WARP_OK is returned
///
/// Returns
///   WARP_OK                     listed; there may be none. The key itself is not among them
///   WARP_ERR_INVALID_ARGUMENT   a NULL or an empty key
///   WARP_ERR_TOO_LARGE          key over the limit
#[no_mangle]
pub unsafe extern "C" fn warp_partners(
    db: *mut warp_db,
    key: *const c_void,
    key_len: usize,
    out: *mut *mut warp_linked,
) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a place for one pointer.
        let place = unsafe { place(out, "out") }?.write(std::ptr::null_mut());
        // SAFETY: the caller passes that many bytes.
        let key = unsafe { self::key(key, key_len) }?;
        let all = db.partners(key)?.into_iter().map(Item::from).collect();
        *place = Box::into_raw(Box::new(warp_linked { all }));
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Count the values of a warp_get_linked or warp_partners.
///
///   linked   what one of them gave; NULL has none
///
/// Returns the number of values, the key's own included where warp_get_linked gave it.
#[no_mangle]
pub unsafe extern "C" fn warp_linked_count(linked: *const warp_linked) -> usize {
    // SAFETY: the caller passes NULL or what `warp_get_linked` made.
    unsafe { linked.as_ref() }.map_or(0, |linked| linked.all.len())
}

/// Look at one value of a warp_get_linked or warp_partners. The slices hold until warp_linked_free, whatever is
/// written or closed meanwhile.
///
///   linked     what one of them gave
///   i          below warp_linked_count; for warp_get_linked 0 is the key that was asked for
///   key        receives the key; may be NULL
///   value      receives the value; may be NULL
///   strength   receives how strong the link is, above 0, up to 1; may be NULL
///
/// Returns
///   WARP_OK                     there
///   WARP_NOT_FOUND              i is too large, or linked is NULL
#[no_mangle]
pub unsafe extern "C" fn warp_linked_at(
    linked: *const warp_linked,
    i: usize,
    key: *mut warp_slice,
    value: *mut warp_slice,
    strength: *mut f64,
) -> warp_status {
    // SAFETY: the caller passes NULL or what `warp_get_linked` made.
    let Some(one) = (unsafe { linked.as_ref() }).and_then(|linked| linked.all.get(i)) else {
        return WARP_NOT_FOUND;
    };
    // SAFETY: the caller passes NULL or places for the answers.
    unsafe {
        if let Some(key) = key.as_mut() {
            *key = warp_slice::of(&one.key);
        }
        if let Some(value) = value.as_mut() {
            *value = warp_slice::of(one.value.as_deref().unwrap_or_default());
        }
        if let Some(strength) = strength.as_mut() {
            *strength = f64::from(one.strength);
        }
    }
    WARP_OK
}

/// Free what warp_get_linked or warp_partners gave. Any thread may call this, also after
/// warp_close.
///
///   linked   what one of them gave, or NULL
#[no_mangle]
pub unsafe extern "C" fn warp_linked_free(linked: *mut warp_linked) {
    if !linked.is_null() {
        // SAFETY: the caller gives back what `warp_get_linked` made, once.
        guard_free(|| drop(unsafe { Box::from_raw(linked) }));
    }
}
