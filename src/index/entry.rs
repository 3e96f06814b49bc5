//! The index entry: one key's place, in one 8-byte word.
//!
//! ```text
//!   63     62      61      41 40       23 22            0
//! | line | arena |  tag: 21  | slot: 18  |  offset/8: 23  |
//! ```
//!
//! * line: not part of the entry; bit `i` of the line's overflow count, see [`super::line`];
//! * arena: reserved for values that are updated in place; 0;
//! * tag: bits of the key's hash;
//! * slot: the segment; offset: of the record in it. No record lies at offset 0, where the
//!   segment's header is, so an entry is never 0, and 0 is an empty place.

use crate::hash::{KeyHash, TAG_BITS};

/// Most segments of a database, and so slot numbers: 18 bits, 16 TiB of 64 MiB segments.
pub(crate) const SEGMENT_SLOTS: usize = 1 << SLOT_BITS;
/// Unit of record offsets.
pub(crate) const RECORD_ALIGN: usize = 8;
/// No record starts at or beyond this offset of a segment.
pub(crate) const OFFSET_END: usize = (1 << OFFSET_BITS) * RECORD_ALIGN;

const OFFSET_BITS: u32 = 23;
const SLOT_BITS: u32 = 18;
const TAG_SHIFT: u32 = OFFSET_BITS + SLOT_BITS;

/// The bit of a word that belongs to its line.
pub(crate) const LINE_BIT: u64 = 1 << 63;
/// The bits of a word that hold the tag.
pub(crate) const TAG_MASK: u64 = ((1 << TAG_BITS) - 1) << TAG_SHIFT;

const _: () = assert!(TAG_SHIFT + TAG_BITS == 62);

/// Where a record is: a segment slot and an offset in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    pub(crate) slot: u32,
    pub(crate) offset: u32,
}

/// A non-empty word without its line bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(pub(crate) u64);

impl Entry {
    #[inline(always)]
    pub(crate) fn new(hash: KeyHash, at: Location) -> Self {
        debug_assert!(at.offset as usize % RECORD_ALIGN == 0 && at.offset != 0);
        debug_assert!((at.offset as usize) < OFFSET_END && (at.slot as usize) < SEGMENT_SLOTS);
        Entry(tag_word(hash) | u64::from(at.slot) << OFFSET_BITS | u64::from(at.offset) >> 3)
    }

    /// The entry in a word, unless the place is empty.
    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        let word = word & !LINE_BIT;
        (word != 0).then_some(Entry(word))
    }

    #[inline(always)]
    pub(crate) fn tag(self) -> u32 {
        ((self.0 & TAG_MASK) >> TAG_SHIFT) as u32
    }

    #[inline(always)]
    pub(crate) fn location(self) -> Location {
        Location {
            slot: (self.0 >> OFFSET_BITS) as u32 & ((1 << SLOT_BITS) - 1),
            offset: (self.0 as u32 & ((1 << OFFSET_BITS) - 1)) << 3,
        }
    }
}

/// The tag of `hash` at its place in a word.
#[inline(always)]
pub(crate) fn tag_word(hash: KeyHash) -> u64 {
    u64::from(hash.tag()) << TAG_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_what_it_was_made_of() {
        let hash = KeyHash(0x0123_4567_89ab_cdef);
        for slot in [0, 1, SEGMENT_SLOTS as u32 - 1] {
            for offset in [128, 136, (OFFSET_END - RECORD_ALIGN) as u32] {
                let entry = Entry::new(hash, Location { slot, offset });
                assert_eq!(entry.location(), Location { slot, offset });
                assert_eq!(entry.tag(), hash.tag());
                assert_eq!(Entry::from_word(entry.0 | LINE_BIT), Some(entry));
            }
        }
        assert_eq!(Entry::from_word(LINE_BIT), None);
    }
}
