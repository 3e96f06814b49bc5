//! Deliberate defects, one at a time, to show that the crash lab catches them.
//!
//! Without the feature `sabotage`, which nothing but its test turns on, [`is`] is false for the
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
}

/// All defects.
pub const ALL: [Sabotage; 11] = [
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
    Sabotage::TrustedCache,
];

static ACTIVE: AtomicUsize = AtomicUsize::new(0);

/// Turns one defect on and all others off.
pub fn set(sabotage: Option<Sabotage>) {
    ACTIVE.store(sabotage.map_or(0, |s| s as usize), Ordering::SeqCst);
}

/// Whether a defect is on.
#[inline(always)]
pub(crate) fn is(sabotage: Sabotage) -> bool {
    cfg!(feature = "sabotage") && ACTIVE.load(Ordering::Relaxed) == sabotage as usize
}
