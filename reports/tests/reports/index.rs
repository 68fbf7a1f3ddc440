//! The index page over all runs of a folder.

use std::fs;

use crate::page::assert_balanced;
use crate::read;
use crate::sample::{self, Shape};

fn folder_of(shapes: &[Shape]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (index, shape) in shapes.iter().enumerate() {
        let folder = root.path().join(format!("2026-11-2{index}T03-40-00Z-00{index}a"));
        fs::create_dir(&folder).unwrap();
        let mut record = sample::write_run(&folder, *shape, 600);
        record.started_at = format!("2026-11-2{index}T03:40:00Z");
        record.settings.mutant = None;
        fs::write(folder.join("run.json"), serde_json::to_vec(&record).unwrap()).unwrap();
        whitewater_reports::write_all(&folder).unwrap();
    }
    whitewater_reports::write_index(root.path()).unwrap();
    root
}

#[test]
fn the_first_failure_after_passes_is_the_headline() {
    let root = folder_of(&[Shape::Pass, Shape::Pass, Shape::StaleRead]);
    let html = read(&root.path().join("index.html"));
    assert_balanced(&html);
    assert!(html.contains("fails for the first time in 3 runs"));
    assert!(html.contains("href=\"2026-11-22T03-40-00Z-002a/report.html\""));
    assert!(html.contains("<code>linearizability/stale-read</code>"));
    assert!(html.contains("✕ new"));
    assert_eq!(html.matches("class=\"trend\"").count(), 3);
    let rows: Vec<_> = html.match_indices("2026-11-2").map(|(at, _)| &html[at..at + 10]).collect();
    let table = html.split("id=\"runs\"").nth(1).unwrap();
    assert!(table.find("2026-11-22").unwrap() < table.find("2026-11-20").unwrap(), "{rows:?}");
}

#[test]
fn a_report_says_whether_its_failure_is_new() {
    let root = folder_of(&[Shape::Pass, Shape::StaleRead, Shape::StaleRead]);
    let report = |name: &str| read(&root.path().join(name).join("report.html"));
    assert!(report("2026-11-21T03-40-00Z-001a").contains("first time: not in 1 earlier run"));
    assert!(report("2026-11-22T03-40-00Z-002a").contains("seen in 1 of 2 earlier runs"));
}

#[test]
fn an_unfinished_run_and_a_broken_record_are_rows_of_their_own() {
    let root = folder_of(&[Shape::Pass]);
    for (name, file, text) in [
        ("2026-11-23T00-00-00Z-aaaa", "plan.json", "{}"),
        ("2026-11-24T00-00-00Z-bbbb", "run.json", "{"),
    ] {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join(file), text).unwrap();
    }
    fs::create_dir(root.path().join("not-a-run")).unwrap();
    whitewater_reports::write_index(root.path()).unwrap();
    let html = read(&root.path().join("index.html"));
    assert_balanced(&html);
    assert!(html.contains("still running, or its runner was killed"));
    assert!(html.contains("run.json:1:1: EOF while parsing"));
    assert!(!html.contains("not-a-run"));
}

#[test]
fn an_empty_folder_has_an_index_too() {
    let root = folder_of(&[]);
    assert!(read(&root.path().join("index.html")).contains("No run yet"));
}
