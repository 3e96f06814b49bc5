//! What the lab has found, each as the shortest scenario that shows it.

use super::disk::{Call, Disk, Fault, Snapshot};
use super::oracle::{contents, Crash, Oracle};
use super::session::{Session, Setup, DIR};
use super::workload::Step;
use crate::options::Durability;
use crate::sys::io::Io;
use std::path::Path;

const SEEDS: u64 = 60;

fn session(shards: usize, durability: Durability) -> Session {
    let setup = Setup { shards, durability, cold: false };
    let disk = Disk::new(1);
    let engine = Some(setup.open(&disk).unwrap());
    Session { setup, disk, engine, oracle: Oracle::default(), steps: 0 }
}

fn run(session: &mut Session, step: Step) {
    let plan = session.plan(&step);
    session.run(&step, plan.as_ref()).unwrap();
}

fn put(session: &mut Session, key: u32, len: usize) {
    let value = vec![key as u8 + len as u8; len];
    run(session, Step::One(format!("key:{key}").into_bytes(), Some(value)));
}

/// A session on what a crash has left, judged.
fn after(session: &Session, moment: &Snapshot, crash: Crash, seed: u64) -> Session {
    let disk = match crash {
        Crash::Kill => moment.after_kill(seed),
        Crash::PowerLoss => moment.after_power_loss(seed),
    };
    disk.record();
    let engine = session.setup.open(&disk).unwrap_or_else(|e| panic!("{crash:?} {seed}: {e}"));
    let oracle = session.oracle.judge(&engine, crash, None);
    let oracle = oracle.unwrap_or_else(|e| panic!("{crash:?} {seed}: {e}"));
    Session { setup: session.setup, disk, engine: Some(engine), oracle, steps: 0 }
}

fn power_losses(session: &Session) -> impl Iterator<Item = Session> + '_ {
    let moment = session.disk.snapshot();
    (0..SEEDS).map(move |seed| after(session, &moment, Crash::PowerLoss, seed))
}

/// The directory of a new database was never synced in its parent, nor that in its own.
#[test]
fn a_synced_write_survives_with_the_directory_that_it_is_in() {
    let mut session = session(1, Durability::Sync);
    put(&mut session, 1, 100);
    assert_eq!(power_losses(&session).count() as u64, SEEDS);
}

/// MANIFEST was named by a process that died before it synced the name; the next made STATE.
#[test]
fn a_creation_that_was_killed_goes_on_whatever_names_the_power_takes() {
    let disk = Disk::new(1);
    disk.record();
    let setup = Setup { shards: 1, durability: Durability::Process, cold: false };
    drop(setup.open(&disk).unwrap());
    let empty =
        Session { setup, disk: disk.clone(), engine: None, oracle: Oracle::default(), steps: 0 };
    for moment in disk.recorded() {
        let second = after(&empty, &moment, Crash::Kill, 1);
        for moment in second.disk.recorded() {
            for seed in 0..20 {
                drop(after(&empty, &moment, Crash::PowerLoss, seed));
            }
        }
    }
}

/// Segments behind a cut stayed in the segment table, and a checkpoint listed them; a gap between
/// unsynced segments was taken for damage.
#[test]
fn a_log_that_was_cut_goes_on_through_a_checkpoint() {
    let mut session = session(1, Durability::Process);
    for n in 0..8 {
        put(&mut session, n, 30_000);
    }
    for mut cut in power_losses(&session) {
        put(&mut cut, 9, 30_000);
        run(&mut cut, Step::Checkpoint);
        run(&mut cut, Step::Reopen);
        assert_eq!(contents(cut.engine()).unwrap(), cut.oracle.live);
    }
}

/// Records behind a cut were taken for damage by the next open of the same boot.
#[test]
fn a_log_that_was_cut_opens_again_after_a_kill() {
    let mut session = session(1, Durability::Process);
    for n in 0..40 {
        put(&mut session, n, 300);
    }
    for cut in power_losses(&session) {
        drop(after(&cut, &cut.disk.snapshot(), Crash::Kill, 1));
    }
}

/// What a killed process had written was never synced by its successor.
#[test]
fn a_sync_covers_what_a_killed_process_left() {
    let mut session = session(2, Durability::Process);
    for n in 0..20 {
        put(&mut session, n, 3_000);
    }
    let mut second = after(&session, &session.disk.snapshot(), Crash::Kill, 1);
    run(&mut second, Step::Sync);
    assert_eq!(power_losses(&second).count() as u64, SEEDS);
}

