//! Deliberate defects, one at a time, to show that the crash lab catches them.
//!
//! Without the feature `sabotage`, which nothing but tests turn on, [`is`] is false for the
//! compiler, and nothing of this is in the library.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Sabotage {
    /// A checkpoint is published without a sync of the logs that its image points into.
    UnsyncedCheckpoint = 1,
    /// New names of segments are never synced.
    UnsyncedDirectory,
    /// Records are believed without a look at their checksum.
    UncheckedCrc,
    /// CHECKPOINT is overwritten in place.
    CheckpointInPlace,
    /// CHECKPOINT is renamed before its contents are synced.
    RenameBeforeSync,
    /// Deletes are forgotten as soon as the log that holds them is replayed.
    EarlyForget,
    /// A group is acknowledged without a sync.
    UnsyncedGroup,
    /// Compaction frees a segment before the checkpoint that leaves it out.
    EarlyFree,
    /// Compaction drops every delete.
    DroppedDeletes,
    /// A sync pass leaves out segments that are sealed.
    ForgottenSealed,
    /// What a failed sync has dropped is believed after a reopen.
    TrustedCache,
    /// The record of a delete is taken back once the delete is published.
    ForgottenDelete,
    /// A segment whose file could not be allocated is used all the same.
    IgnoredAllocate,
    /// A search that met a change of its group is believed when it finds nothing.
    UnsettledSearch,
    /// Memory is freed without a look at who reads.
    UnseenReaders,
    /// A swap looks at the value before it takes the shard's lock.
    UnlockedSwap,
    /// A freed segment is written over before its new name, and its empty header, are synced.
    UnsyncedSpare,
    /// The checksums of records do not depend on the generation of their segment.
    SeedWithoutGeneration,
}

/// Those that crashes on the simulated disk show.
pub const SIMULATED: [Sabotage; 10] = [
    Sabotage::UnsyncedCheckpoint,
    Sabotage::UnsyncedDirectory,
    Sabotage::UncheckedCrc,
    Sabotage::CheckpointInPlace,
    Sabotage::RenameBeforeSync,
    Sabotage::EarlyForget,
    Sabotage::UnsyncedGroup,
    Sabotage::EarlyFree,
    Sabotage::DroppedDeletes,
    Sabotage::ForgottenSealed,
];

static ACTIVE: AtomicUsize = AtomicUsize::new(0);

/// Turns one defect on and all others off.
pub fn set(sabotage: Option<Sabotage>) {
    ACTIVE.store(sabotage.map_or(0, |s| s as usize), Ordering::SeqCst);
}

/// Turns on the defect that the environment names in `WARP_SABOTAGE`: for processes of tests.
#[cfg(feature = "sabotage")]
pub fn from_environment() {
    let Ok(name) = std::env::var("WARP_SABOTAGE") else { return };
    let all = [
        Sabotage::ForgottenDelete,
        Sabotage::IgnoredAllocate,
        Sabotage::UnsettledSearch,
        Sabotage::UnlockedSwap,
    ];
    let named = all.into_iter().find(|s| format!("{s:?}") == name);
    assert!(named.is_some(), "WARP_SABOTAGE={name} is none that a process can be told of");
    set(named);
}

/// Whether a defect is on.
#[inline(always)]
pub(crate) fn is(sabotage: Sabotage) -> bool {
    cfg!(feature = "sabotage") && ACTIVE.load(Ordering::Relaxed) == sabotage as usize
}
