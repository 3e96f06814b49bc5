//! What the database must hold: a model for each thread, kept in a file outside of it.
//!
//! ```text
//! Format (u64, little-endian): magic | seed | threads | for each thread: operations done, then
//! for each key: operation, change in it (0, 0: nothing) | crc32 of all before
//! ```
//!
//! The file is replaced by a rename, so that whoever is killed meanwhile leaves one that is whole.
//! It may be older than the database: the operations acknowledged since follow from their numbers.

use super::plan::{key, prefix, value, Operation, Version, KEYS};
use crate::Db;
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

const MAGIC: u64 = u64::from_le_bytes(*b"WARPORA1");

/// What a thread's keys hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    /// Operations done.
    pub(super) at: u64,
    keys: Vec<Option<Version>>,
}

impl Model {
    fn new() -> Model {
        Model { at: 0, keys: vec![None; KEYS as usize] }
    }

    pub(super) fn get(&self, key: u64) -> Option<Version> {
        self.keys[key as usize]
    }

    /// Notes that the next operation is done.
    pub(super) fn apply(&mut self, operation: &Operation) {
        self.at += 1;
        for (key, version) in operation.changes(self.at) {
            self.keys[key as usize] = version;
        }
    }

    /// Goes on to operation `at`.
    pub(super) fn advance(&mut self, seed: u64, thread: u64, at: u64) {
        while self.at < at {
            self.apply(&Operation::of(seed, thread, self.at + 1));
        }
    }

    /// The first key that holds something else in `found`.
    pub(super) fn difference(&self, found: &Model) -> Option<String> {
        let mut pairs = self.keys.iter().zip(&found.keys).enumerate();
        let (key, (wanted, got)) = pairs.find(|(_, (a, b))| a != b)?;
        Some(format!("key {key} should hold {wanted:?} and holds {got:?}"))
    }

    /// A number of operations from `self.at` to `last` after which the keys are as in `found`.
    pub(super) fn moment_of(mut self, seed: u64, thread: u64, last: u64, found: &Model) -> bool {
        let differ = |model: &Model, key: u64| model.get(key) != found.get(key);
        let mut wrong = (0..KEYS).filter(|key| differ(&self, *key)).count();
        while wrong > 0 && self.at < last {
            let next = Operation::of(seed, thread, self.at + 1);
            let mut keys: Vec<u64> = next.changes(0).iter().map(|(key, _)| *key).collect();
            keys.sort_unstable();
            keys.dedup();
            wrong -= keys.iter().filter(|key| differ(&self, **key)).count();
            self.apply(&next);
            wrong += keys.iter().filter(|key| differ(&self, **key)).count();
        }
        wrong == 0
    }

    /// A thread's keys as the database has them. `Err` says what no model could hold.
    pub(super) fn stored(db: &Db, thread: u64) -> std::result::Result<Model, String> {
        let text = |e: crate::Error| e.to_string();
        let mut found = Model::new();
        let mut seen = HashMap::new();
        let mut iter = db.iter(prefix(thread).as_bytes()).map_err(text)?;
        while iter.advance().map_err(text)? {
            let Some((key, value)) = iter.current() else { break };
            let version = version_of(thread, value)
                .ok_or_else(|| format!("key {:?} holds no whole value", show(key)))?;
            if seen.insert(key.to_vec(), version).is_some() {
                return Err(format!("iteration returns key {:?} twice", show(key)));
            }
        }
        for n in 0..KEYS {
            found.keys[n as usize] = seen.remove(&key(thread, n));
        }
        match seen.into_keys().next() {
            Some(key) => Err(format!("key {:?} was never written", show(&key))),
            None => Ok(found),
        }
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned()
}

/// Which version a value is, if it is one of the thread, whole.
fn version_of(thread: u64, bytes: &[u8]) -> Option<Version> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
    let mut parts = text.split('.');
    let owner: u64 = parts.next()?.parse().ok()?;
    let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (owner == thread && value(thread, version) == bytes).then_some(version)
}

/// The models of all threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Oracle {
    pub(super) seed: u64,
    pub(super) threads: Vec<Model>,
}

impl Oracle {
    pub(super) fn new(seed: u64, threads: u64) -> Oracle {
        Oracle { seed, threads: (0..threads).map(|_| Model::new()).collect() }
    }

    pub(super) fn load(path: &Path) -> Result<Oracle> {
        let bytes = std::fs::read(path)?;
        let damaged = || Error::new(ErrorKind::InvalidData, "the oracle's file is damaged");
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if u32::from_le_bytes(*crc) != crc32fast::hash(body) {
            return Err(damaged());
        }
        let words: Option<Vec<u64>> =
            body.chunks(8).map(|c| Some(u64::from_le_bytes(c.try_into().ok()?))).collect();
        let words = words.ok_or_else(damaged)?;
        let [MAGIC, seed, threads, rest @ ..] = &words[..] else { return Err(damaged()) };
        let each = 1 + 2 * KEYS as usize;
        if rest.len() != *threads as usize * each {
            return Err(damaged());
        }
        let version = |w: &[u64]| (w != [0, 0]).then(|| (w[0], w[1] as u32));
        let model = |words: &[u64]| Model {
            at: words[0],
            keys: words[1..].chunks(2).map(version).collect(),
        };
        Ok(Oracle { seed: *seed, threads: rest.chunks(each).map(model).collect() })
    }

    pub(super) fn store(&self, path: &Path) -> Result<()> {
        let mut words = vec![MAGIC, self.seed, self.threads.len() as u64];
        for model in &self.threads {
            words.push(model.at);
            for version in &model.keys {
                let (i, part) = version.unwrap_or((0, 0));
                words.extend([i, u64::from(part)]);
            }
        }
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let temporary = path.with_extension("tmp");
        std::fs::write(&temporary, bytes)?;
        std::fs::rename(temporary, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oracle_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("oracle");
        let mut oracle = Oracle::new(7, 2);
        for thread in 0..2 {
            oracle.threads[thread as usize].advance(7, thread, 3_000);
        }
        oracle.store(&path).unwrap();
        assert_eq!(Oracle::load(&path).unwrap(), oracle);
    }

    #[test]
    fn a_moment_is_found_and_what_never_was_is_not() {
        let mut found = Model::new();
        found.advance(7, 1, 500);
        let mut before = Model::new();
        before.advance(7, 1, 300);
        assert!(before.clone().moment_of(7, 1, 600, &found));
        assert!(!before.clone().moment_of(7, 1, 400, &found));
        found.keys[0] = Some((u64::MAX, 0));
        assert!(!before.moment_of(7, 1, 600, &found));
    }

    #[test]
    fn a_value_is_known_by_its_bytes() {
        for i in 0..500 {
            let bytes = value(3, (i, 2));
            assert_eq!(version_of(3, &bytes), Some((i, 2)));
            assert_eq!(version_of(2, &bytes), None);
            assert_eq!(version_of(3, &bytes[..bytes.len() - 1]), None);
        }
    }
}
