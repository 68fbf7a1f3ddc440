//! The page of a history without a run around it: nothing on it may be invented.

use whitewater_checker::{Options, check_source, history};
use whitewater_reports::{Outputs, write_checked, write_history};

use crate::page::assert_balanced;
use crate::sample::Shape;
use crate::{OPERATIONS, Reported, read};

fn line(process: u64, kind: &str, f: &str, key: &str, value: &str, time_ns: u64) -> String {
    format!(
        "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"{key}\",\"value\":{value},\"time_ns\":{time_ns}}}\n"
    )
}

/// Two keys; the second is read wrongly where asked.
fn pages(read_of_y: &str) -> (String, String) {
    let text = [
        line(1, "invoke", "write", "x", "1", 1_000_000),
        line(1, "ok", "write", "x", "1", 2_000_000),
        line(2, "invoke", "write", "y", "7", 3_000_000),
        line(2, "ok", "write", "y", "7", 4_000_000),
        line(1, "invoke", "read", "y", "null", 5_000_000),
        line(1, "ok", "read", "y", read_of_y, 6_000_000),
    ]
    .concat();
    let options = Options::default();
    let source = history::read_from("test", Box::new(std::io::Cursor::new(text)), &options);
    let source = source.unwrap();
    let (analysis, _) = check_source("test", &source, &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (page, junit) = (folder.path().join("page.html"), folder.path().join("out.xml"));
    let outputs = Outputs { page: Some(&page), junit: Some(&junit) };
    let names = ("h.jsonl", "whitewater check h.jsonl");
    write_history(&source.history, &analysis, names, outputs).unwrap();
    (read(&page), read(&junit))
}

#[test]
fn a_history_alone_gets_a_page_without_invented_facts() {
    for (value, verdict, of_y) in [("7", "✓ PASS", "holds"), ("null", "✕ VIOLATION", "broken")]
    {
        let (html, junit) = pages(value);
        assert_balanced(&html);
        let text = crate::page::markup(&html);
        assert!(text.contains(verdict), "{verdict}");
        assert!(text.contains("whitewater check h.jsonl") && text.contains("client 1"));
        for invented in [
            "seed",
            "Seed",
            "No fault was injected",
            "<h2>Faults",
            ">faults<",
            "election",
            "CLOCK_MONOTONIC",
            "did not live",
            "traces",
            "not asked for",
            "of the time served",
            "leader",
        ] {
            let found = text.find(invented).map(|at| &text[at.saturating_sub(80)..at + 20]);
            assert_eq!(found, None, "{invented} on the page of {verdict}");
        }
        let keys = text.split("id=\"keys\"").nth(1).unwrap().split("</section>").next().unwrap();
        let row = keys.split("<tr>").find(|row| row.contains("<code>y</code>")).unwrap();
        assert!(row.contains(of_y) && keys.contains("<code>x</code>"), "{keys}");
        assert!(!junit.contains("\"seed\"") && junit.contains("name=\"history\""), "{junit}");
    }
}

#[test]
fn the_page_of_a_run_that_was_judged_again_leaves_the_folder_alone() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let (before, page) = (reported.read("report.html"), reported.root.path().join("again.html"));
    let outputs = Outputs { page: Some(&page), junit: None };
    write_checked(&reported.folder, &Default::default(), outputs).unwrap();
    assert!(read(&page).contains("✓ PASS") && !read(&page).contains("href=\"logs/"));
    assert_eq!(reported.read("report.html"), before);
}
