//! Spare files: what compaction has emptied, kept to be written over by new segments.
//!
//! Blocks that were written once need no metadata of the file system when they are written and
//! synced again, and their pages are mostly in the page cache still. So a few freed files stay, as
//! `GENERATION.spare`, and a new segment takes one before it makes a file.
//!
//! Invariants:
//! 1. A file becomes a spare only when nothing can need its bytes: the checkpoint that leaves the
//!    segment out is published, no reader and no pinned value has it mapped, no other name (a hard
//!    link of a backup) leads to it, and this opening of the database has made it: iterators and
//!    pinned values outlive their handle, so others may read a file that was found. Otherwise it is
//!    removed.
//! 2. A file named `.seg` never has the header of another segment. On the way out the file is
//!    renamed, the name is synced, and only then is the first page overwritten with zeros, and
//!    synced. On the way in it is renamed to a `.seg` that looks like one made ahead, until its own
//!    header is written.
//! 3. A spare says nothing. Whatever a crash leaves under such a name, the next open removes it.
//! 4. What lies behind the records of a segment that was made of a spare may be records of earlier
//!    segments. None of them verifies, since the generation is in the checksum; but there are many,
//!    and a checksum has 32 bits. So the header says that there are remains, and where records are
//!    looked for that should not be there, one counts only if what follows it is none of them
//!    either (see [`super::resync`]).
//!
//! What a crash leaves, step by step: the old name, of a segment that no checkpoint lists; or the
//! spare; or a new segment without a header, or with one. All of these recovery knew before.

use super::segment::{Segment, SEGMENT_MIN};
use crate::error::{Error, Result};
use crate::sabotage::{self, Sabotage};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::io::{File, Io};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

/// Most spares, however small.
const SPARES_MAX: usize = 16;
/// What is overwritten with zeros: the page of the header and of what may look like a first record.
const HEADER_PAGE: usize = 4096;
/// How the name ends.
pub(crate) const SPARE_END: &str = ".spare";

/// The spares of a database.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    files: Mutex<Vec<Spare>>,
    recycled: AtomicU64,
}

#[derive(Debug)]
struct Spare {
    path: PathBuf,
    len: usize,
}

