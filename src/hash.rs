//! The hash of a key and what its bits are used for.
//!
//! XXH3-64 with a secret of 192 random bytes, drawn when the database is created: nobody who does
//! not know the secret can choose keys that collide, and the hash is the same on every machine and
//! in every version (`docs/decisions/003-hash.md`). Its bits:
//!
//! ```text
//! 63        52 51     44 43           23 22              0
//! | slot: 12  | group: 8 |    tag: 21   |     unused      |
//! ```
//!
//! * slot: the slot table says which shard has it (placement, see `docs/architecture.md`);
//! * group and tag: where the key's entry lies in the shard's index, see [`crate::index`].

use xxhash_rust::xxh3::xxh3_64_with_secret;

/// Bytes of the secret.
pub(crate) const SECRET_LEN: usize = 192;

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

    /// This hash with the slot of another, for keys that rules keep together.
    pub(crate) fn with_slot_of(self, other: KeyHash) -> KeyHash {
        const SLOT_BITS: u64 = ((SLOTS - 1) as u64) << 52;
        KeyHash(self.0 & !SLOT_BITS | other.0 & SLOT_BITS)
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
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    secret: Box<[u8; SECRET_LEN]>,
}

impl Hasher {
    pub(crate) fn new(secret: &[u8; SECRET_LEN]) -> Self {
        Hasher { secret: Box::new(*secret) }
    }

    #[inline(always)]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(xxh3_64_with_secret(key, &*self.secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with the reference implementation, `XXH3_64bits_withSecret` of libxxhash 0.8.1.
    ///
    /// The hash decides where every key of every existing database lies: these values never
    /// change.
    #[test]
    fn the_hash_is_stable() {
        let secret = std::array::from_fn(|i| (i * 7 + 3) as u8);
        let h = Hasher::new(&secret);
        let keys: [&[u8]; 6] =
            [b"a", b"lemon", b"sixteen bytes ok", &[7; 40], &[8; 200], &[9; 1000]];
        let known = [
            0x969d_81d7_8b83_a074,
            0x3c25_7fd4_d32c_f3b9,
            0xcb1f_5a1a_aa54_69e9,
            0xb714_6899_99b0_0f66,
            0x5eb6_b010_f7bb_2d41,
            0x81c8_de7b_b872_a374,
        ];
        for (key, known) in keys.iter().zip(known) {
            assert_eq!(h.hash(key).0, known, "key of {} bytes", key.len());
        }
    }
}
