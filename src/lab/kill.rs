//! Real processes: killed at random moments, or with a system call of theirs made to fail.
//!
//! A child writes from several threads; each thread's operation number `i` follows from the seed
//! and `i` alone. After each acknowledgement it stores `i` in a mapped file that the engine knows
//! nothing of. Once the child is gone, the parent opens the database and asks for each thread's
//! keys: they must be as after operation `i`, or as after `i + 1`, which was under way; a batch is
//! whole or not there. Meanwhile slots move between shards and a rule comes and goes. The next child goes on from what was found.

use super::random::mix;
use crate::{Batch, Db, Error, Options, Rule};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const THREADS: u64 = 3;
const KEYS: u64 = 400;
/// A rule that comes and goes while children write.
const RULE: &str = "thread0/key*,thread1/key*,thread2/key*";
/// What a child prints once the database is open.
const OPENED: &str = "opened";
/// Exit code of a child that an error ended which it was told of.
pub const TOLD: i32 = 3;
/// Exit code of a child in which a thread panicked.
const PANICKED: i32 = 101;
/// Longest life of a child whose system calls are made to fail.
const CHILD_SECONDS_MAX: u64 = 20;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn key(thread: u64, n: u64) -> Vec<u8> {
    format!("thread{thread}/key{n}").into_bytes()
}

fn value(thread: u64, i: u64, part: u64) -> Vec<u8> {
    let len = match mix(i, part) % 50 {
        0 => 30_000 + mix(i, part) % 20_000,
        n => n * 7,
    };
    let mut value = format!("{thread}.{i}.{part}.").into_bytes();
    value.resize(value.len() + len as usize, (i % 251) as u8);
    value
}

/// What operation `i` of a thread does.
fn changes(seed: u64, thread: u64, i: u64) -> Changes {
    let r = mix(seed ^ thread, i);
    let one = |part: u64| {
        let r = mix(r, part);
        // By other bits than the key: else a key that is deleted would never have been put.
        let value = ((r >> 32) % 4 != 0).then(|| value(thread, i, part));
        (key(thread, r % KEYS), value)
    };
    let count = if r % 5 == 0 { 2 + r % 9 } else { 1 };
    (0..count).map(one).collect()
}

fn run_operation(db: &Db, changes: &Changes) -> Result<(), Error> {
    if let [(key, value)] = &changes[..] {
        return match value {
            Some(value) => db.put(key, value),
            None => db.delete(key).map(|_| ()),
        };
    }
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value)?,
            None => batch.delete(key)?,
        }
    }
    db.write(&batch)
}

fn apply(model: &mut Model, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(model.insert(key, value)),
            None => drop(model.remove(&key)),
        }
    }
}

/// Adds [`RULE`] unless an earlier child has.
fn add_missing_rule(db: &Db) -> Result<(), Error> {
    let rule = Rule::parse(RULE)?;
    if db.rules().contains(&rule) {
        return Ok(());
    }
    db.add_rule(&rule)
}

fn options(durability: &str) -> Result<Options, Error> {
    let mut options = Options::new();
    // "sync, little memory": all that is sealed is cold.
    let (durability, memory) = durability.split_once(", ").unwrap_or((durability, ""));
    options.set("durability", durability)?;
    if memory == "little memory" {
        options.set("memory_limit", "1M")?;
    }
    options.set("shards", "4")?;
    options.set("sync_interval_ms", "3")?;
    options.set("checkpoint_interval_ms", "20")?;
    Ok(options)
}

/// The acknowledgements: one number a thread, in a mapped file.
struct Acknowledged(memmap2::MmapMut);

impl Acknowledged {
    fn open(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join("acknowledged");
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
        // SAFETY: only these processes map the file, one at a time.
        Ok(Acknowledged(unsafe { memmap2::MmapMut::map_mut(&file)? }))
    }

    fn slot(&self, thread: u64) -> &AtomicU64 {
        // SAFETY: the map is page-aligned and long enough for an aligned u64 a thread.
        unsafe { &*self.0.as_ptr().add(thread as usize * 8).cast::<AtomicU64>() }
    }
}

