//! What the simulated disk does, and what crashes leave of it.

use super::*;
use crate::sys::io::{read_file, Io};

fn path(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

/// What `name` can hold after power losses.
fn outcomes(disk: &Disk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let after = |seed| read_file(&disk.snapshot().after_power_loss(seed), &path(name)).ok();
    (0..200).map(after).collect()
}

#[test]
fn what_was_synced_stays_and_the_rest_may_go() {
    let disk = Disk::new(1);
    let file = disk.create(&path("a")).unwrap();
    file.write_all_at(b"old", 0).unwrap();
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    assert!(outcomes(&disk, "a").contains(&None), "the name is not synced");
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&disk, "a"), [some(b"old")].into());
    file.write_all_at(b"new", 0).unwrap();
    assert_eq!(outcomes(&disk, "a"), [some(b"old"), some(b"new")].into());
    let kill = disk.snapshot().after_kill(1);
    assert_eq!(read_file(&kill, &path("a")).unwrap(), b"new");
}

#[test]
fn a_rename_is_kept_or_lost_whole() {
    let disk = Disk::new(1);
    for name in ["a", "b"] {
        let file = disk.create(&path(name)).unwrap();
        file.write_all_at(name.as_bytes(), 0).unwrap();
        file.sync_data().unwrap();
    }
    disk.sync_dir(Path::new("/")).unwrap();
    disk.rename(&path("a"), &path("b")).unwrap();
    assert_eq!(outcomes(&disk, "a"), [Some(b"a".to_vec()), None].into());
    assert_eq!(outcomes(&disk, "b"), [Some(b"a".to_vec()), Some(b"b".to_vec())].into());
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&disk, "b"), [Some(b"a".to_vec())].into());
}

#[test]
fn stores_through_a_mapping_are_seen_and_count_as_unsynced() {
    let disk = Disk::new(1);
    let file = disk.create(&path("a")).unwrap();
    file.allocate(8192).unwrap();
    let map = file.map(8192, true).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    // SAFETY: within the mapping.
    unsafe { map.address().add(5000).write(7) };
    assert_eq!(read_file(&disk, &path("a")).unwrap()[5000], 7);
    let all = outcomes(&disk, "a");
    let bytes: BTreeSet<u8> = all.iter().map(|b| b.as_ref().unwrap()[5000]).collect();
    assert_eq!(bytes, [0, 7].into());
}

#[test]
fn what_a_failed_sync_dropped_no_later_sync_brings_back() {
    let disk = Disk::new(1);
    let file = disk.create(&path("a")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_all_at(&[1; SECTORS * 512], 0).unwrap();
    const SECTORS: usize = 64;
    disk.set_fault(Some(Fault::Sync(disk.calls().1 + 1)));
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(libc::EIO));
    file.sync_data().unwrap();
    let lost = |b: &Option<Vec<u8>>| b.as_ref().unwrap().contains(&0);
    assert!(outcomes(&disk, "a").iter().all(lost));
}

#[test]
fn what_a_failed_sync_dropped_comes_back_by_a_write_and_goes_with_its_page() {
    let disk = Disk::new(1);
    let file = disk.create(&path("a")).unwrap();
    file.write_all_at(&[1; 8192], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    // Alone in the second half, so that the kernel's own write-back meets one of the two pages.
    file.write_all_at(&[2; 8192], 0).unwrap();
    disk.set_fault(Some(Fault::Sync(disk.calls().1 + 1)));
    file.sync_data().unwrap_err();
    let kill = disk.snapshot().after_kill(1);
    assert_eq!(read_file(&kill, &path("a")).unwrap(), [2; 8192], "everybody sees the new bytes");
    let evicted = |seed| disk.snapshot().after_kill_and_eviction(seed);
    let evicted: Vec<_> = (0..50).map(|s| read_file(&evicted(s), &path("a")).unwrap()).collect();
    assert!(evicted.iter().any(|bytes| bytes.contains(&1)), "until the kernel forgets them");
    file.write_all_at(&[2; 8192], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk, "a"), [Some(vec![2; 8192])].into());
}

#[test]
fn one_seed_gives_one_run() {
    let run = |seed| {
        let disk = Disk::new(seed);
        disk.record();
        for n in 0..20 {
            let file = disk.create(&path(&n.to_string())).unwrap();
            file.write_all_at(&[n; 3000], 0).unwrap();
        }
        let snapshots = disk.recorded();
        let after = snapshots.last().unwrap().after_power_loss(seed);
        let names = after.list(Path::new("/")).unwrap();
        let read = |n: &String| read_file(&after, &path(n)).unwrap();
        (snapshots.len(), names.iter().map(read).collect::<Vec<_>>(), names)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
