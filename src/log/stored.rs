//! Records of cold segments, read from the file: one at a time, or in order through a window.
//!
//! Invariants:
//! 1. What is handed out has been verified against its checksum.
//! 2. A read of the file takes no more memory than the record it is for, or a window
//!    ([`WINDOW`]), whichever is more.
//! 3. A read that fails is an error that names file and offset; a record that does not verify is
//!    told apart from it.
//!
//! Any thread may call this. Who reads must keep the segment's file from being removed
//! ([`Segment::add_reader`]), or know that nobody removes it.

use super::record::{self, Header, Record, RECORD_HEADER};
use super::segment::{Raw, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::io::File;
use crate::sys::map::Mapping;
use std::sync::Arc;

/// What is read first of a record, up to the end of a page.
const PAGE: usize = 4096;
/// But at least so much: most records lie within.
const FIRST_MIN: usize = 512;
/// What is read at once where all records of a segment are wanted.
pub(crate) const WINDOW: usize = 256 << 10;

/// A record that was read from a cold segment and has been verified.
#[derive(Debug)]
pub(crate) struct Stored {
    header: Header,
    /// From its checksum to the end of its value, and what [`room_for`] adds.
    bytes: Box<[u8]>,
}

/// Bytes of memory for `len`: one of eight sizes between two powers of two. Records that come and go
/// then leave room for each other, and not holes of every size.
fn room_for(len: usize) -> usize {
    let step = len.max(64).next_power_of_two() / 16;
    len.next_multiple_of(step)
}

impl Stored {
    /// A record of bytes that were verified.
    pub(crate) fn of_verified(mut bytes: Vec<u8>) -> Option<Stored> {
        let header = Header::decode(bytes.first_chunk()?);
        if header.end() != bytes.len() {
            return None;
        }
        bytes.resize(room_for(header.end()), 0);
        Some(Stored { header, bytes: bytes.into_boxed_slice() })
    }

    /// The record as those see it who look at mapped ones. Good for as long as this lives.
    pub(crate) fn raw(&self) -> Raw {
        Raw { address: self.bytes.as_ptr(), header: self.header }
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.bytes()[RECORD_HEADER + self.header.key_len..]
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.header.end()]
    }

    /// Bytes of memory that they take.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len()
    }
}

/// The error for a read of a segment that failed.
pub(crate) fn read_failed(segment: &Segment, offset: usize, e: &std::io::Error) -> Error {
    if e.kind() == std::io::ErrorKind::UnexpectedEof {
        return Error::corruption(format!(
            "{}: the file ends before or in the record at offset {offset}; \
             `warp verify` lists all damage, a backup or `warp repair` saves the rest",
            segment.path.display()
        ));
    }
    Error::os(format!("read {} at offset {offset}", segment.path.display()), e)
}

/// Records longer than this are not read by those who must not wait: reading, checking and
/// decompressing one takes about 100 microseconds.
pub(crate) const NOWAIT_MAX: usize = 64 << 10;

/// Reads the record at `offset`. `None`: without `wait`, and the device would have to be waited
/// for, or the record is long.
pub(crate) fn read(segment: &Arc<Segment>, offset: usize, wait: bool) -> Result<Option<Stored>> {
    let failed = |e: std::io::Error| read_failed(segment, offset, &e);
    if !wait && !segment.is_open() {
        return Ok(None);
    }
    let file = segment.reading().map_err(failed)?;
    let get = |buf: &mut [u8], at: usize| -> Result<bool> {
        let got = if wait {
            file.read_exact_at(buf, at as u64).map(|()| true)
        } else {
            file.read_at_nowait(buf, at as u64)
        };
        got.map_err(failed)
    };
    let room = segment.end().unwrap_or(segment.len()).saturating_sub(offset);
    let mut first = [0; PAGE + FIRST_MIN];
    let mut len = PAGE - offset % PAGE;
    if len < FIRST_MIN {
        len += PAGE;
    }
    let first = &mut first[..len.min(room).min(PAGE + FIRST_MIN)];
    if !get(first, offset)? {
        return Ok(None);
    }
    let Some(head) = first.first_chunk() else { return Err(segment.damaged(offset)) };
    let header = Header::decode(head);
    if header.end() > room {
        return Err(segment.damaged(offset));
    }
    let end = header.end();
    if !wait && end > NOWAIT_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(room_for(end)).map_err(|_| {
        let text = format!("no memory for the {end} bytes of a record that is read from disk");
        Error::new(ErrorKind::OutOfMemory, text)
    })?;
    bytes.resize(room_for(end), 0);
    let mut bytes = bytes.into_boxed_slice();
    let known = first.len().min(end);
    bytes[..known].copy_from_slice(&first[..known]);
    if known < end && !get(&mut bytes[known..end], offset + known)? {
        return Ok(None);
    }
    let whole = record::is_kind(header.kind)
        && record::checksum(segment.seed, &bytes[4..end]) == header.crc
        || crate::sabotage::is(crate::sabotage::Sabotage::UncheckedCrc);
    if !whole {
        return Err(segment.damaged(offset));
    }
    Ok(Some(Stored { header, bytes }))
}

