//! Opening and closing.
//!
//! Steps of open: take the directory's lock (waiting with backoff); read MANIFEST, STATE and
//! CHECKPOINT, or create them; recover; mark STATE as not clean, synced; under `durability=sync`, sync
//! what was replayed, which everybody can read from now on; start the upkeep threads.
//! A new database exists once its MANIFEST does, which is written last. STATE comes after the names
//! of MANIFEST and of the directory are on the device, so it is never there without them.
//!
//! Steps of close: stop the threads, checkpoint (which syncs) unless nothing has changed since the
//! last one, mark STATE as clean, synced, and give the lock back. A crash anywhere in between leaves a directory that is recovered as after any
//! other crash.

use super::links::Links;
use super::meta::{Checkpoint, Manifest, State};
use super::meta::{CHECKPOINT, CHECKPOINT_TEMPORARY, LOCK, MANIFEST, STATE, UNSYNCED};
use super::placement::{Map, Placement};
use super::{cache, checkpoint, commit, durability, linkfile, memory, publish, recovery, stats};
use super::{Engine, Home, Shard};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Hasher, SECRET_LEN, SLOTS};
use crate::index::rows::RowArena;
use crate::log::pool::FilePool;
use crate::log::reserve::RESERVE;
use crate::log::slots::SlotTable;
use crate::log::source::SegmentSource;
use crate::log::spares::SPARE_END;
use crate::options::Options;
use crate::sync::Mutex;
use crate::sys::io::{read_file, replace_file, Io};
use crate::sys::{self, barrier};
use crossbeam_utils::CachePadded;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Instant;

/// What open found and did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opened {
    /// Whether there were records.
    pub(crate) found: bool,
    pub(crate) replayed: u64,
    pub(crate) micros: u64,
    pub(crate) cut_logs: u64,
    pub(crate) cut_bytes: u64,
    pub(crate) rebuilt: bool,
}

impl Engine {
    /// Opens a database in memory.
    pub(crate) fn open_memory(options: &Options) -> Result<Engine> {
        let begin = Instant::now();
        if options.read_only {
            return Err(Error::invalid(
                "a database in memory cannot be opened with read_only=true",
            ));
        }
        let io: Arc<dyn Io> = Arc::new(sys::unix::UnixIo);
        let manifest = new_manifest(options, &*io)?;
        let mut engine = assemble(options, &manifest, None, None, FilePool::new(io), 1);
        engine.size_parts();
        engine.opened.micros = begin.elapsed().as_micros() as u64;
        Ok(engine)
    }

