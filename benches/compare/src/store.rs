//! What a store must offer to be measured, and the list of stores.
//!
//! A [`Store`] is shared by all threads; each thread has a [`Session`] of its own. A get copies the
//! value into the caller's buffer, whatever the store hands out, so that all do the same work.

use crate::stores::{fjall, lmdb, redb, rocksdb, sled, tkrzw, warp, yardstick};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Failures are text: all that is done with one is to print it beside the row that it spoiled.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What an acknowledged write survives. Stores are only ever compared within a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing: it may be lost with the process.
    None,
    /// The death of the process, not that of the machine.
    Process,
    /// A power failure: it is on the device before the call returns.
    Device,
}

impl Level {
    /// The level's name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Process => "process",
            Level::Device => "device",
        }
    }
}

/// One operation of a batch: a put, or a delete where there is no value.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// What is called with a record; it returns false to stop.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// An open database.
pub trait Store: Send + Sync {
    /// What one thread uses. It stays on that thread.
    fn session(&self) -> Box<dyn Session + '_>;

    /// Makes everything durable and closes.
    fn close(self: Box<Self>) -> Result<()>;

    /// Reclaims what can be reclaimed; false if there is no such call.
    fn compact(&mut self) -> Result<bool> {
        Ok(false)
    }
}

/// One thread's use of a store.
pub trait Session {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Copies the value to the front of `buf` and returns its length, or `None`.
    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>>;

    fn delete(&mut self, key: &[u8]) -> Result<()>;

    /// All of `pairs`; atomically, where the store can.
    fn batch(&mut self, pairs: &[Pair]) -> Result<()>;

    /// Reads keys that all exist, by the store's own call for many keys where it has one. `each`
    /// gets the index of the key and the value.
    fn multi_get(&mut self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let mut buf = vec![0; crate::workload::VALUE_MAX];
        for (i, key) in keys.iter().enumerate() {
            let len = self.get(key, &mut buf)?.ok_or("a key of a multi-get is missing")?;
            each(i, &buf[..len]);
        }
        Ok(())
    }

    /// Every record once, in any order.
    fn iterate(&mut self, each: Each) -> Result<()>;

    /// Records in order of keys, beginning at `from`; false if the store has no order.
    fn range(&mut self, _from: &[u8], _each: Each) -> Result<bool> {
        Ok(false)
    }

    /// The number of keys, if the store can say it without reading them.
    fn len(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// A directory that exists.
    pub dir: &'a Path,
    pub level: Level,
    /// Keys to expect, for stores that size their tables ahead.
    pub keys: u64,
    pub value_len: usize,
}

/// Memory that each store with a cache of its own gets for it.
pub const CACHE_BYTES: u64 = 1 << 30;

/// A kind of store.
pub struct Kind {
    pub name: &'static str,
    /// The levels that it can promise.
    pub levels: &'static [Level],
    /// Where it comes from, and how it is set up.
    pub describe: fn() -> String,
    pub open: fn(&Setup) -> Result<Box<dyn Store>>,
}

/// Every store, in the order of the tables.
pub const KINDS: [Kind; 8] = [
    warp::KIND,
    lmdb::KIND,
    rocksdb::KIND,
    tkrzw::KIND,
    redb::KIND,
    fjall::KIND,
    sled::KIND,
    yardstick::KIND,
];

/// The store of a name.
pub fn kind(name: &str) -> Result<&'static Kind> {
    static ALL: [Kind; 8] = KINDS;
    ALL.iter().find(|kind| kind.name == name).ok_or_else(|| format!("no store {name}").into())
}
