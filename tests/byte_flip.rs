//! Every byte of a small database is flipped, one at a time, and every file is cut at every length:
//! the answer is an error or the right data. Never a wrong value, never a key that is silently
//! missing, no panic, no hang, no memory taken because a damaged length asked for it.
//!
//! The database has two shards, puts, overwrites, deletes, batches over both shards, values from
//! nothing to more than a segment, and a checkpoint in the middle; once closed, once as SIGKILL
//! leaves it.
//!
//! One loss is inherent, and nothing else is accepted: after SIGKILL, damage to the *last record
//! of a log* (a batch frame is one record) that no sync has covered cannot be told from a write
//! that was under way. Exactly that record may be missing then.
//!
//! Three stretches are sampled and not flipped byte by byte: the inside of the value of 66,000
//! bytes, where all bytes are alike to every reader, what lies behind the last record of a segment,
//! and the reserve, which nobody reads.

mod common;

use common::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use warp_engine::{Db, ErrorKind};

/// Notes the largest allocation.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.realloc(ptr, layout, size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// The sample's largest file is a tenth of this; the segment table takes 6 MiB.
const ALLOCATION_MAX: usize = 32 << 20;
/// An open takes a millisecond.
const ONE_CASE_MAX: Duration = Duration::from_secs(20);
/// Stride in the stretches that are sampled.
const STRIDE: usize = 997;

/// What is right, and what else is after damage to a log's last record.
struct Expected {
    model: Model,
    keys: BTreeSet<Vec<u8>>,
    /// For each log: its last record, and the content without it.
    torn: Vec<(Place, Model)>,
}

impl Expected {
    fn new(dir: &Path, model: Model, killed: bool) -> Expected {
        let mut torn = Vec::new();
        for last in if killed { last_records(dir) } else { Vec::new() } {
            // The content without the record is what is read when it was never written.
            let path = dir.join(&last.file);
            let whole = fs::read(&path).unwrap();
            let mut without = whole.clone();
            without[last.from..last.to].fill(0);
            fs::write(&path, without).unwrap();
            let before = read_all(&Db::open(Some(dir), &read_only()).unwrap()).unwrap();
            fs::write(&path, whole).unwrap();
            let changed = |key: &&Vec<u8>| before.get(*key) != model.get(*key);
            let all = all_keys();
            let changed: Vec<_> = all.iter().filter(changed).collect();
            match last.kind {
                3 => {
                    assert!(changed.iter().all(|k| k.starts_with(b"batch") || k.starts_with(b"g")))
                }
                _ => assert_eq!(changed, [&last.key]),
            }
            torn.push((last, before));
        }
        Expected { model, keys: all_keys(), torn }
    }

    /// Judges what a database answers after damage to `file` from `from` on.
    fn judge(&self, dir: &Path, damaged: &dyn Fn(&Place) -> bool) -> Verdict {
        let db = match Db::open(Some(dir), &read_only()) {
            Ok(db) => db,
            Err(e) => {
                let expected = matches!(e.kind(), ErrorKind::Corruption | ErrorKind::Unsupported);
                assert!(expected, "{:?}: {e}", e.kind());
                assert!(!e.message().is_empty());
                return Verdict::Refused;
            }
        };
        let torn = self.torn.iter().find(|(last, _)| damaged(last));
        let mut models = vec![&self.model];
        models.extend(torn.map(|(_, before)| before));
        // All answers agree with one of the models.
        let mut errors = 0;
        for key in &self.keys {
            match db.get(key) {
                Ok(value) => models.retain(|m| m.get(key) == value.as_ref()),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Corruption, "{e}");
                    errors += 1;
                }
            }
            assert!(!models.is_empty(), "a wrong answer for {}", key.escape_ascii());
        }
        match read_all(&db) {
            Ok(found) => {
                models.retain(|m| **m == found);
                assert!(!models.is_empty(), "the iterator skipped or changed something");
                assert_eq!(errors, 0, "a get fails and the iterator sees nothing");
                assert_eq!(db.stats().keys, found.len() as u64, "the count of keys is wrong");
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Corruption, "{e}");
                errors += 1;
            }
        }
        match (errors, std::ptr::eq(models[0], &self.model)) {
            (0, true) => Verdict::Right,
            (0, false) => Verdict::Torn,
            _ => Verdict::Error,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Verdict {
    /// All answers are right.
    Right,
    /// The last record of a log is missing.
    Torn,
    /// Open succeeded, and some answers are errors.
    Error,
    /// Open refused.
    Refused,
}

/// Runs `case` for every item on all cores, each thread with a copy of the database of its own.
/// Returns how often each answer came.
fn on_all_cores<T: Sync>(
    dir: &Path,
    items: &[T],
    case: impl Fn(&Path, &T) -> Verdict + Sync,
) -> HashMap<Verdict, usize> {
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, counts, case) = (&next, &counts, &case);
            scope.spawn(move || {
                let own = dir.with_extension(format!("copy{thread}"));
                copy(dir, &own);
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begin = Instant::now();
                    let verdict = case(&own, item);
                    assert!(begin.elapsed() < ONE_CASE_MAX, "it took {:?}", begin.elapsed());
                    *counts.lock().unwrap().entry(verdict).or_default() += 1;
                }
                fs::remove_dir_all(&own).unwrap();
            });
        }
    });
    counts.into_inner().unwrap()
}

