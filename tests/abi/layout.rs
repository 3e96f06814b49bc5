//! `abi/layout.txt`: size, alignment and offsets of every public struct, and the value of every
//! constant, on 64-bit targets. `c_tests/layout.c` prints the same from the header.

use crate::compare;
use std::fmt::Write;
use std::mem::offset_of;
use warp_engine::ffi::{batch::*, db::*, rules::*, stats::*, status::*, value::*, version::*};

macro_rules! constants {
    ($text:ident: $($name:ident)*) => {
        $(writeln!($text, "{} {}", stringify!($name), $name).unwrap();)*
    };
}

macro_rules! structure {
    ($text:ident: $name:ident { $($field:ident)* }) => {
        let (size, align) = (size_of::<$name>(), align_of::<$name>());
        writeln!($text, "{} size {size} align {align}", stringify!($name)).unwrap();
        $(writeln!($text, "  {} {}", stringify!($field), offset_of!($name, $field)).unwrap();)*
    };
}

fn layout() -> String {
    let mut text = String::new();
    constants! { text:
        WARP_ABI_VERSION
        WARP_OK WARP_NOT_FOUND WARP_BUFFER_TOO_SMALL WARP_CONFLICT WARP_WOULD_BLOCK WARP_UNCHANGED
        WARP_ERR_INVALID_ARGUMENT WARP_ERR_IO WARP_ERR_CORRUPTION WARP_ERR_BUSY WARP_ERR_TIMEOUT
        WARP_ERR_NO_SPACE WARP_ERR_READ_ONLY WARP_ERR_TOO_LARGE WARP_ERR_UNSUPPORTED
        WARP_ERR_OUT_OF_MEMORY WARP_ERR_INTERNAL
        WARP_PACKED_PUT WARP_PACKED_DELETE WARP_HOT WARP_WARM WARP_COLD WARP_RULE_PLACE WARP_RULE_LINK
    }
    let (size, align) = (size_of::<warp_status>(), align_of::<warp_status>());
    writeln!(text, "warp_status size {size} align {align}").unwrap();
    structure! { text: warp_slice { data len } }
    structure! { text: warp_value { data len private_owner private_process } }
    structure! { text: warp_statistics {
        struct_size keys puts gets hits deletes shards log_bytes live_bytes index_bytes
        cache_bytes resident_bytes checkpoints recovered_records open_micros disk_bytes syncs
    } }
    text
}

#[test]
#[cfg(target_pointer_width = "64")]
fn the_layout_is_the_committed_one() {
    compare("abi/layout.txt", &layout());
}

#[test]
fn every_constant_and_struct_of_the_header_is_listed() {
    let header = crate::header::generate();
    let listed = layout();
    for line in header.lines() {
        let name = match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["#define", name, _] => name,
            ["typedef", "struct", name, "{"] => name,
            _ => continue,
        };
        assert!(listed.lines().any(|l| l.starts_with(&format!("{name} "))), "{name} is not listed");
    }
}
