//! A device that is full: an ext4 of a few MiB in a file, mounted through a loop device, or a tmpfs
//! where there is none.
//!
//! Needs the right to mount; where it is missing the test says so and passes. The simulated disk
//! is full at every call of its workloads (`src/lab/faults.rs`), and crashes while it is
//! (`src/lab/full.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use warp_engine::{Db, ErrorKind, Options};

const MIB: u64 = 1 << 20;

/// A mounted file system, unmounted and removed at the end.
struct Small {
    home: tempfile::TempDir,
}

impl Small {
    fn mount(mib: u64) -> Option<Small> {
        let small = Small { home: tempfile::tempdir().unwrap() };
        std::fs::create_dir(small.dir()).unwrap();
        if small.mount_ext4(mib) || small.mount_tmpfs(mib) {
            return Some(small);
        }
        println!("skipped: mounting a file system is not permitted here");
        None
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("mounted")
    }

    fn mount_ext4(&self, mib: u64) -> bool {
        let image = self.home.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(mib * MIB).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))
            && run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(self.dir()))
    }

    fn mount_tmpfs(&self, mib: u64) -> bool {
        let size = format!("size={mib}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "warp"]).arg(self.dir()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.dir()));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|o| o.status.success())
}

fn open(dir: &Path, shards: &str) -> Db {
    let mut options = Options::new();
    options.set("shards", shards).unwrap();
    options.set("durability", "process").unwrap();
    Db::open(Some(dir), &options).unwrap()
}

fn key(n: u64) -> Vec<u8> {
    format!("key:{n:08}").into_bytes()
}

fn value(n: u64) -> Vec<u8> {
    let mut value = vec![n as u8; 1000];
    value[..8].copy_from_slice(&n.to_le_bytes());
    value
}

/// Puts keys from `from` on until the device is full; the first that was refused.
fn fill(db: &Db, from: u64) -> u64 {
    for n in from.. {
        if let Err(e) = db.put(&key(n), &value(n)) {
            assert_eq!(e.kind(), ErrorKind::NoSpace, "{e}");
            return n;
        }
    }
    unreachable!()
}

/// Whether exactly the keys below `end` are there, by key and by iteration.
fn check(db: &Db, end: u64) {
    for n in 0..end {
        assert!(db.get(&key(n)).unwrap() == Some(value(n)), "key {n} of {end}");
    }
    let (mut iter, mut count) = (db.iter(b"key:").unwrap(), 0);
    while iter.advance().unwrap() {
        count += 1;
    }
    assert_eq!(count, end);
}

fn a_full_device(shards: &str, mib: u64) {
    let Some(small) = Small::mount(mib) else { return };
    let ballast = small.dir().join("ballast");
    std::fs::write(&ballast, vec![1; (mib / 4 * MIB) as usize]).unwrap();
    let dir = small.dir().join("db");
    let db = open(&dir, shards);
    let end = fill(&db, 0);
    assert!(end * 1000 > mib * MIB / 4, "only {end} keys went into {mib} MiB");
    // What is refused leaves no trace, and reads go on.
    check(&db, end);
    let refused = db.put(&key(end), &value(end)).is_err();
    check(&db, if refused { end } else { end + 1 });
    // Puts work again by themselves once there is room.
    std::fs::remove_file(&ballast).unwrap();
    let begin = Instant::now();
    while db.put(&key(end), &value(end)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30), "puts do not work again");
        std::thread::sleep(Duration::from_millis(10));
    }
    let full = fill(&db, end + 1);
    assert!(full > end + 1000, "only {} keys went into {} MiB", full - end, mib / 4);
    check(&db, full);
    // It closes and opens as it is.
    db.close().unwrap();
    let db = open(&dir, shards);
    check(&db, full);
    room_is_made(db, &dir, shards, full);
}

/// Ends the other thread's loop, also when this one panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A put that is refused says so at once, most of the time, and soon each time.
fn refusals_are_quick(db: &Db, n: u64) {
    const TIMES: u32 = 200;
    let begin = Instant::now();
    let (mut longest, mut refused) = (Duration::ZERO, 0);
    for _ in 0..TIMES {
        let put = Instant::now();
        refused += u32::from(db.put(&key(n), &value(n)).is_err());
        longest = longest.max(put.elapsed());
    }
    println!("{refused} of {TIMES} refused in {:?}, the longest {longest:?}", begin.elapsed());
    assert!(begin.elapsed() < TIMES * Duration::from_millis(100), "{:?}", begin.elapsed());
    // Compaction is waited for 0.2 s at most; the rest is for a machine that has much else to do.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    // One that was not refused is the value that the caller expects.
    let _ = db.delete(&key(n)).unwrap();
}

/// All but puts goes on while the device is full, and makes the room that lets puts go on.
fn room_is_made(db: Db, dir: &Path, shards: &str, from: u64) {
    let full = fill(&db, from);
    let (kept, stop) = (full / 4, AtomicBool::new(false));
    // While another thread puts, and is refused more often than not. What it gets is less than what
    // is deleted, so that there is room in the end.
    let enough = full + (full - kept) / 4;
    let begin = Instant::now();
    let end = std::thread::scope(|scope| {
        let puts = scope.spawn(|| {
            let mut end = full;
            while !stop.load(Ordering::Relaxed) && end < enough {
                match db.put(&key(end), &value(end)) {
                    Ok(()) => end += 1,
                    Err(e) => assert_eq!(e.kind(), ErrorKind::NoSpace, "{e}"),
                }
            }
            end
        });
        let _stop = Stop(&stop);
        for n in kept..full {
            match db.delete(&key(n)) {
                Ok(done) => assert!(done, "key {n}"),
                Err(e) => panic!("delete of key {n}, of {kept} to {full}: {e}"),
            }
            if n % 4096 == 0 {
                db.checkpoint().unwrap();
                db.compact().unwrap();
                db.sync().unwrap();
            }
            assert!(db.get(&key(n)).unwrap().is_none() && db.get(&key(0)).unwrap().is_some());
        }
        stop.store(true, Ordering::Relaxed);
        puts.join().unwrap()
    });
    println!("{} deletes, {} puts in {:?}", full - kept, end - full, begin.elapsed());
    // By themselves: nobody calls for compaction any more.
    let begin = Instant::now();
    while let Err(e) = db.put(&key(end), &value(end)) {
        assert_eq!(e.kind(), ErrorKind::NoSpace, "{e}");
        assert!(begin.elapsed() < Duration::from_secs(30), "puts do not work again: {e}");
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("puts go on after {:?}", begin.elapsed());
    // And as much fits as there was.
    let end = fill(&db, end + 1);
    println!("{} more until it is full again, after {:?}", end - full, begin.elapsed());
    refusals_are_quick(&db, end);
    assert!(end - full > (full - kept) / 2, "{kept} keys kept, {} new, {full} once", end - full);
    let check = |db: &Db| {
        for n in 0..end {
            let expected = (n < kept || n >= full).then(|| value(n));
            assert!(db.get(&key(n)).unwrap() == expected, "key {n} of {kept}, {full}, {end}");
        }
    };
    check(&db);
    db.close().unwrap();
    check(&open(dir, shards));
}

#[test]
fn one_shard_on_a_full_device() {
    a_full_device("1", 64);
}

#[test]
fn many_shards_on_a_full_device() {
    a_full_device("24", 64);
}
