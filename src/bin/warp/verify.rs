//! `warp verify`: reads everything and says whether it is sound.

use crate::args::{Global, Verify};
use crate::bytes::show;
use crate::failure::Outcome;
use crate::open::{with, Access};
use crate::output;
use crate::progress::{Progress, Unit};
use indicatif::BinaryBytes;
use warp_engine::{Db, Error, ErrorKind};

pub fn run(global: &Global, args: &Verify) -> Outcome {
    let report = with(global, &args.database, Access::Read, |db| {
        let total = Some(db.stats().keys);
        let progress = Progress::new(args.progress.progress, "verifying", Unit::Records, total);
        check(db, progress)
    })?;
    if global.json {
        return output::line(serde_json::json!({
            "sound": true,
            "records": report.records,
            "key_bytes": report.key_bytes,
            "value_bytes": report.value_bytes,
        }));
    }
    output::line(format!(
        "sound: {}, {} of keys, {} of values",
        output::records(report.records),
        BinaryBytes(report.key_bytes),
        BinaryBytes(report.value_bytes)
    ))
}

/// What was read.
#[derive(Default)]
pub struct Report {
    pub records: u64,
    pub key_bytes: u64,
    pub value_bytes: u64,
}

/// Reads every record on both ways to it: by iteration and through the index. The first defect
/// ends it.
pub fn check(db: &Db, mut progress: Progress) -> Outcome<Report> {
    let mut report = Report::default();
    let mut iter = db.iter(&[])?;
    while iter.advance()? {
        let Some((key, value)) = iter.current() else { break };
        let found = db.get_pinned(key)?;
        if found.as_deref() != Some(value) {
            let what = if found.is_some() { "another value" } else { "nothing" };
            let text = format!("key {}: the iterator finds it, get finds {what}", show(key));
            return Err(Error::new(ErrorKind::Corruption, text).into());
        }
        report.records += 1;
        report.key_bytes += key.len() as u64;
        report.value_bytes += value.len() as u64;
        progress.at(report.records, report.records);
    }
    let keys = db.stats().keys;
    if keys != report.records {
        let text = format!("the index counts {keys} keys, {} were read", report.records);
        return Err(Error::new(ErrorKind::Corruption, text).into());
    }
    Ok(report)
}
