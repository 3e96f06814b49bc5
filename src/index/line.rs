//! A line: one cache line of eight entries and an overflow count.
//!
//! The top bits of the eight words form a number, bit `i` in word `i`: how many entries whose
//! probe starts at this line or before it lie beyond it. A reader that does not find its key here
//! goes on to the next line only if the number is not 0. At 255 the number sticks, until the
//! group is rebuilt.

use super::entry::{Entry, LINE_BIT, TAG_MASK};
use crate::sync::atomic::{AtomicU64, Ordering};

/// Entries in a line.
pub(crate) const LINE_ENTRIES: usize = 8;

/// One cache line of the index.
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [AtomicU64; LINE_ENTRIES]);

#[cfg(not(feature = "shuttle"))]
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

/// A bit for each place of the line whose tag is that of `wanted`, a tag at its place in a word
/// ([`super::entry::tag_word`]); the eight bits above them mean nothing. An empty place may be
/// among them. Only a hint: the word may be another one by the time that it is loaded.
///
/// Sixteen instructions with the vectors that every x86-64 has, instead of sixty: the fewer a get
/// takes, the more of the next one runs while it waits for memory.
#[cfg(all(target_arch = "x86_64", not(feature = "shuttle")))]
#[inline(always)]
pub(crate) fn scan(line: &Line, wanted: u64) -> u32 {
    let matches: u32;
    // The tags lie in the upper halves of the words: four of them to a vector, compared, and the
    // answers packed to a bit each.
    //
    // SAFETY: reads the 64 bytes of the line and nothing else. In assembly, since other threads
    // store to the words meanwhile: the processor loads each aligned word whole.
    unsafe {
        std::arch::asm!(
            "movaps {a}, [{line}]",
            "movaps {b}, [{line} + 32]",
            "shufps {a}, [{line} + 16], 0xdd",
            "shufps {b}, [{line} + 48], 0xdd",
            "pand {a}, {mask}",
            "pand {b}, {mask}",
            "pcmpeqd {a}, {wanted}",
            "pcmpeqd {b}, {wanted}",
            "packssdw {a}, {b}",
            "packsswb {a}, {a}",
            "pmovmskb {matches:e}, {a}",
            line = in(reg) line,
            mask = in(xmm_reg) std::arch::x86_64::_mm_set1_epi32((TAG_MASK >> 32) as i32),
            wanted = in(xmm_reg) std::arch::x86_64::_mm_set1_epi32((wanted >> 32) as i32),
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            matches = out(reg) matches,
            options(readonly, nostack, preserves_flags),
        );
    }
    matches
}

/// As above, where there are other vectors, or where each load is to be a step of its own.
#[cfg(any(not(target_arch = "x86_64"), feature = "shuttle"))]
#[inline(always)]
pub(crate) fn scan(line: &Line, wanted: u64) -> u32 {
    let fits = |i: usize| u32::from((line.load(i) ^ wanted) & TAG_MASK == 0) << i;
    (0..LINE_ENTRIES).map(fits).sum()
}

const _: () = assert!(TAG_MASK as u32 == 0, "the tag lies in the upper half of a word");
