//! `docs/format.md` against the engine: a reader that was written from the document, in another
//! language and without an index, finds what the engine finds.
//!
//! The reader is `read_database.py`, beside this file. Without python3 the test says so and passes.

#![cfg(feature = "cli")]

use std::path::Path;
use std::process::Command;
use warp_engine::{Batch, Db, Durability, Options, Rule};

const WARP: &str = env!("CARGO_BIN_EXE_warp");
const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format/read_database.py");

fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: python3 is missing, so nothing was compared with docs/format.md");
    }
    found
}

/// Standard output of a command that must succeed, as sorted lines.
fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// What both say of a directory, which is the same; how many records that is.
fn compare(dir: &Path) -> usize {
    let read = lines(Command::new("python3").arg(READER).arg(dir));
    let dumped = lines(Command::new(WARP).arg("dump").arg(dir).args(["--format", "jsonl"]));
    assert!(read == dumped, "{}: {} and {} records", dir.display(), read.len(), dumped.len());
    read.len()
}

/// A copy of the files of a database that is open: what SIGKILL would leave at this moment. Nobody
/// writes meanwhile, but compaction and checkpoints come and go: if one did, the copy is of no one
/// moment, and is made again.
fn crash_image(dir: &Path, to: &Path) {
    let names = || {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|e| e.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    loop {
        std::fs::create_dir(to).unwrap();
        let (before, checkpoint) = (names(), std::fs::read(dir.join("CHECKPOINT")).unwrap());
        let copied = before.iter().all(|name| std::fs::copy(dir.join(name), to.join(name)).is_ok());
        if copied
            && before == names()
            && checkpoint == std::fs::read(dir.join("CHECKPOINT")).unwrap()
        {
            return;
        }
        std::fs::remove_dir_all(to).unwrap();
    }
}

fn options(shards: usize, durability: Durability) -> Options {
    Options { shards: Some(shards), durability, ..Options::new() }
}

fn key(n: u32) -> Vec<u8> {
    let mut key = format!("key:{n}").into_bytes();
    if n % 11 == 0 {
        key.extend_from_slice(&[0, 0xff, b'\n', b'"']);
    }
    if n % 501 == 0 {
        key.resize(65_535, b'k');
    }
    key
}

fn value(n: u32, round: u32) -> Vec<u8> {
    let len = if n % 97 == 0 { 200_000 } else { (n * 7 + round) % 300 };
    (0..len).map(|i| ((i + n) * (round + 1)) as u8).collect()
}

/// Puts, overwrites, deletes, swaps, and batches with all of that over all shards.
fn write(db: &Db, round: u32) {
    for n in 0..1500 {
        let n = (n * 31 + round) % 1500;
        match n % 5 {
            0 if round > 0 => drop(db.delete(&key(n)).unwrap()),
            1 => {
                let now = db.get(&key(n)).unwrap();
                let desired = value(n, round);
                assert!(db.compare_and_swap(&key(n), now.as_deref(), Some(&desired)).unwrap());
            }
            2 => {
                let mut batch = Batch::new();
                for i in n..n + 20 {
                    match i % 3 {
                        0 => batch.delete(&key(i)).unwrap(),
                        _ => batch.put(&key(i), &value(i, round)).unwrap(),
                    }
                }
                db.write(&batch).unwrap();
            }
            _ => db.put(&key(n), &value(n, round)).unwrap(),
        }
    }
}

#[test]
fn the_reader_agrees_after_closes_crashes_and_compaction() {
    if !has_python() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    for (shards, durability) in
        [(1, Durability::Process), (5, Durability::Periodic), (24, Durability::Process)]
    {
        let dir = place.path().join(format!("db{shards}"));
        for round in 0..3 {
            let db = Db::open(Some(&dir), &options(shards, durability)).unwrap();
            write(&db, round);
            if round == 1 {
                db.compact().unwrap();
                write(&db, 7);
            }
            let image = place.path().join(format!("image{shards}-{round}"));
            crash_image(&dir, &image);
            db.close().unwrap();
            let records = compare(&dir);
            assert!(records > 500, "{records} records");
            assert_eq!(compare(&image), records);
            // And again, now that recovery has sealed the logs and a close has followed.
            Db::open(Some(&image), &Options::new()).unwrap().close().unwrap();
            assert_eq!(compare(&image), records);
        }
    }
}

#[test]
fn the_reader_agrees_on_what_group_commit_writes() {
    if !has_python() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (dir, image) = (place.path().join("db"), place.path().join("image"));
    let db = Db::open(Some(&dir), &options(4, Durability::Sync)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for n in 0..60 {
                    let name = format!("{thread}/{}", n % 20);
                    db.put(name.as_bytes(), &value(n, thread)).unwrap();
                    if n % 7 == 0 {
                        db.delete(name.as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    crash_image(&dir, &image);
    db.close().unwrap();
    assert_eq!(compare(&image), compare(&dir));
}

#[test]
fn the_reader_agrees_under_rules_and_after_moves() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = Db::open(Some(&path), &options(3, Durability::Process)).unwrap();
    write(&db, 0);
    db.add_rule(&Rule::parse("key:1*,key:2*,key:3*").unwrap()).unwrap();
    (0..4096).step_by(5).for_each(|slot| drop(db.move_slot(slot, slot % 3)));
    write(&db, 1);
    db.compact().unwrap();
    db.close().unwrap();
    assert!(compare(&path) > 0);
    assert_eq!(std::fs::read(path.join("CHECKPOINT")).unwrap()[8], 2, "the newer format");
}

#[test]
fn the_reader_sees_a_torn_tail_and_names_damage() {
    if !has_python() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("db");
    let db = Db::open(Some(&dir), &options(1, Durability::Process)).unwrap();
    (0..100u32).for_each(|n| db.put(&n.to_le_bytes(), &[n as u8; 100]).unwrap());
    let torn = place.path().join("torn");
    crash_image(&dir, &torn);
    db.close().unwrap();

    // The last record, 20 + 4 + 100 bytes with padding to 128, loses its end.
    let change = |dir: &Path, at: usize| {
        let mut names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        let path = names.find(|p| p.extension().is_some_and(|e| e == "seg")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    };
    change(&torn, 128 + 99 * 128 + 100);
    assert_eq!(compare(&torn), 99);

    // The same bit in a log that was synced is damage, to both.
    change(&dir, 128 + 50 * 128 + 100);
    for command in [
        Command::new("python3").arg(READER).arg(&dir).output().unwrap(),
        Command::new(WARP).arg("dump").arg(&dir).output().unwrap(),
    ] {
        let error = String::from_utf8_lossy(&command.stderr);
        assert!(!command.status.success());
        assert!(error.contains(&format!("offset {}", 128 + 50 * 128)), "{error}");
    }
}
