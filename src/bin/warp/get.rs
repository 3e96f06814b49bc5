//! `warp get`: the value of one key.

use crate::args::{Get, Global};
use crate::bytes::show;
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output::with_stdout;
use crate::text::Format;

pub fn run(global: &Global, args: &Get) -> Outcome {
    let key = args.spelling.decode("the key", &args.key)?;
    with(global, &args.database, Access::Read, |db| {
        let Some(value) = db.get_pinned(&key)? else {
            return Err(Failure::NotFound(format!("key {} does not exist", show(&key))));
        };
        with_stdout(|out| {
            let written = match global.json {
                true => Format::Jsonl.write(out, &key, &value),
                false => out.write_all(&value),
            };
            written.map_err(Failure::stdout)
        })
    })
}
