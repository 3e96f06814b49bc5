//! `warp compact`: reclaims what can be reclaimed, and says how much that was.

use crate::args::{Database, Global};
use crate::failure::Outcome;
use crate::open::{with, Access};
use crate::output;
use indicatif::BinaryBytes;
use std::time::Instant;

pub fn run(global: &Global, database: &Database) -> Outcome {
    let (taken, before, after) = with(global, database, Access::Write, |db| {
        let (before, started) = (db.stats(), Instant::now());
        db.compact()?;
        Ok((started.elapsed(), before, db.stats()))
    })?;
    let (freed, moved) =
        (after.freed_bytes - before.freed_bytes, after.moved_bytes - before.moved_bytes);
    if global.json {
        return output::line(serde_json::json!({"compact": {
            "seconds": taken.as_secs_f64(),
            "freed_bytes": freed,
            "moved_bytes": moved,
            "log_bytes_before": before.log_bytes,
            "log_bytes": after.log_bytes,
            "live_bytes": after.live_bytes,
        }}));
    }
    output::line(format!(
        "compact done in {taken:.1?}: log {}, was {}; {} of segments freed, {} of records moved",
        BinaryBytes(after.log_bytes),
        BinaryBytes(before.log_bytes),
        BinaryBytes(freed),
        BinaryBytes(moved)
    ))
}
