//! Tables in Markdown, and what plots are made of: all from a [`Run`], so that both can be made
//! again without measuring.
//!
//! A table has one level of durability and one data set; stores of different levels never share
//! one. The last column is WarpEngine's figure over that of the best other store in the table.

use crate::plan::REDB;
use crate::plot;
use crate::result::{Data, Row, Run, Unit};
use crate::store::{Level, Result};
use std::fmt::Write;
use std::path::Path;

/// Reads `results.json` of a directory and writes the rest.
pub fn write_from(dir: &Path) -> Result<()> {
    write(&serde_json::from_str(&std::fs::read_to_string(dir.join("results.json"))?)?, dir)
}

/// Writes `README.md` and the plots.
pub fn write(run: &Run, dir: &Path) -> Result<()> {
    let mut text = String::new();
    head(run, &mut text)?;
    for data in run.data.iter().filter(|data| data.name != REDB) {
        for level in [Level::Process, Level::None, Level::Device] {
            section(run, data, level, dir, &mut text)?;
        }
    }
    redb(run, &mut text)?;
    failures(run, &mut text)?;
    stores(run, &mut text)?;
    std::fs::write(dir.join("README.md"), text)?;
    Ok(())
}

fn head(run: &Run, text: &mut String) -> Result<()> {
    let facts = &run.facts;
    let gib = facts.memory_bytes as f64 / (1u64 << 30) as f64;
    writeln!(
        text,
        "# WarpEngine beside other stores\n\n\
         Written by `warp-compare {}` from `results.json`; do not edit. `make bench` runs all of it, \
         `make bench-quick` the short form; how stores are set up and compared, and why, is \
         [decision 017](../decisions/017-comparing-stores.md).\n\n\
         | | |\n| --- | --- |\n\
         | processor | {}, {} cores |\n\
         | memory | {gib:.0} GiB |\n\
         | system | {}, {} |\n\
         | load average at the beginning and at the end | {:.1}, {:.1} |\n\
         | commit, date | {}, {} |\n\
         | the run took | {:.0} s; {} s for each rate, seed {} |\n",
        facts.command,
        facts.processor,
        facts.cores,
        facts.kernel,
        facts.file_system,
        facts.load[0],
        facts.load[1],
        facts.commit,
        facts.date,
        facts.seconds,
        facts.span,
        facts.seed,
    )?;
    writeln!(
        text,
        "Rates on a shared machine say little alone: read ratios, and those with care. The load at \
         the beginning should be near 0; at the end it is this run's own{}. Every value read was \
         compared with what was written, whole. `written` is as the kernel counts it for the process: \
         also a mapped page each time that it becomes dirty. Opens have a warm page cache and include \
         the first read.\n",
        if facts.load[0] > 0.5 {
            format!(
                " (this run began at {:.1} on {} cores: others were at work, and no figure below is \
                 worth more than a first impression)",
                facts.load[0], facts.cores
            )
        } else {
            String::new()
        }
    )?;
    Ok(())
}

/// Rows of a data set and level that did not fail.
fn rows_of<'a>(run: &'a Run, data: &str, level: Level) -> Vec<&'a Row> {
    let of = |row: &&Row| row.data == data && row.level == level && row.unit != Unit::Failed;
    run.rows.iter().filter(of).collect()
}

/// Without repeats, in order of appearance.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

fn section(run: &Run, data: &Data, level: Level, dir: &Path, text: &mut String) -> Result<()> {
    let rows = rows_of(run, &data.name, level);
    if rows.is_empty() {
        return Ok(());
    }
    let promise = match level {
        Level::None => "an acknowledged write may be lost with the process",
        Level::Process => "an acknowledged write survives the death of the process",
        Level::Device => "an acknowledged write is on the device",
    };
    let (name, keys, key, value) = (&data.name, data.keys, data.key_len, data.value_len);
    writeln!(text, "## {name}, durability: {}\n", level.name())?;
    writeln!(text, "{keys} keys of {key} bytes, values of {value}; {promise}.\n")?;
    table(&rows, Unit::Rate, "operations a second", text)?;
    latencies(&rows, text)?;
    table(&rows, Unit::Seconds, "milliseconds", text)?;
    table(&rows, Unit::Bytes, "MiB", text)?;
    table(&rows, Unit::Count, "number", text)?;
    for plot in plot::all(&rows, data, level, dir)? {
        writeln!(text, "![{}]({})\n", plot.title, plot.file)?;
    }
    for row in rows.iter().filter(|row| row.note.is_some()) {
        let note = row.note.as_deref().unwrap_or_default();
        writeln!(text, "* {}, {}: {note}.", row.store, row.name)?;
    }
    writeln!(text)?;
    Ok(())
}

fn label(name: &str, threads: u64) -> String {
    match threads {
        1 => name.to_owned(),
        _ => format!("{name}, {threads} threads"),
    }
}

/// A figure as a table has it.
fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Rate if value >= 1e6 => format!("{:.2} M", value / 1e6),
        Unit::Rate if value >= 1e4 => format!("{:.0} K", value / 1e3),
        Unit::Rate if value >= 1e3 => format!("{:.1} K", value / 1e3),
        Unit::Rate | Unit::Count => format!("{value:.0}"),
        Unit::Bytes => format!("{:.1}", value / (1u64 << 20) as f64),
        Unit::Seconds if value >= 1.0 => format!("{:.0}", value * 1e3),
        Unit::Seconds => format!("{:.3}", value * 1e3),
        Unit::Failed => "failed".into(),
    }
}

