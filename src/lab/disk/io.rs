//! The calls of the simulated disk: [`Io`] and [`File`] as the engine knows them.
//!
//! Each begins with `State::begin`, which counts it and lets crashes, faults and the kernel have
//! their turn; only then does it do what it is for.

use super::{Call, Change, Disk, Node, State};
use crate::lab::session::DIR;
use crate::log::reserve::RESERVE;
use crate::sys::io::{File, Io};
use crate::sys::map::Mapping;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

impl Io for Disk {
    fn open(&self, path: &Path, writable: bool) -> Result<Box<dyn File>> {
        Disk::step();
        let mut state = self.state();
        state.begin(Call::Open, false)?;
        let n = state.find(path)?;
        drop(state);
        Ok(file(self, n, writable))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        Disk::step();
        let mut state = self.state();
        state.begin(Call::Create, false)?;
        let n = state.create(path)?;
        drop(state);
        Ok(file(self, n, true))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        Disk::step();
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
        Disk::step();
        let mut state = self.state();
        state.begin(Call::List, false)?;
        if state.live.get(dir) != Some(&Node::Dir) {
            return Err(Error::from_raw_os_error(libc::ENOENT));
        }
        let within = state.live.keys().filter(|p| p.parent() == Some(dir));
        Ok(within.filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Disk::step();
        let mut state = self.state();
        state.begin(Call::Exists, false)?;
        Ok(state.live.contains_key(path))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        Disk::step();
        let mut state = self.state();
        state.begin(Call::Link, false)?;
        let node = Node::File(state.find(from)?);
        state.check_parent(to)?;
        if state.live.contains_key(to) {
            return Err(Error::from_raw_os_error(libc::EEXIST));
        }
        state.change(Change::Add(to.to_path_buf(), node));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        Disk::step();
        let mut state = self.state();
        state.begin(Call::Rename, false)?;
        let node = Node::File(state.find(from)?);
        state.check_parent(to)?;
        assert_eq!(from.parent(), to.parent(), "a rename stays in its directory");
        state.change(Change::Rename(from.to_path_buf(), to.to_path_buf(), node));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        Disk::step();
        let mut state = self.state();
        state.begin(Call::Remove, false)?;
        state.find(path)?;
        state.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        Disk::step();
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
        Disk::step();
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

fn file(disk: &Disk, inode: u64, writable: bool) -> Box<dyn File> {
    Box::new(SimFile { disk: disk.clone(), inode, writable })
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

impl SimFile {
    fn sync(&self, end: usize) -> Result<()> {
        Disk::step();
        let mut state = self.disk.state();
        let begun = state.begin(Call::Sync, false);
        let State { files, random, .. } = &mut *state;
        let inode =
            files.get_mut(&self.inode).ok_or_else(|| Error::from_raw_os_error(libc::EBADF))?;
        match begun {
            Ok(()) => inode.sync_below(end),
            Err(_) => inode.fail_sync(random),
        }
        begun
    }
}

impl File for SimFile {
    fn len(&self) -> Result<u64> {
        Disk::step();
        let mut state = self.disk.state();
        state.begin(Call::Len, false)?;
        Ok(state.inode(self.inode)?.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        Disk::step();
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
        Disk::step();
        let mut state = self.disk.state();
        let end = offset as usize + buf.len();
        let grows = state.inode(self.inode)?.len() < end;
        let begun = state.begin(Call::Write, grows);
        let begun = begun.and_then(|()| state.check_room(self.inode, end));
        // A write that fails may have written a part.
        let part = if begun.is_ok() { buf } else { &buf[..buf.len() / 2] };
        state.inode(self.inode)?.write(part, offset as usize);
        begun
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.check_writable()?;
        Disk::step();
        let mut state = self.disk.state();
        state.begin(Call::SetLen, false)?;
        state.inode(self.inode)?.set_len(len as usize);
        Ok(())
    }

    fn allocate(&self, len: u64) -> Result<()> {
        self.check_writable()?;
        Disk::step();
        let mut state = self.disk.state();
        let grows = state.inode(self.inode)?.len() < len as usize;
        let reserve = state.live.get(Path::new(DIR).join(RESERVE).as_path());
        let is_reserve = reserve == Some(&Node::File(self.inode));
        state.begin(if is_reserve { Call::Reserve } else { Call::Allocate }, grows)?;
        state.check_room(self.inode, len as usize)?;
        let inode = state.inode(self.inode)?;
        inode.set_len(inode.len().max(len as usize));
        Ok(())
    }

    fn names(&self) -> Result<u64> {
        Disk::step();
        let mut state = self.disk.state();
        state.begin(Call::Len, false)?;
        let names = state.live.values().filter(|node| **node == Node::File(self.inode));
        Ok(names.count() as u64)
    }

    fn sync_data(&self) -> Result<()> {
        self.sync(usize::MAX)
    }

    fn sync_data_below(&self, _: &Mapping, end: usize) -> Result<()> {
        self.sync(end)
    }

    fn map(&self, len: usize, writable: bool) -> Result<Mapping> {
        if writable {
            self.check_writable()?;
        }
        Disk::step();
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
