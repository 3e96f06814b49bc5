//! An empty database: what it costs right after it was made.

use super::abi::CDb;
use super::Bench;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use warp_engine::Error;

const DISK: &str = "empty database, on disk";
const RESIDENT: &str = "empty database, resident";

pub(super) fn run(bench: &mut Bench, dir: &Path) -> Result<(), Error> {
    if !bench.wants(DISK) && !bench.wants(RESIDENT) {
        return Ok(());
    }
    let path = dir.join("empty");
    let before = resident();
    let db = CDb::open(&path, &bench.config.options)?;
    let after = resident();
    bench.row(DISK, disk_kib(&path)?, None, "KiB");
    if let (Some(before), Some(after)) = (before, after) {
        bench.row(RESIDENT, after - before, None, "KiB");
    }
    db.close()
}

/// What `du` says of a directory of files: blocks, not lengths.
fn disk_kib(dir: &Path) -> Result<f64, Error> {
    let blocks = || {
        let mut blocks = std::fs::metadata(dir)?.blocks();
        for entry in std::fs::read_dir(dir)? {
            blocks += entry?.metadata()?.blocks();
        }
        Ok(blocks)
    };
    let blocks = blocks().map_err(|e| Error::os(format!("read {}", dir.display()), &e))?;
    Ok(blocks as f64 / 2.0)
}

/// Resident memory of this process in KiB, where the kernel says it.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
