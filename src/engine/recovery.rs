//! Recovery: from the files of a directory to indexes and logs that can go on.
//!
//! The steps:
//! 1. read the header of every segment file; sort the segments into logs. Those that the
//!    checkpoint lists must be there, whole up to the end it gives; files that no log ever used,
//!    and leftovers of an earlier recovery, are set aside;
//! 2. load the index image. If it is missing or damaged, the index is rebuilt: replay then begins
//!    at the first record of every log;
//! 3. replay the logs, side by side, each up to its end; for every key the record with the higher
//!    sequence number wins, whatever log it is in, and a delete counts as a record until all logs
//!    are read;
//! 4. forget the deletes; seal every log that a crash may have torn.
//!
//! Where a log ends: at the first record that does not verify. It must not be before what is known
//! to be on the device (the segment's `synced`, the checkpoint, or a later segment's `synced`). And
//! within one boot of the kernel, where no store of the last writer can be missing, no record may
//! follow it, a sealed segment ends where it says, and an unsealed one has the length it was made
//! with. All else means damage, and open refuses. Where it does not, the end is where the crash
//! struck; what follows was never promised, and it is cut.
//!
//! After a failed sync in the same boot, the page cache shows what the device does not have, and no
//! later sync would write it. Where the last writer could say so (UNSYNCED), or where a segment's
//! header says that a sync began and not that it succeeded, what no sync has covered is written
//! again, so that the next sync does not vouch for it in vain. With UNSYNCED, logs end as after a
//! power loss, since the kernel may have forgotten the newer bytes.
//!
//! Nothing is written before all of that has succeeded, and all that is written then (removal of
//! leftovers, zeros behind a cut, trimming, the same bytes again) changes nothing for a recovery
//! that begins anew.

mod end;
mod find;

pub(crate) use find::{find_segments, Segments};

use super::cold::Cold;
use super::image;
use super::meta::{image_name, Checkpoint, SegmentInfo, UNSYNCED};
use super::open::Opened;
use super::{Engine, Home};
use crate::error::{Error, Result};
use crate::hash::KeyHash;
use crate::index::entry::Location;
use crate::index::Index;
use crate::log::pool::FilePool;
use crate::log::record::{self, Killed, Kind, Record, RECORD_HEADER};
use crate::log::segment::{Segment, SEGMENT_HEADER};
use crate::log::slots::Found;
use crate::log::stored::Reader;
use crate::log::Position;
use crate::sabotage::{self, Sabotage};
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

/// What recovery is told.
pub(crate) struct Context<'a> {
    pub(crate) home: &'a Home,
    pub(crate) pool: &'a Arc<FilePool>,
    pub(crate) database: u64,
    pub(crate) checkpoint: &'a Checkpoint,
    /// The last writer closed properly.
    pub(crate) clean: bool,
    /// The last writer ran in this boot of the kernel, and no sync of it has failed: all that it
    /// stored is there.
    pub(crate) same_boot: bool,
    /// A sync has failed: what no other has covered may be in the page cache alone, though the
    /// kernel takes it for written, or gone.
    pub(crate) sync_failed: bool,
    pub(crate) writable: bool,
}

/// Where a log was found to end: in the last of the segments that were replayed.
#[derive(Default)]
struct LogEnd {
    /// The segments that were replayed, and where their records end.
    replayed: Vec<(Arc<Segment>, usize)>,
    /// Segments behind a cut.
    beyond: Vec<Arc<Segment>>,
    cut_bytes: u64,
}

