//! The small files of a database: MANIFEST, STATE and CHECKPOINT.
//!
//! ```text
//! Format (little-endian; each begins with 8 bytes of magic and a u32 format version, 1 or where
//! it is said 2, and ends with the crc32 of all before it)
//! MANIFEST    what never changes: shards u32 | database id u64 | hash secret 192 bytes |
//!             4096 x shard of the slot u16
//! STATE       the life of the directory: clean u32 | opens u64 | boot id u64
//! CHECKPOINT  number u64 | image u64 (0: none) | image blocks u64 | logs u32 | segments u32 |
//!             logs x (position: ordinal u64, offset u64 | sequence u64): a log a shard, then a
//!             cold log a shard, whose sequence is 0 |
//!             segments x (slot u32 | log u32 | generation u64 | ordinal u64 | end u64 |
//!             dead bytes u64 | bytes of deletes u64 | highest horizon of them u64); in format 2
//!             also 4096 x shard of the slot u16 | rules (see engine/rules.rs)
//! ```
//!
//! A placement other than MANIFEST's is in CHECKPOINT, which then has format 2: an index image is
//! right under one placement alone, so both change at one moment.
//!
//! MANIFEST and CHECKPOINT are replaced whole (written beside, synced, renamed). STATE is one
//! sector, overwritten in place and synced; a torn one counts as not clean.

use super::placement::Map;
use super::rules::RuleSet;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{SECRET_LEN, SLOTS};
use crate::index::entry::{RECORD_ALIGN, SEGMENT_SLOTS};
use crate::limits::SHARDS_MAX;
use crate::log::segment::{SEGMENT_HEADER, SEGMENT_LEN_MAX};
use crate::log::Position;
use std::sync::Arc;

pub(crate) const MANIFEST: &str = "MANIFEST";
pub(crate) const STATE: &str = "STATE";
pub(crate) const CHECKPOINT: &str = "CHECKPOINT";
/// A checkpoint that is being written.
pub(crate) const CHECKPOINT_TEMPORARY: &str = "CHECKPOINT.tmp";
pub(crate) const LOCK: &str = "LOCK";
/// There, and empty, once a sync has failed, until a later opening has dealt with it.
pub(crate) const UNSYNCED: &str = "UNSYNCED";

const FORMAT: u32 = 1;
/// The format of a CHECKPOINT that has a placement.
const FORMAT_PLACED: u32 = 2;
/// No count of anything reaches this: sequence numbers, checkpoints, segments of a log.
pub(crate) const COUNT_END: u64 = 1 << 56;

/// What is fixed when a database is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) shards: usize,
    pub(crate) database: u64,
    /// See [`crate::hash`].
    pub(crate) secret: [u8; SECRET_LEN],
    /// The shard of each placement slot.
    pub(crate) slots: Vec<u16>,
}

/// Where the directory is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Whether the last writer closed, leaving nothing to replay.
    pub(crate) clean: bool,
    /// How often the directory was opened for writing.
    pub(crate) opens: u64,
    /// The boot of the kernel in which it was.
    pub(crate) boot: u64,
}

/// A published checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    pub(crate) number: u64,
    /// Number in the name of the index image; 0 for none.
    pub(crate) image: u64,
    pub(crate) image_blocks: u64,
    /// For each log, where replay starts, and the shard's sequence number then.
    pub(crate) logs: Vec<(Position, u64)>,
    /// The segments that existed, all of them needed.
    pub(crate) segments: Vec<SegmentInfo>,
    /// The placement, if it is not MANIFEST's.
    pub(crate) placement: Option<Map>,
}

/// A segment as a checkpoint knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    pub(crate) slot: u32,
    pub(crate) log: u32,
    pub(crate) generation: u64,
    pub(crate) ordinal: u64,
    /// Where the records ended; the segment may have grown since if it was active.
    pub(crate) end: u64,
    pub(crate) dead: u64,
    pub(crate) deletes: u64,
    pub(crate) horizon: u64,
}

/// Name of the file of an index image.
pub(crate) fn image_name(number: u64) -> String {
    format!("index-{number:016x}.img")
}

