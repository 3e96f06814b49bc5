//! Cold segments: what fails is told with file and offset, what would wait says so, what was read
//! twice stays in the cache, and a database in memory refuses what it has no room for.
#![cfg(target_os = "linux")]

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use warp_engine::{Batch, Db, ErrorKind, Nowait, NowaitPinned, Options};

fn options(pairs: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    pairs.iter().for_each(|(name, value)| options.set(name, value).unwrap());
    options
}

fn key(n: u64) -> [u8; 8] {
    n.to_le_bytes()
}

fn value(n: u64) -> Vec<u8> {
    let mut value = vec![(n % 251) as u8; 900 + (n % 200) as usize];
    value[..8].copy_from_slice(&n.to_le_bytes());
    value
}

/// A number of the statistics in JSON, from the part `part`.
fn number(db: &Db, part: &str, name: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_str(&db.stats_json()).unwrap();
    json[part][name].as_u64().unwrap()
}

/// A database with `keys` keys, opened with so little memory that all of it is cold but the end.
fn cold_database(dir: &Path, keys: u64, pairs: &[(&str, &str)]) -> Db {
    let path = dir.join("db");
    let db = Db::open(Some(&path), &options(&[("shards", "2")])).unwrap();
    for n in 0..keys {
        db.put(&key(n), &value(n)).unwrap();
    }
    db.close().unwrap();
    let mut all = vec![("memory_limit", "1M")];
    all.extend_from_slice(pairs);
    Db::open(Some(&path), &options(&all)).unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "seg")).collect()
}

/// Flips a bit in every 4 KiB of every segment's second half.
fn damage(dir: &Path) {
    for path in segments(dir) {
        let mut bytes = std::fs::read(&path).unwrap();
        let begin = bytes.len() / 2;
        bytes[begin..].iter_mut().step_by(4096).for_each(|byte| *byte ^= 1);
        // In place: the engine may have the file open.
        std::os::unix::fs::FileExt::write_all_at(
            &std::fs::OpenOptions::new().write(true).open(&path).unwrap(),
            &bytes,
            0,
        )
        .unwrap();
    }
}

#[test]
fn damage_of_a_cold_record_is_named_and_nothing_wrong_is_returned() {
    let dir = tempfile::tempdir().unwrap();
    let db = cold_database(dir.path(), 8_000, &[]);
    damage(dir.path());
    let (mut whole, mut damaged) = (0, 0);
    for n in 0..8_000 {
        match db.get(&key(n)) {
            Ok(got) => {
                assert_eq!(got, Some(value(n)), "key {n}");
                whole += 1;
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Corruption, "{e}");
                assert!(e.message().contains(".seg: the record at offset "), "{e}");
                damaged += 1;
                // A write that would have to look at the record says so as well, and changes
                // nothing.
                assert_eq!(db.put(&key(n), b"new").unwrap_err().kind(), ErrorKind::Corruption);
                assert_eq!(db.delete(&key(n)).unwrap_err().kind(), ErrorKind::Corruption);
                let mut batch = Batch::new();
                batch.put(&key(n), b"new").unwrap();
                assert_eq!(db.write(&batch).unwrap_err().kind(), ErrorKind::Corruption);
                assert_eq!(db.get(&key(n)).unwrap_err().kind(), ErrorKind::Corruption);
            }
        }
    }
    assert!(whole > 1_000 && damaged > 500, "{whole} are whole, {damaged} are damaged");
    let mut iter = db.iter(b"").unwrap();
    let failed = loop {
        match iter.advance() {
            Ok(true) => {}
            Ok(false) => panic!("the iterator passes over damage"),
            Err(e) => break e,
        }
    };
    assert_eq!(failed.kind(), ErrorKind::Corruption, "{failed}");
    // It goes on writing.
    db.put(b"another", b"value").unwrap();
    assert_eq!(db.get(b"another").unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn a_file_that_is_cut_short_or_gone_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let db = cold_database(dir.path(), 4_000, &[]);
    let mut files = segments(dir.path());
    files.sort();
    // Not one of the last, which records are appended to.
    files.truncate(files.len() / 2);
    let longest = files.iter().max_by_key(|f| std::fs::metadata(f).unwrap().len()).unwrap();
    let len = std::fs::metadata(longest).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(longest).unwrap().set_len(len / 4).unwrap();
    let mut errors = Vec::new();
    for n in 0..4_000 {
        match db.get(&key(n)) {
            Ok(got) => assert_eq!(got, Some(value(n))),
            Err(e) => errors.push(e),
        }
    }
    assert!(!errors.is_empty());
    let name = longest.file_name().unwrap().to_string_lossy().into_owned();
    for e in errors {
        assert_eq!(e.kind(), ErrorKind::Corruption, "{e}");
        assert!(e.message().contains(&name) && e.message().contains(" offset "), "{e}");
    }
    drop(db);
}

