//! The sweep: mixed load, half reads and half writes, zipfian, from few threads to many, beside
//! the target line and beside what the first figure would be if more threads meant more.
//!
//! The target is the line from 371 thousand operations a second with 1 thread to 8.4 million with
//! 24. It was set for 24 cores; a machine with fewer cannot follow its slope, but may lie above it.

use super::abi::CDb;
use super::contention::{counts, Contention};
use super::for_a_while;
use super::loads::{check_all, fill};
use super::mixed::Mixed;
use super::workload::Draw;
use std::path::Path;
use std::time::{Duration, Instant};
use warp_engine::Error;

/// What to sweep.
#[derive(Debug, Clone)]
pub struct Config {
    /// Numbers of threads.
    pub threads: Vec<u64>,
    /// Number of keys.
    pub keys: u64,
    /// Bytes of a value.
    pub value_len: usize,
    /// How long each number of threads runs.
    pub span: Duration,
    /// Options of the database, by name.
    pub options: Vec<(String, String)>,
}

/// One number of threads.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Number of threads.
    pub threads: u64,
    /// Operations a second.
    pub operations: f64,
    /// The target's.
    pub target: f64,
    /// The first row's, times the threads over the first row's.
    pub linear: f64,
    /// What the threads cost each other.
    pub contention: Contention,
}

impl Row {
    /// Heads of the columns.
    pub const HEAD: &'static str =
        "threads    operations/s        target   of target        linear   efficiency   \
         waits/1000   collisions";

    /// How much of the linear figure was reached.
    pub fn efficiency(&self) -> f64 {
        self.operations / self.linear
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>7}  {:>14.0}  {:>12.0}  {:>9.0} %  {:>12.0}  {:>9.0} %  {:>10.2}  {:>9.0} %",
            self.threads,
            self.operations,
            self.target,
            100.0 * self.operations / self.target,
            self.linear,
            100.0 * self.efficiency(),
            self.contention.waits,
            100.0 * self.contention.collisions
        )
    }
}

/// The target with so many threads.
pub fn target(threads: u64) -> f64 {
    const ONE: f64 = 371e3;
    const TWENTY_FOUR: f64 = 8.4e6;
    ONE + (TWENTY_FOUR - ONE) * (threads as f64 - 1.0) / 23.0
}

/// Runs the sweep with its files in the empty directory `dir`. Each row is handed to `tell` once
/// it is known.
pub fn run(dir: &Path, config: &Config, tell: &mut dyn FnMut(&Row)) -> Result<(), Error> {
    let db = CDb::open(&dir.join("db"), &config.options)?;
    fill(config.keys, config.value_len, |key, value| db.put(key, value));
    let zipfian = Draw::zipfian(config.keys, 0);
    let mut first = None;
    for &threads in &config.threads {
        let (before, begin) = (counts(&db)?, Instant::now());
        let operations = for_a_while(threads, config.span, |t, go_on| {
            let draw = zipfian.with_seed(threads * 100 + t);
            let mut mixed = Mixed::new(&db, draw, config.value_len);
            let mut steps = 0;
            while go_on() {
                (0..64).for_each(|_| mixed.step());
                steps += 64;
            }
            steps
        });
        let done = operations * begin.elapsed().as_secs_f64();
        let contention = Contention::between(&before, &counts(&db)?, threads, done);
        let (base_threads, base) = *first.get_or_insert((threads, operations));
        let linear = base * threads as f64 / base_threads as f64;
        tell(&Row { threads, operations, target: target(threads), linear, contention });
    }
    check_all(&db, config.keys, config.value_len);
    db.close()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_target_goes_through_its_ends() {
        assert_eq!(super::target(1), 371e3);
        assert_eq!(super::target(24), 8.4e6);
        assert!(super::target(12) > 4e6 && super::target(12) < 4.5e6);
    }
}
