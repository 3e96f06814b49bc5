//! `warp bench`: the benchmark of [`crate::bench`] in a temporary directory, as a table or JSON.

use crate::args::{Bench, BenchChild, BenchCore, BenchFeatures, BenchLarger, BenchOverwrite};
use crate::args::{BenchPlace, BenchSweep, Distribution, Global};
use crate::bench::{self, features, killed, larger, overwrite, sweep};
use crate::failure::{Failure, Outcome};
use crate::output;
use indicatif::{BinaryBytes, HumanCount};
use std::path::{Path, PathBuf};
use std::time::Duration;
use warp_engine::Error;

pub fn run(global: &Global, bench: &Bench) -> Outcome {
    match bench {
        Bench::Core(args) => core(global, args),
        Bench::Sweep(args) => sweep(global, args),
        Bench::Features(args) => features(global, args),
        Bench::Overwrite(args) => overwrite(global, args),
        Bench::LargerThanMemory(args) => larger(global, args),
        Bench::Child(args) => child(args),
    }
}

fn core(global: &Global, args: &BenchCore) -> Outcome {
    let config = bench::Config {
        keys: args.place.keys,
        value_len: args.place.value_len as usize,
        operations: args.operations,
        rounds: args.rounds as usize,
        options: options(global, &args.place),
        span: span(args.seconds),
        only: args.only.clone().unwrap_or_default(),
    };
    let mut rows = Vec::new();
    in_place(global, &args.place, "", |dir, told| {
        bench::core(dir, &config, &mut |row| {
            told(&row.to_string());
            rows.push(serde_json::json!({
                "name": row.name,
                "engine": row.engine,
                "yardstick": row.yardstick,
                "unit": row.unit,
            }));
        })
    })?;
    if rows.is_empty() {
        let text = format!("no figure has {:?} in its name; leave --only out", config.only);
        return Err(Failure::Usage(text));
    }
    if global.json {
        return output::line(serde_json::json!({"bench": "core", "cores": cores(), "rows": rows}));
    }
    Ok(())
}

fn sweep(global: &Global, args: &BenchSweep) -> Outcome {
    let config = sweep::Config {
        threads: args.threads.iter().map(|&t| u64::from(t)).collect(),
        keys: args.place.keys,
        value_len: args.place.value_len as usize,
        span: span(args.seconds),
        options: options(global, &args.place),
    };
    let mut rows = Vec::new();
    in_place(global, &args.place, sweep::Row::HEAD, |dir, told| {
        sweep::run(dir, &config, &mut |row| {
            told(&row.to_string());
            rows.push(serde_json::json!({
                "threads": row.threads,
                "operations_per_second": row.operations,
                "target": row.target,
                "linear": row.linear,
                "efficiency": row.efficiency(),
                "waits_per_1000_operations": row.contention.waits,
                "shard_collisions": row.contention.collisions,
            }));
        })
    })?;
    if global.json {
        return output::line(serde_json::json!({"bench": "sweep", "cores": cores(), "rows": rows}));
    }
    Ok(())
}

fn features(global: &Global, args: &BenchFeatures) -> Outcome {
    let config = features::Config {
        bytes: args.data,
        threads: args.threads.iter().map(|&t| u64::from(t)).collect(),
        trials: args.trials as usize,
        options: global.options.clone(),
        only: args.only.clone().unwrap_or_default(),
    };
    let scratch = Scratch::new(args.dir.as_deref())?;
    let (mut rows, mut shown) = (Vec::new(), Ok(()));
    let mut show = |text: String| {
        if !global.json && shown.is_ok() {
            shown = output::line(text);
        }
    };
    show(format!("{} bytes, {} cores, in {}", args.data, cores(), scratch.0.display()));
    show(features::Row::HEAD.to_owned());
    features::run(&scratch.0, &config, &mut |row| {
        show(row.to_string());
        rows.push(serde_json::json!({
            "feature": row.feature,
            "measure": row.measure,
            "off": row.off,
            "on": row.on,
            "unit": row.unit,
        }));
    })?;
    if global.json {
        let cores = cores();
        return output::line(
            serde_json::json!({"bench": "features", "data": args.data, "cores": cores, "rows": rows}),
        );
    }
    shown
}

fn overwrite(global: &Global, args: &BenchOverwrite) -> Outcome {
    let config = overwrite::Config {
        keys: args.place.keys,
        value_len: args.place.value_len as usize,
        rounds: u64::from(args.rounds),
        zipfian: args.distribution == Distribution::Zipfian,
        options: options(global, &args.place),
    };
    let mut rows = Vec::new();
    in_place(global, &args.place, overwrite::Row::HEAD, |dir, told| {
        overwrite::run(dir, &config, &mut |row| {
            told(&row.to_string());
            let [p50, p99, p999, longest] = row.latency;
            rows.push(serde_json::json!({
                "round": row.round,
                "puts_per_second": row.rate * 1e6,
                "file_bytes": row.space.files,
                "ahead_bytes": row.space.ahead,
                "live_bytes": row.space.live,
                "space_ratio": row.space.ratio(),
                "space_ratio_peak": row.peak,
                "put_micros": {"p50": p50, "p99": p99, "p99_9": p999, "longest": longest},
                "p99_9_over_p50": row.tail(),
                "write_amplification": row.write_amplification,
            }));
        })
    })?;
    if global.json {
        let bench = serde_json::json!({"bench": "overwrite", "cores": cores(), "rows": rows});
        return output::line(bench);
    }
    Ok(())
}