impl Manifest {
    const MAGIC: &'static [u8; 8] = b"WARPMAN\x01";

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(Self::MAGIC);
        w.u32(self.shards as u32);
        w.u64(self.database);
        w.bytes(&self.secret);
        self.slots.iter().for_each(|s| w.bytes(&s.to_le_bytes()));
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Manifest> {
        let mut r = Reader::new(bytes, Self::MAGIC, MANIFEST)?;
        let shards = r.u32()? as usize;
        let manifest = Manifest {
            shards,
            database: r.u64()?,
            secret: r.take()?,
            slots: (0..SLOTS).map(|_| r.u16()).collect::<Result<_>>()?,
        };
        r.finish()?;
        let in_range = |s: &u16| usize::from(*s) < shards;
        if !(1..=SHARDS_MAX).contains(&shards) || !manifest.slots.iter().all(in_range) {
            return Err(Error::corruption(format!(
                "{MANIFEST}: {shards} shards, or a slot of none"
            )));
        }
        Ok(manifest)
    }
}

impl State {
    const MAGIC: &'static [u8; 8] = b"WARPSTA\x01";

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(Self::MAGIC);
        w.u32(u32::from(self.clean));
        w.u64(self.opens);
        w.u64(self.boot);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<State> {
        let mut r = Reader::new(bytes, Self::MAGIC, STATE)?;
        let state = State { clean: r.u32()? == 1, opens: r.u64()?, boot: r.u64()? };
        r.finish()?;
        if state.opens >= u64::from(u32::MAX) {
            return Err(Error::corruption(format!("{STATE}: opened {} times", state.opens)));
        }
        Ok(state)
    }
}

impl Checkpoint {
    const MAGIC: &'static [u8; 8] = b"WARPCHK\x01";

    pub(crate) fn encode(&self) -> Vec<u8> {
        let format = if self.placement.is_some() { FORMAT_PLACED } else { FORMAT };
        let mut w = Writer::with_format(Self::MAGIC, format);
        w.u64(self.number);
        w.u64(self.image);
        w.u64(self.image_blocks);
        w.u32(self.logs.len() as u32);
        w.u32(self.segments.len() as u32);
        for (position, seq) in &self.logs {
            w.u64(position.ordinal);
            w.u64(position.offset);
            w.u64(*seq);
        }
        for s in &self.segments {
            w.u32(s.slot);
            w.u32(s.log);
            w.u64(s.generation);
            w.u64(s.ordinal);
            w.u64(s.end);
            w.u64(s.dead);
            w.u64(s.deletes);
            w.u64(s.horizon);
        }
        if let Some(map) = &self.placement {
            map.table.iter().for_each(|s| w.bytes(&s.to_le_bytes()));
            w.bytes(&map.rules.encode());
        }
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint> {
        let (mut r, format) = Reader::with_format(bytes, Self::MAGIC, CHECKPOINT, FORMAT_PLACED)?;
        let (number, image, image_blocks) = (r.u64()?, r.u64()?, r.u64()?);
        let (logs, segments) = (r.u32()? as usize, r.u32()? as usize);
        if logs > 2 * SHARDS_MAX || segments > SEGMENT_SLOTS {
            return Err(Error::corruption(format!(
                "{CHECKPOINT}: {logs} logs and {segments} segments are out of range"
            )));
        }
        let log = |r: &mut Reader| Ok((Position { ordinal: r.u64()?, offset: r.u64()? }, r.u64()?));
        let logs = (0..logs).map(|_| log(&mut r)).collect::<Result<_>>()?;
        let segment = |r: &mut Reader| {
            Ok(SegmentInfo {
                slot: r.u32()?,
                log: r.u32()?,
                generation: r.u64()?,
                ordinal: r.u64()?,
                end: r.u64()?,
                dead: r.u64()?,
                deletes: r.u64()?,
                horizon: r.u64()?,
            })
        };
        let segments = (0..segments).map(|_| segment(&mut r)).collect::<Result<_>>()?;
        let mut placement = None;
        if format == FORMAT_PLACED {
            let table = (0..SLOTS).map(|_| r.u16()).collect::<Result<_>>()?;
            let Some(rules) = RuleSet::decode(std::mem::take(&mut r.rest)) else {
                return Err(Error::corruption(format!("{CHECKPOINT}: its rules are none")));
            };
            placement = Some(Map { table, rules: Arc::new(rules) });
        }
        r.finish()?;
        let checkpoint = Checkpoint { number, image, image_blocks, logs, segments, placement };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Refuses numbers that no checkpoint has, and those that contradict each other: what reads
    /// them later counts with them.
    fn check(&self) -> Result<()> {
        let is_offset = |n: u64| n % RECORD_ALIGN as u64 == 0 && n <= SEGMENT_LEN_MAX as u64;
        let is_log = |(position, seq): &(Position, u64)| {
            position.ordinal < COUNT_END && is_offset(position.offset) && *seq < COUNT_END
        };
        let is_segment = |s: &SegmentInfo| {
            let Some((position, _)) = self.logs.get(s.log as usize) else { return false };
            let is_last = s.ordinal == position.ordinal;
            s.ordinal <= position.ordinal
                && (!is_last || s.end == position.offset)
                && is_offset(s.end)
                && s.end >= SEGMENT_HEADER as u64
                && s.dead.max(s.deletes) < COUNT_END
                && (s.slot as usize) < SEGMENT_SLOTS
        };
        let shards = self.logs.len() / 2;
        let is_placed = |s: &u16| usize::from(*s) < shards;
        let fits = self.number < COUNT_END
            && self.placement.iter().flat_map(|m| &m.table).all(is_placed)
            && self.logs.iter().all(is_log)
            && self.segments.iter().all(is_segment);
        if fits {
            return Ok(());
        }
        Err(Error::corruption(format!("{CHECKPOINT}: its numbers contradict each other")))
    }
}

/// Builds one of the files.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(magic: &[u8; 8]) -> Self {
        Self::with_format(magic, FORMAT)
    }

