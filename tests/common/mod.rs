//! What the tests of damaged files share: a small database with everything in it, copies of it,
//! and reading all of one.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use warp_engine::{Batch, Db, Error, Options};

pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Shards of the sample.
pub const SHARDS: usize = 2;

/// Options under which nothing happens by itself.
pub fn options() -> Options {
    let mut options = Options::new();
    options.set("durability", "process").unwrap();
    options.checkpoint_interval = Some(Duration::from_secs(3600));
    options
}

pub fn read_only() -> Options {
    Options { read_only: true, open_timeout: Duration::ZERO, ..options() }
}

/// One more change of the sample database.
enum Step {
    Put(String, Vec<u8>),
    Delete(String),
    Batch(Vec<(String, Option<Vec<u8>>)>),
    Checkpoint,
}

fn value(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + n * 7 + 1) as u8).collect()
}

/// Puts, overwrites, deletes, batches over all shards, values of no bytes and of more than a first
/// segment has; all of it before a checkpoint, and again behind it.
fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for half in 0..2 {
        let name = |kind: &str, n: usize| format!("{kind}{half}-{n}");
        for n in 0..10 {
            steps.push(Step::Put(name("put", n), value(n, n * 9)));
        }
        steps.push(Step::Put(name("large", 0), value(5, 66_000)));
        for n in 0..4 {
            steps.push(Step::Put(name("put", n), value(n + 100, 30)));
            steps.push(Step::Put(name("gone", n), value(n, 25)));
        }
        let batch = |round: usize| {
            let put = |n: usize| (name("batch", n), Some(value(n + round, 12 + n)));
            (0..5).map(put).chain([(name("gone", round), None)]).collect()
        };
        steps.push(Step::Batch(batch(0)));
        for n in 2..4 {
            steps.push(Step::Delete(name("gone", n)));
        }
        steps.push(Step::Batch(batch(1)));
        if half == 1 {
            // What was before the checkpoint is overwritten and deleted behind it.
            steps.push(Step::Put("put0-5".into(), value(77, 40)));
            steps.push(Step::Delete("put0-6".into()));
            steps.push(Step::Put("gone0-2".into(), value(78, 3)));
            for n in 0..4 {
                steps.push(Step::Put(name("last", n), value(n, 20)));
            }
        } else {
            steps.push(Step::Checkpoint);
        }
    }
    steps
}

/// Every key that the sample ever has.
pub fn all_keys() -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::from([b"never there".to_vec()]);
    for step in steps() {
        match step {
            Step::Put(key, _) | Step::Delete(key) => drop(keys.insert(key.into_bytes())),
            Step::Batch(ops) => keys.extend(ops.into_iter().map(|(key, _)| key.into_bytes())),
            Step::Checkpoint => {}
        }
    }
    keys
}

/// Fills the database in `dir` with the sample, and returns it open, and what is in it.
pub fn fill(dir: &Path) -> (Db, Model) {
    let db = Db::open(Some(dir), &Options { shards: Some(SHARDS), ..options() }).unwrap();
    let mut model = Model::new();
    let mut apply = |key: String, value: Option<Vec<u8>>| match value {
        Some(value) => drop(model.insert(key.into_bytes(), value)),
        None => drop(model.remove(key.as_bytes())),
    };
    for step in steps() {
        match step {
            Step::Put(key, value) => {
                db.put(key.as_bytes(), &value).unwrap();
                apply(key, Some(value));
            }
            Step::Delete(key) => {
                assert!(db.delete(key.as_bytes()).unwrap());
                apply(key, None);
            }
            Step::Batch(ops) => {
                let mut batch = Batch::new();
                for (key, value) in &ops {
                    match value {
                        Some(value) => batch.put(key.as_bytes(), value).unwrap(),
                        None => batch.delete(key.as_bytes()).unwrap(),
                    }
                }
                db.write(&batch).unwrap();
                ops.into_iter().for_each(|(key, value)| apply(key, value));
            }
            Step::Checkpoint => db.checkpoint().unwrap(),
        }
    }
    (db, model)
}

