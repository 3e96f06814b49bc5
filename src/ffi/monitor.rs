//! The load monitor: how operations spread over shards, slots and keys.
//!
//! It runs unless the option load_monitor is false, and costs callers nothing: writes are counted,
//! reads are sampled. The load counts as skewed while the normalised Shannon entropy of the
//! operations over the shards (1: even, 0: one shard has all) is below skew_percent.

use super::db::warp_db;
use super::rules::string;
use super::status::warp_status;
use std::ffi::c_char;

/// Get what the load monitor has to tell, as JSON:
/// {"next":2,"events":[{"number":1,"kind":"skew_began","at_ms":1200,"entropy":0.71,"shard":5,
/// "share":0.53}]}.
///
/// Kinds are skew_began, skew_ended and rebalanced; at_ms counts from the open; shard is the hottest
/// one then, and share its part of the operations. The last 256 events are kept.
///
///   db     an open database
///   from   number of the first event wanted: 0 for all, then the next of the last answer
///   out    receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
///
/// Returns
///   WARP_OK                     made
///   WARP_ERR_INVALID_ARGUMENT   a NULL
#[no_mangle]
pub unsafe extern "C" fn warp_events_json(
    db: *mut warp_db,
    from: u64,
    out: *mut *mut c_char,
) -> warp_status {
    // SAFETY: the caller passes an open handle and a place for one pointer.
    unsafe { string(db, out, |db| db.events_json(from)) }
}

/// Get all statistics, those of the load monitor too, as OpenMetrics text for a scraper.
///
///   db    an open database
///   out   receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
///
/// Returns
///   WARP_OK                     made
///   WARP_ERR_INVALID_ARGUMENT   a NULL
#[no_mangle]
pub unsafe extern "C" fn warp_stats_openmetrics(
    db: *mut warp_db,
    out: *mut *mut c_char,
) -> warp_status {
    // SAFETY: the caller passes an open handle and a place for one pointer.
    unsafe { string(db, out, |db| db.openmetrics()) }
}
