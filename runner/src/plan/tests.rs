//! The schedule is complete for every seed and length, and stable for a seed.

use std::collections::BTreeSet;

use whitewater_checker::run_folder::{PLAN, PlanOutline, write_json};
use whitewater_checker::strength::FamilyMinimum;

use super::*;
use crate::nemesis::{Aim, default_families, family_names};

fn workload() -> WorkloadPlan {
    WorkloadPlan {
        name: "register".into(),
        clients: 10,
        keys: 20,
        rate: 1000,
        operation_deadline_ms: 1000,
        operations_per_key: 300,
        unknown_per_key: 20,
        without: Vec::new(),
        reads_at_every_node: false,
    }
}

fn plan(seed: u64, nodes: u32, time_ms: u64) -> Plan {
    let families = default_families();
    let (workload, snapshot_entries) = (workload(), None);
    let settings =
        PlanSettings { seed, nodes, time_ms, workload, families, snapshot_entries, is_led: true };
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
            for family in default_families() {
                for strikes in [true, false] {
                    let is_there = plan.faults.iter().any(|planned| {
                        let (of, fault) = find(&planned.fault).unwrap();
                        of.name == family && fault.strikes_leader == Some(strikes)
                    });
                    assert!(is_there, "seed {seed}, {nodes} nodes: {family}, leader {strikes}");
                }
            }
            assert_eq!(plan.requirements.fault_kinds, ["kill", "partition", "pause"]);
            for minimum in plan.requirements.families.values() {
                assert!(minimum.leader_hit && minimum.leader_spared, "{:?}", plan.requirements);
            }
        }
    }
}

fn settings(nodes: u32, time_ms: u64, families: Vec<String>) -> PlanSettings {
    PlanSettings {
        seed: 1,
        nodes,
        time_ms,
        workload: workload(),
        families,
        snapshot_entries: None,
        is_led: true,
    }
}

/// Every set of families.
fn all_sets() -> impl Iterator<Item = Vec<String>> {
    let names = family_names();
    (0..1u32 << names.len()).map(move |set| {
        let chosen = names.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
        chosen.map(|(_, family)| (*family).to_owned()).collect()
    })
}

/// What the requirements ask of families and the plan does not hold.
fn missing(plan: &Plan) -> Vec<String> {
    let mut missing = Vec::new();
    for (family, minimum) in &plan.requirements.families {
        for (hits, is_required) in [(true, minimum.leader_hit), (false, minimum.leader_spared)] {
            let is_there = plan.faults.iter().any(|planned| {
                let (of, fault) = find(&planned.fault).unwrap();
                of.name == family && fault.strikes_leader == Some(hits)
            });
            if is_required && !is_there {
                missing.push(format!("{family}, leader hit {hits}"));
            }
        }
    }
    missing
}

#[test]
fn the_least_time_holds_everything_asked_for_whatever_the_seed() {
    for families in all_sets() {
        for nodes in 1..=15 {
            let Ok(least_ms) = schedule::least_ms(Known { nodes, is_led: true }, &families) else {
                let refused = Plan::new(settings(nodes, 600_000, families.clone())).unwrap_err();
                assert!(refused.contains("needs more nodes"), "{refused}");
                continue;
            };
            for (seed, more_ms) in (0..12).zip([0, 0, 0, 0, 0, 1, 7, 100, 450, 999, 2_000, 30_000])
            {
                let time_ms = (least_ms + more_ms).max(1_000);
                let seed = seed * 1_000 + u64::from(nodes);
                let settings = PlanSettings { seed, ..settings(nodes, time_ms, families.clone()) };
                let plan = Plan::new(settings).unwrap();
                assert_eq!(missing(&plan), [""; 0], "{families:?}, {nodes} nodes, seed {seed}");
                assert_eq!(plan.requirements.families.len(), families.len());
                let kinds = &plan.requirements.fault_kinds;
                assert!(families.iter().all(|family| kinds.contains(family)), "{kinds:?}");
            }
            if least_ms > 0 {
                let refused = Plan::new(settings(nodes, least_ms - 1, families.clone()));
                let said = refused.unwrap_err();
                assert!(said.contains("is too short for"), "{said}");
            }
        }
    }
}

