//! Faults: an error at every call of a workload, a failed sync at every sync, a full disk from
//! every call on.
//!
//! 1. The step that a fault strikes fails and names the errno, unless the call was about space or
//!    speed alone (a trim, a leftover, a segment made ahead, a link instead of a copy).
//! 2. A step that failed has changed nothing that can be read, and reads go on.
//! 3. After a failed sync the database takes no more writes and says so with `ReadOnly`.
//! 4. A full disk fails writes with `NoSpace`; once there is room they work again.
//! 5. After the process or the power has gone, the oracle holds: nothing acknowledged is lost, and
//!    the write that failed last is there whole or not at all.
//! 6. After a failed sync the kernel shows what it has dropped as if it were there. A database that
//!    is opened again in the same boot goes on from what it finds, and what it vouches for from then
//!    on outlives a power loss. Where the kernel has forgotten dropped pages meanwhile, what no sync
//!    had covered may be gone, as after a power loss, and nothing else.

use super::disk::{Call, Disk, Fault};
use super::oracle::{contents, Crash, Oracle, UnderWay};
use super::session::{Session, Setup};
use super::workload::{Step, Workload};
use super::{place_of, Report, Violation};
use crate::error::{Error, ErrorKind};

/// Steps of a workload that is run again for every fault.
const STEPS: usize = 20;
/// Steps of a database that is opened again after a failed sync.
const GO_ON_STEPS: usize = 4;
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
        let recycled = |session: &Session| {
            session.engine.as_ref().map_or(0, |engine| engine.source.spares.recycled())
        };
        let recycled_before = recycled(session);
        let result = session.run(step, plan.as_ref());
        let struck = session.disk.struck();
        let Err(e) = result else {
            let strikes_now = struck_before.is_none() && struck.is_some();
            let only_space = [Call::SetLen, Call::Remove, Call::Exists, Call::List, Call::Reserve];
            let may_go_on = match (step, struck) {
                (Step::Prepare(_), _) => true,
                (Step::Backup, Some(Call::Link | Call::Len)) => true,
                // A smaller segment was made of a spare file, which needs no room.
                (_, Some(Call::Allocate)) if recycled(session) > recycled_before => true,
                (_, call) => call.is_some_and(|c| only_space.contains(&c)),
            };
            if strikes_now && !may_go_on {
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
            // What a failed sync has dropped the page cache still shows, in this boot: the crashes
            // that follow go on from here.
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
        let struck = session.disk.struck();
        for n in 0..4 {
            let (crash, disk) = match n {
                0 => (Crash::Kill, moment.after_kill(seed)),
                _ => (Crash::PowerLoss, moment.after_power_loss(seed + n)),
            };
            self.recover(session, crash, &disk, under_way, &format!("{n}"))?;
        }
        if !matches!(struck, Some(Call::Sync | Call::SyncDir)) {
            return Ok(());
        }
        // The same boot, the pages as they are, and then with some of them forgotten.
        for n in 0..3 {
            let (crash, disk) = match n {
                0 => (Crash::Kill, moment.after_kill(seed)),
                _ => (Crash::PowerLoss, moment.after_kill_and_eviction(seed + n)),
            };
            let oracle = self.recover(session, crash, &disk, under_way, "in the same boot")?;
            self.go_on(session.setup, disk, oracle, seed + n)?;
        }
        Ok(())
    }

    /// Opens what a crash has left and judges it.
    fn recover(
        &mut self,
        session: &Session,
        crash: Crash,
        disk: &Disk,
        under_way: Option<&UnderWay>,
        which: &str,
    ) -> Result<Oracle, String> {
        let (setup, struck) = (session.setup, session.disk.struck());
        *self.place =
            format!("{setup:?}, {:?} struck {struck:?}, then {crash:?} {which}", self.fault);
        let engine = setup.open(disk).map_err(|e| format!("open refuses: {e}"))?;
        session.oracle.judge(&engine, crash, under_way)
    }

    /// A database that was opened again after a failed sync is used, killed and opened, syncs, and
    /// loses the power.
    fn go_on(&mut self, setup: Setup, disk: Disk, oracle: Oracle, seed: u64) -> Result<(), String> {
        let place = self.place.clone();
        let fails = |e: Error| format!("after the reopen: {e}");
        let open = |disk: &Disk| setup.open(disk).map(Some).map_err(fails);
        let mut session = Session { setup, engine: open(&disk)?, disk, oracle, steps: 0 };
        let mut workload = Workload::new(seed ^ 1);
        for n in 0..GO_ON_STEPS {
            let step = workload.step();
            *self.place = format!("{place}, step {n} after it, {}", step.name());
            let plan = session.plan(&step);
            session.run(&step, plan.as_ref()).map_err(fails)?;
            if n == GO_ON_STEPS / 2 && seed % 2 == 0 {
                let disk = session.disk.snapshot().after_kill(seed);
                let engine = open(&disk)?;
                if let Some(engine) = &engine {
                    session.oracle = session.oracle.judge(engine, Crash::Kill, None)?;
                }
                session = Session { engine, disk, ..session };
            }
        }
        session.run(&Step::Sync, None).map_err(fails)?;
        *self.place = format!("{place}, then a power loss after a sync");
        let moment = session.disk.snapshot();
        for n in 0..3 {
            let lost = moment.after_power_loss(seed + n);
            let engine = setup.open(&lost).map_err(|e| format!("open refuses: {e}"))?;
            session.oracle.judge(&engine, Crash::PowerLoss, None)?;
        }
        Ok(())
    }
}
