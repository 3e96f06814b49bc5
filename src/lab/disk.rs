//! The simulated disk: a file system in memory behind [`crate::sys::io::Io`].
//!
//! 1. Everything follows from one seed. Calls are numbered; one thread makes them.
//! 2. A [`Snapshot`] is the disk at one moment. Two disks can be made of it: what the death of the
//!    process leaves (all that was stored), and what a power loss leaves: of each sector, length
//!    and change of a directory that no sync has covered, the old or the new, at random.
//! 3. With recording on, a snapshot is taken before every call that changes something. A call that
//!    only reads leaves the disk as it was, so a crash there is one at the next that changes.
//! 4. Changes of a directory (create, rename, remove) are kept or lost one by one, each whole.
//! 5. The kernel may write any sector back, and finish the oldest change of a directory, at any
//!    time; the disk does so now and then.
//! 6. A fault strikes the n-th call: an error, a failed sync that drops what it could not write,
//!    or a device that is full from there on until it is given room.

mod io;
#[cfg(test)]
mod tests;

use super::inode::{Inode, Still};
use super::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a call does, as far as crashes and faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Open,
    Create,
    CreateDir,
    List,
    Exists,
    Link,
    Rename,
    Remove,
    SyncDir,
    Lock,
    Len,
    Read,
    Write,
    SetLen,
    Allocate,
    /// Of the reserve: nothing but room for later is at stake.
    Reserve,
    Sync,
    Map,
}

impl Call {
    fn changes_something(self) -> bool {
        !matches!(self, Call::Open | Call::List | Call::Exists | Call::Len | Call::Read | Call::Map)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The n-th call fails with EIO.
    Error(u64),
    /// The n-th sync of a file or a directory fails.
    Sync(u64),
    /// From the n-th call on there is no room.
    Full(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Dir,
    File(u64),
}

/// A change of a directory that no sync has covered.
#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, Node),
    Rename(PathBuf, PathBuf, Node),
    Remove(PathBuf),
}

impl Change {
    fn dir(&self) -> Option<&Path> {
        self.path().parent()
    }

    fn path(&self) -> &Path {
        match self {
            Change::Add(path, _) | Change::Remove(path) | Change::Rename(_, path, _) => path,
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Change::Add(path, node) => drop(names.insert(path.clone(), *node)),
            Change::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Change::Remove(path) => drop(names.remove(path)),
        }
    }
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Debug)]
struct State {
    files: BTreeMap<u64, Inode>,
    next_file: u64,
    live: Names,
    durable: Names,
    pending: Vec<Change>,
    locks: BTreeSet<PathBuf>,
    boot: u64,
    random: Random,
    calls: u64,
    syncs: u64,
    recording: bool,
    recorded: Vec<Snapshot>,
    fault: Option<Fault>,
    /// The call that a fault struck first.
    struck: Option<Call>,
    /// Bytes that all files may have together.
    room: Option<u64>,
}

/// A simulated disk. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
}

/// A disk at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    files: BTreeMap<u64, Still>,
    next_file: u64,
    live: Names,
    durable: Names,
    pending: Vec<Change>,
    boot: u64,
    /// The number of the call that was about to be made.
    pub(crate) call: u64,
    /// What it was to do.
    pub(crate) kind: Option<Call>,
}

impl Disk {
    /// An empty disk with a root directory.
    pub(crate) fn new(seed: u64) -> Disk {
        let root: Names = [(PathBuf::from("/"), Node::Dir)].into();
        Disk::of(State {
            files: BTreeMap::new(),
            next_file: 1,
            live: root.clone(),
            durable: root,
            pending: Vec::new(),
            locks: BTreeSet::new(),
            boot: 1,
            random: Random::new(seed),
            calls: 0,
            syncs: 0,
            recording: false,
            recorded: Vec::new(),
            fault: None,
            struck: None,
            room: None,
        })
    }

