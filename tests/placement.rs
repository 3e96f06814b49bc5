//! Rules, moves of slots and links, seen from outside: what is on disk afterwards is sound, and
//! everything is where it can be found.

use std::path::Path;
use warp_engine::{Batch, Db, ErrorKind, Options, Rule, Temperature};

const RULE: &str = "user:*,profile:*,posts:*";
const KINDS: [&str; 3] = ["user", "profile", "posts"];
const GROUPS: usize = 300;

fn options(pairs: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    options.set("shards", "5").unwrap();
    pairs.iter().for_each(|(name, value)| options.set(name, value).unwrap());
    options
}

fn open(path: &Path, pairs: &[(&str, &str)]) -> Db {
    Db::open(Some(path), &options(pairs)).unwrap()
}

fn key(kind: &str, n: usize) -> Vec<u8> {
    format!("{kind}:{n}").into_bytes()
}

fn value(kind: &str, n: usize, version: usize) -> Vec<u8> {
    format!("{kind} {n} {version}").repeat(20).into_bytes()
}

/// Writes all records in a version, a third of them in batches.
fn write(db: &Db, version: usize) {
    for n in 0..GROUPS {
        let mut batch = Batch::new();
        for kind in KINDS {
            let (key, value) = (key(kind, n), value(kind, n, version));
            match n % 3 {
                0 => batch.put(&key, &value).unwrap(),
                1 => db.put(&key, &value).unwrap(),
                _ => db.put_hinted(&key, &value, Temperature::Cold).unwrap(),
            }
        }
        db.write(&batch).unwrap();
    }
}

fn check(db: &Db, version: usize) {
    for n in 0..GROUPS {
        for kind in KINDS {
            let found = db.get(&key(kind, n)).unwrap();
            assert_eq!(found, Some(value(kind, n, version)), "{kind}:{n}");
        }
    }
    let mut iter = db.iter(b"").unwrap();
    let mut count = 0;
    while iter.advance().unwrap() {
        count += 1;
    }
    assert_eq!((count, db.stats().keys), (3 * GROUPS, 3 * GROUPS as u64));
}

/// How many groups are in one shard.
fn together(db: &Db) -> usize {
    let shard = |kind, n| db.shard_of(&key(kind, n)).unwrap();
    (0..GROUPS).filter(|n| KINDS.iter().all(|k| shard(k, *n) == shard("user", *n))).count()
}

fn is_sound(path: &Path) {
    let report = Db::verify(path, &Options::new(), |_, _| ()).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    assert_eq!(report.keys, 3 * GROUPS as u64);
}

#[test]
fn a_database_is_sound_after_moves_and_rules_under_every_durability() {
    for durability in ["process", "sync"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let db = open(&path, &[("durability", durability)]);
        write(&db, 1);
        assert!(together(&db) < GROUPS / 2);
        for slot in 0..4096 {
            if slot % 3 == 0 {
                db.move_slot(slot, slot % 5).unwrap();
            }
        }
        write(&db, 2);
        db.add_rule(&Rule::parse(RULE).unwrap()).unwrap();
        assert_eq!(together(&db), GROUPS);
        check(&db, 2);
        write(&db, 3);
        db.compact().unwrap();
        check(&db, 3);
        db.close().unwrap();
        is_sound(&path);
        let db = open(&path, &[]);
        check(&db, 3);
        assert_eq!(together(&db), GROUPS, "rules and slots are kept");
        assert!(db.remove_rule(b"user:*").unwrap());
        assert!(db.rebalance().is_ok());
        write(&db, 4);
        db.close().unwrap();
        is_sound(&path);
        check(&open(&path, &[]), 4);
    }
}

