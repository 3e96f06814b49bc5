//! The line formats of `warp load` and `warp dump`: any line is a record or an error, and what was
//! read is read again from what is written.

#![no_main]
#![allow(dead_code, reason = "the tool uses more of it")]

#[path = "../../src/bin/warp"]
mod warp {
    pub mod text;
}

use warp::text::{trim_carriage_return, Format, Record};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for format in [Format::Tsv, Format::Jsonl] {
        let mut record = Record::default();
        if format.read(trim_carriage_return(data), &mut record).is_err() {
            continue;
        }
        let mut line = Vec::new();
        format.write(&mut line, &record.key, &record.value).expect("written to memory");
        let line = line.strip_suffix(b"\n").expect("a line");
        assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
        let mut again = Record::default();
        format.read(line, &mut again).expect("what was written");
        assert_eq!(record, again);
    }
});
