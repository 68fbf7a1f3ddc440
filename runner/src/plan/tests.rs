//! The schedule is complete for every seed and length, and stable for a seed.

use std::collections::BTreeSet;

use super::*;
use crate::nemesis::FAMILIES;

fn workload() -> WorkloadPlan {
    WorkloadPlan {
        name: "register".into(),
        clients: 10,
        keys: 20,
        rate: 1000,
        operation_deadline_ms: 1000,
        operations_per_key: 300,
        unknown_per_key: 20,
    }
}

fn plan(seed: u64, nodes: u32, time_ms: u64) -> Plan {
    let families = FAMILIES.map(str::to_owned).to_vec();
    let (workload, snapshot_entries) = (workload(), None);
    let settings = PlanSettings { seed, nodes, time_ms, workload, families, snapshot_entries };
    Plan::new(settings).unwrap()
}

#[test]
fn a_seed_gives_the_same_plan_for_ever() {
    let faults: Vec<String> = plan(1, 5, 12_000)
        .faults
        .iter()
        .map(|fault| format!("{} {} {}", fault.at_ms, fault.duration_ms, fault.fault))
        .collect();
    assert_eq!(faults, GOLDEN, "seeds that people noted down must keep their meaning");
}

const GOLDEN: [&str; 7] = [
    "382 878 pause-leader",
    "2056 948 partition-halves",
    "3716 1025 kill-follower",
    "5460 1072 kill-leader",
    "7312 1108 pause-follower",
    "9125 980 partition-minority-with-clients",
    "10883 918 partition-halves",
];

#[test]
fn twenty_seconds_hit_and_spare_the_leader_with_every_family() {
    for seed in 0..200 {
        for nodes in [3, 5] {
            let plan = plan(seed, nodes, 20_000);
            for family in FAMILIES {
                for strikes in [true, false] {
                    let is_there = plan.faults.iter().any(|planned| {
                        let fault = find(&planned.fault).unwrap();
                        fault.family() == family && fault.strikes_leader() == Some(strikes)
                    });
                    assert!(is_there, "seed {seed}, {nodes} nodes: {family}, leader {strikes}");
                }
            }
            assert!(plan.requirements.leader_hit && plan.requirements.leader_spared);
            assert_eq!(plan.requirements.fault_kinds, ["kill", "partition", "pause"]);
        }
    }
}

#[test]
fn a_short_run_still_has_every_family_once() {
    for seed in 0..200 {
        let plan = plan(seed, 3, 6_000);
        let families: BTreeSet<&str> =
            plan.faults.iter().map(|planned| find(&planned.fault).unwrap().family()).collect();
        assert_eq!(families.len(), 3, "seed {seed}: {:?}", plan.faults);
    }
}

#[test]
fn faults_never_overlap_and_end_within_the_phase() {
    for seed in 0..200 {
        for time_ms in [3_000, 6_000, 20_000, 60_000] {
            let plan = plan(seed, 5, time_ms);
            for pair in plan.faults.windows(2) {
                assert!(pair[0].at_ms + pair[0].duration_ms + 500 <= pair[1].at_ms, "seed {seed}");
            }
            assert!(plan.faults.iter().all(|fault| fault.at_ms + fault.duration_ms <= time_ms));
        }
    }
}

#[test]
fn a_minute_uses_most_of_the_catalogue() {
    let slugs: BTreeSet<String> =
        plan(1, 5, 60_000).faults.into_iter().map(|planned| planned.fault).collect();
    assert!(slugs.len() >= 12, "{slugs:?}");
}

#[test]
fn a_plan_survives_its_file() {
    let plan = plan(7, 5, 20_000);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[test]
fn what_cannot_be_executed_is_refused_with_the_place() {
    let mut unknown = plan(1, 5, 20_000);
    unknown.faults[1].fault = "kil-leader".into();
    assert!(unknown.validate().unwrap_err().contains("faults[1].fault `kil-leader`"));
    let mut small = plan(1, 5, 60_000);
    small.nodes = 1;
    assert!(small.validate().unwrap_err().contains("the plan has 1"));
    let mut none = plan(1, 5, 20_000);
    none.nodes = 0;
    assert!(none.validate().unwrap_err().contains("nodes is 0"));
}

#[test]
fn one_node_cannot_be_partitioned() {
    let families = vec!["partition".to_owned()];
    let (seed, nodes, time_ms, snapshot_entries) = (1, 1, 9_000, None);
    let workload = workload();
    let settings = PlanSettings { seed, nodes, time_ms, workload, families, snapshot_entries };
    assert!(Plan::new(settings).unwrap_err().contains("needs more nodes"));
}
