//! Checks that had nothing to look at hold nothing: each says why, and what would exercise it.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::fs;
use std::path::Path;

use whitewater_checker::analysis::{Analysis, CheckState};
use whitewater_checker::{Options, Verdict, check_run};

const WRITE: &str = r#"{"process":1,"type":"invoke","f":"write","key":"k","value":1,"time_ns":1}
{"process":1,"type":"ok","f":"write","key":"k","value":1,"time_ns":2}
"#;
const FAILED: &str = r#"{"process":1,"type":"invoke","f":"write","key":"k","value":1,"time_ns":1}
{"process":1,"type":"info","f":"write","key":"k","value":1,"time_ns":2}
"#;

/// Judges a folder with these files.
fn judged(files: &[(&str, &str)]) -> Analysis {
    let folder = tempfile::tempdir().unwrap();
    // A plan that requires nothing, where there is no other.
    fs::write(folder.path().join("plan.json"), "{}").unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        fs::write(path, text).unwrap();
    }
    check_run(folder.path(), &Options::default()).unwrap()
}

/// The names of the checks that hold. Whatever is idle must say why and what would change that.
fn holding(analysis: &Analysis) -> Vec<&str> {
    for check in &analysis.checks {
        if check.state == CheckState::NotExercised {
            let exercise = check.exercise.as_deref().unwrap_or_default();
            assert!(!check.summary.is_empty() && !exercise.is_empty(), "{check:?}");
            assert!(check.findings.is_empty(), "{check:?}");
        }
    }
    let holds = analysis.checks.iter().filter(|check| check.state == CheckState::Holds);
    holds.map(|check| check.name.as_str()).collect()
}

#[test]
fn nothing_holds_of_empty_files() {
    let empty = [
        ("history.jsonl", ""),
        ("status.jsonl", ""),
        ("processes.jsonl", ""),
        ("faults.jsonl", ""),
        ("trace/n1.jsonl", ""),
    ];
    for count in 1..=empty.len() {
        let found = judged(&empty[..count]);
        assert_eq!(holding(&found), [""; 0], "the first {count} files");
        assert!(found.checks.len() > 20, "every check is named");
    }
}

#[test]
fn of_a_history_alone_only_its_own_check_holds() {
    assert_eq!(holding(&judged(&[("history.jsonl", WRITE)])), ["linearizability"]);
    assert_eq!(holding(&judged(&[("history.jsonl", FAILED)])), [""; 0]);
}

#[test]
fn strength_is_judged_by_what_a_plan_requires() {
    let plan = r#"{"requirements":{"operations_ok_min":{"write":{"before":1}}}}"#;
    let found = judged(&[("history.jsonl", WRITE), ("plan.json", plan)]);
    assert_eq!(holding(&found), ["linearizability", "strength"]);
    let short = judged(&[("history.jsonl", FAILED), ("plan.json", plan)]);
    assert_eq!(short.verdict, Verdict::Undecided);
}

/// A run without faults recovers from nothing and heals nothing.
#[test]
fn of_a_run_without_faults_what_faults_exercise_is_idle() {
    let phase = |name: &str, deadline: &str, at: u64| {
        format!(
            r#"{{"process":"nemesis","type":"info","f":"phase","value":{{"name":"{name}"{deadline}}},"time_ns":{at}}}"#
        )
    };
    let facts = |f: &str, value: &str, at: u64| {
        format!(r#"{{"process":"nemesis","type":"info","f":"{f}","value":{value},"time_ns":{at}}}"#)
    };
    let history = [
        facts("recording", r#"{"schema_version":2}"#, 0),
        phase("warm-up", "", 0),
        phase("recovery", r#","deadline_ms":10000"#, 0),
        WRITE.trim_end().to_owned(),
        phase("end", "", 3),
        facts("end", "{}", 4),
    ]
    .join("\n");
    let none = judged(&[("history.jsonl", &history), ("faults.jsonl", "")]);
    assert_eq!(holding(&none), ["linearizability", "run"]);
    let fault = r#"{"id":1,"kind":"kill","name":"kill -9","target":"leader","nodes":["n1"],"detail":"","planned_at_ns":0,"started_at_ns":0,"effective_at_ns":0,"healed_at_ns":0,"status":"installed","effects":["gone"],"effective":true,"leader_hit":true}"#;
    let struck = judged(&[("history.jsonl", &history), ("faults.jsonl", fault)]);
    assert_eq!(holding(&struck), ["linearizability", "recovery", "healing", "run"]);
}

#[test]
fn a_run_without_a_plan_is_undecided_and_a_plan_that_requires_nothing_is_not() {
    let run = judged(&[("history.jsonl", WRITE)]);
    assert_eq!(run.verdict, Verdict::Pass);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("history.jsonl"), WRITE).unwrap();
    let unknown = check_run(folder.path(), &Options::default()).unwrap();
    assert_eq!(unknown.verdict, Verdict::Undecided);
    let strength = unknown.checks.iter().find(|check| check.name == "strength").unwrap();
    assert_eq!(strength.summary, "what was asked for is not known");
}