/// Steps 2 to 4.
pub(crate) fn recover(engine: &mut Engine, context: &Context, found: Segments) -> Result<Opened> {
    let mut slots = BTreeMap::new();
    for segment in found.logs.iter().flat_map(BTreeMap::values) {
        if let Some(other) = slots.insert(segment.id.slot, segment) {
            return Err(Error::corruption(format!(
                "{} and {} claim the same slot {}",
                other.path.display(),
                segment.path.display(),
                segment.id.slot
            )));
        }
        engine.slots.fill(segment.clone());
    }
    let has_image = load_image(engine, context)?;
    map_what_fits(engine, context, &found)?;
    let records = found.logs.iter().any(|segments| !segments.is_empty());
    let mut opened = Opened { found: records, rebuilt: !has_image, ..Opened::default() };
    let replay = Replay {
        engine,
        context,
        whole: !has_image,
        replayed: AtomicU64::new(0),
        deletes: engine.shards.iter().map(|_| Mutex::default()).collect(),
    };
    let next = AtomicUsize::new(0);
    let ends: Vec<Mutex<LogEnd>> = found.logs.iter().map(|_| Mutex::default()).collect();
    let workers = image::workers(&*context.home.io, found.logs.len());
    image::run(workers, || loop {
        let log = next.fetch_add(1, Ordering::Relaxed);
        let Some(segments) = found.logs.get(log) else { return Ok(()) };
        let end = replay.log(log, segments)?;
        if sabotage::is(Sabotage::EarlyForget) {
            replay.forget_deletes()?;
        }
        *ends[log].lock().unwrap_or_else(PoisonError::into_inner) = end;
    })?;
    replay.forget_deletes()?;
    opened.replayed = replay.replayed.into_inner();
    for (shard, (_, seq)) in engine.shards.iter().zip(&context.checkpoint.logs) {
        let mut state = shard.lock();
        state.seq = state.seq.max(*seq);
    }
    let torn = !context.clean || opened.replayed > 0;
    let count = engine.shards.len();
    for (log, (position, _)) in context.checkpoint.logs.iter().enumerate() {
        let mut state = engine.shards[log % count].lock();
        state.log_mut(log < count).resume_after(*position);
    }
    let mut leftovers = found.leftovers;
    for (log, end) in ends.into_iter().enumerate() {
        let end = end.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut state = engine.shards[log % count].lock();
        let log = state.log_mut(log < count);
        for segment in &end.beyond {
            leftovers.push(segment.path.clone());
            // A checkpoint would list it, and the log's next segment gets its ordinal.
            drop(engine.slots.clear(segment.id.slot));
        }
        opened.cut_logs += u64::from(end.cut_bytes > 0);
        opened.cut_bytes += end.cut_bytes;
        let Some((last, stop)) = end.replayed.last() else { continue };
        let continues = !torn && context.writable && last.sealed().is_none();
        log.resume(last, *stop, continues);
        if continues || torn && context.writable {
            // What is appended to is mapped, and so is what the next lines change.
            map(engine, last, true, true)?;
        }
        if !continues {
            last.set_end(*stop);
        }
        if torn && context.writable {
            last.mark_sealed(*stop, false);
            // Before STATE names this boot: from then on records beyond the end mean damage.
            // SAFETY: recovery is alone with the segment, and no entry leads beyond the end.
            unsafe { last.cut(*stop) }
                .map_err(|e| Error::os(format!("cut {} off", last.path.display()), &e))?;
            // What was replayed may be in the page cache alone: the next checkpoint must not
            // count on it before it is synced.
            for (segment, end) in &end.replayed {
                let open = context.same_boot && segment.sync_is_open();
                if (context.sync_failed || open) && segment.synced() < *end {
                    // The log goes on in another segment.
                    segment.write_again(*end)?;
                }
                log.sync_later(segment, *end);
            }
        }
    }
    count_live_bytes(engine);
    if context.writable {
        if torn {
            // What was read may not be on the device: without the name of this checkpoint the one
            // before would hold again, which needs other files.
            sync_dir(context.home)?;
        }
        remove(context.home, &leftovers)?;
        if context.sync_failed {
            let path = context.home.dir.join(UNSYNCED);
            let os = |e| Error::os(format!("remove {}", path.display()), &e);
            context.home.io.remove(&path).map_err(os)?;
        }
    }
    Ok(opened)
}

/// Maps the newest segments, as many as there is memory for.
fn map_what_fits(engine: &Engine, context: &Context, found: &Segments) -> Result<()> {
    let mut all: Vec<&Arc<Segment>> = found.logs.iter().flat_map(BTreeMap::values).collect();
    all.sort_unstable_by_key(|s| std::cmp::Reverse(s.id.generation));
    let mut room = engine.room_for_segments();
    for segment in all {
        let Some(left) = room.checked_sub(segment.len() as u64) else {
            engine.memory.set_has_cold();
            return Ok(());
        };
        room = left;
        // Those that will be replayed may have to be synced.
        let start = context.checkpoint.logs[segment.id.log as usize].0.ordinal;
        map(engine, segment, context.writable, segment.id.ordinal >= start && context.writable)?;
    }
    Ok(())
}

