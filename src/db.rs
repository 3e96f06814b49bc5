//! The database handle.

use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::packed::{check_lengths, PackedOps};
use crate::Batch;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Map = BTreeMap<Vec<u8>, Arc<[u8]>>;

/// An open database. All calls may be made from any number of threads at once.
pub struct Db {
    map: Arc<Mutex<Map>>,
}

/// The answer of a read that does not wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowait {
    /// The value's length; it was copied if the buffer is that long.
    Found(usize),
    /// The key does not exist.
    Missing,
    /// The answer needs the disk.
    WouldBlock,
}

/// A value that stays valid and unchanged while it is held, whatever happens to the key or the
/// database.
pub struct Pinned {
    data: *const u8,
    len: usize,
    owner: usize,
}

// SAFETY: a pinned value is read-only memory plus a reference count that any thread may drop.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    fn new(v: Arc<[u8]>) -> Self {
        let (data, len) = (v.as_ptr(), v.len());
        Pinned { data, len, owner: Box::into_raw(Box::new(v)) as usize }
    }

    /// Takes the value apart for a foreign caller: address, length, owner word (never 0).
    pub fn into_raw(self) -> (*const u8, usize, usize) {
        let this = std::mem::ManuallyDrop::new(self);
        (this.data, this.len, this.owner)
    }

    /// Puts together what [`Pinned::into_raw`] took apart.
    ///
    /// # Safety
    /// The three must come from one `into_raw`, and be given back at most once.
    pub unsafe fn from_raw(data: *const u8, len: usize, owner: usize) -> Self {
        Pinned { data, len, owner }
    }
}

impl std::ops::Deref for Pinned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the owner keeps the bytes alive and unchanged.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: the owner word is the box made in `new`.
        drop(unsafe { Box::from_raw(self.owner as *mut Arc<[u8]>) });
    }
}

/// Counters and sizes, all in the units of their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys that exist.
    pub keys: u64,
    /// Puts, batch operations included, since open.
    pub puts: u64,
    /// Gets of all kinds since open.
    pub gets: u64,
    /// Gets that found the key.
    pub hits: u64,
    /// Deletes that removed a key.
    pub deletes: u64,
    /// Number of shards.
    pub shards: u64,
    /// Bytes of records in all logs.
    pub log_bytes: u64,
    /// Bytes of records that an index points to.
    pub live_bytes: u64,
    /// Bytes of the indexes.
    pub index_bytes: u64,
    /// Bytes of the value cache.
    pub cache_bytes: u64,
    /// Bytes that the engine keeps resident: index, mapped log, cache.
    pub resident_bytes: u64,
    /// Checkpoints published since open.
    pub checkpoints: u64,
    /// Records replayed from the logs at open.
    pub recovered_records: u64,
    /// How long open took, in microseconds.
    pub open_micros: u64,
    /// Bytes of files on disk, preallocation included.
    pub disk_bytes: u64,
    /// Syncs of a log to the device since open.
    pub syncs: u64,
}

/// An iterator over the keys with a prefix, in no particular order. It outlives its database.
pub struct Iter {
    rest: std::collections::btree_map::IntoIter<Vec<u8>, Arc<[u8]>>,
    current: Option<(Vec<u8>, Arc<[u8]>)>,
}

impl Iter {
    /// Moves to the next entry; false at the end.
    pub fn advance(&mut self) -> Result<bool> {
        self.current = self.rest.next();
        Ok(self.current.is_some())
    }

    /// The entry that the last [`Iter::advance`] moved to: key and value.
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        self.current.as_ref().map(|(k, v)| (&k[..], &v[..]))
    }
}

impl Db {
    /// Opens the database in the directory `path`, or one in memory.
    pub fn open(_path: Option<&Path>, _options: &Options) -> Result<Db> {
        Ok(Db { map: Arc::default() })
    }

    /// Syncs, checkpoints and closes. The handle is gone whatever the answer.
    pub fn close(self) -> Result<()> {
        Ok(())
    }

