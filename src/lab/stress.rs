//! The stress test: a mixed load that lasts as long as it is told, in processes that are killed, with
//! every answer compared with a model.
//!
//! A parent (`warp stress`) starts one child after the other on the same directory. A child
//! 1. opens the database, and compares all of it with the oracle: each thread's keys are as after its
//!    last acknowledged operation, or as after the next, which was under way;
//! 2. stores the oracle, for the children after it and for a run that is resumed;
//! 3. runs its threads: each does the operations of its [`plan`], knows what each must answer, and
//!    notes its number on the [`board`] once it has the answer. One more thread checkpoints,
//!    compacts, and makes backups, which must hold each thread's keys as of one moment;
//! 4. closes when its parent says so, and ends when its parent is gone.
//!
//! Anything else that it finds is a violation, with which it ends.

pub mod board;
mod oracle;
mod plan;

use super::random::{mix, Random};
use crate::{Batch, Db, Error, Options};
use board::{Board, Count, Doing, THREADS_MAX};
use oracle::{Model, Oracle};
use plan::{key, value, Operation, Version, KEYS};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a child prints once the database is open and compared.
pub const OPENED: &str = "opened";
/// What it prints before it closes.
pub const CLOSING: &str = "closing";
/// What its parent says to have it close.
pub const CLOSE: &str = "close";
/// How long a token is waited for, in milliseconds.
const TOKEN_MS: u64 = 60_000;

/// Why a child ends early.
#[derive(Debug)]
pub enum Fault {
    /// A promise was broken.
    Violation(String),
    /// The engine or the system refuses.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(e: Error) -> Fault {
        // Stored bytes that do not verify are a broken promise here, not bad luck.
        match e.kind() {
            crate::ErrorKind::Corruption | crate::ErrorKind::Internal => {
                Fault::Violation(e.to_string())
            }
            _ => Fault::Failed(e),
        }
    }
}

fn system(action: &str) -> impl Fn(std::io::Error) -> Fault + '_ {
    move |e| Fault::Failed(Error::os(action, &e))
}

/// A stress test's directory.
#[derive(Debug, Clone)]
pub struct Place(PathBuf);

impl Place {
    /// The directory `dir`.
    pub fn new(dir: &Path) -> Place {
        Place(dir.to_path_buf())
    }

    /// Begins a new one.
    pub fn create(&self, seed: u64, threads: u64) -> std::io::Result<()> {
        assert!((1..=THREADS_MAX).contains(&threads));
        Board::create(&self.board())?;
        Oracle::new(seed, threads).store(&self.oracle())
    }

    /// Seed and number of threads of one that was begun.
    pub fn setup(&self) -> std::io::Result<(u64, u64)> {
        let oracle = Oracle::load(&self.oracle())?;
        Ok((oracle.seed, oracle.threads.len() as u64))
    }

    /// The file of the [`Board`].
    pub fn board(&self) -> PathBuf {
        self.0.join("board")
    }

    fn oracle(&self) -> PathBuf {
        self.0.join("oracle")
    }

    fn database(&self) -> PathBuf {
        self.0.join("db")
    }

    fn backup(&self) -> PathBuf {
        self.0.join("backup")
    }
}

/// What the threads of a child share.
struct Life<'a> {
    db: &'a Db,
    board: &'a Board,
    seed: u64,
    models: Vec<Mutex<Model>>,
    end: &'a AtomicBool,
}

/// The body of a child, number `number` of its run.
pub fn child(place: &Place, durability: &str, number: u64) -> Result<(), Fault> {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
    let board = Board::open(&place.board()).map_err(system("map the board"))?;
    board.set_phase(Doing::Open);
    board.add(Count::Lives, 1);
    let mut oracle = Oracle::load(&place.oracle()).map_err(system("read the oracle"))?;
    let random = mix(oracle.seed, number);
    let db = Db::open(Some(&place.database()), &options(durability, random)?)?;
    board.set_phase(Doing::Check);
    compare(&db, &board, &mut oracle)?;
    oracle.store(&place.oracle()).map_err(system("store the oracle"))?;
    println!("{OPENED}");
    board.set_phase(Doing::Load);
    static END: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        let told = std::io::stdin().lock().lines().next().and_then(Result::ok);
        if told.as_deref() != Some(CLOSE) {
            std::process::exit(0);
        }
        END.store(true, Ordering::SeqCst);
    });
    let seed = oracle.seed;
    let models = oracle.threads.into_iter().map(Mutex::new).collect();
    let life = Life { db: &db, board: &board, seed, models, end: &END };
    life.run(place, random)?;
    board.set_phase(Doing::Close);
    println!("{CLOSING}");
    db.close()?;
    Ok(())
}