    fn of(state: State) -> Disk {
        Disk { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each call is a step at which others may come between.
    fn step() {
        #[cfg(feature = "shuttle")]
        crate::sync::yield_now();
    }

    /// The disk now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state().snapshot(None)
    }

    /// Takes away every file whose name ends so.
    pub(crate) fn lose(&self, ending: &str) {
        let state = &mut *self.state();
        for names in [&mut state.live, &mut state.durable] {
            names.retain(|path, _| !path.to_string_lossy().ends_with(ending));
        }
        state.pending.retain(|change| !change.path().to_string_lossy().ends_with(ending));
    }

    /// Begins to take a snapshot before every call that changes something.
    pub(crate) fn record(&self) {
        self.state().recording = true;
    }

    /// The snapshots since the last time.
    pub(crate) fn recorded(&self) -> Vec<Snapshot> {
        std::mem::take(&mut self.state().recorded)
    }

    /// The same, and takes no more of them.
    pub(crate) fn stop_recording(&self) -> Vec<Snapshot> {
        self.state().recording = false;
        self.recorded()
    }

    /// Calls so far, and syncs among them.
    pub(crate) fn calls(&self) -> (u64, u64) {
        let state = self.state();
        (state.calls, state.syncs)
    }

    /// Sets or lifts the fault.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Sets how many bytes all files may have together.
    pub(crate) fn set_room(&self, room: Option<u64>) {
        self.state().room = room;
    }

    /// Bytes of all files that have a name.
    pub(crate) fn used(&self) -> u64 {
        let state = self.state();
        let len = |node: &Node| match node {
            Node::File(n) => state.files.get(n).map_or(0, |file| file.len() as u64),
            Node::Dir => 0,
        };
        state.live.values().map(len).sum()
    }

    /// The call that the fault struck first.
    pub(crate) fn struck(&self) -> Option<Call> {
        self.state().struck
    }
}

impl Snapshot {
    fn disk(&self, files: BTreeMap<u64, Inode>, names: [Names; 2], boot: u64, seed: u64) -> State {
        let [live, durable] = names;
        State {
            files,
            next_file: self.next_file,
            live,
            durable,
            pending: Vec::new(),
            locks: BTreeSet::new(),
            boot,
            random: Random::new(seed),
            calls: 0,
            syncs: 0,
            recording: false,
            recorded: Vec::new(),
            fault: None,
            struck: None,
            room: None,
        }
    }

    /// What the death of the process leaves.
    pub(crate) fn after_kill(&self, seed: u64) -> Disk {
        let files = self.files.iter().map(|(n, f)| (*n, f.after_kill())).collect();
        let names = [self.live.clone(), self.durable.clone()];
        let mut state = self.disk(files, names, self.boot, seed);
        state.pending.clone_from(&self.pending);
        Disk::of(state)
    }

    /// What the death of the process leaves once the kernel has forgotten pages that it takes for
    /// clean: only after a failed sync is that anything else.
    pub(crate) fn after_kill_and_eviction(&self, seed: u64) -> Disk {
        let mut random = Random::new(seed);
        let files = self.files.iter();
        let files = files.map(|(n, f)| (*n, f.after_kill_and_eviction(&mut random))).collect();
        let names = [self.live.clone(), self.durable.clone()];
        let mut state = self.disk(files, names, self.boot, seed);
        state.pending.clone_from(&self.pending);
        Disk::of(state)
    }

    /// What a power loss leaves.
    pub(crate) fn after_power_loss(&self, seed: u64) -> Disk {
        let mut random = Random::new(seed);
        let mut names = self.durable.clone();
        let keep = [0, 16, 8, 3, 13][random.below(5) as usize];
        for change in &self.pending {
            if random.below(16) < keep {
                change.apply(&mut names);
            }
        }
        // A name in a directory that was lost is lost with it.
        let parents: BTreeSet<PathBuf> =
            names.iter().filter(|(_, n)| **n == Node::Dir).map(|(p, _)| p.clone()).collect();
        names.retain(|path, _| path.ancestors().skip(1).all(|p| parents.contains(p)));
        let kept = |n: &u64| names.values().any(|node| *node == Node::File(*n));
        let files = self.files.iter().filter(|(n, _)| kept(n));
        let files = files.map(|(n, f)| (*n, f.after_power_loss(&mut random))).collect();
        let names = [names.clone(), names];
        Disk::of(self.disk(files, names, self.boot + 1, random.next()))
    }
}

impl State {
    fn snapshot(&self, kind: Option<Call>) -> Snapshot {
        // Files that a name leads to, now or after some crash.
        let mut named: BTreeSet<u64> = BTreeSet::new();
        let mut note = |node: &Node| {
            if let Node::File(n) = node {
                named.insert(*n);
            }
        };
        self.live.values().chain(self.durable.values()).for_each(&mut note);
        for change in &self.pending {
            if let Change::Add(_, node) | Change::Rename(_, _, node) = change {
                note(node);
            }
        }
        let files = self.files.iter().filter(|(n, _)| named.contains(n));
        Snapshot {
            files: files.map(|(n, f)| (*n, f.still())).collect(),
            next_file: self.next_file,
            live: self.live.clone(),
            durable: self.durable.clone(),
            pending: self.pending.clone(),
            boot: self.boot,
            call: self.calls,
            kind,
        }
    }

