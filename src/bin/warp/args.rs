//! The command line: every command, argument and word of help.
//!
//! The database directory is the first positional argument of every command but `bench` and
//! `crashtest`. Keys, values and prefixes stay `OsString`s here, so that bytes which are no UTF-8
//! reach the engine unchanged.

mod bench;

pub use bench::{
    Bench, BenchChild, BenchCore, BenchFeatures, BenchLarger, BenchOverwrite, BenchPlace,
    BenchSweep, Distribution,
};

use crate::text::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const AFTER_HELP: &str = "\
Keys and values on the command line are taken byte for byte, as the shell passes them. With --hex \
or --base64 they are decoded first, which is the way to name bytes that no shell can pass. Put -- \
before a key or a value that begins with a dash.

Commands that only read (get, scan, stats, dump, verify, repair, restore) never write to the database. Only put and \
load create one that does not exist. A database that another process has open is waited for 2 \
seconds; -o open_timeout_ms=N waits longer.

Errors are one line on standard error, or with --json one object with the fields error, message \
and exit_code. A reader that closes the pipe early (warp scan DB | head) is no error.

Exit codes:
   0  done
   1  the key does not exist
   2  wrong usage, or an invalid argument, option or value
   3  the operating system failed a read, a write or a sync
   4  corruption: stored bytes do not match their checksum, or files are missing
   5  another process has the database open
   6  a deadline passed
   7  the device or the quota is full
   8  a write to a database that is read-only
   9  a key, a value or a batch over the limits
  10  a newer format version, or something this platform lacks
  11  an allocation failed or would pass the memory limit
  12  a defect of the engine; please report it
  65  a line of the input of load is malformed";

const TEXT_HELP: &str = "\
Formats, one record a line, both safe for any bytes:
  tsv    KEY, a tab, VALUE. In both, a tab is written \\t, a newline \\n, a carriage return \\r, a
         backslash \\\\, and any byte \\xHH. Other control characters and bytes that are no UTF-8
         are always written \\xHH.
  jsonl  {\"key\":\"…\",\"value\":\"…\"}; a key or a value that is no UTF-8 stands under key_base64 or
         value_base64 (standard alphabet, padded) instead.";

/// Look into and change a WarpEngine database.
#[derive(Parser)]
#[command(name = "warp", version, after_long_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct Global {
    /// Answer in JSON, errors too
    #[arg(long, global = true)]
    pub json: bool,
    /// Set an option of the engine by its name, such as -o durability=sync; repeat for more
    #[arg(short = 'o', long = "option", global = true, value_name = "NAME=VALUE")]
    #[arg(value_parser = option_pair)]
    pub options: Vec<(String, String)>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Write the value of a key to standard output, byte for byte
    Get(Get),
    /// Store a value under a key
    Put(Put),
    /// Delete a key
    Delete(Delete),
    /// List keys and values as lines, in no particular order
    Scan(Scan),
    /// Show counters and sizes, also of a database that another process has open
    #[command(after_long_help = STATS_HELP)]
    Stats(StatsArgs),
    /// Store the records of a file or of standard input, in batches
    #[command(after_long_help = TEXT_HELP)]
    Load(Load),
    /// Write every record to standard output or to a file, for load
    #[command(after_long_help = TEXT_HELP)]
    Dump(Dump),
    /// Put everything on the device and shorten the next open
    Checkpoint(Database),
    /// Put everything that was written on the device
    Sync(Database),
    /// Reclaim the space of what was overwritten and deleted
    Compact(Database),
    /// Copy the database, as of one moment, into a directory that opens as a database of its own
    #[command(after_long_help = BACKUP_HELP)]
    Backup(Backup),
    /// Check a backup and copy it into a new directory, as a database to go on with
    Restore(Restore),
    /// Measure the engine on this machine, in a temporary directory
    #[command(subcommand, after_long_help = BENCH_HELP)]
    Bench(Bench),
    /// Check every file of a database and list all damage; exit code 4 if there is any
    Verify(Verify),
    /// Crash databases of its own and see whether they keep their promises
    Crashtest(Crashtest),
    /// Load a database of its own for hours, kill it at random, and compare every answer
    Stress(Stress),
    /// Save what verifies of a damaged database into a new one, and list what is lost
    Repair(Repair),
    /// List the rules by which keys belong together, add one, or remove one
    #[command(after_long_help = RULES_HELP)]
    Rules(Rules),
    /// Move slots between shards until these hold alike
    Rebalance(Database),
    /// Link a key to another that is read with it
    Link(Link),
    /// Take a link away
    Unlink(Unlink),
    /// Write the value of a key and those of its partners, a record a line
    Linked(Get),
}

const RULES_HELP: &str = "\
A rule is a list of patterns with commas between them, each with one *, which stands for one byte or \
more: user:*,profile:*,settings:*. What the star stands for names the group; the keys of a group \
share a shard and lie beside each other on disk (place), and are read together (link). The first \
pattern names the primary of a group. The first rule with a pattern that fits a key counts.";

