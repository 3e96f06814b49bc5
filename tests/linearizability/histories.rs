//! Histories: threads that put, get, delete and swap the same few keys, while other keys make the
//! index grow and compaction moves records.

use super::checker::{is_linearizable, Event, Operation, State};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use warp_engine::{Batch, Db, Options};

const THREADS: u64 = 4;
const KEYS: u64 = 2;
/// Operations of a thread between two checks.
const OPERATIONS: usize = 150;

/// A generator of the splitmix64 family.
pub struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn key(n: u64) -> Vec<u8> {
    format!("register {n}").into_bytes()
}

/// A value that says its number, long enough to be seen half written.
fn encode(number: u64) -> Vec<u8> {
    let len = 8 * (1 + number % 40) as usize;
    number.to_le_bytes().iter().copied().cycle().take(len).collect()
}

fn decode(bytes: &[u8]) -> u64 {
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, encode(number), "a value that nobody wrote");
    number
}

struct Thread<'a> {
    db: &'a Db,
    random: Random,
    next: &'a AtomicU64,
    begin: Instant,
    events: Vec<(u64, Event)>,
    /// What it has seen last of each key, for swaps that have a chance.
    seen: [State; KEYS as usize],
}

impl Thread<'_> {
    fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    fn get(&mut self, n: u64) -> State {
        let found = match self.random.below(2) {
            0 => self.db.get(&key(n)).unwrap().map(|v| decode(&v)),
            _ => self.db.get_pinned(&key(n)).unwrap().map(|v| decode(&v)),
        };
        self.seen[n as usize] = found;
        found
    }

    fn operation(&mut self) {
        let n = self.random.below(KEYS);
        let call = self.now();
        let mut more = None;
        let operation = match self.random.below(20) {
            0..=8 => Operation::Get(self.get(n)),
            9..=11 => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                self.db.put(&key(n), &encode(number)).unwrap();
                Operation::Put(number)
            }
            12 => {
                let (one, two) = (self.next.fetch_add(1, Ordering::Relaxed), (n + 1) % KEYS);
                let mut batch = Batch::new();
                batch.put(&key(n), &encode(one)).unwrap();
                batch.put(&key(two), &encode(one)).unwrap();
                self.db.write(&batch).unwrap();
                more = Some((two, Operation::Put(one)));
                Operation::Put(one)
            }
            13..=14 => Operation::Delete(self.db.delete(&key(n)).unwrap()),
            _ => {
                let from = self.seen[n as usize];
                let to =
                    (self.random.below(4) > 0).then(|| self.next.fetch_add(1, Ordering::Relaxed));
                let bytes = |state: State| state.map(encode);
                let swapped = self
                    .db
                    .compare_and_swap(&key(n), bytes(from).as_deref(), bytes(to).as_deref())
                    .unwrap();
                if swapped {
                    self.seen[n as usize] = to;
                }
                Operation::Swap(from, to, swapped)
            }
        };
        let ret = self.now();
        let moment = |operation| Event { call, ret, operation };
        self.events.push((n, moment(operation)));
        self.events.extend(more.map(|(n, operation)| (n, moment(operation))));
    }
}

/// What was run.
#[derive(Debug, Default)]
pub struct Report {
    pub histories: u64,
    pub operations: u64,
    /// Operations that were called before the one called before them had returned.
    pub overlapping: u64,
}

/// Runs histories until the time is up. `Err` holds the first that is not linearizable.
pub fn run(
    path: Option<&Path>,
    durability: &str,
    seed: u64,
    time: Duration,
) -> Result<Report, String> {
    let mut options = Options::new();
    options.set("durability", durability).unwrap();
    // All keys share what can be shared.
    options.set("shards", "1").unwrap();
    options.set("checkpoint_interval_ms", "10").unwrap();
    let db = Db::open(path, &options).unwrap();
    let (next, begin) = (AtomicU64::new(1), Instant::now());
    let end = AtomicBool::new(false);
    let start = Barrier::new(THREADS as usize + 1);
    let done = Barrier::new(THREADS as usize + 1);
    let histories = std::sync::Mutex::new(Vec::<(u64, Event)>::new());
    let mut report = Report::default();
    let mut failure = None;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // New keys grow the groups of the index; a delete now and then leaves something dead.
            for n in 0u64.. {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                let filler = (n % 300_000).to_le_bytes();
                db.put(&filler, &[n as u8; 40]).unwrap();
                if n % 3 == 0 {
                    db.delete(&filler).unwrap();
                }
                if n % 4_096 == 0 {
                    db.compact().unwrap();
                }
            }
        });
        for thread in 0..THREADS {
            let (db, next, end, start, done, histories) =
                (&db, &next, &end, &start, &done, &histories);
            scope.spawn(move || {
                let random = Random(seed ^ thread << 32);
                let seen = [None; KEYS as usize];
                let mut thread = Thread { db, random, next, begin, events: Vec::new(), seen };
                loop {
                    start.wait();
                    if end.load(Ordering::SeqCst) {
                        return;
                    }
                    // A panic must not leave the others at the barrier.
                    let work = std::panic::AssertUnwindSafe(|| {
                        (0..OPERATIONS).for_each(|_| thread.operation());
                    });
                    let result = std::panic::catch_unwind(work);
                    let mut all = histories.lock().unwrap();
                    if result.is_err() {
                        // No such value was written, so no order makes it right.
                        let event = Event {
                            call: 0,
                            ret: u64::MAX,
                            operation: Operation::Get(Some(u64::MAX)),
                        };
                        all.push((0, event));
                    }
                    all.append(&mut thread.events);
                    drop(all);
                    done.wait();
                }
            });
        }
        let mut states = [None; KEYS as usize];
        while failure.is_none() && begin.elapsed() < time {
            start.wait();
            done.wait();
            let all = std::mem::take(&mut *histories.lock().unwrap());
            for (n, state) in (0..KEYS).zip(&mut states) {
                let mut events: Vec<Event> =
                    all.iter().filter(|(key, _)| *key == n).map(|(_, event)| *event).collect();
                // Everybody waits: this is what the next history begins with.
                let last = db.get(&key(n)).unwrap().map(|v| decode(&v));
                let now = begin.elapsed().as_nanos() as u64;
                events.push(Event { call: now, ret: now, operation: Operation::Get(last) });
                events.sort_by_key(|event| event.call);
                report.histories += 1;
                report.operations += events.len() as u64;
                report.overlapping +=
                    events.windows(2).filter(|pair| pair[1].call < pair[0].ret).count() as u64;
                let initial = std::mem::replace(state, last);
                if !is_linearizable(initial, events.clone()) {
                    failure = Some(format!(
                        "history {} of key {n}, which held {initial:?}, is not linearizable",
                        report.histories
                    ));
                }
            }
        }
        end.store(true, Ordering::SeqCst);
        start.wait();
    });
    db.close().unwrap();
    failure.map_or(Ok(report), Err)
}
