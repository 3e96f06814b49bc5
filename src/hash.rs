//! The hash of a key and what its bits are used for.
//!
//! SipHash-1-3 with a 128-bit key drawn when the database is created: nobody who chooses keys can
//! choose collisions, and the hash is the same on every machine and in every version. Its bits:
//!
//! ```text
//! 63        52 51     44 43           23 22              0
//! | slot: 12  | group: 8 |    tag: 21   |     unused      |
//! ```
//!
//! * slot: the slot table says which shard has it (placement, see `docs/architecture.md`);
//! * group and tag: where the key's entry lies in the shard's index, see [`crate::index`].

use siphasher::sip::SipHasher13;

/// Number of placement slots.
pub(crate) const SLOTS: usize = 1 << 12;
/// Bits of the hash that select a group of the index.
pub(crate) const GROUP_BITS: u32 = 8;
/// Bits of the hash that an index entry holds.
pub(crate) const TAG_BITS: u32 = 21;

/// The hash of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// The placement slot.
    #[inline(always)]
    pub(crate) fn slot(self) -> usize {
        (self.0 >> 52) as usize
    }

    /// The group of the index.
    #[inline(always)]
    pub(crate) fn group(self) -> usize {
        (self.0 >> 44) as usize & ((1 << GROUP_BITS) - 1)
    }

    /// The tag in the index entry.
    #[inline(always)]
    pub(crate) fn tag(self) -> u32 {
        (self.0 >> 23) as u32 & ((1 << TAG_BITS) - 1)
    }
}

/// A database's hash function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hasher {
    sip: SipHasher13,
}

impl Hasher {
    pub(crate) fn new(seed: [u64; 2]) -> Self {
        Hasher { sip: SipHasher13::new_with_keys(seed[0], seed[1]) }
    }

    #[inline(always)]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(self.sip.hash(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash decides where every key of every existing database lies: these values never
    /// change.
    #[test]
    fn the_hash_is_stable() {
        let h = Hasher::new([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        assert_eq!(h.hash(b"").0, 0xabac_0158_050f_c4dc);
        assert_eq!(h.hash(&[0]).0, 0xc9f4_9bf3_7d57_ca93);
    }
}
