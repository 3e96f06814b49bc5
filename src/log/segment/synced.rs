//! How far the device has a segment: the `synced` word of its header, and the syncs that raise it.
//!
//! ```text
//! Format: low half: end / 8; high half: its complement, the top bit flipped while a sync is under
//! way. Any other value says nothing.
//! ```
//!
//! Invariants:
//! 1. All below the end is on the device: it is stored after a sync up to there has succeeded.
//! 2. The bit is stored before a sync begins and taken back after it has succeeded, both under the
//!    lock of the file. So whoever finds it set, in the boot in which it was set, knows that the sync
//!    failed, or that the process died in it.
//!
//! A failed sync leaves pages that the kernel takes for clean: a later sync passes over them and
//! succeeds. [`Segment::write_again`] makes them dirty again, so that it does not.

use super::{Segment, SEGMENT_HEADER, SYNCED_AT};
use crate::error::{Error, Result};
use crate::log::stored::Reader;
use crate::sabotage::{self, Sabotage};
use crate::sys::io::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// In the high half, while a sync is under way.
const UNDER_WAY: u32 = 1 << 31;
/// Bytes that are written again at a time.
const PIECE: usize = 1 << 20;

fn encode(end: usize, under_way: bool) -> u64 {
    let low = (end / 8) as u32;
    let high = !low ^ if under_way { UNDER_WAY } else { 0 };
    u64::from(low) | u64::from(high) << 32
}

/// The end, 0 if the word says nothing, and whether a sync is under way.
fn decode(word: u64) -> (usize, bool) {
    let (low, high) = (word as u32, (word >> 32) as u32);
    match low ^ !high {
        0 => (low as usize * 8, false),
        UNDER_WAY => (low as usize * 8, true),
        _ => (0, false),
    }
}

/// What the `synced` word of a header says: the end, 0 if the word is not whole, and whether a sync
/// was begun that has not succeeded.
pub(super) fn of_header(header: &[u8; SEGMENT_HEADER]) -> (usize, bool) {
    let word = header[SYNCED_AT..].first_chunk::<8>();
    decode(word.map_or(0, |word| u64::from_le_bytes(*word)))
}

/// The end that the `synced` word of a header gives; 0 if the word is not whole.
pub(crate) fn synced_end(header: &[u8; SEGMENT_HEADER]) -> usize {
    of_header(header).0
}

impl Segment {
    /// Changes the word in the header, while that is mapped.
    fn change_synced(&self, change: impl Fn((usize, bool)) -> (usize, bool)) {
        let Some(map) = self.mapping() else { return };
        // SAFETY: the header is in the mapping, the word is aligned, and only ever accessed so.
        let stored = unsafe { AtomicU64::from_ptr(map.address().add(SYNCED_AT).cast()) };
        let change = |word| {
            let (end, under_way) = change(decode(u64::from_le(word)));
            Some(encode(end, under_way).to_le())
        };
        let _ = stored.fetch_update(Ordering::Release, Ordering::Relaxed, change);
    }

    /// Syncs the file's contents below `end`, or all of it.
    pub(crate) fn sync(&self, end: usize) -> std::io::Result<()> {
        // One sync at a time: the kernel reports a failure once, and whoever did not get the
        // report must not take the next success for its own.
        let file = self.file();
        if self.sync_failed.load(Ordering::Relaxed) {
            return Err(std::io::Error::from_raw_os_error(libc::EIO));
        }
        let result = match (&*file, &self.pool) {
            (Some(file), _) => self.sync_file(&**file, end),
            // Recovery has sealed it, and found no file to spare.
            (None, Some(pool)) if !self.is_synced() => {
                pool.io.open(&self.path, true).and_then(|file| self.sync_file(&*file, end))
            }
            (None, _) => Ok(()),
        };
        if result.is_err() {
            self.sync_failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn sync_file(&self, file: &dyn File, below: usize) -> std::io::Result<()> {
        self.change_synced(|(end, _)| (end, true));
        match self.mapping() {
            // What is made present ahead of the tail stays as it is: its pages would be written for
            // nothing, and writers would have to wait until each is writable again.
            Some(map) if self.end().is_none() => file.sync_data_below(&map, below)?,
            _ => file.sync_data()?,
        }
        self.change_synced(|(end, _)| (end, false));
        Ok(())
    }

    /// Notes that everything below `end` is on the device: in the header too, while that is
    /// mapped. Without it a recovery knows less, and nothing that is not so.
    pub(crate) fn set_synced(&self, end: usize) {
        if self.synced.load(Ordering::Acquire) >= end {
            return;
        }
        if self.end() == Some(end) {
            self.close_file();
        }
        self.change_synced(|(_, under_way)| (end, under_way));
        // Last: a segment that is synced to its end may become cold.
        self.synced.fetch_max(end, Ordering::AcqRel);
    }

    /// The end up to which the segment is known to be on the device, at least the header.
    pub(crate) fn synced(&self) -> usize {
        self.synced.load(Ordering::Acquire).max(SEGMENT_HEADER)
    }

    /// Whether its header said, when it was found, that a sync was begun that had not succeeded.
    pub(crate) fn sync_is_open(&self) -> bool {
        self.sync_open.load(Ordering::Relaxed)
    }

    /// Writes the header, and all records up to `end` that no sync is known to have covered, where
    /// they are: the next sync writes them, whatever became of an earlier one. For recovery, when
    /// nobody appends to the segment.
    pub(crate) fn write_again(self: &Arc<Self>, end: usize) -> Result<()> {
        if sabotage::is(Sabotage::TrustedCache) {
            return Ok(());
        }
        let os = |e: std::io::Error| Error::os(format!("write {}", self.path.display()), &e);
        let Some(pool) = &self.pool else { return Ok(()) };
        let file = pool.io.open(&self.path, true).map_err(os)?;
        let from = self.synced();
        let pieces = (from..end).step_by(PIECE).map(|at| (at, end.min(at + PIECE)));
        for (from, to) in pieces.chain([(0, SEGMENT_HEADER)]) {
            let mut bytes = vec![0; to - from];
            file.read_exact_at(&mut bytes, from as u64).map_err(os)?;
            if let Some(header) = bytes.first_chunk_mut::<SEGMENT_HEADER>().filter(|_| from == 0) {
                let word = encode(of_header(header).0, false);
                header[SYNCED_AT..SYNCED_AT + 8].copy_from_slice(&word.to_le_bytes());
            }
            file.write_all_at(&bytes, from as u64).map_err(os)?;
        }
        // Until just now the kernel might have forgotten what recovery had seen.
        let mut reader = Reader::new(self)?;
        let mut at = from;
        while at < end {
            let record = reader.record(at, end)?;
            at += record.ok_or_else(|| self.damaged(at))?.total_len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_keeps_its_end_whether_or_not_a_sync_is_under_way() {
        for end in [0, 128, 4096, 64 << 20, (1 << 30) + 69_632] {
            for under_way in [false, true] {
                assert_eq!(decode(encode(end, under_way)), (end, under_way));
            }
        }
        assert_eq!(decode(0), (0, false));
        assert_eq!(decode(encode(4096, false) ^ 1 << 5), (0, false));
    }
}
