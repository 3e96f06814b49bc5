//! `warp repair`: saves what verifies of a damaged database into a new one.

use crate::args::{Global, Repair};
use crate::failure::Outcome;
use crate::open;
use crate::output;
use crate::verify::{list, list_json, reading};
use indicatif::BinaryBytes;
use serde_json::json;
use warp_engine::Db;

pub fn run(global: &Global, args: &Repair) -> Outcome {
    let options = open::options(global)?;
    let mut progress = reading(&args.progress, "repairing");
    let report = Db::repair(&args.database.path, &args.to, &options, |done, total| {
        progress.of(done, total);
    })?;
    drop(progress);
    if global.json {
        return output::line(json!({
            "keys": report.keys,
            "key_bytes": report.key_bytes,
            "value_bytes": report.value_bytes,
            "records": report.records,
            "deleted": report.deleted,
            "partial_batches": report.partial_batches,
            "lost_bytes": report.lost_bytes,
            "damage": list_json(&report.damage),
        }));
    }
    list(&report.damage)?;
    let damage = match report.damage.len() {
        0 => "nothing was damaged".to_owned(),
        1 => "1 defect, listed above".to_owned(),
        n => format!("{n} defects, listed above"),
    };
    output::line(format!(
        "saved {}, {} of keys, {} of values, to {}; {damage}; {} hold no record",
        output::records(report.keys),
        BinaryBytes(report.key_bytes),
        BinaryBytes(report.value_bytes),
        args.to.display(),
        BinaryBytes(report.lost_bytes)
    ))
}
