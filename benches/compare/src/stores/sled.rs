//! sled. Writes lie in the process's buffers until they are flushed, every 500 ms by default, so it
//! has no level `process`: it is compared at `none` and at `device`.

use crate::store::{Each, Kind, Level, Pair, Result, Session, Setup, Store, CACHE_BYTES};
use sled::{Batch, Config, Db, Mode};

pub const KIND: Kind = Kind { name: "sled", levels: &[Level::None, Level::Device], describe, open };

fn describe() -> String {
    "sled 0.34, the default tree; none: flushed every 500 ms (its default); device: flush() after \
     each write; cache 1 GiB, Mode::HighThroughput, no compression"
        .into()
}

struct Sled {
    db: Db,
    sync: bool,
}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let db = Config::new()
        .path(setup.dir.join("sled"))
        .cache_capacity(CACHE_BYTES)
        .mode(Mode::HighThroughput)
        .open()?;
    Ok(Box::new(Sled { db, sync: setup.level == Level::Device }))
}

impl Store for Sled {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Calls(self))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }
}

struct Calls<'a>(&'a Sled);

impl Calls<'_> {
    fn written(&self) -> Result<()> {
        if self.0.sync {
            self.0.db.flush()?;
        }
        Ok(())
    }
}

impl Session for Calls<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.db.insert(key, value)?;
        self.written()
    }

    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        Ok(self.0.db.get(key)?.map(|value| {
            buf[..value.len()].copy_from_slice(&value);
            value.len()
        }))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.0.db.remove(key)?;
        self.written()
    }

    fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
        let mut batch = Batch::default();
        for Pair { key, value } in pairs {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        self.0.db.apply_batch(batch)?;
        self.written()
    }

    fn iterate(&mut self, each: Each) -> Result<()> {
        for record in self.0.db.iter() {
            let (key, value) = record?;
            if !each(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn range(&mut self, from: &[u8], each: Each) -> Result<bool> {
        for record in self.0.db.range(from..) {
            let (key, value) = record?;
            if !each(&key, &value) {
                break;
            }
        }
        Ok(true)
    }
}
