//! Pinning: which core works for which shard.
//!
//! Shard *n* belongs to core number *n* modulo the cores that the process may use, in the order of
//! their numbers: a process in a cpuset of 2 cores has 2, whatever the machine has, and 24 shards
//! share them. With `pin_shards` the preparation thread goes to a shard's core before it makes
//! pages of its log present, so that they lie in that core's memory; the other upkeep threads
//! serve all shards, and each keeps to one core, so that none migrates.
//!
//! Invariants:
//! 1. A core is used only if the process was allowed it when the database was opened.
//! 2. Pinning is a hint. Where it is refused, the thread goes on unpinned.
//! 3. Threads of callers are never pinned.

/// The cores of a database's shards.
pub(crate) struct Pinning {
    /// Cores that the process may use, ascending; never empty.
    cpus: Vec<usize>,
    pins: bool,
}

impl Pinning {
    pub(crate) fn new(pins: bool) -> Pinning {
        let mut cpus = allowed();
        if cpus.is_empty() {
            cpus = (0..crate::sys::cores()).collect();
        }
        Pinning { cpus, pins }
    }

    /// The core of a shard.
    pub(crate) fn cpu_of(&self, shard: usize) -> usize {
        self.cpus[shard % self.cpus.len()]
    }

    /// Has the calling thread, an upkeep thread, run on the core of a shard if the options say so.
    pub(crate) fn pin_to(&self, shard: usize) {
        if self.pins {
            pin(self.cpu_of(shard));
        }
    }
}

/// Cores that the process may use; none where the system does not say.
#[cfg(target_os = "linux")]
fn allowed() -> Vec<usize> {
    // SAFETY: the set is owned by this frame, and as large as it says.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &set)).collect()
    }
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> Vec<usize> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn pin(cpu: usize) {
    // SAFETY: the set is owned by this frame; the affinity of the own thread has no other effect.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

#[cfg(not(target_os = "linux"))]
fn pin(_cpu: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_cores_that_there_are() {
        let pinning = Pinning { cpus: vec![2, 5], pins: false };
        assert_eq!((0..4).map(|s| pinning.cpu_of(s)).collect::<Vec<_>>(), [2, 5, 2, 5]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pinned_thread_runs_on_its_core_and_knows_no_other() {
        std::thread::spawn(|| {
            let pinning = Pinning::new(true);
            assert!(!pinning.cpus.is_empty());
            pinning.pin_to(1);
            assert_eq!(allowed(), [pinning.cpu_of(1)]);
            // As in a cpuset of one core.
            assert_eq!(Pinning::new(true).cpus, [pinning.cpu_of(1)]);
        })
        .join()
        .unwrap();
    }
}
