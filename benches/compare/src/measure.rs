//! How a rate and its latencies are taken, and what the kernel says of the process.
//!
//! A clock read costs as much as a tenth of a fast get. So a rate is measured with no clock but
//! the one that ends it, and the latencies after that, in a pass of their own whose every operation
//! is timed; its rate is not reported.

use crate::store::{Result, Session, Store};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Latencies in nanoseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub p9999: u64,
    pub max: u64,
}

/// What a thread repeats: its operations, done on its session. The number of operations done, or
/// `None` when there is nothing left to do.
pub type Step<'a> = Box<dyn FnMut(&mut dyn Session) -> Result<Option<u64>> + 'a>;

/// Makes the step of thread number `t` of a pass; pass 0 takes the rate, pass 1 the latencies.
pub type Make<'a> = &'a (dyn Fn(u64, u64) -> Step<'a> + Sync);

/// Operations a second, and the latencies of steps.
pub struct Measured {
    pub rate: f64,
    pub latency: Latency,
}

/// Both passes.
pub fn measure(store: &dyn Store, threads: u64, span: Duration, make: Make) -> Result<Measured> {
    let (rate, _) = pass(store, threads, span, false, &|t| make(t, 0))?;
    let (_, latency) = pass(store, threads, span / 2, true, &|t| make(t, 1))?;
    Ok(Measured { rate, latency: summary(&latency) })
}

/// Longest latency that is told apart, in nanoseconds: 100 s.
const LATENCY_MAX: u64 = 100_000_000_000;

fn pass<'a>(
    store: &dyn Store,
    threads: u64,
    span: Duration,
    clocked: bool,
    make: &(dyn Fn(u64) -> Step<'a> + Sync),
) -> Result<(f64, Histogram<u64>)> {
    let (stop, ready) = (AtomicBool::new(false), Barrier::new(threads as usize + 1));
    let thread = |t: u64| -> Result<(u64, Instant, Histogram<u64>)> {
        let mut session = store.session();
        let mut step = make(t);
        let mut latency = Histogram::new_with_bounds(1, LATENCY_MAX, 3)?;
        let mut done = 0;
        ready.wait();
        let mut begin = Instant::now();
        let ended = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            match step(&mut *session) {
                Ok(Some(operations)) => done += operations,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if clocked {
                let end = Instant::now();
                latency.saturating_record((end - begin).as_nanos() as u64);
                begin = end;
            }
        };
        ended.map(|()| (done, Instant::now(), latency))
    };
    let thread = &thread;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|t| scope.spawn(move || thread(t))).collect();
        ready.wait();
        let begin = Instant::now();
        // Threads that have nothing left to do end the span early.
        while begin.elapsed() < span && !handles.iter().all(|handle| handle.is_finished()) {
            std::thread::sleep(Duration::from_millis(2).min(span));
        }
        stop.store(true, Ordering::Relaxed);
        let mut all = Histogram::new_with_bounds(1, LATENCY_MAX, 3)?;
        let (mut rate, mut last) = (0, begin);
        for handle in handles {
            let (done, end, latency) = handle.join().map_err(|_| "a thread panicked")??;
            rate += done;
            last = last.max(end);
            all.add(latency)?;
        }
        Ok((rate as f64 / (last - begin).as_secs_f64(), all))
    })
}

fn summary(latency: &Histogram<u64>) -> Latency {
    Latency {
        count: latency.len(),
        p50: latency.value_at_quantile(0.5),
        p90: latency.value_at_quantile(0.9),
        p99: latency.value_at_quantile(0.99),
        p999: latency.value_at_quantile(0.999),
        p9999: latency.value_at_quantile(0.9999),
        max: latency.max(),
    }
}

/// What the kernel says of this process, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    /// Resident anonymous pages.
    pub anonymous: u64,
    /// Resident pages of mapped files.
    pub file: u64,
    /// Bytes that the process had sent to the device, mapped pages included.
    pub written: u64,
}

/// Zeroes where the kernel does not tell.
pub fn process() -> Process {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let status = text("/proc/self/status");
    Process {
        anonymous: field(&status, "RssAnon:") << 10,
        file: (field(&status, "RssFile:") + field(&status, "RssShmem:")) << 10,
        written: field(&text("/proc/self/io"), "write_bytes:"),
    }
}

/// Bytes of the blocks of all files below a directory.
pub fn disk(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A store's upkeep may remove a file while it is looked at.
        let Ok(meta) = entry.metadata() else { continue };
        bytes += if meta.is_dir() { disk(&entry.path())? } else { meta.blocks() * 512 };
    }
    Ok(bytes)
}