/// Has the kernel drop the pages of every segment that are on the device.
fn drop_pages(dir: &Path) {
    for path in segments(dir) {
        let file = std::fs::File::open(path).unwrap();
        file.sync_all().unwrap();
        // SAFETY: a system call on a descriptor that is open.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
}

#[test]
fn a_read_that_may_not_wait_says_so_and_is_answered_once_the_value_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let db = cold_database(dir.path(), 8_000, &[]);
    // Files are open from here on.
    (0..8_000).step_by(50).for_each(|n| drop(db.get(&key(n)).unwrap()));
    drop_pages(dir.path());
    let mut blocked = 0;
    for n in (0..8_000).step_by(7) {
        let mut buf = [std::mem::MaybeUninit::uninit(); 2_000];
        match db.get_nowait(&key(n), &mut buf).unwrap() {
            Nowait::Found(len) => assert_eq!(len, value(n).len()),
            Nowait::WouldBlock => {
                blocked += 1;
                assert_eq!(*db.get_pinned(&key(n)).unwrap().unwrap(), *value(n));
                // It is in the page cache, or in the engine's.
                match db.get_pinned_nowait(&key(n)).unwrap() {
                    NowaitPinned::Found(pinned) => assert_eq!(*pinned, *value(n)),
                    other => panic!("{other:?} after the value was read"),
                }
                assert_eq!(db.exists_nowait(&key(n)).unwrap(), Some(true));
            }
            Nowait::Missing => panic!("key {n} is missing"),
        }
        assert_ne!(db.exists_nowait(&key(n + 1_000_000)).unwrap(), Some(true));
    }
    // A file system in memory has nothing to drop.
    let on_device = number(&db, "memory", "would_block") > 0;
    assert_eq!(blocked > 0, on_device);
}

#[test]
fn a_write_that_would_wait_for_what_it_overwrites_says_so() {
    let db = Db::open(None, &options(&[("shards", "2")])).unwrap();
    db.put(b"k", b"v").unwrap();
    assert!(!db.write_would_wait(None).unwrap());
    assert!(!db.write_would_wait(Some(b"k")).unwrap());
    assert_eq!(db.write_would_wait(Some(b"")).unwrap_err().kind(), ErrorKind::InvalidArgument);

    let dir = tempfile::tempdir().unwrap();
    // The monitor would look at records too.
    let db = cold_database(dir.path(), 8_000, &[("load_monitor", "false")]);
    (0..8_000).step_by(50).for_each(|n| drop(db.get(&key(n)).unwrap()));
    drop_pages(dir.path());
    assert!(db.write_would_wait(None).unwrap(), "any key may be cold");
    let gets = db.stats().gets;
    let (mut blocked, mut at_once) = (0, 0);
    for n in (0..8_000).step_by(7) {
        if db.write_would_wait(Some(&key(n))).unwrap() {
            blocked += 1;
            db.get_pinned(&key(n)).unwrap().unwrap();
        }
        // What was read is in the page cache, or in the engine's. (Where memory is so short, writers
        // are held back now and then.)
        if !db.write_would_wait(Some(&key(n))).unwrap() {
            at_once += 1;
            let before = number(&db, "memory", "cold_reads");
            db.put(&key(n), b"new").unwrap();
            assert_eq!(number(&db, "memory", "cold_reads"), before, "key {n}");
        }
    }
    assert!(at_once > 500, "{at_once} of 1,143 writes");
    assert!(blocked > 0 || number(&db, "memory", "would_block") == 0);
    // Asking is no read.
    assert_eq!(db.stats().gets, gets + blocked);
    drop(db);

    let db = Db::open(Some(&dir.path().join("db")), &options(&[("durability", "sync")])).unwrap();
    assert!(db.write_would_wait(Some(b"k")).unwrap() && db.write_would_wait(None).unwrap());
}

