//! When may memory that readers saw be freed? Epochs, with a read side that costs two stores.
//!
//! A reader holds a [`Guard`] while it follows pointers. Whoever unlinks something first makes it
//! unreachable, then takes [`retire_epoch`], and frees it once [`safe_epoch`] has passed that
//! number: by then every reader that could have seen it has left.
//!
//! Invariants:
//! 1. A thread's slot holds [`IDLE`] or [`IDLE_LONG`] outside of guards, else the global epoch as
//!    of its outermost guard.
//! 2. A guard stores its epoch, then passes a light barrier, then reads pointers; a reclaimer
//!    unlinks, raises the global epoch, passes a heavy barrier, then reads the slots. So either
//!    the reclaimer sees the reader's epoch, or the reader sees the unlinked state.
//! 3. Slots are never freed, only given to the next thread.
//!
//! `crossbeam-epoch` does the same with a full fence in each guard. That fence makes a get wait
//! for the cache misses of the get before it; the asymmetric barrier lets them overlap
//! (`docs/decisions/002-epochs.md`).
//!
//! Any thread may call anything here.

use crate::sabotage::{self, Sabotage};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::sync::thread_local;
use crate::sys::{barrier, thread};
use crossbeam_utils::CachePadded;
use std::marker::PhantomData;
use std::ptr;

/// What the slot of a thread without a guard holds.
const IDLE: u64 = 0;
/// The same for a thread without [`ShortGuard`]s: its light barrier is a fence after all, or its
/// number is beyond [`SHORT_NUMBERS`]. Another value, so that one comparison tells [`try_pin`].
const IDLE_LONG: u64 = u64::MAX;
/// Threads with a short guard have numbers below this.
pub(crate) const SHORT_NUMBERS: usize = 128;

#[inline(always)]
fn is_idle(epoch: u64) -> bool {
    epoch == IDLE || epoch == IDLE_LONG
}

/// What one thread shows to reclaimers.
struct Slot {
    epoch: AtomicU64,
    /// Dense number of the slot, from 0, for counters that are kept per thread.
    number: usize,
    taken: AtomicBool,
    next: *const CachePadded<Slot>,
}

// SAFETY: `next` is written before the slot is published and points to a slot that is never freed.
unsafe impl Sync for Slot {}

/// What all threads share.
struct Shared {
    epoch: CachePadded<AtomicU64>,
    slots: AtomicPtr<CachePadded<Slot>>,
    slot_count: AtomicUsize,
}

impl Shared {
    const fn new() -> Shared {
        Shared {
            epoch: CachePadded::new(AtomicU64::new(1)),
            slots: AtomicPtr::new(ptr::null_mut()),
            slot_count: AtomicUsize::new(0),
        }
    }
}

#[cfg(not(feature = "shuttle"))]
static SHARED: Shared = Shared::new();
// Anew for each schedule.
#[cfg(feature = "shuttle")]
shuttle::lazy_static! {
    static ref SHARED: Shared = Shared::new();
}

thread_local! {
    /// Gives the slot back when the thread ends. Its address is the thread's word, which has no
    /// destructor.
    static RELEASE: Release = const { Release };
}

struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        let slot = own_slot();
        thread::set(0);
        if let Some(slot) = slot {
            slot.taken.store(false, Ordering::Release);
        }
    }
}

/// The slot of this thread, if it has one.
#[inline(always)]
fn own_slot() -> Option<&'static Slot> {
    // SAFETY: the word is 0 or the address of a slot (`register`), and slots are never freed.
    unsafe { (thread::get() as *const Slot).as_ref() }
}

#[cold]
#[inline(never)]
fn register() -> &'static Slot {
    barrier::init();
    let slot = take_free_slot().unwrap_or_else(add_slot);
    let short = barrier::is_free() && slot.number < SHORT_NUMBERS;
    slot.epoch.store(if short { IDLE } else { IDLE_LONG }, Ordering::Relaxed);
    thread::set(ptr::from_ref::<Slot>(slot) as usize);
    // Registers the destructor. A thread that is already ending keeps the slot for good, which
    // costs a cache line and nothing else.
    let _ = RELEASE.try_with(|_| ());
    slot
}

fn take_free_slot() -> Option<&'static CachePadded<Slot>> {
    let mut at = SHARED.slots.load(Ordering::Acquire).cast_const();
    // SAFETY: slots are never freed, and published whole.
    while let Some(slot) = unsafe { at.as_ref() } {
        let free = slot.taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed);
        if free.is_ok() {
            return Some(slot);
        }
        at = slot.next;
    }
    None
}

fn add_slot() -> &'static CachePadded<Slot> {
    let slot = Box::leak(Box::new(CachePadded::new(Slot {
        epoch: AtomicU64::new(IDLE),
        number: SHARED.slot_count.fetch_add(1, Ordering::Relaxed),
        taken: AtomicBool::new(true),
        next: ptr::null(),
    })));
    let mut head = SHARED.slots.load(Ordering::Relaxed);
    loop {
        slot.next = head;
        match SHARED.slots.compare_exchange_weak(head, slot, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return slot,
            Err(now) => head = now,
        }
    }
}

