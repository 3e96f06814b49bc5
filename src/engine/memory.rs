//! The memory limit: what is resident is counted, and what is over becomes cold.
//!
//! ```text
//! memory_limit ≥ indexes + cache + fixed parts + mapped segments
//!                                                ├─ active and prepared ones: what is written, and
//!                                                │  the pages prepared ahead of it
//!                                                └─ sealed ones, the newest
//! ```
//!
//! Segments become cold in the order of their age, once they are sealed, when the sum comes near the
//! limit ([`Memory::soft`]). What has not been synced by then is in the page cache,
//! as before, and the file stays open for the sync. Nothing becomes mapped again before the next
//! open.
//!
//! Giving a mapping up takes a grace period:
//! 1. [`SlotTable::make_cold`]: who looks from now on reads the file;
//! 2. every reader that was inside then has left (epochs), and every shard's lock has been free
//!    once: a writer follows entries under it without a guard;
//! 3. [`Segment::unmap`]. Pinned values and iterators have references of their own, so the memory
//!    goes with the last of them; it is counted until then.
//!
//! Invariants:
//! 1. A segment that is appended to is mapped.
//! 2. A cold segment is sealed, or was found at open.
//! 3. The sum that is held under the limit is an upper bound: of a segment that was found at open
//!    all of its mapping counts, though only what was looked at is resident. What the statistics
//!    say counts what was looked at.
//! 4. What is prepared ahead, and how large segments are, follow the limit, so that what must be
//!    mapped is a fraction of it.
//!
//! Writers are held back (`log/pressure.rs`) while the sum is nearer still ([`Memory::hard`]).
//! A database in memory has nothing to fall back on: there, what would pass the limit is refused.
//!
//! [`SlotTable::make_cold`]: crate::log::slots::SlotTable::make_cold
//! [`Segment::unmap`]: crate::log::segment::Segment::unmap

use super::Engine;
use crate::epoch;
use crate::log::pressure::{Cause, SLOWDOWN_MAX};
use crate::log::segment::{Segment, SEGMENT_HEADER};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::sys::map::{Mapping, HUGE_PAGE};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// What the engine takes beside what is counted: counters, tables, stacks of the upkeep threads; and
/// what the allocator keeps for them, which is the more the more there is to do.
const FIXED_BYTES: u64 = 1 << 20;
const FIXED_MORE_MAX: u64 = 4 << 20;
/// What a segment takes beside its mapping.
const SEGMENT_BYTES: u64 = 512;
/// A limit below this, and so much for each shard, is taken as this: with less no shard could have
/// its segments.
const LIMIT_MIN: u64 = 6 << 20;
const LIMIT_MIN_SHARD: u64 = 256 << 10;
/// A share of the limit that all active segments of the hot logs may take.
const ACTIVE_SHARE: u64 = 8;
/// What is left free beside a share of the limit: buffers of checkpoints and compaction, and what
/// grows until the next look.
const MARGIN: u64 = 8 << 20;
/// A share of the limit that writers may take from one look to the next though there is no room, if
/// nothing is left that could become cold: what they fill is sealed, and becomes cold then.
const ROOM_SHARE: u64 = 32;
/// Fastest growth between two looks, in bytes a second, and how long a look may be put off.
const GROWTH: u64 = 4 << 30;
const LOOK_MIN: Duration = Duration::from_millis(2);
const LOOK_MAX: Duration = Duration::from_millis(100);

/// The state of the memory limit.
pub(crate) struct Memory {
    limit: u64,
    /// The limit is so low that nothing fits: the lab has it so that everything becomes cold.
    is_lab: bool,
    /// Whether any segment is cold, or ever was since open.
    has_cold: AtomicBool,
    going: Mutex<Going>,
    closing: Mutex<bool>,
    wake: Condvar,
    /// Records read from cold segments, and reads that would have had to wait.
    pub(crate) cold_reads: AtomicU64,
    pub(crate) blocked: AtomicU64,
}

/// Mappings on their way out.
#[derive(Default)]
struct Going {
    /// Cold, but within the grace period since the epoch.
    retired: Vec<(Arc<Segment>, u64)>,
    /// Given up, but held by pinned values or iterators; with their bytes.
    held: Vec<(Weak<Mapping>, u64)>,
}

/// Where the memory is, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) index: u64,
    pub(crate) cache: u64,
    pub(crate) fixed: u64,
    /// Active and prepared segments.
    pub(crate) active: u64,
    /// What active segments have yet to be filled with.
    pub(crate) unfilled: u64,
    /// Sealed segments: what is resident, and what may be.
    pub(crate) sealed: u64,
    pub(crate) sealed_bound: u64,
    /// Held by pinned values and iterators alone.
    pub(crate) held: u64,
    pub(crate) mapped_segments: u64,
    pub(crate) cold_segments: u64,
}

impl Usage {
    fn without_sealed(&self) -> u64 {
        self.index + self.cache + self.fixed + self.active + self.held
    }

