//! Regressions of recovery, each with the story of the bug.

use std::path::Path;
use warp_engine::{Db, Options, Rule};

fn options() -> Options {
    let mut options = Options::new();
    options.set("shards", "1").unwrap();
    options.set("durability", "process").unwrap();
    options
}

fn open(dir: &Path) -> warp_engine::Result<Db> {
    Db::open(Some(dir), &options())
}

/// The files of a database that was killed: a copy taken while it is open.
fn copy_of_open(dir: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        // The statistics are published now and then, under another name first.
        if !entry.file_name().to_str().unwrap().starts_with("stats.json") {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Makes the directory look as if another boot of the kernel had written it.
fn pretend_reboot(dir: &Path) {
    let path = dir.join("STATE");
    let mut state = std::fs::read(&path).unwrap();
    let crc_at = state.len() - 4;
    state[crc_at - 8] ^= 0xff;
    let crc = crc32fast::hash(&state[..crc_at]);
    state[crc_at..].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(path, state).unwrap();
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut segments: Vec<_> =
        names.filter(|p| p.extension().is_some_and(|e| e == "seg")).collect();
    segments.sort();
    segments
}

fn key(n: u32) -> Vec<u8> {
    format!("key {n}").into_bytes()
}

fn filled(dir: &Path) -> Db {
    let db = open(dir).unwrap();
    for n in 0..600 {
        db.put(&key(n), &[n as u8; 8000]).unwrap();
    }
    db
}

/// How many of the keys are there; those must be the first ones, with their values.
fn check_prefix(db: &Db) -> u32 {
    let there = (0..600).take_while(|n| db.exists(&key(*n)).unwrap()).count() as u32;
    for n in 0..600 {
        let expected = (n < there).then(|| vec![n as u8; 8000]);
        assert_eq!(db.get(&key(n)).unwrap(), expected, "key {n} of {there}");
    }
    there
}

/// A power loss takes the end of a segment in the middle of a log. Recovery cuts there and removes
/// what comes after. It used to keep the removed segments in its table, so the next checkpoint
/// listed files that were gone, and the open after it refused.
#[test]
fn a_cut_log_can_be_closed_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("db"), dir.path().join("copy"));
    let db = filled(&home);
    copy_of_open(&home, &copy);
    drop(db);
    pretend_reboot(&copy);
    let second = &segments(&copy)[1];
    let mut bytes = std::fs::read(second).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0);
    std::fs::write(second, bytes).unwrap();

    let db = open(&copy).unwrap();
    let there = check_prefix(&db);
    assert!(there > 0 && there < 600);
    db.put(b"after", b"the cut").unwrap();
    db.close().unwrap();
    let db = open(&copy).unwrap();
    assert_eq!(check_prefix(&db), there);
    assert_eq!(db.get(b"after").unwrap().as_deref(), Some(&b"the cut"[..]));
}

/// The same, and recovery is killed, or loses power, when it has removed some of the files behind
/// the cut: any subset of them may be left.
#[test]
fn leftovers_of_a_cut_are_no_missing_segments() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("db");
    let db = filled(&home);
    let count = segments(&home).len();
    assert!(count > 4);
    for removed in 2..count {
        let copy = dir.path().join(format!("copy {removed}"));
        copy_of_open(&home, &copy);
        pretend_reboot(&copy);
        let files = segments(&copy);
        let mut bytes = std::fs::read(&files[1]).unwrap();
        let half = bytes.len() / 2;
        bytes[half..].fill(0);
        std::fs::write(&files[1], bytes).unwrap();
        std::fs::remove_file(&files[removed]).unwrap();
        let db = open(&copy).unwrap();
        let there = check_prefix(&db);
        assert!(there > 0 && there < 600);
        db.close().unwrap();
    }
    drop(db);
}

/// Within one boot nothing that a killed process wrote can be missing.
#[test]
fn a_missing_segment_is_reported_with_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("db"), dir.path().join("copy"));
    let db = filled(&home);
    copy_of_open(&home, &copy);
    drop(db);
    // Segments are made ahead, so the order of their names need not be that of the log.
    let is_third = |path: &&std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes[..8] != [0; 8] && bytes[32..40] == 3u64.to_le_bytes()
    };
    std::fs::remove_file(segments(&copy).iter().find(is_third).unwrap()).unwrap();
    let error = open(&copy).unwrap_err();
    assert_eq!(error.kind(), warp_engine::ErrorKind::Corruption);
    assert!(error.message().contains("segment 3 of log 0 is missing"), "{error}");
}