/// How many threads there have been at once at most: all thread numbers are below.
pub(crate) fn threads() -> usize {
    SHARED.slot_count.load(Ordering::Relaxed)
}

/// While this lives, nothing that the thread can still reach is freed.
pub(crate) struct Guard {
    slot: &'static Slot,
    /// What the slot held before: idle, or the epoch of an outer guard.
    before: u64,
    /// The guard speaks for this thread.
    _not_send: PhantomData<*const ()>,
}

/// A guard that was the thread's first and whose barrier was free: see [`try_pin`].
pub(crate) struct ShortGuard {
    slot: &'static Slot,
    _not_send: PhantomData<*const ()>,
}

impl ShortGuard {
    /// As [`Guard::thread_number`], and below [`SHORT_NUMBERS`].
    #[inline(always)]
    pub(crate) fn thread_number(&self) -> usize {
        self.slot.number
    }
}

impl Drop for ShortGuard {
    #[inline(always)]
    fn drop(&mut self) {
        self.slot.epoch.store(IDLE, Ordering::Release);
    }
}

/// Enters. Cheap and nestable; keep it short, since nothing at all is freed meanwhile.
#[inline(always)]
pub(crate) fn pin() -> Guard {
    let slot = own_slot().unwrap_or_else(register);
    let before = slot.epoch.load(Ordering::Relaxed);
    if is_idle(before) {
        slot.epoch.store(SHARED.epoch.load(Ordering::Acquire), Ordering::Relaxed);
        barrier::light();
    }
    Guard { slot, before, _not_send: PhantomData }
}

/// [`pin`] for a thread that has its slot and holds no guard, as nearly all do. What there is to
/// undo is then known without a look, and nothing is called.
#[inline(always)]
pub(crate) fn try_pin() -> Option<ShortGuard> {
    let slot = own_slot()?;
    if slot.epoch.load(Ordering::Relaxed) != IDLE {
        return None;
    }
    slot.epoch.store(SHARED.epoch.load(Ordering::Acquire), Ordering::Relaxed);
    barrier::light_unfenced();
    Some(ShortGuard { slot, _not_send: PhantomData })
}

impl Guard {
    /// A small number that no other live thread has.
    #[inline(always)]
    pub(crate) fn thread_number(&self) -> usize {
        self.slot.number
    }
}

impl Guard {
    /// Runs `work` without protection, unless another guard of this thread is around this one:
    /// what takes long holds nothing back.
    ///
    /// # Safety
    /// Nothing that was reached under the guard is used during `work` or after it.
    pub(crate) unsafe fn pause<T>(&self, work: impl FnOnce() -> T) -> T {
        if !is_idle(self.before) {
            return work();
        }
        self.slot.epoch.store(self.before, Ordering::Release);
        let done = work();
        self.slot.epoch.store(SHARED.epoch.load(Ordering::Acquire), Ordering::Relaxed);
        barrier::light();
        done
    }
}

impl Drop for Guard {
    #[inline(always)]
    fn drop(&mut self) {
        if is_idle(self.before) {
            self.slot.epoch.store(self.before, Ordering::Release);
        }
    }
}

/// The epoch to remember for something that has just been made unreachable.
pub(crate) fn retire_epoch() -> u64 {
    SHARED.epoch.load(Ordering::SeqCst)
}

/// Raises the epoch and returns a bound: what was retired in an epoch below it may be freed.
pub(crate) fn safe_epoch() -> u64 {
    let mut safe = SHARED.epoch.fetch_add(1, Ordering::SeqCst) + 1;
    if sabotage::is(Sabotage::UnseenReaders) {
        return safe;
    }
    barrier::heavy();
    let mut at = SHARED.slots.load(Ordering::Acquire).cast_const();
    // SAFETY: slots are never freed, and published whole.
    while let Some(slot) = unsafe { at.as_ref() } {
        match slot.epoch.load(Ordering::Acquire) {
            epoch if is_idle(epoch) => {}
            epoch => safe = safe.min(epoch),
        }
        at = slot.next;
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_guard_holds_back_what_is_retired_under_it() {
        let (entered, wait_entered) = channel();
        let (leave, wait_leave) = channel::<()>();
        let reader = std::thread::spawn(move || {
            let guard = pin();
            let nested = pin();
            drop(nested);
            entered.send(()).unwrap();
            wait_leave.recv().unwrap();
            drop(guard);
        });
        wait_entered.recv().unwrap();
        let retired = retire_epoch();
        assert!(safe_epoch() <= retired, "the reader is still inside");
        leave.send(()).unwrap();
        reader.join().unwrap();
        // Other tests of this process hold guards for moments.
        while safe_epoch() <= retired {
            std::thread::yield_now();
        }
    }

    #[test]
    fn threads_get_numbers_of_their_own_and_give_them_back() {
        let numbers = || {
            let barrier = std::sync::Barrier::new(4);
            std::thread::scope(|s| {
                let one = || {
                    let number = pin().thread_number();
                    barrier.wait();
                    number
                };
                let threads: Vec<_> = (0..4).map(|_| s.spawn(one)).collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
            })
        };
        let mut first = numbers();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 4);
    }
}