impl Spares {
    fn files(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all spares.
    pub(crate) fn bytes(&self) -> u64 {
        self.files().iter().map(|s| s.len as u64).sum()
    }

    /// Segments that were made of a spare since open.
    pub(crate) fn recycled(&self) -> u64 {
        self.recycled.load(Ordering::Relaxed)
    }

    /// Gets rid of the files of segments that no slot names any more: keeps those that may be
    /// kept, within `bytes_max` in all, and removes the others. The error of a sync of the
    /// directory is told apart: it is final for the database.
    pub(crate) fn retire(
        &self,
        dir: &Path,
        io: &dyn Io,
        segments: Vec<Arc<Segment>>,
        bytes_max: u64,
    ) -> std::result::Result<(), Retired> {
        let (mut renamed, mut failed) = (Vec::new(), None);
        let (mut bytes, mut count) = (0, 0);
        for segment in segments {
            let (path, len) = (segment.path.clone(), segment.len());
            if renamed.is_empty() {
                // Segments grow with the database; what they have outgrown makes way.
                self.outgrown(io, len);
                (bytes, count) = (self.bytes(), self.files().len());
            }
            let fits = count < SPARES_MAX && bytes + len as u64 <= bytes_max;
            // Whoever else holds the segment may be looking at its bytes.
            let fits = fits && segment.is_of_this_opening();
            let alone = Arc::try_unwrap(segment).is_ok_and(Segment::given_up);
            let spare = path.with_extension(&SPARE_END[1..]);
            let kept = fits
                && alone
                && is_unshared(io, &path).unwrap_or_else(|e| {
                    failed = Some(os("look at", &path, &e));
                    false
                });
            let done = if kept { io.rename(&path, &spare) } else { io.remove(&path) };
            match done {
                Ok(()) if kept => {
                    bytes += len as u64;
                    count += 1;
                    renamed.push(spare);
                }
                Ok(()) => {}
                // A file that stays is a leftover for the next open.
                Err(_) if !kept => {}
                Err(e) => failed = Some(os("rename", &path, &e)),
            }
        }
        if !renamed.is_empty() && !sabotage::is(Sabotage::UnsyncedSpare) {
            if let Err(e) = io.sync_dir(dir) {
                return Err(Retired::Sync(os("sync directory", dir, &e)));
            }
        }
        for path in renamed {
            // Shorter than its mapping was, if the end was given back when it was sealed.
            match clear_header(io, &path) {
                Ok(len) if len >= SEGMENT_MIN => self.files().push(Spare { path, len }),
                Ok(_) => drop(io.remove(&path)),
                Err(e) => {
                    failed = Some(os("clear", &path, &e));
                    let _ = io.remove(&path);
                }
            }
        }
        failed.map_or(Ok(()), |e| Err(Retired::Other(e)))
    }

    /// Gives the largest spare of at most `capacity` bytes, and not of less than half, the name
    /// `path`, and opens it.
    pub(crate) fn take(
        &self,
        io: &dyn Io,
        capacity: usize,
        need: usize,
        path: &Path,
    ) -> Result<Option<(Box<dyn File>, usize)>> {
        let mut files = self.files();
        let fits = |s: &Spare| s.len <= capacity && s.len >= need.max(capacity / 2);
        let best = (0..files.len()).filter(|i| fits(&files[*i])).max_by_key(|i| files[*i].len);
        let Some(best) = best else { return Ok(None) };
        let spare = files.swap_remove(best);
        drop(files);
        if let Err(e) = io.rename(&spare.path, path) {
            let _ = io.remove(&spare.path);
            return Err(os("rename", &spare.path, &e));
        }
        let file = io.open(path, true).map_err(|e| {
            let _ = io.remove(path);
            os("open", path, &e)
        })?;
        self.recycled.fetch_add(1, Ordering::Relaxed);
        Ok(Some((file, spare.len)))
    }

    /// Removes spares that no segment as large as `len` would take.
    fn outgrown(&self, io: &dyn Io, len: usize) {
        self.files().retain(|spare| {
            let stays = spare.len >= len / 2;
            if !stays {
                let _ = io.remove(&spare.path);
            }
            stays
        });
    }

    /// Removes spares until at most `bytes_max` bytes are left; true if that removed any.
    pub(crate) fn shrink(&self, io: &dyn Io, bytes_max: u64) -> bool {
        let mut files = self.files();
        let mut bytes: u64 = files.iter().map(|s| s.len as u64).sum();
        let before = files.len();
        files.sort_unstable_by_key(|s| s.len);
        while bytes > bytes_max {
            let spare = files.remove(0);
            bytes -= spare.len as u64;
            let _ = io.remove(&spare.path);
        }
        files.len() < before
    }
}

/// Why files could not be retired.
pub(crate) enum Retired {
    /// A sync of the directory failed.
    Sync(Error),
    Other(Error),
}

/// Whether the file has one name only.
fn is_unshared(io: &dyn Io, path: &Path) -> std::io::Result<bool> {
    Ok(io.open(path, false)?.names()? == 1)
}

/// Clears the header of a spare; the file's length.
fn clear_header(io: &dyn Io, path: &Path) -> std::io::Result<usize> {
    let file = io.open(path, true)?;
    let len = file.len()? as usize;
    file.write_all_at(&[0; HEADER_PAGE][..len.min(HEADER_PAGE)], 0)?;
    if !sabotage::is(Sabotage::UnsyncedSpare) {
        file.sync_data()?;
    }
    Ok(len)
}

fn os(action: &str, path: &Path, e: &std::io::Error) -> Error {
    Error::os(format!("{action} {}", path.display()), e)
}
