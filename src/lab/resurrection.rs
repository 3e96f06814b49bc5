//! Resurrection: does a deleted key ever come back, or a live one go?
//!
//! The classic defect of stores that keep their data in a log. A delete is a record; the puts that
//! it kills lie in other files; each is moved, freed, lost with an index image or brought back by a
//! crash at its own time. Whatever the order, the delete must outlive them.
//!
//! A *round* is a few steps (overwrites, deletes, batches, compactions, checkpoints), then a crash
//! inside the last of them, which is a compaction every other time; now and then the index images
//! are lost; the recovery is crashed inside as well, and so may be the one after it. Every recovery
//! that comes to its end is compared with the model, whole. The next round goes on from what the
//! last crash has left: files age through many crashes. A *database* lives for [`ROUNDS`] rounds.
//!
//! The sweep ([`super::sweep`]) crashes at every call of a short life; this crashes at one call a
//! round of a long one.

use super::disk::{Disk, Snapshot};
use super::oracle::{contents, Crash, Oracle};
use super::random::Random;
use super::session::{Session, Setup};
use super::workload::{Step, Workload};
use super::{place_of, Violation};
use crate::engine::Engine;
use std::sync::Arc;

/// Rounds in the life of one database.
const ROUNDS: u64 = 50;
/// Most steps of a round.
const STEPS_MAX: u64 = 10;

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResurrectionReport {
    /// Rounds, and databases that they were done on.
    pub rounds: u64,
    /// See `rounds`.
    pub databases: u64,
    /// Deletes, those in batches included.
    pub deletes: u64,
    /// Compactions, of one segment or of all.
    pub compactions: u64,
    /// Crashes inside a compaction.
    pub inside_compaction: u64,
    /// Crashes inside a recovery.
    pub inside_recovery: u64,
    /// Recoveries without index images.
    pub without_images: u64,
    /// Whole states that were compared with the model.
    pub compared: u64,
}

/// Runs up to `rounds` rounds on the database of one seed.
pub(crate) fn run(
    seed: u64,
    rounds: u64,
    report: &mut ResurrectionReport,
) -> Result<(), Violation> {
    report.databases += 1;
    place_of(seed, |place| {
        let setup = Setup::of_seed(seed);
        let mut run =
            Run { random: Random::new(seed), workload: Workload::new(seed), setup, report, place };
        run.life(seed, rounds.min(ROUNDS))
    })
}

struct Run<'a> {
    random: Random,
    workload: Workload,
    setup: Setup,
    report: &'a mut ResurrectionReport,
    place: &'a mut String,
}

