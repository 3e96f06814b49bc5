//! Reads: from a key to its record, without a lock.
//!
//! Invariant: a record is looked at only under an epoch guard, or with a reference to its
//! segment. A record that another process (or an earlier opening) wrote is verified each time.

use super::Engine;
use crate::epoch;
use crate::error::Result;
use crate::hash::KeyHash;
use crate::log::record::Kind;
use crate::log::slots::Found;
use crate::packed::check_lengths;
use crate::value::Pinned;
use std::mem::MaybeUninit;

/// Keys of a multi-get whose loads are under way together.
const MULTI_GET_WIDTH: usize = 32;

impl Engine {
    /// The record of `key`.
    ///
    /// # Safety
    /// The caller holds an epoch guard or the shard's lock while it uses the answer.
    #[inline(always)]
    pub(crate) unsafe fn lookup(&self, hash: KeyHash, key: &[u8]) -> Result<Option<Found>> {
        // SAFETY: the caller's promise.
        unsafe {
            match self.lookup_in(hash, key)? {
                None if self.placement.version() != 0 => self.lookup_again(key),
                answer => Ok(answer),
            }
        }
    }

    /// [`Engine::lookup`] where keys have changed their shards since open: what is not found may
    /// have been on the way.
    ///
    /// # Safety
    /// As for [`Engine::lookup`].
    #[cold]
    unsafe fn lookup_again(&self, key: &[u8]) -> Result<Option<Found>> {
        loop {
            let version = self.placement.version();
            // SAFETY: the caller's promise.
            let answer = unsafe { self.lookup_in(self.hash_of(key), key)? };
            if answer.is_some() || self.placement.version() == version {
                return Ok(answer);
            }
        }
    }

    /// The record of `key` in the shard that has its hash now.
    ///
    /// # Safety
    /// As for [`Engine::lookup`].
    #[inline(always)]
    unsafe fn lookup_in(&self, hash: KeyHash, key: &[u8]) -> Result<Option<Found>> {
        let index = &self.shard(hash).index;
        let mut attempt = 0;
        loop {
            let mut search = index.search(hash);
            while let Some((_, at)) = search.next() {
                // SAFETY: the caller's promise.
                if let Some(found) = unsafe { self.is_record_of(at, key)? } {
                    return Ok(Some(found));
                }
            }
            if search.settled(&mut attempt) {
                return Ok(None);
            }
        }
    }

    /// The record at `at`, if it is a put of `key`. An entry leads to nothing else once recovery
    /// is done.
    ///
    /// # Safety
    /// As for [`Engine::lookup`].
    #[inline(always)]
    pub(crate) unsafe fn is_record_of(
        &self,
        at: crate::index::entry::Location,
        key: &[u8],
    ) -> Result<Option<Found>> {
        // SAFETY: the caller's promise.
        unsafe {
            let found = self.slots.record(at)?;
            self.slots.verify(&found)?;
            let fits = found.raw.is_key(key) && found.raw.header.kind == Kind::Put as u8;
            Ok(fits.then_some(found))
        }
    }

    /// Runs `take` on the value of `key`, with the slot of its segment.
    #[inline(always)]
    pub(crate) fn read<T>(&self, key: &[u8], take: impl Fn(u32, &[u8]) -> T) -> Result<Option<T>> {
        let hash = match self.placement.rules() {
            None => self.hasher.hash(key),
            Some(_) => self.attend(key),
        };
        let guard = epoch::pin();
        // The common case, in as few instructions as can be, so that the processor reaches the
        // next get while it waits for the memory of this one.
        if let Some(at) = self.shard(hash).index.first(hash) {
            // SAFETY: the guard is held until the value has been taken.
            if let Some(value) = unsafe { self.slots.trusted_value(at, key) } {
                let answer = take(at.slot, value);
                self.reads.hit(guard.thread_number(), hash);
                return Ok(Some(answer));
            }
        }
        self.read_slowly(&guard, hash, key, take)
    }

