//! One small plan, carried out on real processes and in the simulator: what was struck and recorded is the same, only
//! times differ.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::Bench;

/// A seed whose weather leaves the plan's faults alone.
const CALM_SEED: u64 = 3;
const FAMILIES: [&str; 6] = ["kill", "link", "membership", "partition", "pause", "transfer"];

/// Every family; two that overlap; one that waits for a moment.
fn plan() -> Value {
    let fault = |id: u64, fault: &str, at_ms: u64, duration_ms: u64| json!({"id": id, "fault": fault, "at_ms": at_ms, "duration_ms": duration_ms, "pick": id});
    let mut waits = fault(8, "pause-follower", 13_000, 600);
    waits["trigger"] = json!({"on": "append", "after_ms": 2, "within_ms": 2_000});
    let faults = [
        fault(1, "kill-leader", 300, 900),
        fault(2, "pause-follower", 2_300, 700),
        fault(3, "partition-isolate-leader", 4_000, 1_000),
        fault(4, "transfer-follower", 6_000, 300),
        fault(5, "membership-remove-follower", 7_500, 500),
        fault(6, "partition-isolate-follower", 10_000, 1_500),
        fault(7, "kill-leader", 10_400, 700),
        waits,
        fault(9, "link-delay-leader", 16_000, 900),
    ];
    let none = json!({"leader_hit": false, "leader_spared": false});
    let families: serde_json::Map<String, Value> =
        FAMILIES.iter().map(|family| ((*family).to_owned(), none.clone())).collect();
    json!({
        "schema_version": 1, "seed": CALM_SEED, "nodes": 5, "time_ms": 17_500,
        "workload": {
            "name": "register", "clients": 6, "keys": 10, "rate": 200, "operation_deadline_ms": 1_000,
            "operations_per_key": 300, "unknown_per_key": 20,
        },
        "families": FAMILIES, "faults": faults,
        "requirements": {"operations_ok_min": {}, "fault_kinds": FAMILIES, "families": families},
    })
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a run's records say of the plan's faults, without times and names of nodes.
fn recorded(run: &Path) -> Vec<Value> {
    let mut records = lines(&run.join("faults.jsonl"));
    records.retain(|record| record["id"].as_u64().unwrap() <= 9);
    records.sort_by_key(|record| record["id"].as_u64());
    let told = |record: &Value| {
        let is_timed = ["started_at_ns", "effective_at_ns", "healed_at_ns"]
            .map(|field| record[field].is_u64());
        json!([
            record["id"],
            record["kind"],
            record["scope"],
            record["name"],
            record["target"],
            record["status"],
            record["effective"],
            record["leader_hit"],
            record["nodes"].as_array().map(Vec::len),
            is_timed,
        ])
    };
    records.iter().map(told).collect()
}

/// What the history tells of them: which began and which ended, each list in the order of the plan.
fn told(run: &Path) -> [BTreeSet<u64>; 2] {
    let history = lines(&run.join("history.jsonl"));
    ["start", "heal"].map(|f| {
        let events =
            history.iter().filter(|event| event["process"] == "nemesis" && event["f"] == f);
        let ids = events.filter_map(|event| event["value"]["fault"].as_u64());
        ids.filter(|id| *id <= 9).collect()
    })
}

/// The overlapping two were in force at the same time.
fn overlaps(run: &Path) -> bool {
    let records = lines(&run.join("faults.jsonl"));
    let time = |id: u64, field: &str| {
        let record = records.iter().find(|record| record["id"] == id).unwrap();
        record[field].as_u64().unwrap()
    };
    time(7, "effective_at_ns") > time(6, "started_at_ns")
        && time(7, "effective_at_ns") < time(6, "healed_at_ns")
}

#[test]
fn a_plan_strikes_and_is_recorded_alike_on_real_processes_and_in_the_simulator() {
    let bench = Bench::new();
    let path = bench.path("plan.json");
    fs::write(&path, plan().to_string()).unwrap();
    bench.run_decided(&format!("--plan {}", path.display())).expect(0);
    let real = bench.latest();
    bench
        .call(&format!(
            "sim --plan {} --keep --runs-dir {}",
            path.display(),
            bench.path("runs").display()
        ))
        .expect(0);
    let simulated = bench.latest();
    assert_ne!(real, simulated);
    assert_eq!(recorded(&real), recorded(&simulated));
    assert_eq!(recorded(&real).len(), 9);
    let all: BTreeSet<u64> = (1..=9).collect();
    assert_eq!(told(&real), [all.clone(), all]);
    assert_eq!(told(&simulated), told(&real));
    for run in [&real, &simulated] {
        assert!(overlaps(run), "{}", run.display());
        let records = lines(&run.join("faults.jsonl"));
        let waited = records.iter().find(|record| record["id"] == 8).unwrap();
        let fact = waited["effects"][0].as_str().unwrap();
        assert!(fact.starts_with("struck ") && fact.ends_with("appended as leader"), "{fact}");
    }
}
