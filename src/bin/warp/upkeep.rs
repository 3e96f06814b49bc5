//! `warp checkpoint` and `warp sync`: one call of the engine each.

use crate::args::{Database, Global};
use crate::failure::Outcome;
use crate::open::{with, Access};
use crate::output;
use std::time::Instant;
use warp_engine::Db;

pub fn checkpoint(global: &Global, database: &Database) -> Outcome {
    run(global, database, "checkpoint", Db::checkpoint)
}

pub fn sync(global: &Global, database: &Database) -> Outcome {
    run(global, database, "sync", Db::sync)
}

fn run(
    global: &Global,
    database: &Database,
    name: &str,
    call: impl FnOnce(&Db) -> warp_engine::Result<()>,
) -> Outcome {
    let started = Instant::now();
    let taken = with(global, database, Access::Write, |db| {
        call(db)?;
        Ok(started.elapsed())
    })?;
    if global.json {
        return output::line(serde_json::json!({name: {"seconds": taken.as_secs_f64()}}));
    }
    output::line(format!("{name} done in {taken:.1?}"))
}
