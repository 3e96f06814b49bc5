//! `warp rebalance`: move slots until the shards hold alike. A process that serves a database
//! balances by the load that it sees; a command sees none, so the bytes that are stored count.

use crate::args::{Database, Global};
use crate::failure::Outcome;
use crate::open::{with, Access};
use crate::output;

pub fn run(global: &Global, database: &Database) -> Outcome {
    let moved = with(global, database, Access::Write, |db| Ok(db.rebalance()?))?;
    if global.json {
        return output::line(serde_json::json!({"rebalance": {"slots_moved": moved}}));
    }
    output::line(format!("{moved} slots moved"))
}
