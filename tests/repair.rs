//! `Db::repair` against injected damage: everything undamaged is saved, nothing dead comes back
//! where its delete survives, what is lost is listed, and the damaged database is not touched.
//!
//! What must be saved is computed by a reader of its own, from the documented format: of each key
//! the record with the highest sequence number among those whose bytes were left alone.

mod common;

use common::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use warp_engine::{Damage, Db, ErrorKind, Options, RepairReport};

/// A put or a delete, and the bytes that it lies in.
#[derive(Clone, Debug)]
struct Op {
    file: String,
    from: usize,
    to: usize,
    seq: u64,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// All puts and deletes of a whole database, those of batches too.
fn ops(dir: &Path) -> Vec<Op> {
    let mut ops = Vec::new();
    for (.., file) in segments(dir) {
        let bytes = fs::read(dir.join(&file)).unwrap();
        for place in records(dir, &file) {
            if place.kind != 3 {
                ops.push(op(&file, &bytes, place.from));
                continue;
            }
            let len = u32::from_le_bytes(bytes[place.from + 8..][..4].try_into().unwrap());
            let end = place.from + 20 + len as usize;
            let mut at = place.from + 24;
            while at < end {
                ops.push(op(&file, &bytes, at));
                at = ops.last().unwrap().to;
            }
        }
    }
    ops
}

fn op(file: &str, bytes: &[u8], from: usize) -> Op {
    let key_len = usize::from(u16::from_le_bytes([bytes[from + 4], bytes[from + 5]]));
    let value_len = u32::from_le_bytes(bytes[from + 8..][..4].try_into().unwrap()) as usize;
    let value_at = from + 20 + key_len;
    let value = bytes[value_at..value_at + value_len].to_vec();
    Op {
        file: file.to_owned(),
        from,
        to: (value_at + value_len).next_multiple_of(8),
        seq: u64::from_le_bytes(bytes[from + 12..][..8].try_into().unwrap()),
        key: bytes[from + 20..value_at].to_vec(),
        value: (bytes[from + 6] == 1).then_some(value),
    }
}

/// What is there when only `survivors` are.
fn content<'a>(survivors: impl Iterator<Item = &'a Op>) -> Model {
    let mut newest: BTreeMap<&[u8], &Op> = BTreeMap::new();
    for op in survivors {
        let entry = newest.entry(&op.key).or_insert(op);
        if entry.seq < op.seq {
            *entry = op;
        }
    }
    newest.into_iter().filter_map(|(key, op)| Some((key.to_vec(), op.value.clone()?))).collect()
}

/// Repairs, looks at the result, and removes it.
fn repaired(dir: &Path) -> (RepairReport, Model) {
    let before = contents(dir);
    let to = dir.with_extension("repaired");
    let report = Db::repair(dir, &to, &read_only(), |done, total| assert!(done <= total)).unwrap();
    assert!(before == contents(dir), "the damaged database was written");
    let db = Db::open(Some(&to), &read_only()).unwrap();
    let found = read_all(&db).unwrap();
    assert_eq!((report.keys, db.stats().keys), (found.len() as u64, found.len() as u64));
    drop(db);
    assert_eq!(Db::verify(&to, &read_only(), |_, _| {}).unwrap().damage, []);
    fs::remove_dir_all(&to).unwrap();
    (report, found)
}

/// Whether a line of the list is about this place.
fn is_at(damage: &Damage, file: &str, at: usize) -> bool {
    let (from, len) = (damage.offset.unwrap_or(0) as usize, damage.len.unwrap_or(0) as usize);
    damage.file == file && (from..from + len).contains(&at)
}

fn samples() -> [(tempfile::TempDir, PathBuf, Model); 2] {
    let sample = |make: fn(&Path) -> Model| {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("db");
        let model = make(&dir);
        (home, dir, model)
    };
    [sample(closed), sample(killed)]
}

#[test]
fn an_undamaged_database_is_copied_whole() {
    for (_home, dir, model) in samples() {
        assert!(content(ops(&dir).iter()) == model, "the test's own reader is wrong");
        let (report, found) = repaired(&dir);
        assert_eq!(report.damage, []);
        assert_eq!((report.lost_bytes, report.partial_batches), (0, 0));
        assert!(found == model);
    }
}

#[test]
fn one_damaged_record_costs_that_record() {
    let mut cases = 0;
    for (_home, dir, _) in samples() {
        let all = ops(&dir);
        for (n, hit) in all.iter().enumerate() {
            // Checksum, lengths, kind, sequence number, key, value: a different one each time.
            let offsets = [0, 4, 6, 8, 13, 20, 20 + hit.key.len()];
            let at = (hit.from + offsets[n % offsets.len()]).min(hit.to - 1);
            let path = dir.join(&hit.file);
            let whole = fs::read(&path).unwrap();
            damage(&path, at, 1);
            let (report, found) = repaired(&dir);
            let expected =
                content(all.iter().filter(|o| (&o.file, o.from) != (&hit.file, hit.from)));
            let is_value_of_one =
                offsets[n % 7] == 20 + hit.key.len() && hit.value.as_deref() == Some(b"");
            if !is_value_of_one {
                assert!(found == expected, "{hit:?} at {at}");
                assert!(report.damage.iter().any(|d| is_at(d, &hit.file, at)), "{at}: {report:?}");
                let verified = Db::verify(&dir, &read_only(), |_, _| {}).unwrap();
                let last = last_records(&dir_whole(&path, &whole, &dir));
                let torn = last.iter().any(|l| l.file == hit.file && (l.from..l.to).contains(&at));
                assert!(torn || verified.damage.iter().any(|d| is_at(d, &hit.file, at)));
            }
            fs::write(&path, whole).unwrap();
            cases += 1;
        }
    }
    assert!(cases > 100, "{cases}");
}

