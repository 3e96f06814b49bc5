//! Options.
//!
//! Options are set by name, so that a new one never changes this interface. Sizes take K, M or G
//! (powers of 1024), times are whole milliseconds, booleans are true or false.
//!
//! ```text
//! name                    default   meaning
//! shards                  24        number of shards, 1 to 1024; fixed when the directory is
//!                                   created and read from it afterwards (asking for another
//!                                   number then is an error)
//! durability              periodic  what an acknowledged write survives:
//!                                     none      nothing is promised (0.1 gives what process does)
//!                                     process   the death of the process
//!                                     periodic  that, and a power failure up to the last
//!                                               sync_interval_ms
//!                                     sync      everything: acknowledged once on the device
//! sync_interval_ms        100       longest time between two syncs under periodic
//! memory_limit            2G        ceiling for what the engine keeps resident: indexes, mapped log,
//!                                   cache. In a container the default is half of what that may
//!                                   have, if that is less. What does not fit is read from disk; a
//!                                   database in memory refuses it. Taken as at least 6 MiB and
//!                                   256 KiB for each shard
//! cache_compression       false     keep what the cache of cold values holds compressed
//! create_if_missing       true      make the directory when there is none
//! error_if_exists         false     refuse to open a database that exists
//! read_only               false     refuse every write
//! open_timeout_ms         30000     how long to retry while another process has the directory
//! checkpoint_interval_ms  chosen    time between automatic checkpoints
//! checkpoint_log_bytes    chosen    bytes of log between automatic checkpoints
//! pin_shards              false     pin each shard's upkeep to one core
//! load_monitor            true      watch how the load spreads over shards, slots and keys
//! skew_percent            90        the load counts as skewed while its normalised entropy is
//!                                   below this, 1 to 99
//! auto_rebalance          false     move slots by itself while the load is skewed
//! rules                             rules that the database gets if it has not got them:
//!                                   user:*,profile:*;order:*,items:*
//! prefetch_links          false     a get of a key starts the loads of its partners
//! learn_links             false     learn partners from reads that follow each other
//! ```

use super::guard::{guard, guard_free};
use super::pointer::{required_mut, text};
use super::status::{warp_status, WARP_OK};
use crate::Options;
use std::ffi::c_char;

/// How to open a database. One thread at a time.
pub struct warp_options {
    pub(super) options: Options,
}

/// Make options that all have their defaults.
///
/// Returns options to free with warp_options_free, or NULL when there is no memory.
#[no_mangle]
pub extern "C" fn warp_options_new() -> *mut warp_options {
    let mut made = std::ptr::null_mut();
    guard(|| {
        made = Box::into_raw(Box::new(warp_options { options: Options::new() }));
        Ok(WARP_OK)
    });
    made
}

/// Free options.
///
///   options   options, or NULL; warp_open keeps nothing of them, so they may go right after it
#[no_mangle]
pub unsafe extern "C" fn warp_options_free(options: *mut warp_options) {
    if !options.is_null() {
        // SAFETY: the caller gives back what `warp_options_new` made, once.
        guard_free(|| drop(unsafe { Box::from_raw(options) }));
    }
}

/// Set one option.
///
///   options   options of warp_options_new
///   name      a name of the table above
///   value     its value as text, such as "64M", "250" or "true"
///
/// Returns
///   WARP_OK                     set
///   WARP_ERR_INVALID_ARGUMENT   a NULL, an unknown name (the text lists those that are known) or
///                               a bad value (the text says what is expected); nothing was changed
#[no_mangle]
pub unsafe extern "C" fn warp_options_set(
    options: *mut warp_options,
    name: *const c_char,
    value: *const c_char,
) -> warp_status {
    guard(|| {
        // SAFETY: the caller passes options that only this thread uses.
        let options = unsafe { required_mut(options, "options") }?;
        // SAFETY: the caller passes terminated strings.
        let (name, value) = unsafe { (text(name, "name")?, text(value, "value")?) };
        options.options.set(name, value)?;
        Ok(WARP_OK)
    })
}
