//! Every kind of bad input: each gets the documented kind of error and a text that names what was
//! wrong, nothing is lost by it, and once the condition is undone everything is there.
//!
//! Permissions are tested in a child that gives up root for `nobody` where the tests run as root.
//! A failing device (`EIO`) is the simulated disk's, in `tests/crash.rs`.

mod common;

use common::*;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use warp_engine::{
    Batch, Db, Durability, Error, ErrorKind, Options, BATCH_BYTES_MAX, KEY_LEN_MAX, OPTION_NAMES,
    VALUE_LEN_MAX,
};

/// Asserts the kind of an error and that its text has all of `parts`.
#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, parts: &[&str]) {
    let error = result.expect_err("it must fail");
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts {
        assert!(error.message().contains(part), "{part:?} is not in {:?}", error.message());
    }
}

fn open(dir: &Path, options: &Options) -> Result<Db, Error> {
    Db::open(Some(dir), options)
}

/// A closed sample database, the directory that goes with it, and what is in it.
struct Sample {
    home: tempfile::TempDir,
    model: Model,
}

impl Sample {
    fn closed() -> Sample {
        let home = tempfile::tempdir().unwrap();
        let model = closed(&home.path().join("db"));
        Sample { home, model }
    }

    fn killed() -> Sample {
        let home = tempfile::tempdir().unwrap();
        let model = killed(&home.path().join("db"));
        Sample { home, model }
    }

    fn dir(&self) -> std::path::PathBuf {
        self.home.path().join("db")
    }

    /// The database opens, for reading and for writing, and everything is there.
    #[track_caller]
    fn is_whole(&self) {
        let before = contents(&self.dir());
        let db = open(&self.dir(), &read_only()).unwrap();
        assert!(read_all(&db).unwrap() == self.model);
        drop(db);
        assert!(before == contents(&self.dir()), "reading has changed a file");
        let db = open(&self.dir(), &options()).unwrap();
        assert!(read_all(&db).unwrap() == self.model);
        assert_eq!(db.stats().keys, self.model.len() as u64);
        db.close().unwrap();
        let report = Db::verify(&self.dir(), &read_only(), |_, _| {}).unwrap();
        assert_eq!(report.damage, []);
        assert_eq!(report.keys, self.model.len() as u64);
    }

    /// Opening fails so, twice for reading and for writing, and changes no file but for the lock.
    #[track_caller]
    fn refuses(&self, kind: ErrorKind, parts: &[&str]) {
        let before = contents(&self.dir());
        for how in [read_only(), options()] {
            check(open(&self.dir(), &how), kind, parts);
            assert!(before == contents(&self.dir()), "a refused open has changed a file");
        }
    }

