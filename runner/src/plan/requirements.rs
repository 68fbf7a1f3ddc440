//! What a run must have seen, derived from what was asked for: never from what happened to be planned.

use std::collections::BTreeMap;

use whitewater_checker::strength::{FamilyMinimum, PhaseMinimum, Requirements};

use super::{WorkloadPlan, schedule};
use crate::workload::{self, Habit};

/// Ok operations of each kind before the first fault and after the last: enough to know that the
/// workload works at all.
const EDGE_MINIMUM: u64 = 20;
/// Of the operations asked for in the fault phase, one in this many must have succeeded: below it the
/// cluster was down most of the time and little was tested.
const DURING_SHARE: u64 = 20;
/// The least and the most that is asked of the fault phase.
const DURING_LIMITS: (u64, u64) = (20, 500);
/// What `--rate 0` is taken to mean here.
const RATE_ASSUMED: u64 = 500;

/// Of the changes offered, so many in a hundred can be counted on: faults take a part of the time, and of
/// the cas some lose a race.
const COUNTED_ON_PERCENT: u64 = 50;
/// How long the first operations of every kind may take: `run` waits for them before the first fault.
pub(crate) const WARM_UP_S: u64 = 20;
/// How long the cluster may take to serve again after the last fault; part of the verdict.
pub(crate) const RECOVERY_S: u64 = 10;

/// The requirements of a plan for these families.
pub(super) fn of(
    families: &[String],
    nodes: u32,
    workload: &WorkloadPlan,
    time_ms: u64,
) -> Result<Requirements, String> {
    let rate = if workload.rate == 0 { RATE_ASSUMED } else { u64::from(workload.rate) };
    let asked = rate * time_ms / 1000;
    let mut operations_ok_min = BTreeMap::new();
    for (kind, percent) in workload::kinds(&workload.name) {
        let during = asked * u64::from(*percent) / 100 / DURING_SHARE;
        let minimum = PhaseMinimum {
            before: EDGE_MINIMUM,
            during: during.clamp(DURING_LIMITS.0, DURING_LIMITS.1),
            after: EDGE_MINIMUM,
        };
        operations_ok_min.insert((*kind).to_owned(), minimum);
    }
    let mut requirements = Requirements { operations_ok_min, ..Requirements::default() };
    complete(&mut requirements, families, nodes)?;
    Ok(requirements)
}

/// Adds what these families require and the requirements do not name yet.
pub(super) fn complete(
    requirements: &mut Requirements,
    families: &[String],
    nodes: u32,
) -> Result<(), String> {
    for family in families {
        let (leader_hit, leader_spared) = schedule::roles(family, nodes)?;
        let minimum = FamilyMinimum { leader_hit, leader_spared };
        requirements.families.entry(family.clone()).or_insert(minimum);
    }
    requirements.fault_kinds.extend(families.iter().cloned());
    requirements.fault_kinds.sort_unstable();
    requirements.fault_kinds.dedup();
    Ok(())
}

/// Refuses a workload that cannot come to what is required of it, with the numbers.
pub(super) fn reachable(
    requirements: &Requirements,
    workload: &WorkloadPlan,
    time_ms: u64,
) -> Result<(), String> {
    // As fast as they are answered: how fast that is, nobody knows beforehand.
    if workload.rate == 0 {
        return Ok(());
    }
    let mut worst = None;
    for (kind, percent) in workload::kinds(&workload.name) {
        let Some(minimum) = requirements.operations_ok_min.get(*kind) else { continue };
        let parts = [
            ("before the faults", minimum.before, WARM_UP_S * 1000),
            ("during the faults", minimum.during, time_ms),
            ("after the faults", minimum.after, RECOVERY_S * 1000),
        ];
        for (when, needed, within_ms) in parts {
            let offered = |rate: u32| offered(kind, *percent, rate, workload.clients, within_ms);
            let least =
                (1..RATE_MAX).find(|rate| offered(*rate) * COUNTED_ON_PERCENT / 100 >= needed);
            let least = least.unwrap_or(RATE_MAX);
            let short =
                Short { kind, when, needed, within_ms, offered: offered(workload.rate), least };
            if worst.as_ref().is_none_or(|worst: &Short| worst.least < short.least) {
                worst = Some(short);
            }
        }
    }
    match worst.filter(|worst| worst.least > workload.rate) {
        None => Ok(()),
        Some(short) => Err(format!(
            "--rate {} with {} clients offers {} {} operations in the {} s {}, of which \
             {COUNTED_ON_PERCENT} % can be counted on; {} must succeed for a pass to mean something; \
             the least --rate for this is {}",
            workload.rate,
            workload.clients,
            short.offered,
            short.kind,
            short.within_ms as f64 / 1000.0,
            short.when,
            short.needed,
            short.least
        )),
    }
}

/// What a kind of operation needs in one part of a run, and the rate at which it comes to that.
struct Short {
    kind: &'static str,
    when: &'static str,
    needed: u64,
    within_ms: u64,
    offered: u64,
    least: u32,
}

/// Far above what any client of ours asks in a second.
const RATE_MAX: u32 = 1_000_000;

/// Operations of a kind that clients begin within a time. Clients that keep to a node change nothing.
fn offered(kind: &str, percent: u32, rate: u32, clients: u32, within_ms: u64) -> u64 {
    let roaming = (0..clients).filter(|it| !Habit::of(*it, 1).only_reads()).count() as u64;
    let clients = u64::from(clients.max(1));
    let all = u64::from(rate) * within_ms;
    let share = match kind {
        "read" => roaming * u64::from(percent) + (clients - roaming) * 100,
        _ => roaming * u64::from(percent),
    };
    all * share / clients / 100 / 1000
}
