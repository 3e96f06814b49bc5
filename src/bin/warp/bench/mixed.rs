//! Reads and writes together, half and half, zipfian: many threads beside few, and the latencies
//! of one.

use super::abi::CDb;
use super::workload::{fill_value, is_value_of, key, Draw};
use super::{median, micros, on_threads, Bench};
use std::time::Instant;

/// The rows of this module.
pub(super) const ROWS: [&str; 5] = [FEW, MANY, MANY_OVER_FEW, GET, PUT];

const FEW: &str = "mixed 50/50 zipfian, 2 threads";
const MANY: &str = "mixed 50/50 zipfian, 24 threads";
const MANY_OVER_FEW: &str = "mixed 50/50 zipfian, 24 threads / 2";
const GET: &str = "latency of get, mixed, 1 thread";
const PUT: &str = "latency of put, mixed, 1 thread";

const PERCENTILES: [(&str, f64); 4] =
    [("50 %", 0.5), ("99 %", 0.99), ("99.9 %", 0.999), ("99.99 %", 0.9999)];

/// One thread's share of a mixed load.
pub(super) struct Mixed<'a> {
    db: &'a CDb,
    draw: Draw,
    buf: Vec<u8>,
    value: Vec<u8>,
}

impl<'a> Mixed<'a> {
    pub(super) fn new(db: &'a CDb, draw: Draw, value_len: usize) -> Self {
        Mixed { db, draw, buf: vec![0; value_len], value: vec![b'm'; value_len] }
    }

    /// A get, checked, or a put: which one the coin says.
    #[inline]
    pub(super) fn step(&mut self) {
        let n = self.draw.next();
        if self.draw.coin() {
            self.get(n);
        } else {
            self.put(n);
        }
    }

    #[inline]
    fn get(&mut self, n: u64) {
        let len = self.db.get(&key(n), &mut self.buf);
        assert!(len == Some(self.buf.len()) && is_value_of(&self.buf, n), "key {n}");
    }

    #[inline]
    fn put(&mut self, n: u64) {
        fill_value(&mut self.value, n);
        self.db.put(&key(n), &self.value);
    }
}

pub(super) fn run(bench: &mut Bench, db: &CDb) {
    if !ROWS.iter().any(|name| bench.wants(name)) {
        return;
    }
    let zipfian = Draw::zipfian(bench.config.keys, 0);
    threads(bench, db, &zipfian);
    if bench.wants(GET) || bench.wants(PUT) {
        latencies(bench, db, &zipfian);
    }
}

fn threads(bench: &mut Bench, db: &CDb, zipfian: &Draw) {
    if ![FEW, MANY, MANY_OVER_FEW].iter().any(|name| bench.wants(name)) {
        return;
    }
    let round = |threads, round| {
        on_threads(threads, bench.config.operations, |t, share| {
            let mut mixed =
                Mixed::new(db, zipfian.with_seed(round * 100 + t), bench.config.value_len);
            (0..share).for_each(|_| mixed.step());
        })
    };
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for r in 0..bench.config.rounds as u64 {
        few.push(round(2, r));
        many.push(round(24, r));
    }
    let (few, many) = (median(few), median(many));
    bench.row(FEW, few, None, "M/s");
    bench.row(MANY, many, None, "M/s");
    bench.row(MANY_OVER_FEW, many / few, None, "times");
}

/// Every operation timed by itself. The times are kept and sorted, so the percentiles are exact;
/// they include one reading of the clock, which has a row of its own.
fn latencies(bench: &mut Bench, db: &CDb, zipfian: &Draw) {
    let operations = bench.config.operations as usize;
    let (mut gets, mut puts) = (Vec::with_capacity(operations), Vec::with_capacity(operations));
    let mut mixed = Mixed::new(db, zipfian.with_seed(7), bench.config.value_len);
    for _ in 0..operations {
        let n = mixed.draw.next();
        if mixed.draw.coin() {
            let begin = Instant::now();
            mixed.get(n);
            gets.push(begin.elapsed().as_nanos() as u64);
        } else {
            let begin = Instant::now();
            mixed.put(n);
            puts.push(begin.elapsed().as_nanos() as u64);
        }
    }
    let mut clock: Vec<u64> =
        (0..1000).map(|_| Instant::now().elapsed().as_nanos() as u64).collect();
    clock.sort_unstable();
    for (name, times) in [(GET, &mut gets), (PUT, &mut puts)] {
        times.sort_unstable();
        let Some(longest) = times.last() else { continue };
        for (percent, part) in PERCENTILES {
            let row = format!("{name}, {percent}");
            bench.row(&row, micros(percentile(times, part)), None, "us");
        }
        bench.row(&format!("{name}, longest"), micros(*longest), None, "us");
    }
    bench.row("the clock in each latency", micros(clock[clock.len() / 2]), None, "us");
}

/// The smallest of the sorted `times` that so large a part of them does not exceed.
fn percentile(times: &[u64], part: f64) -> u64 {
    let rank = (times.len() as f64 * part).ceil() as usize;
    times[rank.clamp(1, times.len()) - 1]
}

#[cfg(test)]
mod tests {
    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<u64> = (1..=1000).collect();
        assert_eq!(super::percentile(&times, 0.5), 500);
        assert_eq!(super::percentile(&times, 0.999), 999);
        assert_eq!(super::percentile(&times, 0.9999), 1000);
        assert_eq!(super::percentile(&[5], 0.5), 5);
    }
}
