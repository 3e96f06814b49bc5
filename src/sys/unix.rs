//! The real file system, on Linux and macOS.

use super::io::{File, Io};
use super::map::Mapping;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The operating system's files.
#[derive(Debug)]
pub(crate) struct UnixIo;

impl Io for UnixIo {
    fn open(&self, path: &Path, writable: bool) -> Result<Box<dyn File>> {
        Ok(Box::new(fs::OpenOptions::new().read(true).write(writable).open(path)?))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        Ok(Box::new(fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let name = |entry: Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into());
        fs::read_dir(dir)?.map(name).collect()
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        path.try_exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        fs::hard_link(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path, exclusive: bool) -> Result<Option<Box<dyn Send + Sync>>> {
        let file = if exclusive {
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?
        } else {
            match fs::File::open(path) {
                // A read-only copy without a lock file: nobody can be writing to it.
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some(Box::new(()))),
                opened => opened?,
            }
        };
        let how = if exclusive { libc::LOCK_EX } else { libc::LOCK_SH } | libc::LOCK_NB;
        // SAFETY: a system call on a descriptor that `file` keeps open.
        if unsafe { libc::flock(file.as_raw_fd(), how) } == 0 {
            return Ok(Some(Box::new(Flock(file))));
        }
        match Error::last_os_error() {
            e if e.kind() == ErrorKind::WouldBlock => Ok(None),
            e => Err(e),
        }
    }

    fn boot_id(&self) -> u64 {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let hex: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&hex, 16).unwrap_or(0)
    }

    fn free_space(&self, dir: &Path) -> Option<u64> {
        let path = std::ffi::CString::new(dir.as_os_str().as_bytes()).ok()?;
        // SAFETY: zeros are a value of this structure of numbers.
        let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: a system call that reads a terminated string and fills a structure.
        let known = unsafe { libc::statvfs(path.as_ptr(), &mut stat) } == 0;
        // The types differ between systems.
        #[allow(clippy::unnecessary_cast)]
        known.then(|| (stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        std::io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, bytes)
    }
}

/// A held lock. Given up by a call and not by closing: a child of `fork` may have the descriptor.
struct Flock(fs::File);

impl Drop for Flock {
    fn drop(&mut self) {
        // SAFETY: a system call on a descriptor that is open.
        unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) };
    }
}

impl File for fs::File {
    fn len(&self) -> Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        FileExt::read_exact_at(self, buf, offset)
    }

    #[cfg(target_os = "linux")]
    fn read_at_nowait(&self, buf: &mut [u8], offset: u64) -> Result<bool> {
        let part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
        // SAFETY: a system call on an open descriptor that writes into `buf` alone.
        let n = unsafe {
            libc::preadv2(self.as_raw_fd(), &part, 1, offset as libc::off_t, libc::RWF_NOWAIT)
        };
        if n >= 0 {
            // Less than asked for: the rest is not in memory, or not there. A read that waits
            // tells which.
            return Ok(n as usize == buf.len());
        }
        let error = Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EOPNOTSUPP | libc::ENOSYS | libc::EINTR) => Ok(false),
            _ => Err(error),
        }
    }

    #[cfg(target_os = "linux")]
    fn will_need(&self, offset: u64, len: u64) {
        let (offset, len) = (offset as libc::off_t, len as libc::off_t);
        // SAFETY: a hint about an open descriptor.
        unsafe { libc::posix_fadvise(self.as_raw_fd(), offset, len, libc::POSIX_FADV_WILLNEED) };
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        FileExt::write_all_at(self, buf, offset)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        fs::File::set_len(self, len)
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, len: u64) -> Result<()> {
        loop {
            // SAFETY: a system call on an open descriptor.
            if unsafe { libc::fallocate(self.as_raw_fd(), 0, 0, len as libc::off_t) } == 0 {
                return Ok(());
            }
            let error = Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EOPNOTSUPP) => return allocate_by_writing(self, len),
                _ => return Err(error),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, len: u64) -> Result<()> {
        allocate_by_writing(self, len)
    }

    fn names(&self) -> Result<u64> {
        Ok(std::os::unix::fs::MetadataExt::nlink(&self.metadata()?))
    }

    fn sync_data(&self) -> Result<()> {
        fs::File::sync_data(self)
    }

    #[cfg(target_os = "linux")]
    fn sync_data_below(&self, map: &Mapping, end: usize) -> Result<()> {
        map.sync_below(end)
    }

    fn map(&self, len: usize, writable: bool) -> Result<Mapping> {
        if writable {
            let map = memmap2::MmapOptions::new().len(len).map_raw(self)?;
            Ok(Mapping::new(map.as_mut_ptr(), len, true, Box::new(map)))
        } else {
            let map = memmap2::MmapOptions::new().len(len).map_raw_read_only(self)?;
            Ok(Mapping::new(map.as_mut_ptr(), len, false, Box::new(map)))
        }
    }
}

/// Allocates where the file system has no call for it: by writing zeros past the present end.
fn allocate_by_writing(file: &fs::File, len: u64) -> Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = file.metadata()?.len();
    while at < len {
        let n = (len - at).min(zeros.len() as u64);
        FileExt::write_all_at(file, &zeros[..n as usize], at)?;
        at += n;
    }
    Ok(())
}
