//! Which stores do what with which data, in a quick run (3 minutes) and in a full one (hours).

use crate::phases::{Job, Phase};
use crate::result::Data;
use crate::store::{Kind, Level, KINDS};
use std::path::PathBuf;

/// What one or two children do.
pub enum Task {
    Phases(Job),
    Kill(Job),
}

impl Task {
    pub fn job(&self) -> &Job {
        match self {
            Task::Phases(job) | Task::Kill(job) => job,
        }
    }
}

pub struct Plan {
    pub span_ms: u64,
    pub data: Vec<Data>,
    pub tasks: Vec<Task>,
}

/// Name of the data set of redb's phases.
pub const REDB: &str = "redb 24/150";

fn data(name: &str, keys: u64, key_len: usize, value_len: usize) -> Data {
    Data { name: name.to_owned(), keys, key_len, value_len }
}

impl Plan {
    pub fn new(quick: bool, seed: u64) -> Plan {
        let (span_ms, fill_s) = if quick { (250, 3) } else { (1000, 120) };
        let redb = data(REDB, if quick { 50_000 } else { 5_000_000 }, 24, 150);
        let sets = if quick {
            vec![data("200K 16/100", 200_000, 16, 100)]
        } else {
            vec![
                data("1M 16/100", 1_000_000, 16, 100),
                data("10M 16/100", 10_000_000, 16, 100),
                data("1M 8/8", 1_000_000, 8, 8),
                data("1M 16/1K", 1_000_000, 16, 1 << 10),
                data("100K 16/16K", 100_000, 16, 16 << 10),
            ]
        };
        let mut plan = Plan { span_ms, data: sets.clone(), tasks: Vec::new() };
        let job = |kind: &Kind, level, data: &Data, phases| Job {
            store: kind.name.to_owned(),
            level,
            data: data.clone(),
            dir: PathBuf::new(),
            phases,
            span_ms,
            fill_s,
            seed,
        };
        for (i, set) in sets.iter().enumerate() {
            for level in [Level::Process, Level::None, Level::Device] {
                for kind in KINDS.iter().filter(|kind| kind.levels.contains(&level)) {
                    let yardstick = kind.name == "yardstick";
                    // Syncs cost the same whatever the data.
                    if yardstick && set.key_len != 16 || level == Level::Device && i > 0 {
                        continue;
                    }
                    let phases = if yardstick { bare() } else { phases(level, quick) };
                    plan.tasks.push(Task::Phases(job(kind, level, set, phases)));
                    // The check needs versions, for which short values have no room.
                    if !yardstick && set.value_len >= 16 && i < 2 {
                        plan.tasks.push(Task::Kill(job(kind, level, set, Vec::new())));
                    }
                }
            }
        }
        for kind in KINDS.iter().filter(|kind| kind.levels.contains(&Level::Device)) {
            plan.tasks.push(Task::Phases(job(kind, Level::Device, &redb, vec![Phase::Redb])));
        }
        plan.data.push(redb);
        plan
    }
}

fn gets() -> Vec<Phase> {
    [(false, 1), (false, 2), (true, 1), (true, 2)]
        .map(|(zipfian, threads)| Phase::Get { zipfian, threads })
        .into()
}

/// What the yardstick can do.
fn bare() -> Vec<Phase> {
    let mut all = vec![Phase::Fill];
    all.extend(gets());
    all.push(Phase::Overwrite { threads: 1 });
    all
}

fn phases(level: Level, quick: bool) -> Vec<Phase> {
    if level == Level::Device {
        let inserts = [1, 8, 24].map(|threads| Phase::Insert { threads });
        let batches = [100, 1000].map(|pairs| Phase::Batch { pairs });
        return [Phase::Load]
            .into_iter()
            .chain(inserts)
            .chain(batches)
            .chain([Phase::Reopen])
            .collect();
    }
    let mut all = bare();
    all.push(Phase::MultiGet { keys: 32 });
    let threads: &[u64] = if quick { &[1, 2, 8, 24] } else { &[1, 2, 4, 8, 16, 24] };
    all.extend(threads.iter().map(|&threads| Phase::Mixed { reads: 50, threads }));
    all.push(Phase::Mixed { reads: 95, threads: 2 });
    all.extend([100, 1000].map(|pairs| Phase::Batch { pairs }));
    all.extend(['A', 'B', 'C', 'D', 'F'].map(|letter| Phase::Ycsb { letter, threads: 2 }));
    all.extend([Phase::Iterate, Phase::Delete, Phase::Reopen]);
    all
}
