//! `warp verify`: reads every file and lists all that is damaged.

use crate::args::{Global, ProgressArgs, Verify};
use crate::failure::{Failure, Outcome};
use crate::open;
use crate::output;
use crate::progress::{Progress, Unit};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use indicatif::BinaryBytes;
use serde_json::{json, Value};
use warp_engine::{Damage, Db, Error, ErrorKind};

pub fn run(global: &Global, args: &Verify) -> Outcome {
    let options = open::options(global)?;
    let mut progress = reading(&args.progress, "verifying");
    let report = Db::verify(&args.database.path, &options, |done, total| progress.of(done, total))?;
    drop(progress);
    let sound = report.damage.is_empty();
    if global.json {
        output::line(json!({
            "sound": sound,
            "keys": report.keys,
            "key_bytes": report.key_bytes,
            "value_bytes": report.value_bytes,
            "records": report.records,
            "deletes": report.deletes,
            "batches": report.batches,
            "segments": report.segments,
            "bytes": report.bytes,
            "torn_logs": report.torn_logs,
            "torn_bytes": report.torn_bytes,
            "dead_bytes_off": report.dead_bytes_off,
            "leftovers": report.leftovers,
            "damage": list_json(&report.damage),
        }))?;
    } else {
        list(&report.damage)?;
        output::line(format!(
            "{}: {}, {} of keys, {} of values",
            if sound { "sound" } else { "damaged; what verifies" },
            output::records(report.keys),
            BinaryBytes(report.key_bytes),
            BinaryBytes(report.value_bytes)
        ))?;
    }
    if sound {
        return Ok(());
    }
    Err(damaged(report.damage.len(), "warp repair saves what verifies into a new database"))
}

/// Progress in bytes of files.
pub fn reading(args: &ProgressArgs, verb: &'static str) -> Progress {
    Progress::new(args.progress, verb, Unit::Bytes, Some(0))
}

/// The failure of a command that found damage and has listed it.
pub fn damaged(count: usize, more: &str) -> Failure {
    let defects = if count == 1 { "defect" } else { "defects" };
    Error::new(ErrorKind::Corruption, format!("{count} {defects}; {more}")).into()
}

/// Prints damage, one defect a line.
pub fn list(damage: &[Damage]) -> Outcome {
    output::with_stdout(|out| {
        damage.iter().try_for_each(|d| {
            let line = d.to_string().replace('\n', "\\n");
            writeln!(out, "{line}").map_err(Failure::stdout)
        })
    })
}

/// Damage as JSON; a key that is no UTF-8 stands under `key_base64`.
pub fn list_json(damage: &[Damage]) -> Value {
    let one = |d: &Damage| {
        let mut object = json!({
            "kind": d.kind.name(),
            "file": d.file,
            "offset": d.offset,
            "len": d.len,
            "what": d.what,
        });
        if let Some(key) = &d.key {
            match std::str::from_utf8(key) {
                Ok(text) => object["key"] = text.into(),
                Err(_) => object["key_base64"] = STANDARD.encode(key).into(),
            }
        }
        object
    };
    damage.iter().map(one).collect()
}