    /// What is resident.
    pub(crate) fn resident(&self) -> u64 {
        self.without_sealed() + self.sealed
    }

    /// What may be without another look.
    fn bound(&self) -> u64 {
        // Writers may be ahead of the thread that makes pages present, and so of these numbers.
        self.without_sealed() + self.sealed_bound + self.unfilled / 2
    }
}

impl Memory {
    pub(crate) fn new(limit: u64, shards: usize) -> Memory {
        // What no option can say is the lab's, whose databases are small.
        let is_lab = cfg!(feature = "lab") && limit < crate::options::MEMORY_LIMIT_MIN;
        let least = LIMIT_MIN + shards as u64 * LIMIT_MIN_SHARD;
        Memory {
            limit: if is_lab { limit } else { limit.max(least) },
            is_lab,
            has_cold: AtomicBool::new(false),
            going: Mutex::default(),
            closing: Mutex::new(false),
            wake: Condvar::new(),
            cold_reads: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
        }
    }

    /// The most that the indexes of a database on disk may take, so that there is room for the rest;
    /// and the most that a segment for one long record may.
    pub(crate) fn index_limit(&self) -> u64 {
        if self.is_lab {
            u64::MAX
        } else {
            self.limit / 4 * 3
        }
    }

    /// The limit that is kept.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Above this, segments become cold.
    fn soft(&self) -> u64 {
        self.limit - (self.limit / 10 + MARGIN).min(self.limit / 4)
    }

    /// Above this, writers are held back.
    fn hard(&self) -> u64 {
        self.limit - (self.limit / 16 + MARGIN).min(self.limit / 8)
    }

    /// Whether any segment may be cold.
    #[inline(always)]
    pub(crate) fn has_cold(&self) -> bool {
        self.has_cold.load(Ordering::Relaxed)
    }

    /// Notes that some segment is.
    pub(crate) fn set_has_cold(&self) {
        self.has_cold.store(true, Ordering::SeqCst);
    }

    fn going(&self) -> MutexGuard<'_, Going> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a mapping whose segment goes for as long as somebody holds it.
    pub(crate) fn count_held(&self, map: &Arc<Mapping>) {
        let bytes = map.len() as u64;
        self.going().held.push((Arc::downgrade(map), bytes));
    }

    /// Tells the thread to end.
    pub(crate) fn close(&self) {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }
}

impl Engine {
    /// Where the memory is now.
    pub(crate) fn usage(&self) -> Usage {
        let fixed = FIXED_BYTES + (self.memory.limit / 32).min(FIXED_MORE_MAX);
        let mut usage = Usage { cache: self.cache.bytes(), fixed, ..Usage::default() };
        for shard in &self.shards {
            let state = shard.lock();
            usage.index += shard.index.bytes() as u64;
            for log in [&state.log, &state.cold] {
                if let Some((segment, from, tail)) = log.appended() {
                    segment.set_present(from, tail);
                }
                usage.active += log.next().map_or(0, |s| s.resident(SEGMENT_HEADER).0) as u64;
            }
        }
        // Rows are cut from memory that comes in huge pages.
        usage.index = usage.index.next_multiple_of(HUGE_PAGE as u64);
        for segment in self.slots.all() {
            usage.fixed += SEGMENT_BYTES;
            let (now, bound) = segment.resident(segment.end().unwrap_or(SEGMENT_HEADER));
            match segment.end() {
                // What is appended to is not looked at through a bound: its tail is known.
                None => {
                    usage.active += now as u64;
                    usage.unfilled += (segment.len() - now.min(segment.len())) as u64;
                }
                Some(_) => {
                    usage.sealed += now as u64;
                    usage.sealed_bound += bound as u64;
                }
            }
            let cold = u64::from(segment.is_cold());
            usage.cold_segments += cold;
            usage.mapped_segments += 1 - cold;
        }
        let mut going = self.memory.going();
        going.held.retain(|(map, _)| map.strong_count() > 0);
        usage.held = going.held.iter().map(|(_, bytes)| bytes).sum();
        usage
    }

    /// Bytes of mappings that recovery may make before the limit is reached.
    pub(crate) fn room_for_segments(&self) -> u64 {
        let usage = self.usage();
        // The active segments take their share from now on.
        let soft = self.memory.soft();
        (soft - soft / ACTIVE_SHARE).saturating_sub(usage.without_sealed())
    }

    /// Sizes segments and cache by the limit and by what the indexes leave of it.
    pub(crate) fn size_parts(&self) {
        let usage = self.usage();
        self.size_parts_by(&usage);
    }

    fn size_parts_by(&self, usage: &Usage) {
        let rest = self.memory.limit.saturating_sub(usage.index + usage.fixed);
        let shards = self.shards.len() as u64;
        if self.home.is_none() {
            let arena = self.shards[0].index.arena();
            // Half as much: what is not filled counts as well.
            self.source.set_segment_max((rest / (2 * ACTIVE_SHARE * shards)) as usize);
            self.source.anonymous.set_limit(rest);
            let segments = self.source.anonymous.taken() + usage.fixed;
            arena.set_limit(self.memory.limit.saturating_sub(segments) as usize);
            return;
        }
        self.source.set_segment_max((rest / (ACTIVE_SHARE * shards)) as usize);
        if self.memory.has_cold() {
            let rest = usage.index + usage.fixed + usage.active;
            // Half of what is left; before, there is nothing to be kept in it.
            self.cache.set_capacity(self.memory.soft().saturating_sub(rest) / 2);
        }
    }

