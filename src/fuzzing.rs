//! What the fuzzers feed, and what a plain test run feeds with mutated samples. Not part of the
//! API: compiled with the feature `fuzzing` and for tests alone.
//!
//! Every function takes any bytes. It may not panic, hang, or take memory by what a length in
//! them says; what a decoder accepts must encode to the same bytes again.

use crate::check::walk::{walk, Item};
use crate::engine::image::{inspect, Group};
use crate::engine::meta::{Checkpoint, Manifest, State};
use crate::index::misplaced;
use crate::log::record::{self, Header, Record, FLAG_IN_BATCH, RECORD_HEADER};
use crate::log::resync::Resync;
use crate::log::segment::{self, Identity, Seed, SEGMENT_HEADER};
use crate::packed::PackedOps;
use crate::{Batch, Db, ErrorKind, Options};
use std::path::Path;
use std::time::Duration;

/// The seed of a number of bytes, for targets that need one.
fn seed(data: &[u8]) -> Seed {
    Seed(data.first_chunk().map_or(0, |b| u32::from_le_bytes(*b)))
}

/// A record, and a stretch of them: the first 4 bytes are the seed.
pub fn records(data: &[u8]) {
    let (seed, bytes) = (seed(data), data.get(4..).unwrap_or_default());
    if let Some(found) = record::parse(bytes, seed) {
        check(&found, &bytes[..found.total_len()], seed);
    }
    walk_all(bytes, seed);
    let mut sealed = bytes.to_vec();
    seal_records(&mut sealed, 0, seed);
    walk_all(&sealed, seed);
}

fn walk_all(bytes: &[u8], seed: Seed) {
    let resync = Resync::new(bytes, seed);
    let mut last = 0;
    let mut place = |from: usize, to: usize| {
        assert!(from < to && to <= bytes.len(), "{from}..{to} of {}", bytes.len());
        assert!(from >= last, "{from} after {last}");
        last = from;
    };
    let end = walk(&resync, 0, bytes.len(), &mut |item| match item {
        Item::Record { at, record } | Item::Inner { at, record, .. } => {
            place(at, at + RECORD_HEADER + record.key.len() + record.value.len());
            check(&record, &bytes[at..], seed);
        }
        Item::Gap { from, to } | Item::BadFrame { at: from, to } => place(from, to),
        Item::Batch => {}
    });
    assert!(end <= bytes.len());
}

/// A record that was accepted is the one that its bytes are.
fn check(found: &Record, bytes: &[u8], seed: Seed) {
    let mut again = vec![0; found.total_len()];
    let (kind, flags, seq) = (found.kind, found.flags, found.seq);
    record::encode(&mut again, seed, (kind, flags, seq), found.key, found.value);
    let end = RECORD_HEADER + found.key.len() + found.value.len();
    assert_eq!(again[..end], bytes[..end]);
}

/// The header of a segment.
pub fn segment_header(data: &[u8]) {
    let mut header = [0; SEGMENT_HEADER];
    let len = data.len().min(SEGMENT_HEADER);
    header[..len].copy_from_slice(&data[..len]);
    let _ = Identity::decode(&header);
    let _ = (segment::synced_end(&header), segment::sealed_end(&header));
    seal_header(&mut header);
    if let Ok(id) = Identity::decode(&header) {
        assert_eq!(id.encode()[..72], header[..72], "{id:?}");
    }
}

/// MANIFEST, STATE and CHECKPOINT, as they are and with a checksum that fits.
pub fn small_files(data: &[u8]) {
    let mut sealed = data.to_vec();
    seal_small(&mut sealed);
    for bytes in [data, &sealed] {
        if let Ok(manifest) = Manifest::decode(bytes) {
            assert_eq!(manifest.encode(), bytes);
        }
        if let Ok(checkpoint) = Checkpoint::decode(bytes) {
            assert_eq!(checkpoint.encode(), bytes);
        }
        // The flag of STATE is one bit of a word.
        let _ = State::decode(bytes);
    }
}

/// An index image: the first two bytes are numbers of blocks and of shards.
pub fn image(data: &[u8]) {
    let Some((head, bytes)) = data.split_first_chunk::<2>() else { return };
    let (blocks, shards) = (u64::from(head[0]), usize::from(head[1] % 8));
    let mut sealed = bytes.to_vec();
    seal_image(&mut sealed);
    for bytes in [bytes, &sealed] {
        let mut groups = 0;
        let defects = inspect(bytes, blocks, shards, &mut |group: Group| {
            groups += 1;
            assert!(group.shard < shards && group.offset <= bytes.len());
            let _ = misplaced(group.words);
        });
        assert!(groups <= shards * crate::index::rows::GROUPS);
        assert!(defects.iter().all(|(from, to, _)| from <= to && *to <= bytes.len()));
    }
}

