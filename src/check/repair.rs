//! Repair: everything that verifies, copied into a new database.
//!
//! The steps:
//! 1. the files of the damaged database, believed as far as they verify ([`super::files`]). What
//!    MANIFEST, CHECKPOINT or a segment's header would say and cannot is done without: the id that
//!    checksums start from is in every segment's header, the generation in its file's name, and
//!    where a key lives is decided anew;
//! 2. every record of every segment, past damage ([`super::walk`]): of each key the newest counts,
//!    and if that is a delete, the key is gone;
//! 3. the newest puts, written into a new database beside the destination, which gets its name
//!    once it is closed.
//!
//! Invariants:
//! 1. Nothing is written in the damaged database's directory.
//! 2. A key gets no value but the newest one that survived, and none if its delete is that.
//! 3. A batch comes back whole, or is listed as one that did not; a batch that was being written
//!    when the process died does not come back in part.

use super::files::{Files, SegmentFile};
use super::table::{Offered, Table, PUT};
use super::walk::{readable_key, walk, Item};
use super::{Damage, DamageKind};
use crate::db::Db;
use crate::engine::meta::{CHECKPOINT, MANIFEST};
use crate::engine::{linkfile, open, Home};
use crate::error::{Error, Result};
use crate::limits::{SHARDS_DEFAULT, SHARDS_MAX};
use crate::log::record::{self, Kind, Record, RECORD_HEADER};
use crate::log::resync::Resync;
use crate::log::segment::SEGMENT_HEADER;
use crate::options::{Durability, Options};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a repair saved, and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Everything that was found damaged or missing. The records in the damaged parts are lost,
    /// unless `what` says that a newer one of the same key survived.
    pub damage: Vec<Damage>,
    /// Keys in the new database.
    pub keys: u64,
    /// Bytes of their keys and values.
    pub key_bytes: u64,
    /// See `key_bytes`.
    pub value_bytes: u64,
    /// Records that verified, dead ones and deletes included.
    pub records: u64,
    /// Keys that stay deleted because their delete is the newest record.
    pub deleted: u64,
    /// Damaged batches of which records were saved, each in `damage` as well.
    pub partial_batches: u64,
    /// Bytes that hold no record though records should be there.
    pub lost_bytes: u64,
}

/// Repairs the database of `home` into `to`.
pub(crate) fn repair(
    home: Home,
    to: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<RepairReport> {
    let shown = home.dir.display().to_string();
    if !home.io.exists(&home.dir).map_err(|e| Error::os(format!("open {shown}"), &e))? {
        return Err(Error::invalid(format!("{shown} does not exist")));
    }
    let partial = destination(&home, to)?;
    let reading = Options { read_only: true, ..options.clone() };
    let _lock = open::take_lock(&home.dir, &reading, &*home.io, Instant::now())?;
    let mut files = Files::read(&home).map_err(|e| e.context(&shown))?;
    if files.segments.is_empty() && !files.is_database() {
        return Err(Error::invalid(format!("{shown} holds nothing of a database")));
    }
    let damage = std::mem::take(&mut files.damage);
    let report = RepairReport { damage, ..RepairReport::default() };
    let mut salvage = Salvage { files: &files, table: Table::new(), report, gaps: Vec::new() };
    // Every byte is read twice: to find the newest records, and to copy them.
    let total = 2 * files.bytes();
    let mut done = 0;
    for (number, segment) in files.segments.iter().enumerate() {
        salvage.segment(number as u32, segment);
        done += if segment.leftover { 0 } else { segment.len as u64 };
        progress(done, total);
    }
    salvage.judge_gaps();
    let shards = options.shards.unwrap_or_else(|| shards_of(&files));
    let db = create(&partial, shards)?;
    if let Some(map) = files.map() {
        map.rules.rules().iter().try_for_each(|rule| db.add_rule(rule))?;
    }
    if let Some(manifest) = &files.manifest {
        // A file of links that is damaged is in the report of `verify`; no record depends on it.
        let links =
            linkfile::read(&home, manifest.database).ok().flatten().unwrap_or_default().links;
        links.iter().try_for_each(|(from, to)| db.link(from, &to.key, to.strength))?;
    }
    salvage.copy(&db, &mut |bytes| progress(done + bytes, total))?;
    db.close()?;
    publish(&partial, to)?;
    let mut report = salvage.report;
    report.damage.sort_by_key(|d| (d.file.clone(), d.offset));
    Ok(report)
}

/// The number of shards that the database had, or could have had.
fn shards_of(files: &Files) -> usize {
    let logs = || files.segments.iter().filter_map(|s| Some(s.id?.log as usize + 1)).max();
    files.shards().or_else(logs).unwrap_or(SHARDS_DEFAULT).clamp(1, SHARDS_MAX)
}

/// Where the work is done: beside the destination, which must be free.
fn destination(home: &Home, to: &Path) -> Result<PathBuf> {
    let os = |e: std::io::Error| Error::os(format!("look at {}", to.display()), &e);
    if home.io.exists(to).map_err(os)? && !home.io.list(to).map_err(os)?.is_empty() {
        let text = format!("{} is not empty; name a new or an empty directory", to.display());
        return Err(Error::invalid(text));
    }
    let Some(name) = to.file_name() else {
        return Err(Error::invalid(format!("{} names no directory", to.display())));
    };
    let mut name = name.to_os_string();
    name.push(".partial");
    let partial = to.with_file_name(name);
    if home.io.exists(&partial).map_err(os)? {
        return Err(Error::invalid(format!(
            "{} exists: a repair that was cut short left it; remove it first",
            partial.display()
        )));
    }
    Ok(partial)
}

/// Makes the new database. Nothing needs to be durable before its close.
fn create(partial: &Path, shards: usize) -> Result<Db> {
    let options = Options {
        shards: Some(shards),
        durability: Durability::None,
        error_if_exists: true,
        // One checkpoint, at the close.
        checkpoint_interval: Some(Duration::from_secs(24 * 3600)),
        ..Options::default()
    };
    Db::open(Some(partial), &options)
}

/// Gives the finished database its name.
fn publish(partial: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::rename(partial, to)
        .and_then(|()| std::fs::File::open(parent)?.sync_all())
        .map_err(|e| Error::os(format!("rename {} to {}", partial.display(), to.display()), &e))
}

/// A stretch without records, and which entry of the list of damage it is.
struct Gap {
    damage: usize,
    /// Key and sequence number, as far as they can be read.
    record: Option<(Vec<u8>, u64)>,
}

struct Salvage<'a> {
    files: &'a Files,
    table: Table,
    report: RepairReport,
    gaps: Vec<Gap>,
}

