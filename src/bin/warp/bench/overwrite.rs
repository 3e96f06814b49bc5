//! Overwriting a whole data set many times: does the space stay bounded, and the tail of the
//! latencies?
//!
//! Each put is timed by itself. After each round the files are looked at: all blocks in the
//! directory, less what is allocated ahead of the records of segments that are still appended to,
//! over the bytes of live records. The space is sampled ten times a second as well, for the peak.

use super::histogram::Histogram;
use super::workload::{fill_value, is_value_of, key, Draw};
use super::{micros, rate};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use warp_engine::{Db, Error, Options, Stats};

/// What to do.
#[derive(Debug, Clone)]
pub struct Config {
    pub keys: u64,
    pub value_len: usize,
    /// How often as many puts as there are keys are done.
    pub rounds: u64,
    pub zipfian: bool,
    pub options: Vec<(String, String)>,
}

/// The space of a database at one moment, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Space {
    /// Blocks of all files.
    pub files: u64,
    /// Of them, allocated and not yet used for records.
    pub ahead: u64,
    /// Records that live.
    pub live: u64,
}

impl Space {
    fn of(dir: &Path, db: &Db) -> Space {
        let stats = db.stats();
        let files = blocks(dir, |_| true);
        // What is counted by length may have been given back to the file system since. Spare files
        // are space like any other.
        let used = stats.log_bytes + part(db, "spare_bytes");
        let ahead = stats.disk_bytes.saturating_sub(used).min(files);
        Space { files, ahead, live: stats.live_bytes }
    }

    /// Files over live data, what is allocated ahead left out.
    pub fn ratio(&self) -> f64 {
        (self.files - self.ahead) as f64 / self.live.max(1) as f64
    }
}

/// Where the space of a database is, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts {
    pub live: u64,
    /// Records that nothing points to: in sealed segments, and in those that are appended to.
    pub dead: u64,
    pub dead_in_active: u64,
    /// Segments that wait for a checkpoint to be freed.
    pub emptied: u64,
    pub spares: u64,
    pub reserve: u64,
    pub images: u64,
}

impl Parts {
    fn of(dir: &Path, db: &Db) -> Parts {
        let stats = db.stats();
        let [dead, emptied, spares, reserve] =
            ["dead_bytes", "emptied_bytes", "spare_bytes", "reserve_bytes"].map(|n| part(db, n));
        let dead_in_active = stats.log_bytes.saturating_sub(stats.live_bytes + dead + emptied);
        let images = blocks(dir, |name| name.ends_with(".img"));
        Parts { live: stats.live_bytes, dead, dead_in_active, emptied, spares, reserve, images }
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "MiB: {:.1} live, {:.1} dead in sealed segments and {:.1} in others, {:.1} emptied, \
             {:.1} spares, {:.1} reserve, {:.1} index images",
            mib(self.live),
            mib(self.dead),
            mib(self.dead_in_active),
            mib(self.emptied),
            mib(self.spares),
            mib(self.reserve),
            mib(self.images)
        )
    }
}

/// A number that the statistics have in their part about space.
fn part(db: &Db, name: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_str(&db.stats_json()).unwrap_or_default();
    json["space"][name].as_u64().unwrap_or(0)
}

/// Bytes of the blocks of all files in a directory that are `wanted` by their name.
pub(super) fn blocks(dir: &Path, wanted: fn(&str) -> bool) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let files = files.filter(|f| wanted(&f.file_name().to_string_lossy()));
    files.filter_map(|f| f.metadata().ok()).map(|m| m.blocks() * 512).sum()
}

/// One line of the result.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub round: u64,
    /// Million puts a second.
    pub rate: f64,
    pub space: Space,
    pub parts: Parts,
    /// The highest ratio seen in the round.
    pub peak: f64,
    /// Latencies in microseconds: median, 99th, 99.9th percentile, longest.
    pub latency: [f64; 4],
    pub write_amplification: f64,
}

impl Row {
    pub const HEAD: &'static str = "round   M puts/s   files MiB   ahead   live MiB   ratio    peak   \
                                    p50 us   p99 us   p99.9 us   longest us   p99.9/p50   write ampl.";