/// One line for each measurement, one column for each store.
fn table(rows: &[&Row], unit: Unit, what: &str, text: &mut String) -> Result<()> {
    let rows: Vec<&Row> = rows.iter().copied().filter(|row| row.unit == unit).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let stores = distinct(rows.iter().map(|row| row.store.as_str()));
    let ratio = matches!(unit, Unit::Rate | Unit::Seconds);
    write!(text, "| {what} |")?;
    stores.iter().try_for_each(|store| write!(text, " {store} |"))?;
    let ratio_head = match unit {
        Unit::Rate => " warp / best other |",
        Unit::Seconds => " warp / best other (less is better) |",
        _ => "",
    };
    writeln!(text, "{ratio_head}")?;
    writeln!(text, "| --- |{}", " --- |".repeat(stores.len() + usize::from(ratio)))?;
    for (name, threads) in distinct(rows.iter().map(|row| (row.name.as_str(), row.threads))) {
        let of = |store: &str| {
            let mut found = rows
                .iter()
                .filter(|row| row.store == store && row.name == name && row.threads == threads);
            // Of what was measured more than once, the last.
            found.next_back().map(|row| row.value)
        };
        // redb's phases have a table of their own, where each line need not say so.
        let short = name.strip_prefix("redb: ").unwrap_or(name);
        write!(text, "| {} |", label(short, threads))?;
        for store in &stores {
            match of(store) {
                Some(value) => write!(text, " {} |", figure(unit, value))?,
                None => write!(text, " |")?,
            }
        }
        if ratio {
            let peers = stores.iter().filter(|&&store| store != "warp" && store != "yardstick");
            let peers = peers.filter_map(|store| of(store));
            let best = match unit {
                Unit::Rate => peers.fold(0.0, f64::max),
                _ => peers.fold(f64::INFINITY, f64::min),
            };
            match of("warp") {
                Some(warp) if best > 0.0 && best.is_finite() => {
                    write!(text, " **{:.2}** |", warp / best)?;
                }
                _ => write!(text, " |")?,
            }
        }
        writeln!(text)?;
    }
    writeln!(text)?;
    Ok(())
}

/// Percentiles in microseconds.
fn latencies(rows: &[&Row], text: &mut String) -> Result<()> {
    let rows: Vec<&Row> = rows.iter().copied().filter(|row| row.latency.is_some()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let stores = distinct(rows.iter().map(|row| row.store.as_str()));
    writeln!(text, "Latencies of a call in microseconds: 50 / 99 / 99.9 / 99.99 % / maximum:\n")?;
    write!(text, "| |")?;
    stores.iter().try_for_each(|store| write!(text, " {store} |"))?;
    writeln!(text, "\n| --- |{}", " --- |".repeat(stores.len()))?;
    for (name, threads) in distinct(rows.iter().map(|row| (row.name.as_str(), row.threads))) {
        write!(text, "| {} |", label(name, threads))?;
        for store in &stores {
            let mut found = rows
                .iter()
                .filter(|row| row.store == *store && row.name == name && row.threads == threads);
            let Some(latency) = found.next_back().and_then(|row| row.latency.as_ref()) else {
                write!(text, " |")?;
                continue;
            };
            // A percentile needs calls that are slower than it.
            let all = [
                (latency.p50, 2),
                (latency.p99, 100),
                (latency.p999, 1_000),
                (latency.p9999, 10_000),
                (latency.max, 1),
            ];
            let all = all.map(|(ns, calls)| match ns as f64 / 1e3 {
                _ if latency.count < calls => "–".to_owned(),
                us if us < 10.0 => format!("{us:.2}"),
                us => format!("{us:.0}"),
            });
            write!(text, " {} |", all.join(" / "))?;
        }
        writeln!(text)?;
    }
    writeln!(text)?;
    Ok(())
}

fn redb(run: &Run, text: &mut String) -> Result<()> {
    let rows = rows_of(run, REDB, Level::Device);
    let Some(data) = run.data.iter().find(|data| data.name == REDB) else { return Ok(()) };
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "## The phases of redb's comparison\n\n\
         {} keys of 24 bytes, values of 150 (redb's own has 5,000,000); every write is on the device \
         when its call returns; {} random reads and {} range reads of 10 a phase, of {} keys a \
         thread; 100 individual writes, 100 batches of 1,000. Stores without an order of keys have \
         no range reads.\n",
        data.keys,
        data.keys / 5,
        data.keys / 10,
        data.keys / 5
    )?;
    table(&rows, Unit::Seconds, "milliseconds", text)?;
    table(&rows, Unit::Bytes, "MiB", text)
}

fn failures(run: &Run, text: &mut String) -> Result<()> {
    let failed: Vec<&Row> = run.rows.iter().filter(|row| row.unit == Unit::Failed).collect();
    if failed.is_empty() {
        return Ok(());
    }
    writeln!(text, "## What failed\n")?;
    for row in failed {
        let note = row.note.as_deref().unwrap_or_default();
        let (store, level, data) = (&row.store, row.level.name(), &row.data);
        writeln!(text, "* {store} at {level}, {data}, {}: {note}", row.name)?;
    }
    writeln!(text)?;
    Ok(())
}

fn stores(run: &Run, text: &mut String) -> Result<()> {
    writeln!(text, "## The stores\n\n| | set up |\n| --- | --- |")?;
    for [name, description] in &run.facts.stores {
        writeln!(text, "| {name} | {description} |")?;
    }
    Ok(())
}
