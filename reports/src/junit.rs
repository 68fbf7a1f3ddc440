//! junit.xml: one suite for the scenario, one case for each check, so that CI names the broken promise.
//!
//! A violation is `<failure>`, an error is `<error>`; undecided and not exercised are `<skipped>` with
//! the reason: a CI system that shows skipped cases must not show them green.
//!
//! Two schemas are in use and no library writes what both take: Ant's (<https://github.com/windyroad/JUnit-Schema>,
//! JUnit.xsd) wants host, time and outputs and knows no attributes of `testsuites`; that of Jenkins's xunit plugin
//! (<https://github.com/jenkinsci/xunit-plugin>, junit-10.xsd) knows no `disabled`. What is written here is in both;
//! `reports/tests/reports/junit.rs` holds their rules. An objective that was missed fails a case of its own.

use std::fmt::Write as _;

use whitewater_checker::Verdict;
use whitewater_checker::analysis::{CheckResult, CheckState, Finding};
use whitewater_checker::run_folder::REPORT;

use crate::checks;
use crate::load::Run;
use crate::story::Story;
use crate::story::scenario;
use crate::svg::escape;

/// How a case ended, as the element in it.
struct Ending {
    element: &'static str,
    kind: String,
    message: String,
    text: String,
}

struct Case {
    name: String,
    ending: Option<Ending>,
}

pub(crate) fn render(run: &Run, story: &Story<'_>) -> String {
    let record = &run.record;
    let mut cases: Vec<Case> = checks::sorted(&record.analysis)
        .into_iter()
        .map(|check| Case { name: check.title.clone(), ending: of_check(check) })
        .collect();
    if !record.analysis.checks.iter().any(|check| check.state.verdict() == record.verdict) {
        let ending = element(record.verdict).map(|element| Ending {
            element,
            kind: element.to_owned(),
            message: story.headline.clone(),
            text: story.explanation.clone(),
        });
        cases.push(Case { name: "the run as a whole".to_owned(), ending });
    }
    let outcomes = &record.objectives;
    cases.extend(outcomes.objectives_missed.iter().map(|missed| {
        let text = format!("seen {}", missed.seen);
        let ending = ("failure", "objective-missed", format!("objective missed: {}", text), text);
        objective(&missed.objective, Some(ending))
    }));
    cases.extend(outcomes.objectives_not_measured.iter().map(|it| {
        let ending = ("skipped", "", format!("not measured: {}", it.why), String::new());
        objective(&it.objective, Some(ending))
    }));
    cases.extend(outcomes.objectives_met.iter().map(|it| objective(&it.objective, None)));
    // What failed comes first, whether it is a check or an objective.
    cases.sort_by_key(|case| !is_red(case));
    let outputs = record.analysis.checks.iter().filter(|check| !check.summary.is_empty());
    let outputs: Vec<String> =
        outputs.map(|check| format!("{}: {}", check.title, check.summary)).collect();
    let name = match scenario(record).as_str() {
        "" => "history".to_owned(),
        name => name.to_owned(),
    };
    written(&name, run, &properties(run, story), &cases, &outputs)
}

/// Whether it fails the build.
fn is_red(case: &Case) -> bool {
    case.ending.as_ref().is_some_and(|ending| ending.element != "skipped")
}

/// The case of an objective, beside those of the checks.
fn objective(text: &str, ending: Option<(&'static str, &str, String, String)>) -> Case {
    let ending = ending.map(|(element, kind, message, text)| Ending {
        element,
        kind: kind.to_owned(),
        message,
        text,
    });
    Case { name: format!("objective {text}"), ending }
}

fn properties(run: &Run, story: &Story<'_>) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    if !run.is_history() {
        list.extend(run.record.known_seed().map(|seed| ("seed", seed.to_string())));
        list.push(("run", run.record.id.clone()));
        list.push(("report", format!("{}/{REPORT}", run.path_shown())));
    }
    list.extend(story.repeat().map(|command| ("repeat", command.line.clone())));
    list.extend(story.signature.as_ref().map(|signature| ("signature", signature.clone())));
    list
}

fn written(
    name: &str,
    run: &Run,
    properties: &[(&'static str, String)],
    cases: &[Case],
    outputs: &[String],
) -> String {
    let record = &run.record;
    let count = |element: &str| {
        let own = |case: &&Case| case.ending.as_ref().is_some_and(|one| one.element == element);
        cases.iter().filter(own).count()
    };
    let host = match record.environment.host.as_str() {
        // What the schema of Ant asks for where the name is not known.
        "" => "localhost",
        host => host,
    };
    // Ant's schema takes the time without a zone, to the second.
    let began = record.started_at.get(..19).unwrap_or("1970-01-01T00:00:00");
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let _ = writeln!(
        text,
        "  <testsuite id=\"0\" package=\"whitewater\" name=\"{}\" timestamp=\"{}\" hostname=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">\n    <properties>",
        quoted(name),
        quoted(began),
        quoted(host),
        cases.len(),
        count("failure"),
        count("error"),
        count("skipped"),
        record.duration_ms as f64 / 1e3,
    );
    for (name, value) in properties {
        let _ = writeln!(text, "      <property name=\"{name}\" value=\"{}\"/>", quoted(value));
    }
    text.push_str("    </properties>\n");
    for case in cases {
        let _ = write!(
            text,
            "    <testcase name=\"{}\" classname=\"whitewater.{}\" time=\"0\"",
            quoted(&case.name),
            quoted(&name.replace([' ', '.'], "-")),
        );
        let Some(ending) = &case.ending else {
            text.push_str("/>\n");
            continue;
        };
        let Ending { element, kind, message, text: more } = ending;
        let kind = match *element {
            "skipped" => String::new(),
            _ => format!(" type=\"{}\"", quoted(kind)),
        };
        let _ = writeln!(
            text,
            ">\n      <{element}{kind} message=\"{}\">{}</{element}>\n    </testcase>",
            quoted(message),
            body(more)
        );
    }
    let _ = writeln!(text, "    <system-out>{}</system-out>", body(&outputs.join("\n")));
    text.push_str("    <system-err></system-err>\n  </testsuite>\n</testsuites>\n");
    text
}

/// Text of an element. XML has no place for the two characters that are none.
fn body(text: &str) -> String {
    escape(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// Text of an attribute, where a line's end would be lost.
fn quoted(text: &str) -> String {
    body(&text.replace(['\n', '\t'], " "))
}

fn element(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Violation => Some("failure"),
        Verdict::Error => Some("error"),
        Verdict::Undecided => Some("skipped"),
    }
}

fn of_check(check: &CheckResult) -> Option<Ending> {
    let ending = |element, kind: &str, message: String, text: String| Ending {
        element,
        kind: kind.to_owned(),
        message,
        text,
    };
    if check.state == CheckState::NotExercised {
        let message = format!("not exercised: {}", check.summary);
        let how = check.exercise.as_ref().map(|how| format!("would be exercised by {how}"));
        return Some(ending("skipped", "", message, how.unwrap_or_default()));
    }
    let element = element(check.state.verdict())?;
    let Some(first) = check.findings.first() else {
        return Some(ending(element, &check.name, check.summary.clone(), String::new()));
    };
    let texts: Vec<String> = check.findings.iter().map(description).collect();
    Some(ending(element, &first.anomaly, first.headline.clone(), texts.join("\n\n")))
}

fn description(finding: &Finding) -> String {
    let mut lines = vec![finding.explanation.clone()];
    lines.extend(finding.evidence.iter().cloned());
    lines.join("\n")
}
