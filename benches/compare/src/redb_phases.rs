//! The phases of redb's published comparison (its `redb-bench` crate), written anew: keys of 24
//! bytes, values of 150, and each phase's time in seconds. All writes are on the device when their
//! call returns. Stores without order have no range reads.

use crate::loads::read;
use crate::measure::disk;
use crate::phases::{load, pair, Child};
use crate::result::Unit;
use crate::store::{Pair, Result, Store};
use crate::workload::{mix, Random, Shape, VALUE_MAX};
use std::time::Instant;

/// Records that a range read reads.
const RANGE: u64 = 10;
/// Single puts, and batches of [`BATCH`] puts.
const WRITES: u64 = 100;
const BATCH: u64 = 1000;
/// Deletes in one batch.
const REMOVALS: u64 = 10_000;

pub fn run(child: &mut Child) -> Result<()> {
    let keys = child.keys();
    let seconds = |begin: Instant| begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    load(child.job, &mut *child.store()?.session(), 0, keys, 1)?;
    child.row("redb: bulk load", 1, seconds(begin), Unit::Seconds);

    let total = writes(child, keys)?;
    lengths(child, total)?;
    for _ in 0..2 {
        let begin = Instant::now();
        reads(child.store()?, child.shape, total, keys / 5, 1)?;
        child.row("redb: random reads", 1, seconds(begin), Unit::Seconds);
    }
    let begin = Instant::now();
    if ranges(child.store()?, child.shape, total, keys / 10)? {
        child.row("redb: random range reads", 1, seconds(begin), Unit::Seconds);
    }
    for threads in [4, 8, 16, 32] {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let (store, shape) = (child.store()?, child.shape);
            let handles: Vec<_> = (0..threads)
                .map(|t| scope.spawn(move || reads(store, shape, total, keys / 5, t + 2)))
                .collect();
            handles.into_iter().try_for_each(|h| h.join().map_err(|_| "a thread panicked")?)
        })?;
        child.row("redb: random reads", threads, seconds(begin), Unit::Seconds);
    }
    removals(child, total)?;
    child.row("redb: uncompacted size", 1, disk(&child.job.dir)? as f64, Unit::Bytes);
    let begin = Instant::now();
    let compacts = child.store.as_mut().ok_or("the store is closed")?.compact()?;
    if compacts {
        child.row("redb: compaction", 1, seconds(begin), Unit::Seconds);
        child.row("redb: compacted size", 1, disk(&child.job.dir)? as f64, Unit::Bytes);
    }
    Ok(())
}

/// Individual and batched writes of new keys; the number of keys after them.
fn writes(child: &mut Child, keys: u64) -> Result<u64> {
    let shape = child.shape;
    let mut value = shape.value();
    let begin = Instant::now();
    let mut session = child.store()?.session();
    for n in keys..keys + WRITES {
        shape.fill(&mut value, n, 1);
        session.put(&shape.key(n), &value)?;
    }
    let single = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let total = keys + WRITES + WRITES * BATCH;
    for from in (keys + WRITES..total).step_by(BATCH as usize) {
        let batch: Vec<Pair> = (from..from + BATCH).map(|n| pair(&shape, n, 1)).collect();
        session.batch(&batch)?;
    }
    let batched = begin.elapsed().as_secs_f64();
    drop(session);
    child.row("redb: individual writes", 1, single, Unit::Seconds);
    child.row("redb: batch writes", 1, batched, Unit::Seconds);
    Ok(total)
}

fn lengths(child: &mut Child, total: u64) -> Result<()> {
    let begin = Instant::now();
    let len = child.store()?.session().len()?;
    let spent = begin.elapsed().as_secs_f64();
    match len {
        Some(len) if len != total => Err(format!("{len} keys of {total}").into()),
        Some(_) => {
            child.row("redb: len()", 1, spent, Unit::Seconds);
            Ok(())
        }
        None => Ok(()),
    }
}

fn reads(store: &dyn Store, shape: Shape, total: u64, count: u64, seed: u64) -> Result<()> {
    let (mut session, mut random) = (store.session(), Random::new(mix(seed)));
    let mut buf = vec![0; VALUE_MAX];
    (0..count).try_for_each(|_| read(&mut *session, &shape, random.below(total), &mut buf))
}

/// Reads ranges; false if the store has none.
fn ranges(store: &dyn Store, shape: Shape, total: u64, count: u64) -> Result<bool> {
    let (mut session, mut random) = (store.session(), Random::new(3));
    for _ in 0..count {
        let from = shape.key(random.below(total));
        let (mut left, mut wrong) = (RANGE, false);
        let ordered = session.range(&from, &mut |key, value| {
            let n = u64::from_le_bytes(value[..8].try_into().unwrap_or_default());
            wrong |= *shape.key(n) != *key || shape.version(value, n).is_none() || *key < *from;
            left -= 1;
            left > 0
        })?;
        if !ordered {
            return Ok(false);
        }
        if wrong {
            return Err("a range has a wrong record".into());
        }
    }
    Ok(true)
}

/// Deletes half of the keys in batches.
fn removals(child: &mut Child, total: u64) -> Result<()> {
    let shape = child.shape;
    let begin = Instant::now();
    let mut session = child.store()?.session();
    for from in (0..total / 2).step_by(REMOVALS as usize) {
        let batch: Vec<Pair> = (from..(from + REMOVALS).min(total / 2))
            .map(|n| Pair { key: shape.key(n).to_vec(), value: None })
            .collect();
        session.batch(&batch)?;
    }
    let spent = begin.elapsed().as_secs_f64();
    let mut buf = vec![0; VALUE_MAX];
    for n in (0..total / 2).step_by(97) {
        if session.get(&shape.key(n), &mut buf)?.is_some() {
            return Err(format!("key {n} was removed and is there").into());
        }
    }
    drop(session);
    child.row("redb: removals", 1, spent, Unit::Seconds);
    Ok(())
}
