//! Statistics for other processes: one alone may have a database open, so the one that has it writes
//! them into a small file that others may read (`warp stats --watch`).
//!
//! 1. The file is replaced whole by a rename, at most once in [`EVERY`], and only when something has
//!    changed. It is never synced: it means nothing after a crash.
//! 2. Nobody depends on it: what fails is tried again the next time, and recovery, verification and
//!    backups pass it over.
//! 3. It goes with the close; one that a killed process left goes at the next open. Until then its
//!    process id says that nobody is there.
//!
//! One upkeep thread, `warp-stats`, calls this.

use super::Engine;
use crate::sys::io::Io;
use std::fmt::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The name of the file.
pub(crate) const STATS: &str = "stats.json";
const TEMPORARY: &str = "stats.json.tmp";
/// How often it is written at most.
const EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// The body of the thread; ends when the other end of `stopped` goes.
    pub(crate) fn run_stats_thread(&self, stopped: &Receiver<()>) {
        let Some(home) = &self.home else { return };
        let (begin, mut last) = (Instant::now(), String::new());
        loop {
            let stats = self.stats_json();
            if stats != last && write(&*home.io, &home.dir, &stats, begin).is_ok() {
                last = stats;
            }
            if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        remove(&*home.io, &home.dir);
    }
}

/// Removes the file, if there is one.
pub(crate) fn remove(io: &dyn Io, dir: &Path) {
    for name in [STATS, TEMPORARY] {
        // One that stays says who wrote it and when.
        if io.exists(&dir.join(name)).unwrap_or(false) {
            let _ = io.remove(&dir.join(name));
        }
    }
}

fn write(io: &dyn Io, dir: &Path, stats: &str, begin: Instant) -> std::io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = String::with_capacity(stats.len() + 128);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{{\"pid\":{},\"unix_millis\":{},\"open_millis\":{},\"stats\":{stats}}}",
        std::process::id(),
        now.as_millis(),
        begin.elapsed().as_millis()
    );
    let temporary = dir.join(TEMPORARY);
    if io.exists(&temporary)? {
        io.remove(&temporary)?;
    }
    io.create(&temporary)?.write_all_at(text.as_bytes(), 0)?;
    io.rename(&temporary, &dir.join(STATS))
}
