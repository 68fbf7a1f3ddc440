//! How a run ended is judged from its folder: every ending gives its verdict without a run.json.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::fs;
use std::path::Path;

use whitewater_checker::analysis::{Analysis, CheckResult, CheckState};
use whitewater_checker::fact::Fact;
use whitewater_checker::{Options, Verdict, check_run};

const RECORDING: Fact = Fact::Recording { schema_version: 2, canary: false };

fn phase(name: &str) -> String {
    format!(
        r#"{{"process":"nemesis","type":"info","f":"phase","value":{{"name":"{name}"}},"time_ns":2}}"#
    )
}

/// A history with these facts, after phases and one write and one read of `seen`.
fn history(phases: &[&str], seen: u64, facts: &[Fact]) -> String {
    let operation = |kind: &str, f: &str, value: &str| {
        format!(
            r#"{{"process":1,"type":"{kind}","f":"{f}","key":"k","value":{value},"time_ns":3}}"#
        )
    };
    let mut lines: Vec<String> = phases.iter().map(|name| phase(name)).collect();
    lines.extend([
        operation("invoke", "write", "1"),
        operation("ok", "write", "1"),
        operation("invoke", "read", "null"),
        operation("ok", "read", &seen.to_string()),
    ]);
    let fact = |fact: &Fact| serde_json::to_string(&fact.event()).unwrap();
    lines.extend(facts.iter().map(fact));
    lines.join("\n") + "\n"
}

fn judged(folder: &Path) -> Analysis {
    // A plan that requires nothing.
    fs::write(folder.join("plan.json"), "{}").unwrap();
    check_run(folder, &Options::default()).unwrap()
}

fn state(analysis: &Analysis, name: &str) -> CheckState {
    analysis.checks.iter().find(|check| check.name == name).unwrap().state
}

#[test]
fn every_ending_is_judged_from_the_history_alone() {
    use CheckState::{Broken, Error, Holds, NotExercised, Undecided};
    let text = || "n3 is no voter again".to_owned();
    let unhealed = Fact::Unhealed { trouble: text() };
    let incomplete = Fact::Incomplete { reason: text() };
    let note = Fact::Note { text: text() };
    let interrupted = Fact::Interrupted { signal: "SIGTERM".to_owned() };
    let environment = Fact::Environment { reason: text() };
    let (none, end) = (None, Some(Fact::End {}));
    // Name, facts, end noted, verdict of the run, `run`, `healing`.
    let endings = [
        ("as planned", vec![], &end, Verdict::Pass, Holds, NotExercised),
        ("with a note", vec![note.clone()], &end, Verdict::Pass, Holds, NotExercised),
        ("unhealed", vec![unhealed.clone()], &end, Verdict::Undecided, Holds, Undecided),
        ("incomplete", vec![incomplete], &end, Verdict::Undecided, Undecided, NotExercised),
        (
            "interrupted",
            vec![unhealed.clone(), interrupted],
            &end,
            Verdict::Undecided,
            Undecided,
            NotExercised,
        ),
        ("killed", vec![], &none, Verdict::Undecided, Undecided, NotExercised),
        (
            "killed after a note",
            vec![unhealed, note],
            &none,
            Verdict::Undecided,
            Undecided,
            NotExercised,
        ),
        ("environment", vec![environment], &end, Verdict::Error, Error, NotExercised),
    ];
    for (name, facts, end, verdict, run, healing) in endings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let facts: Vec<Fact> = [RECORDING].into_iter().chain(facts).chain(end.clone()).collect();
        fs::write(&path, history(&["warm-up", "end"], 1, &facts)).unwrap();
        let found = judged(folder.path());
        let states = (found.verdict, state(&found, "run"), state(&found, "healing"));
        assert_eq!(states, (verdict, run, healing), "{name}");
        for check in &found.checks {
            let reasons = check.findings.len() + usize::from(check.exercise.is_some());
            assert!(check.state == Holds || reasons > 0, "{name}: {check:?}");
            assert!(verdict != Verdict::Error || check.state != Holds, "{name}: {check:?}");
        }
        // What was proven stays proven, however the run ended.
        fs::write(&path, history(&["warm-up", "end"], 7, &facts)).unwrap();
        let found = judged(folder.path());
        assert_eq!((found.verdict, state(&found, "linearizability")), (Verdict::Violation, Broken));
    }
}