    /// Does `spoil` to a file, sees that open refuses, and undoes it.
    #[track_caller]
    fn spoilt(&self, name: &str, kind: ErrorKind, parts: &[&str], spoil: impl Fn(&mut Vec<u8>)) {
        let path = self.dir().join(name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        spoil(&mut bytes);
        fs::write(&path, bytes).unwrap();
        self.refuses(kind, parts);
        fs::write(&path, whole).unwrap();
    }

    /// Takes a file away, runs `look`, and puts it back.
    #[track_caller]
    fn without(&self, name: &str, look: impl Fn(&Sample)) {
        let (path, away) = (self.dir().join(name), self.home.path().join("away"));
        fs::rename(&path, &away).unwrap();
        look(self);
        fs::rename(&away, &path).unwrap();
    }
}

/// The checksum at the end of a small file, made right again.
fn seal(bytes: &mut [u8]) {
    let (body, crc) = bytes.split_last_chunk_mut::<4>().unwrap();
    *crc = crc32fast::hash(body).to_le_bytes();
}

#[test]
fn keys_and_values_outside_the_limits() {
    let db = Db::open(None, &Options::new()).unwrap();
    let long = vec![b'k'; KEY_LEN_MAX + 1];
    let empty: &[&str] = &["the key is empty"];
    let too_long: &[&str] = &["key length 65536 exceeds 65535"];
    for (key, kind, parts) in
        [(&b""[..], ErrorKind::InvalidArgument, empty), (&long, ErrorKind::TooLarge, too_long)]
    {
        check(db.put(key, b"v"), kind, parts);
        check(db.get(key), kind, parts);
        check(db.get_pinned(key), kind, parts);
        check(db.get_into(key, &mut []), kind, parts);
        check(db.get_nowait(key, &mut []), kind, parts);
        check(db.exists(key), kind, parts);
        check(db.delete(key), kind, parts);
        check(db.compare_and_swap(key, None, Some(b"v")), kind, parts);
        check(Batch::new().put(key, b"v"), kind, parts);
        check(Batch::new().delete(key), kind, parts);
        db.multi_get(1, |_| key, |_, answer| check(answer, kind, parts));
    }
    assert_eq!(db.stats().keys, 0);
    // A value that is longer than the limit is refused by its length, before a byte is read.
    let longest = vec![0; VALUE_LEN_MAX + 1];
    let parts: &[&str] = &["value length 1073741825 exceeds 1073741824"];
    check(db.put(b"k", &longest), ErrorKind::TooLarge, parts);
    check(Batch::new().put(b"k", &longest), ErrorKind::TooLarge, parts);
    check(db.compare_and_swap(b"k", None, Some(&longest)), ErrorKind::TooLarge, parts);
    assert_eq!(db.get(b"k").unwrap(), None);
    // The longest key is one.
    let key = &long[1..];
    db.put(key, b"v").unwrap();
    assert_eq!(db.get(key).unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn batches_that_are_malformed_or_too_large_change_nothing() {
    let db = Db::open(None, &Options::new()).unwrap();
    let one = |kind: u8, key: &[u8], value_len: u32, value: &[u8]| {
        let mut bytes = vec![kind];
        bytes.extend((key.len() as u32).to_le_bytes());
        bytes.extend(value_len.to_le_bytes());
        [&bytes, key, value].concat()
    };
    let good = one(1, b"good", 1, b"v");
    let invalid = ErrorKind::InvalidArgument;
    for (bad, kind, part) in [
        (vec![1, 0, 0], invalid, "3 bytes at offset 14 are no operation header"),
        (one(3, b"k", 0, b""), invalid, "kind 3 at offset 14"),
        (one(2, b"k", 1, b"v"), invalid, "the delete at offset 14 has a value"),
        (one(1, b"", 1, b"v"), invalid, "the key is empty"),
        (one(1, b"k", 9, b"v"), invalid, "needs 10 bytes, 2 are left"),
        (one(1, b"k", u32::MAX, b"v"), ErrorKind::TooLarge, "value length 4294967295"),
    ] {
        check(db.write_packed(&[good.clone(), bad].concat()), kind, &["packed batch", part]);
    }
    let mut batch = Batch::new();
    batch.put(b"good", b"v").unwrap();
    let value = vec![1; BATCH_BYTES_MAX / 3];
    for n in 0..4 {
        batch.put(format!("large{n}").as_bytes(), &value).unwrap();
    }
    check(db.write(&batch), ErrorKind::TooLarge, &["the batch takes", "the limit is"]);
    assert_eq!(db.stats().keys, 0, "a refused batch was written in part");
}

#[test]
fn options_that_are_unknown_or_out_of_range() {
    let invalid = ErrorKind::InvalidArgument;
    let set = |name: &str, value: &str| Options::new().set(name, value);
    check(set("shard", "1"), invalid, &["\"shard\"", "open_timeout_ms"]);
    check(set("", ""), invalid, &["unknown option"]);
    for name in OPTION_NAMES {
        for value in ["", " ", "-1", "99999999999999999999", "yes", "1.5", "\u{663}"] {
            // There may be no rules.
            if *name == "rules" && value.trim().is_empty() {
                continue;
            }
            check(set(name, value), invalid, &[name]);
        }
    }
    for (name, value) in [("shards", "0"), ("shards", "1025"), ("sync_interval_ms", "0")] {
        check(set(name, value), invalid, &[name, value]);
    }
    let reading = Options { read_only: true, ..Options::new() };
    check(Db::open(None, &reading), invalid, &["in memory", "read_only"]);
}

#[test]
fn paths_that_are_no_database() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let invalid = ErrorKind::InvalidArgument;
    // A file in place of the directory, and one on the way to it.
    fs::write(at("file"), b"text").unwrap();
    for how in [options(), read_only()] {
        check(open(&at("file"), &how), ErrorKind::Io, &["file", "errno 20"]);
        check(open(&at("file/db"), &how), ErrorKind::Io, &["file/db", "errno 20"]);
    }
    assert_eq!(fs::read(at("file")).unwrap(), b"text");
    // A directory with something else in it.
    fs::create_dir(at("other")).unwrap();
    fs::write(at("other/letter.txt"), b"text").unwrap();
    for how in [options(), read_only()] {
        check(open(&at("other"), &how), invalid, &["other", "letter.txt", "MANIFEST"]);
    }
    assert_eq!(names(&at("other")), ["letter.txt"], "a refused open left something");
    // Nothing there, and not to be created.
    let existing = Options { create_if_missing: false, ..options() };
    for how in [&existing, &read_only()] {
        check(open(&at("none"), how), invalid, &["none", "does not exist"]);
        assert!(!at("none").exists());
        fs::create_dir(at("empty")).unwrap();
        check(open(&at("empty"), how), invalid, &["empty", "no database"]);
        assert!(names(&at("empty")).is_empty());
        fs::remove_dir(at("empty")).unwrap();
    }
    // There, and not to be.
    let sample = Sample::closed();
    let new = Options { error_if_exists: true, ..options() };
    check(open(&sample.dir(), &new), invalid, &["error_if_exists"]);
    // Another number of shards; the right one is no error.
    let shards = |n| Options { shards: Some(n), ..options() };
    check(open(&sample.dir(), &shards(3)), invalid, &["has 2 shards", "leave the option out"]);
    open(&sample.dir(), &shards(2)).unwrap().close().unwrap();
    sample.is_whole();
}

#[test]
fn a_creation_that_was_cut_short_is_begun_anew() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("db");
    let sample = Sample::closed();
    for left in [
        vec!["LOCK"],
        vec!["LOCK", "CHECKPOINT.tmp"],
        vec!["LOCK", "CHECKPOINT"],
        vec!["LOCK", "CHECKPOINT", "MANIFEST.tmp"],
    ] {
        fs::create_dir(&dir).unwrap();
        left.iter().for_each(|name| fs::write(dir.join(name), b"half").unwrap());
        let db = open(&dir, &options()).unwrap();
        db.put(b"k", b"v").unwrap();
        db.close().unwrap();
        let db = open(&dir, &read_only()).unwrap();
        assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        drop(db);
        fs::remove_dir_all(&dir).unwrap();
    }
    sample.is_whole();
}

#[test]
fn leftovers_and_strangers_in_the_directory() {
    let sample = Sample::closed();
    for name in ["MANIFEST.tmp", "CHECKPOINT.tmp", "notes.txt", "index-00000000000000ff.img"] {
        fs::write(sample.dir().join(name), b"half").unwrap();
    }
    fs::create_dir(sample.dir().join("folder")).unwrap();
    // A segment that no log ever used.
    fs::write(sample.dir().join("00000000000000ff.seg"), vec![0; 65_536]).unwrap();
    let db = open(&sample.dir(), &options()).unwrap();
    assert!(read_all(&db).unwrap() == sample.model);
    db.close().unwrap();
    let left = names(&sample.dir());
    assert!(left.contains(&"notes.txt".into()) && left.contains(&"folder".into()), "{left:?}");
    for name in ["CHECKPOINT.tmp", "00000000000000ff.seg", "index-00000000000000ff.img"] {
        assert!(!left.contains(&name.to_owned()), "{name} is still there");
    }
    fs::remove_dir(sample.dir().join("folder")).unwrap();
    // A stranger with a segment's name is not passed over: it may be one whose header is damaged.
    fs::write(sample.dir().join("stranger.seg"), vec![7; 65_536]).unwrap();
    sample.refuses(ErrorKind::Corruption, &["stranger.seg", "magic number"]);
    fs::remove_file(sample.dir().join("stranger.seg")).unwrap();
    sample.is_whole();
}

#[test]
fn files_of_a_newer_format() {
    let sample = Sample::closed();
    let unsupported = ErrorKind::Unsupported;
    for (name, newer) in [("MANIFEST", 2), ("CHECKPOINT", 3)] {
        let text = format!("format {newer} is newer");
        sample.spoilt(name, unsupported, &[name, &text], |bytes| {
            bytes[8] = newer;
            seal(bytes);
        });
    }
    let (.., segment) = &segments(&sample.dir())[0];
    sample.spoilt(segment, unsupported, &[segment, "format 2 is newer"], |bytes| {
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..112]);
        bytes[112..116].copy_from_slice(&crc.to_le_bytes());
    });
    check(
        Db::verify(&sample.home.path().join("none"), &read_only(), |_, _| {}),
        ErrorKind::InvalidArgument,
        &["does not exist"],
    );
    sample.is_whole();
}