/// The bound is no more than it has to be: with a tenth less, some seed lacks something.
#[test]
fn less_than_the_least_time_lacks_something_for_some_seed() {
    let families = default_families();
    for nodes in [3, 4, 5] {
        let short_ms =
            schedule::least_ms(Known { nodes, is_led: true }, &families).unwrap() * 9 / 10;
        let lacks = (0..500).any(|seed| {
            let faults =
                schedule::faults(seed, Known { nodes, is_led: true }, short_ms, &families).unwrap();
            missing(&Plan { faults, ..plan(seed, nodes, 20_000) }) != [""; 0]
        });
        assert!(lacks, "{nodes} nodes, {short_ms} ms");
    }
}

#[test]
fn a_time_too_short_is_refused_with_the_least_that_does() {
    for (nodes, time_ms) in [(5, 2_000), (4, 3_000), (5, 5_000)] {
        let families = default_families();
        let said = Plan::new(settings(nodes, time_ms, families)).unwrap_err();
        assert!(said.contains("the least --time is 7.24s"), "{said}");
    }
    let kill = vec!["kill".to_owned()];
    let said = Plan::new(settings(5, 1_000, kill.clone())).unwrap_err();
    assert!(said.contains("the least --time is 2.3s"), "{said}");
    // Alone, a leader cannot be spared.
    let alone = Plan::new(settings(1, 2_000, kill)).unwrap().requirements;
    assert_eq!(alone.families["kill"], FamilyMinimum { leader_hit: true, leader_spared: false });
}

#[test]
fn a_plan_of_a_file_is_judged_by_its_own_families() {
    let mut short = plan(1, 5, 20_000);
    short.faults.truncate(1);
    short.requirements = Requirements::default();
    let judged = short.clone().judged_by_its_families().unwrap();
    assert_eq!(judged.requirements.fault_kinds, ["kill", "partition", "pause"]);
    assert_eq!(judged.requirements.families.len(), 3);
    // What the file says of a family itself stands.
    let hits = FamilyMinimum { leader_hit: true, leader_spared: false };
    short.requirements.families.insert("kill".into(), hits);
    let judged = short.clone().judged_by_its_families().unwrap();
    assert_eq!(judged.requirements.families["kill"], hits);
    assert!(judged.requirements.families["pause"].leader_spared);
    // What is done without having been asked for cannot be judged.
    let quiet = Plan { families: Vec::new(), ..short };
    assert!(quiet.validate().unwrap_err().contains("which `families` does not name"));
}

#[test]
fn a_workload_too_small_for_what_is_required_is_refused_with_the_numbers() {
    let families = vec!["kill".to_owned()];
    let with = |rate, clients, name: &str, time_ms| {
        let workload = WorkloadPlan { rate, clients, name: name.into(), ..workload() };
        Plan::new(PlanSettings { workload, ..settings(3, time_ms, families.clone()) })
    };
    let said = with(5, 10, "register", 20_000).unwrap_err();
    let expected = "--rate 5 with 10 clients on 20 keys offers 5 cas operations in the 10 s after the \
                    faults, of which 1 can be counted on; 20 must succeed for a pass to mean \
                    something; the least --rate for this is 56";
    assert_eq!(said, expected);
    assert!(with(55, 10, "register", 20_000).is_err() && with(56, 10, "register", 20_000).is_ok());
    // Half of ten clients read only; a single one does everything.
    assert!(with(20, 1, "register", 20_000).is_ok());
    assert!(with(20, 10, "append", 20_000).is_ok());
    assert!(with(40, 10, "register", 3_000).unwrap_err().contains("in the 3 s during the faults"));
    assert!(with(0, 1, "register", 3_000).is_ok());
    // On one key every other client's change is in the way of a cas, and a faster rate does not help.
    let one_key = |keys| {
        let workload = WorkloadPlan { rate: 1_000, clients: 10, keys, ..workload() };
        Plan::new(PlanSettings { workload, ..settings(3, 20_000, families.clone()) })
    };
    let said = one_key(1).unwrap_err();
    assert!(
        said.ends_with(
            "200 must succeed for a pass to mean something; the least --keys for this is 2"
        ),
        "{said}"
    );
    assert!(one_key(2).is_ok());
    // A single client does one thing after the other.
    let said = with(2_000, 1, "register", 3_000).unwrap_err();
    assert!(said.contains("the least --clients for this is 5"), "{said}");
}

