//! fjall. Its journal goes to the kernel with each write, and to the device when asked.

use crate::store::{Each, Kind, Level, Pair, Result, Session, Setup, Store, CACHE_BYTES};
use fjall::config::{CompressionPolicy, HashRatioPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

pub const KIND: Kind =
    Kind { name: "fjall", levels: &[Level::Process, Level::Device], describe, open };

fn describe() -> String {
    "fjall 3, one keyspace; process: the default (journal to the kernel with each write); device: \
     batches with PersistMode::SyncData; cache 1 GiB, memtable of 128 MiB, hash index in data \
     blocks, no compression"
        .into()
}

struct Fjall {
    db: Database,
    keys: Keyspace,
    sync: bool,
}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let db = Database::builder(setup.dir.join("fjall"))
        .cache_size(CACHE_BYTES)
        .journal_compression(CompressionType::None)
        .open()?;
    let keys = db.keyspace("t", || {
        KeyspaceCreateOptions::default()
            .max_memtable_size(128 << 20)
            .data_block_hash_ratio_policy(HashRatioPolicy::all(1.33))
            .data_block_compression_policy(CompressionPolicy::disabled())
    })?;
    Ok(Box::new(Fjall { db, keys, sync: setup.level == Level::Device }))
}

impl Store for Fjall {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Calls(self))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    fn compact(&mut self) -> Result<bool> {
        self.keys.major_compact()?;
        Ok(true)
    }
}

struct Calls<'a>(&'a Fjall);

impl Calls<'_> {
    fn write(&self, body: impl FnOnce(&mut fjall::OwnedWriteBatch)) -> Result<()> {
        let mode = self.0.sync.then_some(PersistMode::SyncData);
        let mut batch = self.0.db.batch().durability(mode);
        body(&mut batch);
        Ok(batch.commit()?)
    }
}

impl Session for Calls<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.0.sync {
            return self.write(|batch| batch.insert(&self.0.keys, key, value));
        }
        Ok(self.0.keys.insert(key, value)?)
    }

    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        Ok(self.0.keys.get(key)?.map(|value| {
            buf[..value.len()].copy_from_slice(&value);
            value.len()
        }))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        if self.0.sync {
            return self.write(|batch| batch.remove(&self.0.keys, key));
        }
        Ok(self.0.keys.remove(key)?)
    }

    fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
        self.write(|batch| {
            for Pair { key, value } in pairs {
                match value {
                    Some(value) => batch.insert(&self.0.keys, key.as_slice(), value.as_slice()),
                    None => batch.remove(&self.0.keys, key.as_slice()),
                }
            }
        })
    }

    fn iterate(&mut self, each: Each) -> Result<()> {
        for record in self.0.keys.iter() {
            let (key, value) = record.into_inner()?;
            if !each(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn range(&mut self, from: &[u8], each: Each) -> Result<bool> {
        for record in self.0.keys.range(from..) {
            let (key, value) = record.into_inner()?;
            if !each(&key, &value) {
                break;
            }
        }
        Ok(true)
    }
}