#[test]
fn damage_in_the_small_files() {
    let sample = Sample::closed();
    let corruption = ErrorKind::Corruption;
    for name in ["MANIFEST", "CHECKPOINT"] {
        let sum: &[&str] = &[name, "the checksum at offset"];
        sample.spoilt(name, corruption, sum, |bytes| bytes[40] ^= 1);
        sample.spoilt(name, corruption, sum, |bytes| bytes.truncate(bytes.len() - 1));
        sample.spoilt(name, corruption, &[name, "magic number"], |bytes| bytes[0] ^= 1);
        sample.spoilt(name, corruption, &[name, "0 bytes are too few"], Vec::clear);
        sample.spoilt(name, corruption, &[name, "bytes too many"], |bytes| {
            bytes.extend([0; 8]);
            seal(bytes);
        });
        sample.spoilt(name, corruption, &[name, "more than"], |bytes| bytes.resize(17 << 20, 0));
    }
    sample.spoilt("MANIFEST", corruption, &["0 shards"], |bytes| {
        bytes[12..16].fill(0);
        seal(bytes);
    });
    // STATE only says whether there may be something to replay.
    let state = sample.dir().join("STATE");
    for spoilt in [&b""[..], b"short", &[0xff; 32]] {
        fs::write(&state, spoilt).unwrap();
        sample.is_whole_after_recovery();
    }
    sample.is_whole();
}

