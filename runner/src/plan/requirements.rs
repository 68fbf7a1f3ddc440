//! What a run must have seen, derived from what was planned.

use std::collections::BTreeMap;

use whitewater_checker::strength::{PhaseMinimum, Requirements};

use super::WorkloadPlan;
use crate::nemesis::{PlannedFault, find};
use crate::workload;

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

/// The requirements of a plan.
pub(super) fn of(faults: &[PlannedFault], workload: &WorkloadPlan, time_ms: u64) -> Requirements {
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
    let planned: Vec<_> = faults.iter().filter_map(|planned| find(&planned.fault)).collect();
    let mut fault_kinds: Vec<String> =
        planned.iter().map(|fault| fault.family().to_owned()).collect();
    fault_kinds.sort_unstable();
    fault_kinds.dedup();
    let is_planned = |strikes| planned.iter().any(|fault| fault.strikes_leader() == Some(strikes));
    Requirements {
        operations_ok_min,
        fault_kinds,
        leader_hit: is_planned(true),
        leader_spared: is_planned(false),
    }
}
