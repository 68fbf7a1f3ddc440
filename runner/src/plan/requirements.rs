//! What a run must have seen, derived from what was asked for: never from what happened to be planned.

use std::collections::BTreeMap;

use whitewater_checker::strength::{FamilyMinimum, PhaseMinimum, Requirements};

use super::{CLIENTS_MAX, KEYS_MAX, Known, WorkloadPlan, schedule};
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
    cluster: Known,
    workload: &WorkloadPlan,
    time_ms: u64,
) -> Result<Requirements, String> {
    let rate = if workload.rate == 0 { RATE_ASSUMED } else { u64::from(workload.rate) };
    let asked = rate * time_ms / 1000;
    let mut operations_ok_min = BTreeMap::new();
    for (kind, percent) in workload::kinds(workload) {
        let during = asked * u64::from(percent) / 100 / DURING_SHARE;
        let minimum = PhaseMinimum {
            before: EDGE_MINIMUM,
            during: during.clamp(DURING_LIMITS.0, DURING_LIMITS.1),
            after: EDGE_MINIMUM,
        };
        operations_ok_min.insert(kind.to_owned(), minimum);
    }
    let mut requirements = Requirements { operations_ok_min, ..Requirements::default() };
    complete(&mut requirements, families, cluster)?;
    Ok(requirements)
}

/// Adds what these families require and the requirements do not name yet.
pub(super) fn complete(
    requirements: &mut Requirements,
    families: &[String],
    cluster: Known,
) -> Result<(), String> {
    for family in families {
        let (leader_hit, leader_spared) = schedule::roles(family, cluster)?;
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
    let asked = Asked::of(workload);
    let mut needs = Vec::new();
    for (kind, percent) in workload::kinds(workload) {
        let Some(minimum) = requirements.operations_ok_min.get(kind) else { continue };
        let parts = [
            ("before the faults", minimum.before, WARM_UP_S * 1000),
            ("during the faults", minimum.during, time_ms),
            ("after the faults", minimum.after, RECOVERY_S * 1000),
        ];
        for (when, least, within_ms) in parts {
            needs.push(Need { kind, percent, when, least, within_ms });
        }
    }
    // The one that comes to the smallest part, in thousandths, of what is needed.
    let part = |need: &&Need| need.counted_on(asked) * 1000 / need.least.max(1);
    match needs.iter().filter(|need| !need.is_met(asked)).min_by_key(part) {
        None => Ok(()),
        Some(worst) => Err(worst.refusal(asked, &needs)),
    }
}

/// The settings by which clients come to what is needed.
#[derive(Clone, Copy, Debug)]
struct Asked {
    rate: u32,
    clients: u32,
    keys: u32,
}

impl Asked {
    fn of(workload: &WorkloadPlan) -> Self {
        Self { rate: workload.rate, clients: workload.clients, keys: workload.keys }
    }

    /// Clients that change something; the others keep to a node and only read.
    fn changing(&self) -> u64 {
        (0..self.clients).filter(|it| !Habit::of(*it, 1).only_reads()).count() as u64
    }
}

/// What a kind of operation needs in one part of a run.
struct Need {
    kind: &'static str,
    /// Its share of what a client that changes something does.
    percent: u32,
    when: &'static str,
    least: u64,
    within_ms: u64,
}

/// Far above what any client of ours asks in a second.
const RATE_MAX: u32 = 1_000_000;
/// A client does one thing after the other, each of them a flush of a majority's disks: so many a second are
/// counted on.
const RATE_PER_CLIENT: u64 = 100;

impl Need {
    /// Operations of the kind that clients begin within the time. Clients that keep to a node change nothing.
    fn offered(&self, asked: Asked) -> u64 {
        let clients = u64::from(asked.clients.max(1));
        let changing = asked.changing();
        let rate = u64::from(asked.rate).min(clients * RATE_PER_CLIENT);
        let share = match self.kind {
            "read" => changing * u64::from(self.percent) + (clients - changing) * 100,
            _ => changing * u64::from(self.percent),
        };
        rate * self.within_ms * share / clients / 100 / 1000
    }

    /// Of these, so many can be counted on. A cas loses against whoever changes its key between the last value that
    /// was seen and its own turn: one of the other clients, while it works and while its value is learned.
    fn counted_on(&self, asked: Asked) -> u64 {
        let counted = self.offered(asked) * COUNTED_ON_PERCENT / 100;
        if self.kind != "cas" {
            return counted;
        }
        let keys = u64::from(asked.keys);
        let rivals = 2 * asked.changing().saturating_sub(1);
        counted * keys / (keys + rivals).max(1)
    }

    fn is_met(&self, asked: Asked) -> bool {
        self.counted_on(asked) >= self.least
    }

    /// The numbers, and each setting that alone would do for all that is needed.
    fn refusal(&self, asked: Asked, needs: &[Need]) -> String {
        let are_met = |asked| needs.iter().all(|need| need.is_met(asked));
        let rate = (1..RATE_MAX).find(|rate| are_met(Asked { rate: *rate, ..asked }));
        let limit = |most: u64| 1..=u32::try_from(most).unwrap_or(u32::MAX);
        let mut clients = limit(CLIENTS_MAX).skip_while(|clients| *clients <= asked.clients);
        let clients = clients.find(|clients| are_met(Asked { clients: *clients, ..asked }));
        let keys = limit(KEYS_MAX).find(|keys| are_met(Asked { keys: *keys, ..asked }));
        let ways = [("--rate", rate), ("--clients", clients), ("--keys", keys)];
        let ways: Vec<String> = ways
            .into_iter()
            .filter_map(|(flag, least)| Some(format!("the least {flag} for this is {}", least?)))
            .collect();
        let ways = match ways.is_empty() {
            true => "give more of each, or a longer --time".to_owned(),
            false => ways.join(", or "),
        };
        format!(
            "--rate {} with {} clients on {} keys offers {} {} operations in the {} s {}, of which {} can be counted \
             on; {} must succeed for a pass to mean something; {ways}",
            asked.rate,
            asked.clients,
            asked.keys,
            self.offered(asked),
            self.kind,
            self.within_ms as f64 / 1000.0,
            self.when,
            self.counted_on(asked),
            self.least,
        )
    }
}
