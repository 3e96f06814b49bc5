//! Memory of the index: rows of 256 lines, one line for each group, cut from huge-page chunks.
//!
//! Row `j` of a shard holds line `j` of each of its groups, so growing every group by a line is
//! appending one row, and nothing ever moves or is freed before the database is closed: readers
//! need no protection for index memory.

use super::line::Line;
use crate::hash::GROUP_BITS;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync::Mutex;
#[cfg(not(feature = "shuttle"))]
use crate::sys::map::{Mapping, HUGE_PAGE};
use std::io;

/// Groups of a shard's index, and lines in a row.
pub(crate) const GROUPS: usize = 1 << GROUP_BITS;
/// Bytes of a row: 16 KiB.
pub(crate) const ROW_BYTES: usize = GROUPS * size_of::<Line>();

/// Address space of a chunk. Pages are taken from the system as rows are first touched.
#[cfg(not(feature = "shuttle"))]
const CHUNK_BYTES: usize = 32 << 20;

/// Gives out rows to all shards of a database.
#[cfg_attr(not(feature = "shuttle"), derive(Debug))]
pub(crate) struct RowArena {
    chunks: Mutex<Chunks>,
    /// Bytes of all rows, and the most that there may be.
    bytes: AtomicUsize,
    limit: AtomicUsize,
}

impl Default for RowArena {
    fn default() -> Self {
        let (bytes, limit) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        RowArena { chunks: Mutex::default(), bytes, limit }
    }
}

#[cfg(not(feature = "shuttle"))]
#[derive(Debug, Default)]
struct Chunks {
    maps: Vec<Mapping>,
    /// The unused rest of the last chunk.
    next: usize,
    end: usize,
}

/// The scheduler of tests knows no atomics that lie in zeroed memory: these are made one by one.
#[cfg(feature = "shuttle")]
#[derive(Default)]
struct Chunks {
    rows: Vec<Box<[Line]>>,
}

#[cfg(feature = "shuttle")]
impl Chunks {
    fn row(&mut self) -> io::Result<*mut Line> {
        use crate::sync::atomic::AtomicU64;
        let line = |_| Line([const { AtomicU64::new(0) }; super::line::LINE_ENTRIES]);
        self.rows.push((0..GROUPS).map(line).collect());
        Ok(self.rows.last_mut().expect("just pushed").as_mut_ptr())
    }
}

#[cfg(not(feature = "shuttle"))]
impl Chunks {
    fn row(&mut self) -> io::Result<*mut Line> {
        if self.next == self.end {
            let map = Mapping::anonymous(CHUNK_BYTES + HUGE_PAGE)?;
            map.advise_huge();
            self.next = (map.address() as usize).next_multiple_of(HUGE_PAGE);
            self.end = self.next + CHUNK_BYTES;
            self.maps.push(map);
        }
        let row = self.next;
        self.next += ROW_BYTES;
        Ok(row as *mut Line)
    }
}

impl RowArena {
    /// Sets the most bytes that all rows may take.
    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// A zeroed row, valid as long as the arena.
    pub(crate) fn row(&self) -> io::Result<*mut Line> {
        let (bytes, limit) =
            (self.bytes.load(Ordering::Relaxed), self.limit.load(Ordering::Relaxed));
        if bytes + ROW_BYTES > limit {
            let text = format!("it takes {bytes} bytes, and memory_limit leaves it {limit}");
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, text));
        }
        let mut chunks = self.chunks.lock().unwrap_or_else(|e| e.into_inner());
        let row = chunks.row()?;
        self.bytes.fetch_add(ROW_BYTES, Ordering::Relaxed);
        Ok(row)
    }
}

/// The rows of one shard: an array that only grows. Replaced arrays are kept to the end; together
/// they are no larger than the last, 8 bytes for each 16 KiB of rows.
pub(crate) struct Rows {
    array: AtomicPtr<*mut Line>,
    owner: Mutex<RowsOwner>,
}

#[derive(Default)]
struct RowsOwner {
    arrays: Vec<Box<[*mut Line]>>,
    len: usize,
}

// SAFETY: the pointers are to lines of atomics in an arena that outlives the rows.
unsafe impl Send for Rows {}
// SAFETY: as above; an array's elements are written before any reader is told of them.
unsafe impl Sync for Rows {}

impl Rows {
    pub(crate) fn new() -> Self {
        Rows { array: AtomicPtr::default(), owner: Mutex::default() }
    }

    /// Line `group` of row `row`.
    ///
    /// # Safety
    /// The caller learned of row `row` from a group word published after [`Rows::grow`] to it.
    #[inline(always)]
    pub(crate) unsafe fn line(&self, row: usize, group: usize) -> &Line {
        // SAFETY: the array has `row`, and the row has GROUPS lines; both live as long as self.
        unsafe { &*(*self.array.load(Ordering::Acquire).add(row)).add(group) }
    }

    /// Makes at least `len` rows exist.
    pub(crate) fn grow(&self, len: usize, arena: &RowArena) -> io::Result<()> {
        let mut owner = self.owner.lock().unwrap_or_else(|e| e.into_inner());
        while owner.len < len {
            let row = arena.row()?;
            let used = owner.len;
            if owner.arrays.last().is_none_or(|a| a.len() == used) {
                let mut array = vec![std::ptr::null_mut(); (used * 2).max(8)].into_boxed_slice();
                if let Some(old) = owner.arrays.last() {
                    array[..used].copy_from_slice(old);
                }
                owner.arrays.push(array);
            }
            let array = owner.arrays.last_mut().expect("just pushed");
            array[used] = row;
            self.array.store(array.as_mut_ptr(), Ordering::Release);
            owner.len += 1;
        }
        Ok(())
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.owner.lock().unwrap_or_else(|e| e.into_inner()).len
    }
}