/// Recovery removed what its checkpoint did not need, before that checkpoint's name was synced.
#[test]
fn a_checkpoint_that_a_killed_process_named_holds_before_others_files_go() {
    let mut session = session(1, Durability::Process);
    for n in 0..12 {
        put(&mut session, n % 3, 20_000);
    }
    run(&mut session, Step::Sync);
    session.disk.record();
    run(&mut session, Step::Compact);
    for moment in session.disk.recorded() {
        let second = after(&session, &moment, Crash::Kill, 1);
        for (n, moment) in second.disk.recorded().iter().enumerate() {
            for seed in 0..4 {
                drop(after(&session, moment, Crash::PowerLoss, 4 * n as u64 + seed));
            }
        }
    }
}

/// A copy in a cold log outlived the original and what came before it.
#[test]
fn compaction_makes_no_hole() {
    let mut session = session(1, Durability::Process);
    put(&mut session, 1, 20_000);
    put(&mut session, 2, 20_000);
    put(&mut session, 1, 30_000);
    session.disk.record();
    let acknowledged = session.oracle.clone();
    run(&mut session, Step::CompactOne(0));
    session.oracle = acknowledged;
    let moments = session.disk.recorded();
    let now = session.disk.snapshot();
    for (n, moment) in moments.iter().chain([&now]).enumerate() {
        for seed in 0..20 {
            drop(after(&session, moment, Crash::PowerLoss, 20 * n as u64 + seed));
        }
    }
}

/// A batch left out the delete of a key that was not there.
#[test]
fn a_batch_that_is_kept_is_kept_with_all_its_deletes() {
    let mut session = session(3, Durability::Process);
    for n in 0..12 {
        put(&mut session, n, 50);
    }
    run(&mut session, Step::Sync);
    let delete = |n: u32| (format!("key:{n}").into_bytes(), None);
    run(&mut session, Step::Batch((0..6).map(delete).collect()));
    run(&mut session, Step::Batch((0..12).rev().map(delete).collect()));
    assert_eq!(power_losses(&session).count() as u64, SEEDS);
}

/// The number of a checkpoint that failed after its rename was used again.
#[test]
fn a_checkpoint_that_fails_leaves_one_that_holds() {
    for n in 1..60 {
        let mut session = session(1, Durability::Process);
        put(&mut session, 1, 100);
        session.disk.set_fault(Some(Fault::Error(session.disk.calls().0 + n)));
        let failed = session.run(&Step::Checkpoint, None);
        if session.disk.struck() != Some(Call::SyncDir) || failed.is_ok() {
            continue;
        }
        session.disk.set_fault(None);
        if session.engine().check_writable().is_err() {
            continue;
        }
        put(&mut session, 2, 100);
        session.disk.record();
        let acknowledged = session.oracle.clone();
        run(&mut session, Step::Checkpoint);
        session.oracle = acknowledged;
        for moment in session.disk.recorded() {
            for seed in 0..200 {
                drop(after(&session, &moment, Crash::PowerLoss, seed));
            }
        }
    }
}

/// A failed sync of the directory halted the database with an I/O error instead of read-only.
#[test]
fn every_failed_sync_makes_the_database_read_only() {
    for n in 1..4 {
        let mut session = session(1, Durability::Process);
        put(&mut session, 1, 100);
        session.disk.set_fault(Some(Fault::Sync(session.disk.calls().1 + n)));
        let failed = session.run(&Step::Sync, None);
        let Some(Call::Sync | Call::SyncDir) = session.disk.struck() else { continue };
        assert!(failed.unwrap_err().message().contains("(errno 5)"));
        let refused = session.engine().put(b"key:2", b"").unwrap_err();
        assert_eq!(refused.kind(), crate::ErrorKind::ReadOnly, "{refused}");
    }
}

