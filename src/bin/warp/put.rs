//! `warp put`: one value, from the command line, a file or standard input.

use crate::args::{Global, Put};
use crate::failure::Outcome;
use crate::open::{with, Access};
use crate::output;
use std::fs::File;
use std::io::{self, Read};
use warp_engine::{Error, ErrorKind, VALUE_LEN_MAX};

pub fn run(global: &Global, args: &Put) -> Outcome {
    let key = args.spelling.decode("the key", &args.key)?;
    // The value is complete before the database is opened: a slow writer on standard input holds
    // no lock, and one that fails creates no directory.
    let value = value(args)?;
    with(global, &args.database, Access::Create, |db| Ok(db.put(&key, &value)?))?;
    if global.json {
        output::line(serde_json::json!({"key_bytes": key.len(), "value_bytes": value.len()}))?;
    }
    Ok(())
}

fn value(args: &Put) -> Outcome<Vec<u8>> {
    match (&args.file, &args.value) {
        (Some(path), _) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|e| Error::os(format!("open {name}"), &e))?;
            whole(file, &name)
        }
        (None, Some(value)) if value == "-" => whole(io::stdin().lock(), "standard input"),
        (None, Some(value)) => args.spelling.decode("the value", value),
        (None, None) => unreachable!("the parser requires a value or --file"),
    }
}

/// Reads to the end, and gives up at the first byte that no value can hold.
fn whole(from: impl Read, name: &str) -> Outcome<Vec<u8>> {
    let mut value = Vec::new();
    from.take(VALUE_LEN_MAX as u64 + 1)
        .read_to_end(&mut value)
        .map_err(|e| Error::os(format!("read {name}"), &e))?;
    if value.len() > VALUE_LEN_MAX {
        let text = format!("{name}: the value is longer than {VALUE_LEN_MAX} bytes");
        return Err(Error::new(ErrorKind::TooLarge, text).into());
    }
    Ok(value)
}
