//! Fill, get, multi-get, overwrite, close and open, beside the yardstick.

use super::abi::CDb;
use super::workload::{fill_value, is_value_of, key, Draw};
use super::yardstick::Yardstick;
use super::{median, millis, mixed, on_threads, rate, Bench};
use std::path::Path;
use std::time::Instant;
use warp_engine::Error;

/// The rows of this module, so that one which is not wanted fills no database.
const ROWS: [&str; 14] = [
    "fill random, 1 thread",
    "index",
    "get uniform, 1 thread",
    "get uniform, 2 threads",
    "get uniform, 2 threads / 1",
    "get zipfian, 1 thread",
    "get zipfian, 2 threads",
    "multi_get(32), 1 thread",
    "multi_get(32) / get",
    "overwrite uniform, 1 thread",
    "overwrite uniform, 2 threads",
    "overwrite uniform, 2 threads / 1",
    "close",
    "open after a clean close",
];

pub(super) fn run(bench: &mut Bench, dir: &Path) -> Result<(), Error> {
    let own = ROWS.iter().any(|name| bench.wants(name));
    if !own && !mixed::ROWS.iter().any(|name| bench.wants(name)) {
        return Ok(());
    }
    let (keys, value_len) = (bench.config.keys, bench.config.value_len);
    let path = dir.join("db");
    let db = if own {
        let records = keys + bench.config.operations * bench.config.rounds as u64;
        let yard = Yardstick::new(dir, keys, records, value_len)
            .map_err(|e| Error::os(format!("prepare a file in {}", dir.display()), &e))?;
        let yard_fill = fill(keys, value_len, |key, value| yard.put(key, value));
        let db = CDb::open(&path, &bench.config.options)?;
        let rate = fill(keys, value_len, |key, value| db.put(key, value));
        bench.row("fill random, 1 thread", rate, Some(yard_fill), "M/s");
        let stats = db.stats();
        bench.row("index", stats.index_bytes as f64 / stats.keys as f64, None, "bytes a key");
        let one = gets(bench, &db, &yard);
        multi_gets(bench, &db, one);
        overwrites(bench, &db, &yard);
        db
    } else {
        let db = CDb::open(&path, &bench.config.options)?;
        fill(keys, value_len, |key, value| db.put(key, value));
        db
    };
    mixed::run(bench, &db);
    opening(bench, db, &path)
}

/// Puts every key once; the rate.
pub(super) fn fill(keys: u64, value_len: usize, put: impl Fn(&[u8; 16], &[u8])) -> f64 {
    let mut value = vec![b'v'; value_len];
    let begin = Instant::now();
    for n in 0..keys {
        fill_value(&mut value, n);
        put(&key(n), &value);
    }
    rate(keys, begin)
}

/// Gets from engine and yardstick; the engine's uniform rate with one thread.
fn gets(bench: &mut Bench, db: &CDb, yard: &Yardstick) -> Option<f64> {
    let (keys, ops, value_len) =
        (bench.config.keys, bench.config.operations, bench.config.value_len);
    let round = |draw: &Draw, threads, round, get: &(dyn Fn(u64, &mut [u8]) -> bool + Sync)| {
        on_threads(threads, ops, |t, share| {
            let (mut draw, mut buf) = (draw.with_seed(round * 100 + t), vec![0; value_len]);
            for _ in 0..share {
                let n = draw.next();
                assert!(get(n, &mut buf) && is_value_of(&buf, n), "key {n}");
            }
        })
    };
    let engine = |n, buf: &mut [u8]| db.get(&key(n), buf) == Some(value_len);
    let yardstick = |n, buf: &mut [u8]| yard.get(&key(n), buf);
    let mut turns = |name, draw: &Draw, threads| {
        bench.turns(
            name,
            |r| round(draw, threads, r, &engine),
            |r| round(draw, threads, r, &yardstick),
        )
    };
    let (uniform, zipfian) = (Draw::uniform(keys, 0), Draw::zipfian(keys, 0));
    let one = turns("get uniform, 1 thread", &uniform, 1);
    let two = turns("get uniform, 2 threads", &uniform, 2);
    turns("get zipfian, 1 thread", &zipfian, 1);
    turns("get zipfian, 2 threads", &zipfian, 2);
    bench.ratio("get uniform, 2 threads / 1", two, one);
    one
}

fn multi_gets(bench: &mut Bench, db: &CDb, one: Option<f64>) {
    let (name, over_get) = ("multi_get(32), 1 thread", "multi_get(32) / get");
    if !bench.wants(name) && !bench.wants(over_get) {
        return;
    }
    let (uniform, value_len) = (Draw::uniform(bench.config.keys, 0), bench.config.value_len);
    let round = |round| {
        on_threads(1, bench.config.operations, |_, share| {
            let mut draw = uniform.with_seed(round);
            let (mut numbers, mut wanted) = ([0; 32], [[0; 16]; 32]);
            for _ in 0..share / 32 {
                for (n, k) in numbers.iter_mut().zip(&mut wanted) {
                    *n = draw.next();
                    *k = key(*n);
                }
                db.multi_get(&wanted, |i, v| {
                    assert!(v.len() == value_len && is_value_of(v, numbers[i]));
                });
            }
        })
    };
    let figure = median((0..bench.config.rounds as u64).map(round).collect());
    bench.row(name, figure, None, "M/s");
    bench.ratio(over_get, Some(figure), one);
}

fn overwrites(bench: &mut Bench, db: &CDb, yard: &Yardstick) {
    let (ops, value_len) = (bench.config.operations, bench.config.value_len);
    let uniform = Draw::uniform(bench.config.keys, 0);
    let round = |threads, round, put: &(dyn Fn(u64, &[u8]) + Sync)| {
        on_threads(threads, ops, |t, share| {
            let mut draw = uniform.with_seed(round * 100 + t);
            let mut value = vec![b'w'; value_len];
            for _ in 0..share {
                let n = draw.next();
                fill_value(&mut value, n);
                put(n, &value);
            }
        })
    };
    let engine = |n, value: &[u8]| db.put(&key(n), value);
    let yardstick = |n, value: &[u8]| yard.put(&key(n), value);
    let one = bench.turns(
        "overwrite uniform, 1 thread",
        |r| round(1, r, &engine),
        |r| round(1, r, &yardstick),
    );
    let name = "overwrite uniform, 2 threads";
    if bench.wants(name) {
        let rounds = 0..bench.config.rounds as u64;
        let two = median(rounds.map(|r| round(2, r, &engine)).collect());
        bench.row(name, two, None, "M/s");
        bench.ratio("overwrite uniform, 2 threads / 1", Some(two), one);
    }
}

/// Close, and open again after a clean close.
fn opening(bench: &mut Bench, db: CDb, path: &Path) -> Result<(), Error> {
    let begin = Instant::now();
    db.close()?;
    bench.row("close", millis(begin.elapsed()), None, "ms");
    for _ in 0..2 {
        let begin = Instant::now();
        let db = CDb::open(path, &bench.config.options)?;
        bench.row("open after a clean close", millis(begin.elapsed()), None, "ms");
        check_all(&db, bench.config.keys, bench.config.value_len);
        db.close()?;
    }
    Ok(())
}

/// Reads every key.
pub(super) fn check_all(db: &CDb, keys: u64, value_len: usize) {
    let mut buf = vec![0; value_len];
    for n in 0..keys {
        assert!(db.get(&key(n), &mut buf) == Some(value_len) && is_value_of(&buf, n), "key {n}");
    }
}