impl Sample {
    /// As [`Sample::is_whole`], where a file of no consequence is damaged now.
    #[track_caller]
    fn is_whole_after_recovery(&self) {
        let db = open(&self.dir(), &read_only()).unwrap();
        assert!(read_all(&db).unwrap() == self.model);
        drop(db);
        let report = Db::verify(&self.dir(), &read_only(), |_, _| {}).unwrap();
        assert!(!report.damage.is_empty(), "verify has seen nothing");
        let db = open(&self.dir(), &options()).unwrap();
        assert!(read_all(&db).unwrap() == self.model);
        db.close().unwrap();
    }
}

#[test]
fn missing_files() {
    let sample = Sample::closed();
    let corruption = ErrorKind::Corruption;
    for name in ["MANIFEST", "CHECKPOINT"] {
        sample.without(name, |s| s.refuses(corruption, &[name, "is missing"]));
    }
    for (log, ordinal, name) in segments(&sample.dir()) {
        let place = format!("segment {ordinal} of log {log}");
        sample.without(&name, |s| s.refuses(corruption, &[&name, "is missing", &place]));
    }
    sample.is_whole();
    // The image and STATE are made anew.
    fs::remove_file(file_ending(&sample.dir(), ".img")).unwrap();
    sample.is_whole_after_recovery();
    fs::remove_file(sample.dir().join("STATE")).unwrap();
    sample.is_whole_after_recovery();
    fs::remove_file(sample.dir().join("LOCK")).unwrap();
    sample.is_whole();
}