/// Every place to flip: a file and an offset.
fn places(dir: &Path) -> Vec<(String, usize)> {
    let mut places = Vec::new();
    for name in names(dir) {
        let len = fs::metadata(dir.join(&name)).unwrap().len() as usize;
        let mut sampled = Vec::new();
        if name.ends_with(".seg") {
            let records = records(dir, &name);
            let end = records.last().map_or(128, |r| r.to);
            sampled.push(end + 64..len);
            let large = records.iter().filter(|r| r.to - r.from > 60_000);
            sampled.extend(large.map(|r| r.from + 256..r.to - 64));
        }
        if name == "RESERVE" {
            sampled.push(0..len);
        }
        let is_sampled = |at: &usize| sampled.iter().any(|s| s.contains(at));
        let all = (0..len).filter(|at| !is_sampled(at) || at % STRIDE == 0);
        places.extend(all.map(|at| (name.clone(), at)));
    }
    places
}

fn flip_every_byte(dir: &Path, model: Model, killed: bool) -> HashMap<Verdict, usize> {
    let expected = Expected::new(dir, model, killed);
    let places = places(dir);
    let begin = Instant::now();
    let counts = on_all_cores(dir, &places, |own, (name, at)| {
        let file = fs::OpenOptions::new().read(true).write(true).open(own.join(name)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, *at as u64).unwrap();
        // All bits, one bit, or another: what is flipped differs from place to place.
        let mask = [0xff, 0x01, 0x80, 0x10][(at / 3) % 4];
        file.write_all_at(&[byte[0] ^ mask], *at as u64).unwrap();
        let shown = format!("{name}: offset {at}, {:#04x} for {:#04x}", byte[0] ^ mask, byte[0]);
        let guard = Context(shown);
        let hit = |last: &Place| last.file == *name && (last.from..last.to).contains(at);
        let verdict = expected.judge(own, &hit);
        if (at + name.len()) % 3 == 0 {
            verify_agrees(own, verdict);
        }
        drop(guard);
        file.write_all_at(&byte, *at as u64).unwrap();
        verdict
    });
    println!("{} flips in {:?}: {counts:?}", places.len(), begin.elapsed());
    counts
}

/// `verify` finds something wherever an answer was an error, and never fails itself.
fn verify_agrees(dir: &Path, verdict: Verdict) {
    match Db::verify(dir, &read_only(), |_, _| {}) {
        Ok(report) => {
            let sound = report.damage.is_empty();
            let failed = matches!(verdict, Verdict::Error | Verdict::Refused);
            assert!(!failed || !sound, "verify says that it is sound: {report:?}");
        }
        Err(e) => assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}"),
    }
}

/// Says where a panic came from.
struct Context(String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at {}", self.0);
        }
    }
}

/// Every length to cut a file to: all for small files and around the records, else a sample.
fn lengths(dir: &Path) -> Vec<(String, usize)> {
    let mut cuts = Vec::new();
    for name in names(dir) {
        let len = fs::metadata(dir.join(&name)).unwrap().len() as usize;
        // Behind the last record of a segment every page will do.
        let records = if name.ends_with(".seg") { records(dir, &name) } else { Vec::new() };
        let end = match &*name {
            "RESERVE" => 0,
            _ if name.ends_with(".seg") => records.last().map_or(128, |r| r.to),
            _ => len,
        };
        let mut lengths: BTreeSet<usize> = (0..end).step_by(STRIDE / 3).collect();
        lengths.extend((0..len).step_by(4096));
        lengths.extend(0..len.min(400));
        for place in records {
            for at in [place.from, place.to] {
                lengths.extend(at - 1..=at + 1);
            }
            lengths.insert((place.from + place.to) / 2);
        }
        cuts.extend(lengths.into_iter().filter(|n| *n < len).map(|n| (name.clone(), n)));
    }
    cuts
}

fn cut_every_file(dir: &Path, model: Model, killed: bool) -> HashMap<Verdict, usize> {
    let expected = Expected::new(dir, model, killed);
    let cuts = lengths(dir);
    let begin = Instant::now();
    let counts = on_all_cores(dir, &cuts, |own, (name, len)| {
        let file = fs::OpenOptions::new().read(true).write(true).open(own.join(name)).unwrap();
        let mut rest = vec![0; file.metadata().unwrap().len() as usize - len];
        file.read_exact_at(&mut rest, *len as u64).unwrap();
        file.set_len(*len as u64).unwrap();
        let guard = Context(format!("{name} cut to {len} of {} bytes", len + rest.len()));
        let hit = |last: &Place| last.file == *name && *len < last.to && *len >= last.from;
        let verdict = expected.judge(own, &hit);
        verify_agrees(own, verdict);
        drop(guard);
        file.write_all_at(&rest, *len as u64).unwrap();
        verdict
    });
    println!("{} cuts in {:?}: {counts:?}", cuts.len(), begin.elapsed());
    counts
}

fn check_allocations() {
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < ALLOCATION_MAX, "{largest} bytes were asked for at once");
}

#[test]
fn flips_in_a_closed_database() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("db");
    let model = closed(&dir);
    let counts = flip_every_byte(&dir, model, false);
    // There is no tail: nothing may be lost at all.
    assert!(!counts.contains_key(&Verdict::Torn), "{counts:?}");
    assert!(counts.len() == 3, "{counts:?}");
    check_allocations();
}

#[test]
fn flips_in_a_killed_database() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("db");
    let model = killed(&dir);
    let counts = flip_every_byte(&dir, model, true);
    assert!(counts.len() == 4, "{counts:?}");
    check_allocations();
}

#[test]
fn cuts_of_a_closed_database() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("db");
    let model = closed(&dir);
    let counts = cut_every_file(&dir, model, false);
    assert!(!counts.contains_key(&Verdict::Torn), "{counts:?}");
    check_allocations();
}

#[test]
fn cuts_of_a_killed_database() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("db");
    let model = killed(&dir);
    cut_every_file(&dir, model, true);
    check_allocations();
}