/// The body of a child: writes until it is killed, until an error tells it to end, or until each
/// thread has done `operations`. Returns the error.
pub fn child(dir: &Path, durability: &str, seed: u64, operations: u64) -> Result<(), Error> {
    // A panic of any thread, upkeep too, is for the parent to see.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(PANICKED);
    }));
    let db = Db::open(Some(&dir.join("db")), &options(durability)?)?;
    let acknowledged =
        Acknowledged::open(dir).map_err(|e| Error::os("map the acknowledgements", &e))?;
    println!("\n{OPENED}");
    let end = AtomicBool::new(false);
    let write = |thread| {
        let slot = acknowledged.slot(thread);
        let last = slot.load(Ordering::SeqCst).saturating_add(operations);
        while !end.load(Ordering::Relaxed) && slot.load(Ordering::SeqCst) < last {
            let i = slot.load(Ordering::SeqCst) + 1;
            run_operation(&db, &changes(seed, thread, i))?;
            slot.store(i, Ordering::SeqCst);
        }
        Ok(())
    };
    let upkeep = || {
        let mut round = 0u64;
        while !end.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(7));
            db.checkpoint()?;
            round += 1;
            if round % 4 == 0 {
                db.compact()?;
            }
            for i in 0..6 {
                let random = mix(seed ^ round, i);
                db.move_slot((random % 4096) as usize, (random >> 32) as usize % 4)?;
            }
            match round % 10 {
                3 => add_missing_rule(&db)?,
                8 => _ = db.remove_rule(b"thread0/key*")?,
                _ => {}
            }
        }
        Ok(())
    };
    let result = std::thread::scope(|scope| {
        let upkeep = scope.spawn(upkeep);
        let writers: Vec<_> = (0..THREADS).map(|t| scope.spawn(move || write(t))).collect();
        let mut result: Result<(), Error> = Ok(());
        for writer in writers {
            result = result.and(writer.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        }
        end.store(true, Ordering::Relaxed);
        result.and(upkeep.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
    });
    result.and(db.close())
}

/// How to run a child in a directory.
pub type ChildCommand<'a> = dyn Fn(&Path) -> Command + 'a;

/// What was done to children.
#[derive(Debug, Clone, Copy, Default)]
pub struct KillReport {
    /// Children that were killed, or had a call fail.
    pub children: u64,
    /// Children that ended because an error told them to.
    pub told: u64,
    /// Acknowledged operations that were looked for.
    pub operations: u64,
    /// Operations under way that were found done.
    pub in_flight: u64,
}

/// A database that children write to, and what they were told.
pub struct Bench {
    dir: PathBuf,
    durability: String,
    seed: u64,
    models: Vec<Model>,
    at: Vec<u64>,
    /// What was done so far.
    pub report: KillReport,
}

impl Bench {
    /// A new one in the empty directory `dir`.
    pub fn new(dir: &Path, durability: &str, seed: u64) -> std::io::Result<Bench> {
        std::fs::write(dir.join("acknowledged"), [0; 4096])?;
        Ok(Bench {
            dir: dir.to_path_buf(),
            durability: durability.to_owned(),
            seed,
            models: vec![Model::new(); THREADS as usize],
            at: vec![0; THREADS as usize],
            report: KillReport::default(),
        })
    }

    /// Starts a child and kills it; half of the kills strike during open and recovery, and every
    /// fourth child is followed by another before anybody looks.
    pub fn kill(&mut self, command: &ChildCommand) -> Result<(), String> {
        let kill = self.report.children;
        let mut child = self.start(command(&self.dir))?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        if kill % 2 == 0 {
            if !output.lines().any(|line| line.is_ok_and(|l| l == OPENED)) {
                return Err("the child failed before it was killed".to_owned());
            }
            std::thread::sleep(Duration::from_micros(mix(self.seed, kill) % 30_000));
        } else {
            std::thread::sleep(Duration::from_micros(mix(self.seed, kill) % 40_000));
        }
        child.kill().map_err(|e| e.to_string())?;
        let status = child.wait().map_err(|e| e.to_string())?;
        if status.code().is_some() {
            return Err(format!("the child ended by itself: {status}"));
        }
        self.report.children += 1;
        if kill % 4 == 1 {
            return Ok(());
        }
        self.check()
    }

    /// Runs a child whose system calls are made to fail, or that a signal meets in one.
    pub fn inject(&mut self, command: &ChildCommand) -> Result<ExitStatus, String> {
        let mut child = self.start(command(&self.dir))?;
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                break status;
            }
            if begin.elapsed() > Duration::from_secs(CHILD_SECONDS_MAX) {
                let _ = child.kill();
                let _ = child.wait();
                return Err("the child hangs".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut output = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            let _ = stdout.read_to_string(&mut output);
        }
        self.report.children += 1;
        self.report.told += u64::from(status.code() == Some(TOLD));
        self.check()?;
        Ok(status)
    }

    fn start(&self, mut command: Command) -> Result<Child, String> {
        command.stdout(Stdio::piped()).spawn().map_err(|e| format!("start a child: {e}"))
    }

    /// Opens the database and looks for everything that was acknowledged.
    pub fn check(&mut self) -> Result<(), String> {
        let acknowledged = Acknowledged::open(&self.dir).map_err(|e| e.to_string())?;
        let text = |e: Error| e.to_string();
        let options = options(&self.durability).map_err(text)?;
        let db = Db::open(Some(&self.dir.join("db")), &options)
            .map_err(|e| format!("open refuses: {e}"))?;
        for thread in 0..THREADS {
            let t = thread as usize;
            let slot = acknowledged.slot(thread);
            while self.at[t] < slot.load(Ordering::SeqCst) {
                self.at[t] += 1;
                self.report.operations += 1;
                apply(&mut self.models[t], changes(self.seed, thread, self.at[t]));
            }
            let found = stored(&db, thread)?;
            if found != self.models[t] {
                // The operation under way may have been done and not acknowledged.
                apply(&mut self.models[t], changes(self.seed, thread, self.at[t] + 1));
                if found != self.models[t] {
                    return Err(format!(
                        "seed {}: thread {thread} is not as after operation {}, nor after the next",
                        self.seed, self.at[t]
                    ));
                }
                self.report.in_flight += 1;
            }
        }
        db.close().map_err(text)
    }
}

/// The keys of a thread as the database has them.
fn stored(db: &Db, thread: u64) -> Result<Model, String> {
    let text = |e: Error| e.to_string();
    let mut found = Model::new();
    let mut iter = db.iter(format!("thread{thread}/").as_bytes()).map_err(text)?;
    while iter.advance().map_err(text)? {
        let Some((key, value)) = iter.current() else { break };
        if found.insert(key.to_vec(), value.to_vec()).is_some() {
            return Err("iteration returns a key twice".to_owned());
        }
    }
    for n in 0..KEYS {
        let key = key(thread, n);
        if db.get(&key).map_err(text)?.as_ref() != found.get(&key) {
            return Err(format!("get and iteration differ for key {n} of thread {thread}"));
        }
    }
    Ok(found)
}
