//! The structure of report.html: what must be on the page, and what must never be.

use std::collections::BTreeSet;
use std::fs;

use whitewater_checker::Verdict;
use whitewater_checker::analysis::CheckResult;
use whitewater_checker::event::Event;
use whitewater_checker::statistics::Statistics;

use crate::sample::{SHAPES, Shape, findings, story};
use crate::{OPERATIONS, Reported};

/// Elements that have no end tag.
const VOID: [&str; 6] = ["meta", "br", "input", "hr", "img", "link"];

/// The page without the content of its script and style elements.
pub(crate) fn markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find("<script").into_iter().chain(rest.find("<style")).min() {
        let open = at + rest[at..].find('>').unwrap() + 1;
        let name = if rest[at..].starts_with("<script") { "</script>" } else { "</style>" };
        let close = open + rest[open..].find(name).unwrap();
        text.push_str(&rest[..open]);
        rest = &rest[close..];
        text.push_str(name);
        rest = &rest[name.len()..];
    }
    text + rest
}

/// Every start tag has its end tag, in order. Panics with the place where that fails.
pub(crate) fn assert_balanced(html: &str) {
    let markup = markup(html);
    let mut open: Vec<String> = Vec::new();
    for piece in markup.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("tag without end: <{piece}"));
        let name: String =
            tag.trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "at </{name}>, open: {open:?}");
        } else if !tag.starts_with('!') && !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

fn ids(html: &str) -> Vec<String> {
    let markup = markup(html);
    markup
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(id, _)| id.to_owned())
        .collect()
}

#[test]
fn every_shape_is_a_well_formed_page_of_its_own() {
    for (shape, name) in SHAPES {
        let html = Reported::new(shape, OPERATIONS).read("report.html");
        assert_balanced(&html);
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        assert!(html.contains("default-src 'none'"), "{name}");
        for outside in ["http://", "https://", " src=", "@import", "url(data", "//cdn"] {
            assert!(!html.contains(outside), "{name} refers to the outside by {outside}");
        }
        let ids = ids(&html);
        let unique: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{name} uses an id twice: {ids:?}");
        let links = html.split("href=\"#").skip(1).filter_map(|rest| rest.split_once('"'));
        for (target, _) in links {
            assert!(
                unique.contains(&target.to_owned()),
                "{name} links to #{target}, which is not there"
            );
        }
    }
}

#[test]
fn the_banner_carries_the_verdict_by_word_and_sign() {
    for (shape, name) in SHAPES {
        let reported = Reported::new(shape, OPERATIONS);
        let expected = match reported.record.verdict {
            Verdict::Pass => "✓ PASS",
            Verdict::Violation => "✕ VIOLATION",
            Verdict::Undecided => "? UNDECIDED",
            Verdict::Error => "! ERROR",
        };
        let html = reported.read("report.html");
        assert!(html.contains(&format!("<span class=\"badge\">{expected}</span>")), "{name}");
    }
}

#[test]
fn a_witness_is_told_drawn_and_proven() {
    let html = Reported::new(Shape::StaleRead, OPERATIONS).read("report.html");
    let witness = findings::witness();
    for operation in &witness.operations {
        let label = format!("<title>{} · client {}", operation.label, operation.process);
        assert!(html.contains(&label), "no drawing of {}", operation.label);
    }
    for slot in &witness.slots {
        let row = format!(
            "<td>{}</td><td><code>{}</code></td><td>{}</td>",
            slot.place, slot.state, slot.reason
        );
        assert!(html.contains(&row), "no row for {}", slot.place);
    }
    assert!(html.contains("B ended 208 ms before D began"));
    assert!(html.contains("<b>208 ms later</b>"), "the gap is not printed strong");
    assert!(
        html.contains("which still took itself for the leader of term 7, while n1 had led term 8")
    );
    assert!(html.contains("not part of the proof"));
    assert!(html.contains("stale leader · term 7"));
    assert!(html.contains("<dt>by a stale leader</dt>"));
    assert!(html.contains("✕ fits nowhere"), "the blocked operation is not marked in the logs");
    assert!(html.contains("read of k17 answered locally"), "the node&#39;s own log is missing");
}

#[test]
fn the_smallest_failing_set_is_a_history_of_its_own() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let lines = reported.read("witness/history.jsonl");
    let events: Vec<Event> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut expected = findings::witness_events();
    expected.sort_by_key(|event| event.time_ns);
    assert_eq!(events, expected);
    let reported = Reported::new(Shape::TwoLeaders, OPERATIONS);
    assert!(!reported.folder.join("witness/history.jsonl").exists());
}

#[test]
fn findings_of_one_kind_stand_together() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let mut record = reported.record.clone();
    let check =
        record.analysis.checks.iter_mut().find(|one| one.name == "linearizability").unwrap();
    for number in 0..5 {
        let mut more = check.findings[0].clone();
        more.key = Some(format!("k{}", 30 + number));
        more.explanation = format!("Case {number}.");
        check.findings.push(more);
    }
    whitewater_reports::write_with(&reported.folder, &record).unwrap();
    let html = reported.read("report.html");
    assert_balanced(&html);
    let others = html.split("id=\"others\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(others.matches("<details").count(), 1);
    assert!(others.contains("5 times · 5 keys from k30 to k34"));
    assert!(others.contains("Case 2.") && !others.contains("Case 3."));
}