    /// Seals active segments that are larger than the limit would have them: they were made under
    /// another one. For open.
    pub(crate) fn seal_large_segments(&self) {
        let max = 2 * self.source.segment_max();
        for shard in &self.shards {
            let mut state = shard.lock();
            let state = &mut *state;
            for log in [&mut state.log, &mut state.cold] {
                if log.active().is_some_and(|(segment, _)| segment.len() > max) {
                    log.retire_active();
                }
            }
        }
    }

    /// Makes segments cold until what is mapped fits, or nothing is left to make cold.
    pub(crate) fn balance(&self) {
        self.unmap_retired();
        let mut usage = self.usage();
        self.size_parts_by(&usage);
        let going: u64 = self.memory.going().retired.iter().map(|(s, _)| bound(s)).sum();
        let over = usage.bound().saturating_sub(going).saturating_sub(self.memory.soft());
        if over > 0 && self.home.is_some() {
            self.retire(over);
        }
        // Readers leave within moments.
        for _ in 0..100 {
            self.unmap_retired();
            if self.memory.going().retired.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        if over > 0 {
            usage = self.usage();
            self.size_parts_by(&usage);
        }
        self.hold_writers(&usage);
    }

    /// Makes the oldest segments cold, `bytes` of mappings.
    fn retire(&self, bytes: u64) {
        let is_mapped = |s: &Arc<Segment>| s.end().is_some() && !s.is_cold();
        let mut sealed: Vec<_> = self.slots.all().into_iter().filter(is_mapped).collect();
        sealed.sort_unstable_by_key(|s| s.id.generation);
        let mut done = 0;
        for segment in sealed {
            if done >= bytes {
                return;
            }
            self.memory.set_has_cold();
            if self.slots.make_cold(&segment) {
                done += bound(&segment);
                self.memory.going().retired.push((segment, epoch::retire_epoch()));
            }
        }
    }

    /// Steps 2 and 3 for those that are through.
    fn unmap_retired(&self) {
        if self.memory.going().retired.is_empty() {
            return;
        }
        let safe = epoch::safe_epoch();
        let mut through = Vec::new();
        self.memory.going().retired.retain(|(segment, epoch)| {
            let is_through = *epoch < safe;
            if is_through {
                through.push(segment.clone());
            }
            !is_through
        });
        if through.is_empty() {
            return;
        }
        for shard in &self.shards {
            drop(shard.lock());
        }
        for segment in through {
            let bytes = bound(&segment);
            // SAFETY: every guard and every lock under which it was seen mapped has been given up.
            let held = unsafe { segment.unmap() };
            if let Some(map) = held.filter(|map| map.strong_count() > 0) {
                self.memory.going().held.push((map, bytes));
            }
        }
    }

    /// Opens the files of cold segments, as many as the process can spare: for iterators that
    /// outlive the handle, and find their records though another process removes the files.
    pub(crate) fn keep_files_open(&self) {
        let pool = &self.source.pool;
        for segment in self.slots.all().iter().filter(|s| s.is_cold()) {
            if !pool.has_room() || segment.reading().is_err() {
                return;
            }
        }
    }

    fn hold_writers(&self, usage: &Usage) {
        if self.home.is_none() || self.memory.is_lab {
            return;
        }
        // What the host has pinned does not come back by waiting.
        let (now, hard) = (usage.bound() - usage.held, self.memory.hard());
        let room = self.memory.limit - hard;
        let over = now.saturating_sub(hard).min(room);
        // Nor does anything, once all that can be cold is and has gone.
        let helps = usage.sealed_bound > 0;
        let micros = if helps { u64::from(SLOWDOWN_MAX) * over / room } else { 0 };
        self.source.pressure.set(Cause::Memory, micros as u32);
        let least = if helps { i64::MIN } else { (self.memory.limit / ROOM_SHARE) as i64 };
        self.source.pressure.set_room((hard as i64 - now as i64).max(least));
    }

    /// The body of the memory thread.
    pub(crate) fn run_memory_thread(&self) {
        loop {
            self.balance();
            let left = self.memory.limit.saturating_sub(self.usage().bound());
            let wait = Duration::from_micros(left * 1_000_000 / GROWTH).clamp(LOOK_MIN, LOOK_MAX);
            let closing = self.memory.closing.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.memory.wake.wait_timeout_while(closing, wait, |c| !*c);
            if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
        }
    }
}

/// What the mapping of a sealed segment may take.
fn bound(segment: &Segment) -> u64 {
    segment.resident(segment.end().unwrap_or(SEGMENT_HEADER)).1 as u64
}