    /// Opens the database in `dir`, through `io`.
    pub(crate) fn open_dir(dir: &Path, options: &Options, io: Arc<dyn Io>) -> Result<Engine> {
        let begin = Instant::now();
        check_path(dir, options, &*io)?;
        let lock = take_lock(dir, options, &*io, begin)?;
        let home = Home { dir: dir.to_path_buf(), io: io.clone() };
        let manifest = match read_meta(&home, MANIFEST)? {
            Some(bytes) => Manifest::decode(&bytes).map_err(|e| e.context(dir.display()))?,
            None => create(&home, options)?,
        };
        if options.shards.is_some_and(|n| n != manifest.shards) {
            return Err(Error::invalid(format!(
                "option shards: {} has {} shards, which was fixed when it was created; \
                 leave the option out",
                dir.display(),
                manifest.shards
            )));
        }
        let state = read_state(&home)?;
        if state.is_none() && !options.read_only {
            sync_path(dir, &*io)?;
        }
        let checkpoint = read_checkpoint(&home, manifest.shards)?;
        let boot = io.boot_id();
        let unsynced = home.dir.join(UNSYNCED);
        let sync_failed = io
            .exists(&unsynced)
            .map_err(|e| Error::os(format!("look for {}", unsynced.display()), &e))?;
        let same_boot = state.is_some_and(|s| s.boot != 0 && s.boot == boot);
        let pool = FilePool::new(io.clone());
        let context = recovery::Context {
            home: &home,
            pool: &pool,
            database: manifest.database,
            checkpoint: &checkpoint,
            clean: state.is_some_and(|s| s.clean),
            // After a failed sync the page cache is worth no more than the device.
            same_boot: same_boot && !sync_failed,
            sync_failed,
            writable: !options.read_only,
        };
        let found = recovery::find_segments(&context, 2 * manifest.shards)?;
        let opens = state.map_or(0, |s| s.opens).max(found.generation >> 32) + 1;
        let stored = checkpoint.placement.as_ref();
        let mut engine = assemble(options, &manifest, stored, Some(dir), pool.clone(), opens);
        engine.opened = recovery::recover(&mut engine, &context, found)?;
        let is_whole = context.clean && !engine.opened.rebuilt && engine.opened.replayed == 0;
        let last = (is_whole && checkpoint.image != 0).then(|| checkpoint.clone());
        engine.checkpoints = checkpoint::Checkpoints::new(checkpoint.number, last);
        engine.checkpoints.set_log_bytes(checkpoint.segments.iter().map(|s| s.end).sum());
        if options.read_only {
            let links = linkfile::read(&home, manifest.database)?.unwrap_or_default().links;
            engine.links.load(None, links);
        } else {
            let (file, links) = linkfile::open(&home, manifest.database)?;
            engine.links.load(file, links);
        }
        engine.lock = Mutex::new(Some(lock));
        engine.home = Some(home);
        engine.size_parts();
        if !options.read_only {
            engine.mark(State { clean: false, opens, boot })?;
            engine.remove_old_files(&checkpoint);
            publish::remove(&*io, dir);
            engine.seal_large_segments();
            engine.source.open_reserve(engine.shards.len())?;
            if engine.is_sync() && engine.opened.replayed > 0 {
                // What a killed process had written and not synced is there again, for everybody
                // to read: it must not go with the power after all.
                engine.run_pass(engine.token())?;
            }
        } else {
            engine.halt(Error::new(
                ErrorKind::ReadOnly,
                "the database was opened with read_only=true",
            ));
        }
        engine.opened.micros = begin.elapsed().as_micros() as u64;
        Ok(engine)
    }

    /// Checkpoints and marks the directory as clean. The upkeep threads have ended. With `go_on`
    /// there are iterators that will read on.
    pub(crate) fn shut(&self, go_on: bool) -> Result<()> {
        let Some(home) = &self.home else { return Ok(()) };
        let shut = || {
            if self.options.read_only {
                return Ok(());
            }
            for shard in &self.shards {
                let prepared = shard.lock().log.take_prepared();
                prepared.map_or(Ok(()), |segment| self.source.discard(&segment))?;
            }
            if !self.is_checkpointed() {
                self.checkpoint()?;
            }
            self.compaction.stop();
            self.compaction.free_all(self)?;
            self.source.spares.shrink(&*home.io, 0);
            let state = read_state(home)?.ok_or_else(|| {
                Error::corruption(format!("{} is missing", home.dir.join(STATE).display()))
            })?;
            self.mark(State { clean: true, ..state })
        };
        let result = shut();
        if go_on {
            // After the last sync, which closes files; before another process may remove them.
            self.keep_files_open();
        }
        self.unlock();
        result
    }

    /// Writes STATE in place and syncs it.
    fn mark(&self, state: State) -> Result<()> {
        let Some(home) = &self.home else { return Ok(()) };
        let path = home.dir.join(STATE);
        let write = || {
            let is_new = !home.io.exists(&path)?;
            let file = if is_new { home.io.create(&path)? } else { home.io.open(&path, true)? };
            file.write_all_at(&state.encode(), 0)?;
            file.sync_data()?;
            if is_new {
                home.io.sync_dir(&home.dir)?;
            }
            Ok(())
        };
        write().map_err(|e: std::io::Error| Error::os(format!("write {}", path.display()), &e))
    }

