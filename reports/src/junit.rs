//! junit.xml: one suite for the run, one case for each check, so that CI names the broken promise.
//!
//! violation is `<failure>`, error is `<error>`, undecided is `<skipped>` with its reason: a CI
//! system that shows skipped cases must not show them green.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use whitewater_checker::Verdict;
use whitewater_checker::analysis::{CheckResult, CheckState, Finding};

use crate::load::Run;
use crate::story::Story;
use crate::terminal::scenario;

pub(crate) fn render(run: &Run, story: &Story<'_>) -> Result<String, quick_junit::SerializeError> {
    let record = &run.record;
    let mut suite = TestSuite::new(scenario(record));
    suite.set_time(Duration::from_millis(record.duration_ms));
    suite.add_property(("seed", record.seed.to_string().as_str()));
    suite.add_property(("run", record.id.as_str()));
    suite.add_property(("report", format!("{}/report.html", run.path_shown()).as_str()));
    if let Some(command) = story.repeat() {
        suite.add_property(("repeat", command.line.as_str()));
    }
    if let Some(signature) = &story.signature {
        suite.add_property(("signature", signature.as_str()));
    }
    let class = format!("whitewater.seed-{}", record.seed);
    for check in &record.analysis.checks {
        let mut case = TestCase::new(check.title.clone(), status(check));
        case.set_classname(class.clone());
        case.set_system_out(check.summary.clone());
        suite.add_test_case(case);
    }
    if !record.analysis.checks.iter().any(|check| check.state.verdict() == record.verdict) {
        suite.add_test_case(run_case(story, &class));
    }
    let mut report = Report::new("whitewater");
    report.set_time(Duration::from_millis(record.duration_ms));
    report.add_test_suite(suite);
    report.to_string()
}

/// The run as a case of its own, where no check carries its verdict (it was cut short, say).
fn run_case(story: &Story<'_>, class: &str) -> TestCase {
    let mut status = bare_status(story.verdict);
    if story.verdict != Verdict::Pass {
        status.set_message(story.headline.clone());
        status.set_description(story.explanation.clone());
    }
    let mut case = TestCase::new("the run as a whole", status);
    case.set_classname(class.to_owned());
    case
}

fn bare_status(verdict: Verdict) -> TestCaseStatus {
    match verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Violation => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Undecided => TestCaseStatus::skipped(),
    }
}

fn status(check: &CheckResult) -> TestCaseStatus {
    if check.state == CheckState::NotExercised {
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!("not exercised: {}", check.summary));
        return status;
    }
    let mut status = bare_status(check.state.verdict());
    if let Some(finding) = check.findings.first().filter(|_| check.state != CheckState::Holds) {
        status.set_type(finding.anomaly.clone());
        status.set_message(finding.headline.clone());
        let texts: Vec<String> = check.findings.iter().map(description).collect();
        status.set_description(texts.join("\n\n"));
    }
    status
}

fn description(finding: &Finding) -> String {
    let mut lines = vec![finding.explanation.clone()];
    lines.extend(finding.evidence.iter().cloned());
    lines.join("\n")
}
