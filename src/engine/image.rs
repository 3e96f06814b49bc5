//! The index image: the indexes of all shards in one file, so that open replays only the tails.
//!
//! ```text
//! Format (little-endian): blocks, in any order, up to the end that CHECKPOINT's count gives
//!   0 magic u32 "WIMG" | shard u32 | first group u32 | groups u32 | payload length u64 |
//!     crc32 of the payload and the 24 bytes before u32 | 0 u32
//!  32 payload: for each group: lines u32 | 0 u32 | lines x 8 x word u64
//! ```
//!
//! The words are the index's own (see `index/entry.rs`, `index/line.rs`). The image of a serving
//! database is not of one moment: it holds every entry that was there when the checkpoint's
//! positions were taken, or a newer one for the same key, and replay from those positions does the
//! rest.

use super::Engine;
use crate::error::{Error, Result};
use crate::index::entry::Location;
use crate::index::rows::GROUPS;
use crate::index::words_of;
use crate::sys;
use crate::sys::io::{File, Io};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const MAGIC: u32 = u32::from_le_bytes(*b"WIMG");
const BLOCK_HEADER: usize = 32;
/// A block is written once its payload reaches this.
const BLOCK_BYTES: usize = 256 << 10;

/// Threads for work that is spread over shards.
pub(crate) fn workers(io: &dyn Io, parts: usize) -> usize {
    if io.is_serial() {
        return 1;
    }
    sys::cores().min(8).min(parts).max(1)
}