fn options(durability: &str, random: u64) -> Result<Options, Error> {
    let mut options = Options::new();
    options.set("durability", durability)?;
    options.set("shards", "8")?;
    options.set("sync_interval_ms", &(1 + random % 30).to_string())?;
    options.set("checkpoint_interval_ms", &(20 + random % 3_000).to_string())?;
    Ok(options)
}

/// Step 1.
fn compare(db: &Db, board: &Board, oracle: &mut Oracle) -> Result<(), Fault> {
    let seed = oracle.seed;
    for (thread, model) in (0..).zip(&mut oracle.threads) {
        model.advance(seed, thread, board.acknowledged(thread).load(Ordering::SeqCst));
        let found = Model::stored(db, thread).map_err(Fault::Violation)?;
        let Some(difference) = model.difference(&found) else { continue };
        let acknowledged = model.at;
        model.advance(seed, thread, acknowledged + 1);
        if model.difference(&found).is_some() {
            return Err(Fault::Violation(format!(
                "thread {thread} is not as after operation {acknowledged}, nor after the next: \
                 {difference}"
            )));
        }
        // It is done, so it must not be done again.
        board.acknowledged(thread).store(model.at, Ordering::SeqCst);
        board.add(Count::InFlight, 1);
    }
    board.add(Count::Checks, 1);
    Ok(())
}

