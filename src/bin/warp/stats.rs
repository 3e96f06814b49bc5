//! `warp stats`: counters and sizes, as a table or as the engine's own JSON.
//!
//! Counters run from the open. Of a database that nobody has open that is the command's own, and they
//! show what the open itself did; of another, they are those that its process has written last.

use crate::args::{Global, StatsArgs};
use crate::failure::{Failure, Outcome};
use crate::open::{with, Access};
use crate::output;
use crate::watch::{self, Published};
use indicatif::{BinaryBytes, HumanCount};
use std::time::Duration;
use warp_engine::{ErrorKind, Stats};

pub fn run(global: &Global, args: &StatsArgs) -> Outcome {
    if args.watch {
        return watch::run(global, args);
    }
    let open = || Published::read(&args.database.path).filter(Published::is_alive);
    let text = match open() {
        Some(published) => of_another(global, &published),
        None => {
            let read = with(global, &args.database, Access::Read, |db| {
                Ok(if global.json { db.stats_json() } else { table(&db.stats()) })
            });
            match (read, open()) {
                // Opened by another process meanwhile.
                (Err(Failure::Engine(e)), Some(published)) if e.kind() == ErrorKind::Busy => {
                    of_another(global, &published)
                }
                (read, _) => read?,
            }
        }
    };
    output::line(text.trim_end())
}

/// What the process that has the database open has written.
fn of_another(global: &Global, published: &Published) -> String {
    if global.json {
        return published.stats.to_string();
    }
    let n = |name: &str| published.stats[name].as_u64().unwrap_or(0);
    let stats = Stats {
        keys: n("keys"),
        puts: n("puts"),
        gets: n("gets"),
        hits: n("hits"),
        deletes: n("deletes"),
        shards: n("shards"),
        log_bytes: n("log_bytes"),
        live_bytes: n("live_bytes"),
        index_bytes: n("index_bytes"),
        cache_bytes: n("cache_bytes"),
        resident_bytes: n("resident_bytes"),
        checkpoints: n("checkpoints"),
        recovered_records: n("recovered_records"),
        open_micros: n("open_micros"),
        disk_bytes: n("disk_bytes"),
        syncs: n("syncs"),
        put_bytes: n("put_bytes"),
        moved_bytes: n("moved_bytes"),
        freed_bytes: n("freed_bytes"),
        slowdown_micros: n("slowdown_micros"),
    };
    format!(
        "open in process {}, as of {:.1} s ago\n{}",
        published.pid,
        published.age().as_secs_f64(),
        table(&stats)
    )
}

fn table(stats: &Stats) -> String {
    let count = |n: u64| HumanCount(n).to_string();
    let bytes = |n: u64| format!("{} ({})", HumanCount(n), BinaryBytes(n));
    let share = |part: u64, whole: u64| match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
    };
    let times = |part: u64, whole: u64| match whole {
        0 => "-".to_owned(),
        _ => format!("{:.2}", part as f64 / whole as f64),
    };
    let per_key = |n: u64| match stats.keys {
        0 => "-".to_owned(),
        keys => format!("{:.1} bytes", n as f64 / keys as f64),
    };
    let rows = [
        ("keys", count(stats.keys)),
        ("shards", count(stats.shards)),
        ("on disk", bytes(stats.disk_bytes)),
        ("log records", bytes(stats.log_bytes)),
        ("live records", bytes(stats.live_bytes)),
        ("live share of the log", share(stats.live_bytes, stats.log_bytes)),
        ("index", bytes(stats.index_bytes)),
        ("index per key", per_key(stats.index_bytes)),
        ("put since open", bytes(stats.put_bytes)),
        ("moved by compaction", bytes(stats.moved_bytes)),
        ("freed by compaction", bytes(stats.freed_bytes)),
        ("write amplification", times(stats.put_bytes + stats.moved_bytes, stats.put_bytes)),
        ("writers held back", format!("{:?}", Duration::from_micros(stats.slowdown_micros))),
        ("cache", bytes(stats.cache_bytes)),
        ("resident", bytes(stats.resident_bytes)),
        ("opened in", format!("{:?}", Duration::from_micros(stats.open_micros))),
        ("records replayed at open", count(stats.recovered_records)),
    ];
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> =
        rows.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_database_divides_by_nothing() {
        let table = table(&Stats::default());
        assert!(table.contains("live share of the log     -"), "{table}");
        assert!(table.contains("write amplification       -"), "{table}");
        assert!(!table.contains("NaN"));
    }

    #[test]
    fn sizes_are_exact_and_readable() {
        let stats =
            Stats { keys: 1_234_567, log_bytes: 3 << 20, live_bytes: 3 << 19, ..Stats::default() };
        let table = table(&stats);
        assert!(table.contains("1,234,567"), "{table}");
        assert!(table.contains("3,145,728 (3.00 MiB)"), "{table}");
        assert!(table.contains("50.0 %"), "{table}");
    }

    #[test]
    fn write_amplification_is_all_that_was_written_over_what_was_put() {
        let stats =
            Stats { put_bytes: 1000, moved_bytes: 250, slowdown_micros: 1500, ..Stats::default() };
        let table = table(&stats);
        assert!(table.contains("write amplification       1.25"), "{table}");
        assert!(table.contains("writers held back         1.5ms"), "{table}");
    }
}
