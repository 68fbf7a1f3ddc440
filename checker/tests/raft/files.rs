//! Trace files that are cut short, malformed or missing.

use std::path::Path;

use whitewater_checker::analysis::CheckState;
use whitewater_checker::{CheckError, Options, check_run};

const BOOT: &str = r#"{"node":1,"boot":1,"seq":1,"time_ns":1,"term":0,"role":"follower","event":"boot","hard_state":{"term":0,"vote":null},"snapshot":{"index":0,"term":0},"last":{"index":0,"term":0},"chain":"0000000000000000","applied":0,"state_hash":"0000000000000000","membership":{"voters":[1],"voters_outgoing":[],"learners":[]}}"#;
const PURGE: &str =
    r#"{"node":1,"boot":1,"seq":2,"time_ns":2,"term":0,"role":"follower","event":"purge","to":0}"#;

/// The number of trace lines that were looked at, in a folder with this trace.
fn lines(trace: &str) -> Result<String, CheckError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), trace);
    let analysis = check_run(folder.path(), &Options::default())?;
    let check = analysis.checks.iter().find(|check| check.name == "monotonic").unwrap();
    Ok(check.summary.clone())
}

fn write(folder: &Path, trace: &str) {
    std::fs::create_dir(folder.join("trace")).unwrap();
    std::fs::write(folder.join("trace/n1.jsonl"), trace).unwrap();
}

#[test]
fn a_line_that_was_being_written_when_the_run_was_killed_is_left_out() {
    let whole = "2 lines in the order of each node";
    assert_eq!(lines(&format!("{BOOT}\n{PURGE}\n")).unwrap(), whole);
    assert_eq!(lines(&format!("{BOOT}\n{PURGE}\n{{\"node\":1,\"bo")).unwrap(), whole);
    assert_eq!(lines(&format!("{BOOT}\n{PURGE}")).unwrap(), whole, "only the line end is missing");
    assert_eq!(lines(&format!("{BOOT}\n{{\"cut\n{BOOT}\n")).unwrap(), whole, "ended by a restart");
}

#[test]
fn a_malformed_line_is_an_error_with_file_line_and_column() {
    let error = lines(&format!("{BOOT}\n{{\"node\":x}}\n{PURGE}\n")).unwrap_err().to_string();
    assert!(error.contains("trace/n1.jsonl:2:9: a trace line was expected"), "{error}");
    let error = lines(&format!("{BOOT}\n{{\"cut\n{{\"cut again")).unwrap_err().to_string();
    assert!(error.contains("trace/n1.jsonl:2:"), "{error}");
}

#[test]
fn without_a_trace_every_check_says_that_it_did_not_look() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("status.jsonl"), "").unwrap();
    std::fs::write(folder.path().join("plan.json"), "{}").unwrap();
    let analysis = check_run(folder.path(), &Options::default()).unwrap();
    assert!(analysis.checks.len() > 15);
    for check in &analysis.checks {
        assert_eq!(check.state, CheckState::NotExercised, "{check:?}");
        assert!(!check.summary.is_empty() && check.exercise.is_some(), "{check:?}");
    }
}

#[test]
fn an_empty_folder_is_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let error = check_run(folder.path(), &Options::default()).unwrap_err();
    assert!(matches!(error, CheckError::NothingToCheck { .. }), "{error}");
}
