//! The oracle: what a database may hold after a crash.
//!
//! It keeps what is known to be on the device as a model, and after that every write in the order
//! of issue, with the log that took it and where that log ended then. Of a recovered database:
//! 1. for each log, the writes up to where recovery ended the log are there, and no later one:
//!    a prefix of what was issued to it;
//! 2. what was acknowledged as durable is there; after the death of the process alone, everything
//!    that was acknowledged is;
//! 3. the write under way is there whole or not at all, and only if all before it in its log are;
//! 4. nothing else is there: no deleted key, no older value, no torn one.
//!
//! All of this is one comparison of whole states, once the cut of each log is known. Where the
//! database says that its logs end is taken from it; a wrong answer makes the states differ.

use super::disk::Disk;
use super::session::{Setup, COPY};
use super::workload::{Changes, Workload};
use crate::engine::meta::MANIFEST;
use crate::engine::Engine;
use crate::iter::Iter;
use crate::log::Position;
use crate::sys::io::Io;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Keys and values.
pub(crate) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A write that was acknowledged and may be lost with the power.
#[derive(Debug, Clone)]
struct Issued {
    log: usize,
    /// Where its log ended after it.
    end: Position,
    changes: Changes,
}

/// A write that is under way.
#[derive(Debug, Clone)]
pub(crate) struct UnderWay {
    pub(crate) log: usize,
    pub(crate) changes: Changes,
}

/// What a crash took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process.
    Kill,
    /// The power.
    PowerLoss,
}

/// What is known of one database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    durable: Model,
    issued: Vec<Issued>,
    /// All that was acknowledged.
    pub(crate) live: Model,
    /// What the last backup that was acknowledged holds.
    backup: Option<Model>,
}

fn apply(model: &mut Model, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(model.insert(key.clone(), value.clone())),
            None => drop(model.remove(key)),
        }
    }
}

impl Oracle {
    /// Notes a write that was acknowledged; `end` is where its log ended then.
    pub(crate) fn acknowledge(&mut self, log: usize, end: Position, changes: Changes) {
        apply(&mut self.live, &changes);
        self.issued.push(Issued { log, end, changes });
    }

    /// Notes that all that was acknowledged is on the device.
    pub(crate) fn synced(&mut self) {
        self.durable.clone_from(&self.live);
        self.issued.clear();
    }

    /// Notes that a backup was made of all that was acknowledged.
    pub(crate) fn backed_up(&mut self) {
        self.backup = Some(self.live.clone());
    }

    /// Whether there is a backup to be judged.
    pub(crate) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Whether the backup on a crashed disk is as it must be, whatever became of its source since:
    /// the last one that was acknowledged, or with `under_way` perhaps the next.
    pub(crate) fn judge_backup(
        &self,
        setup: &Setup,
        disk: &Disk,
        under_way: bool,
    ) -> Result<(), String> {
        let has_manifest = disk.exists(&Path::new(COPY).join(MANIFEST)).unwrap_or(false);
        let found = match setup.open_at(COPY, disk, false) {
            Ok(engine) => contents(&engine).map_err(|e| format!("in the backup, {e}"))?,
            // Until it is complete there is no MANIFEST, so nothing that could be opened.
            Err(_) if !has_manifest && (under_way || self.backup.is_none()) => return Ok(()),
            Err(e) => return Err(format!("the backup does not open: {e}")),
        };
        if self.backup.as_ref() == Some(&found) || under_way && found == self.live {
            return Ok(());
        }
        let expected = self.backup.as_ref().unwrap_or(&self.live);
        Err(format!("in the backup, {}", difference(expected, &found)))
    }

    /// Whether the recovered database is as it must be; if so, the oracle that goes on from there.
    pub(crate) fn judge(
        &self,
        engine: &Arc<Engine>,
        crash: Crash,
        under_way: Option<&UnderWay>,
    ) -> Result<Oracle, String> {
        let found = contents(engine)?;
        let ends = log_ends(engine);
        let mut expected = self.durable.clone();
        let mut cut = vec![false; ends.len()];
        let mut kept = Vec::new();
        for issued in &self.issued {
            if issued.end > ends[issued.log] {
                cut[issued.log] = true;
                continue;
            }
            apply(&mut expected, &issued.changes);
            kept.push(issued.clone());
        }
        if crash == Crash::Kill && cut.contains(&true) {
            return Err(format!(
                "an acknowledged write is gone with the process: the logs end at {ends:?}"
            ));
        }
        let (durable, backup) = (self.durable.clone(), self.backup.clone());
        let mut oracle = Oracle { durable, issued: kept, live: expected, backup };
        if found != oracle.live {
            let before = difference(&oracle.live, &found);
            let Some(UnderWay { log, changes }) = under_way else { return Err(before) };
            oracle.acknowledge(*log, ends[*log], changes.clone());
            if found != oracle.live {
                let after = difference(&oracle.live, &found);
                return Err(format!("without the write under way: {before}; with it: {after}"));
            }
            if cut[*log] {
                return Err(format!(
                    "log {log} has a hole: the write under way is there, {before}"
                ));
            }
        }
        if crash == Crash::PowerLoss {
            // What recovery has read it has read from the device.
            oracle.synced();
        }
        Ok(oracle)
    }
}

/// Where each log ends.
pub(crate) fn log_ends(engine: &Engine) -> Vec<Position> {
    engine.shards.iter().map(|s| s.lock().log.position()).collect()
}

/// Everything in a database, read by iteration and by key; the two must agree.
pub(crate) fn contents(engine: &Arc<Engine>) -> Result<Model, String> {
    let mut found = Model::new();
    let mut iter = Iter::new(engine.clone(), b"");
    while iter.advance().map_err(|e| format!("iteration fails: {e}"))? {
        let Some((key, value)) = iter.current() else { return Err("no current entry".into()) };
        if found.insert(key.to_vec(), value.to_vec()).is_some() {
            return Err(format!("iteration returns key {} twice", show(key)));
        }
    }
    for key in Workload::keys() {
        let got = engine.read(&key, |_, value| value.to_vec());
        let got = got.map_err(|e| format!("get of key {} fails: {e}", show(&key)))?;
        if got.as_ref() != found.get(&key) {
            return Err(format!("get and iteration differ for key {}", show(&key)));
        }
    }
    let keys = engine.stats().keys;
    if keys != found.len() as u64 {
        return Err(format!("{keys} keys are counted, {} are there", found.len()));
    }
    Ok(found)
}

fn show(key: &[u8]) -> String {
    String::from_utf8_lossy(&key[..key.len().min(12)]).into_owned()
}

/// The first keys in which two models differ.
fn difference(expected: &Model, found: &Model) -> String {
    let keys = expected.keys().chain(found.keys().filter(|k| !expected.contains_key(*k)));
    let name = |value: Option<&Vec<u8>>| match value {
        None => "nothing".to_owned(),
        Some(v) => format!("{} bytes {:02x?}…", v.len(), &v[..v.len().min(8)]),
    };
    let all: Vec<String> = keys
        .filter(|key| expected.get(*key) != found.get(*key))
        .map(|k| {
            let (wanted, got) = (name(expected.get(k)), name(found.get(k)));
            format!("key {} should hold {wanted} and holds {got}", show(k))
        })
        .collect();
    format!("{} keys are wrong: {}", all.len(), all[..all.len().min(3)].join(", "))
}
