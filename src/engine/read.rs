//! Reads: from a key to its record, without a lock.
//!
//! Invariant: a record is looked at only under an epoch guard, or with a reference to its
//! segment. A record that another process (or an earlier opening) wrote is verified each time.

use super::cold::{Cold, Keeper};
use super::Engine;
use crate::epoch;
use crate::error::Result;
use crate::hash::KeyHash;
use crate::index::entry::Location;
use crate::limits::KEY_LEN_MAX;
use crate::log::slots::Found;
use crate::packed::check_lengths;
use crate::value::Pinned;
use std::mem::MaybeUninit;

/// The answer would have to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocked;

/// What keeps a record that was found.
#[inline(always)]
fn keeper<'a>(found: &Found, cold: &'a Cold) -> Keeper<'a> {
    match cold.stored(found) {
        Some(record) => Keeper::Stored(record),
        None => Keeper::Slot(found.at.slot),
    }
}

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
    /// The caller holds an epoch guard, which is that of `cold` if that has one, or the shard's
    /// lock, while it uses the answer; which is good for as long as `cold`.
    #[inline(always)]
    pub(crate) unsafe fn lookup(
        &self,
        hash: KeyHash,
        key: &[u8],
        cold: &mut Cold,
    ) -> Result<Option<Found>> {
        // SAFETY: the caller's promise.
        unsafe {
            match self.lookup_in(hash, key, cold)? {
                None if self.placement.version() != 0 => self.lookup_again(key, cold),
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
    unsafe fn lookup_again(&self, key: &[u8], cold: &mut Cold) -> Result<Option<Found>> {
        loop {
            let version = self.placement.version();
            // SAFETY: the caller's promise.
            let answer = unsafe { self.lookup_in(self.hash_of(key), key, cold)? };
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
    unsafe fn lookup_in(
        &self,
        hash: KeyHash,
        key: &[u8],
        cold: &mut Cold,
    ) -> Result<Option<Found>> {
        let index = &self.shard(hash).index;
        let mut attempt = 0;
        loop {
            let mut search = index.search(hash);
            while let Some((_, at)) = search.next() {
                // SAFETY: the caller's promise.
                if let Some(found) = unsafe { self.is_record_of(at, key, cold)? } {
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
        at: Location,
        key: &[u8],
        cold: &mut Cold,
    ) -> Result<Option<Found>> {
        // SAFETY: the caller's promise.
        unsafe {
            let Some(found) = self.record(at, cold)? else { return Ok(None) };
            self.slots.verify(&found)?;
            Ok(found.raw.is_put_of(key).then_some(found))
        }
    }

    /// The value of `key`, if it is found without anything out of the ordinary; `None` says nothing.
    ///
    /// Nothing in here calls or panics, so that a caller needs neither a stack frame nor a guard
    /// against panics: what a get takes in instructions decides how far the processor runs ahead
    /// into the next one (`docs/decisions/009-the-short-get.md`).
    #[inline(always)]
    pub(crate) fn find_at_once(&self, key: &[u8]) -> Option<AtOnce<'_>> {
        if self.placement.rules().is_some() {
            return None;
        }
        let hash = self.hasher.hash(key);
        let guard = epoch::try_pin()?;
        let noted = self.reads.note(&guard, hash);
        let at = self.shard(hash).index.first(hash)?;
        // SAFETY: the guard goes with the value.
        let value = unsafe { self.slots.trusted_value(at, key) }?;
        noted.hit();
        Some(AtOnce { value, _guard: guard })
    }

    /// The hash of a key that is read.
    #[inline(always)]
    pub(super) fn hash_to_read(&self, key: &[u8]) -> KeyHash {
        match self.placement.rules() {
            None => self.hasher.hash(key),
            Some(_) => self.attend(key),
        }
    }

    /// The record at `at`; not yet verified if it is mapped. `None`: `cold` does not allow to look.
    ///
    /// # Safety
    /// As for [`Engine::lookup`].
    #[inline(always)]
    pub(crate) unsafe fn record(&self, at: Location, cold: &mut Cold) -> Result<Option<Found>> {
        // SAFETY: the caller's promise.
        if cold.is_nowait() && unsafe { self.slots.may_wait(at) } {
            self.block(cold);
            return Ok(None);
        }
        // SAFETY: likewise.
        match unsafe { self.slots.record(at) } {
            Some(found) => Ok(Some(found)),
            // SAFETY: likewise.
            None => unsafe { self.cold_record(at, cold) },
        }
    }

    /// Runs `take` on the value of `key`, with what keeps it.
    #[inline(always)]
    pub(crate) fn read<T>(
        &self,
        key: &[u8],
        take: impl Fn(Keeper, &[u8]) -> T,
    ) -> Result<Option<T>> {
        let hash = self.hash_to_read(key);
        let guard = epoch::pin();
        // The common case, in as few instructions as can be, so that the processor reaches the
        // next get while it waits for the memory of this one.
        if let Some(at) = self.shard(hash).index.first(hash) {
            // SAFETY: the guard is held until the value has been taken.
            if let Some(value) = unsafe { self.slots.trusted_value(at, key) } {
                let answer = take(Keeper::Slot(at.slot), value);
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
    /// record to verify, a cold segment.
    #[inline(never)]
    fn read_slowly<T>(
        &self,
        guard: &epoch::Guard,
        hash: KeyHash,
        key: &[u8],
        take: impl Fn(Keeper, &[u8]) -> T,
    ) -> Result<Option<T>> {
        let mut cold = Cold::reader(guard);
        // SAFETY: the guard is held, and `cold` kept, until the value has been taken.
        let answer = unsafe {
            self.lookup(hash, key, &mut cold)?
                .map(|found| take(keeper(&found, &cold), found.raw.value()))
        };
        self.reads.count(guard.thread_number(), 1, u64::from(answer.is_some()), hash);
        Ok(answer)
    }

    /// [`Engine::read`] that does not wait for the disk. `Err(Blocked)` inside: it would have to.
    #[inline(always)]
    pub(crate) fn read_nowait<T>(
        &self,
        key: &[u8],
        take: impl Fn(Keeper, &[u8]) -> T,
    ) -> Result<std::result::Result<Option<T>, Blocked>> {
        let hash = self.hash_to_read(key);
        let guard = epoch::pin();
        if let Some(at) = self.shard(hash).index.first(hash) {
            // SAFETY: the guard is held until the value has been taken.
            if let Some(value) = unsafe { self.slots.trusted_value(at, key) } {
                let answer = take(Keeper::Slot(at.slot), value);
                self.reads.hit(guard.thread_number(), hash);
                return Ok(Ok(Some(answer)));
            }
        }
        self.read_slowly_nowait(&guard, hash, key, take)
    }

    #[inline(never)]
    fn read_slowly_nowait<T>(
        &self,
        guard: &epoch::Guard,
        hash: KeyHash,
        key: &[u8],
        take: impl Fn(Keeper, &[u8]) -> T,
    ) -> Result<std::result::Result<Option<T>, Blocked>> {
        let mut cold = Cold::nowait();
        // SAFETY: the guard is held, and `cold` kept, until the value has been taken.
        let answer = unsafe {
            self.lookup(hash, key, &mut cold)?
                .map(|found| take(keeper(&found, &cold), found.raw.value()))
        };
        if answer.is_none() && cold.blocked {
            return Ok(Err(Blocked));
        }
        self.reads.count(guard.thread_number(), 1, u64::from(answer.is_some()), hash);
        Ok(Ok(answer))
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

    /// [`Engine::get_into`] that does not wait for the disk.
    #[inline(always)]
    pub(crate) fn get_into_nowait(
        &self,
        key: &[u8],
        buf: &mut [MaybeUninit<u8>],
    ) -> Result<std::result::Result<Option<usize>, Blocked>> {
        let (to, room) = (buf.as_mut_ptr().cast::<u8>(), buf.len());
        self.read_nowait(key, |_, value| {
            if value.len() <= room {
                // SAFETY: the value has as many bytes, and a caller's buffer is not log memory.
                unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len()) };
            }
            value.len()
        })
    }

    pub(crate) fn get_pinned(&self, key: &[u8]) -> Result<Option<Pinned>> {
        // SAFETY: `read` holds a guard around the closure.
        self.read(key, |keeper, value| unsafe { self.pin_value(keeper, value) })
    }

    /// [`Engine::get_pinned`] that does not wait for the disk.
    #[inline(always)]
    pub(crate) fn get_pinned_nowait(
        &self,
        key: &[u8],
    ) -> Result<std::result::Result<Option<Pinned>, Blocked>> {
        // SAFETY: `read_nowait` holds a guard around the closure.
        self.read_nowait(key, |keeper, value| unsafe { self.pin_value(keeper, value) })
    }

    /// A value that was just found, pinned.
    ///
    /// # Safety
    /// The guard or lock under which `keeper` was found to have it is still held.
    #[inline(always)]
    pub(crate) unsafe fn pin_value(&self, keeper: Keeper, value: &[u8]) -> Pinned {
        match keeper {
            // SAFETY: the caller's promise.
            Keeper::Slot(slot) => unsafe { Pinned::of_segment(value, self.slots.share(slot)) },
            Keeper::Stored(record) => Pinned::of_stored(record.clone()),
        }
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
                *hash = self.hash_of(key(done + i));
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
            for i in 0..width {
                let key = key(done + i);
                // SAFETY: the guard is held since before the place was read, or it was forgotten.
                let pinned = unsafe { places[i].and_then(|at| self.pinned_at_once(at, key)) };
                let answer = match pinned {
                    Some(pinned) => Ok(Some(pinned)),
                    None => self.pinned_slowly(&guard, hashes[i], key, &mut places),
                };
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

    /// One of a multi-get, whatever there is to it. Forgets the places of the others if the guard
    /// may have been paused: a segment that was freed meanwhile may have left its slot to another.
    #[inline(never)]
    fn pinned_slowly(
        &self,
        guard: &epoch::Guard,
        hash: KeyHash,
        key: &[u8],
        places: &mut [Option<Location>; MULTI_GET_WIDTH],
    ) -> Result<Option<Pinned>> {
        check_lengths(key.len(), 0)?;
        let mut cold = Cold::reader(guard);
        // SAFETY: the guard, and `cold`, which is kept until the value is pinned.
        let answer = unsafe {
            let found = self.lookup(hash, key, &mut cold);
            found.map(|f| f.map(|f| self.pin_value(keeper(&f, &cold), f.raw.value())))
        };
        if cold.may_have_paused() {
            *places = [None; MULTI_GET_WIDTH];
        }
        answer
    }
}
