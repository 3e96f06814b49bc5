//! Faults: an error at every call of a workload, a failed sync at every sync, a full disk from
//! every call on.
//!
//! 1. The step that a fault strikes fails and names the errno, unless the call was about space or
//!    speed alone (a trim, a leftover, a segment made ahead).
//! 2. A step that failed has changed nothing that can be read, and reads go on.
//! 3. After a failed sync the database takes no more writes and says so with `ReadOnly`.
//! 4. A full disk fails writes with `NoSpace`; once there is room they work again.
//! 5. After the process or the power has gone, the oracle holds: nothing acknowledged is lost, and
//!    the write that failed last is there whole or not at all.

use super::disk::{Call, Disk, Fault};
use super::oracle::{contents, Crash, Oracle, UnderWay};
use super::session::{Session, Setup};
use super::workload::{Step, Workload};
use super::{place_of, Report, Violation};
use crate::error::{Error, ErrorKind};

/// Steps of a workload that is run again for every fault.
const STEPS: usize = 20;
/// Steps after which a full disk is given room.
const FULL_STEPS: usize = 5;

/// Runs the workload of one seed with every fault, every `stride`-th of each kind.
pub(crate) fn run(seed: u64, stride: u64, report: &mut Report) -> Result<(), Violation> {
    let mut attempt = |fault: Option<Fault>| {
        report.faults += u64::from(fault.is_some());
        place_of(seed, |place| {
            *place = format!("{:?}, {fault:?}", Setup::of_seed(seed));
            Attempt { place, fault, full_since: None }.run(seed)
        })
    };
    let (calls, syncs) = attempt(None)?;
    let first = 1 + seed % stride;
    for n in (first..=calls).step_by(stride as usize) {
        attempt(Some(Fault::Error(n)))?;
        attempt(Some(Fault::Full(n)))?;
    }
    for n in (first..=syncs).step_by(stride as usize) {
        attempt(Some(Fault::Sync(n)))?;
    }
    Ok(())
}

struct Attempt<'a> {
    place: &'a mut String,
    fault: Option<Fault>,
    /// The step at which the disk was first too full for one.
    full_since: Option<usize>,
}

impl Attempt<'_> {
    /// The numbers of calls and syncs.
    fn run(&mut self, seed: u64) -> Result<(u64, u64), String> {
        let setup = Setup::of_seed(seed);
        let mut workload = Workload::new(seed);
        let disk = Disk::new(seed);
        disk.set_fault(self.fault);
        let engine = match setup.open(&disk) {
            Ok(engine) => engine,
            Err(e) => {
                self.check_error(&disk, &e)?;
                disk.set_fault(None);
                setup.open(&disk).map_err(|e| format!("open without the fault refuses: {e}"))?
            }
        };
        let mut session =
            Session { setup, disk, engine: Some(engine), oracle: Oracle::default(), steps: 0 };
        let mut under_way = None;
        for n in 0..STEPS {
            let step = workload.step();
            *self.place = format!("{setup:?}, {:?}, step {n} {}", self.fault, step.name());
            if self.full_since.is_some_and(|since| n >= since + FULL_STEPS) {
                session.disk.set_fault(None);
            }
            if let Some(failed) = self.step(&mut session, &step, n)? {
                under_way = failed;
                break;
            }
        }
        let calls = session.disk.calls();
        self.crash(&session, under_way.as_ref(), seed)?;
        Ok(calls)
    }

    /// Does a step. Some: the database has halted, with this write under way.
    fn step(
        &mut self,
        session: &mut Session,
        step: &Step,
        n: usize,
    ) -> Result<Option<Option<UnderWay>>, String> {
        let struck_before = session.disk.struck();
        let plan = session.plan(step);
        let result = session.run(step, plan.as_ref());
        let struck = session.disk.struck();
        let Err(e) = result else {
            let strikes_now = struck_before.is_none() && struck.is_some();
            let only_space = [Call::SetLen, Call::Remove, Call::Exists, Call::List];
            if strikes_now
                && !struck.is_some_and(|c| only_space.contains(&c))
                && !matches!(step, Step::Prepare(_))
            {
                return Err(format!("the step succeeds though {struck:?} failed"));
            }
            return Ok(None);
        };
        self.check_error(&session.disk, &e)?;
        if session.engine.is_none() {
            // The close or the open failed. All that was acknowledged is still in the files.
            session.disk.set_fault(None);
            let open = session.setup.open(&session.disk);
            let engine = open.map_err(|e| format!("open without the fault refuses: {e}"))?;
            session.oracle = session.oracle.judge(&engine, Crash::Kill, None)?;
            session.engine = Some(engine);
            // What a failed sync has dropped the page cache still shows, in this boot. What is
            // promised of it then is in docs/reliability.md.
            let dropped = matches!(struck, Some(Call::Sync | Call::SyncDir));
            return Ok(dropped.then_some(None));
        }
        if contents(session.engine())? != session.oracle.live {
            return Err(format!("a step that failed has changed something: {e}"));
        }
        if matches!(self.fault, Some(Fault::Full(_))) {
            if e.kind() != ErrorKind::NoSpace {
                return Err(format!("a full disk is {:?}: {e}", e.kind()));
            }
            self.full_since.get_or_insert(n);
        }
        match session.engine().check_writable() {
            Ok(()) => Ok(None),
            Err(e) if e.kind() == ErrorKind::ReadOnly => Ok(Some(plan)),
            Err(e) => Err(format!("the database has halted with {:?}: {e}", e.kind())),
        }
    }

    fn check_error(&self, disk: &Disk, e: &Error) -> Result<(), String> {
        if disk.struck().is_none() {
            return Err(format!("it fails without a fault: {e}"));
        }
        let errno =
            if matches!(self.fault, Some(Fault::Full(_))) { libc::ENOSPC } else { libc::EIO };
        if !e.message().contains(&format!("(errno {errno})")) {
            return Err(format!("the error does not name errno {errno}: {e}"));
        }
        Ok(())
    }

    /// The process dies, and the power goes, several times.
    fn crash(
        &mut self,
        session: &Session,
        under_way: Option<&UnderWay>,
        seed: u64,
    ) -> Result<(), String> {
        let moment = session.disk.snapshot();
        for n in 0..4 {
            let (crash, disk) = match n {
                0 => (Crash::Kill, moment.after_kill(seed)),
                _ => (Crash::PowerLoss, moment.after_power_loss(seed + n)),
            };
            *self.place = format!(
                "{:?}, {:?} struck {:?}, then {crash:?} {n}",
                session.setup,
                self.fault,
                session.disk.struck()
            );
            let engine = session.setup.open(&disk).map_err(|e| format!("open refuses: {e}"))?;
            session.oracle.judge(&engine, crash, under_way)?;
        }
        Ok(())
    }
}
