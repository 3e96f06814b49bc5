//! Features: each on against off, on the same data with relations ([`super::related`]).
//!
//! | feature | measure |
//! | --- | --- |
//! | placement | device reads (major page faults) of a cold group of four records |
//! | temperature | write amplification of skewed overwrites, at the same space ([`super::skewed`]) |
//! | links | latency of a cold group: four gets against one call; learned against given links |
//! | monitor | gets a second with it and without; how soon a skew is told |
//! | rebalancer | entropy of a skewed load before and after |
//!
//! Figures are medians of trials, in which off and on take turns. Every answer is checked; a wrong
//! one is a panic.

use super::median;
use super::related::{self, key, value, version_of, Kind, KINDS, UNIT_BYTES};
use super::skewed;
use super::workload::{mix, Draw};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use warp_engine::{Db, Error, Options, Rule};

/// Groups that a trial reads cold.
const COLD_GROUPS: u64 = 100;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of data, about.
    pub bytes: u64,
    pub threads: Vec<u64>,
    pub trials: usize,
    pub options: Vec<(String, String)>,
    /// Measure only what has this in its name.
    pub only: String,
}

/// One line of the result.
#[derive(Debug, Clone)]
pub struct Row {
    pub feature: &'static str,
    pub measure: String,
    pub off: f64,
    pub on: f64,
    pub unit: &'static str,
}

impl Row {
    pub const HEAD: &'static str =
        "feature      measure                                        off           on   on/off";
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Row { feature, measure, off, on, unit } = self;
        let ratio = on / off;
        write!(f, "{feature:<12} {measure:<40} {off:>9.3}    {on:>9.3}  {ratio:>7.3}  {unit}")
    }
}

struct Bench<'a> {
    dir: &'a Path,
    config: &'a Config,
    units: u64,
    databases: u64,
}

/// Runs the benchmark with its files in the empty directory `dir`.
pub fn run(dir: &Path, config: &Config, tell: &mut dyn FnMut(&Row)) -> Result<(), Error> {
    let units = (config.bytes / UNIT_BYTES).max(1_000);
    let mut bench = Bench { dir, config, units, databases: 0 };
    for name in ["placement", "temperature", "links", "monitor", "rebalancer"] {
        if !name.contains(&config.only) {
            continue;
        }
        let rows = match name {
            "placement" => bench.placement(),
            "temperature" => bench.temperature(),
            "links" => bench.links(),
            "monitor" => bench.monitor(),
            _ => bench.rebalancer(),
        };
        rows?.iter().for_each(&mut *tell);
    }
    Ok(())
}

/// Numbers of both sides of a comparison, a trial each.
#[derive(Default)]
struct Sides {
    off: Vec<f64>,
    on: Vec<f64>,
}

impl Sides {
    fn side(&mut self, on: bool) -> &mut Vec<f64> {
        if on {
            &mut self.on
        } else {
            &mut self.off
        }
    }

    fn row(self, feature: &'static str, measure: impl Into<String>, unit: &'static str) -> Row {
        let (off, on) = (median(self.off), median(self.on));
        Row { feature, measure: measure.into(), off, on, unit }
    }
}

