//! Where a log may end if nothing that its last writer stored can be missing: in the boot of the
//! kernel in which it ran, with no sync that failed.

use crate::error::{Error, Result};
use crate::log::record::{FLAG_IN_BATCH, RECORD_HEADER};
use crate::log::resync::Resync;
use crate::log::segment::{Segment, SEGMENT_HEADER};
use crate::log::stored::Reader;
use std::sync::Arc;

/// How far behind a clean end of a log records are looked for that should not be there.
const LOOK_BEYOND: usize = 256 << 10;

/// Whether a log may end at `stop` if every store of its last writer is there.
pub(super) fn check_exact_end(
    segment: &Arc<Segment>,
    stop: usize,
    later: &[&Arc<Segment>],
) -> Result<()> {
    for later in later {
        if has_record(later, SEGMENT_HEADER)? {
            return Err(segment.damaged(stop));
        }
    }
    if has_record_beyond(segment, stop)? {
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
fn has_record(segment: &Arc<Segment>, at: usize) -> Result<bool> {
    let mut reader = Reader::new(segment)?;
    let record = reader.record(at, segment.len())?;
    Ok(record.is_some_and(|r| r.flags & FLAG_IN_BATCH == 0))
}

/// Whether a record lies beyond the end of a log. Where nothing was begun at the end, the writer
/// stopped there, and only what lies close to it is looked at. Records inside a batch that was torn
/// do not count.
fn has_record_beyond(segment: &Arc<Segment>, end: usize) -> Result<bool> {
    let len = segment.len();
    let mut reader = Reader::new(segment)?;
    if end + RECORD_HEADER > len {
        return Ok(false);
    }
    let begun = reader.bytes(end, end + RECORD_HEADER)?.iter().any(|b| *b != 0);
    let to = if begun { len } else { len.min(end + LOOK_BEYOND) };
    let bytes = reader.bytes(end, to)?;
    let resync = Resync::new(bytes, segment.seed).with_remains(segment.id.remains);
    let mut at = 8;
    while let Some((found, record)) = resync.next(at, bytes.len()) {
        if record.flags & FLAG_IN_BATCH == 0 {
            return Ok(true);
        }
        at = found + record.total_len();
    }
    Ok(false)
}
