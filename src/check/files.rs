//! The files of a database, read one by one and believed as far as they verify.
//!
//! Which segments belong to a log, and where their records end, follows the same rules as in
//! recovery (`engine/recovery.rs`); here a contradiction is a line in the list of damage and no
//! reason to stop.

use super::{Damage, DamageKind};
use crate::engine::meta::{Checkpoint, Manifest, State, CHECKPOINT, MANIFEST, STATE, UNSYNCED};
use crate::engine::placement::Map;
use crate::engine::Home;
use crate::error::{Error, ErrorKind, Result};
use crate::log::resync::Resync;
use crate::log::segment::{self, Identity, Seed, SEGMENT_HEADER, SEGMENT_LEN_MAX};
use crate::sys::io::{read_file, Io};
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind as IoKind;
use std::path::PathBuf;
use std::sync::Arc;

/// What is read at once, and what is given up at once where the device fails.
const READ: usize = 1 << 20;
const READ_MIN: usize = 4096;

/// A segment's file.
pub(crate) struct SegmentFile {
    pub(crate) name: String,
    pub(crate) len: usize,
    /// By the header; `None` if that is damaged.
    pub(crate) id: Option<Identity>,
    /// What the checksums start from, if the database's id is known from anywhere.
    pub(crate) seed: Option<Seed>,
    /// Up to here the records are on the device, by the header.
    pub(crate) synced: usize,
    /// Where the records have ended by its header, and whether another segment follows.
    pub(crate) sealed: Option<(usize, bool)>,
    /// Where the records end by the header of the segment behind it.
    pub(crate) end: Option<usize>,
    /// A later segment of its log is on the device, and so all of this one was.
    pub(crate) later_synced: bool,
    /// Left behind by an earlier recovery or a compaction: nothing in it counts.
    pub(crate) leftover: bool,
    /// The file is opened anew for each read: there may be more of them than a process can have
    /// open.
    io: Arc<dyn Io>,
    path: PathBuf,
}

/// All of a directory.
pub(crate) struct Files {
    pub(crate) manifest: Option<Manifest>,
    pub(crate) state: Option<State>,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) segments: Vec<SegmentFile>,
    pub(crate) damage: Vec<Damage>,
    /// The present boot of the kernel; 0 if a sync has failed in it, perhaps.
    boot: u64,
}

impl Files {
    /// Reads the small files and the headers of all segments. An error means that nothing can be
    /// said: no directory, no permission, a newer format.
    pub(crate) fn read(home: &Home) -> Result<Files> {
        let Home { dir, io } = home;
        let names = io.list(dir).map_err(|e| Error::os(format!("list {}", dir.display()), &e))?;
        let mut damage = Vec::new();
        let manifest = small(home, MANIFEST, Manifest::decode, &mut damage)?;
        let state = small(home, STATE, State::decode, &mut damage)?;
        let checkpoint = small(home, CHECKPOINT, Checkpoint::decode, &mut damage)?;
        // After a failed sync something may be missing, whatever the boot.
        let boot = if names.iter().any(|n| n == UNSYNCED) { 0 } else { io.boot_id() };
        let mut files = Files { manifest, state, checkpoint, segments: Vec::new(), damage, boot };
        let mut names: Vec<_> = names.into_iter().filter(|n| n.ends_with(".seg")).collect();
        names.sort_unstable();
        for name in names {
            files.segment(home, name)?;
        }
        files.check_small();
        files.seeds();
        files.chains();
        Ok(files)
    }

    /// The placement under which the image was written and the logs are replayed.
    pub(crate) fn map(&self) -> Option<Map> {
        let stored = self.checkpoint.as_ref().and_then(|c| c.placement.clone());
        let table = || Some(self.manifest.as_ref()?.slots.clone());
        stored.or_else(|| Some(Map { table: table()?, rules: Arc::default() }))
    }

    /// Whether there is anything of a database here.
    pub(crate) fn is_database(&self) -> bool {
        self.manifest.is_some() || self.checkpoint.is_some() || !self.segments.is_empty()
    }

