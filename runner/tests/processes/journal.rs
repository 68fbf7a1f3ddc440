//! Journals of real nodes: a clean cluster's replay alike over kills, a mutant's do not, and files that are none
//! are refused with a clear word.

use std::fs;

use serde_json::Value;

use crate::harness::Bench;

/// The check of this name in the newest run's record.
fn check(bench: &Bench, name: &str) -> Value {
    let record = fs::read_to_string(bench.latest().join("run.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let checks = record["analysis"]["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name} in {checks:#?}")).clone()
}

#[test]
fn a_clean_clusters_journals_replay_alike_over_kill_9_and_restart() {
    const RUN: &str = "--nodes 3 --time 6s --seed 11 --rate 300 --faults kill,partition --journal";
    let bench = Bench::new();
    bench.run_decided(RUN).expect(0);
    let conformance = check(&bench, "conformance");
    assert_eq!(conformance["state"], "holds", "{conformance:#}: whitewater run {RUN}");
    let replayed = bench.call("replay-journal latest --json").expect(0);
    let journals: Vec<Value> =
        replayed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(journals.len() > 3, "nobody was started again: {}", replayed.stdout);
    for journal in &journals {
        assert!(journal["steps"].as_u64().unwrap() > 50, "{journal}");
        assert_eq!(journal["divergence"], Value::Null, "{journal}");
    }
    let entries = |journal: &Value| journal["entries"].as_u64().unwrap();
    assert!(journals.iter().map(entries).sum::<u64>() > 500, "{}", replayed.stdout);
    files_that_cannot_be_replayed_are_refused(&bench);
}

fn files_that_cannot_be_replayed_are_refused(bench: &Bench) {
    let whole = fs::read(bench.latest().join("journal/n1-boot1.journal")).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    let newer = [b"WWJOURNL\x63\0\0\0".as_slice(), &whole[12..]].concat();
    for (name, bytes, exit, says) in [
        ("text", b"no journal\n".to_vec(), 2, "is no journal"),
        ("newer", newer, 2, "schema version 99"),
        ("damaged", damaged, 4, "is damaged at byte 12"),
        ("start", whole[..20].to_vec(), 4, "killed as it started"),
    ] {
        let path = bench.path(name);
        fs::write(&path, bytes).unwrap();
        let outcome = bench.call(&format!("replay-journal {}", path.display())).expect(exit);
        assert!(outcome.stderr.contains(says), "{}\n{}", outcome.line, outcome.stderr);
    }
    let torn = bench.path("torn");
    fs::write(&torn, &whole[..whole.len() - 5]).unwrap();
    let outcome = bench.call(&format!("replay-journal {}", torn.display())).expect(0);
    assert!(outcome.stdout.contains("a torn tail of"), "{}", outcome.stdout);
    bench.call("replay-journal nowhere").expect(2);
}

#[test]
fn a_mutants_journals_say_where_it_left_the_rules() {
    const RUN: &str =
        "--nodes 3 --time 4s --seed 1 --rate 300 --faults none --mutant ack-on-append --journal";
    let bench = Bench::new();
    bench.run_decided(RUN).expect(1);
    let conformance = check(&bench, "conformance");
    let finding = &conformance["findings"][0];
    assert_eq!(finding["anomaly"], "nonconformance", "{conformance:#}: whitewater run {RUN}");
    let explanation = finding["explanation"].as_str().unwrap();
    assert!(explanation.contains("acknowledges it; the replayed core does not"), "{explanation}");
    let again = bench.call("check latest").expect(1);
    assert!(again.stdout.contains("did what the reference core does not"), "{}", again.stdout);
    bench.call("replay-journal latest").expect(0);
    let other = bench.call("replay-journal latest --mutant none").expect(1);
    assert!(other.stdout.contains("recorded under mutant ack-on-append"), "{}", other.stdout);
    let report = fs::read_to_string(bench.latest().join("report.html")).unwrap();
    assert!(report.contains("did what the reference core does not"), "the report tells it");
}
