//! Revisions: numbers that tell whether a value is still the one that was read.
//!
//! The revision of a value is the sequence number of its record above a base that each opening
//! draws anew. It is the same for the life of the value, and no other value of the key has it:
//! 1. Every write of a key, a delete too, takes a number above all that its shard has given, under
//!    the shard's lock. So a value that comes back after a delete has another number than before,
//!    though its bytes may be the same.
//! 2. A batch has one number, above those of all its shards, and one operation a key.
//! 3. Compaction copies a record with its number. A key that changes its shard leaves no shard
//!    with a number below its own ([`super::rebalance`], step 3).
//! 4. A write that failed has published nothing, so it does no harm that its number is given again.
//! 5. After a loss of power the numbers of records that were lost are given again. So a number
//!    means nothing to another opening, of this directory or of a copy, and neither does a revision:
//!    it is one of the other's values with a chance of 2^-62.

use super::cold::Cold;
use super::meta::COUNT_END;
use super::Engine;
use crate::db::Changed;
use crate::epoch;
use crate::error::Result;
use crate::hash::KeyHash;
use crate::log::slots::Found;
use std::hash::{BuildHasher, RandomState};
use std::mem::MaybeUninit;

const _: () = assert!(COUNT_END <= 1 << 62);

/// Makes revisions of sequence numbers, which stay below [`COUNT_END`].
pub(crate) struct Revisions {
    /// From 2^63 on and below 2^63 + 2^62, so that no sum is 0 or goes round.
    base: u64,
}

impl Revisions {
    /// Those of one opening.
    pub(crate) fn new() -> Revisions {
        Revisions { base: 1 << 63 | RandomState::new().hash_one(0u8) >> 2 }
    }

    #[inline(always)]
    fn of(&self, seq: u64) -> u64 {
        self.base + seq
    }
}

impl Engine {
    /// Copies the value of `key` into `buf` if it fits, unless its revision is `known`.
    #[inline(always)]
    pub(crate) fn get_if_changed(
        &self,
        key: &[u8],
        known: u64,
        buf: &mut [MaybeUninit<u8>],
        wait: bool,
    ) -> Result<Changed> {
        let hash = self.hash_to_read(key);
        let guard = epoch::pin();
        // As for a get: the common case first, in few instructions.
        if let Some(at) = self.shard(hash).index.first(hash) {
            // SAFETY: the guard is held.
            if let Some(found) = unsafe { self.slots.trusted_record(at) } {
                // SAFETY: likewise.
                if unsafe { found.raw.is_put_of(key) } {
                    self.reads.hit(guard.thread_number(), hash);
                    // SAFETY: likewise.
                    return Ok(unsafe { self.copy_changed(&found, known, buf) });
                }
            }
        }
        self.get_if_changed_slowly(&guard, hash, (key, known), buf, wait)
    }

    /// [`Engine::get_if_changed`] for whatever is not common.
    #[inline(never)]
    fn get_if_changed_slowly(
        &self,
        guard: &epoch::Guard,
        hash: KeyHash,
        (key, known): (&[u8], u64),
        buf: &mut [MaybeUninit<u8>],
        wait: bool,
    ) -> Result<Changed> {
        let mut cold = if wait { Cold::reader(guard) } else { Cold::nowait() };
        // SAFETY: the guard is held, and `cold` kept, until the value has been copied.
        let answer = unsafe {
            match self.lookup(hash, key, &mut cold)? {
                Some(found) => self.copy_changed(&found, known, buf),
                None if cold.blocked => return Ok(Changed::WouldBlock),
                None => Changed::Missing,
            }
        };
        let hit = u64::from(answer != Changed::Missing);
        self.reads.count(guard.thread_number(), 1, hit, hash);
        Ok(answer)
    }

    /// # Safety
    /// What `found` points to is kept by the caller.
    #[inline(always)]
    unsafe fn copy_changed(
        &self,
        found: &Found,
        known: u64,
        buf: &mut [MaybeUninit<u8>],
    ) -> Changed {
        let revision = self.revisions.of(found.raw.header.seq);
        if revision == known {
            return Changed::Unchanged;
        }
        // SAFETY: the caller's promise.
        let value = unsafe { found.raw.value() };
        if value.len() <= buf.len() {
            let to = buf.as_mut_ptr().cast::<u8>();
            // SAFETY: there is room, and a caller's buffer is not log memory.
            unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len()) };
        }
        Changed::Value { len: value.len(), revision }
    }
}
