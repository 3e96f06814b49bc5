//! `warp load`: lines into records, in batches.
//!
//! Invariants:
//! 1. Records go in in the order of the lines, so the last line of a key wins.
//! 2. A batch is written whole or not at all. A malformed line stops the load with everything
//!    before its batch stored and nothing of its batch or after it.
//! 3. Memory is bounded by one batch and one line, whatever the length of the input.

use crate::args::{Global, Load};
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output;
use crate::progress::{Progress, Unit};
use crate::text::{trim_carriage_return, Format, Record};
use indicatif::BinaryBytes;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::time::Instant;
use warp_engine::{Batch, Db, Error, ErrorKind, KEY_LEN_MAX, VALUE_LEN_MAX};

/// Bytes at which a batch is written before it has its number of records: far below what the
/// engine takes at once, far above where larger batches gain anything.
const BATCH_BYTES: usize = 8 << 20;

/// No record is longer: every byte of the longest key and value as `\xHH`, and the JSON around.
const LINE_BYTES_MAX: u64 = 6 * (KEY_LEN_MAX as u64 + VALUE_LEN_MAX as u64) + 1024;

pub fn run(global: &Global, args: &Load) -> Outcome {
    let name = if args.file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        args.file.display().to_string()
    };
    let (input, total) = input(args, &name)?;
    let started = Instant::now();
    let progress = Progress::new(args.progress.progress, "loading", Unit::Bytes, total);
    let format = Format::choose(args.format, Some(&args.file));
    let loaded = with(global, &args.database, Access::Create, |db| {
        let mut loader = Loader {
            db,
            batch: Batch::new(),
            batch_max: args.batch as usize,
            stored: Stored::default(),
            progress,
        };
        match loader.load(input, format, &name) {
            Ok(()) => Ok(loader.stored),
            Err(failure) => Err(stopped(failure, loader.stored)),
        }
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let Stored { records, bytes } = loaded;
    if global.json {
        return output::line(
            serde_json::json!({"records": records, "bytes": bytes, "seconds": seconds}),
        );
    }
    output::line(format!(
        "loaded {}, {}, in {seconds:.2} s",
        output::records(records),
        BinaryBytes(bytes)
    ))
}

/// The input and, if it is a file, its length.
fn input(args: &Load, name: &str) -> Outcome<(Box<dyn BufRead>, Option<u64>)> {
    if args.file.as_os_str() == "-" {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let open = || {
        let file = File::open(&args.file)?;
        let meta = file.metadata()?;
        Ok((file, meta.is_file().then_some(meta.len())))
    };
    let (file, total) = open().map_err(|e| Error::os(format!("open {name}"), &e))?;
    Ok((Box::new(BufReader::with_capacity(256 << 10, file)), total))
}

fn stopped(failure: Failure, stored: Stored) -> Failure {
    let stored = format!(
        "stopped with {} stored; nothing after them went in",
        output::records(stored.records)
    );
    match failure {
        Failure::Malformed(m) => Failure::Malformed(format!("{m}; {stored}")),
        Failure::Engine(e) => Error::new(e.kind(), format!("{e}; {stored}")).into(),
        other => other,
    }
}

#[derive(Clone, Copy, Default)]
struct Stored {
    records: u64,
    bytes: u64,
}

struct Loader<'a> {
    db: &'a Db,
    batch: Batch,
    batch_max: usize,
    stored: Stored,
    progress: Progress,
}

impl Loader<'_> {
    fn load(&mut self, mut input: Box<dyn BufRead>, format: Format, name: &str) -> Outcome {
        let (mut line, mut record) = (Vec::new(), Record::default());
        let (mut number, mut position) = (0u64, 0u64);
        loop {
            line.clear();
            let read = (&mut input)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .map_err(|e| Error::os(format!("read {name}"), &e))?;
            if read == 0 {
                return self.flush();
            }
            number += 1;
            position += read as u64;
            if read as u64 == LINE_BYTES_MAX {
                let text = format!("{name}: line {number}: longer than any record");
                return Err(Failure::Malformed(text));
            }
            let line = trim_carriage_return(line.strip_suffix(b"\n").unwrap_or(&line));
            if line.is_empty() {
                continue;
            }
            format
                .read(line, &mut record)
                .map_err(|m| Failure::Malformed(format!("{name}: line {number}: {m}")))?;
            self.add(&record).map_err(|f| f.context(format!("{name}: line {number}")))?;
            self.progress.at(position, self.stored.records);
        }
    }

    fn add(&mut self, record: &Record) -> Outcome {
        let bytes = record.key.len() + record.value.len();
        if self.batch.as_packed().len() + bytes > BATCH_BYTES {
            self.flush()?;
        }
        if bytes > BATCH_BYTES {
            self.db.put(&record.key, &record.value).map_err(bad_record)?;
            self.stored.records += 1;
            self.stored.bytes += bytes as u64;
            return Ok(());
        }
        self.batch.put(&record.key, &record.value).map_err(bad_record)?;
        if self.batch.len() >= self.batch_max {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.db.write(&self.batch)?;
        let records = self.batch.len() as u64;
        self.stored.records += records;
        // The packed form spends nine bytes a record besides key and value.
        self.stored.bytes += self.batch.as_packed().len() as u64 - 9 * records;
        self.batch.clear();
        Ok(())
    }
}

/// A record that the engine refuses for what it is: the input is at fault, as with a line that
/// does not parse.
fn bad_record(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::TooLarge => {
            Failure::Malformed(error.message().to_owned())
        }
        _ => error.into(),
    }
}
