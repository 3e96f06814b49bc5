//! The index against a map, alone: locations stand for keys.

use super::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::AtomicBool;

fn hash_of(n: u64) -> KeyHash {
    crate::hash::Hasher::new(&[0x5a; crate::hash::SECRET_LEN]).hash(&n.to_le_bytes())
}

fn at(n: u64) -> Location {
    Location { slot: (n >> 20) as u32, offset: ((n as u32 & 0xf_ffff) + 16) * 8 }
}

fn locate(index: &Index, n: u64, now: Location) -> Option<Place> {
    // SAFETY: tests have one writer.
    unsafe { index.locate::<Infallible>(hash_of(n), |l| Ok(l == now)) }.unwrap()
}

fn find(index: &Index, n: u64, wanted: Location) -> Option<Location> {
    let mut attempt = 0;
    loop {
        let mut search = index.search(hash_of(n));
        while let Some((_, at)) = search.next() {
            if at == wanted {
                return Some(at);
            }
        }
        if search.settled(&mut attempt) {
            return None;
        }
    }
}

fn insert(index: &Index, n: u64, to: Location) {
    // SAFETY: tests have one writer.
    unsafe {
        index.reserve(hash_of(n)).unwrap();
        index.insert(hash_of(n), to);
    }
}

#[test]
fn it_agrees_with_a_map_through_growth_updates_and_removals() {
    let index = Index::new(Arc::default());
    let mut map = BTreeMap::new();
    let mut state = 7u64;
    for step in 0..200_000u64 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let n = (state >> 33) % 40_000;
        let to = at(step);
        match map.get(&n).copied() {
            None => {
                insert(&index, n, to);
                map.insert(n, to);
            }
            Some(now) => {
                let place = locate(&index, n, now).expect("the key is there");
                // SAFETY: tests have one writer.
                unsafe {
                    if state >> 62 == 0 {
                        index.remove(hash_of(n), place);
                        map.remove(&n);
                    } else {
                        index.update(hash_of(n), place, to);
                        map.insert(n, to);
                    }
                }
            }
        }
    }
    for n in 0..40_000 {
        let expected = map.get(&n).copied();
        let nowhere = Location { slot: u32::MAX, offset: 0 };
        assert_eq!(find(&index, n, expected.unwrap_or(nowhere)), expected);
    }
    let mut words = Vec::new();
    let mut seen = 0;
    for group in 0..GROUPS {
        index.snapshot_group(group, &mut words);
        seen += words.iter().filter(|w| Entry::from_word(**w).is_some()).count();
    }
    assert_eq!(seen, map.len());
}

#[test]
fn overflow_counts_fall_back_to_zero_with_the_last_entry() {
    let index = Index::new(Arc::default());
    for n in 0..30_000 {
        insert(&index, n, at(n));
    }
    let overflowing = || {
        (0..GROUPS)
            .flat_map(|g| {
                (0..lines_of(index.groups[g].load(Ordering::Relaxed))).map(move |r| (r, g))
            })
            // SAFETY: the rows come from the group words.
            .filter(|(row, group)| unsafe { index.rows.line(*row, *group) }.overflow() > 0)
            .count()
    };
    assert!(overflowing() > 0, "some line overflows at this load");
    for n in 0..30_000 {
        let place = locate(&index, n, at(n)).unwrap();
        // SAFETY: tests have one writer.
        unsafe { index.remove(hash_of(n), place) };
    }
    assert_eq!(overflowing(), 0);
}

#[test]
fn a_key_costs_less_than_twelve_bytes_at_any_size() {
    let index = Index::new(Arc::default());
    let mut worst = 0.0f64;
    for n in 0..2_000_000u64 {
        insert(&index, n, at(n));
        // Below that the first row, 16 KiB, is not yet full.
        if n > 20_000 && n % 1000 == 0 {
            worst = worst.max(index.bytes() as f64 / n as f64);
        }
    }
    let now = index.bytes() as f64 / 2e6;
    assert!(now < 12.0, "{now} bytes a key at 2 M keys");
    assert!(worst < 14.0, "{worst} bytes a key at worst");
}

#[test]
fn a_group_survives_being_written_out_and_loaded() {
    let (index, copy) = (Index::new(Arc::default()), Index::new(Arc::default()));
    for n in 0..50_000 {
        insert(&index, n, at(n));
    }
    let (mut words, mut images) = (Vec::new(), Vec::<Vec<u8>>::new());
    for group in 0..GROUPS {
        index.snapshot_group(group, &mut words);
        images.push(words.iter().flat_map(|w| w.to_le_bytes()).collect());
    }
    let images: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
    for (first, groups) in [(0, &images[..100]), (100, &images[100..])] {
        // SAFETY: tests have one writer, and no reader yet.
        unsafe { copy.load_groups(first, groups, |_| true) }.unwrap().expect("valid");
    }
    for n in 0..50_000 {
        assert_eq!(find(&copy, n, at(n)), Some(at(n)));
        insert(&copy, 50_000 + n, at(50_000 + n));
    }
    for n in 0..100_000 {
        assert_eq!(find(&copy, n, at(n)), Some(at(n)));
    }
}

#[test]
fn readers_never_miss_a_key_that_is_there_while_groups_grow_and_shrink() {
    let index = Index::new(Arc::default());
    const KEPT: u64 = 2_000;
    for n in 0..KEPT {
        insert(&index, n, at(n));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        let reader = s.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                for n in 0..KEPT {
                    let found = find(&index, n, at(n));
                    assert_eq!(found, Some(at(n)), "key {n}");
                }
                rounds += 1;
            }
        });
        for round in 0..20 {
            for n in KEPT..KEPT + 20_000 {
                insert(&index, n + round * 100_000, at(n));
            }
            for n in KEPT..KEPT + 20_000 {
                let place = locate(&index, n + round * 100_000, at(n)).unwrap();
                // SAFETY: this thread is the one writer.
                unsafe { index.remove(hash_of(n + round * 100_000), place) };
            }
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}