/// A segment that was found at open is mapped, and on the device all the same.
#[test]
fn a_mapped_value_that_is_only_on_the_device_is_waited_for_by_those_who_may() {
    let dir = tempfile::tempdir().unwrap();
    let long = vec![7; 200_000];
    let db = cold_database(dir.path(), 8_000, &[]);
    db.put(b"long", &long).unwrap();
    db.close().unwrap();
    drop_pages(dir.path());
    let pairs = [("memory_limit", "1G"), ("load_monitor", "false")];
    let db = Db::open(Some(&dir.path().join("db")), &options(&pairs)).unwrap();
    assert!(db.write_would_wait(None).unwrap());
    let mut waited = 0;
    // From the end: the kernel reads ahead, not behind.
    for n in (0..8_000).rev().step_by(7) {
        // Asking has the kernel begin to read, so that the value may be there a moment later.
        let waits = db.write_would_wait(Some(&key(n))).unwrap();
        waited += u64::from(waits);
        match db.get_pinned_nowait(&key(n)).unwrap() {
            NowaitPinned::Found(pinned) => assert_eq!(*pinned, *value(n)),
            NowaitPinned::WouldBlock => assert!(waits, "key {n}"),
            NowaitPinned::Missing => panic!("key {n} is missing"),
        }
        assert_eq!(db.get(&key(n)).unwrap(), Some(value(n)));
        assert_eq!(db.exists_nowait(&key(n)).unwrap(), Some(true));
        assert!(!db.write_would_wait(Some(&key(n))).unwrap());
    }
    // A file system in memory has nothing to drop.
    assert_eq!(waited > 0, number(&db, "memory", "would_block") > 0);
    assert_eq!(number(&db, "memory", "cold_segments"), 0);
    // It has to be verified, and that takes long.
    for _ in 0..2 {
        assert!(matches!(db.get_pinned_nowait(b"long").unwrap(), NowaitPinned::WouldBlock));
        assert_eq!(db.get(b"long").unwrap(), Some(long.clone()));
    }
    db.put(b"long", &long).unwrap();
    assert!(matches!(db.get_pinned_nowait(b"long").unwrap(), NowaitPinned::Found(_)));
}

/// Reading, checking and decompressing a long record takes as long as a wait.
#[test]
fn a_long_cold_value_is_left_to_those_who_may_wait() {
    let dir = tempfile::tempdir().unwrap();
    for compression in ["false", "true"] {
        let path = dir.path().join(compression);
        let db = Db::open(Some(&path), &options(&[("shards", "1")])).unwrap();
        let long = vec![7; 200_000];
        db.put(b"long", &long).unwrap();
        db.put(b"short", &long[..30_000]).unwrap();
        // Enough behind them for both to be cold.
        (0..40_000).for_each(|n| db.put(&key(n), &value(n)).unwrap());
        db.close().unwrap();
        let pairs = [("memory_limit", "6M"), ("cache_compression", compression)];
        let db = Db::open(Some(&path), &options(&pairs)).unwrap();
        for name in [&b"short"[..], b"long"] {
            let first = number(&db, "memory", "cold_reads");
            for _ in 0..3 {
                db.get_pinned(name).unwrap().unwrap();
            }
            assert!(number(&db, "memory", "cold_reads") > first, "it is not cold");
        }
        assert_eq!(db.exists_nowait(b"short").unwrap(), Some(true));
        let blocked = matches!(db.get_pinned_nowait(b"long").unwrap(), NowaitPinned::WouldBlock);
        let cached = number(&db, "cache", "bytes") > 200_000;
        assert_eq!(blocked, compression == "true" || !cached, "{}", db.stats_json());
        assert_eq!(*db.get_pinned(b"long").unwrap().unwrap(), *long);
    }
}

/// The records that are read again and again stay in the cache while everything else passes through
/// it once.
#[test]
fn a_scan_does_not_empty_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let db = cold_database(dir.path(), 60_000, &[("memory_limit", "24M")]);
    let hot = |round: u64| {
        for n in 0..1_000 {
            assert_eq!(db.get(&key(n * 17)).unwrap(), Some(value(n * 17)), "round {round}");
        }
    };
    (0..4).for_each(hot);
    let before = number(&db, "memory", "cold_reads");
    hot(5);
    assert!(
        number(&db, "memory", "cold_reads") - before < 50,
        "the hot records are not cached: {}",
        db.stats_json()
    );
    // Reads of everything, each once: far more than the cache holds.
    for n in 0..60_000 {
        db.get(&key(n)).unwrap().unwrap();
    }
    let before = number(&db, "memory", "cold_reads");
    hot(6);
    let missed = number(&db, "memory", "cold_reads") - before;
    assert!(missed < 500, "{missed} of 1,000 hot records left the cache for a scan");
    // Iteration does not touch it at all.
    let (hits, misses) = (number(&db, "cache", "hits"), number(&db, "cache", "misses"));
    let (mut iter, mut count) = (db.iter(b"").unwrap(), 0);
    while iter.advance().unwrap() {
        count += 1;
    }
    assert_eq!(count, 60_000);
    assert_eq!((number(&db, "cache", "hits"), number(&db, "cache", "misses")), (hits, misses));
    assert!(number(&db, "cache", "bytes") <= 24 << 20);
}

