//! What a database in memory keeps of the memory that it once used.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};
use warp_engine::{Db, Options};

const KEYS: usize = 200;
const VALUE: usize = 64 << 10;
const ROUNDS: usize = 60;
/// What is live is 12.5 MiB, what is written is 750 MiB.
const RESIDENT_MAX: usize = 250 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the process's sizes");
    let pages = text.split(' ').nth(1).expect("the second number");
    pages.parse::<usize>().expect("a number of pages") * 4096
}

#[test]
fn overwritten_values_are_given_back() {
    let db = Db::open(None, &Options::new()).unwrap();
    for round in 0..ROUNDS {
        let value = vec![round as u8; VALUE];
        for i in 0..KEYS {
            db.put(format!("key{i}").as_bytes(), &value).unwrap();
        }
    }
    let start = Instant::now();
    while resident_bytes() > RESIDENT_MAX {
        assert!(start.elapsed() < PATIENCE, "{} MiB are resident", resident_bytes() >> 20);
        db.compact().unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(db.get(b"key7").unwrap().as_deref(), Some(&vec![ROUNDS as u8 - 1; VALUE][..]));
}