    /// Number of shards, as far as anything says.
    pub(crate) fn shards(&self) -> Option<usize> {
        let manifest = self.manifest.as_ref().map(|m| m.shards);
        manifest.or_else(|| self.checkpoint.as_ref().map(|c| c.logs.len() / 2))
    }

    /// Whether a segment's records are in the order of their writes: those that compaction gathers
    /// go into a second log of each shard.
    pub(crate) fn is_hot(&self, segment: &SegmentFile) -> bool {
        let shards = self.shards().unwrap_or(0);
        segment.id.is_some_and(|id| (id.log as usize) < shards)
    }

    /// Bytes of all segments that count.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().filter(|s| !s.leftover).map(|s| s.len as u64).sum()
    }

    fn segment(&mut self, home: &Home, name: String) -> Result<()> {
        let path = home.dir.join(&name);
        let opened = home.io.open(&path, false).and_then(|f| Ok((f.len()?, f)));
        let (len, file) = match opened {
            Ok((len, file)) => (len as usize, file),
            Err(e) => {
                let what = Error::os("open", &e).message().to_owned();
                self.damage.push(Damage::new(DamageKind::Unreadable, &name, what));
                return Ok(());
            }
        };
        let listed = self.listed(&name);
        let mut header = [0; SEGMENT_HEADER];
        if len >= SEGMENT_HEADER {
            if let Err(e) = file.read_exact_at(&mut header, 0) {
                let what = Error::os("read the header", &e).message().to_owned();
                let damage = Damage::new(DamageKind::Unreadable, &name, what);
                self.damage.push(damage.at(0, SEGMENT_HEADER));
            }
        }
        // The magic number is written last: without it no log ever used the file.
        let cut_short = len > 0 && len < SEGMENT_HEADER && self.nothing_may_be_missing();
        let unused = header[..8] == [0; 8] && !listed && !cut_short;
        let mut id = None;
        if len < SEGMENT_HEADER && !unused {
            let what = format!("truncated to {len} bytes, less than a segment's header");
            self.damage.push(Damage::new(DamageKind::File, &name, what).at(0, len));
        } else if !unused {
            match Identity::decode(&header) {
                Ok(decoded) => id = Some(decoded),
                Err(e) if e.kind() == ErrorKind::Unsupported => return Err(e.context(&name)),
                Err(e) => {
                    let damage = Damage::new(DamageKind::File, &name, e.message());
                    self.damage.push(damage.at(0, SEGMENT_HEADER));
                }
            }
        }
        let synced = segment::synced_end(&header).min(len);
        self.segments.push(SegmentFile {
            name,
            len,
            id,
            seed: None,
            synced,
            sealed: segment::sealed_end(&header),
            end: None,
            later_synced: false,
            leftover: unused,
            io: home.io.clone(),
            path,
        });
        Ok(())
    }

    fn listed(&self, name: &str) -> bool {
        let segments = self.checkpoint.iter().flat_map(|c| &c.segments);
        segments.map(|s| segment::file_name(s.generation)).any(|n| n == name)
    }

    /// Whether the small files agree with each other.
    fn check_small(&mut self) {
        let (Some(manifest), Some(checkpoint)) = (&self.manifest, &self.checkpoint) else { return };
        let (logs, shards) = (checkpoint.logs.len(), manifest.shards);
        if logs != 2 * shards || checkpoint.segments.iter().any(|s| s.log as usize >= logs) {
            let what = format!("it is of {logs} logs, {MANIFEST} of {shards} shards with two each");
            self.damage.push(Damage::new(DamageKind::File, CHECKPOINT, what));
            self.checkpoint = None;
        }
    }

    /// Finds the database's id, and with it every segment's seed.
    fn seeds(&mut self) {
        let mut votes: HashMap<u64, usize> = HashMap::new();
        for id in self.segments.iter().filter_map(|s| s.id.as_ref()) {
            *votes.entry(id.database).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, n)| *n).map(|(database, _)| database);
        let Some(database) = self.manifest.as_ref().map(|m| m.database).or(most) else { return };
        let logs = self.shards().map(|n| 2 * n);
        for segment in &mut self.segments {
            let named = segment::generation_of(&segment.name);
            if let Some(id) = segment.id {
                let is_ours = id.database == database
                    && named == Some(id.generation)
                    && logs.is_none_or(|n| (id.log as usize) < n);
                let fits = segment.len as u64 <= id.capacity;
                if !is_ours || !fits {
                    let what = if is_ours {
                        format!("{} bytes exceed its capacity {}", segment.len, id.capacity)
                    } else {
                        format!("not a segment of this database: {id:?}")
                    };
                    let damage = Damage::new(DamageKind::File, &segment.name, what);
                    self.damage.push(damage.at(0, SEGMENT_HEADER));
                    segment.id = None;
                    // A copy of another database's: nothing in it is ours.
                    segment.leftover |= id.database != database;
                }
            }
            segment.seed = named.map(|generation| segment::seed_of(database, generation));
            // No log ever used the file, unless its records say otherwise.
            if let (true, None, Some(seed)) = (segment.leftover, segment.id, segment.seed) {
                let bytes = segment.read(&mut Vec::new());
                if Resync::new(&bytes, seed).next(SEGMENT_HEADER, bytes.len()).is_some() {
                    let what = "no segment's header, though records follow";
                    let damage = Damage::new(DamageKind::File, &segment.name, what);
                    self.damage.push(damage.at(0, SEGMENT_HEADER));
                    segment.leftover = false;
                }
            }
        }
    }

    /// Sorts the segments into logs: leftovers, ends, and what is missing.
    fn chains(&mut self) {
        let mut logs: BTreeMap<u32, BTreeMap<u64, usize>> = BTreeMap::new();
        for i in 0..self.segments.len() {
            let Some(id) = self.segments[i].id.filter(|_| !self.segments[i].leftover) else {
                continue;
            };
            let start = self.checkpoint.as_ref().and_then(|c| c.logs.get(id.log as usize));
            let is_old = start.is_some_and(|(p, _)| id.ordinal <= p.ordinal);
            if is_old && !self.listed(&self.segments[i].name) {
                self.segments[i].leftover = true;
                continue;
            }
            // Of two with one ordinal, the newer was made by a recovery that cut the older off.
            let log = logs.entry(id.log).or_default();
            let other = log.get(&id.ordinal).copied();
            let generation = |i: usize| self.segments[i].id.map_or(0, |id| id.generation);
            match other {
                Some(other) if generation(other) > id.generation => {
                    self.segments[i].leftover = true;
                }
                _ => {
                    log.insert(id.ordinal, i);
                    if let Some(other) = other {
                        self.segments[other].leftover = true;
                    }
                }
            }
        }
        self.check_listed();
        for (log, segments) in &logs {
            self.chain(*log, segments);
        }
        self.check_slots();
    }

    /// One log. Of the segments before the checkpoint's position compaction may have freed some,
    /// and the checkpoint says where the others end; from there on each names the one before it
    /// and where that ended.
    fn chain(&mut self, log: u32, segments: &BTreeMap<u64, usize>) {
        let position = self.checkpoint.as_ref().and_then(|c| c.logs.get(log as usize));
        let start = position.map(|(p, _)| p.ordinal);
        let listed = |ordinal| {
            let listed = self.checkpoint.iter().flat_map(|c| &c.segments);
            listed.into_iter().any(|s| s.log == log && s.ordinal == ordinal)
        };
        // The segment of the position itself may be freed as well.
        let mut expected = start.map(|start| start + u64::from(start == 0 || !listed(start)));
        let mut previous: Option<usize> = None;
        for (&ordinal, &i) in segments {
            if start.is_some_and(|start| ordinal < start) {
                self.segments[i].end = self.checkpointed(&self.segments[i]);
                continue;
            }
            let Some(id) = self.segments[i].id else { continue };
            let linked = previous.and_then(|p| Some((p, self.segments[p].id?)));
            let follows = linked.is_none_or(|(_, before)| {
                (before.ordinal + 1, before.generation) == (ordinal, id.previous)
            });
            if expected.is_some_and(|expected| ordinal != expected) || !follows {
                if self.is_cut(segments, ordinal) {
                    break;
                }
                if let Some(expected) = expected {
                    let what = format!(
                        "segment {expected} of log {log} is missing, or its header is damaged; \
                         this is segment {ordinal}"
                    );
                    let name = &self.segments[i].name;
                    self.damage.push(Damage::new(DamageKind::Chain, name, what));
                }
            } else if let Some((p, _)) = linked {
                self.segments[p].end = Some(id.previous_end as usize);
            }
            expected = expected.map(|_| ordinal + 1);
            previous = Some(i);
        }
        if let Some(last) = previous.filter(|_| self.nothing_may_be_missing()) {
            self.check_last(log, last);
        }
        let mut later_synced = false;
        for &i in segments.values().rev() {
            self.segments[i].later_synced = later_synced;
            later_synced |= self.segments[i].synced > SEGMENT_HEADER;
        }
    }

    /// Whether a power loss may have taken a segment before `ordinal` and left this one and those
    /// behind it, which then never counted; they are set aside.
    fn is_cut(&mut self, segments: &BTreeMap<u64, usize>, ordinal: u64) -> bool {
        let rest: Vec<usize> = segments.range(ordinal..).map(|(_, i)| *i).collect();
        let was_synced = rest.iter().any(|i| self.segments[*i].synced > SEGMENT_HEADER);
        if was_synced || self.checkpoint.is_none() || !self.state.is_some_and(|s| self.is_old(s)) {
            return false;
        }
        rest.iter().for_each(|i| self.segments[*i].leftover = true);
        true
    }

    /// Whether the last writer ran in an earlier boot of the kernel, and did not close.
    fn is_old(&self, state: State) -> bool {
        !state.clean && (state.boot == 0 || state.boot != self.boot)
    }

    /// The last segment of a log whose every store is there: unsealed, it has the length it was made
    /// with, and sealed, it knows whether another one was begun.
    fn check_last(&mut self, log: u32, last: usize) {
        let SegmentFile { name, len, sealed, id, .. } = &self.segments[last];
        let capacity = id.map_or(0, |id| id.capacity as usize);
        let damage = match sealed {
            Some((_, true)) => {
                let what = format!("the segment behind it in log {log} is missing");
                Damage::new(DamageKind::MissingFile, name, what)
            }
            None if *len < capacity => {
                let what = format!("truncated to {len} bytes of {capacity}");
                Damage::new(DamageKind::File, name, what).at(*len, capacity)
            }
            _ => return,
        };
        self.damage.push(damage);
    }

    /// Whether all segments that the checkpoint lists are there and long enough.
    fn check_listed(&mut self) {
        let Some(checkpoint) = &self.checkpoint else { return };
        for info in &checkpoint.segments {
            let name = segment::file_name(info.generation);
            let Some(segment) = self.segments.iter().find(|s| s.name == name) else {
                let (ordinal, log) = (info.ordinal, info.log);
                let what = format!("missing: {CHECKPOINT} lists it as segment {ordinal} of {log}");
                self.damage.push(Damage::new(DamageKind::MissingFile, &name, what));
                continue;
            };
            if (segment.len as u64) < info.end {
                let (len, end) = (segment.len, info.end as usize);
                let what = format!("truncated to {len} bytes; its records end at {end}");
                self.damage.push(Damage::new(DamageKind::File, &name, what).at(len, end));
            }
            let told = (info.log, info.slot, info.ordinal);
            let found = segment.id.map_or(told, |id| (id.log, id.slot, id.ordinal));
            if told != found {
                let what = format!(
                    "its header says log {}, slot {}, ordinal {}; {CHECKPOINT} says log {}, slot \
                     {}, ordinal {}",
                    found.0, found.1, found.2, told.0, told.1, told.2
                );
                self.damage.push(Damage::new(DamageKind::Chain, &name, what));
            }
        }
    }

    fn check_slots(&mut self) {
        let mut slots: HashMap<u32, &str> = HashMap::new();
        for segment in self.segments.iter().filter(|s| !s.leftover) {
            let Some(id) = segment.id else { continue };
            if let Some(other) = slots.insert(id.slot, &segment.name) {
                let what = format!("it claims slot {} as {other} does", id.slot);
                self.damage.push(Damage::new(DamageKind::Chain, &segment.name, what));
            }
        }
    }

    /// What the checkpoint says of a segment: where its records ended.
    pub(crate) fn checkpointed(&self, segment: &SegmentFile) -> Option<usize> {
        let listed = self.checkpoint.as_ref()?.segments.iter();
        let generation = segment::generation_of(&segment.name)?;
        listed.filter(|s| s.generation == generation).map(|s| s.end as usize).next()
    }

    /// Whether the process that wrote last has died in this boot of the kernel, so that nothing
    /// that it wrote can be missing.
    pub(crate) fn nothing_may_be_missing(&self) -> bool {
        self.state.is_some_and(|s| !s.clean && s.boot != 0 && s.boot == self.boot)
    }
}

