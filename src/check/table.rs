//! The newest record of every key, in 40 bytes a key.
//!
//! Keys are told apart by a hash of 96 bits under a random secret; for two of a billion keys to
//! have the same is less likely than the checksums all being wrong.

use crate::hash::SECRET_LEN;
use crate::log::record::{Kind, Record};
use hashbrown::HashTable;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use xxhash_rust::xxh3::xxh3_128_with_secret;

/// The newest record of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latest {
    print: u64,
    pub(crate) seq: u64,
    print_more: u32,
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) value_len: u32,
    pub(crate) key_len: u16,
    pub(crate) flags: u16,
}

const _: () = assert!(size_of::<Latest>() == 40);

/// The record is a put.
pub(crate) const PUT: u16 = 1;
/// It lies before the checkpoint's positions.
pub(crate) const COVERED: u16 = 2;
/// The image has an entry for the key.
pub(crate) const IN_IMAGE: u16 = 4;
/// That entry leads to this record, or to another copy of it.
pub(crate) const IMAGE_FITS: u16 = 8;
/// It is a copy that compaction made; its original may be met later.
pub(crate) const MOVED: u16 = 16;

/// A key's hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print(u128);

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    First,
    Newer,
    Older,
    /// There is one with this sequence number already.
    Same,
}

pub(crate) struct Table {
    entries: HashTable<Latest>,
    secret: [u8; SECRET_LEN],
}

impl Table {
    pub(crate) fn new() -> Table {
        let (state, mut secret) = (RandomState::new(), [0; SECRET_LEN]);
        for (n, part) in secret.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&state.hash_one(n).to_ne_bytes());
        }
        Table { entries: HashTable::new(), secret }
    }

    pub(crate) fn print(&self, key: &[u8]) -> Print {
        Print(xxh3_128_with_secret(key, &self.secret))
    }

    /// Takes a record in if it is newer than what there is.
    pub(crate) fn offer(
        &mut self,
        print: Print,
        record: &Record,
        flags: u16,
        (segment, offset): (u32, u32),
    ) -> Offered {
        let (low, more, seq) = (print.0 as u64, (print.0 >> 64) as u32, record.seq);
        let same = |e: &Latest| e.print == low && e.print_more == more;
        let flags = if record.kind == Kind::Put { flags | PUT } else { flags };
        let latest = Latest {
            print: low,
            print_more: more,
            flags,
            seq,
            segment,
            offset,
            key_len: record.key.len() as u16,
            value_len: record.value.len() as u32,
        };
        match self.entries.find_mut(low, same) {
            None => {
                self.entries.insert_unique(low, latest, |e| e.print);
                Offered::First
            }
            Some(old) if old.seq < seq => {
                *old = Latest { flags: flags | old.flags & IN_IMAGE, ..latest };
                Offered::Newer
            }
            Some(old) if old.seq == seq => Offered::Same,
            Some(_) => Offered::Older,
        }
    }

    /// The newest record of a key.
    pub(crate) fn get(&mut self, print: Print) -> Option<&mut Latest> {
        let (low, more) = (print.0 as u64, (print.0 >> 64) as u32);
        self.entries.find_mut(low, |e| e.print == low && e.print_more == more)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Latest> {
        self.entries.iter()
    }
}