#[test]
fn faults_never_overlap_and_end_within_the_phase() {
    for seed in 0..200 {
        for time_ms in [7_250, 8_000, 20_000, 60_000] {
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

/// A report of a run whose runner was killed has its settings from the plan alone.
#[test]
fn a_plans_settings_are_read_without_the_rest_of_it() {
    let plan = Plan { snapshot_entries: Some(100), ..plan(7, 5, 20_000) };
    let folder = tempfile::tempdir().unwrap();
    write_json(&folder.path().join(PLAN), &plan).unwrap();
    let read = PlanOutline::read(folder.path()).unwrap().unwrap();
    assert_eq!((read.seed, read.nodes, read.time_ms), (plan.seed, plan.nodes, plan.time_ms));
    assert_eq!((read.families, read.snapshot_entries), (plan.families, plan.snapshot_entries));
    let (read, written) = (read.workload, plan.workload);
    assert_eq!(
        (read.name, read.clients, read.keys, read.rate),
        (written.name, written.clients, written.keys, written.rate)
    );
}

/// A plan.json as it was when plans got versions, and the same from before.
#[test]
fn a_plan_of_every_older_version_can_be_carried_out_and_a_newer_one_is_refused() {
    let kept = include_str!("../../tests/plans/version_1.json");
    let before = kept.replace("\"schema_version\": 1,", "");
    assert_ne!(before, kept);
    for text in [kept, &before] {
        let plan = Plan::of_json(text.as_bytes()).unwrap();
        plan.validate().unwrap();
        assert_eq!((plan.schema_version, plan.faults.is_empty()), (SCHEMA_VERSION, false));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(PLAN), text).unwrap();
        let outline = PlanOutline::read(folder.path()).unwrap().unwrap();
        assert_eq!((outline.seed, outline.families), (plan.seed, plan.families));
        assert_eq!(outline.requirements.unwrap().fault_kinds, plan.requirements.fault_kinds);
    }
    let next = SCHEMA_VERSION + 1;
    let newer = kept.replace("\"schema_version\": 1", &format!("\"schema_version\": {next}"));
    let said = format!(
        "schema_version {next} is newer than {SCHEMA_VERSION}, the newest that this build knows: use a newer \
         whitewater"
    );
    assert_eq!(Plan::of_json(newer.as_bytes()).unwrap_err(), said);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(PLAN), newer).unwrap();
    let error = PlanOutline::read(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with(&said) && error.contains(PLAN), "{error}");
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
    let settings =
        PlanSettings { seed, nodes, time_ms, workload, families, snapshot_entries, is_led: true };
    assert!(Plan::new(settings).unwrap_err().contains("needs more nodes"));
}

/// Plans that are aimed at what is known of a release.
#[test]
fn every_plan_that_comes_with_a_target_can_be_carried_out_whoever_leads() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/targets");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".plan.json") {
            continue;
        }
        found += 1;
        let plan = Plan::of_json(&std::fs::read(&path).unwrap()).unwrap();
        plan.validate().unwrap();
        let is_unaimed = |it: &PlannedFault| find(&it.fault).unwrap().1.aim != Aim::ByRole;
        assert!(plan.faults.iter().all(is_unaimed), "{}", path.display());
        assert!(plan.workload.reads_at_every_node && !plan.requirements.fault_kinds.is_empty());
    }
    assert_eq!(found, 2);
}