    /// Removes images that no checkpoint names, a checkpoint that was never published, and spares of
    /// the last process.
    fn remove_old_files(&self, checkpoint: &Checkpoint) {
        let Some(home) = &self.home else { return };
        let current = super::meta::image_name(checkpoint.image);
        for name in home.io.list(&home.dir).unwrap_or_default() {
            let is_left = name == CHECKPOINT_TEMPORARY || name.ends_with(SPARE_END);
            if name.ends_with(".img") && name != current || is_left {
                // One that stays costs space and is tried again at the next open.
                let _ = home.io.remove(&home.dir.join(name));
            }
        }
    }
}

/// Puts an engine together around empty indexes.
fn assemble(
    options: &Options,
    manifest: &Manifest,
    stored: Option<&Map>,
    dir: Option<&Path>,
    pool: Arc<FilePool>,
    opens: u64,
) -> Engine {
    barrier::init();
    let arena = Arc::new(RowArena::default());
    let slots = Arc::new(SlotTable::new());
    let source = SegmentSource::new(
        dir.map(Path::to_path_buf),
        pool,
        manifest.database,
        opens,
        slots.clone(),
        options.durability,
    );
    let memory = memory::Memory::new(options.memory_limit, manifest.shards);
    if dir.is_some() {
        arena.set_limit(memory.index_limit() as usize);
        source.set_largest(memory.index_limit());
    }
    Engine {
        options: options.clone(),
        hasher: Hasher::new(&manifest.secret),
        shards: (0..manifest.shards)
            .map(|n| CachePadded::new(Shard::new(n, manifest.shards, &arena)))
            .collect(),
        placement: Placement::new(
            manifest.slots.clone(),
            stored,
            options.prefetch_links || options.learn_links,
        ),
        links: Links::new(options.learn_links, options.prefetch_links),
        slots,
        source,
        reads: stats::ReadCounters::new(),
        revisions: super::changed::Revisions::new(),
        memory,
        cache: cache::Cache::new(options),
        passes: durability::Passes::default(),
        commits: commit::Commits::default(),
        checkpoints: checkpoint::Checkpoints::default(),
        compaction: super::compact::Compaction::default(),
        monitor: super::monitor::Monitor::default(),
        pinning: super::pinning::Pinning::new(options.pin_shards),
        opened: Opened::default(),
        home: None,
        lock: Mutex::new(None),
        halted: AtomicBool::new(false),
        halt_reason: Mutex::new(None),
    }
}

fn new_manifest(options: &Options, io: &dyn Io) -> Result<Manifest> {
    let (mut database, mut secret) = ([0; 8], [0; SECRET_LEN]);
    io.random(&mut database)
        .and_then(|()| io.random(&mut secret))
        .map_err(|e| Error::os("read random bytes", &e))?;
    let shards = options.shards_or_default();
    Ok(Manifest {
        shards,
        database: u64::from_le_bytes(database),
        secret,
        slots: (0..SLOTS).map(|slot| (slot % shards) as u16).collect(),
    })
}

/// Refuses what is plainly wrong before anything is created, the lock file included.
fn check_path(dir: &Path, options: &Options, io: &dyn Io) -> Result<()> {
    let shown = dir.display();
    let os = |e: std::io::Error| Error::os(format!("open {shown}"), &e);
    if !io.exists(dir).map_err(os)? {
        if options.read_only || !options.create_if_missing {
            return Err(Error::invalid(format!(
                "{shown} does not exist, and create_if_missing is {} with read_only {}",
                options.create_if_missing, options.read_only
            )));
        }
        return io.create_dir(dir).map_err(os);
    }
    let names = io.list(dir).map_err(os)?;
    let has = |name: &str| names.iter().any(|n| n == name);
    if has(MANIFEST) {
        if options.error_if_exists {
            return Err(Error::invalid(format!("{shown} exists, and error_if_exists is true")));
        }
        return Ok(());
    }
    if has(STATE) || names.iter().any(|n| n.ends_with(".seg")) {
        return Err(Error::corruption(format!(
            "{shown}/{MANIFEST} is missing, though other files of a database are there"
        )));
    }
    // What a creation that was cut short leaves behind.
    let ours = [LOCK, CHECKPOINT, RESERVE, "MANIFEST.tmp", CHECKPOINT_TEMPORARY];
    if let Some(other) = names.iter().find(|n| !ours.contains(&n.as_str())) {
        return Err(Error::invalid(format!(
            "{shown} is not a database: it holds {other:?} and no {MANIFEST}; \
             name an empty or a new directory"
        )));
    }
    if options.read_only || !options.create_if_missing {
        return Err(Error::invalid(format!("{shown} holds no database")));
    }
    Ok(())
}

