//! redb. It has no level `process`: `Durability::None` keeps commits in the process until the next
//! `Immediate` one, so it is compared at `none` and at `device`.

use super::lmdb::READS;
use crate::store::{Each, Kind, Level, Pair, Result, Session, Setup, Store, CACHE_BYTES};
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};

pub const KIND: Kind = Kind { name: "redb", levels: &[Level::None, Level::Device], describe, open };

fn describe() -> String {
    format!(
        "redb 4, one table of bytes; none: Durability::None; device: Durability::Immediate; cache \
         1 GiB; a put is a transaction; read transactions renewed every {READS} gets and after a \
         write"
    )
}

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("t");

struct Redb {
    db: Database,
    durability: Durability,
}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let path = setup.dir.join("data.redb");
    let db = Database::builder().set_cache_size(CACHE_BYTES as usize).create(path)?;
    let durability = match setup.level {
        Level::Device => Durability::Immediate,
        _ => Durability::None,
    };
    let store = Redb { db, durability };
    let txn = store.db.begin_write()?;
    txn.open_table(TABLE)?;
    txn.commit()?;
    Ok(Box::new(store))
}

impl Store for Redb {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Txns { db: self, table: None, reads_left: 0 })
    }

    fn close(self: Box<Self>) -> Result<()> {
        let txn = self.db.begin_write()?;
        txn.commit()?;
        Ok(self.db.close()?)
    }

    fn compact(&mut self) -> Result<bool> {
        self.db.compact()?;
        Ok(true)
    }
}

struct Txns<'a> {
    db: &'a Redb,
    /// A table of a read transaction, which it keeps open.
    table: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    reads_left: u32,
}

impl Txns<'_> {
    fn table(&mut self) -> Result<&ReadOnlyTable<&'static [u8], &'static [u8]>> {
        if self.reads_left == 0 {
            self.table = None;
            self.reads_left = READS;
        }
        self.reads_left -= 1;
        match self.table {
            Some(ref table) => Ok(table),
            None => Ok(self.table.insert(self.db.db.begin_read()?.open_table(TABLE)?)),
        }
    }

    fn write(&mut self, body: impl FnOnce(&WriteTransaction) -> Result<()>) -> Result<()> {
        self.table = None;
        let mut txn = self.db.db.begin_write()?;
        txn.set_durability(self.db.durability)?;
        body(&txn)?;
        Ok(txn.commit()?)
    }
}

impl Session for Txns<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|txn| Ok(txn.open_table(TABLE)?.insert(key, value).map(drop)?))
    }

    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        Ok(self.table()?.get(key)?.map(|value| {
            let value = value.value();
            buf[..value.len()].copy_from_slice(value);
            value.len()
        }))
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.write(|txn| Ok(txn.open_table(TABLE)?.remove(key).map(drop)?))
    }

    fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
        self.write(|txn| {
            let mut table = txn.open_table(TABLE)?;
            for Pair { key, value } in pairs {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice())?,
                    None => table.remove(key.as_slice())?,
                };
            }
            Ok(())
        })
    }

    fn iterate(&mut self, each: Each) -> Result<()> {
        self.reads_left = 0;
        for record in self.table()?.iter()? {
            let (key, value) = record?;
            if !each(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn range(&mut self, from: &[u8], each: Each) -> Result<bool> {
        for record in self.table()?.range(from..)? {
            let (key, value) = record?;
            if !each(key.value(), value.value()) {
                break;
            }
        }
        Ok(true)
    }

    fn len(&mut self) -> Result<Option<u64>> {
        self.reads_left = 0;
        Ok(Some(self.table()?.len()?))
    }
}
