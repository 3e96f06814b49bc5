//! Options, set by name.
//!
//! Every binding passes its keywords straight through [`Options::set`], so a new option changes
//! no signature anywhere. A name or a value that is not understood is refused at once, with a
//! text that lists what is.

use crate::engine::rules::{Rule, RuleSet};
use crate::error::{Error, Result};
use crate::limits::{SHARDS_DEFAULT, SHARDS_MAX};
use std::time::Duration;

/// When a write is acknowledged, and what it survives then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Handed to the kernel when it likes; nothing is promised.
    None,
    /// Every acknowledged write survives the death of the process.
    Process,
    /// `Process`, and a sync to the device at least every `sync_interval_ms`.
    Periodic,
    /// Acknowledged only once it is on the device.
    Sync,
}

/// How to open a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Number of shards when the database is created; `None` takes the default when creating and
    /// whatever the directory has otherwise.
    pub shards: Option<usize>,
    /// Durability of acknowledged writes.
    pub durability: Durability,
    /// Longest time between two syncs under [`Durability::Periodic`].
    pub sync_interval: Duration,
    /// Ceiling in bytes for what the engine keeps resident. By default 2 GiB, or half of what the
    /// process's container (its Linux control group) may have, if that is less.
    pub memory_limit: u64,
    /// Keep what the cache of cold values holds compressed, where that gains something.
    pub cache_compression: bool,
    /// Create the directory when it does not exist.
    pub create_if_missing: bool,
    /// Refuse to open a database that exists.
    pub error_if_exists: bool,
    /// Open for reading alone.
    pub read_only: bool,
    /// How long to wait for another process to give up the directory.
    pub open_timeout: Duration,
    /// Time between automatic checkpoints; `None` lets the engine choose.
    pub checkpoint_interval: Option<Duration>,
    /// Log bytes between automatic checkpoints; `None` lets the engine choose.
    pub checkpoint_log_bytes: Option<u64>,
    /// Pin each shard's upkeep to one core.
    pub pin_shards: bool,
    /// Watch how the load spreads over shards, slots and keys.
    pub load_monitor: bool,
    /// The load counts as skewed while its normalised entropy is below this, in per cent.
    pub skew_percent: u32,
    /// Move slots by itself when the load is skewed.
    pub auto_rebalance: bool,
    /// Rules that the database gets when it is opened, if it has not got them yet.
    pub rules: Vec<Rule>,
    /// Have a get of a primary start the loads of its partners.
    pub prefetch_links: bool,
    /// Learn links from accesses that follow each other.
    pub learn_links: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            shards: None,
            durability: Durability::Periodic,
            sync_interval: Duration::from_millis(100),
            memory_limit: default_memory_limit(crate::sys::cgroup::memory_limit()),
            cache_compression: false,
            create_if_missing: true,
            error_if_exists: false,
            read_only: false,
            open_timeout: Duration::from_millis(30_000),
            checkpoint_interval: None,
            checkpoint_log_bytes: None,
            pin_shards: false,
            load_monitor: true,
            skew_percent: 90,
            auto_rebalance: false,
            rules: Vec::new(),
            prefetch_links: false,
            learn_links: false,
        }
    }
}

/// The default of `memory_limit`: 2 GiB, or half of what the process's container may have, if that
/// is less.
fn default_memory_limit(container: Option<u64>) -> u64 {
    let half = container.map_or(u64::MAX, |bytes| bytes / 2);
    half.clamp(MEMORY_LIMIT_MIN, 2 << 30)
}

/// Least that `memory_limit` takes.
pub(crate) const MEMORY_LIMIT_MIN: u64 = 1 << 20;

