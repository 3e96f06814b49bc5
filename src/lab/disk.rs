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

use super::inode::{Inode, Still};
use super::random::Random;
use crate::sys::io::{File, Io};
use crate::sys::map::Mapping;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
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
    Rename,
    Remove,
    SyncDir,
    Lock,
    Len,
    Read,
    Write,
    SetLen,
    Allocate,
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
        })
    }

    fn of(state: State) -> Disk {
        Disk { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Calls so far, and syncs among them.
    pub(crate) fn calls(&self) -> (u64, u64) {
        let state = self.state();
        (state.calls, state.syncs)
    }

    /// Sets or lifts the fault.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// The call that the fault struck first.
    pub(crate) fn struck(&self) -> Option<Call> {
        self.state().struck
    }

    fn file(&self, inode: u64, writable: bool) -> Box<dyn File> {
        Box::new(SimFile { disk: self.clone(), inode, writable })
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

impl Io for Disk {
    fn open(&self, path: &Path, writable: bool) -> Result<Box<dyn File>> {
        let mut state = self.state();
        state.begin(Call::Open, false)?;
        let n = state.find(path)?;
        drop(state);
        Ok(self.file(n, writable))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        let mut state = self.state();
        state.begin(Call::Create, false)?;
        let n = state.create(path)?;
        drop(state);
        Ok(self.file(n, true))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        state.begin(Call::CreateDir, false)?;
        let mut all: Vec<&Path> = path.ancestors().collect();
        all.reverse();
        for dir in all {
            match state.live.get(dir) {
                Some(Node::Dir) => {}
                Some(Node::File(_)) => return Err(Error::from_raw_os_error(libc::ENOTDIR)),
                None => state.change(Change::Add(dir.to_path_buf(), Node::Dir)),
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut state = self.state();
        state.begin(Call::List, false)?;
        if state.live.get(dir) != Some(&Node::Dir) {
            return Err(Error::from_raw_os_error(libc::ENOENT));
        }
        let within = state.live.keys().filter(|p| p.parent() == Some(dir));
        Ok(within.filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        let mut state = self.state();
        state.begin(Call::Exists, false)?;
        Ok(state.live.contains_key(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state();
        state.begin(Call::Rename, false)?;
        let node = Node::File(state.find(from)?);
        state.check_parent(to)?;
        assert_eq!(from.parent(), to.parent(), "a rename stays in its directory");
        state.change(Change::Rename(from.to_path_buf(), to.to_path_buf(), node));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        state.begin(Call::Remove, false)?;
        state.find(path)?;
        state.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut state = self.state();
        state.begin(Call::SyncDir, false)?;
        if state.live.get(dir) != Some(&Node::Dir) {
            return Err(Error::from_raw_os_error(libc::ENOENT));
        }
        let changes = std::mem::take(&mut state.pending);
        for change in changes {
            if change.dir() == Some(dir) {
                change.apply(&mut state.durable);
            } else {
                state.pending.push(change);
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path, exclusive: bool) -> Result<Option<Box<dyn Send + Sync>>> {
        let mut state = self.state();
        state.begin(Call::Lock, false)?;
        if !exclusive {
            return Ok(Some(Box::new(())));
        }
        if !state.live.contains_key(path) {
            state.create(path)?;
        }
        if !state.locks.insert(path.to_path_buf()) {
            return Ok(None);
        }
        drop(state);
        Ok(Some(Box::new(Lock { disk: self.clone(), path: path.to_path_buf() })))
    }

    fn boot_id(&self) -> u64 {
        self.state().boot
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        let mut state = self.state();
        bytes.iter_mut().for_each(|b| *b = state.random.next() as u8);
        Ok(())
    }

    fn is_serial(&self) -> bool {
        true
    }
}

/// A lock that goes with its holder.
struct Lock {
    disk: Disk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

/// An open file.
#[derive(Debug)]
struct SimFile {
    disk: Disk,
    inode: u64,
    writable: bool,
}

impl SimFile {
    fn check_writable(&self) -> Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(Error::from_raw_os_error(libc::EBADF))
    }
}

impl File for SimFile {
    fn len(&self) -> Result<u64> {
        let mut state = self.disk.state();
        state.begin(Call::Len, false)?;
        Ok(state.inode(self.inode)?.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let mut state = self.disk.state();
        state.begin(Call::Read, false)?;
        let bytes = state.inode(self.inode)?.bytes();
        let from = bytes.get(offset as usize..).and_then(|b| b.get(..buf.len()));
        buf.copy_from_slice(from.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    /// Every other page, or so, is in memory.
    fn read_at_nowait(&self, buf: &mut [u8], offset: u64) -> Result<bool> {
        let there = self.disk.state().random.one_in(2);
        if there {
            self.read_exact_at(buf, offset)?;
        }
        Ok(there)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state();
        let end = offset as usize + buf.len();
        let grows = state.inode(self.inode)?.len() < end;
        let begun = state.begin(Call::Write, grows);
        // A write that fails may have written a part.
        let part = if begun.is_ok() { buf } else { &buf[..buf.len() / 2] };
        state.inode(self.inode)?.write(part, offset as usize);
        begun
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state();
        state.begin(Call::SetLen, false)?;
        state.inode(self.inode)?.set_len(len as usize);
        Ok(())
    }

    fn allocate(&self, len: u64) -> Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state();
        let grows = state.inode(self.inode)?.len() < len as usize;
        state.begin(Call::Allocate, grows)?;
        let inode = state.inode(self.inode)?;
        inode.set_len(inode.len().max(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.disk.state();
        let begun = state.begin(Call::Sync, false);
        let State { files, random, .. } = &mut *state;
        let inode =
            files.get_mut(&self.inode).ok_or_else(|| Error::from_raw_os_error(libc::EBADF))?;
        match begun {
            Ok(()) => inode.sync(),
            Err(_) => inode.fail_sync(random),
        }
        begun
    }

    fn map(&self, len: usize, writable: bool) -> Result<Mapping> {
        if writable {
            self.check_writable()?;
        }
        let mut state = self.disk.state();
        state.begin(Call::Map, false)?;
        let inode = state.inode(self.inode)?;
        if len > inode.len() || len == 0 {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        }
        let buffer = inode.buffer(writable);
        Ok(Mapping::new(buffer.address(), len, writable, Box::new(buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::io::read_file;

    fn path(name: &str) -> PathBuf {
        Path::new("/").join(name)
    }

    /// What `name` can hold after power losses.
    fn outcomes(disk: &Disk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
        let after = |seed| read_file(&disk.snapshot().after_power_loss(seed), &path(name)).ok();
        (0..200).map(after).collect()
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_may_go() {
        let disk = Disk::new(1);
        let file = disk.create(&path("a")).unwrap();
        file.write_all_at(b"old", 0).unwrap();
        let some = |bytes: &[u8]| Some(bytes.to_vec());
        assert!(outcomes(&disk, "a").contains(&None), "the name is not synced");
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        assert_eq!(outcomes(&disk, "a"), [some(b"old")].into());
        file.write_all_at(b"new", 0).unwrap();
        assert_eq!(outcomes(&disk, "a"), [some(b"old"), some(b"new")].into());
        let kill = disk.snapshot().after_kill(1);
        assert_eq!(read_file(&kill, &path("a")).unwrap(), b"new");
    }

    #[test]
    fn a_rename_is_kept_or_lost_whole() {
        let disk = Disk::new(1);
        for name in ["a", "b"] {
            let file = disk.create(&path(name)).unwrap();
            file.write_all_at(name.as_bytes(), 0).unwrap();
            file.sync_data().unwrap();
        }
        disk.sync_dir(Path::new("/")).unwrap();
        disk.rename(&path("a"), &path("b")).unwrap();
        assert_eq!(outcomes(&disk, "a"), [Some(b"a".to_vec()), None].into());
        assert_eq!(outcomes(&disk, "b"), [Some(b"a".to_vec()), Some(b"b".to_vec())].into());
        disk.sync_dir(Path::new("/")).unwrap();
        assert_eq!(outcomes(&disk, "b"), [Some(b"a".to_vec())].into());
    }

    #[test]
    fn stores_through_a_mapping_are_seen_and_count_as_unsynced() {
        let disk = Disk::new(1);
        let file = disk.create(&path("a")).unwrap();
        file.allocate(8192).unwrap();
        let map = file.map(8192, true).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        // SAFETY: within the mapping.
        unsafe { map.address().add(5000).write(7) };
        assert_eq!(read_file(&disk, &path("a")).unwrap()[5000], 7);
        let all = outcomes(&disk, "a");
        let bytes: BTreeSet<u8> = all.iter().map(|b| b.as_ref().unwrap()[5000]).collect();
        assert_eq!(bytes, [0, 7].into());
    }

    #[test]
    fn what_a_failed_sync_dropped_no_later_sync_brings_back() {
        let disk = Disk::new(1);
        let file = disk.create(&path("a")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_all_at(&[1; SECTORS * 512], 0).unwrap();
        const SECTORS: usize = 64;
        disk.set_fault(Some(Fault::Sync(disk.calls().1 + 1)));
        assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(libc::EIO));
        file.sync_data().unwrap();
        let lost = |b: &Option<Vec<u8>>| b.as_ref().unwrap().contains(&0);
        assert!(outcomes(&disk, "a").iter().all(lost));
    }

    #[test]
    fn one_seed_gives_one_run() {
        let run = |seed| {
            let disk = Disk::new(seed);
            disk.record();
            for n in 0..20 {
                let file = disk.create(&path(&n.to_string())).unwrap();
                file.write_all_at(&[n; 3000], 0).unwrap();
            }
            let snapshots = disk.recorded();
            let after = snapshots.last().unwrap().after_power_loss(seed);
            let names = after.list(Path::new("/")).unwrap();
            let read = |n: &String| read_file(&after, &path(n)).unwrap();
            (snapshots.len(), names.iter().map(read).collect::<Vec<_>>(), names)
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }
}
