//! The sweep: a crash at every call of a workload, and at every call of the recoveries that
//! follow, two deep.
//!
//! A seed gives a workload of a few dozen steps. Before every call of it that changes the disk,
//! and after every step, the machine crashes: the process is killed, or the power is lost, several
//! times with other sectors surviving. Each such disk is recovered and judged by the oracle. That
//! recovery has crashes of its own, before each of its calls; they are recovered and judged too.
//! What a recovery found is what every later one must find: after a power loss exactly.
//! Now and then the index image is lost as well, and a recovered database is used, closed and opened again. After the steps one of the
//! crashes is taken for good, and the workload goes on from what it left.

use super::disk::{Disk, Snapshot};
use super::oracle::{contents, Crash, Oracle, UnderWay};
use super::random::Random;
use super::session::{Session, Setup};
use super::workload::{Step, Workload};
use super::{place_of, Report, Violation};
use crate::engine::Engine;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// Steps between two crashes that are taken for good.
const STEPS: usize = 24;
/// Lives of a database of one seed.
const LIVES: usize = 3;
/// Power losses tried at one moment of the workload.
const POWER_LOSSES: usize = 2;

/// Runs one seed.
pub(crate) fn run(seed: u64, report: &mut Report) -> Result<(), Violation> {
    place_of(seed, |place| {
        Sweep { random: Random::new(seed), report, backs_up: false, place }.run(seed)
    })
}

struct Sweep<'a> {
    random: Random,
    report: &'a mut Report,
    /// Whether the step at hand is a backup.
    backs_up: bool,
    /// Where the sweep is, for the report of a violation.
    place: &'a mut String,
}

/// Opens a crashed disk and judges it.
fn recover(
    setup: &Setup,
    disk: &Disk,
    oracle: &Oracle,
    crash: Crash,
    under_way: Option<&UnderWay>,
) -> Result<(Arc<Engine>, Oracle), String> {
    let engine = setup.open(disk).map_err(|e| format!("open refuses: {e}"))?;
    let oracle = oracle.judge(&engine, crash, under_way)?;
    Ok((engine, oracle))
}

