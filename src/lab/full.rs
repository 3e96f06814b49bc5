//! A full disk: a simulated one that has room for little more than it holds.
//!
//! The workload of one seed runs on a disk whose room is what the database has now, or somewhat
//! more or less, and changes. Then:
//! 1. a put may fail, with `NoSpace` alone; a step that failed has changed nothing that can be read;
//! 2. deletes, checkpoints, compactions, syncs, closing and opening never fail while the reserve
//!    lasts: a few of them in a row at the least;
//! 3. once there is room, puts go on, and the reserve is whole again;
//! 4. what a crash leaves at any of its calls is what the oracle knows.

use super::disk::Disk;
use super::oracle::{contents, Crash, Oracle};
use super::random::Random;
use super::session::{Session, Setup};
use super::workload::{Step, Workload};
use super::{place_of, Report, Violation};
use crate::error::ErrorKind;

/// Steps before the disk is full, and while it is.
const STEPS: u64 = 24;
/// Deletes and upkeep in a row that the reserve must last for.
const ROOM_MAKERS: usize = 6;
/// Times that the disk fills up.
const TIMES: usize = 3;

/// Runs the workload of one seed.
pub(crate) fn run(seed: u64, report: &mut Report) -> Result<(), Violation> {
    place_of(seed, |place| {
        let setup = Setup::of_seed(seed);
        let (random, workload) = (Random::new(seed), Workload::new(seed));
        Full { setup, random, workload, place, report }.run(seed)
    })
}

struct Full<'a> {
    setup: Setup,
    random: Random,
    workload: Workload,
    place: &'a mut String,
    report: &'a mut Report,
}

impl Full<'_> {
    fn run(&mut self, seed: u64) -> Result<(), String> {
        let disk = Disk::new(seed);
        let engine = self.setup.open(&disk).map_err(|e| format!("open refuses: {e}"))?;
        let mut session = Session {
            setup: self.setup,
            disk,
            engine: Some(engine),
            oracle: Oracle::default(),
            steps: 0,
        };
        for time in 0..TIMES {
            for _ in 0..STEPS {
                let step = self.workload.step();
                self.must(&mut session, &step, "with room")?;
            }
            // As if others took what is left, though not what is held: upkeep has seen to that.
            self.must(&mut session, &Step::Checkpoint, "with room")?;
            let used = session.disk.used();
            session.disk.set_room(Some(used + self.random.below(2) * self.random.below(200_000)));
            self.report.faults += 1;
            for n in 0..STEPS {
                let step = self.workload.step();
                let may_fail = match &step {
                    Step::One(_, value) | Step::Swap(_, value) => value.is_some(),
                    Step::Batch(changes) => changes.iter().any(|(_, value)| value.is_some()),
                    _ => false,
                };
                if may_fail {
                    self.may(&mut session, &step, &format!("time {time}, step {n}"))?;
                }
            }
            for n in 0..ROOM_MAKERS {
                let step = match self.random.below(6) {
                    0..=2 => self.workload.delete(),
                    3 => Step::Checkpoint,
                    4 => Step::Compact,
                    _ => Step::Reopen,
                };
                self.must(&mut session, &step, &format!("time {time}, making room {n}"))?;
            }
            session.disk.set_room(None);
            let step = Step::One(b"key:1".to_vec(), Some(vec![7; 100]));
            self.must(&mut session, &step, "with room again")?;
            self.must(&mut session, &Step::Checkpoint, "with room again")?;
            let reserve = &session.engine().source.reserve;
            let (held, target) = (reserve.held(), session.engine().source.reserve_target(0));
            if held < target / 2 {
                return Err(format!("the reserve holds {held} bytes of {target}"));
            }
        }
        Ok(())
    }

    /// A step that must succeed, crashed at each of its calls.
    fn must(&mut self, session: &mut Session, step: &Step, when: &str) -> Result<(), String> {
        *self.place = format!("{:?}, {when}: {}", self.setup, step.name());
        let plan = session.plan(step);
        let before = session.oracle.clone();
        session.disk.record();
        let done = session.run(step, plan.as_ref());
        let moments = session.disk.stop_recording();
        done.map_err(|e| {
            let Some(engine) = &session.engine else { return format!("it fails: {e}") };
            let (held, target) = (engine.source.reserve.held(), engine.source.reserve_target(0));
            format!("it fails: {e}; the reserve holds {held} bytes of {target}")
        })?;
        for moment in &moments {
            if !self.random.one_in(4) {
                continue;
            }
            let seed = self.random.next();
            let (crash, disk) = match self.random.one_in(2) {
                true => (Crash::Kill, moment.after_kill(seed)),
                false => (Crash::PowerLoss, moment.after_power_loss(seed)),
            };
            let engine = self.setup.open(&disk).map_err(|e| format!("open refuses: {e}"))?;
            before.judge(&engine, crash, plan.as_ref())?;
            self.report.crashes += 1;
        }
        Ok(())
    }

    /// A step that may be refused for want of room.
    fn may(&mut self, session: &mut Session, step: &Step, when: &str) -> Result<(), String> {
        *self.place = format!("{:?}, {when}: {}", self.setup, step.name());
        let plan = session.plan(step);
        let Err(e) = session.run(step, plan.as_ref()) else { return Ok(()) };
        if e.kind() != ErrorKind::NoSpace {
            return Err(format!("a full disk is {:?}: {e}", e.kind()));
        }
        session.engine().check_writable().map_err(|e| format!("the database has halted: {e}"))?;
        if contents(session.engine())? != session.oracle.live {
            return Err(format!("a step that failed has changed something: {e}"));
        }
        Ok(())
    }
}