    /// How much longer the 99.9th percentile is than the median.
    pub fn tail(&self) -> f64 {
        self.latency[2] / self.latency[0]
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let [p50, p99, p999, longest] = self.latency;
        let name = if self.round == 0 { "all".to_owned() } else { self.round.to_string() };
        write!(
            f,
            "{name:>5}   {:>8.3}   {:>9.1}   {:>5.1}   {:>8.1}   {:>5.2}   {:>5.2}   {p50:>6.2}   \
             {p99:>6.2}   {p999:>8.2}   {longest:>10.1}   {:>9.1}   {:>11.2}",
            self.rate,
            mib(self.space.files),
            mib(self.space.ahead),
            mib(self.space.live),
            self.space.ratio(),
            self.peak,
            self.tail(),
            self.write_amplification
        )?;
        if self.round == 0 {
            write!(f, "\n{}", self.parts)?;
        }
        Ok(())
    }
}

/// Runs it in `dir`. Each row is told when it is known, that of all rounds together last.
pub fn run(dir: &Path, config: &Config, tell: &mut dyn FnMut(&Row)) -> Result<(), Error> {
    let path = dir.join("overwrite");
    let mut options = Options::new();
    for (name, value) in &config.options {
        options.set(name, value)?;
    }
    let db = Db::open(Some(&path), &options)?;
    let mut value = vec![b'v'; config.value_len];
    for n in 0..config.keys {
        fill_value(&mut value, n);
        db.put(&key(n), &value)?;
    }
    let draw = match config.zipfian {
        true => Draw::zipfian(config.keys, 1),
        false => Draw::uniform(config.keys, 1),
    };
    let (mut all, mut peak_of_all, begin) = (Histogram::new(), 0f64, Instant::now());
    let loaded = db.stats();
    for round in 1..=config.rounds {
        let before = db.stats();
        let (times, rate, peak) = overwrite(&db, &path, config, draw.with_seed(round))?;
        all.merge(&times);
        // The load itself is not the steady state.
        if round > config.rounds / 4 {
            peak_of_all = peak_of_all.max(peak);
        }
        tell(&row(round, rate, &times, peak, &before, &db, &path));
    }
    let total = rate(config.rounds * config.keys, begin);
    tell(&row(0, total, &all, peak_of_all, &loaded, &db, &path));
    let mut buf = Vec::new();
    for n in 0..config.keys {
        buf.clear();
        buf.extend_from_slice(&db.get(&key(n))?.unwrap_or_default());
        assert!(buf.len() == config.value_len && is_value_of(&buf, n), "key {n}");
    }
    db.close()
}

/// One round: its latencies, its rate, and the highest ratio of space meanwhile.
fn overwrite(
    db: &Db,
    path: &Path,
    config: &Config,
    mut draw: Draw,
) -> Result<(Histogram, f64, f64), Error> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0f64;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(Space::of(path, db).ratio());
                std::thread::sleep(Duration::from_millis(100));
            }
            peak
        });
        let (mut times, mut value) = (Histogram::new(), vec![b'w'; config.value_len]);
        let begin = Instant::now();
        let work = (0..config.keys).try_for_each(|_| {
            let n = draw.next();
            fill_value(&mut value, n);
            let put = Instant::now();
            db.put(&key(n), &value)?;
            times.add(put.elapsed().as_nanos() as u64);
            Ok(())
        });
        let rate = rate(config.keys, begin);
        done.store(true, Ordering::Relaxed);
        let peak = watch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        work.map(|()| (times, rate, peak))
    })
}

fn row(
    round: u64,
    rate: f64,
    times: &Histogram,
    peak: f64,
    before: &Stats,
    db: &Db,
    path: &Path,
) -> Row {
    let now = db.stats();
    let put = (now.put_bytes - before.put_bytes) as f64;
    let moved = (now.moved_bytes - before.moved_bytes) as f64;
    let latency = [0.5, 0.99, 0.999, 1.0].map(|part| micros(times.percentile(part)));
    Row {
        round,
        rate,
        space: Space::of(path, db),
        parts: Parts::of(path, db),
        peak,
        latency,
        write_amplification: (put + moved) / put.max(1.0),
    }
}
