//! Interleavings, tried by a scheduler: epochs, the index against its readers, group commit, swaps
//! and the freeing of segments.
//!
//! `cargo test --lib --features shuttle,sabotage model::` runs them; nothing else works with the
//! feature. One thread runs at a time, and at each lock, atomic (see [`crate::sync`]) and call of
//! the simulated disk the scheduler decides at random which goes on. Each test runs a number of
//! schedules, and all but the last are run with a defect as well, which must be found. A schedule that
//! fails is printed, and `shuttle::replay` repeats it.

use crate::engine::write::Write;
use crate::engine::Engine;
use crate::epoch;
use crate::hash::KeyHash;
use crate::index::entry::Location;
use crate::index::rows::RowArena;
use crate::index::Index;
use crate::lab::disk::Disk;
use crate::lab::session::Setup;
use crate::options::Durability;
use crate::sabotage::Sabotage;
use crate::sync::atomic::{AtomicUsize, Ordering};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{thread, Config, Runner};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

/// Runs as many schedules, half of them at random and half with few changes of thread at random
/// places (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees", 2010).
fn schedules(count: usize, test: fn()) {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.silence_warnings = true;
    Runner::new(RandomScheduler::new(count / 2), config.clone()).run(test);
    Runner::new(PctScheduler::new(3, count / 2), config).run(test);
}

/// Runs the schedules as they are; then, in a process of its own, with the defect until it is found:
/// a schedule that fails leaves an engine behind that cannot be dropped.
fn holds_and_catches(name: &str, count: usize, defect: Option<Sabotage>, test: fn()) {
    if let Ok(child) = std::env::var("WARP_MODEL_DEFECT") {
        if let Some(defect) = defect.filter(|d| format!("{d:?}") == child) {
            set_defect(defect);
            schedules(10 * count, test);
        }
        return;
    }
    schedules(count, test);
    let Some(defect) = defect.filter(|_| cfg!(feature = "sabotage")) else { return };
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("model::{name}")]);
    child.env("WARP_MODEL_DEFECT", format!("{defect:?}")).env("RUST_BACKTRACE", "0");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && said.contains("failing schedule"),
        "{defect:?} was not found in {} schedules: {said}",
        10 * count
    );
}

fn set_defect(defect: Sabotage) {
    #[cfg(feature = "sabotage")]
    crate::sabotage::set(Some(defect));
    let _ = defect;
}

/// What a reader reaches under a guard is not freed before it has left.
#[test]
fn nothing_is_freed_under_a_reader() {
    holds_and_catches(
        "nothing_is_freed_under_a_reader",
        400,
        Some(Sabotage::UnseenReaders),
        || {
            const FREED: usize = usize::MAX;
            let objects: Arc<[AtomicUsize; 3]> = Arc::default();
            let current = Arc::new(AtomicUsize::new(0));
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let (objects, current) = (objects.clone(), current.clone());
                    thread::spawn(move || {
                        for _ in 0..2 {
                            let guard = epoch::pin();
                            let object = current.load(Ordering::Acquire);
                            let nested = epoch::pin();
                            assert_ne!(objects[object].load(Ordering::Relaxed), FREED);
                            drop(nested);
                            assert_ne!(objects[object].load(Ordering::Relaxed), FREED);
                            drop(guard);
                        }
                    })
                })
                .collect();
            let mut retired = Vec::new();
            for next in 1..3 {
                let old = current.swap(next, Ordering::AcqRel);
                retired.push((old, epoch::retire_epoch()));
                let safe = epoch::safe_epoch();
                for (object, _) in retired.iter().filter(|(_, epoch)| *epoch < safe) {
                    objects[*object].store(FREED, Ordering::Relaxed);
                }
            }
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            // With nobody left, everything is free to go.
            let safe = epoch::safe_epoch();
            assert!(retired.iter().all(|(_, epoch)| *epoch < safe));
        },
    );
}

/// A hash whose entries all lie in group 5.
fn hash(tag: u64) -> KeyHash {
    KeyHash(5 << 44 | tag << 23)
}

fn place(key: u64, version: u32) -> Location {
    Location { slot: key as u32, offset: version * 8 }
}

/// The place of a key as a reader finds it, as in `Engine::lookup`.
fn look_up(index: &Index, key: u64, tag: u64) -> Option<Location> {
    let mut attempt = 0;
    loop {
        let mut search = index.search(hash(tag));
        while let Some((_, at)) = search.next() {
            if at.slot == key as u32 {
                return Some(at);
            }
        }
        if search.settled(&mut attempt) {
            return None;
        }
    }
}

