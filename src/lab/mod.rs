//! The crash lab: the engine on a simulated disk, crashed wherever it can be, judged by an oracle.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`disk`], [`inode`] | the simulated disk: power losses, kills, faults, all from one seed |
//! | [`workload`], [`session`] | what is done to a database, and what was acknowledged |
//! | [`oracle`] | what may be there after a crash |
//! | [`sweep`] | a crash at every call, and at every call of the recovery, two deep |
//!
//! Not part of the library's interface: for the tests and for `warp crashtest`.

mod disk;
mod inode;
mod oracle;
mod random;
mod session;
mod sweep;
mod workload;

pub use random::mix;

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

/// Crashes the workload of one seed everywhere.
pub fn sweep(seed: u64, report: &mut Report) -> Result<(), Violation> {
    report.seeds += 1;
    sweep::run(seed, report)
}
