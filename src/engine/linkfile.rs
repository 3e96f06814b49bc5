//! LINKS: the links by hand, as a log of changes.
//!
//! ```text
//! Format (little-endian)
//!   0  magic "WARPLNK" 01 | format u32, 1 | database id u64 | crc32 of these 20 bytes
//!  24  changes: crc32 of the rest of it, seeded with the database's id u64 | from length u16 |
//!      to length u16 | strength f32, 0 takes the link away | from | to
//! ```
//!
//! Invariants:
//! 1. A change is written whole before it is acknowledged, and changes are written one behind the
//!    other. So the file is right up to the first change that does not verify, which a crash has
//!    torn; what follows was never on the device for sure, and is cut off at open.
//! 2. A file of which more than half is overridden is written anew at open.
//!
//! Under the lock of [`super::links::Links`].

use super::links::Partner;
use super::Home;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::io::{replace_file, File};
use std::collections::HashMap;

pub(crate) const LINKS: &str = "LINKS";

const MAGIC: &[u8; 8] = b"WARPLNK\x01";
const FORMAT: u32 = 1;
const HEADER: usize = 24;
const CHANGE_HEADER: usize = 12;
/// Changes below that are not worth a new file.
const REWRITE_MIN: usize = 1024;

/// The open file.
pub(crate) struct LinkFile {
    file: Box<dyn File>,
    end: u64,
    seed: u32,
}

/// A link: from which key, and to what.
pub(crate) type Link = (Vec<u8>, Partner);

fn header(database: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(database.to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

fn seed_of(database: u64) -> u32 {
    crc32fast::hash(&database.to_le_bytes())
}

fn encode(seed: u32, from: &[u8], to: &Partner, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend([0; 4]);
    bytes.extend((from.len() as u16).to_le_bytes());
    bytes.extend((to.key.len() as u16).to_le_bytes());
    bytes.extend(to.strength.to_le_bytes());
    bytes.extend_from_slice(from);
    bytes.extend_from_slice(&to.key);
    let mut crc = crc32fast::Hasher::new_with_initial(seed);
    crc.update(&bytes[start + 4..]);
    bytes[start..start + 4].copy_from_slice(&crc.finalize().to_le_bytes());
}

/// The change at the beginning of `bytes`, and its length.
fn decode(seed: u32, bytes: &[u8]) -> Option<(Link, usize)> {
    let head = bytes.first_chunk::<CHANGE_HEADER>()?;
    let half = |i: usize| usize::from(u16::from_le_bytes([head[i], head[i + 1]]));
    let (from, to) = (half(4), half(6));
    let len = CHANGE_HEADER + from + to;
    let body = bytes.get(4..len)?;
    let mut crc = crc32fast::Hasher::new_with_initial(seed);
    crc.update(body);
    if from == 0 || to == 0 || crc.finalize().to_le_bytes() != head[..4] {
        return None;
    }
    let strength = f32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    let key = bytes[CHANGE_HEADER + from..len].to_vec();
    Some(((bytes[CHANGE_HEADER..CHANGE_HEADER + from].to_vec(), Partner { key, strength }), len))
}

/// All links as a file's contents.
pub(crate) fn encode_all(database: u64, links: &[Link]) -> Vec<u8> {
    let mut bytes = header(database);
    links.iter().for_each(|(from, to)| encode(seed_of(database), from, to, &mut bytes));
    bytes
}

/// The links in a file's contents, where they end, and how many changes there were.
fn decode_all(database: u64, bytes: &[u8]) -> Result<(Vec<Link>, usize, usize)> {
    if bytes.len() > 12 && bytes[..8] == *MAGIC {
        let format = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if format > FORMAT {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{LINKS}: format {format} is newer than {FORMAT}"),
            ));
        }
    }
    if !bytes.starts_with(&header(database)) {
        return Err(Error::corruption(format!("{LINKS}: the header at offset 0 is damaged")));
    }
    let (mut at, mut changes) = (HEADER, 0);
    let mut links: HashMap<(Vec<u8>, Vec<u8>), f32> = HashMap::new();
    while let Some(((from, to), len)) = decode(seed_of(database), &bytes[at..]) {
        if to.strength > 0.0 {
            links.insert((from, to.key), to.strength);
        } else {
            links.remove(&(from, to.key));
        }
        at += len;
        changes += 1;
    }
    let link = |((from, key), strength)| (from, Partner { key, strength });
    Ok((links.into_iter().map(link).collect(), at, changes))
}

