//! Statistics.

use super::db::warp_db;
use super::guard::{guard_free, read};
use super::pointer::out as place;
use super::status::{warp_status, WARP_OK};
use crate::error::{Error, ErrorKind};
use crate::Db;
use std::ffi::{c_char, CString};

/// Counters (since open) and sizes (now). Later versions add fields at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct warp_statistics {
    /// sizeof(warp_statistics), set by the caller before the call.
    pub struct_size: usize,
    /// Keys that exist.
    pub keys: u64,
    /// Puts, those of batches included.
    pub puts: u64,
    /// Reads of all kinds.
    pub gets: u64,
    /// Reads that found the key.
    pub hits: u64,
    /// Deletes that removed a key.
    pub deletes: u64,
    /// Number of shards.
    pub shards: u64,
    /// Bytes of records in all logs.
    pub log_bytes: u64,
    /// Bytes of records that are still current.
    pub live_bytes: u64,
    /// Bytes of the indexes.
    pub index_bytes: u64,
    /// Bytes of the value cache.
    pub cache_bytes: u64,
    /// Bytes that the engine keeps resident: indexes, mapped logs, cache.
    pub resident_bytes: u64,
    /// Checkpoints published.
    pub checkpoints: u64,
    /// Records that the open replayed from the logs.
    pub recovered_records: u64,
    /// How long the open took, in microseconds.
    pub open_micros: u64,
    /// Bytes of files on disk, preallocated ones included.
    pub disk_bytes: u64,
    /// Syncs of a log to the device.
    pub syncs: u64,
}

const _: () = assert!(size_of::<warp_statistics>() == size_of::<u64>() * 17);

/// A struct_size beyond this is a forgotten one and not a newer caller's.
const STRUCT_SIZE_MAX: usize = 64 << 10;

/// Get counters and sizes.
///
/// The struct may grow in later versions: nothing is written beyond the struct_size that the
/// caller has set, and fields that this version does not know are set to 0. The figures are not
/// from one instant: other threads go on meanwhile.
///
///   db    an open database
///   out   a struct whose struct_size was set to sizeof(warp_statistics)
///
/// Returns
///   WARP_OK                     filled
///   WARP_ERR_INVALID_ARGUMENT   a NULL, or struct_size was not set
#[no_mangle]
pub unsafe extern "C" fn warp_stats(db: *mut warp_db, out: *mut warp_statistics) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes NULL or at least the first field, which it has set.
        let size = unsafe { super::pointer::required(out.cast::<usize>(), "out") }?;
        let size = *size;
        if !(size_of::<usize>()..=STRUCT_SIZE_MAX).contains(&size) {
            let text = format!("struct_size is {size}; set it to sizeof(warp_statistics) first");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let all = statistics(db);
        let header = std::mem::offset_of!(warp_statistics, keys);
        // Whole fields only, up to what the shorter of the two structs has.
        let known = (size.min(size_of::<warp_statistics>()) / 8 * 8).max(header);
        if size > header {
            let from = (&raw const all).cast::<u8>();
            let to = out.cast::<u8>();
            // SAFETY: the caller passes struct_size bytes, and header <= known <= size.
            unsafe {
                to.add(header).copy_from_nonoverlapping(from.add(header), known - header);
                to.add(known).write_bytes(0, size - known);
            }
        }
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

fn statistics(db: &Db) -> warp_statistics {
    let s = db.stats();
    warp_statistics {
        struct_size: size_of::<warp_statistics>(),
        keys: s.keys,
        puts: s.puts,
        gets: s.gets,
        hits: s.hits,
        deletes: s.deletes,
        shards: s.shards,
        log_bytes: s.log_bytes,
        live_bytes: s.live_bytes,
        index_bytes: s.index_bytes,
        cache_bytes: s.cache_bytes,
        resident_bytes: s.resident_bytes,
        checkpoints: s.checkpoints,
        recovered_records: s.recovered_records,
        open_micros: s.open_micros,
        disk_bytes: s.disk_bytes,
        syncs: s.syncs,
    }
}

/// Get everything that is known, for each shard too, as JSON.
///
/// The set of members may change with any version; use warp_stats for what a program depends on.
///
///   db    an open database
///   out   receives a terminated UTF-8 string, or NULL on failure; free it with warp_string_free
///
/// Returns
///   WARP_OK                     made
///   WARP_ERR_INVALID_ARGUMENT   a NULL
#[no_mangle]
pub unsafe extern "C" fn warp_stats_json(db: *mut warp_db, out: *mut *mut c_char) -> warp_status {
    let body = |db: &Db| {
        // SAFETY: the caller passes a place for one pointer.
        let place = unsafe { place(out, "out") }?.write(std::ptr::null_mut());
        let json = CString::new(db.stats_json())
            .map_err(|e| Error::new(ErrorKind::Internal, format!("statistics: {e}")))?;
        *place = json.into_raw();
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { read(db, body) }
}

/// Free a string that the library made.
///
///   string   a string of warp_stats_json, or NULL
#[no_mangle]
pub unsafe extern "C" fn warp_string_free(string: *mut c_char) {
    if !string.is_null() {
        // SAFETY: the caller gives back what `warp_stats_json` made, once and unchanged.
        guard_free(|| drop(unsafe { CString::from_raw(string) }));
    }
}
