//! A database on a simulated disk, with its oracle.

use super::disk::Disk;
use super::oracle::{log_ends, Oracle, UnderWay};
use super::random::mix;
use super::workload::{Changes, Step};
use crate::engine::rules::Rule;
use crate::engine::write::Write;
use crate::engine::Engine;
use crate::error::Result;
use crate::hash::SLOTS;
use crate::options::{Durability, Options};
use crate::Batch;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// Where the database is. Both directories are made by the engine.
pub(crate) const DIR: &str = "/data/db";

/// Where its backup is.
pub(crate) const COPY: &str = "/data/copy";

/// How a database is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) shards: usize,
    pub(crate) durability: Durability,
    /// So little memory that every segment becomes cold as soon as it can.
    pub(crate) cold: bool,
}

/// What leaves no room for a mapping.
const LITTLE_MEMORY: u64 = 64 << 10;

impl Setup {
    pub(crate) fn of_seed(seed: u64) -> Setup {
        let durability = if seed % 3 == 0 { Durability::Sync } else { Durability::Process };
        Setup { shards: 1 + (seed / 3 % 3) as usize, durability, cold: seed % 5 < 2 }
    }

    pub(crate) fn open(&self, disk: &Disk) -> Result<Arc<Engine>> {
        self.open_at(DIR, disk, true)
    }

    pub(crate) fn open_at(&self, dir: &str, disk: &Disk, create: bool) -> Result<Arc<Engine>> {
        let mut options = Options::new();
        options.shards = Some(self.shards);
        options.durability = self.durability;
        if self.cold {
            options.memory_limit = LITTLE_MEMORY;
        }
        options.create_if_missing = create;
        options.open_timeout = std::time::Duration::ZERO;
        Engine::open_dir(Path::new(dir), &options, Arc::new(disk.clone())).map(Arc::new)
    }
}

/// A database that is open, and what is known of it.
pub(crate) struct Session {
    pub(crate) setup: Setup,
    pub(crate) disk: Disk,
    pub(crate) engine: Option<Arc<Engine>>,
    pub(crate) oracle: Oracle,
    /// Steps done.
    pub(crate) steps: u64,
}

impl Session {
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.engine.as_ref().expect("the database is open")
    }

    /// What a step will write, if it writes: a delete of a key that is not there leaves no record,
    /// unless it is part of a batch.
    pub(crate) fn plan(&self, step: &Step) -> Option<UnderWay> {
        let changes = match step {
            Step::One(key, value) | Step::Swap(key, value) => vec![(key.clone(), value.clone())],
            Step::Batch(changes) => changes.clone(),
            _ => return None,
        };
        let engine = self.engine();
        let log = if engine.is_sync() {
            engine.commits.home.load(Ordering::Relaxed) % self.setup.shards
        } else {
            engine.shard_number(engine.hash_of(&changes[0].0))
        };
        let mut last: Changes = Vec::new();
        for (key, value) in changes {
            last.retain(|(k, _)| *k != key);
            last.push((key, value));
        }
        if !matches!(step, Step::Batch(_)) {
            last.retain(|(key, value)| value.is_some() || self.oracle.live.contains_key(key));
        }
        (!last.is_empty()).then_some(UnderWay { log, changes: last })
    }

    /// Does a step and tells the oracle.
    pub(crate) fn run(&mut self, step: &Step, plan: Option<&UnderWay>) -> Result<()> {
        let engine = self.engine().clone();
        if self.setup.cold && self.steps % 3 == 0 {
            // What the memory thread does.
            engine.balance();
        }
        self.steps += 1;
        match step {
            Step::One(key, Some(value)) => engine.put(key, value)?,
            Step::One(key, None) => drop(engine.write_if(Write::Delete { key })?),
            Step::Swap(key, desired) => {
                let expected = self.oracle.live.get(key).map(Vec::as_slice);
                let write = Write::Swap { key, expected, desired: desired.as_deref() };
                assert!(engine.write_if(write)?, "the key holds what the model says");
            }
            Step::Batch(changes) => {
                let mut batch = Batch::new();
                for (key, value) in changes {
                    match value {
                        Some(value) => batch.put(key, value)?,
                        None => batch.delete(key)?,
                    }
                }
                engine.write_packed(batch.as_packed())?;
            }
            Step::Sync => engine.sync()?,
            Step::Token => {
                let token = engine.token();
                engine.run_pass(token)?;
                assert!(engine.is_durable(token)?, "the pass of a token makes it durable");
            }
            Step::Checkpoint => engine.checkpoint()?,
            Step::CompactOne(n) => engine.compact_one(*n)?,
            Step::Compact => engine.compact_all()?,
            Step::Move(n) => {
                let (random, shards) = (mix(*n, 1) as usize, self.setup.shards);
                let some = |slot: usize| (slot, (random >> (slot % 48)) % shards);
                let moves: Vec<_> = (random % 7..SLOTS).step_by(1 + random % 7).map(some).collect();
                let _keys = engine.move_slots(&moves)?;
            }
            Step::Rule(n) => {
                let rules = ["key:1*,key:2*", "key:2*,key:1*", "key:*1,key:*2,key:*3", "key:*,x*"];
                let rule = Rule::parse(rules[*n as usize % rules.len()])?;
                engine.set_rules(|rules| {
                    let is_there = rules.contains(&rule);
                    rules.clear();
                    rules.extend((!is_there).then_some(rule));
                    Ok(())
                })?;
            }
            Step::Backup => {
                engine.backup(Path::new(COPY))?;
                self.oracle.backed_up();
            }
            Step::Prepare(n) => engine.prepare(n % (2 * self.setup.shards)),
            Step::Reopen => {
                self.engine = None;
                engine.shut(false)?;
                drop(engine);
                self.oracle.synced();
                self.engine = Some(self.setup.open(&self.disk)?);
            }
        }
        if let Some(UnderWay { log, changes }) = plan {
            let end = log_ends(self.engine())[*log];
            self.oracle.acknowledge(*log, end, changes.clone());
        }
        let is_synced = matches!(
            step,
            Step::Sync | Step::Token | Step::Checkpoint | Step::Compact | Step::Backup
        );
        if is_synced || self.setup.durability == Durability::Sync {
            self.oracle.synced();
        }
        Ok(())
    }
}