impl SegmentFile {
    /// All bytes. Those that the device does not give are zeros and in the list of damage.
    pub(crate) fn read(&self, damage: &mut Vec<Damage>) -> Vec<u8> {
        let len = self.len.min(SEGMENT_LEN_MAX);
        if len < self.len {
            let what = format!("{} bytes are more than a segment may have", self.len);
            damage.push(Damage::new(DamageKind::File, &self.name, what).at(len, self.len));
        }
        let mut bytes = vec![0; len];
        let file = match self.io.open(&self.path, false) {
            Ok(file) => file,
            Err(e) => {
                let what = Error::os("open", &e).message().to_owned();
                let one = Damage::new(DamageKind::Unreadable, &self.name, what);
                damage.push(one.at(0, len));
                return bytes;
            }
        };
        let mut at = 0;
        for part in bytes.chunks_mut(READ) {
            let begin = at;
            at += part.len();
            if file.read_exact_at(part, begin as u64).is_ok() {
                continue;
            }
            let mut at = begin;
            for part in part.chunks_mut(READ_MIN) {
                if let Err(e) = file.read_exact_at(part, at as u64) {
                    part.fill(0);
                    let what = Error::os("read", &e).message().to_owned();
                    let one = Damage::new(DamageKind::Unreadable, &self.name, what);
                    damage.push(one.at(at, at + part.len()));
                }
                at += part.len();
            }
        }
        bytes
    }
}

/// Reads one of the small files. Damage goes into the list; only a newer format is an error.
fn small<T>(
    home: &Home,
    name: &str,
    decode: impl Fn(&[u8]) -> Result<T>,
    damage: &mut Vec<Damage>,
) -> Result<Option<T>> {
    let bytes = match read_file(&*home.io, &home.dir.join(name)) {
        Ok(bytes) => bytes,
        Err(e) => {
            let (kind, what) = match e.kind() {
                IoKind::NotFound => (DamageKind::MissingFile, "missing".to_owned()),
                IoKind::InvalidData => (DamageKind::File, e.to_string()),
                _ => (DamageKind::Unreadable, Error::os("read", &e).message().to_owned()),
            };
            damage.push(Damage::new(kind, name, what));
            return Ok(None);
        }
    };
    match decode(&bytes) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(e) if e.kind() == ErrorKind::Unsupported => Err(e.context(home.dir.display())),
        Err(e) => {
            // The decoder's text begins with the file's name, as the list's line does.
            let what = e.message().strip_prefix(name).unwrap_or(e.message());
            damage.push(Damage::new(DamageKind::File, name, what.trim_start_matches(": ")));
            Ok(None)
        }
    }
}
