//! `whitewater sim` and `whitewater mutants` as a person or CI calls them.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn whitewater(arguments: &[&str], runs: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_whitewater"))
        .args(arguments)
        .env("WHITEWATER_RUNS_DIR", runs)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The lines of `--json`.
fn lines(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_same_seeds_print_the_same_hashes() {
    let runs = tempfile::tempdir().unwrap();
    let hashes = |threads: &str| {
        let arguments = ["sim", "--seeds", "1..3", "--time", "8s", "--threads", threads, "--json"];
        let output = whitewater(&arguments, runs.path());
        let mut hashes: Vec<(u64, String)> = lines(&output)
            .iter()
            .filter(|line| line["event"] == "seed")
            .map(|line| (line["seed"].as_u64().unwrap(), line["hash"].to_string()))
            .collect();
        hashes.sort();
        hashes
    };
    let once = hashes("1");
    assert_eq!(once.len(), 3);
    assert_eq!(once, hashes("2"), "threads must not matter");
}

#[test]
fn a_clean_batch_sums_up_and_leaves_nothing_behind() {
    let runs = tempfile::tempdir().unwrap();
    let output = whitewater(&["sim", "--seeds", "1..2", "--time", "20s", "--json"], runs.path());
    let lines = lines(&output);
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "summary");
    assert_eq!((&last["seeds"], &last["violations"]), (&2.into(), &0.into()), "{last}");
    assert!(last["simulated_s"].as_f64().unwrap() > 40.0, "{last}");
    assert!(last["run"].is_null(), "{last}");
    assert_eq!(output.status.code(), Some(0), "{last}");
    assert_eq!(std::fs::read_dir(runs.path()).unwrap().count(), 0);
}

#[test]
fn a_failing_seed_ends_with_the_line_that_repeats_it_and_leaves_a_report() {
    let runs = tempfile::tempdir().unwrap();
    let arguments = ["sim", "--seeds", "5..6", "--time", "8s", "--mutant", "ack-on-append"];
    let output = whitewater(&arguments, runs.path());
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("ack-on-append: found in"), "{text}");
    let last = text.lines().last().unwrap();
    // It begins with the program as it was started: by its path, or by cargo.
    let at = last.find("sim --seeds").unwrap_or_else(|| panic!("{text}"));
    assert!(last.starts_with("repeat it: ") && at > "repeat it: ".len(), "{last}");
    let line = &last[at..];
    assert!(line.starts_with("sim --seeds 5..5 --mutant ack-on-append"), "{line}");
    assert!(runs.path().join("last-failed/report.html").is_file());
    let again = whitewater(&line.split_whitespace().collect::<Vec<_>>(), runs.path());
    assert_eq!(again.status.code(), Some(1), "{line}");
    let checked = whitewater(&["check", "last-failed"], runs.path());
    assert_eq!(checked.status.code(), Some(1), "the folder must be judged as the run was");
}

#[test]
fn bad_seeds_are_refused_in_words() {
    let runs = tempfile::tempdir().unwrap();
    for (seeds, expected) in [("9..3", "the range 9..3 is empty"), ("many", "a seed such as 17")] {
        let output = whitewater(&["sim", "--seeds", seeds], runs.path());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn mutants_lists_every_bug_once() {
    let runs = tempfile::tempdir().unwrap();
    let output = whitewater(&["mutants", "--json"], runs.path());
    let names: Vec<String> = lines(&output).iter().map(|line| line["mutant"].to_string()).collect();
    assert!(names.len() >= 32, "{names:?}");
    assert!(names.contains(&"\"commit-old-term\"".to_owned()), "{names:?}");
}
