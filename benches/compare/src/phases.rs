//! What a child process does to one store at one level with one data set, phase by phase.
//!
//! Every value that is read is compared with what was written, whole; a wrong one ends the run of
//! the store with an error in place of its figures.

use crate::loads::{inserted_key, read, Load, View};
use crate::measure::{disk, process};
use crate::result::{Data, Row, Unit};
use crate::store::{kind, Level, Pair, Result, Session, Setup, Store};
use crate::workload::{Shape, Zipf, VALUE_MAX};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a child is told, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub store: String,
    pub level: Level,
    pub data: Data,
    /// A directory of its own, empty.
    pub dir: PathBuf,
    pub phases: Vec<Phase>,
    /// Milliseconds for which a rate is taken.
    pub span_ms: u64,
    /// Seconds after which a fill goes on in batches.
    pub fill_s: u64,
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// All keys, one put each, by one thread.
    Fill,
    /// All keys in batches, where what comes after is what is measured.
    Load,
    Get {
        zipfian: bool,
        threads: u64,
    },
    MultiGet {
        keys: u64,
    },
    Overwrite {
        threads: u64,
    },
    /// Zipfian reads and overwrites.
    Mixed {
        reads: u64,
        threads: u64,
    },
    /// Batches of overwrites.
    Batch {
        pairs: u64,
    },
    /// Puts of keys that are new.
    Insert {
        threads: u64,
    },
    /// One of YCSB's workloads: A, B, C, D or F.
    Ycsb {
        letter: char,
        threads: u64,
    },
    Iterate,
    /// A tenth of the keys.
    Delete,
    /// Closes and opens again, then reads all.
    Reopen,
    /// The phases of redb's published comparison.
    Redb,
}

/// Threads that may insert.
const THREADS_MAX: usize = 64;

/// A store with what is known of its contents.
pub struct Child<'a> {
    pub job: &'a Job,
    pub shape: Shape,
    zipf: Zipf,
    pub store: Option<Box<dyn Store>>,
    /// Keys below this were deleted.
    deleted: u64,
    /// Keys that each thread inserted, beyond those of the fill.
    inserted: Vec<AtomicU64>,
    tell: &'a mut dyn FnMut(Row),
}

/// Does a job; each row goes to `tell`.
pub fn run(job: &Job, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let mut child = Child {
        job,
        shape: Shape { key_len: job.data.key_len, value_len: job.data.value_len },
        zipf: Zipf::new(job.data.keys),
        store: None,
        deleted: 0,
        inserted: (0..THREADS_MAX).map(|_| AtomicU64::new(0)).collect(),
        tell,
    };
    child.open()?;
    for phase in &job.phases {
        child.phase(phase).map_err(|error| format!("{phase:?}: {error}"))?;
    }
    child.memory("at the end")?;
    child.close()
}

/// Opens the store of a job.
pub fn open(job: &Job) -> Result<Box<dyn Store>> {
    let setup = Setup {
        dir: &job.dir,
        level: job.level,
        keys: job.data.keys,
        value_len: job.data.value_len,
    };
    (kind(&job.store)?.open)(&setup)
}

/// A row of a job.
pub fn row(job: &Job, name: &str, threads: u64, value: f64, unit: Unit) -> Row {
    Row {
        store: job.store.clone(),
        level: job.level,
        data: job.data.name.clone(),
        name: name.to_owned(),
        threads,
        value,
        unit,
        latency: None,
        curve: Vec::new(),
        note: None,
    }
}

/// Puts keys `from..to` of a job in batches.
pub fn load(job: &Job, session: &mut dyn Session, from: u64, to: u64, version: u64) -> Result<()> {
    let shape = Shape { key_len: job.data.key_len, value_len: job.data.value_len };
    let pairs = (4 << 20) / (shape.value_len as u64 + 64);
    let mut batch = Vec::new();
    for n in from..to {
        batch.push(pair(&shape, n, version));
        if batch.len() as u64 == pairs.clamp(100, 10_000) || n + 1 == to {
            session.batch(&batch)?;
            batch.clear();
        }
    }
    Ok(())
}

