//! What threads cost each other, in figures that do not depend on the number of cores.
//!
//! * **Waits**: how often a thread of the process gave up its core to wait, for 1,000 operations.
//!   A thread that finds a shard's lock taken for long sleeps, and the kernel counts it. Upkeep
//!   threads and the end of the load are in it, so it is an upper bound. Being preempted, which few
//!   cores make frequent, is not counted.
//! * **Collisions**: the share of puts that go to a shard to which another of the threads puts at
//!   the same time, if all put all the time: the most that can wait for each other, from how the
//!   load's puts were spread over the shards.
//!
//! A get writes no cache line that another thread reads: its counts and its epoch are in lines of
//! its own thread (up to the number of threads that have such lines; those beyond share one). A put
//! writes those of its shard's lock and state, of its index group and of its log's end, which other
//! threads write only if they put to the same shard.

use super::abi::CDb;
use warp_engine::{Error, ErrorKind};

/// Counts at one moment.
pub(super) struct Counts {
    waits: libc::c_long,
    /// Puts of each shard.
    puts: Vec<u64>,
}

/// What happened between two moments.
#[derive(Debug, Clone, Copy)]
pub struct Contention {
    /// Waits for 1,000 operations.
    pub waits: f64,
    /// The share of puts that can meet another, 0 to 1.
    pub collisions: f64,
}

/// The counts now.
pub(super) fn counts(db: &CDb) -> Result<Counts, Error> {
    let wrong = |what: &str| Error::new(ErrorKind::Internal, format!("statistics: {what}"));
    let json: serde_json::Value =
        serde_json::from_str(&db.stats_json()?).map_err(|e| wrong(&e.to_string()))?;
    let shards = json["shard"].as_array().ok_or_else(|| wrong("no shards"))?;
    let puts = shards.iter().map(|s| s["puts"].as_u64().ok_or_else(|| wrong("no puts")));
    Ok(Counts { waits: waits(), puts: puts.collect::<Result<_, _>>()? })
}

/// Voluntary context switches of all threads of this process, ended ones included.
fn waits() -> libc::c_long {
    // SAFETY: plain numbers, of which zero is one; the kernel fills them in.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage.ru_nvcsw
    }
}

impl Contention {
    /// Between two moments, in which `threads` threads did so many operations.
    pub(super) fn between(before: &Counts, after: &Counts, threads: u64, operations: f64) -> Self {
        let puts: Vec<u64> = after.puts.iter().zip(&before.puts).map(|(a, b)| a - b).collect();
        Contention {
            waits: 1e3 * (after.waits - before.waits) as f64 / operations.max(1.0),
            collisions: collisions(&puts, threads),
        }
    }
}

/// The chance that of `threads` puts at once, each to a shard with the chance that the counts say, a
/// given one shares its shard.
fn collisions(puts: &[u64], threads: u64) -> f64 {
    let all = puts.iter().sum::<u64>().max(1) as f64;
    let share = |&puts: &u64| puts as f64 / all;
    let alone = |p: f64| p * (1.0 - p).powi(threads.saturating_sub(1) as i32);
    let shares: Vec<f64> = puts.iter().map(share).collect();
    shares.iter().sum::<f64>() - shares.iter().map(|&p| alone(p)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    #[test]
    fn puts_collide_as_often_as_their_spread_says() {
        assert_eq!(super::collisions(&[10, 10], 1), 0.0);
        assert!((super::collisions(&[10, 10], 2) - 0.5).abs() < 1e-9);
        // All in one shard: every put meets another.
        assert!((super::collisions(&[0, 7, 0], 2) - 1.0).abs() < 1e-9);
        let even = super::collisions(&[5; 24], 2);
        assert!((even - 1.0 / 24.0).abs() < 1e-9);
        assert_eq!(super::collisions(&[], 2), 0.0);
    }
}
