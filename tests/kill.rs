//! Every acknowledged write is there after SIGKILL at any moment.
//!
//! A child writes from several threads; each thread's operation number `i` follows from the seed
//! and `i` alone. After each acknowledgement it stores `i` in a mapped file that the engine knows
//! nothing of. The parent kills the child at a random moment, reopens the database, and asks for
//! each thread's keys: they must be as after operation `i`, or as after `i + 1`, which was under
//! way; a batch is whole or not there. The next child goes on from what was found.
//!
//! `WARP_SEED` and `WARP_KILLS` set seed and number of kills.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use warp_engine::{Batch, Db, Options};

const THREADS: u64 = 3;
const KEYS: u64 = 400;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A well-mixed number from two (the finaliser of splitmix64, Steele et al., 2014).
fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn key(thread: u64, n: u64) -> Vec<u8> {
    format!("thread{thread}/key{n}").into_bytes()
}

fn value(thread: u64, i: u64, part: u64) -> Vec<u8> {
    let len = match mix(i, part) % 50 {
        0 => 30_000 + mix(i, part) % 20_000,
        n => n * 7,
    };
    let mut value = format!("{thread}.{i}.{part}.").into_bytes();
    value.resize(value.len() + len as usize, (i % 251) as u8);
    value
}

/// What operation `i` of a thread does.
fn changes(seed: u64, thread: u64, i: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let r = mix(seed ^ thread, i);
    let one = |part: u64| {
        let r = mix(r, part);
        let value = (r % 4 != 0).then(|| value(thread, i, part));
        (key(thread, r % KEYS), value)
    };
    let count = if r % 5 == 0 { 2 + r % 9 } else { 1 };
    (0..count).map(one).collect()
}

fn run_operation(db: &Db, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
    if let [(key, value)] = changes {
        match value {
            Some(value) => db.put(key, value).unwrap(),
            None => drop(db.delete(key).unwrap()),
        }
        return;
    }
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key, value).unwrap(),
            None => batch.delete(key).unwrap(),
        }
    }
    db.write(&batch).unwrap();
}

fn apply(model: &mut Model, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(model.insert(key, value)),
            None => drop(model.remove(&key)),
        }
    }
}

fn options(durability: &str) -> Options {
    let mut options = Options::new();
    options.set("durability", durability).unwrap();
    options.set("shards", "4").unwrap();
    options.set("sync_interval_ms", "3").unwrap();
    options.set("checkpoint_interval_ms", "20").unwrap();
    options
}

/// The acknowledgements: one number a thread, in a mapped file.
fn acknowledged(path: &Path) -> memmap2::MmapMut {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    // SAFETY: only this test's processes map the file, one at a time.
    unsafe { memmap2::MmapMut::map_mut(&file).unwrap() }
}

fn slot(map: &memmap2::MmapMut, thread: u64) -> &AtomicU64 {
    // SAFETY: the map is page-aligned and long enough for an aligned u64 a thread.
    unsafe { &*map.as_ptr().add(thread as usize * 8).cast::<AtomicU64>() }
}

/// The body of the child; does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(dir) = std::env::var("WARP_KILL_DIR") else { return };
    let dir = Path::new(&dir);
    let durability = std::env::var("WARP_KILL_DURABILITY").unwrap();
    let seed: u64 = std::env::var("WARP_KILL_SEED").unwrap().parse().unwrap();
    let db = Db::open(Some(&dir.join("db")), &options(&durability)).unwrap();
    let map = acknowledged(&dir.join("acknowledged"));
    println!("\nopened");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (db, map) = (&db, &map);
            scope.spawn(move || loop {
                let i = slot(map, thread).load(Ordering::SeqCst) + 1;
                run_operation(db, &changes(seed, thread, i));
                slot(map, thread).store(i, Ordering::SeqCst);
            });
        }
        scope.spawn(|| loop {
            std::thread::sleep(Duration::from_millis(7));
            db.checkpoint().unwrap();
        });
        scope.spawn(|| loop {
            std::thread::sleep(Duration::from_millis(2));
            db.compact().unwrap();
        });
    });
}

fn start_child(dir: &Path, durability: &str, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("WARP_KILL_DIR", dir)
        .env("WARP_KILL_DURABILITY", durability)
        .env("WARP_KILL_SEED", seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The keys of a thread as the database has them.
fn stored(db: &Db, thread: u64) -> Model {
    let mut found = Model::new();
    let mut iter = db.iter(format!("thread{thread}/").as_bytes()).unwrap();
    while iter.advance().unwrap() {
        let (key, value) = iter.current().unwrap();
        assert!(found.insert(key.to_vec(), value.to_vec()).is_none());
    }
    for n in 0..KEYS {
        let key = key(thread, n);
        assert_eq!(db.get(&key).unwrap().as_ref(), found.get(&key));
    }
    found
}

fn kills(durability: &str, default: u64) {
    let seed: u64 = std::env::var("WARP_SEED")
        .map_or_else(|_| std::process::id().into(), |s| s.parse().unwrap());
    let kills = std::env::var("WARP_KILLS").map_or(default, |s| s.parse().unwrap());
    println!("WARP_SEED={seed}, {kills} kills, durability={durability}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("acknowledged"), [0; 4096]).unwrap();
    let mut models = vec![Model::new(); THREADS as usize];
    let mut at = vec![0; THREADS as usize];
    let (mut operations, mut in_flight) = (0, 0);
    for kill in 0..kills {
        let mut child = start_child(dir.path(), durability, seed);
        let output = BufReader::new(child.stdout.take().unwrap());
        // Half of the kills strike during open and recovery.
        if kill % 2 == 0 {
            assert!(output.lines().any(|line| line.unwrap() == "opened"), "the child failed");
            std::thread::sleep(Duration::from_micros(mix(seed, kill) % 30_000));
        } else {
            std::thread::sleep(Duration::from_micros(mix(seed, kill) % 40_000));
        }
        // SAFETY: the process is our child and not yet waited for.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGKILL) };
        let status = child.wait().unwrap();
        assert!(!status.success(), "the child ended by itself");
        let map = acknowledged(&dir.path().join("acknowledged"));
        // Every other kill is followed by another one before anybody looks.
        if kill % 4 == 1 {
            continue;
        }
        let db = Db::open(Some(&dir.path().join("db")), &options(durability)).unwrap();
        for thread in 0..THREADS {
            let t = thread as usize;
            let acknowledged = slot(&map, thread).load(Ordering::SeqCst);
            while at[t] < acknowledged {
                at[t] += 1;
                operations += 1;
                apply(&mut models[t], changes(seed, thread, at[t]));
            }
            let found = stored(&db, thread);
            if found != models[t] {
                // The operation under way may have been done and not acknowledged.
                apply(&mut models[t], changes(seed, thread, at[t] + 1));
                assert!(found == models[t], "thread {thread} after operation {}", at[t]);
                in_flight += 1;
            }
        }
        db.close().unwrap();
    }
    println!("{operations} acknowledged operations checked, {in_flight} in flight were there");
    assert!(operations > 0);
}

#[test]
fn acknowledged_writes_survive_under_process() {
    kills("process", 60);
}

#[test]
fn acknowledged_writes_survive_under_periodic() {
    kills("periodic", 60);
}

#[test]
fn acknowledged_writes_survive_under_sync() {
    kills("sync", 60);
}