/// The directory with one file put right for as long as the returned path is used.
fn dir_whole(path: &Path, whole: &[u8], dir: &Path) -> PathBuf {
    fs::write(path, whole).unwrap();
    dir.to_path_buf()
}

#[test]
fn the_list_says_what_was_lost() {
    let [(_home, dir, model), _] = samples();
    let all = ops(&dir);
    let find = |key: &str, nth: usize| {
        let mut of_key: Vec<_> = all.iter().filter(|o| o.key == key.as_bytes()).collect();
        of_key.sort_by_key(|o| o.seq);
        of_key[nth].clone()
    };
    for (hit, says) in [
        // Written once; overwritten; the newer of two; the delete behind a put.
        (find("put1-7", 0), "no other record of the key is left"),
        (find("put1-1", 0), "a newer record of the key survived"),
        (find("put1-1", 1), "the key has an older value again"),
        (find("gone1-2", 1), "the key has an older value again"),
    ] {
        let path = dir.join(&hit.file);
        let whole = fs::read(&path).unwrap();
        damage(&path, hit.from, 4);
        let (report, found) = repaired(&dir);
        let line = report.damage.iter().find(|d| is_at(d, &hit.file, hit.from)).unwrap();
        assert!(line.what.contains(says), "{line}");
        assert_eq!(line.key.as_ref(), Some(&hit.key));
        assert_eq!(line.offset, Some(hit.from as u64));
        assert_eq!(report.lost_bytes, (hit.to - hit.from) as u64);
        let others = |m: &Model| {
            m.iter().filter(|(k, _)| **k != hit.key).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let (found, model): (Vec<_>, Vec<_>) = (others(&found), others(&model));
        assert!(found == model);
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_batch_whose_frame_is_damaged_is_saved_in_part_and_listed() {
    let [(_home, dir, model), _] = samples();
    let segments = segments(&dir);
    let mut frames = segments.iter().flat_map(|(.., file)| records(&dir, file));
    let frame = frames.find(|r| r.kind == 3).unwrap();
    let path = dir.join(&frame.file);
    damage(&path, frame.from, 8);
    let (report, found) = repaired(&dir);
    assert!(found == model);
    assert_eq!(report.partial_batches, 1);
    assert!(report.damage.iter().any(|d| d.what.contains("of its records were saved")));
}

#[test]
fn a_batch_that_was_never_finished_does_not_come_back() {
    let [_, (_home, dir, model)] = samples();
    // A frame's header is written last: zeros in its place are a batch under way. The last record
    // of a log becomes one: a batch is written there first.
    let db = Db::open(Some(&dir), &options()).unwrap();
    let mut batch = warp_engine::Batch::new();
    for n in 0..6 {
        batch.put(format!("unfinished{n}").as_bytes(), b"v").unwrap();
    }
    db.write(&batch).unwrap();
    let image = dir.with_extension("image");
    copy_of_one_moment(&dir, &image);
    db.close().unwrap();
    let last = last_records(&image).into_iter().find(|r| r.kind == 3).unwrap();
    let path = image.join(&last.file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[last.from..last.from + 20].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(Db::verify(&image, &read_only(), |_, _| {}).unwrap().damage, []);
    let (report, found) = repaired(&image);
    assert!(found == model, "a part of the batch came back");
    assert_eq!(report.partial_batches, 0);
    assert!(report.damage.iter().any(|d| d.what.contains("it is left out")), "{report:?}");
}

#[test]
fn whatever_small_files_are_lost_everything_comes_back() {
    for (home, dir, model) in samples() {
        let image = file_ending(&dir, ".img");
        let image = image.file_name().unwrap().to_str().unwrap();
        let small = ["MANIFEST", "CHECKPOINT", "STATE", "LOCK", image];
        for lost in 0..1 << small.len() {
            // Missing, or damaged.
            for is_missing in [true, false] {
                let own = home.path().join("own");
                copy(&dir, &own);
                for (_, name) in small.iter().enumerate().filter(|(n, _)| lost >> n & 1 == 1) {
                    match is_missing {
                        true => fs::remove_file(own.join(name)).unwrap(),
                        false => fs::write(own.join(name), b"damaged").unwrap(),
                    }
                }
                let (report, found) = repaired(&own);
                assert!(found == model, "{lost:#b} {is_missing}");
                for name in &small[..3] {
                    let n = small.iter().position(|s| s == name).unwrap();
                    let is_listed = report.damage.iter().any(|d| d.file == *name);
                    assert_eq!(is_listed, lost >> n & 1 == 1, "{name}: {:?}", report.damage);
                }
                fs::remove_dir_all(&own).unwrap();
            }
        }
    }
}

#[test]
fn damaged_segment_headers_cost_nothing_while_another_file_names_the_database() {
    for (_home, dir, model) in samples() {
        let all = segments(&dir);
        for (n, (.., name)) in all.iter().enumerate() {
            damage(&dir.join(name), 0, 112);
            // The last whole one is kept, since MANIFEST goes as well.
            if n + 2 == all.len() {
                fs::remove_file(dir.join("MANIFEST")).unwrap();
                break;
            }
        }
        let (report, found) = repaired(&dir);
        assert!(found == model);
        assert!(report.damage.iter().filter(|d| d.file.ends_with(".seg")).count() + 1 >= all.len());
    }
}

#[test]
fn a_missing_segment_costs_its_records_and_a_wiped_page_those_in_it() {
    for (_home, dir, _) in samples() {
        let all = ops(&dir);
        for (.., name) in segments(&dir) {
            let path = dir.join(&name);
            let whole = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let (report, found) = repaired(&dir);
            assert!(found == content(all.iter().filter(|o| o.file != name)));
            assert!(!report.damage.is_empty());
            for (page, byte) in [(0, 0), (1, 0), (4, 0xff), (16, 7)] {
                let mut bytes = whole.clone();
                let (from, to) = (page * 4096, (page + 1) * 4096);
                if to > bytes.len() {
                    continue;
                }
                bytes[from..to].fill(byte);
                fs::write(&path, &bytes).unwrap();
                let (_, found) = repaired(&dir);
                let is_hit = |o: &Op| o.file == name && o.from < to && o.to > from;
                assert!(found == content(all.iter().filter(|o| !is_hit(o))), "{name} page {page}");
            }
            fs::write(&path, whole).unwrap();
        }
    }
}

#[test]
fn what_compaction_dropped_stays_away() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("db");
    let db = Db::open(Some(&dir), &Options { shards: Some(2), ..options() }).unwrap();
    let mut model = Model::new();
    for round in 0..6u32 {
        for n in 0..600u32 {
            let key = format!("key{n}").into_bytes();
            if (n + round) % 3 == 0 {
                db.delete(&key).unwrap();
                model.remove(&key);
            } else {
                let value = vec![round as u8; 300];
                db.put(&key, &value).unwrap();
                model.insert(key, value);
            }
        }
        db.checkpoint().unwrap();
        db.compact().unwrap();
    }
    let image = home.path().join("image");
    copy_of_one_moment(&dir, &image);
    db.close().unwrap();
    for dir in [dir, image] {
        assert_eq!(Db::verify(&dir, &read_only(), |_, _| {}).unwrap().damage, []);
        let (report, found) = repaired(&dir);
        assert!(found == model);
        assert_eq!(report.damage, []);
        fs::remove_file(dir.join("CHECKPOINT")).unwrap();
        fs::remove_file(dir.join("MANIFEST")).unwrap();
        assert!(repaired(&dir).1 == model);
    }
}

#[test]
fn destinations_that_are_refused() {
    let [(home, dir, _), _] = samples();
    let repair = |from: &Path, to: &Path| {
        let error = Db::repair(from, to, &read_only(), |_, _| {}).unwrap_err();
        (error.kind(), error.message().to_owned())
    };
    let at = |name: &str| home.path().join(name);
    let check = |(kind, text): (ErrorKind, String), wanted, part: &str| {
        assert_eq!(kind, wanted, "{text}");
        assert!(text.contains(part), "{text}");
    };
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/file"), b"text").unwrap();
    check(repair(&dir, &at("full")), ErrorKind::InvalidArgument, "full is not empty");
    check(repair(&dir, &dir), ErrorKind::InvalidArgument, "is not empty");
    check(repair(&dir, &at("full/file")), ErrorKind::Io, "errno 20");
    check(repair(&at("none"), &at("to")), ErrorKind::InvalidArgument, "none does not exist");
    fs::create_dir(at("empty")).unwrap();
    check(repair(&at("empty"), &at("to")), ErrorKind::InvalidArgument, "holds nothing");
    fs::create_dir(at("to.partial")).unwrap();
    check(repair(&dir, &at("to")), ErrorKind::InvalidArgument, "to.partial exists");
    assert!(!at("to").exists());
    // An empty directory is one to fill; and shards may be given.
    let how = Options { shards: Some(7), ..read_only() };
    Db::repair(&dir, &at("empty"), &how, |_, _| {}).unwrap();
    assert_eq!(Db::open(Some(&at("empty")), &read_only()).unwrap().stats().shards, 7);
    // Of a newer format nothing is known.
    let path = dir.join("MANIFEST");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    fs::write(&path, bytes).unwrap();
    check(repair(&dir, &at("new")), ErrorKind::Unsupported, "format 2 is newer");
}
