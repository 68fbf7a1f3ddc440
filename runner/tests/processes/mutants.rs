//! Mutants on real processes: each is found, and explained as what it is. A tool that cannot see a
//! mutant proves nothing by a pass.

use crate::harness::Bench;
use serde_json::Value;

/// Seeds tried before a bug counts as missed. Most show in the first.
const SEEDS: u64 = 6;
/// What clients can see of all three bugs needs a leader that is cut off, so that is what these runs do.
const RUN: &str = "--time 10s --rate 600 --faults partition";

/// Runs the mutant until a finding of one of the classes is there, and returns it with the record.
///
/// A run may also be a violation by its traces alone: what is wanted here is what the clients saw.
fn finding(mutant: &str, classes: &[&str]) -> (Value, Value) {
    let mut seen = Vec::new();
    for seed in 1..=SEEDS {
        let bench = Bench::new();
        let outcome = bench.run_decided(&format!("{RUN} --seed {seed} --mutant {mutant}"));
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
        for finding in findings {
            let anomaly = finding["anomaly"].as_str().unwrap();
            if classes.contains(&anomaly) {
                return (finding.clone(), record.clone());
            }
            seen.push(anomaly.to_owned());
        }
    }
    panic!(
        "{mutant}: none of {classes:?} in {SEEDS} seeds, only {seen:?}: \
         whitewater run {RUN} --seed 1 --mutant {mutant}"
    );
}

#[test]
fn leader_local_read_is_a_stale_read() {
    let (stale, _) = finding("leader-local-read", &["stale-read"]);
    let witness = &stale["witness"];
    assert!(witness["operations"].as_array().unwrap().len() >= 3, "{stale}");
    assert!(witness["gap"]["gap_ns"].as_u64().unwrap() > 0, "{stale}");
    let explanation = stale["explanation"].as_str().unwrap();
    // The read, the two values, and how much too late it was.
    assert!(explanation.contains("ms") || explanation.contains(" s later"), "{explanation}");
    assert!(explanation.contains("read → "), "{explanation}");
    // And why the value is older.
    let reasons = ["which is older: ", " had replaced", "with which the key began"];
    assert!(reasons.iter().any(|reason| explanation.contains(reason)), "{explanation}");
}

#[test]
fn ack_on_append_loses_writes() {
    let (lost, record) = finding("ack-on-append", &["lost-write", "stale-read", "lost-update"]);
    assert!(lost["witness"]["operations"].as_array().unwrap().len() >= 2, "{lost}");
    assert_eq!(record["analysis"]["checks"][0]["name"], "linearizability");
}

#[test]
fn quorum_off_by_one_splits_the_cluster() {
    let (split, record) =
        finding("quorum-off-by-one", &["stale-read", "lost-write", "lost-update", "two-leaders"]);
    assert!(!split["explanation"].as_str().unwrap().is_empty(), "{split}");
    let checks = record["analysis"]["checks"].as_array().unwrap();
    let is_broken =
        |name| checks.iter().any(|check| check["name"] == name && check["state"] == "broken");
    assert!(is_broken("election-quorum"), "the traces show an election by two of five: {checks:?}");
}

#[test]
fn the_canary_always_sings() {
    let bench = Bench::new();
    let outcome =
        bench.run_decided("--time 2s --nodes 3 --seed 1 --faults none --rate 400 --mutant canary");
    outcome.expect(1);
    let record = std::fs::read_to_string(bench.latest().join("run.json")).unwrap();
    assert!(record.contains("\"canary\""), "the record says that this was a canary");
}
