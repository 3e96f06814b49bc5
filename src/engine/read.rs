//! Reads: from a key to its record, without a lock.
//!
//! Invariant: a record is looked at only under an epoch guard, or with a reference to its
//! segment. A record that another process (or an earlier opening) wrote is verified each time.

use super::Engine;
use crate::epoch;
use crate::error::Result;
use crate::hash::KeyHash;
use crate::index::entry::Location;
use crate::limits::KEY_LEN_MAX;
use crate::log::record::Kind;
use crate::log::slots::Found;
use crate::packed::check_lengths;
use crate::value::Pinned;
use std::mem::MaybeUninit;

/// Keys of a multi-get whose loads are under way together; a bit each in a `u32`.
const MULTI_GET_WIDTH: usize = 32;

/// A value where it lies, under the guard that keeps it.
pub(crate) struct AtOnce<'e> {
    pub(crate) value: &'e [u8],
    _guard: epoch::ShortGuard,
}

impl Engine {
    /// The record of `key`.
    ///
    /// # Safety
    /// The caller holds an epoch guard or the shard's lock while it uses the answer.
    #[inline(always)]
    pub(crate) unsafe fn lookup(&self, hash: KeyHash, key: &[u8]) -> Result<Option<Found>> {
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
    pub(crate) unsafe fn is_record_of(&self, at: Location, key: &[u8]) -> Result<Option<Found>> {
        // SAFETY: the caller's promise.
        unsafe {
            let found = self.slots.record(at)?;
            self.slots.verify(&found)?;
            let fits = found.raw.is_key(key) && found.raw.header.kind == Kind::Put as u8;
            Ok(fits.then_some(found))
        }
    }

    /// The value of `key`, if it is found without anything out of the ordinary; `None` says nothing.
    ///
    /// Nothing in here calls or panics, so that a caller needs neither a stack frame nor a guard
    /// against panics: what a get takes in instructions decides how far the processor runs ahead
    /// into the next one (`docs/decisions/009-the-short-get.md`).
    #[inline(always)]
    pub(crate) fn find_at_once(&self, key: &[u8]) -> Option<AtOnce<'_>> {
        let hash = self.hasher.hash(key);
        let guard = epoch::try_pin()?;
        let at = self.shard(hash).index.first(hash)?;
        // SAFETY: the guard goes with the value.
        let value = unsafe { self.slots.trusted_value(at, key) }?;
        self.reads.hit_at_once(&guard);
        Some(AtOnce { value, _guard: guard })
    }

    /// Runs `take` on the value of `key`, with the slot of its segment.
    #[inline(always)]
    pub(crate) fn read<T>(&self, key: &[u8], take: impl Fn(u32, &[u8]) -> T) -> Result<Option<T>> {
        let hash = self.hasher.hash(key);
        let guard = epoch::pin();
        // The common case, in as few instructions as can be, so that the processor reaches the
        // next get while it waits for the memory of this one.
        if let Some(at) = self.shard(hash).index.first(hash) {
            // SAFETY: the guard is held until the value has been taken.
            if let Some(value) = unsafe { self.slots.trusted_value(at, key) } {
                let answer = take(at.slot, value);
                self.reads.hit(guard.thread_number());
                return Ok(Some(answer));
            }
        }
        self.read_slowly(&guard, hash, key, take)
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
        self.reads.count(guard.thread_number(), 1, u64::from(answer.is_some()));
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
    #[inline(always)]
    pub(crate) fn multi_get<'k>(
        &self,
        n: usize,
        key: impl Fn(usize) -> &'k [u8],
        mut each: impl FnMut(usize, Result<Option<Pinned>>),
    ) {
        let mut hashes = [KeyHash(0); MULTI_GET_WIDTH];
        let mut places = [None; MULTI_GET_WIDTH];
        let (mut done, mut hits) = (0, 0);
        let guard = epoch::pin();
        while done < n {
            let width = (n - done).min(MULTI_GET_WIDTH);
            for (i, hash) in hashes[..width].iter_mut().enumerate() {
                *hash = self.hasher.hash(key(done + i));
                self.shard(*hash).index.prefetch(*hash);
            }
            let mut strays = 0u32;
            for (i, hash) in hashes[..width].iter().enumerate() {
                let index = &self.shard(*hash).index;
                places[i] = index.first(*hash);
                match places[i] {
                    Some(at) => self.slots.prefetch(at),
                    None => {
                        index.prefetch_second(*hash);
                        strays |= 1 << i;
                    }
                }
            }
            while strays != 0 {
                let i = strays.trailing_zeros() as usize;
                strays &= strays - 1;
                places[i] = self.shard(hashes[i]).index.second(hashes[i]);
                if let Some(at) = places[i] {
                    self.slots.prefetch(at);
                }
            }
            for (i, (hash, place)) in hashes[..width].iter().zip(&places).enumerate() {
                let key = key(done + i);
                // SAFETY: the guard is held since before the place was read.
                let answer = match unsafe { place.and_then(|at| self.pinned_at_once(at, key)) } {
                    Some(pinned) => Ok(Some(pinned)),
                    None => self.pinned_slowly(&guard, *hash, key),
                };
                hits += u64::from(matches!(answer, Ok(Some(_))));
                each(done + i, answer);
            }
            done += width;
        }
        self.reads.count(guard.thread_number(), n as u64, hits);
    }

    /// The value at `at`, if a record of `key` lies there that need not be verified.
    ///
    /// # Safety
    /// The caller holds an epoch guard since before it learned of `at`.
    #[inline(always)]
    unsafe fn pinned_at_once(&self, at: Location, key: &[u8]) -> Option<Pinned> {
        if key.len() > KEY_LEN_MAX {
            return None;
        }
        // SAFETY: the caller's promise; the value lies in the slot's segment.
        unsafe {
            let value = self.slots.trusted_value(at, key)?;
            Some(Pinned::of_segment(value, self.slots.share(at.slot)))
        }
    }

    /// One of a multi-get, whatever there is to it.
    #[inline(never)]
    fn pinned_slowly(
        &self,
        _guard: &epoch::Guard,
        hash: KeyHash,
        key: &[u8],
    ) -> Result<Option<Pinned>> {
        check_lengths(key.len(), 0)?;
        // SAFETY: the guard.
        unsafe {
            let Some(found) = self.lookup(hash, key)? else { return Ok(None) };
            let value = found.raw.value();
            Ok(Some(Pinned::of_segment(value, self.slots.share(found.at.slot))))
        }
    }
}
