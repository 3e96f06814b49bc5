//! Puts that are on the device when they return, beside a bare write and sync.
//!
//! The yardstick writes one record after the other into a file that was filled with zeroes and
//! synced before, so that no sync has to write anything but data, and syncs after each. One thread
//! of the engine cannot be faster; many can, because they share a sync.

use super::abi::CDb;
use super::workload::{fill_value, is_value_of, key};
use super::yardstick::record_len;
use super::{for_a_while, median, Bench};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use warp_engine::Error;

/// Bytes of the yardstick's file; it begins anew at the end.
const FILE_BYTES: u64 = 16 << 20;
const THREADS: [u64; 3] = [1, 8, 24];

fn name(threads: u64) -> String {
    format!("durable put, {threads} thread{}", if threads == 1 { "" } else { "s" })
}

pub(super) fn run(bench: &mut Bench, dir: &Path) -> Result<(), Error> {
    if !THREADS.iter().any(|&threads| bench.wants(&name(threads))) {
        return Ok(());
    }
    let options = bench.config.with_durability("sync");
    let path = dir.join("durable");
    let db = CDb::open(&path, &options)?;
    // Each thread's puts so far: its keys are its own.
    let done: Vec<AtomicU64> = (0..24).map(|_| AtomicU64::new(0)).collect();
    let os = |e: std::io::Error| Error::os(format!("write a file in {}", dir.display()), &e);
    for threads in THREADS {
        let (mut engine, mut yardstick) = (Vec::new(), Vec::new());
        if !bench.wants(&name(threads)) {
            continue;
        }
        for _ in 0..bench.config.rounds {
            if threads == 1 {
                yardstick.push(bare(bench, dir).map_err(os)?);
            }
            engine.push(puts(bench, &db, threads, &done));
        }
        let yardstick = (threads == 1).then(|| median(yardstick));
        bench.row(&name(threads), median(engine), yardstick, "puts/s");
    }
    db.close()?;
    // All of them, from what is on disk.
    let db = CDb::open(&path, &options)?;
    let mut buf = vec![0; bench.config.value_len];
    for (thread, done) in done.iter().enumerate() {
        for n in 0..done.load(Ordering::Relaxed) {
            let n = number(thread as u64, n);
            assert!(db.get(&key(n), &mut buf).is_some() && is_value_of(&buf, n), "key {n}");
        }
    }
    db.close()
}

/// Key number `n` of a thread.
fn number(thread: u64, n: u64) -> u64 {
    thread << 40 | n
}

fn puts(bench: &Bench, db: &CDb, threads: u64, done: &[AtomicU64]) -> f64 {
    for_a_while(threads, bench.config.span, |t, go_on| {
        let mut value = vec![b'd'; bench.config.value_len];
        let begin = done[t as usize].load(Ordering::Relaxed);
        let mut n = begin;
        while go_on() {
            fill_value(&mut value, number(t, n));
            db.put(&key(number(t, n)), &value);
            n += 1;
        }
        done[t as usize].store(n, Ordering::Relaxed);
        n - begin
    })
}

/// Writes and syncs a second.
fn bare(bench: &Bench, dir: &Path) -> std::io::Result<f64> {
    let path = dir.join("bare");
    let file = File::create(&path)?;
    let zeroes = vec![0; 1 << 20];
    for at in (0..FILE_BYTES).step_by(zeroes.len()) {
        file.write_all_at(&zeroes, at)?;
    }
    file.sync_all()?;
    let record = vec![b'd'; record_len(bench.config.value_len)];
    let failed = std::sync::Mutex::new(Ok(()));
    let figure = for_a_while(1, bench.config.span, |_, go_on| {
        let (mut writes, mut at) = (0, 0);
        while go_on() {
            let written = file.write_all_at(&record, at).and_then(|()| file.sync_data());
            if written.is_err() {
                *failed.lock().expect("one thread") = written;
                break;
            }
            writes += 1;
            at += record.len() as u64;
            if at + record.len() as u64 > FILE_BYTES {
                at = 0;
            }
        }
        writes
    });
    std::fs::remove_file(path)?;
    failed.into_inner().expect("one thread").map(|()| figure)
}
