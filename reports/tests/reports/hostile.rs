//! Values, keys, errors, log lines and names come from a system under test: none may act.

use std::fs;

use serde_json::{Value, json};
use whitewater_checker::run_folder::RunRecord;
use whitewater_checker::statistics::Statistics;
use whitewater_reports::{TerminalStyle, terminal};

use crate::page::assert_balanced;
use crate::sample::Shape;
use crate::{OPERATIONS, Reported, read};

const HOSTILE: &str =
    "</script><script>alert(1)</script>\"'><img onerror=alert(2)>&amp;`|*_\u{1b}[2J\u{0}\r]]>-->";

/// Puts the hostile text wherever the recorded text had a place for it.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) if !text.is_empty() => text.push_str(HOSTILE),
        Value::Array(items) => items.iter_mut().for_each(poison),
        Value::Object(fields) => {
            let closed = [
                "verdict",
                "state",
                "status",
                "outcome",
                "started_at",
                "blocked",
                "label",
                "before",
                "after",
            ];
            for (name, field) in fields {
                if !closed.contains(&name.as_str()) {
                    poison(field);
                }
            }
        }
        _ => {}
    }
}

fn poisoned() -> Reported {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let mut record: Value = serde_json::from_str(&reported.read("run.json")).unwrap();
    poison(&mut record);
    fs::write(reported.folder.join("run.json"), record.to_string()).unwrap();
    let faults: Vec<String> = reported
        .read("faults.jsonl")
        .lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            poison(&mut value);
            value.to_string()
        })
        .collect();
    fs::write(reported.folder.join("faults.jsonl"), faults.join("\n")).unwrap();
    let history: String = reported
        .read("history.jsonl")
        .lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            if value["key"].is_string() {
                value["key"] = json!(format!("{}{HOSTILE}", value["key"].as_str().unwrap()));
                value["value"] = json!(HOSTILE);
                value["error"] = json!(HOSTILE);
            }
            format!("{value}\n")
        })
        .collect();
    fs::write(reported.folder.join("history.jsonl"), history).unwrap();
    let log = reported
        .read("logs/n3.log")
        .lines()
        .map(|line| format!("{line}{HOSTILE}\n"))
        .collect::<String>();
    fs::write(reported.folder.join("logs/n3.log"), log).unwrap();
    reported.report();
    reported
}

#[test]
fn hostile_text_stays_text_on_the_page() {
    let reported = poisoned();
    let html = reported.read("report.html");
    assert!(html.contains("alert(1)"), "the text should be there, harmless");
    assert!(!html.contains("<script>alert"));
    assert!(!html.contains("<img"));
    assert_eq!(html.matches("<script").count(), 3, "only the page's own scripts");
    assert_eq!(html.matches("</script>").count(), 3);
    assert_balanced(&html);
}

/// Markdown without its code: in fenced blocks and code spans markup means nothing.
fn outside_of_code(markdown: &str) -> String {
    let (mut fence, mut text) = (None, String::new());
    for line in markdown.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            Some(open) if ticks >= open => fence = None,
            Some(_) => {}
            None => text.extend(line.replace("\\`", "").split('`').step_by(2).chain(["\n"])),
        }
    }
    text
}

#[test]
fn hostile_text_stays_text_elsewhere() {
    let reported = poisoned();
    let summary = reported.read("summary.md");
    let outside = outside_of_code(&summary);
    assert!(!outside.contains("<img") && !outside.contains("<script"), "{outside}");
    for name in ["summary.md", "witness/explain.txt", "junit.xml"] {
        let text = reported.read(name);
        let lines = text.lines().filter(|line| line.contains(['\u{1b}', '\u{0}', '\r']));
        assert_eq!(lines.collect::<Vec<_>>(), Vec::<&str>::new(), "control characters in {name}");
    }
    let junit = reported.read("junit.xml");
    assert!(junit.contains("&lt;/script&gt;") && !junit.contains("<script"));
    let record: RunRecord = serde_json::from_str(&reported.read("run.json")).unwrap();
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    let style = TerminalStyle { color: false, unicode: true, width: 100 };
    let text = terminal(&record, &statistics, style);
    assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text}");
}

#[test]
fn hostile_text_stays_text_in_the_index() {
    let reported = poisoned();
    whitewater_reports::write_index(reported.root.path()).unwrap();
    let html = read(&reported.root.path().join("index.html"));
    assert!(html.contains("alert(1)") && !html.contains("<script>alert") && !html.contains("<img"));
    assert_balanced(&html);
}