#[test]
fn a_finding_without_operations_shows_its_evidence_and_the_nodes() {
    let html = Reported::new(Shape::TwoLeaders, OPERATIONS).read("report.html");
    assert!(html.contains("trace/n5.jsonl:398"));
    assert!(html.contains("second leader · term 8"));
    assert!(html.contains("At that moment n1 led term 8 and n5 led term 8."));
    assert!(!html.contains("id=\"why\""), "nothing to place, so nothing to explain");
    let html = Reported::new(Shape::Panic, OPERATIONS).read("report.html");
    assert!(html.contains("truncate below the commit index: 57 &#60; 61"));
}

#[test]
fn figures_on_the_page_are_those_of_the_statistics() {
    let reported = Reported::new(Shape::Pass, OPERATIONS);
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    let html = reported.read("report.html");
    let share = statistics.availability.unwrap().share * 100.0;
    assert!(html.contains(&format!("<b>{share:.2} %</b>")));
    assert!(
        html.contains(&format!("<b>{}</b><span>△ unknown outcomes", statistics.operations.info))
    );
    let outage = statistics.longest_outage.unwrap();
    assert!((3.0..5.0).contains(&((outage.end_ns - outage.start_ns) as f64 / 1e9)), "{outage:?}");
    assert!(outage.faults.contains(&7), "the outage belongs to the kill of the majority");
    let medians: Vec<f64> = statistics
        .failovers
        .iter()
        .map(|failover| failover.elected_after_ns as f64 / 1e9)
        .collect();
    assert_eq!(medians.len(), 5, "{medians:?}");
    for (found, expected) in medians.iter().zip([1.1, 1.2, 2.0, 1.4, 4.2]) {
        assert!((found - expected).abs() < 0.01, "failovers {medians:?}");
    }
}

#[test]
fn a_fault_without_effect_is_called_that() {
    let html = Reported::new(Shape::StaleRead, OPERATIONS).read("report.html");
    assert!(html.contains("<b class=\"warn\">! no effect observed</b>"));
    assert!(html.contains("! 1 of 7 faults had no effect</li>"));
    assert_eq!(html.matches("✕ nearest to the violation").count(), 1);
    let rows =
        html.split("<section id=\"faults\">").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(rows.matches("<tr").count(), story::faults(Shape::StaleRead).len() + 1);
    let html = Reported::new(Shape::Pass, OPERATIONS).read("report.html");
    assert!(html.contains("skipped: no follower was reachable"));
}

#[test]
fn chips_are_sorted_and_what_held_is_one() {
    let html = Reported::new(Shape::Panic, OPERATIONS).read("report.html");
    let chips = html.split("class=\"chips\"").nth(1).unwrap().split("</ul>").next().unwrap();
    let texts: Vec<&str> =
        chips.split("<li").skip(1).map(|one| one.split('>').nth(1).unwrap()).collect();
    assert!(texts[0].starts_with("✕ no crash or panic"), "{texts:?}");
    assert!(texts.last().unwrap().starts_with("✓ 7 held"), "{texts:?}");
}

#[test]
fn what_was_not_tested_stands_in_every_report() {
    for (shape, name) in SHAPES {
        let html = Reported::new(shape, OPERATIONS).read("report.html");
        assert!(html.contains("<h2>What was not tested</h2>"), "{name}");
        assert!(html.contains("<b>faults: membership</b>: not asked for"), "{name}");
        assert!(!html.contains("<b>faults: kill</b>"), "{name}");
    }
    let reported = Reported::new(Shape::Pass, OPERATIONS);
    let mut record = reported.record.clone();
    let idle = CheckResult::not_exercised("x", "snapshots fit", "none was written", "a longer run");
    record.analysis.checks.push(idle);
    whitewater_reports::write_with(&reported.folder, &record).unwrap();
    let html = reported.read("report.html");
    assert!(html.contains("<b>snapshots fit</b>: none was written"));
    assert!(html.contains("would be tested by a longer run"));
    assert!(html.contains("– 1 not exercised"));
}

#[test]
fn a_page_leads_to_its_index_its_logs_and_its_moments() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    assert!(!reported.read("report.html").contains("../index.html"), "there is no index");
    fs::write(reported.root.path().join("latest"), "").unwrap();
    reported.report();
    let html = reported.read("report.html");
    assert!(html.contains("<a href=\"../index.html\">all runs</a>"));
    for file in ["logs/n3.log", "trace/n5.jsonl", "history.jsonl", "witness/history.jsonl"] {
        assert!(html.contains(&format!("<a href=\"{file}\">")), "no link to {file}");
    }
    assert!(html.contains(" data-from=\"34.601\" data-to=\"37.100\""), "fault 5");
    assert!(html.contains("data-group=\"clients\" data-from=\"37.242\""), "the blocked read");
}

#[test]
fn a_hundred_thousand_operations_stay_small() {
    let reported = Reported::new(Shape::StaleRead, 240_000);
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    assert!(statistics.operations.total() > 100_000, "{:?}", statistics.operations);
    let bytes = reported.read("report.html").len();
    assert!(bytes < 1_500_000, "{bytes} bytes");
}