/// Writes the image of all shards; returns the number of blocks.
pub(crate) fn write(engine: &Engine, file: &dyn File) -> Result<u64> {
    let (next_shard, end, blocks) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let put = |block: &mut Block| -> Result<()> {
        let bytes = block.finish();
        let at = end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        file.write_all_at(bytes, at).map_err(|e| Error::os("write the index image", &e))?;
        blocks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let work = || -> Result<()> {
        let mut words = Vec::new();
        loop {
            let shard = next_shard.fetch_add(1, Ordering::Relaxed);
            let Some(index) = engine.shards.get(shard).map(|s| &s.index) else { return Ok(()) };
            let mut block = Block::new(shard, 0);
            for group in 0..GROUPS {
                index.snapshot_group(group, &mut words);
                block.add(&words);
                if block.bytes.len() >= BLOCK_BYTES {
                    put(&mut block)?;
                    block = Block::new(shard, group + 1);
                }
            }
            if block.groups > 0 {
                put(&mut block)?;
            }
        }
    };
    run(workers(engine.source.io(), engine.shards.len()), work)?;
    Ok(blocks.into_inner())
}

/// Runs `work` on several threads and returns the first error.
pub(crate) fn run(threads: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    if threads <= 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        all.into_iter().try_for_each(|t| match t.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

struct Block {
    bytes: Vec<u8>,
    shard: usize,
    first: usize,
    groups: usize,
}

impl Block {
    fn new(shard: usize, first: usize) -> Block {
        Block { bytes: vec![0; BLOCK_HEADER], shard, first, groups: 0 }
    }

    fn add(&mut self, words: &[u64]) {
        self.bytes.extend_from_slice(&((words.len() / 8) as u32).to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        self.groups += 1;
    }

    fn finish(&mut self) -> &[u8] {
        let payload = (self.bytes.len() - BLOCK_HEADER) as u64;
        let numbers = [MAGIC, self.shard as u32, self.first as u32, self.groups as u32];
        for (i, n) in numbers.iter().enumerate() {
            self.bytes[i * 4..i * 4 + 4].copy_from_slice(&n.to_le_bytes());
        }
        self.bytes[16..24].copy_from_slice(&payload.to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.bytes[BLOCK_HEADER..]);
        crc.update(&self.bytes[..24]);
        self.bytes[24..28].copy_from_slice(&crc.finalize().to_le_bytes());
        &self.bytes
    }
}

/// The fixed part of a block, lengths checked against the file.
#[derive(Clone, Copy)]
struct BlockHeader {
    at: usize,
    shard: usize,
    first: usize,
    groups: usize,
    payload: usize,
    crc: u32,
}

/// Loads an image of `blocks` blocks into empty indexes. False: it is damaged, or not of these
/// segments; the indexes are then to be thrown away. Blocks are read one at a time, so this takes
/// memory for one on each thread.
pub(crate) fn load(engine: &Engine, file: &dyn File, blocks: u64) -> Result<bool> {
    let os = |e: std::io::Error| Error::os("read the index image", &e);
    let len = file.len().map_err(os)? as usize;
    if len == 0 {
        return Ok(blocks == 0);
    }
    let Some(headers) = read_headers(file, len, blocks, engine.shards.len()).map_err(os)? else {
        return Ok(false);
    };
    // All that a place is checked against, in few cache lines.
    let ends = engine.slots.ends();
    let (next, good) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<()> {
        let mut bytes = Vec::new();
        while let Some(header) = headers.get(next.fetch_add(1, Ordering::Relaxed)) {
            bytes.clear();
            bytes.resize(BLOCK_HEADER + header.payload, 0);
            file.read_exact_at(&mut bytes, (header.at - BLOCK_HEADER) as u64).map_err(os)?;
            let header = BlockHeader { at: BLOCK_HEADER, ..*header };
            let loaded = load_block(engine, &ends, &bytes, &header)?;
            good.fetch_add(usize::from(loaded), Ordering::Relaxed);
        }
        Ok(())
    };
    run(workers(engine.source.io(), headers.len()), work)?;
    Ok(good.into_inner() == headers.len())
}

/// The header of the block at `at` of a file of `len` bytes, which begins with `head`, if its
/// lengths lie within the file and its numbers in range.
fn header(head: &[u8], at: usize, len: usize, shards: usize) -> Option<BlockHeader> {
    let head = head.get(..BLOCK_HEADER)?;
    let n = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
    let payload = usize::try_from(u64::from(n(16)) | u64::from(n(20)) << 32).ok()?;
    let header = BlockHeader {
        at: at + BLOCK_HEADER,
        shard: n(4) as usize,
        first: n(8) as usize,
        groups: n(12) as usize,
        payload,
        crc: n(24),
    };
    let fits = n(0) == MAGIC
        && header.at.checked_add(payload)? <= len
        && header.shard < shards
        && header.first + header.groups <= GROUPS;
    fits.then_some(header)
}

/// The headers of all blocks; `None` if they are not a whole image of `shards` shards.
fn read_headers(
    file: &dyn File,
    len: usize,
    blocks: u64,
    shards: usize,
) -> std::io::Result<Option<Vec<BlockHeader>>> {
    let mut headers = Vec::new();
    let mut groups = vec![[false; GROUPS]; shards];
    let (mut at, mut head) = (0, [0; BLOCK_HEADER]);
    for _ in 0..blocks {
        if at + BLOCK_HEADER > len {
            return Ok(None);
        }
        file.read_exact_at(&mut head, at as u64)?;
        let Some(header) = header(&head, at, len, shards) else { return Ok(None) };
        for there in &mut groups[header.shard][header.first..header.first + header.groups] {
            // Each group once: a second one would be laid over the first.
            if std::mem::replace(there, true) {
                return Ok(None);
            }
        }
        headers.push(header);
        at = header.at + header.payload;
    }
    Ok(groups.iter().flatten().all(|there| *there).then_some(headers))
}

/// Whether a block's checksum fits.
fn verifies(bytes: &[u8], header: &BlockHeader) -> bool {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[header.at..header.at + header.payload]);
    crc.update(&bytes[header.at - BLOCK_HEADER..header.at - 8]);
    crc.finalize() == header.crc
}

/// The lines of the next group of a payload; `None` if it ends too early.
fn take_group<'a>(payload: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, rest) = payload.split_first_chunk::<8>()?;
    let lines = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let (body, rest) = rest.split_at_checked(lines * 64)?;
    *payload = rest;
    Some(body)
}

/// A group of an image.
pub(crate) struct Group<'a> {
    pub(crate) shard: usize,
    pub(crate) group: usize,
    pub(crate) words: &'a [u64],
    /// Where the words begin in the file.
    pub(crate) offset: usize,
}

/// Hands out all groups of an image, past damage, and returns its defects: from where to where,
/// and what.
pub(crate) fn inspect(
    bytes: &[u8],
    blocks: u64,
    shards: usize,
    visit: &mut dyn FnMut(Group),
) -> Vec<(usize, usize, String)> {
    let mut defects = Vec::new();
    let mut groups = vec![[false; GROUPS]; shards];
    let (mut at, mut words) = (0, Vec::new());
    for block in 0..blocks {
        let head = bytes.get(at..).unwrap_or_default();
        let Some(header) = header(head, at, bytes.len(), shards) else {
            let what = format!("the header of block {block} of {blocks} is damaged or cut off");
            defects.push((at.min(bytes.len()), bytes.len(), what));
            return defects;
        };
        let end = header.at + header.payload;
        if !verifies(bytes, &header) {
            let what = format!("block {block} of {blocks} does not match its checksum");
            defects.push((at, end, what));
            at = end;
            continue;
        }
        let mut payload = &bytes[header.at..end];
        for group in header.first..header.first + header.groups {
            let Some(body) = take_group(&mut payload) else {
                defects.push((at, end, format!("block {block} ends too early")));
                break;
            };
            words.clear();
            words.extend(words_of(body));
            if std::mem::replace(&mut groups[header.shard][group], true) {
                let what = format!("group {group} of shard {} is there twice", header.shard);
                defects.push((at, end, what));
                continue;
            }
            let offset = body.as_ptr() as usize - bytes.as_ptr() as usize;
            visit(Group { shard: header.shard, group, words: &words, offset });
        }
        at = end;
    }
    let missing = groups.iter().flatten().filter(|there| !**there).count();
    if missing > 0 && defects.is_empty() {
        defects.push((at, at, format!("{missing} groups are missing")));
    }
    defects
}

fn load_block(engine: &Engine, ends: &[u32], bytes: &[u8], header: &BlockHeader) -> Result<bool> {
    if !verifies(bytes, header) {
        return Ok(false);
    }
    let mut payload = &bytes[header.at..header.at + header.payload];
    let groups: Option<Vec<&[u8]>> = (0..header.groups).map(|_| take_group(&mut payload)).collect();
    let (Some(groups), true) = (groups, payload.is_empty()) else { return Ok(false) };
    let is_valid = |at: Location| {
        at.offset != 0 && ends.get(at.slot as usize).is_some_and(|end| at.offset < *end)
    };
    let shard = &engine.shards[header.shard];
    let mut state = shard.lock();
    // SAFETY: the shard's lock is held, and the database is not open yet.
    let loaded = unsafe { shard.index.load_groups(header.first, &groups, is_valid) };
    let keys = loaded.map_err(|e| Error::os("allocate the index", &e))?;
    state.keys += keys.unwrap_or(0) as u64;
    Ok(keys.is_some())
}
