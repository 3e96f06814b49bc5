//! Random operations against a `BTreeMap`, with reopen in between: every answer is compared.
//!
//! The seed is printed; `WARP_SEED=n cargo test --test model` runs it again, and `WARP_STEPS=n`
//! sets the number of steps.

use std::collections::BTreeMap;
use std::path::Path;
use warp_engine::{Batch, Db, Iter, Options, Pinned};

/// A small generator of the xorshift family (Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn key(&mut self) -> Vec<u8> {
        let n = self.below(600);
        let mut key = format!("key:{n}:").into_bytes();
        if n % 7 == 0 {
            key.extend_from_slice(&[0, 0xff, b'\n']);
        }
        if n % 50 == 0 {
            key.resize(key.len() + (n as usize) * 20, b'k');
        }
        key
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.below(100) {
            0 => 0,
            1..=79 => self.below(120),
            80..=97 => self.below(5_000),
            _ => 50_000 + self.below(100_000),
        };
        self.bytes(len as usize)
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn seed() -> u64 {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    std::env::var("WARP_SEED").map_or_else(|_| now().as_nanos() as u64 | 1, |s| s.parse().unwrap())
}

fn steps(default: u64) -> u64 {
    std::env::var("WARP_STEPS").map_or(default, |s| s.parse().unwrap())
}

fn check_all(db: &Db, model: &Model) {
    let mut seen = Model::new();
    let mut iter = db.iter(b"").unwrap();
    while iter.advance().unwrap() {
        let (key, value) = iter.current().unwrap();
        assert!(seen.insert(key.to_vec(), value.to_vec()).is_none(), "a key came twice");
    }
    assert_eq!(seen.len(), model.len());
    assert!(seen == *model);
    for (key, value) in model {
        assert_eq!(db.get(key).unwrap().as_ref(), Some(value));
    }
    assert_eq!(db.stats().keys, model.len() as u64);
}

fn step(db: &Db, model: &mut Model, random: &mut Random) {
    let (key, value) = (random.key(), random.value());
    match random.below(12) {
        0..=3 => {
            db.put(&key, &value).unwrap();
            model.insert(key, value);
        }
        4 | 5 => assert_eq!(db.delete(&key).unwrap(), model.remove(&key).is_some()),
        6 | 7 => {
            assert_eq!(db.get(&key).unwrap().as_ref(), model.get(&key));
            assert_eq!(db.exists(&key).unwrap(), model.contains_key(&key));
        }
        8 => {
            let current = model.get(&key).cloned();
            let expected =
                if random.below(3) == 0 { Some(random.value()) } else { current.clone() };
            let desired = (random.below(3) > 0).then_some(value);
            let swapped = db.compare_and_swap(&key, expected.as_deref(), desired.as_deref());
            assert_eq!(swapped.unwrap(), expected == current);
            if expected == current {
                match desired {
                    Some(value) => drop(model.insert(key, value)),
                    None => drop(model.remove(&key)),
                }
            }
        }
        9 | 10 => {
            let mut batch = Batch::new();
            for _ in 0..random.below(20) {
                let (key, value) = (random.key(), random.value());
                if random.below(3) == 0 {
                    batch.delete(&key).unwrap();
                    model.remove(&key);
                } else {
                    batch.put(&key, &value).unwrap();
                    model.insert(key, value);
                }
            }
            db.write(&batch).unwrap();
        }
        _ => {
            let keys: Vec<_> = (0..random.below(80)).map(|_| random.key()).collect();
            let mut answers = 0;
            db.multi_get(
                keys.len(),
                |i| &keys[i],
                |i, answer| {
                    assert_eq!(answer.unwrap().as_deref(), model.get(&keys[i]).map(|v| &v[..]));
                    answers += 1;
                },
            );
            assert_eq!(answers, keys.len());
        }
    }
}

/// What is held across everything else that happens: it must not change.
#[derive(Default)]
struct Held {
    values: Vec<(Pinned, Vec<u8>)>,
    iters: Vec<Iter>,
}

