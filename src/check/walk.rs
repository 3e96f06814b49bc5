//! Walking over the records of a segment, past damage.

use crate::log::record::{Header, Kind, Record, FLAG_IN_BATCH, FLAG_MOVED, RECORD_HEADER};
use crate::log::resync::Resync;

/// What a walk meets, in the order of the file.
pub(crate) enum Item<'a> {
    /// A put or a delete that stands alone.
    Record { at: usize, record: Record<'a> },
    /// A batch frame whose checksum fits; its records follow as `Inner`.
    Batch,
    /// A record of a batch. `whole`: its frame verified, and so did all before it there.
    Inner { at: usize, record: Record<'a>, whole: bool },
    /// Bytes that hold no record, with records behind them.
    Gap { from: usize, to: usize },
    /// A batch frame whose checksum fits, but whose contents do not.
    BadFrame { at: usize, to: usize },
}

/// Visits the records between `from` and `to`; returns where the last one ends. No record lies
/// from there to `to`.
pub(crate) fn walk<'a>(
    resync: &Resync<'a>,
    from: usize,
    to: usize,
    visit: &mut dyn FnMut(Item<'a>),
) -> usize {
    let mut at = from;
    loop {
        if let Some(record) = resync.record(at, to).filter(|r| r.flags & FLAG_IN_BATCH == 0) {
            match record.kind {
                Kind::Batch => frame(resync, at, &record, visit),
                _ => visit(Item::Record { at, record }),
            }
            at += record.total_len();
            continue;
        }
        let Some((next, record)) = resync.next(at, to) else { return at };
        if next > at {
            visit(Item::Gap { from: at, to: next });
        }
        at = next;
        if record.flags & FLAG_IN_BATCH != 0 {
            // Its frame did not verify, or the walk would have gone past it.
            if record.kind == Kind::Batch {
                visit(Item::BadFrame { at, to: at + record.total_len() });
            } else {
                visit(Item::Inner { at, record, whole: false });
            }
            at += record.total_len();
        }
    }
}

/// The parts of a frame whose checksum fits.
fn frame<'a>(resync: &Resync<'a>, at: usize, frame: &Record<'a>, visit: &mut dyn FnMut(Item<'a>)) {
    visit(Item::Batch);
    let end = at + RECORD_HEADER + frame.value.len();
    let mut inner = at + RECORD_HEADER.next_multiple_of(8);
    while inner < end {
        let record = resync.record(inner, end).filter(|r| {
            r.kind != Kind::Batch && r.flags & FLAG_IN_BATCH != 0 && r.seq == frame.seq
        });
        let Some(record) = record else {
            return visit(Item::BadFrame { at: inner, to: end });
        };
        visit(Item::Inner { at: inner, record, whole: true });
        inner += record.total_len();
    }
}

/// The key of a record that does not verify, if there is one in `from..to` by what its header
/// says.
pub(crate) fn readable_key(bytes: &[u8], from: usize, to: usize) -> Option<(&[u8], u64)> {
    let bytes = bytes.get(from..to)?;
    let header = Header::decode(bytes.first_chunk()?);
    let fits =
        matches!(header.kind, 1 | 2) && header.flags & !FLAG_MOVED <= 3 && header.key_len > 0;
    let key = bytes.get(RECORD_HEADER..RECORD_HEADER + header.key_len)?;
    fits.then_some((key, header.seq))
}