impl Run<'_> {
    fn life(&mut self, seed: u64, rounds: u64) -> Result<(), String> {
        let disk = Disk::new(seed);
        let engine = self.setup.open(&disk).map_err(|e| format!("open refuses: {e}"))?;
        let mut session = Session {
            setup: self.setup,
            disk,
            engine: Some(engine),
            oracle: Oracle::default(),
            steps: 0,
        };
        for round in 0..rounds {
            *self.place = format!("{:?}, round {round}", self.setup);
            session = self.round(session)?;
            self.report.rounds += 1;
        }
        *self.place = format!("{:?}, the end", self.setup);
        session.run(&Step::Reopen, None).map_err(|e| format!("closing and opening fails: {e}"))?;
        if contents(session.engine())? != session.oracle.live {
            return Err("after a proper close something else is there".to_owned());
        }
        Ok(())
    }

    /// Steps, crashes, recoveries; what is left is the session of the next round.
    fn round(&mut self, mut session: Session) -> Result<Session, String> {
        let place = self.place.clone();
        for n in 0..self.random.below(STEPS_MAX) {
            let step = self.step();
            *self.place = format!("{place}, step {n} {}", step.name());
            let plan = session.plan(&step);
            session.run(&step, plan.as_ref()).map_err(|e| format!("it fails: {e}"))?;
        }
        let step = if self.random.one_in(2) { self.compaction() } else { self.step() };
        *self.place = format!("{place}, last step {}", step.name());
        let plan = session.plan(&step);
        let before = session.oracle.clone();
        session.disk.record();
        session.run(&step, plan.as_ref()).map_err(|e| format!("it fails: {e}"))?;
        let during = session.disk.stop_recording();
        // Before one of its calls, or after all of them.
        let n = self.random.below(during.len() as u64 + 1) as usize;
        let (moment, oracle, under_way) = match during.get(n) {
            Some(moment) => (moment.clone(), before, plan.as_ref()),
            None => (session.disk.snapshot(), session.oracle.clone(), None),
        };
        let inside = matches!(step, Step::Compact | Step::CompactOne(_)) && n < during.len();
        self.report.inside_compaction += u64::from(inside);
        drop(session);
        let (crash, disk) = self.crash(&moment, &format!("{place}, {} call {n}", step.name()));
        let (engine, oracle) = self.recover(&disk, &oracle, crash, under_way)?;
        self.crash_recoveries(engine, disk, oracle, crash)
    }

    /// Crashes a recovery that found what `oracle` says, and perhaps the one that follows.
    fn crash_recoveries(
        &mut self,
        mut engine: Arc<Engine>,
        mut disk: Disk,
        mut oracle: Oracle,
        mut crash: Crash,
    ) -> Result<Session, String> {
        for _ in 0..self.random.below(3) {
            let moments = disk.stop_recording();
            if moments.is_empty() {
                break;
            }
            let n = self.random.below(moments.len() as u64) as usize;
            if crash == Crash::PowerLoss {
                // What a recovery has found every later one must find.
                oracle.synced();
            }
            let place = self.place.clone();
            drop(engine);
            let second;
            (second, disk) = self.crash(&moments[n], &format!("{place}, recovery call {n}"));
            (engine, oracle) = self.recover(&disk, &oracle, second, None)?;
            self.report.inside_recovery += 1;
            crash = second;
        }
        disk.stop_recording();
        Ok(Session { setup: self.setup, disk, engine: Some(engine), oracle, steps: 0 })
    }

    /// A crash of either kind, and perhaps the loss of the images.
    fn crash(&mut self, moment: &Snapshot, place: &str) -> (Crash, Disk) {
        let seed = self.random.next();
        let (crash, disk) = if self.random.one_in(2) {
            (Crash::Kill, moment.after_kill(seed))
        } else {
            (Crash::PowerLoss, moment.after_power_loss(seed))
        };
        *self.place = format!("{place}, {crash:?} with {seed:#x}");
        if self.random.one_in(3) {
            self.place.push_str(", without images");
            disk.lose(".img");
            self.report.without_images += 1;
        }
        disk.record();
        (crash, disk)
    }

    fn recover(
        &mut self,
        disk: &Disk,
        oracle: &Oracle,
        crash: Crash,
        under_way: Option<&super::oracle::UnderWay>,
    ) -> Result<(Arc<Engine>, Oracle), String> {
        let engine = self.setup.open(disk).map_err(|e| format!("open refuses: {e}"))?;
        let oracle = oracle.judge(&engine, crash, under_way)?;
        self.report.compared += 1;
        Ok((engine, oracle))
    }

    fn step(&mut self) -> Step {
        let step = match self.random.below(20) {
            0..=6 => self.workload.delete(),
            7..=9 => self.compaction(),
            10 => Step::Checkpoint,
            _ => self.workload.step(),
        };
        self.count(&step);
        step
    }

    /// Of one segment after the other: what it leaves behind for good is tried most.
    fn compaction(&mut self) -> Step {
        let step = match self.random.below(8) {
            0 => Step::Compact,
            n => Step::CompactOne((n + self.random.below(8)) as usize),
        };
        self.count(&step);
        step
    }

    fn count(&mut self, step: &Step) {
        let is_delete = |(_, value): &&(Vec<u8>, Option<Vec<u8>>)| value.is_none();
        self.report.deletes += match step {
            Step::One(_, None) | Step::Swap(_, None) => 1,
            Step::Batch(changes) => changes.iter().filter(is_delete).count() as u64,
            _ => 0,
        };
        self.report.compactions += u64::from(matches!(step, Step::Compact | Step::CompactOne(_)));
    }
}
