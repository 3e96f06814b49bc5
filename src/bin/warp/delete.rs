//! `warp delete`: one key.

use crate::args::{Delete, Global};
use crate::bytes::show;
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output;

pub fn run(global: &Global, args: &Delete) -> Outcome {
    let key = args.spelling.decode("the key", &args.key)?;
    let deleted = with(global, &args.database, Access::Write, |db| Ok(db.delete(&key)?))?;
    if !deleted {
        return Err(Failure::NotFound(format!("key {} does not exist", show(&key))));
    }
    if global.json {
        output::line(serde_json::json!({"deleted": 1}))?;
    }
    Ok(())
}
