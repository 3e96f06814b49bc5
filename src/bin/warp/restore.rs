//! `warp restore`: checks a backup and copies its files into a new directory.
//!
//! Every checksum of the backup is verified first. Then it is opened read-only, and stays open while
//! its files are copied, so that nobody who respects its lock changes them meanwhile. It is not written: it
//! can still be brought up to date later. The copy shares no file with it, and takes no harm from
//! what comes to it.

use crate::args::{Database, Global, Restore};
use crate::copy;
use crate::failure::{Failure, Outcome};
use crate::open::{self, with, Access};
use crate::output;
use crate::verify;
use indicatif::BinaryBytes;
use std::time::Instant;
use warp_engine::Db;

pub fn run(global: &Global, args: &Restore) -> Outcome {
    let to = args.to.display();
    if !copy::is_new_or_empty(&args.to)? {
        return Err(Failure::Usage(format!("{to} is not empty; name a new directory")));
    }
    let started = Instant::now();
    let backup = Database { path: args.path.clone() };
    let mut progress = verify::reading(&args.progress, "checking");
    let report =
        Db::verify(&args.path, &open::options(global)?, |done, total| progress.of(done, total))?;
    drop(progress);
    if !report.damage.is_empty() {
        verify::list(&report.damage)?;
        return Err(verify::damaged(report.damage.len(), "nothing was restored"));
    }
    let records = report.keys;
    let bytes = with(global, &backup, Access::Read, |_| copy::database(&args.path, &args.to))?;
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
