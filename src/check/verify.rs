//! Verification: every checksum of every file, and every invariant that ties them together.
//!
//! The steps:
//! 1. the small files and the headers of all segments; segments sorted into logs ([`super::files`]);
//! 2. the index image: its blocks, and that a search finds every entry;
//! 3. every record of every segment, in the order of the logs: checksums, batch frames, sequence
//!    numbers; the newest record of each key goes into a table, and each record that an index
//!    entry points to is compared with the entry;
//! 4. what the image must hold and does not, and what it points to that is not there.
//!
//! What is torn at the end of a log, as a crash leaves it, is counted and is no damage: nobody was
//! promised it. The rule is recovery's.

use super::files::{Files, SegmentFile};
use super::index::{place, Image};
use super::table::{Offered, Print, Table, COVERED, IMAGE_FITS, IN_IMAGE, MOVED, PUT};
use super::walk::{readable_key, walk, Item};
use super::{Damage, DamageKind};
use crate::engine::placement::Map;
use crate::engine::{linkfile, open, Home};
use crate::error::{Error, Result};
use crate::hash::Hasher;
use crate::log::record::{record_len, Kind, Record, FLAG_MOVED, KILLED_LEN};
use crate::log::resync::Resync;
use crate::log::segment::SEGMENT_HEADER;
use crate::log::Position;
use crate::options::Options;
use std::collections::HashMap;
use std::time::Instant;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Everything that is wrong. Empty: the database is sound.
    pub damage: Vec<Damage>,
    /// Segment files that were read.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Records that verified, dead ones and deletes included.
    pub records: u64,
    /// Deletes among them.
    pub deletes: u64,
    /// Batches that were whole.
    pub batches: u64,
    /// Keys that exist.
    pub keys: u64,
    /// Bytes of their keys and values.
    pub key_bytes: u64,
    /// See `key_bytes`.
    pub value_bytes: u64,
    /// Logs whose end a crash has torn, and the bytes that the next open cuts off. No damage.
    pub torn_logs: u64,
    /// See `torn_logs`.
    pub torn_bytes: u64,
    /// Files that the next open removes: left by a crash, of no use. No damage.
    pub leftovers: Vec<String>,
    /// How far the checkpoint's counts of dead bytes are off, in sum. No damage: compaction
    /// chooses by them, no answer depends on them.
    pub dead_bytes_off: u64,
}

/// Verifies the database in `dir`.
pub(crate) fn verify(
    home: Home,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport> {
    let shown = home.dir.display().to_string();
    if !home.io.exists(&home.dir).map_err(|e| Error::os(format!("open {shown}"), &e))? {
        return Err(Error::invalid(format!("{shown} does not exist")));
    }
    let reading = Options { read_only: true, ..options.clone() };
    let _lock = open::take_lock(&home.dir, &reading, &*home.io, Instant::now())?;
    let mut files = Files::read(&home).map_err(|e| e.context(&shown))?;
    if !files.is_database() {
        return Err(Error::invalid(format!("{shown} holds no database")));
    }
    let mut report = VerifyReport::default();
    report.damage.append(&mut files.damage);
    if let Some(manifest) = &files.manifest {
        if let Err(e) = linkfile::read(&home, manifest.database) {
            let what = e.message().to_owned();
            report.damage.push(Damage::new(DamageKind::File, linkfile::LINKS, what));
        }
    }
    let image = Image::read(&home, &files, &mut report.damage);
    let hasher = files.manifest.as_ref().map(|m| Hasher::new(&m.secret));
    let mut check = Check {
        files: &files,
        hasher,
        map: files.map(),
        unmoved: files.checkpoint.as_ref().is_some_and(|c| c.placement.is_none()),
        table: Table::new(),
        image,
        record_bytes: vec![0; files.segments.len()],
        cut_at: None,
        nothing_newer: true,
        report,
    };
    check.segments(progress);
    check.image_is_complete();
    check.count_live();
    let mut report = check.report;
    let order = |d: &Damage| (d.file.clone(), d.offset);
    report.damage.sort_by_key(order);
    Ok(report)
}

struct Check<'a> {
    files: &'a Files,
    hasher: Option<Hasher>,
    map: Option<Map>,
    /// No key has ever changed its shard.
    unmoved: bool,
    table: Table,
    image: Image,
    /// Bytes of each segment's records.
    record_bytes: Vec<u64>,
    /// Where the log that is being walked has ended, if a crash has cut it.
    cut_at: Option<usize>,
    /// No record lies behind the checkpoint's positions.
    nothing_newer: bool,
    report: VerifyReport,
}

