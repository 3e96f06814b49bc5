//! `warp link`, `warp unlink` and `warp linked`: keys that are read together.

use crate::args::{Get, Global, Link, Unlink};
use crate::bytes::show;
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output::{self, with_stdout};
use crate::text::Format;

pub fn link(global: &Global, args: &Link) -> Outcome {
    let from = args.spelling.decode("the key", &args.from)?;
    let to = args.spelling.decode("the partner", &args.to)?;
    with(global, &args.database, Access::Write, |db| Ok(db.link(&from, &to, args.strength)?))?;
    if global.json {
        return output::line(serde_json::json!({"linked": 1}));
    }
    Ok(())
}

pub fn unlink(global: &Global, args: &Unlink) -> Outcome {
    let from = args.spelling.decode("the key", &args.from)?;
    let to = args.spelling.decode("the partner", &args.to)?;
    let was_there = with(global, &args.database, Access::Write, |db| Ok(db.unlink(&from, &to)?))?;
    if !was_there {
        return Err(Failure::NotFound(format!("{} is not linked to {}", show(&to), show(&from))));
    }
    if global.json {
        return output::line(serde_json::json!({"unlinked": 1}));
    }
    Ok(())
}

/// The value of a key and those of its partners, a record a line.
pub fn linked(global: &Global, args: &Get) -> Outcome {
    let key = args.spelling.decode("the key", &args.key)?;
    with(global, &args.database, Access::Read, |db| {
        let Some(all) = db.get_linked(&key)? else {
            return Err(Failure::NotFound(format!("key {} does not exist", show(&key))));
        };
        let format = if global.json { Format::Jsonl } else { Format::Tsv };
        with_stdout(|out| {
            let mut each = all.iter();
            each.try_for_each(|l| format.write(out, &l.key, &l.value)).map_err(Failure::stdout)
        })
    })
}