/// Every option name, in the order of the documentation.
pub const OPTION_NAMES: &[&str] = &[
    "shards",
    "durability",
    "sync_interval_ms",
    "memory_limit",
    "cache_compression",
    "create_if_missing",
    "error_if_exists",
    "read_only",
    "open_timeout_ms",
    "checkpoint_interval_ms",
    "checkpoint_log_bytes",
    "pin_shards",
    "load_monitor",
    "skew_percent",
    "auto_rebalance",
    "rules",
    "prefetch_links",
    "learn_links",
];

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shard count that a new database gets.
    pub(crate) fn shards_or_default(&self) -> usize {
        self.shards.unwrap_or(SHARDS_DEFAULT)
    }

    /// Sets one option by its name. Sizes take `K`, `M`, `G` (powers of 1024), times are
    /// milliseconds, booleans are `true` or `false`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "shards" => self.shards = Some(integer(name, value, 1, SHARDS_MAX as u64)? as usize),
            "durability" => {
                self.durability = match value {
                    "none" => Durability::None,
                    "process" => Durability::Process,
                    "periodic" => Durability::Periodic,
                    "sync" => Durability::Sync,
                    _ => return Err(bad(name, value, "none, process, periodic or sync")),
                }
            }
            "sync_interval_ms" => self.sync_interval = millis(name, value, 1)?,
            "memory_limit" => self.memory_limit = size(name, value, MEMORY_LIMIT_MIN)?,
            "cache_compression" => self.cache_compression = boolean(name, value)?,
            "create_if_missing" => self.create_if_missing = boolean(name, value)?,
            "error_if_exists" => self.error_if_exists = boolean(name, value)?,
            "read_only" => self.read_only = boolean(name, value)?,
            "open_timeout_ms" => self.open_timeout = millis(name, value, 0)?,
            "checkpoint_interval_ms" => self.checkpoint_interval = Some(millis(name, value, 1)?),
            "checkpoint_log_bytes" => {
                self.checkpoint_log_bytes = Some(size(name, value, 64 << 10)?)
            }
            "pin_shards" => self.pin_shards = boolean(name, value)?,
            "load_monitor" => self.load_monitor = boolean(name, value)?,
            "skew_percent" => self.skew_percent = integer(name, value, 1, 99)? as u32,
            "auto_rebalance" => self.auto_rebalance = boolean(name, value)?,
            "rules" => self.rules = parse_rules(value)?,
            "prefetch_links" => self.prefetch_links = boolean(name, value)?,
            "learn_links" => self.learn_links = boolean(name, value)?,
            _ => {
                return Err(Error::invalid(format!(
                    "unknown option {name:?}; the options are {}",
                    OPTION_NAMES.join(", ")
                )))
            }
        }
        Ok(())
    }
}

fn bad(name: &str, value: &str, wanted: &str) -> Error {
    Error::invalid(format!("option {name}: {value:?} is not {wanted}"))
}

/// Rules with semicolons between them, each as [`Rule::parse`] takes it; none for an empty text.
fn parse_rules(value: &str) -> Result<Vec<Rule>> {
    let rules = value.split(';').map(str::trim).filter(|r| !r.is_empty()).map(Rule::parse);
    let rules = rules.collect::<Result<Vec<_>>>();
    let rules = rules.and_then(|rules| RuleSet::new(rules.clone()).map(|_| rules));
    rules.map_err(|e| e.context("option rules"))
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad(name, value, "true or false")),
    }
}

fn integer(name: &str, value: &str, min: u64, max: u64) -> Result<u64> {
    match value.parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(bad(name, value, &format!("a whole number from {min} to {max}"))),
    }
}

/// Milliseconds, up to the `u32` range (49 days), which every clock of the engine can add.
fn millis(name: &str, value: &str, min: u64) -> Result<Duration> {
    integer(name, value, min, u64::from(u32::MAX)).map(Duration::from_millis)
}

/// A size with an optional `K`, `M` or `G`.
fn size(name: &str, value: &str, min: u64) -> Result<u64> {
    let (digits, shift) = match value.as_bytes().last() {
        Some(b'K') => (&value[..value.len() - 1], 10),
        Some(b'M') => (&value[..value.len() - 1], 20),
        Some(b'G') => (&value[..value.len() - 1], 30),
        _ => (value, 0),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    match bytes {
        Some(n) if n >= min => Ok(n),
        _ => Err(bad(name, value, &format!("a size of at least {min} bytes, such as 512M"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_name_is_understood() {
        for name in OPTION_NAMES {
            let value = match *name {
                "durability" => "sync",
                "shards" => "8",
                n if n.ends_with("_ms") => "250",
                "skew_percent" => "80",
                "rules" => "user:*,profile:*;order:*,items:*",
                "memory_limit" | "checkpoint_log_bytes" => "64M",
                _ => "true",
            };
            Options::new().set(name, value).unwrap();
        }
    }

    #[test]
    fn a_container_lowers_the_default_memory_limit() {
        assert_eq!(default_memory_limit(None), 2 << 30);
        assert_eq!(default_memory_limit(Some(64 << 30)), 2 << 30);
        assert_eq!(default_memory_limit(Some(512 << 20)), 256 << 20);
        assert_eq!(default_memory_limit(Some(4096)), MEMORY_LIMIT_MIN);
    }

    #[test]
    fn sizes_take_suffixes_and_refuse_the_rest() {
        let mut o = Options::new();
        o.set("memory_limit", "3G").unwrap();
        assert_eq!(o.memory_limit, 3 << 30);
        for wrong in ["", "G", "1T", "-1", "1.5G", "99999999999999999999", "17179869184G", "1K"] {
            let e = o.set("memory_limit", wrong).unwrap_err();
            assert!(e.message().contains("memory_limit"), "{e}");
        }
        assert_eq!(o.memory_limit, 3 << 30, "a refused value changes nothing");
    }

    #[test]
    fn unknown_names_are_refused_with_the_list() {
        let e = Options::new().set("shard", "1").unwrap_err();
        assert!(e.message().contains("\"shard\"") && e.message().contains("open_timeout_ms"));
    }
}
