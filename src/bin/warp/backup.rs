//! `warp backup`: a consistent copy by the engine, which opens as a database of its own.

use crate::args::{Backup, Global};
use crate::copy;
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output;
use indicatif::BinaryBytes;
use std::time::Instant;

pub fn run(global: &Global, args: &Backup) -> Outcome {
    let to = args.to.display();
    // The engine would bring an earlier backup up to date unasked. Whoever names a directory that
    // holds something says so.
    if !args.incremental && !copy::is_new_or_empty(&args.to)? {
        return Err(Failure::Usage(format!(
            "{to} is not empty; name a new directory, or bring an earlier backup of the same \
             database up to date with --incremental"
        )));
    }
    let started = Instant::now();
    let keys = with(global, &args.database, Access::Write, |db| {
        let keys = db.stats().keys;
        db.backup(&args.to)?;
        Ok(keys)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let bytes = copy::file_bytes(&args.to)?;
    if global.json {
        return output::line(serde_json::json!({"backup": {
            "directory": args.to.to_string_lossy(),
            "records": keys,
            "bytes": bytes,
            "seconds": seconds,
        }}));
    }
    let size = BinaryBytes(bytes);
    output::line(format!("backed up {}, {size}, to {to} in {seconds:.2} s", output::records(keys)))
}
