//! Standard output.

use crate::failure::{Failure, Outcome};
use indicatif::HumanCount;
use std::io::{self, BufWriter, Write};

/// Runs `work` with a buffered standard output and flushes it. A reader that has gone ends the
/// command quietly ([`Failure::ClosedPipe`]); any other failed write is an error.
pub fn with_stdout(work: impl FnOnce(&mut dyn Write) -> Outcome) -> Outcome {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    work(&mut out)?;
    out.flush().map_err(Failure::stdout)
}

/// Prints one line.
pub fn line(text: impl std::fmt::Display) -> Outcome {
    with_stdout(|out| writeln!(out, "{text}").map_err(Failure::stdout))
}

/// A number of records, for a person.
pub fn records(n: u64) -> String {
    format!("{} record{}", HumanCount(n), if n == 1 { "" } else { "s" })
}
