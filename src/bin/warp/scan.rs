//! `warp scan`: keys and values as lines, in the order in which the engine finds them.
//!
//! Lines are those of `dump` (tab-separated, or with `--json` JSON Lines); `--hex` and `--base64`
//! spell both fields so that they can be handed back to `get`, `put` and `delete`.

use crate::args::{Global, Scan, Spelling};
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output::with_stdout;
use crate::text::{self, Format};
use std::io::{self, Write};

pub fn run(global: &Global, args: &Scan) -> Outcome {
    let prefix = match &args.prefix {
        Some(prefix) => args.spelling.decode("the prefix", prefix)?,
        None => Vec::new(),
    };
    let limit = args.limit.unwrap_or(u64::MAX);
    with(global, &args.database, Access::Read, |db| {
        with_stdout(|out| {
            let mut iter = db.iter(&prefix)?;
            let mut printed = 0;
            while printed < limit && iter.advance()? {
                let Some((key, value)) = iter.current() else { break };
                let value = (!args.keys_only).then_some(value);
                entry(out, global.json, args.spelling, key, value).map_err(Failure::stdout)?;
                printed += 1;
            }
            Ok(())
        })
    })
}

fn entry(
    out: &mut dyn Write,
    json: bool,
    spelling: Spelling,
    key: &[u8],
    value: Option<&[u8]>,
) -> io::Result<()> {
    if json {
        return match value {
            Some(value) => Format::Jsonl.write(out, key, value),
            None => text::write_key(out, key),
        };
    }
    field(out, spelling, key)?;
    if let Some(value) = value {
        out.write_all(b"\t")?;
        field(out, spelling, value)?;
    }
    out.write_all(b"\n")
}

fn field(out: &mut dyn Write, spelling: Spelling, bytes: &[u8]) -> io::Result<()> {
    match spelling.encode(bytes) {
        Some(text) => out.write_all(text.as_bytes()),
        None => text::escape(out, bytes),
    }
}
