//! `warp restore`: checks a backup and copies its files into a new directory.
//!
//! The backup is opened read-only, every record of it is read, and it stays open while its files
//! are copied, so that nobody who respects its lock changes them meanwhile. It is not written: it
//! can still be brought up to date later. The copy shares no file with it, and takes no harm from
//! what comes to it.

use crate::args::{Database, Global, Restore};
use crate::copy;
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output;
use crate::progress::{Progress, Unit};
use crate::verify;
use indicatif::BinaryBytes;
use std::time::Instant;

pub fn run(global: &Global, args: &Restore) -> Outcome {
    let to = args.to.display();
    if !copy::is_new_or_empty(&args.to)? {
        return Err(Failure::Usage(format!("{to} is not empty; name a new directory")));
    }
    let started = Instant::now();
    let backup = Database { path: args.path.clone() };
    let (records, bytes) = with(global, &backup, Access::Read, |db| {
        let total = Some(db.stats().keys);
        let progress = Progress::new(args.progress.progress, "checking", Unit::Records, total);
        let report = verify::check(db, progress)?;
        Ok((report.records, copy::database(&args.path, &args.to)?))
    })?;
    let seconds = started.elapsed().as_secs_f64();
    if global.json {
        return output::line(serde_json::json!({"restore": {
            "directory": args.to.to_string_lossy(),
            "records": records,
            "bytes": bytes,
            "seconds": seconds,
        }}));
    }
    let size = BinaryBytes(bytes);
    output::line(format!(
        "restored {}, {size}, to {to} in {seconds:.2} s",
        output::records(records)
    ))
}
