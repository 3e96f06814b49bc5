//! Backups of a serving database: consistent, complete, a database of their own, incremental.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use warp_engine::{Batch, Db, ErrorKind, Options};

fn open(dir: &Path) -> Db {
    let mut options = Options::new();
    options.set("shards", "4").unwrap();
    Db::open(Some(dir), &options).unwrap()
}

fn key(n: u64) -> Vec<u8> {
    format!("key {n}").into_bytes()
}

#[test]
fn a_backup_is_a_database_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("db"), dir.path().join("backups/one"));
    let db = open(&home);
    for n in 0..20_000 {
        db.put(&key(n), &n.to_le_bytes()).unwrap();
    }
    for n in (0..20_000).step_by(4) {
        db.delete(&key(n)).unwrap();
    }
    db.backup(&copy).unwrap();
    // What comes later is not in it, and closing the source does it no harm.
    db.put(b"later", b"").unwrap();
    db.delete(&key(1)).unwrap();
    db.compact().unwrap();
    db.close().unwrap();
    std::fs::remove_dir_all(&home).unwrap();
    for round in 0..2 {
        let db = open(&copy);
        assert_eq!(db.stats().keys, 15_000 + round);
        for n in 0..20_000u64 {
            let expected = (n % 4 != 0).then(|| n.to_le_bytes().to_vec());
            assert_eq!(db.get(&key(n)).unwrap(), expected, "key {n}");
        }
        assert!(!db.exists(b"later").unwrap());
        db.put(b"own", b"life").unwrap();
        db.compact().unwrap();
        db.close().unwrap();
    }
}

#[test]
fn a_backup_under_load_is_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("db"));
    let (done, round) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Every batch sets all keys to one number, so any mixture shows.
            while !done.load(Ordering::Relaxed) {
                let n = round.fetch_add(1, Ordering::Relaxed);
                let mut batch = Batch::new();
                for k in 0..200 {
                    batch.put(&key(k), &n.to_le_bytes()).unwrap();
                }
                db.write(&batch).unwrap();
            }
        });
        let mut last = 0;
        while round.load(Ordering::Relaxed) < 2 {
            std::thread::yield_now();
        }
        for i in 0..6 {
            // Three into one directory, three into directories of their own.
            let copy =
                dir.path().join(if i % 2 == 0 { "same".to_owned() } else { format!("b{i}") });
            let before = round.load(Ordering::Relaxed).saturating_sub(2);
            db.backup(&copy).unwrap();
            // Opening makes it a database of its own, so look at a copy of the copy.
            let look = dir.path().join(format!("look{i}"));
            std::fs::create_dir(&look).unwrap();
            for entry in std::fs::read_dir(&copy).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), look.join(entry.file_name())).unwrap();
            }
            let backup = open(&look);
            let n = backup.get(&key(0)).unwrap().unwrap();
            for k in 0..200 {
                assert_eq!(backup.get(&key(k)).unwrap().as_ref(), Some(&n), "backup {i}, key {k}");
            }
            let n = u64::from_le_bytes(n.try_into().unwrap());
            assert!(n >= before && n >= last, "backup {i} is of round {n}, not after {before}");
            last = n;
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_refuses_what_is_not_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("db"));
    db.put(b"k", b"v").unwrap();
    let other = dir.path().join("other");
    open(&other).close().unwrap();
    let error = db.backup(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let files = dir.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("precious"), "data").unwrap();
    let error = db.backup(&files).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(std::fs::read(files.join("precious")).unwrap(), b"data");
    let memory = Db::open(None, &Options::new()).unwrap();
    assert_eq!(memory.backup(&files).unwrap_err().kind(), ErrorKind::Unsupported);
}
