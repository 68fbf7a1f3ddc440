//! Where the servers' own account leads, what clients saw is told beside it: in every output, with its operations.

use whitewater_checker::Verdict;
use whitewater_checker::analysis::{Analysis, CheckResult, CheckState, Finding, OperationId};
use whitewater_checker::run_folder::RunRecord;
use whitewater_checker::statistics::Statistics;
use whitewater_reports::{TerminalStyle, terminal, write_with};

use crate::sample::{Shape, findings};
use crate::{OPERATIONS, Reported};

const RULE: &str = "A node voted for a candidate that may lack committed entries";
const JSON: &str = r#"trace/n1.jsonl:7 {"node":1,"event":"vote"}"#;

/// The stale read's run, in which a rule of Raft was broken before.
fn with_a_rule(operations: Vec<OperationId>) -> (Reported, RunRecord) {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let rule = CheckResult {
        name: "election-restriction".to_owned(),
        title: "votes go only to candidates whose log is up to date".to_owned(),
        state: CheckState::Broken,
        findings: vec![Finding {
            anomaly: "vote-for-old-log".to_owned(),
            headline: format!("{RULE}."),
            explanation: "n1 voted for n2.".to_owned(),
            at_ns: Some(reported.record.origin_ns + 1),
            evidence: vec![JSON.to_owned()],
            operations,
            ..Finding::default()
        }],
        ..CheckResult::default()
    };
    let mut checks = reported.record.analysis.checks.clone();
    checks.push(rule);
    let analysis = Analysis::of(checks);
    let record = RunRecord { verdict: Verdict::Violation, analysis, ..reported.record.clone() };
    write_with(&reported.folder, &record).unwrap();
    (reported, record)
}

fn seen() -> Finding {
    let analysis = findings::analysis(Shape::StaleRead);
    analysis.checks.into_iter().flat_map(|check| check.findings).next().unwrap()
}

fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part);
        from += at.unwrap_or_else(|| panic!("{part:?} does not come then in {text}"));
    }
}

#[test]
fn the_page_has_the_cause_in_the_banner_and_below_it_what_clients_saw_with_its_picture() {
    let (reported, _) = with_a_rule(Vec::new());
    let html = reported.read("report.html");
    let seen = seen();
    let headline = seen.headline.trim_end_matches('.');
    in_order(
        &html,
        &[
            &format!("<h1>{RULE}</h1>"),
            "What clients saw <small>in the same run",
            &format!("<strong>{headline}.</strong>"),
            "Nothing recorded shows whether it came of the broken rule.",
            r#"<svg id="clients-picture""#,
            "<td><b>A</b></td>",
            "<td><b>D</b></td>",
            "witness/history.jsonl</code>",
            r#"<svg id="witness-picture""#,
        ],
    );
    for operation in &seen.witness.as_ref().unwrap().operations {
        let title = format!("<title>{} · client {}", operation.label, operation.process);
        assert_eq!(html.matches(&title).count(), 1, "{title}");
    }
    // Its sentence stands there and not once more under the other findings.
    assert_eq!(html.matches(&format!("<strong>{headline}.</strong>")).count(), 1);
    assert!(!html.contains(r#"<section id="others">"#));
}

#[test]
fn the_witness_is_kept_whoever_leads() {
    let (reported, _) = with_a_rule(Vec::new());
    let alone = Reported::new(Shape::StaleRead, OPERATIONS);
    let name = "witness/history.jsonl";
    assert_eq!(reported.read(name), alone.read(name));
    let explain = reported.read("witness/explain.txt");
    in_order(&explain, &[RULE, "Clients, in the same run:", "Why D fits nowhere", JSON]);
}

#[test]
fn a_terminal_tells_cause_and_consequence_in_a_sentence_each_and_no_raw_line() {
    let (reported, record) = with_a_rule(Vec::new());
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    let style = TerminalStyle { color: false, unicode: true, width: 100 };
    let text = terminal(&record, &statistics, style);
    in_order(&text, &[RULE, "n1 voted for n2.", "Clients, in the same run: ", "D read"]);
    assert!(!text.contains('{'), "{text}");
    assert!(!text.contains("more finding"), "both are told: {text}");
    let summary = reported.read("summary.md");
    in_order(&summary, &[RULE, "Clients, in the same run: **"]);
}

#[test]
fn one_is_called_the_others_consequence_where_the_record_has_the_same_operation_in_both() {
    let blocked = findings::witness().operations[1].clone();
    let id =
        OperationId { process: blocked.process, invoked_at_ns: blocked.invoked_at_ns, part: None };
    let (reported, record) = with_a_rule(vec![id]);
    let sentence = format!("{} is the operation that the broken rule is told of.", blocked.label);
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    let style = TerminalStyle { color: false, unicode: true, width: 100 };
    let terminal = terminal(&record, &statistics, style);
    for text in [reported.read("report.html"), reported.read("summary.md"), terminal] {
        assert!(text.contains(&sentence), "{text}");
        assert!(!text.contains("in the same run"), "{text}");
    }
}

#[test]
fn a_simulated_run_says_so_and_that_its_time_is_virtual() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let mut record = reported.record.clone();
    record.duration_ms = 14_200;
    record.settings.simulated = true;
    write_with(&reported.folder, &record).unwrap();
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    let style = TerminalStyle { color: false, unicode: true, width: 100 };
    let words = "simulated cluster, 14.2 s of virtual time";
    let terminal = terminal(&record, &statistics, style);
    for text in [reported.read("report.html"), reported.read("summary.md"), terminal] {
        let text: Vec<&str> = text.split_whitespace().collect();
        assert!(text.join(" ").contains(words), "{text:?}");
    }
    // A real run has no such words.
    assert!(!Reported::new(Shape::Pass, OPERATIONS).read("report.html").contains("virtual time"));
}

/// Every output counts findings alike, those that are not listed included.
#[test]
fn findings_that_are_counted_only_are_in_every_number() {
    let (reported, mut record) = with_a_rule(Vec::new());
    for check in &mut record.analysis.checks {
        if check.state == CheckState::Broken {
            check.unlisted = 20;
        }
    }
    write_with(&reported.folder, &record).unwrap();
    let all = record.analysis.findings_total();
    let broken = record.analysis.broken().len() as u64;
    assert!(all >= 20 * broken + broken, "{all}");
    let rest = all - 2;
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    let style = TerminalStyle { color: false, unicode: true, width: 100 };
    let terminal = terminal(&record, &statistics, style);
    let listed: usize = record.analysis.checks.iter().map(|check| check.findings.len()).sum();
    let words = format!("{rest} more findings, {} of them told in the report.", listed - 2);
    assert!(terminal.contains(&words), "{terminal}");
    let html = reported.read("report.html");
    assert!(html.contains(&format!("Also found <small>{rest} findings")), "{rest}");
}
