//! Backup: a consistent copy of a serving database, which opens as a database of its own.
//!
//! The steps:
//! 1. keep compaction out, so that no segment goes away meanwhile;
//! 2. take positions P1 of all logs, and write an index image into the target, as a checkpoint does;
//! 3. take positions P2, and sync: everything below them is on the device, and the image points to
//!    nothing beyond them;
//! 4. put the segments into the target: a hard link for each that was sealed before P1, which
//!    neither database ever changes again; a copy up to P2 for the others, which the copy's own
//!    recovery will replay, seal and trim;
//! 5. publish: CHECKPOINT (with P1 and the segments as of P1), STATE (not clean, of no boot, so that
//!    the first open replays from P1 to the end), and MANIFEST last.
//!
//! The copy is the database as of P2, one moment for all shards. A target that holds an earlier
//! backup of the same database is brought up to date: what it has already stays, but MANIFEST, so
//! that nobody opens what is half of one moment and half of another. A crash on the way leaves a
//! directory that does not open, and that the next backup completes. One that was opened since (it
//! has a lock file) is refused.

use super::linkfile::{self, LINKS};
use super::meta::{image_name, Checkpoint, Manifest, SegmentInfo, State};
use super::meta::{CHECKPOINT, LOCK, MANIFEST, STATE};
use super::{image, Engine, Home};
use crate::error::{Error, ErrorKind, Result};
use crate::log::segment::{file_name, Segment, SEALED_AT, SEGMENT_HEADER};
use crate::log::stored::{Reader, WINDOW};
use crate::sys::io::{read_file, replace_file, Io};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

impl Engine {
    /// Makes a backup in the directory `to`.
    pub(crate) fn backup(&self, to: &Path) -> Result<()> {
        let Some(home) = &self.home else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a database in memory has no files to back up; dump it, or open it in a directory",
            ));
        };
        if !self.options.read_only {
            self.check_writable()?;
        }
        let _running = self.compaction.lock();
        let target = Target::new(home, to)?;
        let mut checkpoint = self.take_positions(target.number);
        checkpoint.image = target.number;
        let image = image_name(target.number);
        let file = target.create(&image)?;
        checkpoint.image_blocks =
            image::write(self, &*file).map_err(|e| e.context(to.display()))?;
        file.sync_data().map_err(|e| target.failed("sync", &image, &e))?;
        drop(file);
        let now = self.take_positions(target.number);
        if !self.options.read_only {
            self.run_pass(self.token())?;
        }
        for info in &now.segments {
            let sealed = info.ordinal < checkpoint.logs[info.log as usize].0.ordinal;
            target.put_segment(self, info, sealed)?;
        }
        let state = State { clean: false, opens: target.opens, boot: 0 };
        let links = self.links.all();
        if !links.is_empty() {
            let bytes = linkfile::encode_all(self.source.database(), &links);
            replace_file(target.io, target.dir, LINKS, &bytes)
                .map_err(|e| target.failed("write", LINKS, &e))?;
        }
        target.publish(&checkpoint, &state)?;
        target.tidy(&now.segments, &image);
        Ok(())
    }
}

/// The directory that the backup goes to.
struct Target<'a> {
    home: &'a Home,
    dir: &'a Path,
    io: &'a dyn Io,
    manifest: Vec<u8>,
    /// Number of the checkpoint in the backup: above that of an earlier backup there.
    number: u64,
    opens: u64,
}

impl<'a> Target<'a> {
    fn new(home: &'a Home, dir: &'a Path) -> Result<Self> {
        let io = &*home.io;
        let shown = dir.display();
        let os = |e: std::io::Error| Error::os(format!("back up to {shown}"), &e);
        let manifest = read_file(io, &home.dir.join(MANIFEST)).map_err(os)?;
        Manifest::decode(&manifest).map_err(|e| e.context(home.dir.display()))?;
        let state = read_file(io, &home.dir.join(STATE)).map_err(os)?;
        let opens = State::decode(&state).map_or(0, |s| s.opens);
        let mut target = Target { home, dir, io, manifest, number: 1, opens };
        if !io.exists(dir).map_err(os)? {
            io.create_dir(dir).map_err(os)?;
            return Ok(target);
        }
        let names = io.list(dir).map_err(os)?;
        let has = |name: &str| names.iter().any(|n| n == name);
        if names.is_empty() {
            return Ok(target);
        }
        if has(LOCK) {
            return Err(Error::invalid(format!(
                "{shown} has been opened as a database of its own; back up to another directory"
            )));
        }
        let theirs = if has(MANIFEST) { read_file(io, &dir.join(MANIFEST)).ok() } else { None };
        let cut_short = !has(MANIFEST) && names.iter().all(|n| is_ours(n));
        if theirs.as_ref() != Some(&target.manifest) && !cut_short {
            return Err(Error::invalid(format!(
                "{shown} holds something else than a backup of {}; \
                 name an empty or a new directory",
                home.dir.display()
            )));
        }
        if has(CHECKPOINT) {
            let bytes = read_file(io, &dir.join(CHECKPOINT)).map_err(os)?;
            let old = Checkpoint::decode(&bytes).map_err(|e| e.context(dir.display()))?;
            target.number = old.number + 1;
        }
        if has(MANIFEST) {
            // With some segments replaced by newer ones, the earlier backup would open as of no
            // moment at all. Without MANIFEST it does not open, and the next backup goes on here.
            io.remove(&dir.join(MANIFEST)).map_err(os)?;
            io.sync_dir(dir).map_err(os)?;
        }
        Ok(target)
    }