    /// The hash of a key that is read, where there are rules or where reads are attended.
    #[cold]
    #[inline(never)]
    fn attend(&self, key: &[u8]) -> KeyHash {
        let hash = self.hash_of(key);
        if self.placement.attends() {
            self.attend_read(key, hash);
        }
        hash
    }

    /// [`Engine::read`] for whatever is not common: no such key, an entry that lies elsewhere, a
    /// record to verify.
    #[inline(never)]
    fn read_slowly<T>(
        &self,
        guard: &epoch::Guard,
        hash: KeyHash,
        key: &[u8],
        take: impl Fn(u32, &[u8]) -> T,
    ) -> Result<Option<T>> {
        // SAFETY: the guard is held until the value has been taken.
        let answer =
            unsafe { self.lookup(hash, key)?.map(|found| take(found.at.slot, found.raw.value())) };
        self.reads.count(guard.thread_number(), 1, u64::from(answer.is_some()), hash);
        Ok(answer)
    }

    /// Copies the value into `buf` if it fits, and returns its length.
    #[inline(always)]
    pub(crate) fn get_into(
        &self,
        key: &[u8],
        buf: &mut [MaybeUninit<u8>],
    ) -> Result<Option<usize>> {
        let (to, room) = (buf.as_mut_ptr().cast::<u8>(), buf.len());
        self.read(key, |_, value| {
            if value.len() <= room {
                // SAFETY: the value has as many bytes, and a caller's buffer is not log memory.
                unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len()) };
            }
            value.len()
        })
    }

    pub(crate) fn get_pinned(&self, key: &[u8]) -> Result<Option<Pinned>> {
        // SAFETY: `read` holds a guard around the closure.
        self.read(key, |slot, value| unsafe { Pinned::of_segment(value, self.slots.share(slot)) })
    }

    /// Pinned reads of `n` keys, the loads of all their lines first, then of all their records.
    pub(crate) fn multi_get<'k>(
        &self,
        n: usize,
        key: impl Fn(usize) -> &'k [u8],
        mut each: impl FnMut(usize, Result<Option<Pinned>>),
    ) {
        let mut hashes = [KeyHash(0); MULTI_GET_WIDTH];
        let (mut done, mut hits) = (0, 0);
        let guard = epoch::pin();
        while done < n {
            let width = (n - done).min(MULTI_GET_WIDTH);
            for (i, hash) in hashes[..width].iter_mut().enumerate() {
                *hash = self.hash_of(key(done + i));
                self.shard(*hash).index.prefetch(*hash);
            }
            for hash in &hashes[..width] {
                if let Some(at) = self.shard(*hash).index.first(*hash) {
                    self.slots.prefetch(at);
                }
            }
            for (i, hash) in hashes[..width].iter().enumerate() {
                let answer = self.pinned_at(*hash, key(done + i));
                hits += u64::from(matches!(answer, Ok(Some(_))));
                each(done + i, answer);
            }
            done += width;
        }
        if n > 0 {
            let last = hashes[(n - 1) % MULTI_GET_WIDTH];
            self.reads.count(guard.thread_number(), n as u64, hits, last);
        }
    }

    /// One of a multi-get; its caller holds the guard.
    #[inline(always)]
    fn pinned_at(&self, hash: KeyHash, key: &[u8]) -> Result<Option<Pinned>> {
        check_lengths(key.len(), 0)?;
        // SAFETY: `multi_get` holds a guard.
        unsafe {
            let first = self.shard(hash).index.first(hash);
            if let Some((at, value)) =
                first.and_then(|at| Some((at, self.slots.trusted_value(at, key)?)))
            {
                return Ok(Some(Pinned::of_segment(value, self.slots.share(at.slot))));
            }
            let Some(found) = self.lookup(hash, key)? else { return Ok(None) };
            let value = found.raw.value();
            Ok(Some(Pinned::of_segment(value, self.slots.share(found.at.slot))))
        }
    }
}