/// A damaged or unfinished batch during a walk.
#[derive(Default)]
struct Loose<'a> {
    records: Vec<(usize, Record<'a>)>,
    /// Where its frame should begin, and whether anything was written there.
    frame: Option<(usize, bool)>,
}

impl Salvage<'_> {
    /// Step 2.
    fn segment(&mut self, number: u32, segment: &SegmentFile) {
        if segment.leftover {
            return;
        }
        let Some(seed) = segment.seed else {
            let what = "no file says what its checksums start from; nothing in it can be saved";
            let damage = Damage::new(DamageKind::File, &segment.name, what);
            self.report.lost_bytes += segment.len as u64;
            return self.report.damage.push(damage);
        };
        let bytes = segment.read(&mut self.report.damage);
        let remains = segment.id.is_some_and(|id| id.remains);
        let resync = Resync::new(&bytes, seed).with_remains(remains);
        // What lies behind the end that the next segment names was cut off by a recovery.
        let limit = segment.end.unwrap_or(bytes.len()).min(bytes.len());
        let mut loose = Loose::default();
        let end = walk(&resync, SEGMENT_HEADER, limit, &mut |item| match item {
            Item::Record { at, record } => {
                self.flush(number, segment, &mut loose, true);
                self.offer(number, at, &record);
            }
            Item::Batch => self.flush(number, segment, &mut loose, true),
            Item::Inner { at, record, whole: true } => self.offer(number, at, &record),
            Item::Inner { at, record, whole: false } => loose.records.push((at, record)),
            Item::BadFrame { at, to } => {
                self.flush(number, segment, &mut loose, true);
                let what = "a batch frame holds something that is no record of its batch";
                let damage = Damage::new(DamageKind::Batch, &segment.name, what);
                self.report.damage.push(damage.at(at, to));
                self.report.partial_batches += 1;
            }
            Item::Gap { from, to } => {
                self.flush(number, segment, &mut loose, true);
                let begun = bytes[from..to.min(from + RECORD_HEADER)].iter().any(|b| *b != 0);
                loose.frame = Some((from, begun));
                self.gap(segment, &bytes, (from, to), "the record does not match its checksum");
            }
        });
        self.flush(number, segment, &mut loose, false);
        let known = segment
            .end
            .unwrap_or_else(|| self.files.checkpointed(segment).unwrap_or(0).max(segment.synced));
        let rest = bytes.get(end..limit).unwrap_or_default();
        let torn = rest.iter().rposition(|b| *b != 0).map_or(end, |n| end + n + 1);
        let to = known.max(torn);
        if to > end {
            let what = if known > end {
                "the records up to here were on the device, and do not match their checksums"
            } else {
                "the log ends here in bytes that are no whole record: a write that was never \
                 acknowledged, or one that is damaged"
            };
            self.gap(segment, &bytes, (end, to), what);
        }
    }

    /// Notes a stretch without records.
    fn gap(&mut self, segment: &SegmentFile, bytes: &[u8], (from, to): (usize, usize), what: &str) {
        let record = readable_key(bytes, from, to.min(bytes.len()));
        let record = record.map(|(key, seq)| (key.to_vec(), seq));
        let key = record.as_ref().map(|(key, _)| &key[..]);
        let damage = Damage::new(DamageKind::Record, &segment.name, what).at(from, to).key(key);
        self.gaps.push(Gap { damage: self.report.damage.len(), record });
        self.report.lost_bytes += (to - from) as u64;
        self.report.damage.push(damage);
    }

    /// Decides on the records of a batch whose frame does not verify. At the end of a log
    /// (`more` is false) with nothing in the frame's place, the process died before the batch was
    /// complete: it never happened.
    fn flush(&mut self, number: u32, segment: &SegmentFile, loose: &mut Loose, more: bool) {
        let Loose { records, frame } = std::mem::take(loose);
        let (Some((first, _)), Some((last, record))) = (records.first(), records.last()) else {
            return;
        };
        let begun = frame.is_some_and(|(_, begun)| begun);
        let (from, to) = (frame.map_or(*first, |(at, _)| at), last + record.total_len());
        let what = if more || begun {
            self.report.partial_batches += 1;
            records.iter().for_each(|(at, record)| self.offer(number, *at, record));
            format!("a damaged batch: {} of its records were saved", records.len())
        } else {
            "a batch that was being written when the process died; it is left out".to_owned()
        };
        let damage = Damage::new(DamageKind::Batch, &segment.name, what);
        self.report.damage.push(damage.at(from, to));
    }

    fn offer(&mut self, number: u32, at: usize, record: &Record) {
        self.report.records += 1;
        let print = self.table.print(record.key);
        let offered = self.table.offer(print, record, 0, (number, at as u32));
        debug_assert!(offered != Offered::First || self.table.get(print).is_some());
    }

    /// Says of each damaged record whether anything is lost with it.
    fn judge_gaps(&mut self) {
        for Gap { damage, record } in &self.gaps {
            let Some((key, seq)) = record else { continue };
            let print = self.table.print(key);
            let more = match self.table.get(print).copied() {
                None => "; no other record of the key is left",
                Some(l) if l.seq >= *seq => "; a newer record of the key survived",
                Some(l) if l.flags & PUT != 0 => "; the key has an older value again",
                Some(_) => "; the key is deleted as it was before",
            };
            self.report.damage[*damage].what.push_str(more);
        }
        let mut note = |missing: bool, file: &str, what: &str| {
            if missing {
                self.report.damage.push(Damage::new(DamageKind::File, file, what));
            }
        };
        let what = "done without it: segments that an earlier recovery or compaction had set \
                    aside could not be told from others";
        note(self.files.checkpoint.is_none(), CHECKPOINT, what);
        let what = "done without it: the new database has a hash secret of its own";
        note(self.files.manifest.is_none(), MANIFEST, what);
    }

    /// Step 3.
    fn copy(&mut self, db: &Db, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let mut live = Vec::new();
        for latest in self.table.iter() {
            if latest.flags & PUT != 0 {
                live.push((latest.segment, latest.offset));
            } else {
                self.report.deleted += 1;
            }
        }
        live.sort_unstable();
        let mut done = 0;
        for part in live.chunk_by(|a, b| a.0 == b.0) {
            let segment = &self.files.segments[part[0].0 as usize];
            let bytes = segment.read(&mut Vec::new());
            for (_, offset) in part {
                let seed = segment.seed.unwrap_or(crate::log::segment::Seed(0));
                let parsed = record::parse(&bytes[*offset as usize..], seed);
                let Some(record) = parsed.filter(|r| r.kind == Kind::Put) else {
                    let text = format!("{} changed while it was read", segment.name);
                    return Err(Error::corruption(text));
                };
                db.put(record.key, record.value)?;
                self.report.keys += 1;
                self.report.key_bytes += record.key.len() as u64;
                self.report.value_bytes += record.value.len() as u64;
            }
            done += segment.len as u64;
            progress(done);
        }
        Ok(())
    }
}