/// Makes the name of the directory durable, and of those that it is in: one of them may have been
/// created just now, or by a process that died before it came to this. What is synced later would
/// be lost with them.
fn sync_path(dir: &Path, io: &dyn Io) -> Result<()> {
    for path in dir.ancestors() {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match io.sync_dir(path) {
            Ok(()) => {}
            // One that cannot be opened or synced at all is none that the engine made.
            Err(e) if path != dir && !is_device_error(&e) => {}
            Err(e) => return Err(Error::os(format!("sync {}", path.display()), &e)),
        }
    }
    Ok(())
}

fn is_device_error(e: &std::io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EIO | libc::ENOSPC | libc::EDQUOT))
}

/// Takes the directory's lock, trying again until the time is up.
pub(crate) fn take_lock(
    dir: &Path,
    options: &Options,
    io: &dyn Io,
    begin: Instant,
) -> Result<Box<dyn Send + Sync>> {
    let path = dir.join(LOCK);
    let mut attempt = 0;
    loop {
        let taken = io
            .lock(&path, !options.read_only)
            .map_err(|e| Error::os(format!("lock {}", path.display()), &e))?;
        if let Some(lock) = taken {
            return Ok(lock);
        }
        let left = options.open_timeout.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "{} is held by another process, still, after {} ms",
                    path.display(),
                    options.open_timeout.as_millis()
                ),
            ));
        }
        std::thread::sleep(sys::backoff(attempt).min(left));
        attempt += 1;
    }
}

/// Reads one of the small files; `None` if it is not there.
fn read_meta(home: &Home, name: &str) -> Result<Option<Vec<u8>>> {
    match read_file(&*home.io, &home.dir.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(Error::corruption(format!("{}: {e}", home.dir.join(name).display())))
        }
        Err(e) => Err(Error::os(format!("read {}", home.dir.join(name).display()), &e)),
    }
}

/// STATE, if it is there and whole; otherwise the directory counts as not closed.
fn read_state(home: &Home) -> Result<Option<State>> {
    Ok(read_meta(home, STATE)?.and_then(|bytes| State::decode(&bytes).ok()))
}

fn read_checkpoint(home: &Home, shards: usize) -> Result<Checkpoint> {
    let shown = home.dir.display().to_string();
    let Some(bytes) = read_meta(home, CHECKPOINT)? else {
        return Err(Error::corruption(format!("{shown}/{CHECKPOINT} is missing")));
    };
    let checkpoint = Checkpoint::decode(&bytes).map_err(|e| e.context(&shown))?;
    let logs = checkpoint.logs.len();
    if logs != 2 * shards || checkpoint.segments.iter().any(|s| s.log as usize >= logs) {
        return Err(Error::corruption(format!(
            "{shown}/{CHECKPOINT} is of {logs} logs, {MANIFEST} of {shards} shards"
        )));
    }
    Ok(checkpoint)
}

/// Creates an empty database. It exists once MANIFEST does.
fn create(home: &Home, options: &Options) -> Result<Manifest> {
    let os =
        |e: std::io::Error| Error::os(format!("create a database in {}", home.dir.display()), &e);
    let manifest = new_manifest(options, &*home.io)?;
    let checkpoint =
        Checkpoint { logs: vec![Default::default(); 2 * manifest.shards], ..Checkpoint::default() };
    replace_file(&*home.io, &home.dir, CHECKPOINT, &checkpoint.encode()).map_err(os)?;
    replace_file(&*home.io, &home.dir, MANIFEST, &manifest.encode()).map_err(os)?;
    Ok(manifest)
}