/// A closed sample in `dir`.
pub fn closed(dir: &Path) -> Model {
    let (db, model) = fill(dir);
    db.close().unwrap();
    model
}

/// The sample as a process that dies right after the last write leaves it: its files as they are
/// at that moment in the kernel's cache, which is what SIGKILL leaves.
pub fn killed(dir: &Path) -> Model {
    let elsewhere = dir.with_extension("alive");
    let (db, model) = fill(&elsewhere);
    copy_of_one_moment(&elsewhere, dir);
    db.close().unwrap();
    fs::remove_dir_all(&elsewhere).unwrap();
    model
}

/// The files of a directory, by name.
pub fn names(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| name(e).to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Copies a database that is open, and whose upkeep makes and removes files: again, until none has
/// come, gone or been replaced meanwhile.
pub fn copy_of_one_moment(from: &Path, to: &Path) {
    let state = || (names(from), fs::read(from.join("CHECKPOINT")).ok());
    loop {
        let before = state();
        fs::create_dir(to).unwrap();
        let copied = before.0.iter().all(|name| fs::copy(from.join(name), to.join(name)).is_ok());
        if copied && state() == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// All bytes of all files, to see that nothing has changed.
pub fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    names(dir).into_iter().map(|n| (n.clone(), fs::read(dir.join(n)).unwrap())).collect()
}

/// Everything in a database, by iteration; the first error ends it.
pub fn read_all(db: &Db) -> Result<Model, Error> {
    let mut found = Model::new();
    let mut iter = db.iter(b"")?;
    while iter.advance()? {
        let (key, value) = iter.current().unwrap();
        assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "a key came twice");
    }
    Ok(found)
}

/// A record in a segment's file.
#[derive(Debug, Clone)]
pub struct Place {
    pub file: String,
    pub from: usize,
    pub to: usize,
    /// 1 put, 2 delete, 3 batch frame
    pub kind: u8,
    pub key: Vec<u8>,
}

/// The records of a segment that is whole, by the documented format.
pub fn records(dir: &Path, file: &str) -> Vec<Place> {
    let bytes = fs::read(dir.join(file)).unwrap();
    let (mut at, mut places) = (128, Vec::new());
    while at + 20 <= bytes.len() && bytes[at..at + 20] != [0; 20] {
        let key_len = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        let value_len = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let to = (at + 20 + key_len + value_len).next_multiple_of(8);
        let key = bytes[at + 20..at + 20 + key_len].to_vec();
        places.push(Place { file: file.to_owned(), from: at, to, kind: bytes[at + 6], key });
        at = to;
    }
    places
}

/// The segments of a directory: their log, ordinal and file name, in that order.
pub fn segments(dir: &Path) -> Vec<(u32, u64, String)> {
    let mut segments: Vec<_> = names(dir)
        .into_iter()
        .filter(|n| n.ends_with(".seg"))
        .filter_map(|name| {
            let bytes = fs::read(dir.join(&name)).unwrap();
            (bytes.len() >= 128 && bytes[..8] != [0; 8]).then(|| {
                let log = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
                let ordinal = u64::from_le_bytes(bytes[32..40].try_into().unwrap());
                (log, ordinal, name)
            })
        })
        .collect();
    segments.sort();
    segments
}

/// The last record of every log.
pub fn last_records(dir: &Path) -> Vec<Place> {
    (0..SHARDS as u32)
        .map(|log| {
            let all = segments(dir);
            let mut files = all.iter().filter(|(l, ..)| *l == log).rev();
            files.find_map(|(.., file)| records(dir, file).pop()).expect("no log is empty")
        })
        .collect()
}

/// Flips all bits of some bytes of a file.
pub fn damage(path: &Path, from: usize, len: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[from..from + len].iter_mut().for_each(|b| *b ^= 0xff);
    fs::write(path, bytes).unwrap();
}

/// The one file whose name ends so.
pub fn file_ending(dir: &Path, end: &str) -> PathBuf {
    let mut found = names(dir).into_iter().filter(|n| n.ends_with(end));
    let name = found.next().unwrap_or_else(|| panic!("no {end} in {}", dir.display()));
    assert!(found.next().is_none(), "more than one {end}");
    dir.join(name)
}
