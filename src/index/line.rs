//! A line: one cache line of eight entries and an overflow count.
//!
//! The top bits of the eight words form a number, bit `i` in word `i`: how many entries whose
//! probe starts at this line or before it lie beyond it. A reader that does not find its key here
//! goes on to the next line only if the number is not 0. At 255 the number sticks, until the
//! group is rebuilt.

use super::entry::{Entry, LINE_BIT};
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries in a line.
pub(crate) const LINE_ENTRIES: usize = 8;

/// One cache line of the index.
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [AtomicU64; LINE_ENTRIES]);

const _: () = assert!(size_of::<Line>() == 64);

/// Entries that the last line of a count may push on before the count sticks.
const COUNT_MAX: u32 = 255;

impl Line {
    #[inline(always)]
    pub(crate) fn load(&self, i: usize) -> u64 {
        self.0[i].load(Ordering::Relaxed)
    }

    /// Publishes `entry` at place `i`: whoever sees it sees the record it points to.
    #[inline]
    pub(crate) fn publish(&self, i: usize, entry: Entry) {
        self.0[i].store(entry.0 | self.load(i) & LINE_BIT, Ordering::Release);
    }

    /// Empties place `i`.
    pub(crate) fn clear(&self, i: usize) {
        self.0[i].store(self.load(i) & LINE_BIT, Ordering::Release);
    }

    /// The overflow count.
    pub(crate) fn overflow(&self) -> u32 {
        (0..LINE_ENTRIES).map(|i| ((self.load(i) >> 63) as u32) << i).sum()
    }

    /// One more entry lies beyond this line. The group must be marked as changing.
    pub(crate) fn overflow_add(&self) {
        let count = self.overflow();
        if count < COUNT_MAX {
            self.set_overflow(count + 1);
        }
    }

    /// One less lies beyond it. The group must be marked as changing.
    pub(crate) fn overflow_sub(&self) {
        let count = self.overflow();
        debug_assert!(count > 0);
        if count > 0 && count < COUNT_MAX {
            self.set_overflow(count - 1);
        }
    }

    fn set_overflow(&self, count: u32) {
        for i in 0..LINE_ENTRIES {
            let word = self.load(i) & !LINE_BIT | u64::from(count >> i & 1) << 63;
            self.0[i].store(word, Ordering::Release);
        }
    }
}
