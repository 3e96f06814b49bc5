//! What a thread does: its operation number `i` follows from seed, thread and `i` alone.
//!
//! Each thread has keys of its own, so it knows what every answer must be; a value says by itself
//! which operation wrote it. Conditions of writes hold or fail by plan, given the model.

use super::super::random::mix;

/// Keys of a thread.
pub(super) const KEYS: u64 = 2_000;

/// What a key holds: the number of the operation that wrote it, and which of its changes did.
pub(super) type Version = (u64, u32);
/// Keys and what they hold afterwards.
pub(super) type Changes = Vec<(u64, Option<Version>)>;

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// Changes of several keys, or of one: a put or a delete.
    Batch(Changes),
    Put(u64),
    Delete(u64),
    /// A swap from what the key holds, to a value or to nothing.
    Swap(u64, bool),
    /// A swap from what the key does not hold.
    Conflict(u64),
    Get(u64),
    Pinned(u64),
    Exists(u64),
    /// Thirty keys from this one on.
    MultiGet(u64),
    /// All keys of the thread.
    Iterate,
    Sync,
    /// A token, and a wait for it.
    Token,
}

pub(super) fn key(thread: u64, n: u64) -> Vec<u8> {
    format!("{}{n:05}", prefix(thread)).into_bytes()
}

/// What the keys of a thread begin with.
pub(super) fn prefix(thread: u64) -> String {
    format!("t{thread}/")
}

pub(super) fn value(thread: u64, (i, part): Version) -> Vec<u8> {
    let r = mix(i ^ thread << 56, u64::from(part));
    let len = match r % 100 {
        0..=84 => r >> 32 & 0xff,
        85..=97 => r >> 32 & 0xfff,
        _ => r >> 32 & 0x7fff,
    };
    let mut value = format!("{thread}.{i}.{part}.").into_bytes();
    let mut word = r;
    while (value.len() as u64) < len {
        word = mix(word, r);
        value.extend_from_slice(&word.to_le_bytes());
    }
    value
}

impl Operation {
    pub(super) fn of(seed: u64, thread: u64, i: u64) -> Operation {
        let r = mix(seed ^ thread << 48, i);
        let key = mix(r, 1) % KEYS;
        match r % 2_000 {
            0..=699 => Operation::Put(key),
            700..=899 => Operation::Delete(key),
            900..=999 => Operation::Swap(key, r >> 32 & 1 == 0),
            1000..=1049 => Operation::Conflict(key),
            1050..=1249 => {
                let change = |part: u32| {
                    let r = mix(r, 2 + u64::from(part));
                    (r % KEYS, (r >> 32 & 3 != 0).then_some((i, part)))
                };
                Operation::Batch((0..2 + (r >> 32) as u32 % 12).map(change).collect())
            }
            1250..=1599 => Operation::Get(key),
            1600..=1749 => Operation::Pinned(key),
            1750..=1899 => Operation::Exists(key),
            1900..=1989 => Operation::MultiGet(key),
            1990 => Operation::Iterate,
            1991..=1995 => Operation::Sync,
            _ => Operation::Token,
        }
    }

    /// What it changes as operation number `i`.
    pub(super) fn changes(&self, i: u64) -> Changes {
        match self {
            Operation::Batch(changes) => changes.clone(),
            Operation::Put(key) | Operation::Swap(key, true) => vec![(*key, Some((i, 0)))],
            Operation::Delete(key) | Operation::Swap(key, false) => vec![(*key, None)],
            _ => Vec::new(),
        }
    }
}