fn larger(global: &Global, args: &BenchLarger) -> Outcome {
    let durability = ("durability".to_owned(), args.durability.clone());
    let config = larger::Config {
        data: args.data,
        memory_limit: args.memory_limit,
        span: span(args.minutes * 60.0),
        threads: args.threads,
        reads: args.reads,
        options: std::iter::once(durability).chain(global.options.iter().cloned()).collect(),
    };
    let scratch = Scratch::new(args.dir.as_deref())?;
    let mut shown = Ok(());
    let found = larger::run(&scratch.0, &config, &mut |text| {
        if !global.json && shown.is_ok() {
            shown = output::line(text);
        }
    })?;
    shown?;
    let rate = |n: u64| n as f64 / found.seconds;
    let ratio = |hits: u64, misses: u64| match hits + misses {
        0 => None,
        all => Some(hits as f64 / all as f64),
    };
    let hit_ratio = ratio(found.hits, found.misses);
    if global.json {
        output::line(serde_json::json!({
            "bench": "larger-than-memory",
            "cores": cores(),
            "data_bytes": args.data,
            "memory_limit": args.memory_limit,
            "keys": found.keys,
            "load_seconds": found.load_seconds,
            "seconds": found.seconds,
            "reads_per_second": rate(found.reads),
            "writes_per_second": rate(found.writes),
            "wrong": found.wrong,
            "errors": found.errors,
            "first_error": found.first_error,
            "resident_peak_bytes": found.resident_peak,
            "resident_samples": found.samples,
            "resident_samples_above": found.above,
            "cache_bytes": found.cache_bytes,
            "cache_hits": found.hits,
            "cache_misses": found.misses,
            "hit_ratio": hit_ratio,
            "lru_hit_ratio": found.lru.ratio(),
            "min_hit_ratio": found.min.ratio(),
            "simulated_reads": found.min.reads,
            "sampled_one_in": found.sampled,
        }))?;
        return Ok(larger::verdict(&found)?);
    }
    let percent = |ratio: f64| format!("{:.1} %", 100.0 * ratio);
    output::line(format!(
        "reads          {:.0} a second, {} in all, {} wrong\n\
         overwrites     {:.0} a second, {} in all\n\
         errors         {}{}\n\
         resident       {} at most of {}; above it in {} of {} samples\n\
         cache          {} with {}\n\
         best possible  {} (Belady's MIN), LRU {}: {} cold reads simulated, one key of {} traced",
        rate(found.reads),
        HumanCount(found.reads),
        found.wrong,
        rate(found.writes),
        HumanCount(found.writes),
        found.errors,
        found.first_error.iter().map(|e| format!(": {e}")).collect::<String>(),
        BinaryBytes(found.resident_peak),
        BinaryBytes(args.memory_limit),
        found.above,
        found.samples,
        hit_ratio.map_or("no reads through it".to_owned(), |r| format!("{} hits", percent(r))),
        BinaryBytes(found.cache_bytes),
        percent(found.min.ratio()),
        percent(found.lru.ratio()),
        HumanCount(found.min.reads),
        found.sampled,
    ))?;
    Ok(larger::verdict(&found)?)
}

/// The process that `warp bench core` kills.
fn child(args: &BenchChild) -> Outcome {
    Ok(killed::child(&killed::Load {
        path: args.path.clone(),
        keys: args.keys,
        value_len: args.value_len as usize,
        options: args.options.clone(),
    })?)
}

/// Runs `work` in a temporary directory; a person sees where, `head`, and each line at once.
fn in_place(
    global: &Global,
    place: &BenchPlace,
    head: &str,
    work: impl FnOnce(&Path, &mut dyn FnMut(&str)) -> Result<(), Error>,
) -> Outcome {
    let scratch = Scratch::new(place.dir.as_deref())?;
    let mut shown = Ok(());
    // A reader that has gone does not stop the measurement; it is told at the end.
    let mut show = |text: &str| {
        if !global.json && shown.is_ok() && !text.is_empty() {
            shown = output::line(text);
        }
    };
    let (keys, value_len) = (place.keys, place.value_len);
    show(&format!(
        "{keys} keys of 16 bytes, values of {value_len}, durability {}, {} cores, in {}",
        place.durability,
        cores(),
        scratch.0.display()
    ));
    show(head);
    work(&scratch.0, &mut show)?;
    shown
}

/// What `-o` says comes last and wins.
fn options(global: &Global, place: &BenchPlace) -> Vec<(String, String)> {
    let durability = ("durability".to_owned(), place.durability.clone());
    std::iter::once(durability).chain(global.options.iter().cloned()).collect()
}

fn span(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A new directory that is removed with everything in it, even when the benchmark panics.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: Option<&Path>) -> Result<Scratch, Error> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let name = format!("warp-bench-{}", std::process::id());
        let path = parent.join(name);
        std::fs::create_dir(&path)
            .map_err(|e| Error::os(format!("create {}", path.display()), &e))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing to be done about what cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