impl Sweep<'_> {
    fn run(&mut self, seed: u64) -> Result<(), String> {
        let setup = Setup::of_seed(seed);
        let mut workload = Workload::new(seed);
        let disk = Disk::new(seed);
        disk.record();
        *self.place = format!("{setup:?}, creation");
        let engine = setup.open(&disk).map_err(|e| format!("open refuses: {e}"))?;
        let oracle = Oracle::default();
        let mut session = Session { setup, disk, engine: Some(engine), oracle, steps: 0 };
        let created = session.disk.recorded();
        self.crashes(&session, &created, None, &setup)?;
        for life in 0..LIVES {
            let mut last = None;
            for n in 0..STEPS {
                let step = workload.step();
                *self.place = format!("{setup:?}, life {life}, step {n} {}", step.name());
                self.backs_up = step == Step::Backup;
                let plan = session.plan(&step);
                let before = session.oracle.clone();
                session.run(&step, plan.as_ref()).map_err(|e| format!("it fails: {e}"))?;
                self.report.steps += 1;
                let during = session.disk.recorded();
                let after = std::mem::replace(&mut session.oracle, before);
                self.crashes(&session, &during, plan.as_ref(), &setup)?;
                session.oracle = after;
                let now = [session.disk.snapshot()];
                self.crashes(&session, &now, None, &setup)?;
                last = Some(now);
            }
            *self.place = format!("{setup:?}, life {life}, the crash taken for good");
            let Some([moment]) = last else { return Ok(()) };
            let (crash, disk) = self.crash(&moment);
            disk.record();
            let (engine, oracle) = recover(&setup, &disk, &session.oracle, crash, None)?;
            session = Session { setup, disk, engine: Some(engine), oracle, steps: 0 };
            session.disk.recorded();
        }
        Ok(())
    }

    /// A crash of either kind.
    fn crash(&mut self, moment: &Snapshot) -> (Crash, Disk) {
        let seed = self.random.next();
        if self.random.one_in(3) {
            (Crash::Kill, moment.after_kill(seed))
        } else {
            (Crash::PowerLoss, moment.after_power_loss(seed))
        }
    }

    /// Crashes at each of `moments`.
    fn crashes(
        &mut self,
        session: &Session,
        moments: &[Snapshot],
        under_way: Option<&UnderWay>,
        setup: &Setup,
    ) -> Result<(), String> {
        let place = self.place.clone();
        for moment in moments {
            self.report.calls += u64::from(moment.kind.is_some());
            for n in 0..=POWER_LOSSES {
                let seed = self.random.next();
                let (crash, disk) = match n {
                    0 => (Crash::Kill, moment.after_kill(seed)),
                    _ => (Crash::PowerLoss, moment.after_power_loss(seed)),
                };
                *self.place = format!(
                    "{place}, call {} {:?}, {crash:?} with {seed:#x}",
                    moment.call, moment.kind
                );
                if self.random.one_in(5) {
                    // The index must be rebuilt from the segments.
                    self.place.push_str(", without images");
                    disk.lose(".img");
                }
                disk.record();
                let (engine, oracle) = recover(setup, &disk, &session.oracle, crash, under_way)?;
                self.report.crashes += 1;
                let cold_reads = engine.memory.cold_reads.load(Ordering::Relaxed);
                self.report.cold_reads += cold_reads;
                let recorded = disk.recorded();
                let backs_up = under_way.is_none() && moment.kind.is_some() && self.backs_up;
                if (backs_up || session.oracle.has_backup()) && self.random.one_in(4) {
                    let disk = disk.snapshot().after_kill(seed);
                    session.oracle.judge_backup(setup, &disk, backs_up)?;
                }
                self.second_crashes(setup, &recorded, &oracle, crash)?;
                if self.random.one_in(16) {
                    self.use_and_reopen(setup, engine, &disk, oracle)?;
                }
            }
        }
        *self.place = place;
        Ok(())
    }

    /// Crashes at each call of a recovery that found what `oracle` says.
    fn second_crashes(
        &mut self,
        setup: &Setup,
        moments: &[Snapshot],
        oracle: &Oracle,
        first: Crash,
    ) -> Result<(), String> {
        let place = self.place.clone();
        for moment in moments {
            let (second, disk) = self.crash(moment);
            *self.place =
                format!("{place}, then call {} {:?}, {second:?}", moment.call, moment.kind);
            // After a power loss `oracle` has nothing that may go: this is exactly the same state.
            let mut known = oracle.clone();
            if first == Crash::PowerLoss {
                known.synced();
            }
            recover(setup, &disk, &known, second, None)?;
            self.report.second_crashes += 1;
        }
        *self.place = place;
        Ok(())
    }

    /// A recovered database takes writes, syncs, survives a power loss, closes and opens again.
    fn use_and_reopen(
        &mut self,
        setup: &Setup,
        engine: Arc<Engine>,
        disk: &Disk,
        oracle: Oracle,
    ) -> Result<(), String> {
        let fails = |e: crate::Error| format!("after recovery: {e}");
        let mut session =
            Session { setup: *setup, disk: disk.clone(), engine: Some(engine), oracle, steps: 0 };
        let mut workload = Workload::new(self.random.next());
        for _ in 0..4 {
            let step = workload.step();
            let plan = session.plan(&step);
            session.run(&step, plan.as_ref()).map_err(fails)?;
        }
        session.run(&Step::Sync, None).map_err(fails)?;
        let lost = disk.snapshot().after_power_loss(self.random.next());
        let crash = Crash::PowerLoss;
        recover(setup, &lost, &session.oracle, crash, None)
            .map_err(|e| format!("after recovery, writes, a sync and a power loss: {e}"))?;
        self.report.crashes += 1;
        session.run(&Step::Reopen, None).map_err(fails)?;
        if contents(session.engine())? != session.oracle.live {
            return Err("after recovery and a proper close something else is there".to_owned());
        }
        Ok(())
    }
}
