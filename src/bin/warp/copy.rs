//! Directories of databases as files, for backup and restore.

use crate::failure::Outcome;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use warp_engine::Error;

/// The file without which a directory is no database (`docs/format.md`).
const MANIFEST: &str = "MANIFEST";
/// What only a serving process needs: its lock, and what it writes for others.
const PASSED_OVER: [&str; 3] = ["LOCK", "stats.json", "stats.json.tmp"];

/// An error of the operating system on `path`.
fn failed<'a>(action: &'a str, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    move |e| Error::os(format!("{action} {}", path.display()), &e)
}

/// Whether a command may make a directory here without touching what somebody else put there.
pub fn is_new_or_empty(dir: &Path) -> Outcome<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(failed("read the directory", dir)(e).into()),
    }
}

/// The files in a directory, in no order.
fn files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let os = failed("read the directory", dir);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(&os)? {
        let entry = entry.map_err(&os)?;
        if entry.file_type().map_err(&os)?.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Bytes of the files in a directory.
pub fn file_bytes(dir: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for file in files(dir)? {
        bytes += file.metadata().map_err(failed("look at", &file))?.len();
    }
    Ok(bytes)
}

/// Copies a database that nobody writes to into the new or empty directory `to`, everything on
/// the device when it returns; the number of bytes copied. MANIFEST comes last, so that a copy
/// that was cut short is no database; one that fails is removed.
pub fn database(from: &Path, to: &Path) -> Outcome<u64> {
    let is_new = !to.exists();
    fs::create_dir_all(to).map_err(failed("create", to))?;
    let copied = copy_files(from, to);
    if copied.is_err() {
        // Best effort: the error that is told is the first.
        for file in files(to).unwrap_or_default() {
            let _ = fs::remove_file(file);
        }
        if is_new {
            let _ = fs::remove_dir(to);
        }
    }
    Ok(copied?)
}

fn copy_files(from: &Path, to: &Path) -> Result<u64, Error> {
    let named = |file: &Path, name: &str| file.file_name().is_some_and(|n| n == name);
    let (last, first): (Vec<_>, Vec<_>) = files(from)?
        .into_iter()
        .filter(|f| !PASSED_OVER.iter().any(|name| named(f, name)))
        .partition(|f| named(f, MANIFEST));
    let mut bytes = 0;
    for files in [first, last] {
        for file in files {
            let target = to.join(file.file_name().unwrap_or_default());
            bytes += copy_file(&file, &target)?;
        }
        sync(to)?;
    }
    // The name of the directory itself; one that cannot be opened was not made here.
    match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync(parent)?,
        _ => sync(Path::new("."))?,
    }
    Ok(bytes)
}

fn copy_file(from: &Path, to: &Path) -> Result<u64, Error> {
    let mut source = File::open(from).map_err(failed("open", from))?;
    let mut target = File::create_new(to).map_err(failed("create", to))?;
    let bytes = io::copy(&mut source, &mut target)
        .map_err(|e| Error::os(format!("copy {} to {}", from.display(), to.display()), &e))?;
    target.sync_all().map_err(failed("sync", to))?;
    Ok(bytes)
}

fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(failed("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::write(from.join("1.seg"), b"abc").unwrap();
        fs::write(from.join("LOCK"), b"").unwrap();
        assert_eq!(database(&from, &to).unwrap(), 3);
        assert!(!to.join("LOCK").exists());
        assert!(!is_new_or_empty(&to).unwrap());
        fs::remove_dir_all(&to).unwrap();
        fs::remove_dir_all(&from).unwrap();
        assert!(database(&from, &to).is_err());
        assert!(!to.exists());
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_new_or_empty(file.path()).is_err());
    }
}
