//! Whole directories: a sample database, closed or as SIGKILL leaves it, with its files changed as
//! the input says, checksums made right where it asks for that.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;
use warp_engine::fuzzing::{directory, Files};

struct Place {
    samples: [Files; 2],
    dir: PathBuf,
}

static PLACE: OnceLock<Place> = OnceLock::new();

fn place() -> Place {
    // scripts/fuzz.sh names a place in memory, and removes it.
    let home = std::env::var_os("WARP_FUZZ_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let home = home.join(format!("warp-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a directory for the samples");
    let samples =
        [Files::sample(&home.join("closed"), true), Files::sample(&home.join("killed"), false)];
    Place { samples, dir: home.join("db") }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Place { samples, dir } = PLACE.get_or_init(place);
    let Some((which, changes)) = data.split_first() else { return };
    directory(&samples[usize::from(which & 1)], dir, changes);
});
