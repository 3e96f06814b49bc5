//! Step 1 of recovery: the segment files of a directory, sorted into logs.

use super::Context;
use crate::engine::Home;
use crate::error::{Error, Result};
use crate::log::record::{self, RECORD_HEADER};
use crate::log::segment::{self, Identity, Segment, SEGMENT_HEADER};
use crate::sys::io::File;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// The segments of a directory.
#[derive(Default)]
pub(crate) struct Segments {
    /// For each log, its segments by ordinal.
    pub(super) logs: Vec<BTreeMap<u64, Arc<Segment>>>,
    /// Files that are of no use.
    pub(super) leftovers: Vec<PathBuf>,
    /// The highest generation seen.
    pub(crate) generation: u64,
}

/// Step 1.
pub(crate) fn find_segments(context: &Context, logs: usize) -> Result<Segments> {
    let Home { dir, io } = context.home;
    let names = io.list(dir).map_err(|e| Error::os(format!("list {}", dir.display()), &e))?;
    let mut found = Segments { logs: vec![BTreeMap::new(); logs], ..Segments::default() };
    for name in names.iter().filter(|n| n.ends_with(".seg")) {
        match open_segment(context, name, logs).map_err(|e| e.context(dir.join(name).display()))? {
            Some(segment) => found.add(context, segment),
            None => found.leftovers.push(dir.join(name)),
        }
    }
    for info in &context.checkpoint.segments {
        let name = segment::file_name(info.generation);
        let path = dir.join(&name);
        let log = found.logs.get(info.log as usize);
        let Some(segment) = log
            .and_then(|log| log.get(&info.ordinal))
            .filter(|s| s.id.generation == info.generation && s.id.slot == info.slot)
        else {
            return Err(Error::corruption(format!(
                "{} is missing: the checkpoint lists it as segment {} of log {}",
                path.display(),
                info.ordinal,
                info.log
            )));
        };
        if (segment.len() as u64) < info.end {
            return Err(Error::corruption(format!(
                "{} is truncated: it has {} bytes, its records end at {}",
                path.display(),
                segment.len(),
                info.end
            )));
        }
        segment.dead_bytes.store(info.dead, Ordering::Relaxed);
        segment.add_delete(info.deletes as usize, info.horizon);
    }
    Ok(found)
}

/// Opens one segment file; `None` if no log ever used it.
fn open_segment(context: &Context, name: &str, logs: usize) -> Result<Option<Segment>> {
    let Home { dir, io } = context.home;
    let path = dir.join(name);
    let os = |e: std::io::Error| Error::os("read", &e);
    let listed =
        context.checkpoint.segments.iter().any(|s| segment::file_name(s.generation) == name);
    let file = io.open(&path, false).map_err(os)?;
    let len = file.len().map_err(os)? as usize;
    let mut header = [0; SEGMENT_HEADER];
    if len >= SEGMENT_HEADER {
        file.read_exact_at(&mut header, 0).map_err(os)?;
    }
    // The magic number is written last: without it the file never became part of a log.
    let cut_short = len > 0 && len < SEGMENT_HEADER && context.same_boot;
    if header[..8] == [0; 8] && !listed && !cut_short {
        if first_record(&*file, len, context.database, name).is_some() {
            return Err(Error::corruption(
                "no segment's header at offset 0, though records follow",
            ));
        }
        return Ok(None);
    }
    if len < SEGMENT_HEADER {
        return Err(Error::corruption(format!("truncated to {len} bytes")));
    }
    let id = Identity::decode(&header)?;
    if id.database != context.database || id.file_name() != name || id.log as usize >= logs {
        return Err(Error::corruption(format!("not a segment of this database: {id:?}")));
    }
    if len as u64 > id.capacity {
        return Err(Error::corruption(format!("{len} bytes exceed its capacity {}", id.capacity)));
    }
    Ok(Some(Segment::found(id, &header, len, path, context.pool.clone())))
}

/// The length of the record that follows the header of a segment's file, if there is one.
fn first_record(file: &dyn File, len: usize, database: u64, name: &str) -> Option<usize> {
    let seed = segment::seed_of(database, segment::generation_of(name)?);
    let mut head = [0; RECORD_HEADER];
    file.read_exact_at(&mut head, SEGMENT_HEADER as u64).ok()?;
    let header = record::Header::decode(&head);
    let is_whole = header.kind != 0 && header.total_len() <= len.checked_sub(SEGMENT_HEADER)?;
    let mut bytes = vec![0; if is_whole { header.total_len() } else { return None }];
    file.read_exact_at(&mut bytes, SEGMENT_HEADER as u64).ok()?;
    record::parse(&bytes, seed).map(|r| r.total_len())
}

impl Segments {
    fn add(&mut self, context: &Context, segment: Segment) {
        let id = segment.id;
        self.generation = self.generation.max(id.generation);
        let listed = |g| context.checkpoint.segments.iter().any(|s| s.generation == g);
        let start = context.checkpoint.logs[id.log as usize].0.ordinal;
        // The checkpoint lists all segments up to its position: another one is a leftover.
        if id.ordinal <= start && !listed(id.generation) {
            return self.leftovers.push(segment.path.clone());
        }
        // Of two with one ordinal, the newer was made by a recovery that had cut the older off.
        let log = &mut self.logs[id.log as usize];
        match log.get(&id.ordinal) {
            Some(other) if other.id.generation > id.generation => {
                self.leftovers.push(segment.path.clone())
            }
            _ => {
                if let Some(old) = log.insert(id.ordinal, Arc::new(segment)) {
                    self.leftovers.push(old.path.clone());
                }
            }
        }
    }
}