#[test]
fn missing_segments_after_sigkill() {
    // Every segment of a log that has more than one: the first, and the last, which no checkpoint
    // lists; only the segment before it tells of it.
    let sample = Sample::killed();
    let all = segments(&sample.dir());
    let mut last_ones = 0;
    for (log, ordinal, name) in &all {
        let is_last = !all.iter().any(|(l, o, _)| l == log && o > ordinal);
        last_ones += usize::from(is_last && *ordinal > 1);
        let part = format!("segment {ordinal} of log {log}");
        sample.without(name, |s| s.refuses(ErrorKind::Corruption, &["is missing", &part]));
    }
    assert!(last_ones > 0, "no log has two segments");
    sample.is_whole();
}

#[test]
fn damaged_segments() {
    let sample = Sample::closed();
    let (.., name) = &segments(&sample.dir())[0];
    let corruption = ErrorKind::Corruption;
    sample.spoilt(name, corruption, &[name, "magic number"], |bytes| bytes[1] ^= 1);
    sample.spoilt(name, corruption, &[name, "header's checksum"], |bytes| bytes[50] ^= 1);
    sample.spoilt(name, corruption, &[name, "truncated to 100 bytes"], |bytes| bytes.truncate(100));
    let end = records(&sample.dir(), name).last().unwrap().to;
    sample.spoilt(name, corruption, &[name, "is truncated"], |bytes| bytes.truncate(end - 8));
    sample.spoilt(name, corruption, &[name, "exceed its capacity"], |bytes| {
        bytes.resize(bytes.len() + (1 << 20), 0);
    });
    // Of another database.
    let other = Sample::closed();
    let (.., theirs) = &segments(&other.dir())[0];
    let theirs = fs::read(other.dir().join(theirs)).unwrap();
    sample.spoilt(name, corruption, &[name, "not a segment of this database"], |bytes| {
        bytes.clone_from(&theirs);
    });
    // A record: open succeeds, its reader is told which file and where.
    let all = segments(&sample.dir());
    let mut all = all.iter().flat_map(|(.., name)| records(&sample.dir(), name));
    let place = all.find(|r| r.key == b"put0-7").unwrap();
    let name = &place.file;
    let path = sample.dir().join(name);
    let whole = fs::read(&path).unwrap();
    damage(&path, place.from + 22, 1);
    let db = open(&sample.dir(), &options()).unwrap();
    let at = format!("offset {}", place.from);
    let parts: &[&str] = &[name, &at, "does not match its checksum", "warp repair"];
    check(db.get(&place.key), corruption, parts);
    check(db.get_pinned(&place.key), corruption, parts);
    check(db.delete(&place.key), corruption, parts);
    check(db.put(&place.key, b"v"), corruption, parts);
    for (key, value) in sample.model.iter().filter(|(key, _)| **key != place.key) {
        assert_eq!(db.get(key).unwrap().as_ref(), Some(value));
    }
    db.close().unwrap();
    fs::write(&path, whole).unwrap();
    sample.is_whole();
}

#[test]
fn a_read_only_handle_refuses_writes() {
    let sample = Sample::closed();
    let db = open(&sample.dir(), &read_only()).unwrap();
    let (kind, parts): (_, &[&str]) = (ErrorKind::ReadOnly, &["read_only=true"]);
    let mut batch = Batch::new();
    batch.put(b"k", b"v").unwrap();
    check(db.put(b"k", b"v"), kind, parts);
    check(db.delete(b"put0-1"), kind, parts);
    check(db.write(&batch), kind, parts);
    check(db.write(&Batch::new()), kind, parts);
    check(db.compare_and_swap(b"k", None, Some(b"v")), kind, parts);
    check(db.checkpoint(), kind, parts);
    assert!(read_all(&db).unwrap() == sample.model);
    db.close().unwrap();
    sample.is_whole();
}