impl Life<'_> {
    /// Step 3.
    fn run(&self, place: &Place, random: u64) -> Result<(), Fault> {
        std::thread::scope(|scope| {
            let writers = 0..self.models.len() as u64;
            let mut threads: Vec<_> = writers
                .map(|t| scope.spawn(move || self.until_end(|| self.operation(t))))
                .collect();
            let mut random = Random::new(random);
            threads.push(scope.spawn(move || self.until_end(|| self.upkeep(place, &mut random))));
            let join = |result: Result<(), Fault>, thread: std::thread::ScopedJoinHandle<_>| {
                result.and(thread.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
            };
            threads.into_iter().fold(Ok(()), join)
        })
    }

    fn until_end(&self, mut work: impl FnMut() -> Result<(), Fault>) -> Result<(), Fault> {
        while !self.end.load(Ordering::Relaxed) {
            work().inspect_err(|_| self.end.store(true, Ordering::SeqCst))?;
        }
        Ok(())
    }

    fn model(&self, thread: u64) -> MutexGuard<'_, Model> {
        self.models[thread as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next operation of a thread.
    fn operation(&self, thread: u64) -> Result<(), Fault> {
        let mut model = self.model(thread);
        let i = model.at + 1;
        let operation = Operation::of(self.seed, thread, i);
        self.board.set_doing(
            thread,
            match operation {
                Operation::Put(_) | Operation::Delete(_) | Operation::Swap(..) => Doing::Write,
                Operation::Batch(_) => Doing::Batch,
                Operation::Sync | Operation::Token => Doing::Sync,
                _ => Doing::Load,
            },
        );
        let answers = self.perform(thread, i, &operation, &model).map_err(|fault| match fault {
            Fault::Violation(what) => {
                Fault::Violation(format!("thread {thread}, operation {i}, {operation:?}: {what}"))
            }
            other => other,
        })?;
        model.apply(&operation);
        self.board.acknowledged(thread).store(i, Ordering::SeqCst);
        self.board.answers_of(thread).fetch_add(answers, Ordering::Relaxed);
        Ok(())
    }

    /// Does an operation, and returns how many answers were compared.
    fn perform(
        &self,
        thread: u64,
        i: u64,
        operation: &Operation,
        model: &Model,
    ) -> Result<u64, Fault> {
        let db = self.db;
        let bytes = |version: Option<Version>| version.map(|v| value(thread, v));
        let held = |key: &u64| bytes(model.get(*key));
        let expect = |is_right: bool, what: &str| match is_right {
            true => Ok(1),
            false => Err(Fault::Violation(format!("{what} is not what the model says"))),
        };
        match operation {
            Operation::Put(n) => {
                db.put(&key(thread, *n), &value(thread, (i, 0)))?;
                Ok(0)
            }
            Operation::Delete(n) => {
                expect(db.delete(&key(thread, *n))? == held(n).is_some(), "delete's answer")
            }
            Operation::Swap(n, puts) => {
                let desired = puts.then(|| value(thread, (i, 0)));
                let (key, held) = (key(thread, *n), held(n));
                let swapped = db.compare_and_swap(&key, held.as_deref(), desired.as_deref())?;
                expect(swapped, "a swap's answer")
            }
            Operation::Conflict(n) => {
                let wrong = held(n).map_or(Some(Vec::new()), |_| None);
                let swapped =
                    db.compare_and_swap(&key(thread, *n), wrong.as_deref(), Some(b"-"))?;
                expect(!swapped, "a swap's answer from another value")
            }
            Operation::Batch(changes) => {
                let mut batch = Batch::new();
                for (n, version) in changes {
                    match bytes(*version) {
                        Some(value) => batch.put(&key(thread, *n), &value)?,
                        None => batch.delete(&key(thread, *n))?,
                    }
                }
                db.write(&batch)?;
                Ok(0)
            }
            Operation::Get(n) => expect(db.get(&key(thread, *n))? == held(n), "a get"),
            Operation::Pinned(n) => {
                let found = db.get_pinned(&key(thread, *n))?;
                expect(found.as_deref() == held(n).as_deref(), "a pinned get")
            }
            Operation::Exists(n) => {
                expect(db.exists(&key(thread, *n))? == held(n).is_some(), "exists")
            }
            Operation::MultiGet(first) => {
                let numbers: Vec<u64> = (0..30).map(|k| (first + k) % KEYS).collect();
                let keys: Vec<_> = numbers.iter().map(|n| key(thread, *n)).collect();
                let mut wrong = Ok(0);
                db.multi_get(
                    keys.len(),
                    |n| &keys[n],
                    |n, answer| {
                        let is_right = answer.map(|a| a.as_deref() == held(&numbers[n]).as_deref());
                        let right = is_right.map_err(Fault::from);
                        let one = right.and_then(|is_right| expect(is_right, "a multi-get"));
                        wrong = std::mem::replace(&mut wrong, Ok(0)).and_then(|n| Ok(n + one?));
                    },
                );
                wrong
            }
            Operation::Iterate => {
                let found = Model::stored(db, thread).map_err(Fault::Violation)?;
                match model.difference(&found) {
                    None => Ok(KEYS),
                    Some(what) => Err(Fault::Violation(what)),
                }
            }
            Operation::Sync => {
                db.sync()?;
                Ok(0)
            }
            Operation::Token => {
                let token = db.token();
                let durable = db.wait_durable(token, Duration::from_millis(TOKEN_MS))?;
                expect(durable && db.is_durable(token)?, "a token's wait")
            }
        }
    }

    /// One thing that the upkeep thread does.
    fn upkeep(&self, place: &Place, random: &mut Random) -> Result<(), Fault> {
        for _ in 0..1 + random.below(30) {
            if self.end.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        match random.below(8) {
            0..=3 => {
                self.board.set_phase(Doing::Checkpoint);
                self.board.add(Count::Checkpoints, 1);
                self.db.checkpoint()?;
            }
            4..=6 => {
                self.board.set_phase(Doing::Compact);
                self.board.add(Count::Compactions, 1);
                self.db.compact()?;
            }
            _ => {
                self.board.set_phase(Doing::Backup);
                self.backup(place, random.one_in(3))?;
                self.board.add(Count::Backups, 1);
            }
        }
        self.board.set_phase(Doing::Load);
        Ok(())
    }

    /// Makes a backup, anew or over the last one, and compares it.
    fn backup(&self, place: &Place, anew: bool) -> Result<(), Fault> {
        let dir = place.backup();
        if anew && dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(system("remove the last backup"))?;
        }
        let before: Vec<Model> =
            (0..self.models.len()).map(|t| self.model(t as u64).clone()).collect();
        self.db.backup(&dir)?;
        let mut options = Options::new();
        options.read_only = true;
        let copy = Db::open(Some(&dir), &options)?;
        for (thread, model) in (0..).zip(before) {
            // One operation may have been under way.
            let last = self.board.acknowledged(thread).load(Ordering::SeqCst) + 1;
            let found = Model::stored(&copy, thread)
                .map_err(|what| Fault::Violation(format!("in a backup, {what}")))?;
            let from = model.at;
            if !model.moment_of(self.seed, thread, last, &found) {
                return Err(Fault::Violation(format!(
                    "a backup has thread {thread} as after none of its operations {from} to {last}"
                )));
            }
        }
        copy.close()?;
        Ok(())
    }
}