impl Bench<'_> {
    /// A path for a new database.
    fn path(&mut self) -> PathBuf {
        self.databases += 1;
        self.dir.join(format!("features-{}", self.databases))
    }

    fn open(&self, path: &Path, more: &[(&str, &str)]) -> Result<Db, Error> {
        let mut options = Options::new();
        options.set("durability", "process")?;
        for (name, value) in &self.config.options {
            options.set(name, value)?;
        }
        more.iter().try_for_each(|(name, value)| options.set(name, value))?;
        Db::open(Some(path), &options)
    }

    /// Stores all records, kind by kind and stem by stem, so that no group is in one place, and
    /// overwrites some so that compaction has something to do.
    fn fill(&self, db: &Db) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for (kind, n, version) in self.writes() {
            for (stem, len) in kind {
                for n in n.clone() {
                    let key = key(stem, n);
                    value(&key, version, *len, &mut bytes);
                    db.put(&key, &bytes)?;
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::type_complexity)]
    fn writes(&self) -> Vec<(&'static [(&'static str, usize)], Vec<u64>, u64)> {
        let all: Vec<u64> = (0..self.units).collect();
        let some: Vec<u64> = (0..self.units).filter(|n| mix(*n) % 3 == 0).collect();
        let each =
            |kind: &'static Kind| [(kind.stems, all.clone(), 1), (kind.stems, some.clone(), 2)];
        KINDS.iter().flat_map(each).collect()
    }

    /// The version that group `n` was filled with.
    fn version(n: u64) -> u64 {
        if mix(n) % 3 == 0 {
            2
        } else {
            1
        }
    }

    fn check(key: &[u8], found: &[u8], n: u64) {
        assert_eq!(version_of(key, found), Some(Self::version(n)), "a wrong value");
    }

    /// A database that is filled, compacted and closed.
    fn filled(&mut self, options: &[(&str, &str)]) -> Result<PathBuf, Error> {
        let path = self.path();
        let db = self.open(&path, options)?;
        self.fill(&db)?;
        db.compact()?;
        db.close()?;
        Ok(path)
    }

    fn rules() -> Vec<String> {
        KINDS.iter().map(related::rule).collect()
    }

    /// Reads cold groups of users, one get after the other, and returns major faults and
    /// microseconds, a group each.
    fn cold_groups(
        &self,
        path: &Path,
        options: &[(&str, &str)],
        trial: u64,
        read: impl Fn(&Db, u64),
    ) -> Result<(f64, f64), Error> {
        evict(path);
        let db = self.open(path, options)?;
        let (faults, begin) = (major_faults(), Instant::now());
        for i in 0..COLD_GROUPS {
            read(&db, mix(trial << 32 | i) % self.units);
        }
        let micros = begin.elapsed().as_secs_f64() * 1e6;
        let faults = (major_faults() - faults) as f64;
        db.close()?;
        Ok((faults / COLD_GROUPS as f64, micros / COLD_GROUPS as f64))
    }

    fn placement(&mut self) -> Result<Vec<Row>, Error> {
        let rules = Self::rules().join(";");
        let (off, on) = (self.filled(&[])?, self.filled(&[("rules", &rules)])?);
        let (mut faults, mut micros) = (Sides::default(), Sides::default());
        for trial in 0..self.config.trials as u64 {
            for (path, is_on) in [(&off, false), (&on, true)] {
                let (f, m) = self.cold_groups(path, &[], trial, single_gets)?;
                faults.side(is_on).push(f);
                micros.side(is_on).push(m);
            }
        }
        Ok(vec![
            faults.row("placement", "device reads of a cold group of 4", "reads"),
            micros.row("placement", "latency of a cold group of 4, single gets", "us"),
        ])
    }

    fn temperature(&mut self) -> Result<Vec<Row>, Error> {
        let (mut amplification, mut space) = (Sides::default(), Sides::default());
        for _ in 0..self.config.trials {
            for is_on in [false, true] {
                let path = self.path();
                let db = self.open(&path, &[])?;
                let outcome = skewed::run(&db, self.config.bytes, !is_on)?;
                amplification.side(is_on).push(outcome.amplification);
                space.side(is_on).push(outcome.space);
                db.close()?;
                // The next one needs the room.
                let _ = std::fs::remove_dir_all(&path);
            }
        }
        Ok(vec![
            amplification.row("temperature", "write amplification, zipfian overwrites", "times"),
            space.row("temperature", "space meanwhile, logs over what lives", "times"),
        ])
    }

    fn links(&mut self) -> Result<Vec<Row>, Error> {
        let path = self.filled(&[])?;
        {
            let db = self.open(&path, &[])?;
            let rule = Rule { place: false, ..Rule::parse(&related::rule(&KINDS[0]))? };
            db.add_rule(&rule)?;
            db.close()?;
        }
        let (mut one_call, mut prefetch) = (Sides::default(), Sides::default());
        for trial in 0..self.config.trials as u64 {
            let off = self.cold_groups(&path, &[], trial, single_gets)?.1;
            one_call.off.push(off);
            prefetch.off.push(off);
            one_call.on.push(self.cold_groups(&path, &[], trial, linked_get)?.1);
            let options = [("prefetch_links", "true")];
            prefetch.on.push(self.cold_groups(&path, &options, trial, single_gets)?.1);
        }
        let mut learned = Sides::default();
        for trial in 0..self.config.trials as u64 {
            let (given, found) = self.learned(&path, trial)?;
            learned.off.push(given);
            learned.on.push(found);
        }
        Ok(vec![
            one_call.row("links", "latency of a cold group of 4, one call", "us"),
            prefetch.row("links", "latency of a cold group of 4, prefetched", "us"),
            learned.row("links", "partners found: given (off), learned (on)", "a key"),
        ])
    }

    /// Partners that a key of the user's group has by the rule, and by learning from accesses of
    /// which one in ten is a stray.
    fn learned(&self, path: &Path, trial: u64) -> Result<(f64, f64), Error> {
        let groups = self.units.min(5_000);
        let db = self.open(path, &[])?;
        let partners = |db: &Db| -> Result<f64, Error> {
            let mut sum = 0;
            for n in 0..groups {
                let mine = |p: &warp_engine::Partner| p.key.ends_with(format!(":{n}").as_bytes());
                sum += db.partners(&key("user", n))?.iter().filter(|p| mine(p)).count();
            }
            Ok(sum as f64 / groups as f64)
        };
        let given = partners(&db)?;
        db.remove_rule(b"user:*")?;
        db.close()?;
        let db = self.open(path, &[("learn_links", "true")])?;
        let mut draw = Draw::uniform(groups, trial);
        for _ in 0..groups * 12 {
            let n = draw.next();
            single_gets(&db, n);
            if draw.next() % 10 == 0 {
                let stray = draw.next();
                let key = key("product", stray);
                let found = db.get_pinned(&key)?.expect("every key is there");
                Self::check(&key, &found, stray);
            }
        }
        let learned = partners(&db)?;
        db.add_rule(&Rule { place: false, ..Rule::parse(&related::rule(&KINDS[0]))? })?;
        db.close()?;
        Ok((given, learned))
    }

    fn monitor(&mut self) -> Result<Vec<Row>, Error> {
        let (off, on) = (self.filled(&[])?, self.filled(&[])?);
        let off = self.open(&off, &[("load_monitor", "false")])?;
        let on = self.open(&on, &[])?;
        warm(&off, self.units);
        warm(&on, self.units);
        let mut rows = Vec::new();
        for &threads in &self.config.threads {
            let mut sides = Sides::default();
            // Short turns, and many: what else the machine does meets both alike.
            for turn in 0..8 * self.config.trials as u64 {
                sides.off.push(self.get_rate(&off, threads, turn));
                sides.on.push(self.get_rate(&on, threads, turn));
            }
            rows.push(sides.row("monitor", format!("gets, {threads} threads"), "M/s"));
        }
        let mut told = Sides::default();
        for _ in 0..self.config.trials {
            let (quiet, skewed) = self.time_to_tell(&on);
            told.off.push(quiet);
            told.on.push(skewed);
        }
        rows.push(told.row("monitor", "skews told: even 3 s (off); s to tell one (on)", "s"));
        off.close()?;
        on.close()?;
        Ok(rows)
    }

    /// Gets of users a second, in millions.
    fn get_rate(&self, db: &Db, threads: u64, trial: u64) -> f64 {
        let units = self.units;
        super::for_a_while(threads, Duration::from_millis(250), |t, go_on| {
            let mut draw = Draw::uniform(units, trial << 16 | t);
            let (mut key, mut done) = (Vec::new(), 0);
            let mut buf = [std::mem::MaybeUninit::uninit(); 1024];
            while go_on() {
                for _ in 0..256 {
                    use std::io::Write;
                    let n = draw.next();
                    key.clear();
                    let _ = write!(key, "user:{n}");
                    let len = db.get_into(&key, &mut buf).expect("a get");
                    let len = len.expect("every key is there");
                    // SAFETY: that many bytes were copied.
                    let found = unsafe { std::slice::from_raw_parts(buf.as_ptr().cast::<u8>(), 8) };
                    let version = Self::version(n).to_le_bytes();
                    assert!(len == 200 && found == version, "a wrong value");
                }
                done += 256;
            }
            done
        }) / 1e6
    }

    /// Skews told during an even load of 3 s, and how many seconds it takes to tell one.
    fn time_to_tell(&self, db: &Db) -> (f64, f64) {
        let begun = || db.events_json(0).matches("skew_began").count();
        let read = |n: u64| single_gets(db, n);
        let (before, begin) = (begun(), Instant::now());
        let mut draw = Draw::uniform(self.units, 3);
        while begin.elapsed() < Duration::from_secs(3) {
            (0..64).for_each(|_| read(draw.next()));
        }
        let quiet = (begun() - before) as f64;
        let (before, begin) = (begun(), Instant::now());
        while begun() == before && begin.elapsed() < Duration::from_secs(10) {
            (0..64).for_each(|i| read(if i % 2 == 0 { 11 } else { draw.next() }));
        }
        (quiet, begin.elapsed().as_secs_f64())
    }

    fn rebalancer(&mut self) -> Result<Vec<Row>, Error> {
        let path = self.filled(&[])?;
        let mut sides = Sides::default();
        let mut seconds = Sides::default();
        for trial in 0..self.config.trials {
            let db = self.open(&path, &[])?;
            warm(&db, self.units);
            // Two in three reads meet the keys of three shards.
            let shards: Vec<usize> = (0..3).map(|i| (trial * 5 + i * 7) % 24).collect();
            let hot: Vec<u64> = (0..self.units.min(100_000))
                .filter(|n| db.shard_of(&key("user", *n)).is_ok_and(|s| shards.contains(&s)))
                .collect();
            let load = |span: u64| {
                let (mut draw, begin) = (Draw::uniform(self.units, span), Instant::now());
                while begin.elapsed() < Duration::from_secs(span) {
                    for i in 0..63 {
                        let n = draw.next();
                        let n = if i % 3 == 0 { n } else { hot[(n % hot.len() as u64) as usize] };
                        user_get(&db, n);
                    }
                }
                entropy(&db)
            };
            sides.off.push(load(4));
            let begin = Instant::now();
            let moved = db.rebalance()?;
            seconds.on.push(begin.elapsed().as_secs_f64());
            seconds.off.push(moved as f64);
            sides.on.push(load(4));
            for n in 0..self.units.min(20_000) {
                single_gets(&db, n);
            }
            db.close()?;
        }
        Ok(vec![
            sides.row("rebalancer", "entropy of a skewed load, before and after", "of 1"),
            seconds.row("rebalancer", "slots moved (off), seconds it took (on)", ""),
        ])
    }
}

