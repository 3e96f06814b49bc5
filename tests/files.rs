//! A sealed segment that is on the device has no open file: a large database has more segments than
//! a process may have files. Alone in its process, since it counts all of them.

use warp_engine::{Db, Options};

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn segments(dir: &std::path::Path) -> usize {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".seg")).count()
}

/// A segment that was synced to its end while it was active kept its file when it was sealed.
#[test]
fn sealed_segments_have_no_open_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new();
    options.set("durability", "process").unwrap();
    options.set("shards", "1").unwrap();
    // Keeps segments small, so that there are many.
    options.set("memory_limit", "2M").unwrap();
    let db = Db::open(Some(dir.path()), &options).unwrap();
    let mut counts = Vec::new();
    // Keys that stay, so that every segment does. Syncs come often enough to cover nearly all of a
    // segment while it is active.
    for n in 0u32..1500 {
        db.put(&n.to_le_bytes(), &[1; 8_000]).unwrap();
        db.sync().unwrap();
        if n % 25 == 0 {
            counts.push(open_files());
        }
    }
    let segments = segments(dir.path());
    assert!(segments > 40, "{segments} segments");
    assert!(
        counts.iter().max().unwrap() - counts[0] <= 4,
        "{segments} segments, files: {counts:?}"
    );
}
