//! The file-system interface: all that the engine asks of files, small enough to simulate.
//!
//! Rules that every implementation keeps:
//! 1. What was stored through a [`Mapping`] or written with `write_at` is seen by every later
//!    read of the file, and outlives the process; it outlives a power loss once `sync_data` of
//!    the file has returned.
//! 2. A new name, a rename or a removal outlives a power loss once `sync_dir` of its directory
//!    has returned.
//! 3. After `allocate`, stores into the mapped range never fail for want of space.
//! 4. A failed `sync_data` says nothing about what reached the device; it is never retried.

use super::map::Mapping;
use crate::sabotage::{self, Sabotage};
use std::fmt::Debug;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// A file system.
pub(crate) trait Io: Send + Sync + Debug {
    /// Opens an existing file.
    fn open(&self, path: &Path, writable: bool) -> Result<Box<dyn File>>;
    /// Creates a file that must not exist, for reading and writing.
    fn create(&self, path: &Path) -> Result<Box<dyn File>>;
    /// Creates a directory and its missing parents.
    fn create_dir(&self, path: &Path) -> Result<()>;
    /// Names in a directory, in any order, without `.` and `..`.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;
    /// Whether something has this name.
    fn exists(&self, path: &Path) -> Result<bool>;
    /// Renames a file over whatever had the new name, atomically.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Gives a file another name, which must be free. A file system without links refuses.
    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let _ = (from, to);
        Err(std::io::ErrorKind::Unsupported.into())
    }
    /// Makes names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> Result<()>;
    /// Takes the lock file, shared or exclusive, without waiting: `None` when another process
    /// has it. The lock goes with the guard, and with the process at the latest.
    fn lock(&self, path: &Path, exclusive: bool) -> Result<Option<Box<dyn Send + Sync>>>;
    /// Identifies this boot of the kernel, or 0 where the system does not say. Within one boot,
    /// rule 1 holds for every process that dies.
    fn boot_id(&self) -> u64;
    /// Bytes that a file in `dir` may still take, where the system says so. No promise.
    fn free_space(&self, dir: &Path) -> Option<u64> {
        let _ = dir;
        None
    }
    /// Fills `bytes` with random ones.
    fn random(&self, bytes: &mut [u8]) -> Result<()>;
    /// Whether calls are to be made one after the other, so that a run can be repeated exactly.
    fn is_serial(&self) -> bool {
        false
    }
}

/// An open file.
pub(crate) trait File: Send + Sync + Debug {
    /// Length in bytes.
    fn len(&self) -> Result<u64>;
    /// Reads exactly `buf.len()` bytes, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()>;
    /// The same without waiting for the device: false if that cannot be, and then `buf` holds
    /// anything. Where the system has no such read it cannot.
    fn read_at_nowait(&self, buf: &mut [u8], offset: u64) -> Result<bool> {
        let _ = (buf, offset);
        Ok(false)
    }
    /// Has the system begin to read some bytes from the device, without waiting. A hint.
    fn will_need(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }
    /// Writes all of `buf`.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()>;
    /// Sets the length; new bytes are zero.
    fn set_len(&self, len: u64) -> Result<()>;
    /// Makes the file `len` bytes long with every block allocated.
    fn allocate(&self, len: u64) -> Result<()>;
    /// How many names lead to the file.
    fn names(&self) -> Result<u64> {
        Ok(1)
    }
    /// Makes the contents durable.
    fn sync_data(&self) -> Result<()>;
    /// The same for the pages of `map`, a mapping of the file, that begin before `end`. What was made
    /// present ahead is then not written, and need not be made writable again.
    fn sync_data_below(&self, map: &Mapping, end: usize) -> Result<()> {
        let _ = (map, end);
        self.sync_data()
    }
    /// Maps the first `len` bytes, shared with every other view of the file.
    fn map(&self, len: usize, writable: bool) -> Result<Mapping>;
}

/// No small file is longer: CHECKPOINT with every segment slot in use takes 12 MiB.
pub(crate) const SMALL_FILE_MAX: u64 = 16 << 20;

/// Reads a whole small file. One of more than [`SMALL_FILE_MAX`] bytes is `InvalidData`, so that a
/// damaged length costs no memory.
pub(crate) fn read_file(io: &dyn Io, path: &Path) -> Result<Vec<u8>> {
    let file = io.open(path, false)?;
    let len = file.len()?;
    if len > SMALL_FILE_MAX {
        let text = format!("{len} bytes are more than the {SMALL_FILE_MAX} that it may have");
        return Err(Error::new(ErrorKind::InvalidData, text));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Puts a small file in place so that a crash leaves the old one or the new one, whole: write
/// beside it, sync, rename, sync the directory.
pub(crate) fn replace_file(io: &dyn Io, dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (temporary, path) = (dir.join(format!("{name}.tmp")), dir.join(name));
    if sabotage::is(Sabotage::CheckpointInPlace) && io.exists(&path)? {
        let file = io.open(&path, true)?;
        file.set_len(bytes.len() as u64)?;
        file.write_all_at(bytes, 0)?;
        return file.sync_data();
    }
    if io.exists(&temporary)? {
        io.remove(&temporary)?;
    }
    let file = io.create(&temporary)?;
    file.write_all_at(bytes, 0)?;
    if !sabotage::is(Sabotage::RenameBeforeSync) {
        file.sync_data()?;
    }
    drop(file);
    io.rename(&temporary, &path)?;
    io.sync_dir(dir)
}