#[test]
fn a_database_in_memory_refuses_what_it_has_no_room_for_and_takes_it_after_deletes() {
    let db = Db::open(None, &options(&[("memory_limit", "32M"), ("shards", "4")])).unwrap();
    let fill = |from: u64| {
        let mut n = from;
        loop {
            match db.put(&key(n), &value(n)) {
                Ok(()) => n += 1,
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e}");
                    assert!(e.message().contains("memory_limit"), "{e}");
                    return n;
                }
            }
        }
    };
    let keys = fill(0);
    assert!(keys > 12_000, "only {keys} keys found room in 32 MiB");
    assert!(db.stats().resident_bytes <= 32 << 20, "{}", db.stats_json());
    for n in 0..keys {
        assert_eq!(db.get(&key(n)).unwrap(), Some(value(n)), "key {n}");
    }
    // Deletes work, and what they free can be used again.
    for n in 0..keys / 2 {
        assert!(db.delete(&key(n)).unwrap(), "key {n}");
    }
    let start = Instant::now();
    let mut more = keys;
    while more < keys + keys / 4 {
        assert!(start.elapsed() < Duration::from_secs(30), "{more} of {keys}: {}", db.stats_json());
        more = fill(more);
        std::thread::sleep(Duration::from_millis(20));
    }
    for n in keys / 2..more {
        assert_eq!(db.get(&key(n)).unwrap(), Some(value(n)), "key {n}");
    }
    assert!(db.stats().resident_bytes <= 32 << 20, "{}", db.stats_json());
}

#[test]
fn a_value_larger_than_the_memory_limit_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(&[("memory_limit", "8M"), ("shards", "1")]);
    let db = Db::open(Some(&dir.path().join("db")), &options).unwrap();
    db.put(b"k", b"before").unwrap();
    let e = db.put(b"k", &vec![1; 16 << 20]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e}");
    assert!(e.message().contains("memory_limit"), "{e}");
    assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"before"[..]));
    db.put(b"k", &vec![2; 1 << 20]).unwrap();
    assert_eq!(db.get(b"k").unwrap().map(|v| v.len()), Some(1 << 20));
}

#[test]
fn an_index_that_would_pass_the_limit_takes_no_new_keys_and_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(&[("memory_limit", "1M"), ("shards", "1"), ("durability", "process")]);
    let db = Db::open(Some(&dir.path().join("db")), &options).unwrap();
    let mut keys = 0;
    let e = loop {
        match db.put(&key(keys), b"") {
            Ok(()) => keys += 1,
            Err(e) => break e,
        }
    };
    assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e}");
    assert!(e.message().contains("index") && e.message().contains("memory_limit"), "{e}");
    assert!(keys > 200_000, "only {keys} keys found room");
    assert_eq!(db.get(&key(keys)).unwrap(), None, "a put that failed");
    for n in (0..keys).step_by(1_000) {
        db.put(&key(n), b"new").unwrap();
        assert_eq!(db.get(&key(n)).unwrap().as_deref(), Some(&b"new"[..]));
        assert!(db.delete(&key(n + 1)).unwrap());
    }
    db.close().unwrap();
}

#[test]
fn iterators_and_pinned_values_of_cold_data_outlive_the_handle() {
    let dir = tempfile::tempdir().unwrap();
    let db = cold_database(dir.path(), 3_000, &[]);
    let pinned: Vec<_> = (0..100).map(|n| db.get_pinned(&key(n)).unwrap().unwrap()).collect();
    let mut iter = db.iter(b"").unwrap();
    assert!(iter.advance().unwrap());
    let mut count = 1;
    db.close().unwrap();
    // Another handle takes everything away.
    let other = Db::open(Some(&dir.path().join("db")), &Options::new()).unwrap();
    (0..3_000).for_each(|n| assert!(other.delete(&key(n)).unwrap()));
    other.compact().unwrap();
    while iter.advance().unwrap() {
        let (key, got) = iter.current().unwrap();
        let n = u64::from_le_bytes(key.try_into().unwrap());
        assert_eq!(got, value(n));
        count += 1;
    }
    assert_eq!(count, 3_000);
    pinned.iter().enumerate().for_each(|(n, got)| assert_eq!(**got, *value(n as u64)));
}