/// What is known of the segment that is being walked.
struct Current<'a> {
    number: u32,
    segment: &'a SegmentFile,
    /// Its records are in the order of their writes.
    hot: bool,
    /// Records below lie before the checkpoint's position.
    covered: usize,
    /// For each shard, the last sequence number in this log.
    seqs: Vec<u64>,
}

impl Check<'_> {
    /// Step 3.
    fn segments(&mut self, progress: &mut dyn FnMut(u64, u64)) {
        let total = self.files.bytes();
        // Logs one after the other, each in its order.
        let mut order: Vec<usize> = (0..self.files.segments.len()).collect();
        order.sort_by_key(|i| self.files.segments[*i].id.map(|id| (id.log, id.ordinal)));
        let mut seqs = (None, Vec::new());
        for i in order {
            let segment = &self.files.segments[i];
            if segment.leftover {
                self.report.leftovers.push(segment.name.clone());
                continue;
            }
            let log = segment.id.map(|id| id.log);
            if seqs.0 != log {
                seqs = (log, Vec::new());
                self.cut_at = None;
            }
            if self.cut_at.is_some() && log.is_some() {
                // The log ended before.
                self.report.torn_bytes += segment.len as u64;
                continue;
            }
            self.cut_at = None;
            seqs.1 = self.segment(i as u32, segment, seqs.1);
            self.report.segments += 1;
            self.report.bytes += segment.len as u64;
            progress(self.report.bytes, total);
        }
        let named = |s: &'_ SegmentFile| Some((s.id?.slot, s.name.clone()));
        let names: Vec<_> = self.files.segments.iter().filter_map(named).collect();
        let names: HashMap<u32, &str> = names.iter().map(|(slot, n)| (*slot, &n[..])).collect();
        self.image.dangling(&names, &mut self.report.damage);
    }

    fn segment(&mut self, number: u32, segment: &SegmentFile, seqs: Vec<u64>) -> Vec<u64> {
        let Some(seed) = segment.seed else {
            let what = "no file says what its checksums start from; nothing in it can be checked";
            self.report.damage.push(Damage::new(DamageKind::File, &segment.name, what));
            return seqs;
        };
        let bytes = segment.read(&mut self.report.damage);
        let remains = segment.id.is_some_and(|id| id.remains);
        let resync = Resync::new(&bytes, seed).with_remains(remains);
        let position = |log: u32| Some(self.files.checkpoint.as_ref()?.logs.get(log as usize)?.0);
        let covered = match segment.id.and_then(|id| Some((id, position(id.log)?))) {
            Some((id, Position { ordinal, offset })) if id.ordinal == ordinal => offset as usize,
            Some((id, position)) if id.ordinal < position.ordinal => usize::MAX,
            _ => 0,
        };
        let mut current =
            Current { number, segment, hot: self.files.is_hot(segment), covered, seqs };
        let limit = segment.end.unwrap_or(bytes.len());
        let known = self.known_end(segment, limit);
        // A stretch without records, and up to where what follows it is parts of a batch.
        let mut gap: Option<(usize, usize)> = None;
        let end = walk(&resync, SEGMENT_HEADER, limit, &mut |item| {
            if self.cut_at.is_some() {
                return;
            }
            match item {
                Item::Record { at, record } => {
                    if self.close_gap(&current, &bytes, &mut gap, known) {
                        self.record(&mut current, at, &record);
                    }
                }
                Item::Batch => {
                    if self.close_gap(&current, &bytes, &mut gap, known) {
                        self.report.batches += 1;
                    }
                }
                Item::Inner { at, record, whole: true } => self.record(&mut current, at, &record),
                Item::Inner { at, record, whole: false } => {
                    let to = at + record.total_len();
                    gap = Some((gap.map_or(at, |(from, _)| from), to));
                }
                Item::BadFrame { at, to } => {
                    let what = "a batch frame holds something that is no record of its batch";
                    self.damage(&current, DamageKind::Batch, (at, to), None, what);
                }
                Item::Gap { from, to } => gap = Some((gap.map_or(from, |(from, _)| from), to)),
            }
        });
        let end = self.cut_at.or(gap.map(|(from, _)| from)).unwrap_or(end);
        self.end(&current, &bytes, end, known);
        current.seqs
    }

    /// The end up to which records were on the device, or must be there for another reason.
    fn known_end(&self, segment: &SegmentFile, limit: usize) -> usize {
        let checkpointed = self.files.checkpointed(segment).unwrap_or(0);
        let known = checkpointed.max(segment.synced.max(SEGMENT_HEADER));
        let whole = segment.later_synced || self.files.nothing_may_be_missing();
        match (segment.end, segment.sealed) {
            (Some(_), _) if whole => limit.max(known),
            (None, Some((end, _))) if self.files.nothing_may_be_missing() => end.max(known),
            _ => known,
        }
    }

    /// Records follow a stretch without any: damage, or, where writes may be missing from the
    /// device, the end of the log. True if the log goes on.
    fn close_gap(
        &mut self,
        current: &Current,
        bytes: &[u8],
        gap: &mut Option<(usize, usize)>,
        known: usize,
    ) -> bool {
        let Some((from, to)) = gap.take() else { return true };
        if from >= known && !self.files.nothing_may_be_missing() {
            self.cut_at = Some(from);
            return false;
        }
        let key = readable_key(bytes, from, to).map(|(key, _)| key);
        let what = "the record does not match its checksum; records follow";
        self.damage(current, DamageKind::Record, (from, to), key, what);
        true
    }

    /// Judges the end of a segment's records.
    fn end(&mut self, current: &Current, bytes: &[u8], end: usize, known: usize) {
        let segment = current.segment;
        if segment.end.is_some_and(|end| end > bytes.len()) {
            let what = "the segment behind it says that its records end beyond the file's end";
            self.damage(current, DamageKind::File, (bytes.len(), known), None, what);
        }
        if end < known {
            let key = readable_key(bytes, end, known.min(bytes.len())).map(|(key, _)| key);
            let what = "the record does not match its checksum, and was on the device";
            self.damage(current, DamageKind::Record, (end, known), key, what);
            return;
        }
        let sealed = segment.sealed.filter(|_| self.files.nothing_may_be_missing());
        if let Some((sealed, _)) = sealed.filter(|(s, _)| segment.end.is_none() && *s != end) {
            let what = format!("its header says that the records end at {sealed}, not at {end}");
            self.damage(current, DamageKind::File, (116, 120), None, &what);
        }
        if segment.end.is_some_and(|limit| end < limit) {
            // What lies behind was never on the device.
            self.cut_at = Some(end);
        }
        if segment.end.is_none() || self.cut_at.is_some() {
            if let Some(torn) = bytes[end.min(bytes.len())..].iter().rposition(|b| *b != 0) {
                self.report.torn_logs += 1;
                self.report.torn_bytes += torn as u64 + 1;
            }
        }
    }

    /// One record that verified.
    fn record(&mut self, current: &mut Current, at: usize, record: &Record) {
        self.report.records += 1;
        let is_put = record.kind == Kind::Put;
        self.report.deletes += u64::from(!is_put);
        let end = at + record.total_len();
        if !is_put && record.value.len() != KILLED_LEN {
            let what = "a delete that does not name what it removed";
            self.damage(current, DamageKind::Record, (at, end), Some(record.key), what);
        }
        let map = self.hasher.as_ref().zip(self.map.as_ref());
        let place = map.map(|(h, m)| place(h, m, record.key));
        let covered = at < current.covered;
        if let Some((_, shard)) = place {
            self.sequence(current, (at, end), record, shard, covered);
        }
        let moved = record.flags & FLAG_MOVED != 0;
        let flags = if covered { COVERED } else { 0 } | if moved { MOVED } else { 0 };
        let print = self.table.print(record.key);
        let offered = self.table.offer(print, record, flags, (current.number, at as u32));
        self.nothing_newer &= covered;
        self.record_bytes[current.number as usize] += record.total_len() as u64;
        if offered == Offered::Same && current.hot && !moved && !self.is_original(print) {
            let what = format!("two records of one key have sequence number {}", record.seq);
            self.damage(current, DamageKind::Sequence, (at, end), Some(record.key), &what);
        }
        if let Some(id) = current.segment.id {
            if let Some(wrong) = self.image.meet((id.slot, at), record, place, &mut self.table) {
                self.damage(current, DamageKind::Index, (at, end), Some(record.key), wrong);
            }
        }
    }

    /// Whether a record that is there already is the original of a copy that was met before it. There
    /// is one.
    fn is_original(&mut self, print: Print) -> bool {
        let Some(copy) = self.table.get(print).filter(|copy| copy.flags & MOVED != 0) else {
            return false;
        };
        copy.flags &= !MOVED;
        true
    }

    /// Sequence numbers of a shard rise along a log of new records, copies apart, unless keys came
    /// to it from another, and the checkpoint knows how far.
    fn sequence(
        &mut self,
        current: &mut Current,
        place: (usize, usize),
        record: &Record,
        shard: usize,
        covered: bool,
    ) {
        if current.seqs.len() <= shard {
            current.seqs.resize(shard + 1, 0);
        }
        let last = current.seqs[shard];
        let moved = record.flags & FLAG_MOVED != 0;
        if record.seq < last && current.hot && self.unmoved && !moved {
            let what = format!("sequence number {} of shard {shard} after {last}", record.seq);
            self.damage(current, DamageKind::Sequence, place, Some(record.key), &what);
        }
        current.seqs[shard] = last.max(record.seq);
        let logs = self.files.checkpoint.as_ref().map(|c| &c.logs);
        if let Some((_, seq)) = logs.and_then(|l| l.get(shard)).filter(|_| covered) {
            if record.seq > *seq {
                let what = format!(
                    "sequence number {} of shard {shard} is beyond the checkpoint's {seq}",
                    record.seq
                );
                self.damage(current, DamageKind::Sequence, place, Some(record.key), &what);
            }
        }
    }

    fn damage(
        &mut self,
        current: &Current,
        kind: DamageKind,
        (from, to): (usize, usize),
        key: Option<&[u8]>,
        what: &str,
    ) {
        let damage = Damage::new(kind, &current.segment.name, what);
        self.report.damage.push(damage.at(from, to).key(key));
    }

    /// Step 4: every key whose newest record lies before the checkpoint's positions is in the
    /// image, or, deleted, is not.
    fn image_is_complete(&mut self) {
        // A damaged record hides whether the image is right about its key.
        let hides = |d: &Damage| !matches!(d.kind, DamageKind::Index | DamageKind::Sequence);
        if !self.image.whole || self.report.damage.iter().any(hides) {
            return;
        }
        let mut missing = Vec::new();
        for latest in self.table.iter().filter(|l| l.flags & COVERED != 0) {
            let (put, there) = (latest.flags & PUT != 0, latest.flags & IN_IMAGE != 0);
            let fits = latest.flags & IMAGE_FITS != 0;
            if put != there || put && !fits {
                missing.push(*latest);
            }
        }
        missing.sort_unstable_by_key(|l| (l.segment, l.offset));
        let mut loaded: Option<(u32, Vec<u8>)> = None;
        for latest in missing {
            let segment = &self.files.segments[latest.segment as usize];
            if loaded.as_ref().is_none_or(|(number, _)| *number != latest.segment) {
                loaded = Some((latest.segment, segment.read(&mut Vec::new())));
            }
            let bytes = loaded.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            let key = readable_key(bytes, latest.offset as usize, bytes.len()).map(|(key, _)| key);
            let put = latest.flags & PUT != 0;
            let what = match (put, latest.flags & IN_IMAGE != 0) {
                (true, false) => "it has no entry for a key that exists",
                (true, true) => "its entry for a key leads to an older record",
                (false, _) => "it has an entry for a key that was deleted",
            };
            let what = format!("{what}: {} at offset {}", segment.name, latest.offset);
            let damage = Damage::new(DamageKind::Index, self.image.name(), what);
            self.report.damage.push(damage.key(key));
        }
    }

    /// Counts what exists, and with it what is dead.
    fn count_live(&mut self) {
        for latest in self.table.iter().filter(|l| l.flags & PUT != 0) {
            let (key, value) = (usize::from(latest.key_len), latest.value_len as usize);
            self.report.keys += 1;
            self.report.key_bytes += key as u64;
            self.report.value_bytes += value as u64;
            self.record_bytes[latest.segment as usize] -= record_len(key, value) as u64;
        }
        // The counts are of the time of the checkpoint, so they can be compared only if nothing
        // was written later.
        let Some(checkpoint) = self.files.checkpoint.as_ref().filter(|_| self.nothing_newer) else {
            return;
        };
        for (segment, dead) in self.files.segments.iter().zip(&self.record_bytes) {
            let generation = segment.id.map(|id| id.generation);
            for info in checkpoint.segments.iter().filter(|s| Some(s.generation) == generation) {
                self.report.dead_bytes_off += (info.dead + info.deletes).abs_diff(*dead);
            }
        }
    }
}
