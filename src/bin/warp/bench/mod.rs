//! `warp bench`: what the engine does on this machine, beside the bare yardstick, in one run.
//!
//! Every figure is a median of rounds in which the engine and the yardstick take turns, every
//! value read is checked, and the ratio is what counts: these machines differ, and are shared.

mod abi;
mod workload;
mod yardstick;

use abi::CDb;
use std::path::Path;
use std::time::{Duration, Instant};
use workload::{fill_value, is_value_of, key, Draw};
use yardstick::Yardstick;

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
    /// Durability of the database.
    pub durability: String,
    /// Measure only what has this in its name.
    pub only: String,
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

fn rate(operations: u64, begin: Instant) -> f64 {
    operations as f64 / begin.elapsed().as_secs_f64() / 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs `body(thread)` on each of `threads` threads; the rate of all, in million a second.
fn on_threads(threads: usize, operations: u64, body: impl Fn(usize, u64) + Sync) -> f64 {
    let share = operations / threads as u64;
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
    rate(share * threads as u64, begin)
}

struct Bench<'a> {
    config: &'a Config,
    rows: Vec<Row>,
}

impl Bench<'_> {
    /// Measures engine and yardstick in turns.
    fn turns(
        &mut self,
        name: &str,
        mut engine: impl FnMut(usize) -> f64,
        mut yardstick: impl FnMut(usize) -> f64,
    ) -> f64 {
        if !name.contains(&self.config.only) {
            return f64::NAN;
        }
        let (mut e, mut y) = (Vec::new(), Vec::new());
        for round in 0..self.config.rounds {
            y.push(yardstick(round));
            e.push(engine(round));
        }
        let figure = median(e);
        self.row(name, figure, Some(median(y)), "M/s");
        figure
    }

    fn row(&mut self, name: &str, engine: f64, yardstick: Option<f64>, unit: &'static str) {
        let row = Row { name: name.to_owned(), engine, yardstick, unit };
        print_row(&row);
        self.rows.push(row);
    }
}

/// Prints a row of the table.
pub fn print_row(row: &Row) {
    match row.yardstick {
        Some(y) => println!(
            "{:<34} {:>9.3} {:<6} yardstick {:>9.3}   ratio {:.2}",
            row.name,
            row.engine,
            row.unit,
            y,
            row.engine / y
        ),
        None => println!("{:<34} {:>9.3} {}", row.name, row.engine, row.unit),
    }
}