/// A value says which key it is of, in which version, and all of it follows from these.
fn checked(n: u64, version: u64) -> Vec<u8> {
    let word = (n << 32 ^ version).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [n.to_le_bytes(), version.to_le_bytes()].concat();
    (0..word % 180).for_each(|i| bytes.extend_from_slice(&(word ^ i).to_le_bytes()));
    bytes
}

fn check(n: u64, got: &[u8]) -> u64 {
    let version = u64::from_le_bytes(got[8..16].try_into().unwrap());
    assert_eq!(got, checked(n, version), "key {n}");
    version
}

/// Readers of every kind, writers and compaction, while segments become cold all the time.
#[test]
fn everything_at_once_while_segments_become_cold() {
    const KEYS: u64 = 3_000;
    let dir = tempfile::tempdir().unwrap();
    let options = options(&[("memory_limit", "1M"), ("shards", "3"), ("sync_interval_ms", "5")]);
    let db = &Db::open(Some(&dir.path().join("db")), &options).unwrap();
    (0..KEYS).for_each(|n| db.put(&key(n), &checked(n, 0)).unwrap());
    let end = Instant::now() + Duration::from_secs(4);
    let going = move || Instant::now() < end;
    let last: Vec<_> = (0..KEYS).map(|_| std::sync::atomic::AtomicU64::new(0)).collect();
    let last = &last;
    let order = std::sync::atomic::Ordering::SeqCst;
    let next = |random: &mut u64| {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % KEYS
    };
    std::thread::scope(|scope| {
        // Each writer has keys of its own; every eighth write is a delete and a put.
        for writer in 0..2 {
            scope.spawn(move || {
                let mut random = 88_172_645_463_325_252 + writer;
                while going() {
                    let n = next(&mut random) / 2 * 2 + writer;
                    let version = last[n as usize].load(order) + 1;
                    if version % 8 == 0 {
                        assert!(db.delete(&key(n)).unwrap());
                        assert_eq!(db.get(&key(n)).unwrap(), None);
                    }
                    db.put(&key(n), &checked(n, version)).unwrap();
                    last[n as usize].store(version, order);
                    let swapped = checked(n, version + 1);
                    let expected = checked(n, version);
                    assert!(db.compare_and_swap(&key(n), Some(&expected), Some(&swapped)).unwrap());
                    last[n as usize].store(version + 1, order);
                }
            });
        }
        scope.spawn(move || {
            let (mut random, mut held) = (362_436_069, Vec::new());
            while going() {
                let n = next(&mut random);
                let known = last[n as usize].load(order);
                if let Some(pinned) = db.get_pinned(&key(n)).unwrap() {
                    assert!(check(n, &pinned) >= known, "key {n} is older than it was");
                    held.push((n, pinned));
                }
                if held.len() > 500 {
                    for (n, pinned) in held.drain(..250) {
                        check(n, &pinned);
                    }
                }
                if let NowaitPinned::Found(pinned) = db.get_pinned_nowait(&key(n)).unwrap() {
                    check(n, &pinned);
                }
                let keys: Vec<_> = (n..KEYS.min(n + 40)).map(key).collect();
                let each = |i: usize, got: warp_engine::Result<Option<warp_engine::Pinned>>| {
                    if let Some(pinned) = got.unwrap() {
                        check(n + i as u64, &pinned);
                    }
                };
                db.multi_get(keys.len(), |i| &keys[i][..], each);
            }
        });
        scope.spawn(move || {
            while going() {
                let mut iter = db.iter(b"").unwrap();
                while iter.advance().unwrap() {
                    let (key, got) = iter.current().unwrap();
                    check(u64::from_le_bytes(key.try_into().unwrap()), got);
                }
            }
        });
        scope.spawn(move || {
            while going() {
                db.compact().unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    });
    assert!(number(db, "memory", "cold_reads") > 0, "{}", db.stats_json());
    for n in 0..KEYS {
        let got = db.get(&key(n)).unwrap().expect("every key is there at last");
        assert_eq!(check(n, &got), last[n as usize].load(order), "key {n}");
    }
}
