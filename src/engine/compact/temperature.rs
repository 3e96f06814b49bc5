//! Temperature: which of a shard's two logs a record goes to, by how often it is written.
//!
//! Records that die soon and records that stay must not share a segment, or whatever frees the one
//! copies the other. How long a record will live is inferred from how long it has lived: Rosenblum
//! and Ousterhout (see [`super`]); Stoica and Ailamaki, "Improving Flash Write Performance by Using
//! Update Frequency" (VLDB 2013); Wang et al., "Separating Data via Block Invalidation Time Inference
//! for Write Amplification Reduction in Log-Structured Storage" (SepBIT, FAST 2022). Here what is at
//! hand anyway is enough, the number in the record that is moved:
//!
//! 1. **New records** go to the hot log (unless hinted to be cold).
//! 2. **A survivor** of compaction goes by its age: how many records its shard has written since it
//!    was. If that is as many as a fifth of the shard's keys, it has had its chance to die, and goes to
//!    the cold log. Younger ones go to the hot log once more, where most of them die: the hottest keys
//!    of a skewed load are written again long before, and those next to them soon after.
//!
//! So the access counts are implicit, and decay by themselves: each write of a key makes it hot for
//! as long as it takes to write a fifth of its shard. Nothing is stored, counted or looked up for
//! that, neither by a put nor by a get; and reads have no part in it, since they cost no write
//! amplification.
//!
//! SepBIT also sends a new record to a log by the age of the one that it replaces. That would save
//! some more, and take the order from the records of a shard: a power loss would leave for each log
//! a prefix of what was written, and of two records that were written one after the other the second
//! might be there and the first not. Moved records have no part in that order: they are on the device
//! already.
//!
//! Compaction by hand, on a full disk, and of groups that a rule keeps together takes the cold log
//! for all.
//!
//! Invariant: along a log of new records the numbers of a shard's records rise, as `warp verify`
//! checks; a survivor that goes there again is flagged as a copy.
//!
//! Crashes: the two logs are the same to recovery, which takes the highest sequence number of all
//! logs; a copy has the number of its original, in whichever log it is.

use crate::engine::{Engine, ShardState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How compaction is done now.
#[derive(Default)]
pub(crate) struct Temperature {
    /// By a call that seals what is appended to, see `compact_all`: one log takes all survivors.
    by_hand: AtomicBool,
    /// For benchmarks and tests: one log for everything.
    blind: AtomicBool,
    /// For them as well: how much more than what lives the logs may have, in thousandths; 0: as
    /// compaction has it.
    budget: AtomicU64,
}

impl Temperature {
    pub(super) fn set_by_hand(&self, by_hand: bool) {
        self.by_hand.store(by_hand, Ordering::Relaxed);
    }

    #[cfg(feature = "lab")]
    pub(crate) fn set_trial(&self, blind: bool, budget: u64) {
        self.blind.store(blind, Ordering::Relaxed);
        self.budget.store(budget, Ordering::Relaxed);
    }

    fn is_blind(&self) -> bool {
        cfg!(feature = "lab") && self.blind.load(Ordering::Relaxed)
    }

    /// The budget of a trial.
    pub(super) fn budget(&self) -> Option<u64> {
        let budget = self.budget.load(Ordering::Relaxed);
        (cfg!(feature = "lab") && budget > 0).then_some(budget)
    }
}

/// A survivor is young until this part of its shard's keys was written.
const YOUNG_PART: f64 = 5.0;

/// What is known of a record that has outlived a compaction.
struct Survivor {
    /// Numbers that its shard has given since.
    age: u64,
    /// All numbers that the shard has given.
    numbers: u64,
    /// Records that it has written since open. A batch has one number for all of its records.
    written: u64,
    /// Its keys.
    keys: u64,
}

impl Survivor {
    /// Whether it has not yet had its chance to die.
    fn is_young(&self) -> bool {
        let records_a_number = (self.written as f64 / self.numbers.max(1) as f64).max(1.0);
        self.age as f64 * records_a_number * YOUNG_PART < self.keys as f64
    }
}

impl Engine {
    /// Whether a survivor with the number `seq` stays in the hot log. Under the lock of its shard.
    pub(super) fn is_hot(&self, state: &ShardState, seq: u64) -> bool {
        let temperature = &self.compaction.temperature;
        if temperature.by_hand.load(Ordering::Relaxed) || self.source.reserve.is_tight() {
            return false;
        }
        let survivor = Survivor {
            age: state.seq.saturating_sub(seq),
            numbers: state.seq,
            written: state.puts + state.deletes,
            keys: state.keys,
        };
        temperature.is_blind() || survivor.is_young()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_young(age: u64, numbers: u64, written: u64, keys: u64) -> bool {
        Survivor { age, numbers, written, keys }.is_young()
    }

    #[test]
    fn a_survivor_is_young_until_a_fifth_of_its_shard_was_written() {
        assert!(is_young(0, 10_000, 10_000, 1_000));
        assert!(is_young(199, 10_000, 10_000, 1_000));
        assert!(!is_young(200, 10_000, 10_000, 1_000));
        assert!(!is_young(9_000, 10_000, 10_000, 1_000));
        assert!(!is_young(0, 10_000, 10_000, 0), "of a shard without keys");
    }

    #[test]
    fn a_batch_counts_as_its_records() {
        // Ten records a number.
        assert!(is_young(19, 1_000, 10_000, 1_000));
        assert!(!is_young(20, 1_000, 10_000, 1_000));
        // After an opening, what was written before is not known: a number is a record at least.
        assert!(is_young(199, 10_000, 10, 1_000));
        assert!(!is_young(200, 10_000, 10, 1_000));
    }

    #[test]
    fn sums_do_not_overflow() {
        assert!(!is_young(u64::MAX, u64::MAX, u64::MAX, u64::MAX / 4));
    }
}
