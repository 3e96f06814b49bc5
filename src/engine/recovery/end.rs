//! Where a log may end if nothing that its last writer stored can be missing: in the boot of the
//! kernel in which it ran, with no sync that failed.

use crate::error::{Error, Result};
use crate::log::record::{FLAG_IN_BATCH, RECORD_HEADER};
use crate::log::resync::Resync;
use crate::log::segment::{Segment, SEGMENT_HEADER};
use std::sync::Arc;

/// How far behind a clean end of a log records are looked for that should not be there.
const LOOK_BEYOND: usize = 256 << 10;

/// Whether a log may end at `stop` if every store of its last writer is there.
pub(super) fn check_exact_end(
    segment: &Segment,
    stop: usize,
    later: &[&Arc<Segment>],
) -> Result<()> {
    if later.iter().any(|s| has_record(s, SEGMENT_HEADER)) || has_record_beyond(segment, stop) {
        return Err(segment.damaged(stop));
    }
    let (len, capacity) = (segment.len() as u64, segment.id.capacity);
    match segment.sealed() {
        Some((end, _)) if end != stop => Err(segment.damaged(stop)),
        Some((_, true)) if later.is_empty() => Err(Error::corruption(format!(
            "segment {} of log {} is missing, which was behind {}",
            segment.id.ordinal + 1,
            segment.id.log,
            segment.path.display()
        ))),
        None if len < capacity => Err(Error::corruption(format!(
            "{} is truncated to {len} bytes of {capacity}",
            segment.path.display()
        ))),
        _ => Ok(()),
    }
}

/// Whether a whole record lies at `at` that is not part of a batch.
fn has_record(segment: &Segment, at: usize) -> bool {
    // SAFETY: nobody appends during recovery.
    at < segment.len()
        && unsafe { segment.verified(at) }.is_some_and(|r| r.flags & FLAG_IN_BATCH == 0)
}

/// Whether a record lies beyond the end of a log. Where nothing was begun at the end, the writer
/// stopped there, and only what lies close to it is looked at. Records inside a batch that was torn
/// do not count.
fn has_record_beyond(segment: &Segment, end: usize) -> bool {
    let len = segment.len();
    // SAFETY: nobody appends during recovery.
    let bytes = unsafe { segment.bytes(0, len) };
    let Some(header) = bytes[end..].first_chunk::<RECORD_HEADER>() else { return false };
    let begun = *header != [0; RECORD_HEADER];
    let to = if begun { len } else { len.min(end + LOOK_BEYOND) };
    let resync = Resync::new(bytes, segment.seed);
    let mut at = end + 8;
    while let Some((found, record)) = resync.next(at, to) {
        if record.flags & FLAG_IN_BATCH == 0 {
            return true;
        }
        at = found + record.total_len();
    }
    false
}
