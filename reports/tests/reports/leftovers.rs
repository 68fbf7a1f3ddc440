//! Run folders with parts missing: a report is wanted most when a run went wrong.

use std::fs;

use crate::page::assert_balanced;
use crate::sample::Shape;
use crate::{OPERATIONS, Reported};

const PARTS: [&str; 6] =
    ["history.jsonl", "faults.jsonl", "status.jsonl", "processes.jsonl", "trace", "logs"];

fn remove(reported: &Reported, part: &str) {
    let path = reported.folder.join(part);
    if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
        .unwrap_or_else(|error| panic!("remove {part}: {error}"));
}

#[test]
fn each_part_may_be_missing() {
    for part in PARTS {
        let reported = Reported::new(Shape::StaleRead, OPERATIONS);
        remove(&reported, part);
        reported.report();
        let html = reported.read("report.html");
        assert_balanced(&html);
        assert!(html.contains("A client read a value"), "without {part}");
        if part != "trace" && part != "logs" {
            assert!(html.contains(&format!("{part} could not be opened")), "without {part}");
        }
    }
}

#[test]
fn each_file_may_be_cut_in_the_middle_of_a_line() {
    for part in &PARTS[..4] {
        let reported = Reported::new(Shape::StaleRead, OPERATIONS);
        let text = reported.read(part);
        fs::write(reported.folder.join(part), &text[..text.len() * 2 / 3 - 7]).unwrap();
        reported.report();
        let html = reported.read("report.html");
        assert_balanced(&html);
        assert!(html.contains("could not be read and was left out"), "after cutting {part}");
    }
}

#[test]
fn nothing_but_the_record_is_enough() {
    let reported = Reported::new(Shape::TwoLeaders, OPERATIONS);
    for part in PARTS {
        remove(&reported, part);
    }
    reported.report();
    let html = reported.read("report.html");
    assert_balanced(&html);
    assert!(html.contains("Two nodes led the same term"));
}

#[test]
fn an_empty_folder_is_undecided() {
    let root = tempfile::tempdir().unwrap();
    whitewater_reports::write_all(root.path()).unwrap();
    let html = crate::read(&root.path().join("report.html"));
    assert_balanced(&html);
    assert!(html.contains("? UNDECIDED") && html.contains("cut short"));
    assert!(crate::read(&root.path().join("junit.xml")).contains("<skipped"));
}

#[test]
fn a_killed_runner_leaves_enough_for_a_report() {
    let reported = Reported::new(Shape::Pass, 300);
    fs::remove_file(reported.folder.join("run.json")).unwrap();
    let plan = r#"{"seed":77,"nodes":5,"workload":{"name":"append","clients":13,"keys":21,"rate":0},"families":["kill"]}"#;
    fs::write(reported.folder.join("plan.json"), plan).unwrap();
    // The faults in force at the end stand in the history alone.
    fs::write(reported.folder.join("faults.jsonl"), "").unwrap();
    reported.report();
    let html = reported.read("report.html");
    assert_balanced(&html);
    assert!(html.contains("<dt>Seed</dt><dd><code>77</code></dd>"));
    let record = whitewater_reports::record(&reported.folder).unwrap();
    let settings = &record.settings;
    assert_eq!(
        (settings.workload.as_str(), settings.clients, settings.keys, settings.nodes),
        ("append", 13, 21, 5)
    );
    assert_eq!(settings.faults, ["kill"]);
    assert!(html.contains("unclear: the run ended before it was over"));
    assert!(html.contains("2026-11-24T06:40:00Z"), "the folder's name tells when it began");
    assert!(!html.contains("✓ PASS"), "a run without a verdict of its own has not passed");
}

#[test]
fn a_missing_folder_is_an_error_that_names_it() {
    let error =
        whitewater_reports::write_all(std::path::Path::new("/nonexistent/run")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/run"), "{error}");
}
