//! Data larger than memory: is every answer right, does the memory limit hold, and how near does the
//! cache come to the best that any could do?
//!
//! The data are loaded, values of 100 bytes to 4 KiB; then threads read and overwrite zipfian keys,
//! each its own, so that each knows what it must find: every byte of every value is compared. The
//! resident size of the process, this benchmark's part included, is sampled all the while.
//!
//! The trace of a sample of the keys is written to a file, and simulated when the database is closed,
//! in miniature (Waldspurger et al., "Cache Modeling and Optimization using Miniature Simulations",
//! USENIX ATC 2017): as large a part of the cache as of the keys. What counts is a read of a record
//! that is no more in the mapped part of the log: of a key that was last written longer ago than so
//! many bytes of log. [`simulate`] knows two policies: LRU, and MIN (Belady, 1966), which evicts what
//! will not be read for the longest time, and never lets in what will not be read before that.

use super::simulate::{simulate, Access, Simulated};
use super::workload::{key, mix, Draw};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use warp_engine::{Db, Error, ErrorKind, Options};

/// Lengths of values.
const LEN_MIN: u64 = 100;
const LEN_MAX: u64 = 4096;
/// Keys of the trace, about.
const TRACED_KEYS: u64 = 100_000;
/// Accesses of the trace that are simulated, at most: 24 bytes each.
const TRACED_MAX: usize = 8 << 20;

/// What to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of keys and values.
    pub data: u64,
    pub memory_limit: u64,
    pub span: Duration,
    pub threads: u64,
    /// Of a hundred operations, so many are reads.
    pub reads: u64,
    pub options: Vec<(String, String)>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub keys: u64,
    pub load_seconds: f64,
    pub reads: u64,
    pub writes: u64,
    pub seconds: f64,
    /// Values that were not what was written last.
    pub wrong: u64,
    /// Operations that failed, and the first failure.
    pub errors: u64,
    pub first_error: Option<String>,
    pub resident_peak: u64,
    /// Samples of the resident size, and those above the limit.
    pub samples: u64,
    pub above: u64,
    /// The engine's cache, if it has one and it was asked.
    pub hits: u64,
    pub misses: u64,
    /// What the simulated caches had: as much as the engine's.
    pub cache_bytes: u64,
    /// One key of so many is in the trace.
    pub sampled: u64,
    pub lru: Simulated,
    pub min: Simulated,
}

fn len_of(n: u64) -> usize {
    (LEN_MIN + mix(n ^ 0x6c65_6e67) % (LEN_MAX - LEN_MIN + 1)) as usize
}

/// The value of key `n` in its `version`: every word follows from both.
fn value_of(n: u64, version: u8, into: &mut Vec<u8>) {
    let (len, mut word) = (len_of(n), mix(n << 8 | u64::from(version)));
    into.clear();
    while into.len() < len {
        into.extend_from_slice(&word.to_le_bytes());
        word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
    into.truncate(len);
}

/// How many keys have so many bytes.
fn keys_of(data: u64) -> u64 {
    (data / (16 + (LEN_MIN + LEN_MAX) / 2)).max(1000)
}

/// What the threads share.
struct Load<'a> {
    config: &'a Config,
    db: &'a Db,
    keys: u64,
    versions: Vec<AtomicU8>,
    /// Bytes of log written, all threads.
    written: AtomicU64,
    trace: Mutex<BufWriter<File>>,
    sampled: u64,
    reads: AtomicU64,
    writes: AtomicU64,
    wrong: AtomicU64,
    errors: AtomicU64,
    first_error: Mutex<Option<String>>,
}