/// The body of a process that holds the lock; does nothing in an ordinary run of the tests.
#[test]
fn holder() {
    let Ok(dir) = std::env::var("WARP_HOLD_DIR") else { return };
    let read = std::env::var("WARP_HOLD_READ").is_ok();
    let _db = open(Path::new(&dir), &if read { read_only() } else { options() }).unwrap();
    println!("\nholding");
    // Until the parent closes its end.
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A process that has the database open, and what it says.
struct Holder(Child, BufReader<std::process::ChildStdout>);

impl Holder {
    fn of(dir: &Path, read: bool) -> Holder {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "holder", "--nocapture"]).env("WARP_HOLD_DIR", dir);
        if read {
            command.env("WARP_HOLD_READ", "1");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines();
        assert!(lines.any(|line| line.unwrap() == "holding"), "it did not open");
        Holder(child, output)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = std::io::copy(&mut self.1, &mut std::io::sink());
        let _ = self.0.wait();
    }
}

#[test]
fn a_directory_that_another_process_holds() {
    let sample = Sample::closed();
    let busy = |how: Options, wait: u64| {
        let how = Options { open_timeout: Duration::from_millis(wait), ..how };
        let begin = Instant::now();
        let parts = ["LOCK", "another process", &format!("{wait} ms")];
        check(open(&sample.dir(), &how), ErrorKind::Busy, &parts);
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(wait), "it gave up after {took:?}");
        assert!(took < Duration::from_millis(wait + 5_000), "it waited for {took:?}");
    };
    let writer = Holder::of(&sample.dir(), false);
    busy(options(), 0);
    busy(options(), 150);
    busy(read_only(), 50);
    check(Db::verify(&sample.dir(), &read_only(), |_, _| {}), ErrorKind::Busy, &["LOCK"]);
    let to = sample.home.path().join("to");
    check(Db::repair(&sample.dir(), &to, &read_only(), |_, _| {}), ErrorKind::Busy, &["LOCK"]);
    assert!(!to.exists());
    // Whoever waits long enough gets it.
    let waiting = std::thread::scope(|scope| {
        let patient = Options { open_timeout: Duration::from_secs(30), ..options() };
        let dir = sample.dir();
        let waiting = scope.spawn(move || open(&dir, &patient).unwrap());
        std::thread::sleep(Duration::from_millis(50));
        drop(writer);
        waiting.join().unwrap()
    });
    waiting.close().unwrap();
    // Readers share; a writer waits for them.
    let reader = Holder::of(&sample.dir(), true);
    let db = open(&sample.dir(), &read_only()).unwrap();
    assert!(read_all(&db).unwrap() == sample.model);
    assert_eq!(Db::verify(&sample.dir(), &read_only(), |_, _| {}).unwrap().damage, []);
    busy(options(), 0);
    db.close().unwrap();
    busy(options(), 0);
    drop(reader);
    sample.is_whole();
}

#[test]
fn a_second_handle_of_one_process_is_refused_as_well() {
    let sample = Sample::closed();
    let db = open(&sample.dir(), &options()).unwrap();
    let impatient = Options { open_timeout: Duration::ZERO, ..options() };
    check(open(&sample.dir(), &impatient), ErrorKind::Busy, &["LOCK"]);
    check(open(&sample.dir(), &read_only()), ErrorKind::Busy, &["LOCK"]);
    db.close().unwrap();
    sample.is_whole();
}