/// A packed batch: read, and written to a database in memory, all of it or nothing.
pub fn packed(data: &[u8]) {
    thread_local! {
        // Opened once: an open takes a thousand times as long as the rest. Empty between inputs.
        static DB: Db = Db::open(None, &Options { shards: Some(3), ..Options::new() })
            .unwrap_or_else(|e| panic!("open in memory: {e}"));
    }
    DB.with(|db| packed_into(db, data));
}

fn packed_into(db: &Db, data: &[u8]) {
    let ops: Result<Vec<_>, _> = PackedOps::new(data).collect();
    match (ops, db.write_packed(data)) {
        (Ok(ops), Ok(())) => {
            let mut batch = Batch::new();
            for op in &ops {
                match op.value {
                    Some(value) => batch.put(op.key, value),
                    None => batch.delete(op.key),
                }
                .unwrap_or_else(|e| panic!("an operation that was read is refused: {e}"));
            }
            assert_eq!(batch.as_packed(), data);
            for op in &ops {
                let last = ops.iter().rev().find(|o| o.key == op.key).and_then(|o| o.value);
                let found = db.get(op.key).unwrap_or_else(|e| panic!("get: {e}"));
                assert_eq!(found.as_deref(), last);
            }
            for op in &ops {
                db.delete(op.key).unwrap_or_else(|e| panic!("delete: {e}"));
            }
            assert_eq!(db.stats().keys, 0, "a key is left of what was deleted");
        }
        (Err(_), Err(_)) => assert_eq!(db.stats().keys, 0, "a refused batch was written in part"),
        (ops, written) => panic!("read: {:?}, written: {written:?}", ops.map(|o| o.len())),
    }
}

/// Puts the right checksum at the end of a small file.
fn seal_small(bytes: &mut [u8]) {
    if let Some((body, crc)) = bytes.split_last_chunk_mut::<4>() {
        *crc = crc32fast::hash(body).to_le_bytes();
    }
}

fn seal_header(header: &mut [u8]) {
    let crc = crc32fast::hash(&header[..112]);
    header[112..116].copy_from_slice(&crc.to_le_bytes());
}

/// Puts right checksums into all blocks of an image, as far as their lengths lead.
fn seal_image(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..).and_then(|b| b.first_chunk::<32>()) {
        let payload = head[16..24].try_into().map_or(0, u64::from_le_bytes);
        let end = usize::try_from(payload).ok().and_then(|n| n.checked_add(at + 32));
        let Some(body) = end.and_then(|end| bytes.get(at + 32..end)) else { return };
        let mut crc = crc32fast::Hasher::new();
        crc.update(body);
        crc.update(&head[..24]);
        let next = at + 32 + body.len();
        bytes[at + 24..at + 28].copy_from_slice(&crc.finalize().to_le_bytes());
        at = next;
    }
}

/// Puts right checksums into all records, as far as their lengths lead, batches inside out.
fn seal_records(bytes: &mut [u8], mut at: usize, seed: Seed) {
    while let Some(head) = bytes.get(at..).and_then(|b| b.first_chunk()) {
        let header = Header::decode(head);
        let end = RECORD_HEADER + header.key_len + header.value_len;
        if header.kind == 0 || at + header.total_len() > bytes.len() {
            return;
        }
        let record = &mut bytes[at..at + header.total_len()];
        if header.kind == 3 && header.flags & FLAG_IN_BATCH == 0 && header.key_len == 0 {
            seal_records(&mut record[..end], RECORD_HEADER.next_multiple_of(8), seed);
        }
        record::seal(record, end, seed);
        at += header.total_len();
    }
}