impl Held {
    fn step(&mut self, db: &Db, model: &Model, random: &mut Random) {
        let key = random.key();
        if let Some(pinned) = db.get_pinned(&key).unwrap() {
            self.values.push((pinned, model[&key].clone()));
        }
        if self.values.len() > 20 {
            let (pinned, value) = self.values.swap_remove(random.below(20) as usize);
            assert!(*pinned == *value, "a pinned value changed");
        }
        if self.iters.len() < 3 {
            self.iters.push(db.iter(b"key").unwrap());
        }
        let i = random.below(self.iters.len() as u64) as usize;
        match self.iters[i].advance().unwrap() {
            true => assert!(self.iters[i].current().unwrap().0.starts_with(b"key")),
            false => drop(self.iters.remove(i)),
        }
    }
}

/// A number of the statistics in JSON, from the part `part`.
fn number(db: &Db, part: &str, name: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_str(&db.stats_json()).unwrap();
    json[part][name].as_u64().unwrap()
}

/// Returns how many records were read from segments that are not mapped.
fn run(path: Option<&Path>, options: &Options, steps: u64, reopen: bool) -> u64 {
    let mut cold_reads = 0;
    let seed = seed();
    println!("WARP_SEED={seed}");
    let mut random = Random(seed);
    let mut model = Model::new();
    let mut db = Db::open(path, options).unwrap();
    let mut held = Held::default();
    for n in 0..steps {
        step(&db, &mut model, &mut random);
        held.step(&db, &model, &mut random);
        if reopen && random.below(400) == 0 {
            match random.below(5) {
                0 => db.checkpoint().unwrap(),
                1 => db.sync().unwrap(),
                2 => db.compact().unwrap(),
                _ => {
                    check_all(&db, &model);
                    cold_reads += number(&db, "memory", "cold_reads");
                    db.close().unwrap();
                    db = Db::open(path, options).unwrap();
                }
            }
        }
        if n % 1_000 == 0 {
            check_all(&db, &model);
        }
        if !reopen && random.below(400) == 0 {
            db.compact().unwrap();
        }
    }
    check_all(&db, &model);
    cold_reads += number(&db, "memory", "cold_reads");
    db.close().unwrap();
    cold_reads
}

fn options(pairs: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    pairs.iter().for_each(|(name, value)| options.set(name, value).unwrap());
    options
}

#[test]
fn in_memory() {
    assert_eq!(run(None, &Options::new(), steps(10_000), false), 0);
}

#[test]
fn on_disk() {
    let dir = tempfile::tempdir().unwrap();
    run(Some(&dir.path().join("db")), &options(&[("shards", "5")]), steps(10_000), true);
}

#[test]
fn on_disk_with_one_shard_and_many_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        options(&[("shards", "1"), ("checkpoint_interval_ms", "5"), ("durability", "process")]);
    run(Some(&dir.path().join("db")), &options, steps(5_000), true);
}

#[test]
fn synced_writes() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(&[("durability", "sync"), ("shards", "3")]);
    run(Some(&dir.path().join("db")), &options, steps(2_000), true);
}

/// Far more data than memory: most reads, overwrites, deletes, iterators and compactions meet
/// segments that are not mapped.
#[test]
fn on_disk_with_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(&[("shards", "3"), ("memory_limit", "1M"), ("sync_interval_ms", "5")]);
    let cold_reads = run(Some(&dir.path().join("db")), &options, steps(6_000), true);
    assert!(cold_reads > 1_000, "only {cold_reads} records were read from cold segments");
}

#[test]
fn synced_writes_with_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(&[
        ("durability", "sync"),
        ("shards", "2"),
        ("memory_limit", "1M"),
        ("cache_compression", "true"),
    ]);
    let cold_reads = run(Some(&dir.path().join("db")), &options, steps(2_000), true);
    assert!(cold_reads > 100, "only {cold_reads} records were read from cold segments");
}