/// A key that is there all along is found, whatever moves, overflows, grows and goes beside it.
#[test]
fn a_reader_finds_what_is_there_while_its_group_grows() {
    let name = "a_reader_finds_what_is_there_while_its_group_grows";
    holds_and_catches(name, 600, Some(Sabotage::UnsettledSearch), || {
        let index = Arc::new(Index::new(Arc::new(RowArena::default())));
        // Tags at both ends, so that growth moves entries to other lines.
        let tag = |key: u64| key.wrapping_mul(0x9_e377_9b97) & 0x1f_ffff;
        let add = move |index: &Index, key: u64| {
            // SAFETY: there is one writer, and nobody follows a location.
            unsafe {
                index.reserve(hash(tag(key))).unwrap();
                index.insert(hash(tag(key)), place(key, 1));
            }
        };
        (1..=12).for_each(|key| add(&index, key));
        let reader = {
            let index = index.clone();
            thread::spawn(move || {
                let mut last = 0;
                for _ in 0..3 {
                    let at = look_up(&index, 3, tag(3)).expect("key 3 is there all along");
                    assert!(at.offset >= last, "an older version came back");
                    last = at.offset;
                    look_up(&index, 11, tag(11)).expect("key 11 is there all along");
                }
            })
        };
        for key in 13..=30 {
            add(&index, key);
            // SAFETY: as above.
            unsafe {
                let locate = |key: u64| {
                    let is_key = |at: Location| Ok::<_, ()>(at.slot == key as u32);
                    index.locate(hash(tag(key)), is_key).unwrap().unwrap()
                };
                index.update(hash(tag(3)), locate(3), place(3, key as u32));
                if key % 4 == 0 {
                    index.remove(hash(tag(key - 2)), locate(key - 2));
                }
            }
        }
        reader.join().unwrap();
    });
}

fn open(durability: Durability, seed: u64) -> (Arc<Engine>, Disk, Setup) {
    let disk = Disk::new(seed);
    let setup = Setup { shards: 2, durability, cold: false };
    (setup.open(&disk).unwrap(), disk, setup)
}

fn contents(engine: &Engine, keys: &[&[u8]]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let get = |key: &&[u8]| {
        let value = engine.read(key, |_, value| value.to_vec()).unwrap()?;
        Some((key.to_vec(), value))
    };
    keys.iter().filter_map(get).collect()
}

/// Writers in groups: what one was told is durable outlives a power loss at that moment, whatever
/// the others were doing.
#[test]
fn a_group_is_durable_before_anybody_is_told() {
    let name = "a_group_is_durable_before_anybody_is_told";
    holds_and_catches(name, 200, Some(Sabotage::UnsyncedGroup), || {
        let (engine, disk, setup) = open(Durability::Sync, 1);
        let writers: Vec<_> = (0..3u8)
            .map(|n| {
                let (engine, disk) = (engine.clone(), disk.clone());
                thread::spawn(move || {
                    let mut moments = Vec::new();
                    for round in 0..2u8 {
                        let key = [b'k', n, round];
                        engine.put(&key, &[n; 300]).unwrap();
                        moments.push((key, disk.snapshot()));
                    }
                    moments
                })
            })
            .collect();
        for (n, writer) in (0..).zip(writers) {
            for (key, moment) in writer.join().unwrap() {
                let lost = setup.open(&moment.after_power_loss(n)).unwrap();
                let found = contents(&lost, &[&key]);
                assert_eq!(found.values().next().map(Vec::len), Some(300), "{key:?} is lost");
            }
        }
        assert_eq!(engine.stats().keys, 6);
    });
}

/// Of swaps from one value, one wins, under the shard's lock and in groups.
#[test]
fn of_swaps_from_one_value_one_wins() {
    fn swaps(durability: Durability) {
        let (engine, _, _) = open(durability, 2);
        engine.put(b"key", b"old").unwrap();
        let swappers: Vec<_> = (0..3u8)
            .map(|n| {
                let engine = engine.clone();
                let desired = [n];
                thread::spawn(move || {
                    let (key, expected) = (&b"key"[..], Some(&b"old"[..]));
                    let desired = Some(&desired[..]);
                    engine.write_if(Write::Swap { key, expected, desired }).unwrap()
                })
            })
            .collect();
        let won: Vec<bool> = swappers.into_iter().map(|s| s.join().unwrap()).collect();
        let winner = won.iter().position(|won| *won).unwrap();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        assert_eq!(contents(&engine, &[b"key"])[&b"key"[..]], [winner as u8]);
    }
    let name = "of_swaps_from_one_value_one_wins";
    holds_and_catches(name, 300, Some(Sabotage::UnlockedSwap), || swaps(Durability::Process));
    holds_and_catches(name, 100, None, || swaps(Durability::Sync));
}

/// Readers and a writer go on while compaction moves records and frees their segments.
#[test]
fn what_compaction_moves_is_there_all_along() {
    holds_and_catches("what_compaction_moves_is_there_all_along", 150, None, || {
        let (engine, disk, setup) = open(Durability::Process, 3);
        for n in 0..6u8 {
            engine.put(&[b'k', n % 3], &[n; 20_000]).unwrap();
        }
        let reader = {
            let engine = engine.clone();
            thread::spawn(move || {
                for _ in 0..3 {
                    let value = engine.get_pinned(b"k\x01").unwrap().unwrap();
                    assert_eq!(value[..], [4; 20_000]);
                    let value = engine.read(b"k\x02", |_, value| value[0]).unwrap();
                    assert!([Some(5), Some(9)].contains(&value), "{value:?}");
                }
            })
        };
        let writer = {
            let engine = engine.clone();
            thread::spawn(move || engine.put(b"k\x02", &[9; 20_000]).unwrap())
        };
        engine.compact_all().unwrap();
        reader.join().unwrap();
        writer.join().unwrap();
        engine.sync().unwrap();
        let keys: [&[u8]; 3] = [b"k\x00", b"k\x01", b"k\x02"];
        let (kept, now) = (contents(&engine, &keys), disk.snapshot());
        drop(engine);
        let lost = setup.open(&now.after_power_loss(4)).unwrap();
        assert_eq!(contents(&lost, &keys), kept);
    });
}