/// Makes all checksums of a database's file right.
fn seal_file(name: &str, bytes: &mut [u8]) {
    if name.ends_with(".img") {
        return seal_image(bytes);
    }
    if !name.ends_with(".seg") {
        return seal_small(bytes);
    }
    if bytes.len() > SEGMENT_HEADER {
        let header = &mut bytes[..SEGMENT_HEADER];
        seal_header(header);
        let number = |at: usize| header[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        let seed = segment::seed_of(number(16), number(40));
        seal_records(bytes, SEGMENT_HEADER, seed);
    }
}

/// The files of a small database, as a process that dies leaves it, or closed.
#[derive(Clone)]
pub struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    /// Makes the database in `dir`, which is empty, and reads its files.
    pub fn sample(dir: &Path, closed: bool) -> Files {
        let options = Options {
            shards: Some(2),
            checkpoint_interval: Some(Duration::from_secs(3600)),
            durability: crate::Durability::Process,
            ..Options::new()
        };
        let fill = || {
            let db = Db::open(Some(dir), &options)?;
            for round in 0..3u8 {
                for n in 0..12u8 {
                    db.put(&[b'k', n], &vec![round; usize::from(n) * 5])?;
                }
                let mut batch = Batch::new();
                for n in 4..9u8 {
                    batch.put(&[b'b', n], &[n, round])?;
                }
                batch.delete(&[b'k', round])?;
                db.write(&batch)?;
                db.delete(&[b'b', 4 + round])?;
                if round == 1 {
                    db.checkpoint()?;
                }
            }
            if closed {
                db.close()?;
                return Ok(Files::read(dir));
            }
            let files = Files::read(dir);
            db.close()?;
            Ok(files)
        };
        fill().unwrap_or_else(|e: crate::Error| panic!("make a sample: {e}"))
    }

    fn read(dir: &Path) -> Files {
        let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                Some((path.file_name()?.to_str()?.to_owned(), std::fs::read(&path).ok()?))
            })
            .collect();
        files.sort();
        Files(files)
    }

    fn write(&self, dir: &Path) {
        let _ = std::fs::remove_dir_all(dir);
        let made = std::fs::create_dir(dir).and_then(|()| {
            self.0.iter().try_for_each(|(name, bytes)| std::fs::write(dir.join(name), bytes))
        });
        made.unwrap_or_else(|e| panic!("write to {}: {e}", dir.display()));
    }

    /// Changes files as `data` says, eight bytes a change: which file, what, and where.
    fn change(&mut self, data: &[u8]) {
        for change in data.chunks_exact(8).take(16) {
            let which = usize::from(change[0]) % self.0.len().max(1);
            if which >= self.0.len() {
                return;
            }
            if change[1] & 15 == 12 {
                self.0.remove(which);
                continue;
            }
            if change[1] & 15 == 13 {
                let bytes = self.0[which].1.clone();
                self.0.push((format!("{:016x}.seg", change[6]), bytes));
                continue;
            }
            let (name, bytes) = &mut self.0[which];
            change_bytes(bytes, change);
            if change[1] & 0x80 == 0 {
                seal_file(name, bytes);
            }
        }
    }
}

/// One change of a file's bytes.
fn change_bytes(bytes: &mut Vec<u8>, change: &[u8]) {
    let at = change[2..6].try_into().map_or(0, u32::from_le_bytes) as usize;
    let at = at % (bytes.len() + 1);
    let much = usize::from(change[6]);
    let from = |at: usize| bytes[at.min(bytes.len())..].iter().take(256).copied().collect();
    let part: Vec<u8> = match change[1] & 15 {
        5 => change[4..].to_vec(),
        6 => vec![0xff; 8],
        7 => vec![0; much * 16],
        8 => {
            bytes.truncate(at);
            return;
        }
        9 => {
            bytes.extend((0..much * 8).map(|n| n as u8));
            return;
        }
        // A part of the file over this place.
        10 | 11 => from(much * 8),
        _ => {
            bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= change[6] | 1);
            return;
        }
    };
    bytes.iter_mut().skip(at & !7).zip(part).for_each(|(b, p)| *b = p);
}

/// A whole directory: the sample, changed, is opened, read, verified, repaired, and written to.
/// All of that may fail, with an error that says so.
pub fn directory(sample: &Files, dir: &Path, data: &[u8]) {
    let mut files = sample.clone();
    files.change(data);
    files.write(dir);
    let reading = Options { read_only: true, open_timeout: Duration::ZERO, ..Options::new() };
    let opened = Db::open(Some(dir), &reading).and_then(|db| {
        let mut iter = db.iter(b"")?;
        while iter.advance()? {
            let Some((key, value)) = iter.current() else { break };
            // Checksums that were made right make any value right.
            assert!(key.len() <= crate::KEY_LEN_MAX && value.len() <= crate::VALUE_LEN_MAX);
        }
        (0..12u8).try_for_each(|n| db.get(&[b'k', n]).map(|_| ()))?;
        db.close()
    });
    let opened = said(opened);
    said(Db::verify(dir, &reading, |_, _| {}).map(|_| ()));
    let to = dir.with_extension("repaired");
    let _ = std::fs::remove_dir_all(&to);
    let _ = std::fs::remove_dir_all(dir.with_extension("repaired.partial"));
    if data.first().is_some_and(|b| b % 4 == 0) {
        said(Db::repair(dir, &to, &Options { shards: Some(1), ..reading }, |_, _| {}).map(|_| ()));
    }
    if opened && data.first().is_some_and(|b| b % 2 == 0) {
        let writing = Options { open_timeout: Duration::ZERO, ..Options::new() };
        said(Db::open(Some(dir), &writing).and_then(|db| {
            db.put(b"k\x03", b"new")?;
            db.delete(b"k\x05")?;
            assert_eq!(db.get(b"k\x03")?.as_deref(), Some(&b"new"[..]));
            db.compact()?;
            assert_eq!(db.get(b"k\x03")?.as_deref(), Some(&b"new"[..]));
            db.close()
        }));
    }
}