impl LinkFile {
    /// A new, empty one.
    pub(crate) fn create(home: &Home, database: u64) -> std::io::Result<LinkFile> {
        let path = home.dir.join(LINKS);
        if home.io.exists(&path)? {
            // Left by a creation that failed half way: nothing was ever acknowledged from it.
            home.io.remove(&path)?;
        }
        let file = home.io.create(&path)?;
        file.write_all_at(&header(database), 0)?;
        Ok(LinkFile { file, end: HEADER as u64, seed: seed_of(database) })
    }

    /// Adds a change. One that fails is not there.
    pub(crate) fn append(&mut self, from: &[u8], to: &Partner) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        encode(self.seed, from, to, &mut bytes);
        self.file.write_all_at(&bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}

/// What a file holds.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) links: Vec<Link>,
    /// Where the changes end that verify, and how many they are; 0 for a file without a header.
    end: usize,
    changes: usize,
    /// Bytes of the file.
    len: u64,
}

/// Reads the file of a directory, if there is one, without writing anything.
pub(crate) fn read(home: &Home, database: u64) -> Result<Option<Contents>> {
    let path = home.dir.join(LINKS);
    let os = |e: std::io::Error| Error::os(format!("read {}", path.display()), &e);
    let file = match home.io.open(&path, false) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(os(e)),
    };
    let len = file.len().map_err(os)?;
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0).map_err(os)?;
    let zeros = bytes.iter().take(HEADER).all(|b| *b == 0);
    if bytes.len() < HEADER || zeros {
        // A crash right after it was made: no change of it was ever on the device.
        return Ok(Some(Contents { len, ..Contents::default() }));
    }
    let (links, end, changes) =
        decode_all(database, &bytes).map_err(|e| e.context(home.dir.display()))?;
    Ok(Some(Contents { links, end, changes, len }))
}

/// Opens LINKS to go on with, mended where a crash has torn it.
pub(crate) fn open(home: &Home, database: u64) -> Result<(Option<LinkFile>, Vec<Link>)> {
    let Some(Contents { links, end, changes, len }) = read(home, database)? else {
        return Ok((None, Vec::new()));
    };
    let path = home.dir.join(LINKS);
    let os = |e: std::io::Error| Error::os(format!("write {}", path.display()), &e);
    if end == 0 {
        home.io.remove(&path).map_err(os)?;
        return Ok((None, links));
    }
    if changes > REWRITE_MIN && changes > 2 * links.len() {
        let bytes = encode_all(database, &links);
        replace_file(&*home.io, &home.dir, LINKS, &bytes).map_err(os)?;
        let file = home.io.open(&path, true).map_err(os)?;
        let end = bytes.len() as u64;
        return Ok((Some(LinkFile { file, end, seed: seed_of(database) }), links));
    }
    let file = home.io.open(&path, true).map_err(os)?;
    if end as u64 != len {
        // Bytes behind the end could pass for a change once what is before them is overwritten.
        file.set_len(end as u64).map_err(os)?;
    }
    // What was read may be in the page cache alone.
    file.sync_data().map_err(os)?;
    Ok((Some(LinkFile { file, end: end as u64, seed: seed_of(database) }), links))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: &str, to: &str, strength: f32) -> Link {
        (from.into(), Partner { key: to.into(), strength })
    }

    #[test]
    fn changes_come_back_up_to_the_first_torn_one() {
        let links = [link("a", "b", 0.5), link("a", "c", 1.0)];
        let bytes = encode_all(7, &links);
        let (mut found, end, changes) = decode_all(7, &bytes).unwrap();
        found.sort_by(|a, b| a.1.key.cmp(&b.1.key));
        assert_eq!((&found[..], end, changes), (&links[..], bytes.len(), 2));
        for len in HEADER..bytes.len() {
            let (found, end, _) = decode_all(7, &bytes[..len]).unwrap();
            assert!(found.len() < 2 && end <= len);
        }
        let mut flipped = bytes.clone();
        flipped[HEADER + CHANGE_HEADER] ^= 1;
        assert_eq!(decode_all(7, &flipped).unwrap().0, []);
        assert!(decode_all(8, &bytes).is_err(), "of another database");
    }

    #[test]
    fn a_later_change_of_a_link_wins() {
        let links =
            [link("a", "b", 0.5), link("a", "b", 0.7), link("x", "y", 1.0), link("x", "y", 0.0)];
        let (found, ..) = decode_all(7, &encode_all(7, &links)).unwrap();
        assert_eq!(found, [link("a", "b", 0.7)]);
    }
}
