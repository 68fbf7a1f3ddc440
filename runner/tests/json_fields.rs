//! The names that `--json` prints are a promise: fields are added, never renamed and never taken away, and each
//! stands in docs/formats.md.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// `COMMAND EVENT path`, one a line; EVENT is `-` where there is none.
const GOLDEN: &str = include_str!("json_fields.txt");
const PAGE: &str = include_str!("../../docs/formats.md");
/// Objects whose names are data: families, methods, checks.
const BY_NAME: [&str; 2] = ["faults_effective", "keys_by_method"];
/// A witness stands in two places, and is described once.
const SAME: (&str, &str) = ("checks[].findings[].witness.operations[]", "witness[]");

/// A write that was acknowledged and is not read any more.
const LOST: &str = r#"{"process":1,"type":"invoke","f":"write","key":"k","value":1,"time_ns":1000000,"node":"n1"}
{"process":1,"type":"ok","f":"write","key":"k","value":1,"time_ns":2000000,"node":"n1","term":1}
{"process":1,"type":"invoke","f":"write","key":"k","value":2,"time_ns":3000000}
{"process":1,"type":"ok","f":"write","key":"k","value":2,"time_ns":4000000}
{"process":2,"type":"invoke","f":"read","key":"k","value":null,"time_ns":5000000}
{"process":2,"type":"ok","f":"read","key":"k","value":1,"time_ns":6000000}
"#;

/// What a command prints on stdout.
fn call(runs: &Path, line: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whitewater"));
    command.args(line.split_whitespace()).env("WHITEWATER_RUNS_DIR", runs);
    let output = command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY").output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Every name in a value, with the way to it: `checks[].findings[].key`.
fn names(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = match path {
                    "" => name.clone(),
                    _ => format!("{path}.{name}"),
                };
                let is_by_name =
                    BY_NAME.contains(&name.as_str()) || name == "checks" && value.is_object();
                found.insert(path.clone());
                if !is_by_name {
                    names(value, &path, found);
                }
            }
        }
        Value::Array(values) => {
            values.iter().for_each(|value| names(value, &format!("{path}[]"), found));
        }
        _ => {}
    }
}

/// `COMMAND EVENT path` of everything that a command printed.
fn printed(command: &str, stdout: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    assert!(!stdout.is_empty(), "{command} printed nothing");
    for line in stdout.lines() {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let event = value["event"].as_str().unwrap_or("-").to_owned();
        let mut found = BTreeSet::new();
        names(&value, "", &mut found);
        all.extend(found.into_iter().map(|path| format!("{command} {event} {path}")));
    }
    all
}

/// Everything that the commands print, of small real calls.
fn all_printed() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let file = folder.path().join("lost.jsonl");
    fs::write(&file, LOST).unwrap();
    // One cluster at a time, across all test processes.
    let lock = File::create(std::env::temp_dir().join("whitewater-tests.lock")).unwrap();
    lock.lock().unwrap();
    let run =
        call(&runs, "run --json --quiet --nodes 3 --time 3s --faults kill --rate 200 --seed 1");
    let doctor = call(&runs, "doctor --json");
    drop(lock);
    let bug = "sim --json --seeds 1..2 --time 8s --mutant leader-local-read";
    [
        printed("run", &run),
        printed("doctor", &doctor),
        printed("ls", &call(&runs, "ls --json")),
        printed("check", &call(&runs, "check latest --json")),
        printed("check", &call(&runs, &format!("check {} --json", file.display()))),
        printed("sim", &call(&runs, bug)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The part of the page about a command.
fn section(command: &str) -> &'static str {
    let head = format!("\n### `{command} --json`\n");
    let (_, rest) = PAGE.split_once(&head).unwrap_or_else(|| panic!("no {head}"));
    rest.split("\n##").next().unwrap()
}

#[test]
fn fields_are_only_added_and_each_is_described() {
    let printed = all_printed();
    let golden: BTreeSet<String> = GOLDEN.lines().map(str::to_owned).collect();
    let gone: Vec<&String> = golden.difference(&printed).collect();
    assert!(gone.is_empty(), "taken away or renamed, which breaks who reads it: {gone:#?}");
    let new: Vec<&String> = printed.difference(&golden).collect();
    assert!(
        new.is_empty(),
        "new: add to runner/tests/json_fields.txt, and to docs/formats.md: {new:#?}"
    );
}

#[test]
fn every_field_is_described() {
    for line in GOLDEN.lines() {
        let [command, _, path] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let path = path.replace(SAME.0, SAME.1);
        let is_told = section(command).contains(&format!("`{path}`"));
        assert!(is_told, "`{path}` is not in the section `{command} --json` of docs/formats.md");
    }
}