/// An error is one of the documented ones and says something; a defect of the library is none.
fn said(result: crate::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(e) => {
            assert!(e.kind() != ErrorKind::Internal && !e.message().is_empty(), "{e}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// splitmix64 (Steele et al., 2014)
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn below(&mut self, n: usize) -> usize {
            (self.next() >> 16) as usize % n.max(1)
        }

        fn bytes(&mut self, len: usize) -> Vec<u8> {
            (0..len).map(|_| self.next() as u8).collect()
        }

        /// One of the samples with a few bytes changed, or noise.
        fn mutated(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
            if self.below(8) == 0 {
                let len = self.below(300);
                return self.bytes(len);
            }
            let mut bytes = samples[self.below(samples.len())].clone();
            for _ in 0..self.below(6) {
                let at = self.below(bytes.len());
                match self.below(5) {
                    0 => bytes.truncate(at),
                    1 => bytes.iter_mut().skip(at).take(4).for_each(|b| *b = 0xff),
                    2 => bytes.iter_mut().skip(at).take(8).for_each(|b| *b = 0),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = self.next() as u8),
                }
            }
            bytes
        }
    }

    /// The files of the sample whose names end so.
    fn samples(ending: &str) -> Vec<Vec<u8>> {
        let home = tempfile::tempdir().unwrap();
        let files = Files::sample(&home.path().join("db"), true);
        files.0.into_iter().filter(|(n, _)| n.ends_with(ending)).map(|(_, bytes)| bytes).collect()
    }

    fn feed(samples: &[Vec<u8>], times: usize, target: fn(&[u8])) {
        let mut random = Random(0x5eed);
        samples.iter().for_each(|sample| target(sample));
        (0..times).for_each(|_| target(&random.mutated(samples)));
    }

    #[test]
    fn mutated_records() {
        let mut samples = samples(".seg");
        for sample in &mut samples {
            let number = |at: usize| sample[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
            let seed = segment::seed_of(number(16), number(40));
            sample.splice(..SEGMENT_HEADER, seed.0.to_le_bytes());
            sample.truncate(4_000);
        }
        feed(&samples, 2_000, records);
    }

    #[test]
    fn mutated_segment_headers() {
        feed(&samples(".seg"), 5_000, |data| segment_header(&data[..data.len().min(200)]));
    }

    #[test]
    fn mutated_small_files() {
        for name in ["MANIFEST", "STATE", "CHECKPOINT"] {
            feed(&samples(name), 3_000, small_files);
        }
    }

    #[test]
    fn mutated_images() {
        let mut samples = samples(".img");
        samples.iter_mut().for_each(|s| drop(s.splice(..0, [2, 2])));
        feed(&samples, 300, image);
    }

    #[test]
    fn mutated_batches() {
        let mut batch = Batch::new();
        for n in 0..5u8 {
            batch.put(&[b'k', n], &vec![n; usize::from(n) * 3]).unwrap();
            batch.delete(&[b'k', n / 2]).unwrap();
        }
        feed(&[batch.as_packed().to_vec()], 1_500, packed);
    }

    /// `WARP_SEED` and `WARP_FUZZ_CASES` set seed and number.
    #[test]
    fn mutated_directories() {
        let number = |name: &str, or: u64| std::env::var(name).map_or(or, |n| n.parse().unwrap());
        // In memory where there is such a place: nobody waits for the device there.
        let memory = Path::new("/dev/shm");
        let memory = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let home = tempfile::tempdir_in(memory).unwrap();
        let mut random = Random(number("WARP_SEED", 7));
        for closed in [true, false] {
            let name = if closed { "closed" } else { "killed" };
            let sample = Files::sample(&home.path().join(name), closed);
            for _ in 0..number("WARP_FUZZ_CASES", 500) {
                let len = 8 * (1 + random.below(4));
                directory(&sample, &home.path().join("db"), &random.bytes(len));
            }
        }
    }
}
