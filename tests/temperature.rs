//! Temperature, seen from outside: without any hints, hot and cold records end in different segments.

use std::collections::HashMap;
use std::path::Path;
use warp_engine::{Db, Options};

const SHARDS: u32 = 4;
const KEYS: u64 = 40_000;
/// One in ten is hot.
const HOT: u64 = 10;

fn key(n: u64) -> Vec<u8> {
    format!("key:{n:08}").into_bytes()
}

fn value(n: u64, version: u64) -> Vec<u8> {
    format!("{n} {version} ").repeat(16).into_bytes()
}

/// The log that the newest record of each key is in, and how many copies are among new records:
/// records as docs/format.md has them.
fn logs_of(dir: &Path) -> (HashMap<Vec<u8>, u32>, usize) {
    let mut copies = 0;
    let u16_at = |b: &[u8], at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
    let u32_at = |b: &[u8], at: usize| u32::from_le_bytes(*b[at..].first_chunk().unwrap());
    let u64_at = |b: &[u8], at: usize| u64::from_le_bytes(*b[at..].first_chunk().unwrap());
    // Where there is a record and its copy, the copy is in the younger segment.
    let mut newest: HashMap<Vec<u8>, ((u64, u64), u32)> = HashMap::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().extension().is_none_or(|e| e != "seg") {
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        if bytes.len() < 128 || &bytes[..7] != b"WARPSEG" {
            continue;
        }
        let (log, generation, sealed) =
            (u32_at(&bytes, 24), u64_at(&bytes, 40), u32_at(&bytes, 116) & !(1 << 31));
        let end = if sealed == 0 { bytes.len() } else { sealed as usize * 8 };
        let mut at = 128;
        while at + 20 <= end && u16_at(&bytes, at + 4) > 0 {
            let (key_len, value_len) = (u16_at(&bytes, at + 4), u32_at(&bytes, at + 8));
            copies += usize::from(bytes[at + 7] & 8 != 0);
            let key = bytes[at + 20..at + 20 + key_len as usize].to_vec();
            let place = ((u64_at(&bytes, at + 12), generation), log);
            let known = newest.entry(key).or_insert(place);
            *known = place.max(*known);
            at += (20 + key_len as usize + value_len as usize).next_multiple_of(8);
        }
    }
    (newest.into_iter().map(|(key, (_, log))| (key, log)).collect(), copies)
}

/// Overwrites a skewed set of keys, and returns which share of the hot ones and of the cold ones is
/// in cold logs then.
fn shares_in_cold_logs(prepare: impl Fn(&Db)) -> (f64, f64, usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut options = Options::new();
    options.set("shards", &SHARDS.to_string()).unwrap();
    options.set("durability", "process").unwrap();
    let db = Db::open(Some(&path), &options).unwrap();
    prepare(&db);
    let mut versions = vec![0; KEYS as usize];
    let mut put = |n: u64, version: u64| {
        versions[n as usize] = version;
        db.put(&key(n), &value(n, version)).unwrap();
    };
    (0..KEYS).for_each(|n| put(n, 0));
    // Nine writes in ten are to one key in ten, so a hot one is written 81 times as often.
    let mut random = 1u64;
    for version in 1..=KEYS * 12 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        let n = (random >> 20) % KEYS;
        let is_hot = (random >> 60) % 10 != 0;
        put(if is_hot { n / HOT * HOT } else { n }, version);
    }
    assert!(db.stats().moved_bytes > 0, "nothing was ever compacted");
    for (n, version) in (0..KEYS).zip(&versions) {
        assert_eq!(db.get(&key(n)).unwrap(), Some(value(n, *version)), "key {n}");
    }
    db.close().unwrap();

    let report = Db::verify(&path, &Options::new(), |_, _| ()).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let (logs, copies) = logs_of(&path);
    let share_in_cold = |wanted: &dyn Fn(u64) -> bool| {
        let all: Vec<u64> = (0..KEYS).filter(|n| wanted(*n)).collect();
        all.iter().filter(|n| logs[&key(**n)] >= SHARDS).count() as f64 / all.len() as f64
    };
    let is_hot = |n: u64| n % HOT == 0;
    (share_in_cold(&is_hot), share_in_cold(&|n| !is_hot(n)), copies)
}

#[test]
fn hot_and_cold_records_end_in_different_segments_without_hints() {
    // How many of the cold have not met a compaction yet, and how many young survivors there are,
    // depends on when compaction ran.
    let (hot, cold, _) = shares_in_cold_logs(|_| ());
    assert!(hot < 0.1 && cold > 0.5, "in cold logs: {hot:.3} of the hot, {cold:.3} of the cold");
}

#[test]
#[cfg(feature = "lab")]
fn without_temperature_they_lie_together() {
    let (hot, cold, copies) = shares_in_cold_logs(|db| db.set_compaction_trial(true, 0));
    assert!(copies > 0, "all survivors are copies among new records");
    assert!(hot < 0.1 && cold < 0.1, "in cold logs: {hot:.3} of the hot, {cold:.3} of the cold");
}
