//! The benchmark: what the engine does on this machine, beside the bare yardstick, in one run.
//!
//! | module | what it measures |
//! | --- | --- |
//! | [`empty`] | an empty database: bytes on disk and in memory |
//! | [`loads`] | fill, get, multi-get, overwrite, close and open: 1 and 2 threads |
//! | [`mixed`] | reads and writes together: 2 and 24 threads, and the latencies of 1 |
//! | [`durable`] | puts that are on the device when they return: 1, 8 and 24 threads |
//! | [`killed`] | open after SIGKILL under load |
//! | [`features`] | every feature on against off, on data with relations |
//! | [`sweep`] | mixed load from 1 to 24 threads, beside the target, and its [`contention`] |
//! | [`larger`] | data larger than memory: right answers, the limit, and the cache beside the best |
//! | [`overwrite`] | a data set overwritten many times: space, and the tail of the latencies |
//!
//! Figures of [`loads`], [`mixed`] and [`durable`] are medians of rounds in which the engine and
//! the yardstick, or the two thread counts, take turns. Every value read is checked. The ratio is
//! what counts: machines differ, and are shared.
//!
//! A wrong value, or a write that fails, is a panic: a figure of a run that lost something is none.
//! This module is shared by `warp bench` and by `cargo bench`, and knows nothing of either.

mod abi;
pub mod contention;
mod durable;
mod empty;
pub mod features;
#[allow(dead_code, reason = "cargo bench has no use for it")]
mod histogram;
pub mod killed;
#[cfg(feature = "cli")]
#[allow(dead_code, reason = "cargo bench has no use for it")]
pub mod larger;
mod loads;
mod mixed;
#[allow(dead_code, reason = "cargo bench has no use for it")]
pub mod overwrite;
mod related;
#[cfg(feature = "cli")]
#[allow(dead_code, reason = "cargo bench has no use for it")]
mod simulate;
mod skewed;
pub mod sweep;
mod workload;
mod yardstick;

use std::path::Path;
use std::time::{Duration, Instant};
use warp_engine::Error;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Config {
    /// Number of keys.
    pub keys: u64,
    /// Bytes of a value.
    pub value_len: usize,
    /// Operations of one round.
    pub operations: u64,
    /// Rounds, of which the median is taken.
    pub rounds: usize,
    /// Options of the database, by name.
    pub options: Vec<(String, String)>,
    /// How long the parts take that go by time: a round of durable puts, the load before the kill.
    pub span: Duration,
    /// Measure only what has this in its name.
    pub only: String,
}

impl Config {
    /// The options with another durability, for what is only measured under one.
    fn with_durability(&self, durability: &str) -> Vec<(String, String)> {
        let others = self.options.iter().filter(|(name, _)| name != "durability").cloned();
        others.chain([("durability".to_owned(), durability.to_owned())]).collect()
    }
}

/// One line of the result.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The engine's figure.
    pub engine: f64,
    /// The yardstick's, if there is one.
    pub yardstick: Option<f64>,
    /// Unit of both.
    pub unit: &'static str,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<40} {:>11.3} ", self.name, self.engine)?;
        match self.yardstick {
            Some(y) => {
                let ratio = self.engine / y;
                write!(f, "{:<8} yardstick {y:>11.3}   ratio {ratio:.2}", self.unit)
            }
            None => f.write_str(self.unit),
        }
    }
}

/// Runs the core benchmark with its files in the empty directory `dir`. Each row is handed to
/// `tell` once it is known.
pub fn core(dir: &Path, config: &Config, tell: &mut dyn FnMut(&Row)) -> Result<(), Error> {
    let mut bench = Bench { config, tell };
    // First, while the process is as small as it will ever be.
    empty::run(&mut bench, dir)?;
    loads::run(&mut bench, dir)?;
    durable::run(&mut bench, dir)?;
    killed::run(&mut bench, dir)
}

struct Bench<'a> {
    config: &'a Config,
    tell: &'a mut dyn FnMut(&Row),
}

impl Bench<'_> {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.config.only)
    }

    fn row(&mut self, name: &str, engine: f64, yardstick: Option<f64>, unit: &'static str) {
        if self.wants(name) {
            (self.tell)(&Row { name: name.to_owned(), engine, yardstick, unit });
        }
    }

    /// Measures engine and yardstick in turns, if wanted.
    fn turns(
        &mut self,
        name: &str,
        mut engine: impl FnMut(u64) -> f64,
        mut yardstick: impl FnMut(u64) -> f64,
    ) -> Option<f64> {
        if !self.wants(name) {
            return None;
        }
        let (mut e, mut y) = (Vec::new(), Vec::new());
        for round in 0..self.config.rounds as u64 {
            y.push(yardstick(round));
            e.push(engine(round));
        }
        let figure = median(e);
        self.row(name, figure, Some(median(y)), "M/s");
        Some(figure)
    }

    /// The row of one figure over another, where both were measured.
    fn ratio(&mut self, name: &str, figure: Option<f64>, base: Option<f64>) {
        if let (Some(figure), Some(base)) = (figure, base) {
            self.row(name, figure / base, None, "times");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// Million operations a second.
fn rate(operations: u64, begin: Instant) -> f64 {
    operations as f64 / begin.elapsed().as_secs_f64() / 1e6
}

/// Runs `body(thread, share)` on each of `threads` threads; the rate of all, in million a second.
fn on_threads(threads: u64, operations: u64, body: impl Fn(u64, u64) + Sync) -> f64 {
    let share = (operations / threads).max(1);
    let begin = Instant::now();
    if threads == 1 {
        body(0, share);
    } else {
        std::thread::scope(|scope| {
            for t in 0..threads {
                let body = &body;
                scope.spawn(move || body(t, share));
            }
        });
    }
    rate(share * threads, begin)
}

/// Runs `body(thread, go_on)` on each of `threads` threads until `span` is over; operations a
/// second of all. The body counts its operations, and asks `go_on` from time to time.
fn for_a_while(
    threads: u64,
    span: Duration,
    body: impl Fn(u64, &dyn Fn() -> bool) -> u64 + Sync,
) -> f64 {
    let begin = Instant::now();
    let go_on = || begin.elapsed() < span;
    let operations: u64 = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|t| {
                let (body, go_on) = (&body, &go_on);
                scope.spawn(move || body(t, go_on))
            })
            .collect();
        all.into_iter()
            .map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .sum()
    });
    operations as f64 / begin.elapsed().as_secs_f64()
}
