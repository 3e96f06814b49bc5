//! Skewed overwrites in a steady state, for what temperature saves: write amplification at a fixed
//! budget of space, compaction that is blind to temperature against compaction that is not.
//!
//! Both sides have the same records, the same draws without any hints, the same victims by the same
//! rule, and the same budget: what the logs hold over what lives, dead records in segments that are
//! appended to and emptied segments included. The blind side has one log for new records and
//! survivors. Writers are faster than a compaction that has to share its processors, so they wait
//! whenever the budget is used up. The space that was really used is sampled, so that the table can
//! show that it was the same.

use super::related::{key, value, version_of, KINDS};
use super::workload::Draw;
use std::time::{Duration, Instant};
use warp_engine::{Db, Error};

/// Most bytes of records: what counts is how often each is written.
const BYTES_MAX: u64 = 128 << 20;
/// How much more than what lives the logs may have, in thousandths.
const BUDGET: u64 = 350;
/// How many puts are done between two looks at the space.
const LOOK: u64 = 1_000;
/// Longest that a writer waits for the budget: what cannot be gained does not hold it for ever.
const WAIT: Duration = Duration::from_secs(5);
/// How often as many records as there are are overwritten, before and while it is measured.
const BEFORE: u64 = 3;
const MEASURED: u64 = 3;

/// What a side comes to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Bytes appended by writers and by compaction, over those by writers.
    pub amplification: f64,
    /// Bytes of the logs over those that live, on average.
    pub space: f64,
}

/// Waits while the logs have more than the budget. What they had before, over what lives.
fn keep_to_budget(db: &Db) -> f64 {
    let used = || {
        let stats = db.stats();
        stats.log_bytes as f64 / stats.live_bytes as f64
    };
    let (first, begin) = (used(), Instant::now());
    while used() > 1.0 + BUDGET as f64 / 1000.0 && begin.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(2));
    }
    first
}

/// Overwrites records of an empty database, `bytes` of them at most.
pub fn run(db: &Db, bytes: u64, is_blind: bool) -> Result<Outcome, Error> {
    let stems = KINDS[0].stems;
    let unit: u64 = stems.iter().map(|(_, len)| *len as u64 + 40).sum();
    let records = bytes.min(BYTES_MAX) / unit * stems.len() as u64;
    db.set_compaction_trial(is_blind, BUDGET);
    let mut versions = vec![0u64; records as usize];
    let mut buffer = Vec::new();
    let mut put = |record: u64, version: u64| {
        let (stem, len) = stems[record as usize % stems.len()];
        let key = key(stem, record / stems.len() as u64);
        value(&key, version, len, &mut buffer);
        versions[record as usize] = version;
        db.put(&key, &buffer)
    };
    (0..records).try_for_each(|record| put(record, 0))?;
    let mut draw = Draw::zipfian(records, 7);
    let (mut before, mut space) = (db.stats(), Vec::new());
    for version in 1..=records * (BEFORE + MEASURED) {
        put(draw.next(), version)?;
        if version == records * BEFORE {
            before = db.stats();
        }
        if version % LOOK == 0 {
            let used = keep_to_budget(db);
            if version > records * BEFORE {
                space.push(used);
            }
        }
    }
    let after = db.stats();
    for (record, version) in (0..records).zip(&versions) {
        let key = key(stems[record as usize % stems.len()].0, record / stems.len() as u64);
        let found = db.get_pinned(&key)?.expect("every key is there");
        assert_eq!(version_of(&key, &found), Some(*version), "a wrong value");
    }
    let put = (after.put_bytes - before.put_bytes) as f64;
    let moved = (after.moved_bytes - before.moved_bytes) as f64;
    let space = space.iter().sum::<f64>() / space.len() as f64;
    Ok(Outcome { amplification: (put + moved) / put, space })
}