const BACKUP_HELP: &str = "\
The database is opened for writing, so that what it holds is on the device before it is copied, \
though it is not changed; -o read_only=true backs up a cleanly closed one that cannot be written.

Files that will never change again are linked rather than copied where the file system can do \
that: the backup costs little space, and outlives the database, but shares its device. Copy the \
directory to another device to survive the loss of this one.

A backup that has been opened for writing is a database of its own, and no longer brought up to \
date. Open it with restore, or read-only (get, scan, dump, verify), to keep it a backup.";

const STATS_HELP: &str = "\
A process that has a database open writes its statistics into the directory, about once a second while \
anything changes; --watch shows them live, without opening or locking anything, and waits while \
the database is closed. Without a terminal, or with --json, it prints a line for each reading. \
Counters run from the open of the process that counts.";

const BENCH_HELP: &str = "\
Every value that is read is checked, and figures are medians of rounds in which the engine and the \
yardstick take turns. The yardstick does what nothing could do with less: a get is one probe of an \
array and one copy, a put one copy and its checksum, a durable put one write and one sync of a \
prepared file. It never deletes, grows, locks or recovers; the ratio says what these cost.

-o sets options of the databases that are measured.";

#[derive(Args)]
pub struct Rules {
    #[command(flatten)]
    pub database: Database,
    /// Add a rule, such as user:*,profile:*
    #[arg(long, value_name = "PATTERNS")]
    pub add: Option<String>,
    /// Remove the rule that begins with this pattern
    #[arg(long, value_name = "PATTERN", conflicts_with = "add")]
    pub remove: Option<String>,
    /// The new rule places and does not link
    #[arg(long, requires = "add")]
    pub only_place: bool,
    /// The new rule links and does not place
    #[arg(long, requires = "add", conflicts_with = "only_place")]
    pub only_link: bool,
}

#[derive(Args)]
pub struct Link {
    #[command(flatten)]
    pub database: Database,
    /// The key that is read first
    #[arg(value_name = "KEY")]
    pub from: OsString,
    /// The key that is read with it
    #[arg(value_name = "PARTNER")]
    pub to: OsString,
    /// How strong the link is, above 0, up to 1
    #[arg(long, default_value_t = 1.0)]
    pub strength: f32,
    #[command(flatten)]
    pub spelling: Spelling,
}

#[derive(Args)]
pub struct Unlink {
    #[command(flatten)]
    pub database: Database,
    /// The key that is read first
    #[arg(value_name = "KEY")]
    pub from: OsString,
    /// The key that is read with it
    #[arg(value_name = "PARTNER")]
    pub to: OsString,
    #[command(flatten)]
    pub spelling: Spelling,
}

#[derive(Args)]
pub struct Database {
    /// Directory of the database
    #[arg(value_name = "DB")]
    pub path: PathBuf,
}

#[derive(Args)]
pub struct StatsArgs {
    #[command(flatten)]
    pub database: Database,
    /// Show what the process that has the database open does, again and again
    #[arg(long)]
    pub watch: bool,
    /// Seconds between two readings
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds, requires = "watch")]
    pub interval: f64,
    /// Leave after so many readings
    #[arg(long, value_name = "N", requires = "watch")]
    pub count: Option<u64>,
}

/// How bytes are spelled on the command line.
#[derive(Args, Clone, Copy)]
pub struct Spelling {
    /// Keys, values and prefixes on the command line are in hexadecimal; scan prints them so
    #[arg(long, conflicts_with = "base64")]
    pub hex: bool,
    /// Keys, values and prefixes on the command line are in base64; scan prints them so
    #[arg(long)]
    pub base64: bool,
}

#[derive(Args)]
pub struct Get {
    #[command(flatten)]
    pub database: Database,
    /// The key
    #[arg(allow_negative_numbers = true)]
    pub key: OsString,
    #[command(flatten)]
    pub spelling: Spelling,
}

#[derive(Args)]
pub struct Put {
    #[command(flatten)]
    pub database: Database,
    /// The key
    #[arg(allow_negative_numbers = true)]
    pub key: OsString,
    /// The value; - takes standard input, byte for byte
    #[arg(allow_negative_numbers = true, required_unless_present = "file")]
    pub value: Option<OsString>,
    /// Take the value from this file, byte for byte
    #[arg(long, conflicts_with = "value")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub spelling: Spelling,
}

#[derive(Args)]
pub struct Delete {
    #[command(flatten)]
    pub database: Database,
    /// The key
    #[arg(allow_negative_numbers = true)]
    pub key: OsString,
    #[command(flatten)]
    pub spelling: Spelling,
}