pub fn pair(shape: &Shape, n: u64, version: u64) -> Pair {
    let mut value = shape.value();
    shape.fill(&mut value, n, version);
    Pair { key: shape.key(n).to_vec(), value: Some(value) }
}

impl Child<'_> {
    fn open(&mut self) -> Result<()> {
        self.store = Some(open(self.job)?);
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        match self.store.take() {
            Some(store) => store.close(),
            None => Ok(()),
        }
    }

    pub fn store(&self) -> Result<&dyn Store> {
        self.store.as_deref().ok_or_else(|| "the store is closed".into())
    }

    pub fn row(&mut self, name: &str, threads: u64, value: f64, unit: Unit) {
        (self.tell)(row(self.job, name, threads, value, unit));
    }

    pub fn keys(&self) -> u64 {
        self.job.data.keys
    }

    fn phase(&mut self, phase: &Phase) -> Result<()> {
        match *phase {
            Phase::Fill => self.fill(),
            Phase::Load => {
                let mut session = self.store()?.session();
                load(self.job, &mut *session, 0, self.keys(), 1)
            }
            Phase::Get { zipfian, threads } => {
                let name = if zipfian { "get zipfian" } else { "get uniform" };
                self.timed(name, threads, Load::Get { zipfian })
            }
            Phase::MultiGet { keys } => {
                self.timed(&format!("multi-get of {keys}"), 1, Load::MultiGet { keys })
            }
            Phase::Overwrite { threads } => {
                self.timed("overwrite uniform", threads, Load::Overwrite)
            }
            Phase::Mixed { reads, threads } => {
                let name = format!("mixed {reads}/{} zipfian", 100 - reads);
                self.timed(&name, threads, Load::Mixed { reads, modify: false })
            }
            Phase::Batch { pairs } => {
                self.timed(&format!("batches of {pairs}"), 1, Load::Batch { pairs })
            }
            Phase::Insert { threads } => self.timed("insert", threads, Load::Insert),
            Phase::Ycsb { letter, threads } => {
                let load = match letter {
                    'A' => Load::Mixed { reads: 50, modify: false },
                    'B' => Load::Mixed { reads: 95, modify: false },
                    'C' => Load::Get { zipfian: true },
                    'D' => Load::Latest,
                    'F' => Load::Mixed { reads: 50, modify: true },
                    _ => return Err("no such workload".into()),
                };
                self.timed(&format!("YCSB {letter}"), threads, load)
            }
            Phase::Iterate => self.iterate(),
            Phase::Delete => self.delete(),
            Phase::Reopen => self.reopen(),
            Phase::Redb => crate::redb_phases::run(self),
        }
    }

    fn fill(&mut self) -> Result<()> {
        let (job, shape, keys) = (self.job, self.shape, self.keys());
        let budget = Duration::from_secs(job.fill_s);
        let store = self.store()?;
        let mut session = store.session();
        let (mut value, mut curve) = (shape.value(), Vec::new());
        let (mut spent, mut done) = (Duration::ZERO, 0);
        let mut cut = None;
        for point in 1..=20 {
            let end = keys * point / 20;
            if cut.is_none() {
                let begin = Instant::now();
                while done < end && cut.is_none() {
                    shape.fill(&mut value, done, 1);
                    session.put(&shape.key(done), &value)?;
                    done += 1;
                    if done % 1024 == 0 && spent + begin.elapsed() > budget {
                        cut = Some(done);
                    }
                }
                spent += begin.elapsed();
            }
            load(job, &mut *session, done, end, 1)?;
            done = end;
            let now = process();
            curve.push([end as f64, now.anonymous as f64, now.file as f64]);
        }
        drop(session);
        let one_by_one = cut.unwrap_or(keys);
        let mut row = row(job, "fill", 1, one_by_one as f64 / spent.as_secs_f64(), Unit::Rate);
        row.curve = curve;
        row.note = cut.map(|n| format!("the first {n} keys one by one, the rest in batches"));
        (self.tell)(row);
        self.memory("after the fill")
    }

    /// Memory, disk and bytes written up to now.
    fn memory(&mut self, when: &str) -> Result<()> {
        let (now, disk) = (process(), disk(&self.job.dir)?);
        for (what, bytes) in [
            ("anonymous memory", now.anonymous),
            ("file pages", now.file),
            ("disk", disk),
            ("written", now.written),
        ] {
            self.row(&format!("{what} {when}"), 1, bytes as f64, Unit::Bytes);
        }
        Ok(())
    }

    /// Measures a load and tells its rate and latencies.
    fn timed(&mut self, name: &str, threads: u64, load: Load) -> Result<()> {
        let view = View {
            store: self.store()?,
            shape: self.shape,
            zipf: &self.zipf,
            keys: self.job.data.keys,
            seed: self.job.seed,
            inserted: &self.inserted,
        };
        let measured = view.measure(threads, Duration::from_millis(self.job.span_ms), load)?;
        let mut row = row(self.job, name, threads, measured.rate, Unit::Rate);
        row.latency = Some(measured.latency);
        (self.tell)(row);
        Ok(())
    }

    fn iterate(&mut self) -> Result<()> {
        let shape = self.shape;
        let (mut found, mut wrong) = (0u64, 0u64);
        let begin = Instant::now();
        self.store()?.session().iterate(&mut |key, value| {
            found += 1;
            let n = value.get(..8).map(|n| u64::from_le_bytes(n.try_into().unwrap_or_default()));
            let right =
                n.is_some_and(|n| *shape.key(n) == *key && shape.version(value, n).is_some());
            wrong += u64::from(!right);
            true
        })?;
        let rate = found as f64 / begin.elapsed().as_secs_f64();
        let wanted = self.keys() - self.deleted + self.all_inserted();
        if wrong > 0 || found != wanted {
            return Err(format!("{found} records of {wanted}, {wrong} of them wrong").into());
        }
        self.row("iterate", 1, rate, Unit::Rate);
        Ok(())
    }

    fn all_inserted(&self) -> u64 {
        self.inserted.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Deletes keys from the first on, for as long as a tenth of them takes or ten spans.
    fn delete(&mut self) -> Result<()> {
        let (shape, last) = (self.shape, self.keys() / 10);
        let limit = Duration::from_millis(self.job.span_ms * 10);
        let mut session = self.store()?.session();
        let (begin, mut n) = (Instant::now(), 0);
        while n < last && (n % 64 != 0 || begin.elapsed() < limit) {
            session.delete(&shape.key(n))?;
            n += 1;
        }
        let rate = n as f64 / begin.elapsed().as_secs_f64();
        drop(session);
        self.deleted = n;
        self.row("delete", 1, rate, Unit::Rate);
        Ok(())
    }

    /// Closes, opens, and reads everything that was ever written or deleted.
    fn reopen(&mut self) -> Result<()> {
        let begin = Instant::now();
        self.close()?;
        self.row("close", 1, begin.elapsed().as_secs_f64(), Unit::Seconds);
        let begin = Instant::now();
        self.open()?;
        let (shape, keys) = (self.shape, self.keys());
        let mut session = self.store()?.session();
        let mut buf = vec![0; VALUE_MAX];
        // A store that puts its work off until the first read has not opened before it.
        read(&mut *session, &shape, keys - 1, &mut buf)?;
        let opened = begin.elapsed().as_secs_f64();
        for n in 0..self.deleted {
            if session.get(&shape.key(n), &mut buf)?.is_some() {
                return Err(format!("key {n} was deleted and is there").into());
            }
        }
        let inserted = (0..).zip(&self.inserted).flat_map(|(t, count)| {
            (0..count.load(Ordering::Relaxed)).map(move |i| inserted_key(t, i))
        });
        for n in (self.deleted..keys).chain(inserted) {
            read(&mut *session, &shape, n, &mut buf)?;
        }
        drop(session);
        self.row("open after a clean close", 1, opened, Unit::Seconds);
        let checked = (keys + self.all_inserted()) as f64;
        self.row("keys checked after it", 1, checked, Unit::Count);
        Ok(())
    }
}
