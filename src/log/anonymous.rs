//! Anonymous memory for the segments of a database in memory, within its limit.
//!
//! Such a database has nothing to fall back on, so what would pass the limit is refused; a share of
//! it is kept for what gives memory back: deletes, and the copies that compaction makes.
//!
//! Invariant: every mapping counts, from before it is made until it is gone, which is when the last
//! pinned value in it is released.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::map::Mapping;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// The share of the limit that puts leave free.
const RESERVE_SHARE: u64 = 8;

/// What segments of one database take.
#[derive(Debug)]
pub(crate) struct Anonymous {
    taken: Arc<AtomicU64>,
    limit: AtomicU64,
}

/// A mapping's part, given back when it goes.
struct Taken {
    bytes: u64,
    of: Arc<AtomicU64>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Anonymous {
    pub(crate) fn new() -> Anonymous {
        Anonymous { taken: Arc::default(), limit: AtomicU64::new(u64::MAX) }
    }

    /// Sets the most bytes that there may be.
    pub(crate) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that there are.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Whether puts will soon be refused, or are.
    pub(crate) fn is_tight(&self) -> bool {
        self.taken() > self.limit() / 8 * 6
    }

    /// Maps `bytes`. `urgent`: what is kept in reserve may be used.
    pub(crate) fn map(&self, bytes: usize, urgent: bool) -> Result<Mapping> {
        let limit = self.limit();
        let most = if urgent { limit } else { limit - limit / RESERVE_SHARE };
        let taken = Taken { bytes: bytes as u64, of: self.taken.clone() };
        let all = self.taken.fetch_add(taken.bytes, Ordering::Relaxed) + taken.bytes;
        if all > most {
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "a segment of {bytes} bytes would take the database in memory to {all} bytes \
                     of segments, and memory_limit leaves {most} for them: delete something, or \
                     raise the limit"
                ),
            ));
        }
        let map = Mapping::anonymous(bytes)
            .map_err(|e| Error::os(format!("allocate a segment of {bytes} bytes"), &e))?;
        Ok(map.keeping(Box::new(taken)))
    }
}
