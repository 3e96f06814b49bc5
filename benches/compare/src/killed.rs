//! Open after SIGKILL under load, and what was lost.
//!
//! A child fills the store, then overwrites its keys in turn and counts in a mapped file what was
//! acknowledged, until it is killed. Another child opens, reads every key, and compares with the
//! count: at the levels `process` and `device` nothing acknowledged may be missing.

use crate::loads::read;
use crate::phases::{load, open, row, Job};
use crate::result::{Row, Unit};
use crate::store::{Level, Result};
use crate::workload::{Shape, VALUE_MAX};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the child says once it is under load.
const FILLED: &str = "filled";

/// Beside the store's directory, not in it.
fn count_path(job: &Job) -> PathBuf {
    job.dir.with_extension("acknowledged")
}

/// Fills, says so, and overwrites until it is killed.
pub fn load_until_killed(job: &Job) -> Result<()> {
    let count = map(&count_path(job))?;
    // SAFETY: a page-aligned map of eight bytes, of which there is one writer.
    let acknowledged = unsafe { &*count.as_ptr().cast::<AtomicU64>() };
    let shape = Shape { key_len: job.data.key_len, value_len: job.data.value_len };
    let store = open(job)?;
    let mut session = store.session();
    load(job, &mut *session, 0, job.data.keys, 0)?;
    println!("{FILLED}");
    std::io::stdout().flush()?;
    let mut value = shape.value();
    for i in 0.. {
        let n = i % job.data.keys;
        shape.fill(&mut value, n, i + 1);
        session.put(&shape.key(n), &value)?;
        acknowledged.store(i + 1, Ordering::Release);
    }
    Ok(())
}

fn map(path: &Path) -> Result<memmap2::MmapMut> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    file.set_len(8)?;
    // SAFETY: the file is this benchmark's own.
    Ok(unsafe { memmap2::MmapOptions::new().len(8).map_mut(&file)? })
}

/// Opens after the kill and compares all keys with what was acknowledged.
pub fn check(job: &Job, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let count = std::fs::read(count_path(job))?;
    let acknowledged = u64::from_le_bytes(count[..8].try_into()?);
    let shape = Shape { key_len: job.data.key_len, value_len: job.data.value_len };
    let begin = Instant::now();
    let store = open(job)?;
    let mut session = store.session();
    let mut buf = vec![0; VALUE_MAX];
    // A store that puts its work off until the first read has not opened before it.
    let _ = read(&mut *session, &shape, 0, &mut buf);
    let opened = begin.elapsed().as_secs_f64();
    let (keys, mut lost) = (job.data.keys, 0);
    for n in 0..keys {
        // The version of the last overwrite of the key that was acknowledged; 0 is that of the fill.
        let wanted = match acknowledged.checked_sub(n + 1) {
            Some(since) => n + since / keys * keys + 1,
            None => 0,
        };
        let found = session.get(&shape.key(n), &mut buf)?;
        let version = match found {
            Some(len) => {
                Some(shape.version(&buf[..len], n).ok_or_else(|| format!("key {n} is damaged"))?)
            }
            None => None,
        };
        if version.is_some_and(|version| version > acknowledged + 1) {
            return Err(format!("key {n} has a version from the future").into());
        }
        lost += u64::from(version.is_none_or(|version| version < wanted));
    }
    drop(session);
    tell(row(job, "open after SIGKILL under load", 1, opened, Unit::Seconds));
    tell(row(job, "writes acknowledged before it", 1, acknowledged as f64, Unit::Count));
    let mut losses = row(job, "keys that lost a write by it", 1, lost as f64, Unit::Count);
    if lost > 0 && job.level != Level::None {
        losses.note = Some("the promise of the level was broken".into());
    }
    tell(losses);
    store.close()
}

/// Starts the child that loads, and kills it when it has been under load for `span`.
pub fn kill_under_load(mut command: Command, span: Duration) -> Result<()> {
    command.stdout(Stdio::piped());
    let mut child = Killed(command.spawn()?);
    let stdout = child.0.stdout.take().ok_or("no pipe from the child")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim_end() != FILLED {
        return Err("the child that loads ended early; it says why above".into());
    }
    std::thread::sleep(span);
    match child.0.try_wait()? {
        Some(status) => Err(format!("the child that loads ended early: {status}").into()),
        None => Ok(()),
    }
}

/// A child that gets SIGKILL when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Of one that has ended already there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
