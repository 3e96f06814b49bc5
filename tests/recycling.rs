//! Segment files that are used again, and those that must not be.

use std::fs;
use std::path::Path;
use std::time::Duration;
use warp_engine::{Db, Options};

fn open(dir: &Path) -> Db {
    let mut options = Options::new();
    options.set("shards", "1").unwrap();
    options.set("durability", "process").unwrap();
    options.checkpoint_interval = Some(Duration::from_secs(3600));
    Db::open(Some(dir), &options).unwrap()
}

fn value(round: u8, n: u32) -> Vec<u8> {
    let mut value = vec![round; 500];
    value[..4].copy_from_slice(&n.to_le_bytes());
    value
}

/// Overwrites all keys, and compacts.
fn round(db: &Db, round: u8) {
    for n in 0..2_000u32 {
        db.put(&n.to_le_bytes(), &value(round, n)).unwrap();
    }
    db.compact().unwrap();
}

fn check(db: &Db, round: u8) {
    for n in 0..2_000u32 {
        assert!(db.get(&n.to_le_bytes()).unwrap() == Some(value(round, n)), "key {n}");
    }
}

fn names(dir: &Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n.ends_with(ending)).collect()
}

fn recycled(db: &Db) -> u64 {
    let json: serde_json::Value = serde_json::from_str(&db.stats_json()).unwrap();
    json["space"]["recycled_segments"].as_u64().unwrap()
}

#[test]
fn freed_segments_are_written_over_and_spares_go_at_the_close() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    for r in 0..6 {
        round(&db, r);
        check(&db, r);
    }
    assert!(recycled(&db) > 0, "{}", db.stats_json());
    let before = db.stats();
    assert!(before.disk_bytes < 6 << 20, "{before:?}");
    assert!(!names(dir.path(), ".spare").is_empty());
    db.close().unwrap();
    assert_eq!(names(dir.path(), ".spare"), Vec::<String>::new());
    // What lies behind the records in such a file is no record of it.
    let report = Db::verify(dir.path(), &Options::new(), |_, _| {}).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    check(&open(dir.path()), 5);
}

#[test]
fn a_pinned_value_stays_as_it_was_while_its_segment_is_freed() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    round(&db, 0);
    let pinned: Vec<_> =
        (0..2_000u32).map(|n| db.get_pinned(&n.to_le_bytes()).unwrap().unwrap()).collect();
    for r in 1..6 {
        round(&db, r);
    }
    for (n, pinned) in pinned.iter().enumerate() {
        assert!(pinned[..] == value(0, n as u32)[..], "key {n}");
    }
    db.close().unwrap();
    assert!(pinned[7][..] == value(0, 7)[..]);
}

#[test]
fn a_backup_shares_files_and_none_of_them_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("db"), dir.path().join("backup"));
    let db = open(&path);
    round(&db, 0);
    db.backup(&to).unwrap();
    for r in 1..6 {
        round(&db, r);
    }
    assert!(recycled(&db) > 0);
    let backup = open(&to);
    check(&backup, 0);
    // Nor by the backup, once it is a database of its own.
    for r in 6..9 {
        round(&backup, r);
    }
    check(&db, 5);
}

/// A process that is killed leaves spares and a reserve, of no use to the next.
#[test]
fn what_a_killed_process_left_is_tidied_up() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    let db = open(&dir.path().join("db"));
    for r in 0..4 {
        round(&db, r);
    }
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(dir.path().join("db")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    fs::write(copy.join("0000000100000099.spare"), vec![7; 100_000]).unwrap();
    fs::write(copy.join("RESERVE"), vec![7; 100]).unwrap();
    let db = open(&copy);
    check(&db, 3);
    assert_eq!(names(&copy, ".spare"), Vec::<String>::new());
    assert!(fs::metadata(copy.join("RESERVE")).unwrap().len() >= 256 << 10);
}

#[test]
fn an_empty_database_of_24_shards_is_small() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(Some(dir.path()), &Options::new()).unwrap();
    // Some files come and go.
    let blocks = |name: &String| {
        fs::metadata(dir.path().join(name)).map_or(0, |metadata| metadata.blocks() * 512)
    };
    let bytes: u64 = names(dir.path(), "").iter().map(blocks).sum();
    assert!(bytes < 2 << 20, "{bytes} bytes");
    db.close().unwrap();
}

/// Compaction that is called again and again leaves what there is in few files.
#[test]
fn many_compactions_do_not_leave_a_segment_each() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(Some(dir.path()), &Options::new()).unwrap();
    let (mut first, mut files) = (0, 0);
    for r in 0..40u8 {
        // A tenth of it is overwritten each time.
        for n in (0..10_000u32).filter(|n| r == 0 || n % 10 == u32::from(r) % 10) {
            db.put(&n.to_le_bytes(), &value(r, n)).unwrap();
        }
        db.compact().unwrap();
        files = names(dir.path(), ".seg").len();
        first = if r == 4 { files } else { first };
    }
    assert!(files <= first + 24, "{first} files after 5 calls, {files} after 40");
    let (stats, records) = (db.stats(), 10_000 * 536);
    assert!(stats.live_bytes < 2 * records, "{stats:?}");
    assert!(stats.log_bytes < 2 * records, "{stats:?}");
    db.close().unwrap();
    assert!(Db::verify(dir.path(), &Options::new(), |_, _| {}).unwrap().damage.is_empty());
}
