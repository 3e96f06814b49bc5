//! `warp bench`: the benchmark of [`crate::bench`] in a temporary directory, as a table or JSON.

use crate::args::{Bench, BenchChild, BenchCore, BenchFeatures, BenchPlace, BenchSweep, Global};
use crate::bench::{self, features, killed, sweep};
use crate::failure::{Failure, Outcome};
use crate::output;
use std::path::{Path, PathBuf};
use std::time::Duration;
use warp_engine::Error;

pub fn run(global: &Global, bench: &Bench) -> Outcome {
    match bench {
        Bench::Core(args) => core(global, args),
        Bench::Sweep(args) => sweep(global, args),
        Bench::Features(args) => features(global, args),
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
