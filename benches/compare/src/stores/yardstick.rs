//! The bare yardstick of the engine's own benchmark, whose source it shares: what the machine
//! charges for the work of a get and of a put. It is no store: no deletes, no growth, no locks for
//! writers, no recovery. So it does only fills and overwrites from one thread, and gets.

use crate::store::{Each, Kind, Level, Pair, Result, Session, Setup, Store};
use std::sync::atomic::{AtomicU64, Ordering};

mod workload {
    /// Keys of the yardstick.
    pub type Key = [u8; 16];
}
#[path = "../../../../src/bin/warp/bench/yardstick.rs"]
mod bare;

pub const KIND: Kind = Kind { name: "yardstick", levels: &[Level::Process], describe, open };

fn describe() -> String {
    "the bare work on this machine: one probe of an array of 8-byte slots, one compare and one copy \
     out of a mapped file (get); one copy of the record into prepared mapped memory, its CRC and one \
     slot store (put); no locks, growth, deletes or recovery; keys of 16 bytes alone"
        .into()
}

struct Yardstick {
    bare: bare::Yardstick,
    /// Puts for which there is room.
    left: AtomicU64,
    value_len: usize,
}

fn open(setup: &Setup) -> Result<Box<dyn Store>> {
    let records = setup.keys * 2;
    let bare = bare::Yardstick::new(setup.dir, setup.keys, records, setup.value_len)?;
    let left = AtomicU64::new(records);
    Ok(Box::new(Yardstick { bare, left, value_len: setup.value_len }))
}

impl Store for Yardstick {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Calls(self))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct Calls<'a>(&'a Yardstick);

impl Session for Calls<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        // One thread alone puts.
        let left = self.0.left.load(Ordering::Relaxed);
        self.0.left.store(left.checked_sub(1).ok_or("no room is left")?, Ordering::Relaxed);
        self.0.bare.put(key.try_into()?, value);
        Ok(())
    }

    fn get(&mut self, key: &[u8], buf: &mut [u8]) -> Result<Option<usize>> {
        Ok(self.0.bare.get(key.try_into()?, buf).then_some(self.0.value_len))
    }

    fn delete(&mut self, _key: &[u8]) -> Result<()> {
        Err("the yardstick has no deletes".into())
    }

    fn batch(&mut self, pairs: &[Pair]) -> Result<()> {
        pairs.iter().try_for_each(|Pair { key, value }| match value {
            Some(value) => self.put(key, value),
            None => self.delete(key),
        })
    }

    fn iterate(&mut self, _each: Each) -> Result<()> {
        Err("the yardstick does not iterate".into())
    }
}