    /// Before each call: counts it, takes a snapshot, lets the kernel work, and fails if it must.
    /// `grows` says that the call needs room.
    fn begin(&mut self, call: Call, grows: bool) -> Result<()> {
        self.calls += 1;
        let is_sync = matches!(call, Call::Sync | Call::SyncDir);
        self.syncs += u64::from(is_sync);
        if call.changes_something() {
            if self.recording {
                let snapshot = self.snapshot(Some(call));
                self.recorded.push(snapshot);
            }
            self.kernel_works();
        }
        let errno = match self.fault {
            Some(Fault::Error(n)) if self.calls == n => libc::EIO,
            Some(Fault::Sync(n)) if is_sync && self.syncs == n => libc::EIO,
            Some(Fault::Full(n)) if self.calls >= n && grows => libc::ENOSPC,
            _ => return Ok(()),
        };
        self.struck.get_or_insert(call);
        Err(Error::from_raw_os_error(errno))
    }

    /// Whether a file may grow to `len` bytes. Files without a name take no room here.
    fn check_room(&self, inode: u64, len: usize) -> Result<()> {
        let Some(room) = self.room else { return Ok(()) };
        let named = self.live.values().filter_map(|node| match node {
            Node::File(n) => self.files.get(n).map(|file| (*n, file.len())),
            Node::Dir => None,
        });
        let used: usize = named.map(|(n, l)| if n == inode { l.max(len) } else { l }).sum();
        if used as u64 > room {
            return Err(Error::from_raw_os_error(libc::ENOSPC));
        }
        Ok(())
    }

    fn kernel_works(&mut self) {
        if self.random.one_in(4) && !self.files.is_empty() {
            let n = self.random.below(self.files.len() as u64) as usize;
            if let Some(file) = self.files.values_mut().nth(n) {
                file.write_back(&mut self.random);
            }
        }
        if self.random.one_in(8) && !self.pending.is_empty() {
            self.pending.remove(0).apply(&mut self.durable);
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn find(&self, path: &Path) -> Result<u64> {
        match self.live.get(path) {
            Some(Node::File(n)) => Ok(*n),
            Some(Node::Dir) => Err(Error::from_raw_os_error(libc::EISDIR)),
            None => Err(Error::from_raw_os_error(libc::ENOENT)),
        }
    }

    fn check_parent(&self, path: &Path) -> Result<()> {
        match path.parent().and_then(|p| self.live.get(p)) {
            Some(Node::Dir) => Ok(()),
            _ => Err(Error::from_raw_os_error(libc::ENOENT)),
        }
    }

    fn create(&mut self, path: &Path) -> Result<u64> {
        self.check_parent(path)?;
        if self.live.contains_key(path) {
            return Err(Error::from_raw_os_error(libc::EEXIST));
        }
        let n = self.next_file;
        self.next_file += 1;
        self.files.insert(n, Inode::new());
        self.change(Change::Add(path.to_path_buf(), Node::File(n)));
        Ok(n)
    }

    fn inode(&mut self, n: u64) -> Result<&mut Inode> {
        self.files.get_mut(&n).ok_or_else(|| Error::from_raw_os_error(libc::EBADF))
    }
}