/// What `nobody` may not do; does nothing in an ordinary run of the tests.
#[test]
fn as_nobody() {
    let Ok(dir) = std::env::var("WARP_NOBODY_DIR") else { return };
    // SAFETY: plain system calls of a process of its own.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: as above. Groups first, while it may.
        let gone =
            unsafe { libc::setgroups(0, std::ptr::null()) == 0 && libc::setuid(65_534) == 0 };
        assert!(gone, "could not give up root");
    }
    let at = |name: &str| Path::new(&dir).join(name);
    // Readable, not writable: reading works, writing names the file and errno 13.
    let db = open(&at("readable"), &read_only()).unwrap();
    assert!(!read_all(&db).unwrap().is_empty());
    drop(db);
    assert_eq!(Db::verify(&at("readable"), &read_only(), |_, _| {}).unwrap().damage, []);
    check(open(&at("readable"), &options()), ErrorKind::Io, &["LOCK", "errno 13"]);
    // The directory may not even be listed.
    for how in [options(), read_only()] {
        check(open(&at("closed"), &how), ErrorKind::Io, &["closed", "errno 13"]);
    }
    check(Db::verify(&at("closed"), &read_only(), |_, _| {}), ErrorKind::Io, &["errno 13"]);
    // One file may not be read.
    check(open(&at("partly"), &read_only()), ErrorKind::Io, &[".seg", "errno 13"]);
    // Nothing may be created.
    check(open(&at("new"), &options()), ErrorKind::Io, &["new", "errno 13"]);
    println!("\nrefused");
}

#[test]
fn directories_without_permission() {
    let sample = Sample::closed();
    let home = sample.home.path();
    for name in ["readable", "closed", "partly"] {
        copy(&sample.dir(), &home.join(name));
        let dir = home.join(name);
        names(&dir).iter().for_each(|n| set_mode(&dir.join(n), 0o444));
    }
    let (.., segment) = &segments(&sample.dir())[0];
    set_mode(&home.join("partly").join(segment), 0o000);
    for (name, mode) in [("readable", 0o555), ("partly", 0o555), ("closed", 0o000), ("", 0o555)] {
        set_mode(&home.join(name), mode);
    }
    // The test's program lies where nobody else may look, so a copy is run.
    let program = std::env::temp_dir().join(format!("warp-nobody-{}", std::process::id()));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let output = Command::new(&program)
        .args(["--exact", "as_nobody", "--nocapture"])
        .env("WARP_NOBODY_DIR", home)
        .output();
    fs::remove_file(&program).unwrap();
    for name in ["", "readable", "closed", "partly"] {
        set_mode(&home.join(name), 0o755);
    }
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("\nrefused"), "{said}{stderr}");
    sample.is_whole();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A value of more than a segment has one of its own, in which nothing else may follow: no index
/// entry reaches beyond 64 MiB.
#[test]
fn nothing_follows_a_value_larger_than_a_segment() {
    let home = tempfile::tempdir().unwrap();
    for (how, path) in [
        (Durability::None, None),
        (Durability::None, Some(home.path().join("db"))),
        (Durability::Sync, Some(home.path().join("sync"))),
    ] {
        let how = Options { shards: Some(1), durability: how, ..options() };
        let db = Db::open(path.as_deref(), &how).unwrap();
        let large = vec![3; (64 << 20) + 100];
        db.put(b"large", &large).unwrap();
        for n in 0..10u8 {
            db.put(&[n], &[n; 20]).unwrap();
        }
        let check = |db: &Db| {
            assert!(db.get(b"large").unwrap() == Some(large.clone()));
            (0..10u8).for_each(|n| assert_eq!(db.get(&[n]).unwrap(), Some(vec![n; 20])));
        };
        check(&db);
        let mut batch = Batch::new();
        batch.put(b"large", &large[..60 << 20]).unwrap();
        db.write(&batch).unwrap();
        db.put(b"large", &large).unwrap();
        check(&db);
        db.close().unwrap();
        if let Some(path) = path {
            check(&open(&path, &read_only()).unwrap());
        }
    }
}
