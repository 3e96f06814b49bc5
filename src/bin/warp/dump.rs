//! `warp dump`: every record as a line that `load` reads.

use crate::args::{Dump, Global};
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output::{self, with_stdout};
use crate::progress::{Progress, Unit};
use crate::text::Format;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use warp_engine::{Db, Error};

pub fn run(global: &Global, args: &Dump) -> Outcome {
    let format = Format::choose(args.format, args.output.as_deref());
    let records = with(global, &args.database, Access::Read, |db| {
        let total = Some(db.stats().keys);
        let progress = Progress::new(args.progress.progress, "dumping", Unit::Records, total);
        match &args.output {
            Some(path) => to_file(db, format, path, progress),
            None => {
                let mut records = 0;
                with_stdout(|out| {
                    records = dump(db, format, out, progress, &Failure::stdout)?;
                    Ok(())
                })?;
                Ok(records)
            }
        }
    })?;
    match &args.output {
        None => Ok(()), // standard output holds the records and nothing else
        Some(path) if global.json => {
            let file = path.display().to_string();
            output::line(serde_json::json!({"records": records, "file": file}))
        }
        Some(path) => {
            output::line(format!("dumped {} to {}", output::records(records), path.display()))
        }
    }
}

fn to_file(db: &Db, format: Format, path: &Path, progress: Progress) -> Outcome<u64> {
    let failed = |action: &str, e: io::Error| -> Failure {
        Error::os(format!("{action} {}", path.display()), &e).into()
    };
    let file = File::create(path).map_err(|e| failed("create", e))?;
    let mut out = BufWriter::with_capacity(256 << 10, file);
    let records = dump(db, format, &mut out, progress, &|e| failed("write", e))?;
    let file = out.into_inner().map_err(|e| failed("write", e.into_error()))?;
    // Some file systems tell a full disk only now. What cannot be synced (a pipe, /dev/null) is
    // no file to lose.
    if file.metadata().is_ok_and(|m| m.is_file()) {
        file.sync_all().map_err(|e| failed("sync", e))?;
    }
    Ok(records)
}

fn dump(
    db: &Db,
    format: Format,
    out: &mut dyn Write,
    mut progress: Progress,
    failed: &dyn Fn(io::Error) -> Failure,
) -> Outcome<u64> {
    let mut iter = db.iter(&[])?;
    let mut records = 0;
    while iter.advance()? {
        let Some((key, value)) = iter.current() else { break };
        format.write(out, key, value).map_err(failed)?;
        records += 1;
        progress.at(records, records);
    }
    Ok(records)
}