#[derive(Args)]
pub struct Scan {
    #[command(flatten)]
    pub database: Database,
    /// Only keys that begin with this
    #[arg(long, allow_negative_numbers = true)]
    pub prefix: Option<OsString>,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Leave the values out
    #[arg(long)]
    pub keys_only: bool,
    #[command(flatten)]
    pub spelling: Spelling,
}

#[derive(Args)]
pub struct Load {
    #[command(flatten)]
    pub database: Database,
    /// File to read; - takes standard input
    pub file: PathBuf,
    /// Format of the lines; a file named .jsonl or .ndjson is jsonl unless this says otherwise
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Records in one batch; each batch is written whole or not at all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch: u32,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

#[derive(Args)]
pub struct Dump {
    #[command(flatten)]
    pub database: Database,
    /// Format of the lines; an output named .jsonl or .ndjson is jsonl unless this says otherwise
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write to this file instead of standard output
    #[arg(long, short = 'f', value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    pub database: Database,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

#[derive(Args)]
pub struct Backup {
    #[command(flatten)]
    pub database: Database,
    /// Directory of the backup: a new or an empty one
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// Bring an earlier backup of this database in DIR up to date
    #[arg(long)]
    pub incremental: bool,
}

#[derive(Args)]
pub struct Restore {
    /// Directory of the backup, or of any database
    #[arg(value_name = "BACKUP")]
    pub path: PathBuf,
    /// Directory of the restored database: a new or an empty one
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

#[derive(Args)]
pub struct Crashtest {
    /// What crashes: sim is a simulated disk that loses power at every call, resurrection is long
    /// lives of deletes and compactions on it, kill is processes that are killed, syscall is
    /// processes whose system calls are made to fail (needs strace)
    #[arg(long, value_enum, default_value = "sim")]
    pub mode: CrashMode,
    /// How long: 90s, 10m, 2h
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub duration: Duration,
    /// First seed; a violation names the one that repeats it
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// End resurrection after so many rounds, however long they take
    #[arg(long, value_name = "N")]
    pub rounds: Option<u64>,
    /// Be a child of kill or syscall in this directory
    #[arg(long, hide = true, value_names = ["DIR", "DURABILITY", "OPERATIONS"], num_args = 3)]
    pub child: Option<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CrashMode {
    Sim,
    Resurrection,
    Kill,
    Syscall,
}

#[derive(Args)]
pub struct Stress {
    /// How long: 90s, 30m, 24h
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub duration: Duration,
    /// Directory for database, backup and oracle, new or empty; kept. Without it, a temporary one,
    /// which is kept only when a promise was broken
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What operations and moments of kills follow from
    #[arg(long, default_value_t = 1, conflicts_with = "resume")]
    pub seed: u64,
    /// Threads that read and write, beside one that checkpoints, compacts and backs up
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=256))]
    #[arg(conflicts_with = "resume")]
    pub threads: u64,
    /// Go on with what an earlier run has left in the directory
    #[arg(long, requires = "dir")]
    pub resume: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
    /// Be a child in this directory
    #[arg(long, hide = true, value_names = ["DIR", "DURABILITY", "NUMBER"], num_args = 3)]
    pub child: Option<Vec<String>>,
}

#[derive(Args)]
pub struct Repair {
    #[command(flatten)]
    pub database: Database,
    /// Directory of the new database; it must not exist or be empty
    #[arg(value_name = "DST")]
    pub to: PathBuf,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

#[derive(Args)]
pub struct ProgressArgs {
    /// Show progress on standard error: auto is a bar when that is a terminal; --progress alone
    /// is always, which writes a line a second where there is no terminal
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    #[arg(num_args = 0..=1, default_missing_value = "always", require_equals = true)]
    pub progress: When,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.01..=3600.0).contains(&s) => Ok(s),
        _ => Err("a number of seconds from 0.01 to 3600".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration is a whole number with s, m or h, such as 90s".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// A size with an optional `K`, `M` or `G`.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a whole number with or without K, M or G, such as 256M".to_owned();
    let shift = match text.chars().last().ok_or_else(wrong)? {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        _ => 0,
    };
    let digits = if shift > 0 { &text[..text.len() - 1] } else { text };
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(wrong)
}

fn option_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("an option is written name=value, such as durability=sync".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_takes_the_database_first() {
        // The benchmark, the crash test and the stress test make databases of their own.
        let takes_one =
            |c: &&clap::Command| !["bench", "crashtest", "stress"].contains(&c.get_name());
        for command in Cli::command().get_subcommands().filter(takes_one) {
            let first = command.get_positionals().next().expect("a positional argument");
            assert_eq!(first.get_id(), "path", "warp {}", command.get_name());
        }
    }

    #[test]
    fn option_pairs_split_at_the_first_equals_sign() {
        assert_eq!(option_pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(option_pair("a="), Ok(("a".into(), String::new())));
        assert!(option_pair("a").is_err());
        assert!(option_pair("=b").is_err());
    }
}