/// Runs the benchmark with its files in `dir`.
pub fn run(dir: &Path, config: &Config) -> Result<Vec<Row>, String> {
    let mut bench = Bench { config, rows: Vec::new() };
    let (keys, ops, value_len) = (config.keys, config.operations, config.value_len);
    let path = dir.join("db");
    let options = [("durability", config.durability.as_str())];
    let text = |e: std::io::Error| e.to_string();

    let yard =
        Yardstick::new(dir, keys, keys + ops * config.rounds as u64, value_len).map_err(text)?;
    let mut value = vec![b'v'; value_len];
    let begin = Instant::now();
    for n in 0..keys {
        fill_value(&mut value, n);
        yard.put(&key(n), &value);
    }
    let yard_fill = rate(keys, begin);
    let db = CDb::open(Some(&path), &options)?;
    let begin = Instant::now();
    for n in 0..keys {
        fill_value(&mut value, n);
        db.put(&key(n), &value);
    }
    let fill = rate(keys, begin);
    bench.row("fill random, 1 thread", fill, Some(yard_fill), "M/s");
    let stats = db.stats();
    bench.row("index", stats.index_bytes as f64 / stats.keys as f64, None, "bytes a key");

    let engine_gets = |draw: fn(u64, u64) -> Draw, threads| {
        let db = &db;
        move |round: usize| {
            on_threads(threads, ops, |t, share| {
                let (mut draw, mut buf) =
                    (draw(keys, (round * 100 + t) as u64), vec![0; value_len]);
                for _ in 0..share {
                    let n = draw.next();
                    assert_eq!(db.get(&key(n), &mut buf), Some(value_len));
                    assert!(is_value_of(&buf, n));
                }
            })
        }
    };
    let yard_gets = |draw: fn(u64, u64) -> Draw, threads| {
        let yard = &yard;
        move |round: usize| {
            on_threads(threads, ops, |t, share| {
                let (mut draw, mut buf) =
                    (draw(keys, (round * 100 + t) as u64), vec![0; value_len]);
                for _ in 0..share {
                    let n = draw.next();
                    assert!(yard.get(&key(n), &mut buf) && is_value_of(&buf, n));
                }
            })
        }
    };
    let one = bench.turns(
        "get uniform, 1 thread",
        engine_gets(Draw::uniform, 1),
        yard_gets(Draw::uniform, 1),
    );
    let two = bench.turns(
        "get uniform, 2 threads",
        engine_gets(Draw::uniform, 2),
        yard_gets(Draw::uniform, 2),
    );
    bench.row("get uniform, 2 threads / 1", two / one, None, "times");
    bench.turns(
        "get zipfian, 1 thread",
        engine_gets(Draw::zipfian, 1),
        yard_gets(Draw::zipfian, 1),
    );
    bench.turns(
        "get zipfian, 2 threads",
        engine_gets(Draw::zipfian, 2),
        yard_gets(Draw::zipfian, 2),
    );

    let multi: Vec<f64> = (0..if "multi_get".contains(&config.only) { config.rounds } else { 1 })
        .map(|round| {
            on_threads(1, ops, |_, share| {
                let mut draw = Draw::uniform(keys, round as u64);
                let mut numbers = [0; 32];
                let mut wanted = [[0; 16]; 32];
                for _ in 0..share / 32 {
                    for (n, k) in numbers.iter_mut().zip(&mut wanted) {
                        *n = draw.next();
                        *k = key(*n);
                    }
                    db.multi_get(&wanted, |i, v| {
                        assert!(v.len() == value_len && is_value_of(v, numbers[i]))
                    });
                }
            })
        })
        .collect();
    let multi = median(multi);
    bench.row("multi_get(32), 1 thread", multi, None, "M/s");
    bench.row("multi_get(32) / get", multi / one, None, "times");

    let engine_puts = |threads| {
        let db = &db;
        move |round: usize| {
            on_threads(threads, ops, |t, share| {
                let mut draw = Draw::uniform(keys, (round * 100 + t) as u64);
                let mut value = vec![b'w'; value_len];
                for _ in 0..share {
                    let n = draw.next();
                    fill_value(&mut value, n);
                    db.put(&key(n), &value);
                }
            })
        }
    };
    let yard_puts = |round: usize| {
        on_threads(1, ops, |_, share| {
            let mut draw = Draw::uniform(keys, round as u64);
            let mut value = vec![b'w'; value_len];
            for _ in 0..share {
                let n = draw.next();
                fill_value(&mut value, n);
                yard.put(&key(n), &value);
            }
        })
    };
    let one = bench.turns("overwrite uniform, 1 thread", engine_puts(1), yard_puts);
    let two = median((0..config.rounds).map(engine_puts(2)).collect());
    bench.row("overwrite uniform, 2 threads", two, None, "M/s");
    bench.row("overwrite uniform, 2 threads / 1", two / one, None, "times");

    opening(&mut bench, db, &path, &options)?;
    Ok(bench.rows)
}

/// Close, and open again after a clean close.
fn opening(
    bench: &mut Bench,
    db: CDb,
    path: &Path,
    options: &[(&str, &str)],
) -> Result<(), String> {
    let keys = bench.config.keys;
    let begin = Instant::now();
    db.close()?;
    bench.row("close", millis(begin.elapsed()), None, "ms");
    for _ in 0..2 {
        let begin = Instant::now();
        let db = CDb::open(Some(path), options)?;
        bench.row("open after a clean close", millis(begin.elapsed()), None, "ms");
        let mut buf = vec![0; bench.config.value_len];
        for n in (0..keys).step_by((keys as usize / 1000).max(1)) {
            assert!(db.get(&key(n), &mut buf).is_some() && is_value_of(&buf, n), "key {n}");
        }
        db.close()?;
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