    fn failed(&self, action: &str, name: &str, e: &std::io::Error) -> Error {
        Error::os(format!("{action} {}", self.dir.join(name).display()), e)
    }

    /// A new file, instead of one that an earlier attempt may have left.
    fn create(&self, name: &str) -> Result<Box<dyn crate::sys::io::File>> {
        let path = self.dir.join(name);
        if self.io.exists(&path).map_err(|e| self.failed("look for", name, &e))? {
            self.io.remove(&path).map_err(|e| self.failed("remove", name, &e))?;
        }
        self.io.create(&path).map_err(|e| self.failed("create", name, &e))
    }

    /// Links or copies one segment.
    fn put_segment(&self, engine: &Engine, info: &SegmentInfo, sealed: bool) -> Result<()> {
        let name = file_name(info.generation);
        let from = self.home.dir.join(&name);
        let to = self.dir.join(&name);
        if sealed {
            match self.io.link(&from, &to) {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    // A link of an earlier backup stays; a copy of what was then active is short.
                    let file =
                        self.io.open(&to, false).map_err(|e| self.failed("open", &name, &e))?;
                    if file.len().is_ok_and(|len| len >= info.end) {
                        return Ok(());
                    }
                }
                // No links here, or not across these two file systems.
                Err(_) => {}
            }
        }
        let guard = crate::epoch::pin();
        // SAFETY: the guard and the lock of compaction keep the segment in its slot.
        let segment = unsafe { engine.slots.shared(info.slot) };
        drop(guard);
        self.copy(&segment, &name, info.end as usize)
    }

    /// Copies a segment's first `end` bytes.
    fn copy(&self, segment: &Arc<Segment>, name: &str, end: usize) -> Result<()> {
        let temporary = format!("{name}.tmp");
        let file = self.create(&temporary)?;
        let write = |bytes: &[u8], at: usize| {
            file.write_all_at(bytes, at as u64).map_err(|e| self.failed("write", &temporary, &e))
        };
        // Below the log's tail nothing changes but the mark in the header, which is written over
        // next.
        let mut reader = Reader::new(segment)?;
        for at in (0..end).step_by(WINDOW) {
            write(reader.bytes(at, end.min(at + WINDOW))?, at)?;
        }
        // What the header says of the log since, and of the device, is not so of this copy.
        write(&[0; SEGMENT_HEADER - SEALED_AT], SEALED_AT)?;
        file.sync_data().map_err(|e| self.failed("sync", &temporary, &e))?;
        self.io
            .rename(&self.dir.join(&temporary), &self.dir.join(name))
            .map_err(|e| self.failed("rename", &temporary, &e))
    }

    /// Step 5. Each file is synced before the next refers to it.
    fn publish(&self, checkpoint: &Checkpoint, state: &State) -> Result<()> {
        let replace = |name: &str, bytes: &[u8]| {
            replace_file(self.io, self.dir, name, bytes).map_err(|e| self.failed("write", name, &e))
        };
        self.io.sync_dir(self.dir).map_err(|e| self.failed("sync", "", &e))?;
        replace(CHECKPOINT, &checkpoint.encode())?;
        replace(STATE, &state.encode())?;
        replace(MANIFEST, &self.manifest)?;
        match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self
                .io
                .sync_dir(parent)
                .map_err(|e| Error::os(format!("sync {}", parent.display()), &e)),
            _ => Ok(()),
        }
    }

    /// Removes what only an earlier backup needed. What stays costs space and nothing else.
    fn tidy(&self, segments: &[SegmentInfo], image: &str) {
        let needed: BTreeSet<String> = segments.iter().map(|s| file_name(s.generation)).collect();
        for name in self.io.list(self.dir).unwrap_or_default() {
            let stale = name.ends_with(".seg") && !needed.contains(&name)
                || name.ends_with(".img") && name != image
                || name.ends_with(".tmp");
            if stale {
                let _ = self.io.remove(&self.dir.join(name));
            }
        }
    }
}

/// Whether a backup that was cut short may have left a file of this name.
fn is_ours(name: &str) -> bool {
    name == CHECKPOINT
        || name == STATE
        || name == LINKS
        || [".seg", ".img", ".tmp"].iter().any(|end| name.ends_with(end))
}