fn user_get(db: &Db, n: u64) {
    let key = key("user", n);
    let found = db.get_pinned(&key).expect("a get").expect("every key is there");
    Bench::check(&key, &found, n);
}

/// Reads a user's group one by one.
fn single_gets(db: &Db, n: u64) {
    for (stem, _) in KINDS[0].stems {
        let key = key(stem, n);
        let found = db.get_pinned(&key).expect("a get").expect("every key is there");
        Bench::check(&key, &found, n);
    }
}

/// Reads it in one call.
fn linked_get(db: &Db, n: u64) {
    let all = db.get_linked(&key("user", n)).expect("a get").expect("every key is there");
    assert_eq!(all.len(), KINDS[0].stems.len(), "a partner is missing");
    all.iter().for_each(|one| Bench::check(&one.key, &one.value, n));
}

/// Has all users in memory.
fn warm(db: &Db, units: u64) {
    (0..units).for_each(|n| user_get(db, n));
}

fn entropy(db: &Db) -> f64 {
    let json: serde_json::Value = serde_json::from_str(&db.stats_json()).unwrap_or_default();
    json["load"]["operation_entropy"].as_f64().unwrap_or(f64::NAN)
}

/// Has the kernel forget the files of a closed database.
fn evict(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if let Ok(file) = std::fs::File::open(entry.path()) {
            // SAFETY: a hint about an open file.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        }
    }
}

/// Page faults of this process that had to wait for the device.
fn major_faults() -> i64 {
    // SAFETY: the struct is owned by this frame.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage.ru_majflt
    }
}
