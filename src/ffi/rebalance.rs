//! Evening out the load between shards.
//!
//! Every key belongs to one of 4,096 slots, and every slot to a shard. Slots move between shards
//! while the database serves; no record is written for that.

use super::db::warp_db;
use super::guard::write;
use super::pointer::out;
use super::status::{warp_status, WARP_OK};
use crate::Db;

/// Move slots from hot shards to cool ones until the load is even.
///
/// The load is what the load monitor has seen in the last seconds, or, if that is too little, the
/// bytes that are stored. Reads go on meanwhile; a write waits while the index entries of one slot
/// move. A crash leaves the placement from before or after, and every record, in either case.
///
///   db      an open database
///   moved   receives the number of slots that were moved; may be NULL
///
/// Returns
///   WARP_OK                     done; 0 slots if the load is even, or if no move helps
///   WARP_ERR_INVALID_ARGUMENT   a NULL handle
///   WARP_ERR_READ_ONLY          the database takes no writes
///   WARP_ERR_CORRUPTION         a record is damaged; what had moved until then has moved
///   WARP_ERR_OUT_OF_MEMORY      an index could not grow; likewise
#[no_mangle]
pub unsafe extern "C" fn warp_rebalance(db: *mut warp_db, moved: *mut u64) -> warp_status {
    let body = |db: &Db| {
        let count = db.rebalance()?;
        if !moved.is_null() {
            // SAFETY: the caller passes NULL or a place for a number.
            unsafe { out(moved, "moved") }?.write(count);
        }
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}

/// Move one slot to a shard, whatever the load.
///
///   db      an open database
///   slot    0 to 4,095
///   shard   a shard
///
/// Returns
///   WARP_OK                     it is there
///   WARP_ERR_INVALID_ARGUMENT   a NULL handle, no such slot or no such shard
///   WARP_ERR_READ_ONLY          the database takes no writes
#[no_mangle]
pub unsafe extern "C" fn warp_move_slot(db: *mut warp_db, slot: u32, shard: u32) -> warp_status {
    let body = |db: &Db| {
        db.move_slot(slot as usize, shard as usize)?;
        Ok(WARP_OK)
    };
    // SAFETY: the caller passes an open handle.
    unsafe { write(db, body) }
}