#[test]
fn a_server_that_cannot_start_is_the_environment_and_not_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let exit = r#"{"node":"n1","time_ns":4,"pid":1,"change":"exited","how":"exit code 2","expected":false}"#;
    fs::write(folder.path().join("processes.jsonl"), exit).unwrap();
    let write = |phases: &[&str], facts: &[Fact]| {
        fs::write(folder.path().join("history.jsonl"), history(phases, 1, facts)).unwrap();
        let found = judged(folder.path());
        (found.verdict, state(&found, "processes"))
    };
    let environment = Fact::Environment { reason: "n1 ended with exit code 2".to_owned() };
    let facts = [RECORDING, environment, Fact::End {}];
    assert_eq!(write(&["start", "end"], &facts), (Verdict::Error, CheckState::NotExercised));
    // Once clients were served it is a crash, whatever else went wrong.
    let served = ["start", "warm-up", "end"];
    assert_eq!(write(&served, &facts), (Verdict::Violation, CheckState::Broken));
    assert_eq!(write(&served, &[RECORDING, Fact::End {}]).0, Verdict::Violation);
}

#[test]
fn the_positive_control_is_recorded_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let facts = [Fact::Recording { schema_version: 2, canary: true }, Fact::End {}];
    fs::write(folder.path().join("history.jsonl"), history(&["end"], 1, &facts)).unwrap();
    let found = judged(folder.path());
    assert_eq!((found.verdict, state(&found, "canary")), (Verdict::Violation, CheckState::Broken));
}

/// Histories of version 1 have no facts: their phase `end` tells, and what only their record knew.
#[test]
fn the_endings_of_version_1_are_those_of_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    fs::write(&path, history(&["faults", "end"], 1, &[])).unwrap();
    assert_eq!(state(&judged(folder.path()), "run"), CheckState::Undecided, "no record");
    let run_json = folder.path().join("run.json");
    let clean = r#"{"schema_version":1,"analysis":{"verdict":"pass","checks":[]}}"#;
    fs::write(&run_json, clean).unwrap();
    assert_eq!(judged(folder.path()).verdict, Verdict::Pass);
    for (check, anomaly, verdict) in [
        ("healing", "unhealed", Verdict::Undecided),
        ("run", "incomplete", Verdict::Undecided),
        ("run", "interrupted", Verdict::Undecided),
        ("run", "environment", Verdict::Error),
        ("canary", "canary", Verdict::Violation),
    ] {
        let record = format!(
            r#"{{"schema_version":1,"analysis":{{"verdict":"undecided","checks":[{{"name":"{check}","title":"","verdict":"undecided","summary":"","findings":[{{"anomaly":"{anomaly}","headline":"","explanation":"why","nodes":[],"evidence":[]}}]}}]}}}}"#
        );
        fs::write(&run_json, &record).unwrap();
        fs::write(&path, history(&["faults", "end"], 1, &[])).unwrap();
        let found = judged(folder.path());
        assert_eq!(found.verdict, verdict, "{anomaly}: {found:?}");
        // Judged and written again by this build it knows the same.
        let again = serde_json::json!({ "schema_version": 2, "analysis": found });
        fs::write(&run_json, again.to_string()).unwrap();
        let states = |found: &Analysis| {
            let state = |check: &CheckResult| (check.name.clone(), check.state);
            (found.verdict, found.checks.iter().map(state).collect::<Vec<_>>())
        };
        assert_eq!(states(&judged(folder.path())), states(&found), "{anomaly}");
        // Where the history tells of its end itself, a record is no source of facts.
        fs::write(&path, history(&["faults", "end"], 1, &[RECORDING, Fact::End {}])).unwrap();
        assert_eq!(judged(folder.path()).verdict, Verdict::Pass);
    }
    fs::write(&path, history(&["faults"], 1, &[])).unwrap();
    fs::write(&run_json, clean).unwrap();
    assert_eq!(state(&judged(folder.path()), "run"), CheckState::Undecided, "cut off");
}
