//! What the lab does to a database: small workloads that meet every part of it.
//!
//! First segments hold 64 KiB, so a few dozen writes of up to some KiB fill several of them; a
//! large value now and then gets a segment of its own. A value begins with the number of its
//! write and is different from every other, so that an old one is never taken for a new one.

use super::random::{mix, Random};

/// Keys of a workload: few, so that they are overwritten and deleted again and again.
const KEYS: u64 = 24;

/// Keys and what they are to hold; `None` deletes.
pub type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A put or a delete.
    One(Vec<u8>, Option<Vec<u8>>),
    Batch(Changes),
    /// A put or a delete under the condition that the key holds what it holds.
    Swap(Vec<u8>, Option<Vec<u8>>),
    Sync,
    /// A sync through a token.
    Token,
    Checkpoint,
    /// All of compaction that can be done now.
    Compact,
    /// Compaction of one segment.
    CompactOne(usize),
    /// Slots that move to other shards.
    Move(u64),
    /// A rule that comes or goes.
    Rule(u64),
    /// What the preparation thread does.
    Prepare(usize),
    /// A backup, over the last one.
    Backup,
    /// A proper close, and an open.
    Reopen,
}

impl Step {
    /// For reports.
    pub(crate) fn name(&self) -> String {
        match self {
            Step::One(_, Some(value)) => format!("put of {} bytes", value.len()),
            Step::One(_, None) => "delete".to_owned(),
            Step::Swap(..) => "compare-and-swap".to_owned(),
            Step::Batch(changes) => format!("batch of {}", changes.len()),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

/// Makes steps, all from one seed.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    random: Random,
    written: u64,
    /// Compacts one segment or another all the time.
    compacts: bool,
    /// Changes the placement again and again.
    moves: bool,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Workload {
        Workload {
            random: Random::new(seed),
            written: 0,
            compacts: seed % 4 == 2,
            moves: seed % 4 == 1,
        }
    }

    /// All keys that there can be.
    pub(crate) fn keys() -> impl Iterator<Item = Vec<u8>> {
        (0..KEYS).map(key)
    }

    pub(crate) fn step(&mut self) -> Step {
        let key = key(self.random.below(KEYS));
        if self.compacts && self.random.one_in(4) {
            let n = self.random.below(8) as usize;
            return if self.random.one_in(2) { Step::CompactOne(n) } else { Step::Checkpoint };
        }
        if self.moves && self.random.one_in(5) {
            let n = self.random.next();
            return match n % 5 {
                0 => Step::Rule(n / 5),
                1 => Step::Checkpoint,
                _ => Step::Move(n / 5),
            };
        }
        match self.random.below(40) {
            0..=13 => Step::One(key, Some(self.value())),
            14..=19 => Step::One(key, None),
            20..=29 => {
                let n = 1 + self.random.below(6);
                Step::Batch((0..n).map(|_| self.change()).collect())
            }
            30..=31 => {
                let desired = self.random.one_in(2).then(|| self.value());
                Step::Swap(key, desired)
            }
            32..=33 => Step::Sync,
            34 => Step::Token,
            35 => Step::Checkpoint,
            36 if self.random.one_in(2) => Step::Compact,
            36..=37 => Step::CompactOne(self.random.below(8) as usize),
            38 if self.random.one_in(2) => Step::Backup,
            38 => Step::Prepare(self.random.below(8) as usize),
            _ => Step::Reopen,
        }
    }

    /// A delete of a key that may be there.
    pub(crate) fn delete(&mut self) -> Step {
        Step::One(key(self.random.below(KEYS)), None)
    }

    fn change(&mut self) -> (Vec<u8>, Option<Vec<u8>>) {
        let key = key(self.random.below(KEYS));
        let value = (!self.random.one_in(3)).then(|| self.value());
        (key, value)
    }

    fn value(&mut self) -> Vec<u8> {
        self.written += 1;
        let len = match self.random.below(100) {
            0 => 0,
            1..=39 => self.random.below(100),
            40..=89 => self.random.below(6_000),
            90..=98 => self.random.below(30_000),
            _ => 60_000 + self.random.below(60_000),
        };
        value(mix(self.random.next(), self.written), len as usize)
    }
}

fn key(n: u64) -> Vec<u8> {
    let mut key = format!("key:{n}").into_bytes();
    if n % 7 == 0 {
        // Longer than a sector.
        key.resize(700 + n as usize, b'k');
    }
    key
}

/// `len` bytes, or a few more, that follow from `number` alone.
fn value(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    let mut word = number;
    while bytes.len() < len {
        word = mix(word, number);
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}