/// A segment for one value over 64 MiB has room behind it, which a small record was given, at an
/// offset that no index entry can hold.
#[test]
fn small_values_after_one_over_64_mib() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("db")).unwrap();
    let large = vec![7; 70 << 20];
    db.put(b"large", &large).unwrap();
    for n in 0..100 {
        db.put(&key(n), b"small").unwrap();
    }
    for n in 0..100 {
        assert_eq!(db.get(&key(n)).unwrap().as_deref(), Some(&b"small"[..]));
    }
    assert!(db.get(b"large").unwrap() == Some(large));
}

/// A process was killed inside the copy of a segment's header. The magic number is written last,
/// so such a file is of no log; it used to be called damaged.
#[test]
fn a_segment_file_without_a_magic_number_is_of_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("db");
    filled(&home).close().unwrap();
    let stray = home.join("00000009000000ff.seg");
    let mut bytes = vec![1; 65536];
    bytes[..8].fill(0);
    std::fs::write(&stray, bytes).unwrap();
    let db = open(&home).unwrap();
    assert_eq!(check_prefix(&db), 600);
    assert!(!stray.exists());
}

/// The index image is lost: deletes, compaction and all, the index is rebuilt from the segments.
#[test]
fn a_lost_index_image_brings_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("db");
    let db = filled(&home);
    for n in (0..600).step_by(3) {
        assert!(db.delete(&key(n)).unwrap());
    }
    db.compact().unwrap();
    for n in (1..600).step_by(3) {
        db.put(&key(n), b"again").unwrap();
    }
    db.close().unwrap();
    for entry in std::fs::read_dir(&home).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "img") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let db = open(&home).unwrap();
    for n in 0..600 {
        let expected = match n % 3 {
            0 => None,
            1 => Some(b"again".to_vec()),
            _ => Some(vec![n as u8; 8000]),
        };
        assert_eq!(db.get(&key(n)).unwrap(), expected, "key {n}");
    }
    assert!(db.stats_json().contains("\"index_rebuilt\":true"));
}

/// A close that wrote the image of an index that nobody had changed took as long as the index is
/// large.
#[test]
fn a_close_without_a_change_writes_no_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let image = || -> String {
        let names = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name());
        let mut names = names.map(|n| n.into_string().unwrap()).filter(|n| n.ends_with(".img"));
        let name = names.next().unwrap();
        assert_eq!(names.next(), None);
        name
    };
    let mut options = Options::new();
    options.set("shards", "5").unwrap();
    let open = || Db::open(Some(&path), &options).unwrap();
    let db = open();
    for n in 0..600 {
        db.put(&key(n), &[n as u8; 800]).unwrap();
    }
    db.close().unwrap();
    let first = image();
    for _ in 0..3 {
        let db = open();
        assert_eq!(db.get(&key(7)).unwrap().as_deref(), Some(&[7; 800][..]));
        db.close().unwrap();
        assert_eq!(image(), first);
    }
    // Each kind of change is told from none.
    type Change<'a> = (&'a str, &'a dyn Fn(&Db));
    let changes: [Change; 4] = [
        ("a put", &|db| db.put(&key(7), b"new").unwrap()),
        ("a put of the same", &|db| db.put(&key(7), b"new").unwrap()),
        ("a delete", &|db| assert!(db.delete(&key(8)).unwrap())),
        ("a rule", &|db| db.add_rule(&Rule::parse("user:*,profile:*").unwrap()).unwrap()),
    ];
    let mut last = first;
    for (name, change) in changes {
        let db = open();
        change(&db);
        db.close().unwrap();
        assert_ne!(image(), last, "{name}");
        last = image();
    }
    let db = open();
    db.put(&key(9), b"before a checkpoint").unwrap();
    db.checkpoint().unwrap();
    let made = image();
    db.close().unwrap();
    assert_eq!(image(), made, "the checkpoint said all");
    let db = open();
    assert_eq!(db.get(&key(7)).unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(db.get(&key(8)).unwrap(), None);
    assert_eq!(db.get(&key(9)).unwrap().as_deref(), Some(&b"before a checkpoint"[..]));
    db.close().unwrap();
}