impl Load<'_> {
    fn failed(&self, error: &Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.message().to_owned());
    }

    /// Puts a key of the thread's own.
    fn put(&self, n: u64, version: u8, value: &mut Vec<u8>) {
        value_of(n, version, value);
        match self.db.put(&key(n), value) {
            Ok(()) => {
                self.versions[n as usize].store(version, Ordering::Relaxed);
                let at = self.written.fetch_add(value.len() as u64 + 40, Ordering::Relaxed);
                self.note(n, at, true);
            }
            Err(e) => self.failed(&e),
        }
    }

    fn get(&self, n: u64, expected: &mut Vec<u8>) {
        value_of(n, self.versions[n as usize].load(Ordering::Relaxed), expected);
        match self.db.get(&key(n)) {
            Ok(found) => {
                if found.as_ref() != Some(expected) {
                    self.wrong.fetch_add(1, Ordering::Relaxed);
                }
                self.note(n, self.written.load(Ordering::Relaxed), false);
            }
            Err(e) => self.failed(&e),
        }
    }

    /// Writes an access of a key that is in the sample to the trace.
    fn note(&self, n: u64, at: u64, is_write: bool) {
        if mix(n ^ 0x0074_7261) % self.sampled != 0 {
            return;
        }
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(n << 1 | u64::from(is_write)).to_le_bytes());
        bytes[8..].copy_from_slice(&at.to_le_bytes());
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        // A trace that is cut short is simulated as far as it goes.
        let _ = trace.write_all(&bytes);
    }

    fn run(&self, thread: u64, draw: &Draw, go_on: &dyn Fn() -> bool) {
        let (mut draw, mut value) = (draw.with_seed(thread + 1), Vec::new());
        let mut coins = thread + 7;
        while go_on() {
            for _ in 0..64 {
                let n = draw.next() * self.config.threads + thread;
                if n >= self.keys {
                    continue;
                }
                coins = mix(coins);
                if coins % 100 < self.config.reads {
                    self.get(n, &mut value);
                    self.reads.fetch_add(1, Ordering::Relaxed);
                } else {
                    let version = self.versions[n as usize].load(Ordering::Relaxed);
                    self.put(n, version.wrapping_add(1), &mut value);
                    self.writes.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Samples of the resident size.
#[derive(Default, Clone, Copy)]
struct Resident {
    peak: u64,
    samples: u64,
    above: u64,
}

/// The resident size of this process; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Runs it in `dir`; `tell` gets a line of text now and then.
pub fn run(dir: &Path, config: &Config, tell: &mut dyn FnMut(&str)) -> Result<Outcome, Error> {
    let os = |what: &str, e: &std::io::Error| Error::os(format!("{what} the trace"), e);
    let (path, trace) = (dir.join("larger"), dir.join("trace"));
    let mut options = Options::new();
    options.set("memory_limit", &config.memory_limit.to_string())?;
    for (name, value) in &config.options {
        options.set(name, value)?;
    }
    let db = Db::open(Some(&path), &options)?;
    let keys = keys_of(config.data);
    let load = Load {
        config,
        db: &db,
        keys,
        versions: (0..keys).map(|_| AtomicU8::new(0)).collect(),
        written: AtomicU64::new(0),
        trace: Mutex::new(BufWriter::new(File::create(&trace).map_err(|e| os("create", &e))?)),
        sampled: (keys / TRACED_KEYS).max(1),
        reads: AtomicU64::new(0),
        writes: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        first_error: Mutex::new(None),
    };
    let done = AtomicBool::new(false);
    let mut outcome = Outcome { keys, sampled: load.sampled, ..Outcome::default() };
    let mapped = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(config.memory_limit, &done));
        let begin = Instant::now();
        let mut value = Vec::new();
        for n in 0..keys {
            load.put(n, 0, &mut value);
        }
        outcome.load_seconds = begin.elapsed().as_secs_f64();
        tell(&format!("{keys} keys loaded in {:.1} s", outcome.load_seconds));
        let before = json(&db);
        let draw = Draw::zipfian(keys.div_ceil(config.threads), 1);
        let begin = Instant::now();
        let go_on = || begin.elapsed() < config.span;
        std::thread::scope(|scope| {
            for thread in 0..config.threads {
                let (load, draw, go_on) = (&load, &draw, &go_on);
                scope.spawn(move || load.run(thread, draw, go_on));
            }
        });
        outcome.seconds = begin.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let seen = watch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (outcome.resident_peak, outcome.samples, outcome.above) =
            (seen.peak, seen.samples, seen.above);
        let after = json(&db);
        let rise = |name| number(&after, name).saturating_sub(number(&before, name));
        outcome.hits = rise("/cache/hits");
        outcome.misses = rise("/cache/misses");
        outcome.cache_bytes = number(&after, "/cache/capacity");
        number(&after, "/memory/active_bytes") + number(&after, "/memory/sealed_bytes")
    });
    outcome.reads = load.reads.load(Ordering::Relaxed);
    outcome.writes = load.writes.load(Ordering::Relaxed);
    outcome.wrong = load.wrong.load(Ordering::Relaxed);
    outcome.errors = load.errors.load(Ordering::Relaxed);
    outcome.first_error = load.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let written = load.trace.into_inner().unwrap_or_else(PoisonError::into_inner);
    written.into_inner().map_err(|e| os("write", e.error()))?;
    drop(load.versions);
    db.close()?;
    if outcome.cache_bytes == 0 {
        // An engine without a cache: what one could do with the whole limit.
        outcome.cache_bytes = config.memory_limit;
    }
    let accesses = cold(&trace, mapped).map_err(|e| os("read", &e))?;
    let budget = outcome.cache_bytes / outcome.sampled;
    (outcome.lru, outcome.min) = simulate(&accesses, budget);
    Ok(outcome)
}

fn watch(limit: u64, done: &AtomicBool) -> Resident {
    let mut seen = Resident::default();
    while !done.load(Ordering::Relaxed) {
        let bytes = resident();
        seen.peak = seen.peak.max(bytes);
        seen.samples += 1;
        seen.above += u64::from(bytes > limit);
        std::thread::sleep(Duration::from_millis(50));
    }
    seen
}

fn json(db: &Db) -> serde_json::Value {
    serde_json::from_str(&db.stats_json()).unwrap_or_default()
}

/// The number at a JSON pointer; 0 if there is none.
fn number(stats: &serde_json::Value, pointer: &str) -> u64 {
    stats.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// The accesses of the trace that go to the cache: reads of what was written longer ago than `mapped`
/// bytes of log, and the writes, which take a record out of it.
fn cold(trace: &Path, mapped: u64) -> std::io::Result<Vec<Access>> {
    let mut reader = BufReader::new(File::open(trace)?);
    let mut last_write = std::collections::HashMap::new();
    let (mut accesses, mut bytes) = (Vec::new(), [0; 16]);
    while accesses.len() < TRACED_MAX {
        match reader.read_exact(&mut bytes) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => break,
            read => read?,
        }
        let word = |at: usize| bytes[at..].first_chunk().map_or(0, |w| u64::from_le_bytes(*w));
        let (n, is_write, at) = (word(0) >> 1, word(0) & 1 == 1, word(8));
        if is_write {
            last_write.insert(n, at);
        } else if last_write.get(&n).is_some_and(|write| at - write.min(&at) < mapped) {
            continue;
        }
        accesses.push(Access { key: n, bytes: len_of(n) as u32, is_write });
    }
    Ok(accesses)
}

/// What makes a run a failed one.
pub fn verdict(outcome: &Outcome) -> Result<(), Error> {
    if outcome.wrong == 0 {
        return Ok(());
    }
    let text = format!("{} of {} values read were wrong", outcome.wrong, outcome.reads);
    Err(Error::new(ErrorKind::Corruption, text))
}
