//! The memory limit, measured from outside: what the process has resident, sample by sample, while
//! far more data than memory is loaded, read and overwritten.
//!
//! `WARP_BYTES`, `WARP_LIMIT`, `WARP_OPS`, `WARP_THREADS` and `WARP_DIR` make it as large as the
//! machine: 10 GB under 2 GiB is `WARP_BYTES=10000000000 WARP_LIMIT=2G`. `WARP_COMPACT=0` leaves the
//! compaction of everything out.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use warp_engine::{Db, Options};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().unwrap())
}

/// Bytes that the process has resident: anonymous ones and those of mapped files.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the process's sizes");
    let pages = text.split(' ').nth(1).expect("the second number");
    pages.parse::<u64>().expect("a number of pages") * 4096
}

/// The part of it that lies in files.
fn shared_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the process's sizes");
    text.split(' ').nth(2).expect("the third number").parse::<u64>().unwrap() * 4096
}

/// Has the allocator give back what a closed database has freed, which would count as the next
/// one's.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: a call without arguments that matter.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

fn key(n: u64) -> [u8; 16] {
    let mut key = *b"key:............";
    key[4..12].copy_from_slice(&n.to_le_bytes());
    key
}

/// The value of a key in one version: 100 bytes to 4 KiB, all of it follows from the two.
fn value(n: u64, version: u64, into: &mut Vec<u8>) {
    let word = mix(n ^ version << 40);
    let len = 100 + mix(word) % 3_997;
    into.clear();
    into.extend_from_slice(&n.to_le_bytes());
    into.extend_from_slice(&version.to_le_bytes());
    while (into.len() as u64) < len {
        let at = into.len() as u64;
        into.extend_from_slice(&mix(word ^ at).to_le_bytes());
    }
    into.truncate(len as usize);
}

/// Few keys often, most keys seldom: the rank falls with the power of a uniform number, which is
/// close to Zipf's law with an exponent of 0.99.
fn skewed(random: u64, keys: u64) -> u64 {
    let uniform = (random >> 11) as f64 / (1u64 << 53) as f64;
    let rank = ((keys as f64).powf(uniform) - 1.0) as u64;
    mix(rank) % keys
}

struct Sampler<'a> {
    db: &'a Db,
    base: u64,
    limit: u64,
    highest: &'a AtomicU64,
    worst: &'a AtomicU64,
}