/// Maps a segment for everybody.
fn map(engine: &Engine, segment: &Arc<Segment>, writable: bool, keep: bool) -> Result<()> {
    // SAFETY: recovery is alone with the segments.
    unsafe { segment.map_in(writable, keep) }
        .map_err(|e| Error::os(format!("map {}", segment.path.display()), &e))?;
    engine.slots.mapped(segment);
    Ok(())
}

/// Removes files for good. Their slots and ordinals are given to other segments from now on, so none
/// of them may be there after a power loss.
fn remove(home: &Home, paths: &[PathBuf]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    for path in paths {
        home.io.remove(path).map_err(|e| Error::os(format!("remove {}", path.display()), &e))?;
    }
    sync_dir(home)
}

fn sync_dir(Home { dir, io }: &Home) -> Result<()> {
    io.sync_dir(dir).map_err(|e| Error::os(format!("sync directory {}", dir.display()), &e))
}

/// Sets each shard's count of live bytes from the counts of its segments.
fn count_live_bytes(engine: &Engine) {
    let count = engine.shards.len();
    for segment in engine.slots.all() {
        let log = segment.id.log as usize;
        let mut state = engine.shards[log % count].lock();
        let end = segment.end().unwrap_or(state.log_mut(log < count).position().offset as usize);
        let dead = segment.dead_bytes.load(Ordering::Relaxed)
            + segment.delete_bytes.load(Ordering::Relaxed);
        state.log.live_bytes += (end.saturating_sub(SEGMENT_HEADER) as u64).saturating_sub(dead);
    }
}

/// Step 2: whether the indexes hold the checkpoint's image now; else they are empty.
fn load_image(engine: &mut Engine, context: &Context) -> Result<bool> {
    let Checkpoint { image, image_blocks, .. } = *context.checkpoint;
    if image == 0 {
        return Ok(true);
    }
    let path = context.home.dir.join(image_name(image));
    let loaded = match context.home.io.open(&path, false) {
        Ok(file) => {
            image::load(engine, &*file, image_blocks).map_err(|e| e.context(path.display()))?
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(e) => return Err(Error::os(format!("open {}", path.display()), &e)),
    };
    if !loaded {
        for shard in &mut engine.shards {
            let arena = shard.index.arena().clone();
            shard.index = Index::new(arena);
            shard.lock().keys = 0;
        }
        // The counts are made anew as well.
        for segment in engine.slots.all() {
            segment.dead_bytes.store(0, Ordering::Relaxed);
            segment.delete_bytes.store(0, Ordering::Relaxed);
        }
    }
    Ok(loaded)
}

/// Step 3.
struct Replay<'a> {
    engine: &'a Engine,
    context: &'a Context<'a>,
    /// Replay begins at the first record of every log.
    whole: bool,
    replayed: AtomicU64,
    /// For each shard, the deletes that its index holds for now.
    deletes: Vec<Mutex<Vec<(KeyHash, Location)>>>,
}

