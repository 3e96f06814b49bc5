//! The statistics as OpenMetrics text, for whoever scrapes.
//!
//! The format is "OpenMetrics 1.0" (github.com/prometheus/OpenMetrics): a `# TYPE`, a `# UNIT` where
//! there is one, and a `# HELP` line for each family, its samples together, `# EOF` at the end.

use super::monitor::Load;
use super::stats::Stats;
use super::Engine;
use std::fmt::Write;

/// Families whose value only ever rises while a database is open.
const COUNTERS: &[&str] = &[
    "puts",
    "gets",
    "hits",
    "deletes",
    "checkpoints",
    "syncs",
    "put_bytes",
    "moved_bytes",
    "freed_bytes",
    "slowdown_micros",
];

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# TYPE warp_{name} {kind}\n# HELP warp_{name} {help}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "warp_{name} {value}")
        } else {
            writeln!(self.0, "warp_{name}{{{labels}}} {value}")
        };
    }

    fn one(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn count(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        let _ = writeln!(self.0, "warp_{name}_total {value}");
    }
}

/// A label's value: backslash, quote and line feed escaped; bytes that are no UTF-8 replaced, and
/// other control characters too, since a zero byte would end the text for its readers in C.
fn escaped(value: &[u8]) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    let text: String = String::from_utf8_lossy(value).chars().map(shown).collect();
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Engine {
    /// All statistics as OpenMetrics text.
    pub(crate) fn openmetrics(&self) -> String {
        render(&self.stats(), &self.load())
    }
}

fn render(stats: &Stats, load: &Load) -> String {
    let mut text = Text(String::new());
    for (name, value) in stats.fields() {
        let help = name.replace('_', " ");
        if COUNTERS.contains(&name) {
            text.count(name, &format!("{help} since open."), value);
        } else {
            text.one(name, &format!("{help} now."), value as f64);
        }
    }
    let l = load;
    text.one("load_operations", "Operations a second, decayed.", l.operations);
    text.one("load_bytes", "Bytes a second, decayed.", l.bytes);
    let help = "Normalised entropy of operations over shards, 0 to 1.";
    text.one("load_operation_entropy", help, l.operation_entropy);
    let help = "Normalised entropy of bytes over shards, 0 to 1.";
    text.one("load_byte_entropy", help, l.byte_entropy);
    text.one("load_trend", "Change of the entropy of operations a second.", l.trend);
    text.one("load_skewed", "1 while the load counts as skewed.", f64::from(u8::from(l.skewed)));
    text.family("shard_operations", "gauge", "Operations a second of a shard, decayed.");
    for (shard, n) in l.shards.iter().enumerate() {
        text.sample("shard_operations", &format!("shard=\"{shard}\""), *n);
    }
    text.family("hot_slot_share", "gauge", "Share of the operations of the hottest slots.");
    for (slot, share) in &l.slots {
        text.sample("hot_slot_share", &format!("slot=\"{slot}\""), *share);
    }
    text.family("hot_key_share", "gauge", "Share of the operations of the hottest keys.");
    for (key, share) in &l.keys {
        text.sample("hot_key_share", &format!("key=\"{}\"", escaped(key)), *share);
    }
    text.0.push_str("# EOF\n");
    text.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_declared_once_and_every_sample_has_one() {
        let load = Load {
            shards: vec![1.5, 2.0],
            slots: vec![(7, 0.5)],
            keys: vec![(b"a\"\\\n\xff".to_vec(), 0.25), (b"\0\rb".to_vec(), 0.2)],
            ..Load::default()
        };
        let text = render(&Stats::default(), &load);
        assert!(text.ends_with("# EOF\n"));
        let mut family = String::new();
        let mut seen = std::collections::BTreeSet::new();
        for line in text.lines().filter(|l| *l != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(seen.insert(family.clone()), "{family} twice");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert!(name == family || name == format!("{family}_total"), "{line}");
                line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
            }
        }
        assert!(text.contains(r#"key="a\"\\\n"#), "{text}");
        assert!(text.contains("key=\"\u{fffd}\u{fffd}b\"") && !text.contains('\0'), "{text}");
    }
}