    fn with_format(magic: &[u8; 8], format: u32) -> Self {
        let mut w = Writer { bytes: magic.to_vec() };
        w.u32(format);
        w
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn u32(&mut self, n: u32) {
        self.bytes(&n.to_le_bytes());
    }

    fn u64(&mut self, n: u64) {
        self.bytes(&n.to_le_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        let crc = crc32fast::hash(&self.bytes);
        self.u32(crc);
        self.bytes
    }
}

/// Takes one of the files apart; the checksum is verified before anything is read.
struct Reader<'a> {
    rest: &'a [u8],
    name: &'static str,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], magic: &[u8; 8], name: &'static str) -> Result<Self> {
        Ok(Self::with_format(bytes, magic, name, FORMAT)?.0)
    }

    /// A file of any format up to `newest`, and its format.
    fn with_format(
        bytes: &'a [u8],
        magic: &[u8; 8],
        name: &'static str,
        newest: u32,
    ) -> Result<(Self, u32)> {
        let Some((body, crc)) = bytes.split_last_chunk::<4>().filter(|(b, _)| b.len() >= 12) else {
            return Err(Error::corruption(format!("{name}: {} bytes are too few", bytes.len())));
        };
        if &body[..8] != magic {
            return Err(Error::corruption(format!(
                "{name}: the magic number at offset 0 is wrong"
            )));
        }
        let format = u32::from_le_bytes([body[8], body[9], body[10], body[11]]);
        if format > newest {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{name}: format {format} is newer than {newest}, which this version reads"),
            ));
        }
        let (stored, found) = (u32::from_le_bytes(*crc), crc32fast::hash(body));
        if stored != found || format == 0 {
            return Err(Error::corruption(format!(
                "{name}: the checksum at offset {} is {stored:#010x}, the bytes give {found:#010x}",
                body.len()
            )));
        }
        Ok((Reader { rest: &body[12..], name }, format))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Error::corruption(format!("{}: it ends too early", self.name)));
        };
        self.rest = rest;
        Ok(*head)
    }

    fn u16(&mut self) -> Result<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::corruption(format!("{}: {} bytes too many", self.name, self.rest.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            number: 3,
            image: 3,
            image_blocks: 9,
            logs: vec![(Position { ordinal: 1, offset: 128 }, 17); 2],
            segments: vec![SegmentInfo {
                slot: 1,
                log: 0,
                generation: 7,
                ordinal: 1,
                end: 128,
                dead: 6,
                deletes: 7,
                horizon: 8,
            }],
            placement: None,
        }
    }

    #[test]
    fn the_files_come_back_as_they_were() {
        let manifest =
            Manifest { shards: 24, database: 1, secret: [2; SECRET_LEN], slots: vec![23; SLOTS] };
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        let state = State { clean: true, opens: 4, boot: 5 };
        assert_eq!(State::decode(&state.encode()), Ok(state));
        assert_eq!(Checkpoint::decode(&checkpoint().encode()), Ok(checkpoint()));
        let rules = RuleSet::new(vec![super::super::rules::Rule::parse("a*,b*").unwrap()]).unwrap();
        let map = Map { table: vec![0; SLOTS], rules: Arc::new(rules) };
        let placed = Checkpoint { placement: Some(map), ..checkpoint() };
        assert_eq!(Checkpoint::decode(&placed.encode()), Ok(placed));
    }

    #[test]
    fn no_flipped_bit_and_no_missing_byte_passes() {
        let bytes = checkpoint().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::decode(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_newer_format_is_named_as_such() {
        let mut bytes = checkpoint().encode();
        bytes[8] = 3;
        let error = Checkpoint::decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
