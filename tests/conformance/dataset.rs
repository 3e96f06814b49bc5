//! The data set that every language writes and every other language reads; the rules are in
//! `README.md`, their reference is `dataset.py`.

use std::collections::HashMap;
use std::path::Path;
use warp_engine::{Batch, Db, Error, ErrorKind, Options, Result};

const INDICES: u64 = 3_000;
const BLOCK: u64 = 100;
/// What `dataset.py` prints.
pub const EXPECTED: &str = "2546 keys, digest 2b20ddfbe9d6b535";

/// The SplitMix64 step: 64 well-mixed bits of a number.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn key(i: u64) -> Vec<u8> {
    let number = i.to_string().into_bytes();
    match i % 4 {
        0 => [b"key-", &number[..]].concat(),
        1 => mix(i).to_le_bytes().to_vec(),
        2 => [b"\0", &number[..], b"\xff"].concat(),
        _ => [&vec![b'k'; (mix(i) % 500) as usize][..], b"-", &number].concat(),
    }
}

fn value(i: u64, generation: u64) -> Vec<u8> {
    let s = mix(8 * i + generation);
    let length = match i {
        1_000 => 3 << 20,
        i if i % 250 == 249 => 60_000 + 37 * i,
        _ => s % 400,
    };
    (0..length).map(|j| (s >> 16).wrapping_add(7 * j).wrapping_add(j >> 8) as u8).collect()
}

/// The generation of the value that `key(i)` ends with, or `None` where it is deleted.
fn final_generation(i: u64) -> Option<u64> {
    match i {
        i if i % 17 == 0 => Some(3),
        i if i % 13 == 0 || i % 11 == 0 => None,
        i if i % 7 == 0 => Some(2),
        i if i % 5 == 0 => Some(1),
        _ => Some(0),
    }
}

/// The value before the last step, the compare-and-swaps.
fn generation_before_swaps(i: u64) -> Option<u64> {
    match i {
        i if i % 13 == 0 || i % 11 == 0 => None,
        i if i % 7 == 0 => Some(2),
        i if i % 5 == 0 => Some(1),
        _ => Some(0),
    }
}

/// Creates the data set in `dir`, which must not exist.
pub fn write(dir: &Path) -> Result<()> {
    let mut options = Options::new();
    options.set("shards", "5")?;
    options.set("durability", "process")?;
    options.set("error_if_exists", "true")?;
    let db = Db::open(Some(dir), &options)?;
    for i in 0..INDICES {
        db.put(&key(i), &value(i, 0))?;
    }
    for i in (0..INDICES).step_by(5) {
        db.put(&key(i), &value(i, 1))?;
    }
    db.checkpoint()?;
    for block in 0..INDICES / BLOCK {
        write_block(&db, block)?;
    }
    for i in (0..INDICES).step_by(13) {
        let existed = db.delete(&key(i))?;
        require(existed == (i % 11 != 0), "delete", i)?;
    }
    for i in (0..INDICES).step_by(17) {
        let current = generation_before_swaps(i).map(|generation| value(i, generation));
        let swapped = db.compare_and_swap(&key(i), current.as_deref(), Some(&value(i, 3)))?;
        require(swapped, "compare and swap", i)?;
    }
    db.sync()?;
    db.close()
}

/// One batch for 100 indices; the packed form for every other one.
fn write_block(db: &Db, block: u64) -> Result<()> {
    let mut batch = Batch::new();
    for i in block * BLOCK..(block + 1) * BLOCK {
        if i % 7 == 0 {
            batch.put(&key(i), &value(i, 2))?;
        }
        if i % 11 == 0 {
            batch.delete(&key(i))?;
        }
    }
    match block % 2 {
        0 => db.write(&batch),
        _ => db.write_packed(batch.as_packed()),
    }
}

/// Checks every key and value of the data set in `dir`, changes nothing, and returns the summary
/// that every language prints.
pub fn read(dir: &Path) -> Result<String> {
    let mut options = Options::new();
    options.set("read_only", "true")?;
    let db = Db::open(Some(dir), &options)?;
    let mut wanted = HashMap::new();
    let mut digest = 0xCBF2_9CE4_8422_2325_u64;
    for i in 0..INDICES {
        let value = final_generation(i).map(|generation| value(i, generation));
        require(db.get(&key(i))? == value, "get", i)?;
        let Some(value) = value else { continue };
        for byte in key(i).iter().chain(&value) {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        }
        wanted.insert(key(i), value);
    }
    let keys = wanted.len() as u64;
    require(db.stats().keys == keys, "the number of keys", db.stats().keys)?;
    require(db.stats().shards == 5, "the number of shards", db.stats().shards)?;
    let mut iter = db.iter(b"")?;
    while iter.advance()? {
        let (key, value) = iter.current().expect("advance said that there is an entry");
        require(wanted.remove(key).as_deref() == Some(value), "the iterator after", 0)?;
    }
    require(wanted.is_empty(), "keys missing in the iterator:", wanted.len() as u64)?;
    db.close()?;
    Ok(format!("{keys} keys, digest {digest:016x}"))
}

fn require(holds: bool, what: &str, i: u64) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Corruption, format!("data set: {what} {i} is wrong"))),
    }
}