/// The records of one segment, wherever it is.
pub(crate) struct Reader<'a> {
    segment: &'a Segment,
    source: Source,
}

enum Source {
    Mapped(Arc<Mapping>),
    /// A window of the file that begins at `at`.
    File {
        file: Arc<dyn File>,
        window: Vec<u8>,
        at: usize,
    },
}

impl<'a> Reader<'a> {
    /// A reader of a segment that nobody appends to, or of the part that nobody changes.
    pub(crate) fn new(segment: &'a Arc<Segment>) -> Result<Reader<'a>> {
        let source = match segment.mapping() {
            Some(map) => Source::Mapped(map),
            None => {
                let file = segment.reading().map_err(|e| read_failed(segment, 0, &e))?;
                Source::File { file, window: Vec::new(), at: 0 }
            }
        };
        Ok(Reader { segment, source })
    }

    /// The bytes from `from` to `to`, which lie within the segment and do not change.
    pub(crate) fn bytes(&mut self, from: usize, to: usize) -> Result<&[u8]> {
        assert!(from <= to && to <= self.segment.len());
        match &mut self.source {
            Source::Mapped(map) => {
                self.segment.touch(from, to);
                // SAFETY: within the mapping, which is held; the caller vouches for the writers.
                Ok(unsafe { std::slice::from_raw_parts(map.address().add(from), to - from) })
            }
            Source::File { file, window, at } => {
                if from < *at || to > *at + window.len() {
                    // A long record does not keep its memory.
                    if window.capacity() > 4 * WINDOW {
                        *window = Vec::new();
                    }
                    let len = (to - from).max(WINDOW.min(self.segment.len() - from));
                    window.clear();
                    window.resize(len, 0);
                    // A file may have been trimmed behind its last record.
                    let whole = file.read_exact_at(window, from as u64);
                    let cut =
                        matches!(&whole, Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof);
                    let read = match cut {
                        true => {
                            window.truncate(to - from);
                            file.read_exact_at(window, from as u64)
                        }
                        false => whole,
                    };
                    *at = from;
                    if let Err(e) = read {
                        window.clear();
                        return Err(read_failed(self.segment, from, &e));
                    }
                }
                Ok(&window[from - *at..to - *at])
            }
        }
    }

    /// The bytes from `at` on, up to `limit` or as many as are at hand: at least the record at `at`, if
    /// there is one.
    pub(crate) fn upcoming(&mut self, at: usize, limit: usize) -> Result<&[u8]> {
        let limit = limit.min(self.segment.len());
        if let Source::Mapped(_) = self.source {
            return self.bytes(at.min(limit), limit);
        }
        let head_end = (at + RECORD_HEADER).min(limit);
        let head = self.bytes(at.min(limit), head_end)?;
        let first = head.first_chunk().map_or(0, |head| Header::decode(head).total_len());
        let Source::File { window, at: begin, .. } = &self.source else { return Ok(&[]) };
        let to = (*begin + window.len()).max(at + first).min(limit);
        self.bytes(at.min(limit), to)
    }

    /// The record at `at` that ends at `limit` at the latest, verified; `None` if there is none.
    pub(crate) fn record(&mut self, at: usize, limit: usize) -> Result<Option<Record<'_>>> {
        let limit = limit.min(self.segment.len());
        if at + RECORD_HEADER > limit {
            return Ok(None);
        }
        let seed = self.segment.seed;
        if let Source::Mapped(_) = self.source {
            let record = record::parse(self.bytes(at, limit)?, seed);
            return Ok(record);
        }
        let head = self.bytes(at, at + RECORD_HEADER)?;
        let Some(head) = head.first_chunk() else { return Ok(None) };
        let header = Header::decode(head);
        let end = at + header.total_len();
        if end > limit || !record::is_kind(header.kind) {
            return Ok(None);
        }
        Ok(record::parse(self.bytes(at, end)?, seed))
    }
}

/// Keeps the file of a cold segment from being removed.
pub(crate) struct Hold(Arc<Segment>);

impl Hold {
    /// Holds a segment that cannot be removed at the moment: an entry leads to it, and the caller
    /// has a guard or the shard's lock.
    pub(crate) fn new(segment: Arc<Segment>) -> Hold {
        segment.add_reader();
        Hold(segment)
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.remove_reader();
    }
}