#[test]
fn only_a_database_that_needs_it_has_the_newer_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let format = || std::fs::read(path.join("CHECKPOINT")).unwrap()[8];
    let db = open(&path, &[]);
    db.put(b"k", b"v").unwrap();
    db.checkpoint().unwrap();
    assert_eq!(format(), 1);
    db.move_slot(0, 1).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(format(), 2);
    db.close().unwrap();
    // A format beyond is refused as such.
    let mut bytes = std::fs::read(path.join("CHECKPOINT")).unwrap();
    bytes[8] = 3;
    std::fs::write(path.join("CHECKPOINT"), bytes).unwrap();
    let error = Db::open(Some(&path), &Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn the_option_adds_rules_once_and_readers_leave_them_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = open(&path, &[]);
    write(&db, 1);
    db.close().unwrap();
    for _ in 0..2 {
        let db = open(&path, &[("rules", RULE)]);
        assert_eq!(db.rules(), [Rule::parse(RULE).unwrap()]);
        assert_eq!(together(&db), GROUPS);
        check(&db, 1);
        db.close().unwrap();
    }
    let db = open(&path, &[("read_only", "true"), ("rules", "other:*,more:*")]);
    assert_eq!(db.rules(), [Rule::parse(RULE).unwrap()]);
    check(&db, 1);
    assert_eq!(db.move_slot(0, 0).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(db.link(b"a", b"b", 1.0).unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn backup_and_repair_keep_rules_and_links() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let db = open(&path("db"), &[]);
    write(&db, 1);
    db.add_rule(&Rule::parse(RULE).unwrap()).unwrap();
    db.link(b"user:1", b"user:2", 0.5).unwrap();
    db.link(b"user:1", b"user:3", 0.25).unwrap();
    db.unlink(b"user:1", b"user:3").unwrap();
    db.backup(&path("backup")).unwrap();
    let partners = db.partners(b"user:1").unwrap();
    assert_eq!(partners.len(), 3, "{partners:?}");
    db.close().unwrap();
    Db::repair(&path("db"), &path("repaired"), &Options::new(), |_, _| ()).unwrap();
    for name in ["backup", "repaired"] {
        is_sound(&path(name));
        let db = open(&path(name), &[]);
        assert_eq!(together(&db), GROUPS);
        assert_eq!(db.partners(b"user:1").unwrap(), partners, "{name}");
        check(&db, 1);
    }
}

/// A torn end of LINKS, as a crash leaves it, costs what was not acknowledged; a damaged header is
/// told.
#[test]
fn links_are_read_up_to_a_torn_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let links = path.join("LINKS");
    let db = open(&path, &[]);
    db.link(b"a", b"b", 1.0).unwrap();
    db.link(b"a", b"c", 0.5).unwrap();
    db.close().unwrap();
    let whole = std::fs::read(&links).unwrap();
    std::fs::write(&links, &whole[..whole.len() - 1]).unwrap();
    let db = open(&path, &[]);
    assert_eq!(db.partners(b"a").unwrap().len(), 1);
    db.link(b"a", b"d", 0.25).unwrap();
    db.close().unwrap();
    let db = open(&path, &[]);
    assert_eq!(db.partners(b"a").unwrap().len(), 2, "written behind what was cut");
    db.close().unwrap();
    let mut damaged = std::fs::read(&links).unwrap();
    damaged[13] ^= 1;
    std::fs::write(&links, damaged).unwrap();
    let error = Db::open(Some(&path), &Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.message().contains("LINKS"), "{error}");
    let report = Db::verify(&path, &Options::new(), |_, _| ()).unwrap();
    assert!(report.damage.iter().any(|d| d.file == "LINKS"), "{:?}", report.damage);
}

/// The records of a group that compaction has laid together are read from one place.
#[test]
fn compaction_lays_a_group_in_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = open(&path, &[("rules", RULE), ("durability", "process")]);
    // Kind by kind, so that no group lies together, and twice, so that there is garbage.
    for version in 1..3 {
        for kind in KINDS {
            (0..GROUPS).for_each(|n| db.put(&key(kind, n), &value(kind, n, version)).unwrap());
        }
    }
    db.sync().unwrap();
    let apart = |db: &Db| {
        let place = |kind, n| db.get_pinned(&key(kind, n)).unwrap().unwrap().as_ptr() as usize;
        let is_near =
            |n: &usize| KINDS.iter().all(|k| place(k, *n).abs_diff(place("user", *n)) < 4096);
        GROUPS - (0..GROUPS).filter(is_near).count()
    };
    let before = apart(&db);
    db.compact().unwrap();
    let after = apart(&db);
    assert!(before > GROUPS / 2 && after < GROUPS / 20, "{before} groups apart, then {after}");
    check(&db, 2);
    db.close().unwrap();
    is_sound(&path);
}

/// Keys whose records are not mapped move like all others, and their groups are read in one call.
#[test]
fn cold_records_move_and_are_linked_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = open(&path, &[("memory_limit", "24M"), ("durability", "process")]);
    let body = |n: usize| vec![n as u8; 9_000];
    let count = 2_000;
    for kind in KINDS {
        (0..count).for_each(|n| db.put(&key(kind, n), &body(n)).unwrap());
    }
    db.add_rule(&Rule::parse(RULE).unwrap()).unwrap();
    for slot in (0..4096).step_by(64) {
        db.move_slot(slot, (slot / 64) % 5).unwrap();
    }
    for n in (0..count).step_by(7) {
        let all = db.get_linked(&key("user", n)).unwrap().unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|one| one.value[..] == body(n)), "group {n}");
        assert_eq!(db.shard_of(&key("user", n)).unwrap(), db.shard_of(&key("posts", n)).unwrap());
    }
    assert_eq!(db.stats().keys, 3 * count as u64);
    assert!(db.stats_json().contains("\"cold_reads\":"), "{}", db.stats_json());
    db.close().unwrap();
    let report = Db::verify(&path, &Options::new(), |_, _| ()).unwrap();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
}

/// For threads that must not wait: a change of the rules moves index entries under the locks.
#[test]
fn a_write_would_wait_while_rules_change() {
    let db = Db::open(None, &options(&[])).unwrap();
    for n in 0..50_000 {
        db.put(&key(KINDS[n % 3], n / 3), b"v").unwrap();
    }
    assert!(!db.write_would_wait(None).unwrap());
    let seen = std::thread::scope(|scope| {
        let change = scope.spawn(|| db.add_rule(&Rule::parse(RULE).unwrap()).unwrap());
        let mut seen = false;
        while !seen && !change.is_finished() {
            seen = db.write_would_wait(Some(b"user:1")).unwrap();
        }
        change.join().unwrap();
        seen
    });
    assert!(seen, "the rule was added, and no write would have waited");
    assert!(!db.write_would_wait(None).unwrap());
}