impl Sampler<'_> {
    /// Samples until told to stop.
    fn run(&self, stop: &AtomicBool) {
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            let now = resident_bytes().saturating_sub(self.base);
            self.highest.fetch_max(now, Ordering::Relaxed);
            n += 1;
            if n % 20 == 0 {
                let said = self.db.stats().resident_bytes;
                let off = 1000 * said.abs_diff(now) / now.max(1);
                if now > self.limit / 4 {
                    self.worst.fetch_max(off, Ordering::Relaxed);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs `work` while samples are taken; says how it went.
fn sampled<T>(what: &str, db: &Db, base: u64, limit: u64, work: impl FnOnce() -> T) -> T {
    let (highest, worst, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let begin = Instant::now();
    let sampler = Sampler { db, base, limit, highest: &highest, worst: &worst };
    let done = std::thread::scope(|scope| {
        scope.spawn(|| sampler.run(&stop));
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    });
    let now = resident_bytes().saturating_sub(base);
    let said = db.stats().resident_bytes;
    let highest = highest.load(Ordering::Relaxed);
    println!(
        "{what}: {:.1} s, highest {} MiB of {}, now {} MiB, accounted {} MiB, worst difference {} per mille",
        begin.elapsed().as_secs_f64(),
        highest >> 20,
        limit >> 20,
        now >> 20,
        said >> 20,
        worst.load(Ordering::Relaxed)
    );
    let json = db.stats_json();
    let memory = json.split("\"memory\":").nth(1).and_then(|s| s.split(",\"recovery").next());
    println!("  of it files {} MiB; {}", shared_bytes() >> 20, memory.unwrap());
    assert!(highest <= limit, "{what}: {highest} bytes were resident, the limit is {limit}");
    done
}

/// The accounting is within a tenth of what the system says.
fn agrees(what: &str, db: &Db, base: u64) {
    let (now, said) = (resident_bytes().saturating_sub(base), db.stats().resident_bytes);
    assert!(
        said.abs_diff(now) * 10 <= now,
        "{what}: {now} bytes are resident, the statistics say {said}: {}",
        db.stats_json().split("\"recovery\"").next().unwrap()
    );
}

/// Does a little of everything, so that the pages of the program itself are part of the base.
fn touch_code(path: &Path) {
    let options = options("1M");
    for _ in 0..2 {
        let db = Db::open(Some(path), &options).unwrap();
        let mut bytes = Vec::new();
        for n in 0..3_000 {
            value(n, 0, &mut bytes);
            db.put(&key(n % 2_000), &bytes).unwrap();
            db.get_pinned(&key(n / 2)).unwrap();
        }
        db.compact().unwrap();
        let mut iter = db.iter(b"").unwrap();
        while iter.advance().unwrap() {}
        db.stats_json();
        drop(iter);
        db.close().unwrap();
    }
    give_back();
}

fn options(limit: &str) -> Options {
    let mut options = Options::new();
    options.set("memory_limit", limit).unwrap();
    options
}

#[test]
fn far_more_data_than_memory() {
    let bytes = number("WARP_BYTES", 300_000_000);
    let limit = std::env::var("WARP_LIMIT").unwrap_or("128M".into());
    let threads = number("WARP_THREADS", 2);
    let temporary = tempfile::tempdir().unwrap();
    let dir = std::env::var("WARP_DIR").map_or(temporary.path().into(), std::path::PathBuf::from);
    let path = dir.join("db");
    let options = options(&limit);
    let limit = options.memory_limit;
    let keys = bytes / (2_100 + 16 + 20);
    // All versions begin at 0; touched now, so that they are part of the base.
    let versions: Vec<AtomicU64> = (0..keys).map(|_| AtomicU64::new(1)).collect();
    versions.iter().for_each(|v| v.store(0, Ordering::Relaxed));
    touch_code(&temporary.path().join("small"));
    let base = resident_bytes();
    let db = Db::open(Some(Path::new(&path)), &options).unwrap();
    sampled("load", &db, base, limit, || {
        let load = |thread: u64| {
            let mut bytes = Vec::new();
            for n in (thread..keys).step_by(threads as usize) {
                value(n, 0, &mut bytes);
                db.put(&key(n), &bytes).unwrap();
            }
        };
        std::thread::scope(|scope| {
            (0..threads).for_each(|thread| drop(scope.spawn(move || load(thread))));
        });
    });
    agrees("loaded", &db, base);
    let work = |db: &Db, seed: u64| read_and_overwrite(db, &versions, seed);
    sampled("reads and overwrites", &db, base, limit, || work(&db, 1));
    agrees("read and overwritten", &db, base);
    if number("WARP_COMPACT", 1) == 1 {
        sampled("compaction", &db, base, limit, || db.compact().unwrap());
    }
    db.close().unwrap();
    // What the allocator keeps of a database that is closed would be counted as the next one's, so
    // that is opened in a process of its own.
    let bytes: Vec<u8> =
        versions.iter().flat_map(|v| v.load(Ordering::Relaxed).to_le_bytes()).collect();
    let file = temporary.path().join("versions");
    std::fs::write(&file, bytes).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "opened_again", "--nocapture"])
        .env("WARP_OPENED", &path)
        .env("WARP_VERSIONS", &file)
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&child.stdout));
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

/// Random reads, which must find the versions that are there, and overwrites.
fn read_and_overwrite(db: &Db, versions: &[AtomicU64], seed: u64) {
    let (ops, threads) = (number("WARP_OPS", 100_000), number("WARP_THREADS", 2));
    let keys = versions.len() as u64;
    let work = |thread: u64| {
        let (mut wanted, mut random) = (Vec::new(), mix(seed << 8 | thread));
        for _ in 0..ops / threads {
            random = mix(random);
            // A thread has keys of its own, so that it knows their versions.
            let n = skewed(random, keys / threads) * threads + thread;
            let version = versions[n as usize].load(Ordering::Relaxed);
            if random % 4 == 0 {
                value(n, version + 1, &mut wanted);
                db.put(&key(n), &wanted).unwrap();
                versions[n as usize].store(version + 1, Ordering::Relaxed);
            } else {
                value(n, version, &mut wanted);
                let got = db.get_pinned(&key(n)).unwrap().expect("the key is there");
                assert!(*got == *wanted, "key {n} in version {version}");
            }
        }
    };
    std::thread::scope(|scope| {
        (0..threads).for_each(|thread| drop(scope.spawn(move || work(thread))));
    });
}

/// The second part of the test above, in its child; does nothing in an ordinary run of the tests.
#[test]
fn opened_again() {
    let (Ok(path), Ok(file)) = (std::env::var("WARP_OPENED"), std::env::var("WARP_VERSIONS"))
    else {
        return;
    };
    let options = options(&std::env::var("WARP_LIMIT").unwrap_or("128M".into()));
    let limit = options.memory_limit;
    let bytes = std::fs::read(file).unwrap();
    let version = |b: &[u8]| AtomicU64::new(u64::from_le_bytes(b.try_into().unwrap()));
    let versions: Vec<AtomicU64> = bytes.chunks_exact(8).map(version).collect();
    let keys = versions.len() as u64;
    let temporary = tempfile::tempdir().unwrap();
    touch_code(&temporary.path().join("small"));
    let base = resident_bytes();
    let db = Db::open(Some(Path::new(&path)), &options).unwrap();
    sampled("opened again: reads and overwrites", &db, base, limit, || {
        read_and_overwrite(&db, &versions, 2)
    });
    agrees("opened, read and overwritten", &db, base);
    sampled("iteration", &db, base, limit, || {
        let (mut iter, mut wanted, mut count) = (db.iter(b"key:").unwrap(), Vec::new(), 0);
        while iter.advance().unwrap() {
            let (key, got) = iter.current().unwrap();
            let n = u64::from_le_bytes(key[4..12].try_into().unwrap());
            value(n, versions[n as usize].load(Ordering::Relaxed), &mut wanted);
            assert!(got == wanted, "key {n}");
            count += 1;
        }
        assert_eq!(count, keys);
    });
    db.close().unwrap();
}
