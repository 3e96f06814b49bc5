//! Data with relations: users with profile, settings and posts; products with category and
//! inventory; orders with customer and items; metrics with trends.
//!
//! A value follows from its key and a version, so that every answer can be checked.

use super::workload::mix;

/// A kind of group: the stems of its keys, the primary first, and bytes of each value.
pub struct Kind {
    pub stems: &'static [(&'static str, usize)],
}

/// All kinds. Together a group of each takes about 4 KiB.
pub const KINDS: [Kind; 4] = [
    Kind { stems: &[("user", 200), ("profile", 420), ("settings", 180), ("posts", 640)] },
    Kind { stems: &[("product", 340), ("category", 120), ("inventory", 160)] },
    Kind { stems: &[("order", 260), ("customer", 220), ("items", 520)] },
    Kind { stems: &[("metric", 240), ("trend", 440)] },
];

/// Bytes of one group of each kind, keys and headers included.
pub const UNIT_BYTES: u64 = 4_400;

/// The rule that keeps a kind's groups together.
pub fn rule(kind: &Kind) -> String {
    let patterns: Vec<String> = kind.stems.iter().map(|(stem, _)| format!("{stem}:*")).collect();
    patterns.join(",")
}

/// The key of a stem in group `n`.
pub fn key(stem: &str, n: u64) -> Vec<u8> {
    format!("{stem}:{n}").into_bytes()
}

/// Fills `value` with what a key holds in a version.
pub fn value(key: &[u8], version: u64, len: usize, value: &mut Vec<u8>) {
    let mark = key.iter().fold(version, |h, b| mix(h ^ u64::from(*b)));
    value.clear();
    value.extend_from_slice(&version.to_le_bytes());
    value.extend_from_slice(&mark.to_le_bytes());
    value.resize(len.max(16), mark as u8);
}

/// The version of a value, if it is one of this key.
pub fn version_of(key: &[u8], found: &[u8]) -> Option<u64> {
    let version = u64::from_le_bytes(*found.first_chunk()?);
    let mut expected = Vec::new();
    value(key, version, found.len(), &mut expected);
    (found == expected).then_some(version)
}
