//! Seeded bugs on real processes: each is found, and explained as what it is. A tool that cannot see a
//! planted bug proves nothing by a pass.

use crate::harness::Bench;
use serde_json::Value;

/// Seeds tried before a bug counts as missed. Most show in the first.
const SEEDS: u64 = 4;

/// Runs the mutant until a violation is found, and returns the anomalies of its findings.
fn anomalies(mutant: &str) -> (Vec<String>, Value) {
    for seed in 1..=SEEDS {
        let bench = Bench::new();
        let outcome =
            bench.run_decided(&format!("--time 10s --rate 600 --seed {seed} --mutant {mutant}"));
        if outcome.exit == 0 {
            continue;
        }
        let outcome = outcome.expect(1);
        assert_eq!(outcome.json()["verdict"], "violation");
        let record = std::fs::read_to_string(bench.latest().join("run.json")).unwrap();
        let record: Value = serde_json::from_str(&record).unwrap();
        assert_eq!(record["settings"]["mutant"], mutant);
        let checks = record["analysis"]["checks"].as_array().unwrap();
        let findings = checks.iter().flat_map(|check| check["findings"].as_array().unwrap());
        let names = findings.map(|finding| finding["anomaly"].as_str().unwrap().to_owned());
        return (names.collect(), record);
    }
    panic!(
        "{mutant} was not found: whitewater run --time 10s --rate 600 --seed 1 --mutant {mutant}"
    );
}

fn assert_any(found: &(Vec<String>, Value), expected: &[&str]) {
    let (anomalies, record) = found;
    let is_found = anomalies.iter().any(|anomaly| expected.contains(&anomaly.as_str()));
    assert!(
        is_found,
        "{anomalies:?}, expected one of {expected:?}; {}",
        record["settings"]["command"]
    );
}

#[test]
fn leader_local_read_is_a_stale_read() {
    let found = anomalies("leader-local-read");
    assert_any(&found, &["stale-read"]);
    let findings = found.1["analysis"]["checks"].as_array().unwrap().iter();
    let stale = findings
        .flat_map(|check| check["findings"].as_array().unwrap())
        .find(|finding| finding["anomaly"] == "stale-read")
        .unwrap();
    let witness = &stale["witness"];
    assert!(witness["operations"].as_array().unwrap().len() >= 2, "{stale}");
    assert!(witness["gap"]["gap_ns"].as_u64().unwrap() > 0, "{stale}");
    assert!(stale["explanation"].as_str().unwrap().contains("ms"), "{stale}");
}

#[test]
fn ack_on_append_loses_writes() {
    let lost = ["lost-write", "stale-read", "failed-write-read", "lost-update"];
    assert_any(&anomalies("ack-on-append"), &lost);
}

#[test]
fn quorum_off_by_one_splits_the_cluster() {
    let split =
        ["stale-read", "lost-write", "lost-update", "two-leaders", "log-mismatch", "never-written"];
    assert_any(&anomalies("quorum-off-by-one"), &split);
}

#[test]
fn the_canary_always_sings() {
    let bench = Bench::new();
    let outcome =
        bench.run_decided("--time 2s --nodes 3 --seed 1 --faults none --rate 200 --mutant canary");
    outcome.expect(1);
    let record = std::fs::read_to_string(bench.latest().join("run.json")).unwrap();
    assert!(record.contains("\"canary\""), "the record says that this was a canary");
}
