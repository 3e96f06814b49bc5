//! The crash lab: the engine on a simulated disk, crashed wherever it can be, judged by an oracle.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`disk`], [`inode`] | the simulated disk: power losses, kills, faults, all from one seed |
//! | [`workload`], [`session`] | what is done to a database, and what was acknowledged |
//! | [`oracle`] | what may be there after a crash |
//! | [`sweep`] | a crash at every call, and at every call of the recovery, two deep |
//! | [`resurrection`] | long lives of deletes, compactions and crashes, one call a round |
//! | [`faults`] | an error at every call, a failed sync, a full disk |
//! | [`full`] | a disk that has no more room: what is refused, and what goes on |
//! | [`recycling`] | files that are used again, crashed all the while |
//! | [`kill`] | real processes, killed or with a system call made to fail |
//! | [`stress`] | a mixed load for hours, every answer compared, in processes that are killed |
//!
//! Not part of the library's interface: for the tests and for `warp crashtest`.

pub(crate) mod disk;
mod faults;
mod full;
mod inode;
pub mod kill;
mod oracle;
mod random;
mod recycling;
#[cfg(test)]
mod regressions;
mod resurrection;
pub(crate) mod session;
pub mod stress;
mod sweep;
mod workload;

#[cfg(feature = "sabotage")]
pub use crate::sabotage;
pub use random::mix;
pub use resurrection::ResurrectionReport;

use std::panic::{catch_unwind, AssertUnwindSafe};

/// What a run of the simulated disk did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Workloads, each of one seed.
    pub seeds: u64,
    /// Steps of workloads.
    pub steps: u64,
    /// Calls of workloads that were crashed at.
    pub calls: u64,
    /// Crashed disks of workloads that were recovered and judged.
    pub crashes: u64,
    /// Crashed disks of recoveries that were recovered and judged.
    pub second_crashes: u64,
    /// Workloads that were run with a fault.
    pub faults: u64,
    /// Segments that were made of files of earlier ones, where that is what it is about.
    pub recycled: u64,
    /// Records of recovered databases that were read from segments that are not mapped.
    pub cold_reads: u64,
}

impl Report {
    /// All crashed disks that were recovered and judged.
    pub fn crash_points(&self) -> u64 {
        self.crashes + self.second_crashes
    }
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Violation {
    /// What repeats it.
    pub seed: u64,
    /// Where, and what is wrong.
    pub what: String,
}

/// Runs `work` for one seed. It keeps where it is in the text that it is given, which becomes part
/// of the violation, should it find one or panic.
fn place_of<T>(
    seed: u64,
    work: impl FnOnce(&mut String) -> Result<T, String>,
) -> Result<T, Violation> {
    let mut place = "at the beginning".to_owned();
    let found = catch_unwind(AssertUnwindSafe(|| work(&mut place))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        Err(format!("a panic: {}", text.unwrap_or("without a text")))
    });
    found.map_err(|what| Violation { seed, what: format!("{place}: {what}") })
}

/// Runs the workload of one seed once for each fault, every `stride`-th of each kind.
pub fn faults(seed: u64, stride: u64, report: &mut Report) -> Result<(), Violation> {
    report.seeds += 1;
    faults::run(seed, stride, report)
}

/// Runs the workload of one seed on a disk that fills up and is given room again.
pub fn full(seed: u64, report: &mut Report) -> Result<(), Violation> {
    report.seeds += 1;
    full::run(seed, report)
}

/// Crashes a workload that uses files again at some of its calls.
pub fn recycling(seed: u64, report: &mut Report) -> Result<(), Violation> {
    report.seeds += 1;
    recycling::run(seed, report)
}

/// Crashes the workload of one seed everywhere.
pub fn sweep(seed: u64, report: &mut Report) -> Result<(), Violation> {
    report.seeds += 1;
    sweep::run(seed, report)
}

/// Runs rounds of deletes, compactions and crashes on the database of one seed, `rounds` or as many
/// as it lives for. The next seed has other ones.
pub fn resurrection(
    seed: u64,
    rounds: u64,
    report: &mut ResurrectionReport,
) -> Result<(), Violation> {
    resurrection::run(seed, rounds, report)
}