    /// Stores `value` under `key`.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        check_lengths(key.len(), value.len())?;
        self.map.lock().unwrap().insert(key.to_vec(), value.into());
        Ok(())
    }

    /// The value of `key`, copied.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_pinned(key)?.map(|v| v.to_vec()))
    }

    /// Copies the value of `key` into `buf` if it fits, and returns its length.
    pub fn get_into(&self, key: &[u8], buf: &mut [MaybeUninit<u8>]) -> Result<Option<usize>> {
        let Some(v) = self.get_pinned(key)? else { return Ok(None) };
        if v.len() <= buf.len() {
            for (to, from) in buf.iter_mut().zip(v.iter()) {
                to.write(*from);
            }
        }
        Ok(Some(v.len()))
    }

    /// [`Db::get_into`] that never waits for the disk.
    pub fn get_nowait(&self, key: &[u8], buf: &mut [MaybeUninit<u8>]) -> Result<Nowait> {
        Ok(self.get_into(key, buf)?.map_or(Nowait::Missing, Nowait::Found))
    }

    /// The value of `key`, not copied.
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Pinned>> {
        check_lengths(key.len(), 0)?;
        Ok(self.map.lock().unwrap().get(key).cloned().map(Pinned::new))
    }

    /// Whether `key` exists.
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get_pinned(key)?.is_some())
    }

    /// Deletes `key`; false when there was nothing to delete.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        check_lengths(key.len(), 0)?;
        Ok(self.map.lock().unwrap().remove(key).is_some())
    }

    /// `n` pinned reads whose memory latencies overlap: `key(i)` names the keys, `each(i, answer)`
    /// takes the answers, in order.
    pub fn multi_get<'k>(
        &self,
        n: usize,
        key: impl Fn(usize) -> &'k [u8],
        mut each: impl FnMut(usize, Result<Option<Pinned>>),
    ) {
        for i in 0..n {
            each(i, self.get_pinned(key(i)));
        }
    }

    /// Stores `desired` (`None`: deletes) if the current value is `expected` (`None`: no value);
    /// false, and nothing changed, if it is another.
    pub fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        desired: Option<&[u8]>,
    ) -> Result<bool> {
        check_lengths(key.len(), desired.map_or(0, <[u8]>::len))?;
        let mut map = self.map.lock().unwrap();
        if map.get(key).map(|v| &v[..]) != expected {
            return Ok(false);
        }
        match desired {
            Some(v) => drop(map.insert(key.to_vec(), v.into())),
            None => drop(map.remove(key)),
        }
        Ok(true)
    }

    /// Writes all operations of `batch`, or none.
    pub fn write(&self, batch: &Batch) -> Result<()> {
        self.write_packed(batch.as_packed())
    }

    /// [`Db::write`] from the packed form (see [`crate::PackedOps`]).
    pub fn write_packed(&self, packed: &[u8]) -> Result<()> {
        let ops = PackedOps::new(packed).collect::<Result<Vec<_>>>()?;
        let mut map = self.map.lock().unwrap();
        for op in ops {
            match op.value {
                Some(v) => drop(map.insert(op.key.to_vec(), v.into())),
                None => drop(map.remove(op.key)),
            }
        }
        Ok(())
    }

    /// Returns once everything acknowledged before the call is on the device.
    pub fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// A token that covers every write acknowledged before the call.
    pub fn token(&self) -> u64 {
        1
    }

    /// Waits until the writes of `token` are on the device; false when `timeout` passed first.
    pub fn wait_durable(&self, _token: u64, _timeout: Duration) -> Result<bool> {
        Ok(true)
    }

    /// Whether the writes of `token` are on the device, without waiting.
    pub fn is_durable(&self, _token: u64) -> Result<bool> {
        Ok(true)
    }

    /// Checkpoints all shards, while reads and writes go on.
    pub fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    /// A consistent copy in the directory `to`.
    pub fn backup(&self, _to: &Path) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "backup is not built yet"))
    }

    /// Reclaims what can be reclaimed now.
    pub fn compact(&self) -> Result<()> {
        Ok(())
    }

    /// An iterator over the keys that start with `prefix`.
    pub fn iter(&self, prefix: &[u8]) -> Result<Iter> {
        let map = self.map.lock().unwrap();
        let some: Map = map
            .iter()
            .filter(|(k, _)| k.starts_with(prefix))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        Ok(Iter { rest: some.into_iter(), current: None })
    }

    /// Counters and sizes.
    pub fn stats(&self) -> Stats {
        Stats { keys: self.map.lock().unwrap().len() as u64, shards: 24, ..Stats::default() }
    }

    /// Everything that is known, per shard too, as JSON.
    pub fn stats_json(&self) -> String {
        "{}".to_owned()
    }
}
