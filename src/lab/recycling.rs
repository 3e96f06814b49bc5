//! Files that are used again: a few keys overwritten, compacted and overwritten again, so that every
//! segment but the first lies in a file that was another one; crashed at each call of it.
//!
//! The sweep meets this too, now and then. Here it is met all the time.

use super::disk::{Disk, Snapshot};
use super::oracle::{Crash, Oracle};
use super::random::Random;
use super::session::{Session, Setup};
use super::workload::Step;
use super::{place_of, Report, Violation};
use crate::options::Durability;

/// Rounds of a workload, and puts in each of them: some segments of 64 KiB.
const ROUNDS: u64 = 5;
const PUTS: u64 = 40;
/// Keys that are overwritten.
const KEYS: u64 = 12;

/// Runs the workload of one seed.
pub(crate) fn run(seed: u64, report: &mut Report) -> Result<(), Violation> {
    place_of(seed, |place| {
        let setup = Setup { shards: 1, durability: Durability::Process, cold: false };
        let (mut random, disk) = (Random::new(seed), Disk::new(seed));
        let engine = setup.open(&disk).map_err(|e| format!("open refuses: {e}"))?;
        let mut session =
            Session { setup, disk, engine: Some(engine), oracle: Oracle::default(), steps: 0 };
        for round in 0..ROUNDS {
            for n in 0..PUTS {
                let key = format!("key:{}", random.below(KEYS)).into_bytes();
                let value = vec![(round * PUTS + n) as u8; 3_000 + random.below(5_000) as usize];
                *place = format!("round {round}, put {n}");
                step(&mut session, &Step::One(key, Some(value)), &mut random, report)?;
            }
            for upkeep in [Step::Compact, Step::Sync] {
                *place = format!("round {round}, {}", upkeep.name());
                step(&mut session, &upkeep, &mut random, report)?;
            }
        }
        report.recycled += session.engine().source.spares.recycled();
        Ok(())
    })
}

/// A step, crashed at some of its calls and after it.
fn step(
    session: &mut Session,
    step: &Step,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), String> {
    let plan = session.plan(step);
    let before = session.oracle.clone();
    session.disk.record();
    let done = session.run(step, plan.as_ref());
    let moments = session.disk.stop_recording();
    done.map_err(|e| format!("it fails: {e}"))?;
    report.steps += 1;
    let mut judge = |moment: &Snapshot, oracle: &Oracle, plan, random: &mut Random| {
        let seed = random.next();
        let (crash, disk) = match random.one_in(2) {
            true => (Crash::Kill, moment.after_kill(seed)),
            false => (Crash::PowerLoss, moment.after_power_loss(seed)),
        };
        report.crashes += 1;
        let engine = session.setup.open(&disk);
        let engine = engine.map_err(|e| format!("open refuses after {crash:?}: {e}"))?;
        oracle.judge(&engine, crash, plan).map(|_| ())
    };
    for moment in &moments {
        if random.one_in(2) {
            judge(moment, &before, plan.as_ref(), random)?;
        }
    }
    if random.one_in(4) {
        judge(&session.disk.snapshot(), &session.oracle, None, random)?;
    }
    Ok(())
}
