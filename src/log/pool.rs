//! Open files of segments that are read, not mapped: as many as the process can spare.
//!
//! A segment keeps the file that it was read through last; the pool remembers which segments do,
//! in the order in which they were opened, and closes the oldest that was not read since the hand
//! passed it (the clock algorithm). Closing takes the file from the segment alone: whoever reads
//! through it at the moment holds a reference of its own.
//!
//! Invariants:
//! 1. The pool closes files that it has opened, and no others: a file that a sync will need is
//!    never among them.
//! 2. The pool's lock and a segment's file lock are never held together.
//!
//! Any thread may call this.

use super::segment::Segment;
use crate::sync::Mutex;
use crate::sys::io::Io;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};

/// Most files kept open, whatever the process may have.
const OPEN_MAX: usize = 4096;
/// And fewest.
const OPEN_MIN: usize = 16;

/// The open files of a database's cold segments.
#[derive(Debug)]
pub(crate) struct FilePool {
    pub(crate) io: Arc<dyn Io>,
    limit: usize,
    open: Mutex<VecDeque<Weak<Segment>>>,
}

impl FilePool {
    pub(crate) fn new(io: Arc<dyn Io>) -> Arc<FilePool> {
        let limit = (crate::sys::open_files_max() / 2).clamp(OPEN_MIN, OPEN_MAX);
        Arc::new(FilePool { io, limit, open: Mutex::default() })
    }

    /// Takes note of a segment whose file was opened for reading, and closes others.
    pub(crate) fn opened(&self, segment: &Arc<Segment>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(Arc::downgrade(segment));
        let mut close = Vec::new();
        // Twice round at most: the first time takes the marks of those that were read.
        let mut left = 2 * open.len();
        while open.len() > self.limit && left > 0 {
            left -= 1;
            let Some(oldest) = open.pop_front() else { break };
            let Some(other) = oldest.upgrade() else { continue };
            if left > 0 && (other.take_read_mark() || Arc::ptr_eq(&other, segment)) {
                open.push_back(oldest);
            } else {
                close.push(other);
            }
        }
        drop(open);
        close.iter().for_each(|segment| segment.close_file());
    }

    /// Whether another file can be opened without closing one.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < self.limit
    }

    /// Number of files that are open through the pool.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