impl Replay<'_> {
    /// Replays one log.
    fn log(&self, log: usize, segments: &BTreeMap<u64, Arc<Segment>>) -> Result<LogEnd> {
        let start = self.context.checkpoint.logs[log].0;
        let mut count = 0;
        let listed = self.context.checkpoint.segments.iter().filter(|s| s.log as usize == log);
        for info in listed.filter(|s| s.ordinal < start.ordinal) {
            let Some(segment) = segments.get(&info.ordinal) else { continue };
            let end = info.end as usize;
            segment.set_end(end);
            // Sealed before the checkpoint: whole, or damaged.
            if self.whole {
                let stop = self.segment(segment, SEGMENT_HEADER, end, &mut count)?;
                if stop != end {
                    return Err(segment.damaged(stop));
                }
            }
        }
        let from = match (start.ordinal, self.whole) {
            (0, _) => Position { ordinal: 1, offset: SEGMENT_HEADER as u64 },
            (ordinal, true) => Position { ordinal, offset: SEGMENT_HEADER as u64 },
            (_, false) => start,
        };
        let all: Vec<&Arc<Segment>> = segments.range(from.ordinal..).map(|(_, s)| s).collect();
        let chain = &all[..self.unbroken(log, from, &all)?];
        let mut end = LogEnd::default();
        for (i, segment) in chain.iter().enumerate() {
            let is_start = segment.id.ordinal == from.ordinal;
            let begin = if is_start { from.offset as usize } else { SEGMENT_HEADER };
            let limit = chain.get(i + 1).map_or(segment.len(), |n| n.id.previous_end as usize);
            let stop = self.segment(segment, begin, limit, &mut count)?;
            end.replayed.push(((*segment).clone(), stop));
            if i + 1 < chain.len() && stop == limit {
                segment.set_end(stop);
                continue;
            }
            self.check_end(segment, stop, &all[i + 1..])?;
            end.cut_bytes = cut_bytes(segment, stop)?;
            break;
        }
        end.beyond = all[end.replayed.len()..].iter().map(|s| (*s).clone()).collect();
        end.cut_bytes += end.beyond.iter().map(|s| s.len() as u64).sum::<u64>();
        self.replayed.fetch_add(count, Ordering::Relaxed);
        Ok(end)
    }

    /// How many of a log's segments follow each other without a gap. A power loss may take a
    /// segment that was never synced and leave a later one; any other gap is damage.
    fn unbroken(&self, log: usize, from: Position, all: &[&Arc<Segment>]) -> Result<usize> {
        let Context { home, checkpoint, same_boot, clean, .. } = self.context;
        // The segment of the position itself may have been compacted away since it was sealed;
        // then the checkpoint does not list it. One that it lists is there.
        let listed = |ordinal| {
            let is_it = |s: &SegmentInfo| s.log as usize == log && s.ordinal == ordinal;
            checkpoint.segments.iter().any(is_it)
        };
        let gone = checkpoint.logs[log].0.ordinal > 0 && !listed(from.ordinal);
        let first = from.ordinal + u64::from(gone);
        // One that was made as the successor of another segment is a leftover of a cut.
        let follows = |(i, s): &(usize, &&Arc<Segment>)| {
            s.id.ordinal == first + *i as u64
                && (*i == 0 || s.id.previous == all[*i - 1].id.generation)
        };
        let count = all.iter().enumerate().take_while(follows).count();
        let Some(next) = all.get(count) else { return Ok(count) };
        let was_synced = all[count..].iter().any(|s| s.synced() > SEGMENT_HEADER);
        if was_synced || *same_boot || *clean {
            return Err(Error::corruption(format!(
                "segment {} of log {log} is missing in {}: {} is segment {}",
                first + count as u64,
                home.dir.display(),
                next.path.display(),
                next.id.ordinal
            )));
        }
        Ok(count)
    }

    /// Replays the records of a segment from `at` on, up to `limit` at most; returns where it
    /// stopped.
    fn segment(
        &self,
        segment: &Arc<Segment>,
        mut at: usize,
        limit: usize,
        count: &mut u64,
    ) -> Result<usize> {
        // Nobody appends during recovery.
        let mut reader = Reader::new(segment)?;
        while at < limit {
            let Some(record) = reader.record(at, limit)? else { break };
            if record.kind == Kind::Batch {
                self.batch(segment, at, &record, count)?;
            } else {
                self.apply(segment, at, &record)?;
                *count += 1;
            }
            at += record.total_len();
        }
        Ok(at)
    }

    fn batch(&self, segment: &Segment, at: usize, frame: &Record, count: &mut u64) -> Result<()> {
        let mut inner = RECORD_HEADER.next_multiple_of(8);
        while inner < RECORD_HEADER + frame.value.len() {
            let rest = &frame.value[inner - RECORD_HEADER..];
            let record = record::parse(rest, segment.seed).filter(|r| r.kind != Kind::Batch);
            let Some(record) = record else {
                // The frame's checksum was right, so this is no torn write.
                return Err(segment.damaged(at + inner));
            };
            self.apply(segment, at + inner, &record)?;
            *count += 1;
            inner += record.total_len();
        }
        Ok(())
    }

    /// Makes the index agree with one record, unless it knows a newer one of the same key.
    fn apply(&self, segment: &Segment, at: usize, record: &Record) -> Result<()> {
        let engine = self.engine;
        let hash = engine.hash_of(record.key);
        let at = Location { slot: segment.id.slot, offset: at as u32 };
        let number = engine.shard_number(hash);
        let shard = &engine.shards[number];
        let mut state = shard.lock();
        state.seq = state.seq.max(record.seq);
        let (mut found, mut cold) = (None::<Found>, Cold::uncached());
        // SAFETY: the shard's lock is held; the record at `at` is complete.
        unsafe {
            let place = shard.index.locate(hash, |at| {
                let Some(other) = engine.record(at, &mut cold)? else { return Ok(false) };
                let same = other.raw.key() == record.key;
                if same {
                    // Its sequence number and kind decide what counts, so they must be right.
                    engine.slots.verify(&other)?;
                    found = Some(other);
                }
                Ok::<_, Error>(same)
            })?;
            match (place, &found) {
                (Some(_), Some(old)) if old.raw.header.seq >= record.seq => {
                    if old.at != at && record.kind == Kind::Put {
                        engine.add_dead(at.slot, record.total_len());
                    }
                    return Ok(());
                }
                (Some(place), Some(old)) => {
                    if old.raw.header.kind == Kind::Put as u8 {
                        let len = old.raw.header.total_len();
                        engine.add_dead(old.at.slot, len);
                        state.keys -= 1;
                    }
                    shard.index.update(hash, place, at);
                }
                _ => {
                    shard.index.reserve(hash).map_err(|e| Error::os("grow the index", &e))?;
                    shard.index.insert(hash, at);
                }
            }
        }
        match record.kind {
            Kind::Put => state.keys += 1,
            _ => {
                segment.add_delete(record.total_len(), Killed::decode(record.value).horizon);
                let mut deletes =
                    self.deletes[number].lock().unwrap_or_else(PoisonError::into_inner);
                deletes.push((hash, at));
            }
        }
        Ok(())
    }

    /// Whether a log may end at `stop`.
    fn check_end(
        &self,
        segment: &Arc<Segment>,
        stop: usize,
        later: &[&Arc<Segment>],
    ) -> Result<()> {
        let id = &segment.id;
        let listed = |s: &&SegmentInfo| s.generation == id.generation;
        let checkpointed =
            self.context.checkpoint.segments.iter().find(listed).map_or(0, |s| s.end as usize);
        let mut known = segment.synced().max(checkpointed);
        if let Some(next) = later.first() {
            if later.iter().any(|s| s.synced() > SEGMENT_HEADER) {
                known = known.max(next.id.previous_end as usize);
            }
        }
        if stop < known {
            return Err(segment.damaged(stop));
        }
        if self.context.same_boot && !self.context.clean {
            return end::check_exact_end(segment, stop, later);
        }
        Ok(())
    }

    /// Step 4: removes the deletes that are still in the indexes.
    fn forget_deletes(&self) -> Result<()> {
        for (shard, deletes) in self.engine.shards.iter().zip(&self.deletes) {
            let _state = shard.lock();
            for (hash, at) in &*deletes.lock().unwrap_or_else(PoisonError::into_inner) {
                // SAFETY: the shard's lock is held.
                unsafe {
                    let place = shard.index.locate(*hash, |place| Ok::<_, Error>(place == *at))?;
                    if let Some(place) = place {
                        shard.index.remove(*hash, place);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Bytes that a cut takes away, as far as they look like records; 0 for a clean end.
fn cut_bytes(segment: &Arc<Segment>, stop: usize) -> Result<u64> {
    let rest = segment.len() - stop;
    if rest < RECORD_HEADER {
        return Ok(0);
    }
    let mut reader = Reader::new(segment)?;
    let head = reader.bytes(stop, stop + RECORD_HEADER)?.first_chunk::<RECORD_HEADER>();
    let torn = head.filter(|head| **head != [0; RECORD_HEADER]);
    Ok(torn.map_or(0, |head| record::Header::decode(head).total_len().min(rest) as u64))
}