/// What a failed sync had dropped was believed by the next opening of the same boot, and a later
/// sync vouched for it: it synced pages that the kernel took for clean.
#[test]
fn a_sync_after_a_reopen_covers_what_a_failed_one_dropped() {
    for seed in 0..SEEDS {
        let mut session = session(1, Durability::Process);
        put(&mut session, 1, 3_000);
        run(&mut session, Step::Sync);
        put(&mut session, 2, 30_000);
        session.disk.set_fault(Some(Fault::Sync(session.disk.calls().1 + 1)));
        session.disk.record();
        session.run(&Step::Sync, None).unwrap_err();
        session.disk.set_fault(None);
        // Killed at once, or before the engine could leave its mark.
        let moments = session.disk.recorded();
        let before = moments.iter().find(|m| m.kind == Some(Call::Create)).unwrap();
        for moment in [&session.disk.snapshot(), before] {
            let mut second = after(&session, moment, Crash::Kill, seed);
            run(&mut second, Step::Sync);
            drop(after(&second, &second.disk.snapshot(), Crash::PowerLoss, seed));
        }
    }
}

/// After a failed sync, pages that the kernel forgot were taken for damage, or read as they were on
/// the device.
#[test]
fn after_a_failed_sync_forgotten_pages_are_a_cut_and_no_damage() {
    for seed in 0..SEEDS {
        let mut session = session(1, Durability::Process);
        put(&mut session, 1, 3_000);
        run(&mut session, Step::Sync);
        for n in 2..8 {
            put(&mut session, n, 9_000);
        }
        session.disk.set_fault(Some(Fault::Sync(session.disk.calls().1 + 1)));
        session.run(&Step::Sync, None).unwrap_err();
        session.disk.set_fault(None);
        let disk = session.disk.snapshot().after_kill_and_eviction(seed);
        let engine = session.setup.open(&disk).unwrap();
        let oracle = session.oracle.judge(&engine, Crash::PowerLoss, None).unwrap();
        let setup = session.setup;
        let mut second = Session { setup, disk, engine: Some(engine), oracle, steps: 0 };
        put(&mut second, 9, 100);
        run(&mut second, Step::Sync);
        drop(after(&second, &second.disk.snapshot(), Crash::PowerLoss, seed));
    }
}

/// A database that a failed sync had halted went on to believe what it had written itself.
#[test]
fn a_halted_database_verifies_what_it_reads() {
    let mut session = session(1, Durability::Process);
    put(&mut session, 1, 30_000);
    session.disk.set_fault(Some(Fault::Sync(session.disk.calls().1 + 1)));
    session.run(&Step::Sync, None).unwrap_err();
    session.disk.set_fault(None);
    let names = session.disk.list(Path::new(DIR)).unwrap();
    let segment = names.iter().find(|n| n.ends_with(".seg")).unwrap();
    let file = session.disk.open(&Path::new(DIR).join(segment), true).unwrap();
    // The kernel has forgotten a page, and the device has something else.
    file.write_all_at(&[0; 4096], 8192).unwrap();
    let read = session.engine().read(b"key:1", |_, value| value.to_vec());
    assert_eq!(read.unwrap_err().kind(), crate::ErrorKind::Corruption);
    let iterated = contents(session.engine());
    assert!(iterated.is_err(), "{iterated:?}");
}

/// A write that was killed before its sync was there after the recovery, under `durability=sync`,
/// and went with the power later: a deleted key came back.
#[test]
fn what_a_recovery_shows_under_sync_stays() {
    let mut session = session(1, Durability::Sync);
    put(&mut session, 1, 100);
    put(&mut session, 2, 100);
    session.disk.record();
    let step = Step::One(b"key:1".to_vec(), None);
    let plan = session.plan(&step);
    let before = session.oracle.clone();
    session.run(&step, plan.as_ref()).unwrap();
    let moments = session.disk.stop_recording();
    let sync = moments.iter().find(|m| m.kind == Some(Call::Sync)).expect("a delete is synced");
    for seed in 0..SEEDS {
        let disk = sync.after_kill(seed);
        let engine = session.setup.open(&disk).unwrap();
        let oracle = before.judge(&engine, Crash::Kill, plan.as_ref()).unwrap();
        assert!(!oracle.live.contains_key(&b"key:1"[..]), "the record was written");
        let shown = Session { setup: session.setup, disk, engine: Some(engine), oracle, steps: 0 };
        let lost = shown.disk.snapshot().after_power_loss(seed);
        let engine = shown.setup.open(&lost).unwrap();
        assert_eq!(contents(&engine).unwrap(), shown.oracle.live, "seed {seed}");
    }
}
