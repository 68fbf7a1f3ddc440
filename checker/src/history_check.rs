//! Judges a history on its own, without a run around it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, CheckResult, CheckState, Finding, Heading};
use crate::error::CheckError;
use crate::history::{self, History, Operation, Outcome, Source};
use crate::key_report::KeyReport;
use crate::numbers::grouped;
use crate::object::ModelKind;
use crate::options::Options;
use crate::target::{Promised, Reads};
use crate::verdict::Verdict;
use crate::{hint, linear, object};

pub(crate) const HEADING: Heading = Heading::new(
    "linearizability",
    "every operation takes effect at one moment between its begin and its end",
);

/// Figures about a history check, for machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryReport {
    /// Client operations read.
    pub operations: u64,
    /// Independent keys among them.
    pub keys: u64,
    /// The format the history was in: `jsonl`, `edn`, `log`.
    pub format: String,
    /// The model it was checked against.
    pub model: String,
    /// Bytes of the file, after decompression.
    pub bytes: u64,
    /// Time to read it into memory, milliseconds.
    pub parse_ms: f64,
    /// Time to decide every key, milliseconds; witnesses included.
    pub check_ms: f64,
    /// How many keys each method decided: `zones`, `search`, ….
    pub keys_by_method: BTreeMap<String, u64>,
    /// Configurations that all searches visited.
    pub configurations: u64,
    /// Keys that are undecided.
    pub undecided: u64,
    /// What a reader should know beside the verdict: what the history does not say, and the option that says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The keys that took longest, slowest first; at most 20.
    pub slowest: Vec<KeyReport>,
}

/// Judges one history file: JSON lines, Jepsen's EDN or a Knossos-style log, gzip accepted.
pub fn check_history(
    path: &Path,
    options: &Options,
) -> Result<(Analysis, HistoryReport), CheckError> {
    in_pool(options, || {
        let source = history::read(path, options)?;
        judge_history(&path.display().to_string(), &source, options)
    })
}

/// Judges a history from anywhere; `name` stands for the file in errors.
pub fn check_reader(
    name: &str,
    input: Box<dyn Read + Send>,
    options: &Options,
) -> Result<(Analysis, HistoryReport), CheckError> {
    in_pool(options, || {
        let source = history::read_from(name, input, options)?;
        judge_history(name, &source, options)
    })
}

/// Judges a history that was read before; `name` stands for its file in errors.
pub fn check_source(
    name: &str,
    source: &Source,
    options: &Options,
) -> Result<(Analysis, HistoryReport), CheckError> {
    in_pool(options, || judge_history(name, source, options))
}

/// Judges a history of a target that promises this.
#[cfg(test)]
pub(crate) fn judged(
    source: &Source,
    promised: Promised,
    options: &Options,
) -> Result<Analysis, CheckError> {
    let (check, _) = held_to(promised, "test", source, None, options)?;
    Ok(Analysis::of(vec![check, acknowledged(&source.history)]))
}

fn judge_history(
    name: &str,
    source: &Source,
    options: &Options,
) -> Result<(Analysis, HistoryReport), CheckError> {
    let (check, report) = linearizability(name, source, None, options)?;
    let mut checks = vec![check, acknowledged(&source.history)];
    checks.extend(options.canary.then(canary));
    Ok((Analysis::of(checks), report))
}

/// The one thing that is asked of a history without a plan: that somebody was answered. Where nobody
/// was, every order is as good as any other, and a pass would say nothing.
fn acknowledged(history: &History) -> CheckResult {
    let operations = history.operations.len() as u64;
    let answered = history.census().answered;
    const HEADING: Heading = Heading::new("acknowledged", "an operation was acknowledged");
    let summary = format!("{} of {} operations", grouped(answered), grouped(operations));
    if answered > 0 {
        return HEADING.result(CheckState::Undecided, summary, Vec::new());
    }
    let explanation = match operations {
        0 => "The history has no operation of a client.".to_owned(),
        _ => {
            let count = |outcome: fn(Outcome) -> bool| {
                let is = |operation: &&Operation| outcome(operation.outcome);
                grouped(history.operations.iter().filter(is).count() as u64)
            };
            format!(
                "Of {} operations {} failed and {} ended without anyone knowing how; none was answered, so \
                 nothing was seen that could contradict anything.",
                grouped(operations),
                count(|outcome| matches!(outcome, Outcome::Fail | Outcome::Rejected)),
                count(|outcome| outcome == Outcome::Info),
            )
        }
    };
    let headline = "Nothing was acknowledged, so a pass would say nothing.";
    let finding = Finding::new("nothing-acknowledged", headline, explanation);
    HEADING.result(CheckState::Undecided, summary, vec![finding])
}

/// Runs with as many workers as the options ask for.
pub(crate) fn in_pool<R: Send>(options: &Options, run: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(options.worker_threads()).build() {
        Ok(pool) => pool.install(run),
        // Without threads of its own it still works, on the caller's.
        Err(_) => run(),
    }
}

/// Checks linearizability as far as it is promised. `traces` tells what became of an operation's command.
pub(crate) fn held_to(
    promised: Promised,
    name: &str,
    source: &Source,
    traces: Option<&linear::Traces<'_>>,
    options: &Options,
) -> Result<(CheckResult, HistoryReport), CheckError> {
    if promised.reads == Reads::Linearizable {
        return linearizability(name, source, traces, options);
    }
    let (history, left_out) = source.history.without_stale_reads();
    let held = Source { history, ..*source };
    let (mut check, mut report) = linearizability(name, &held, traces, options)?;
    let left_out = grouped(left_out);
    let note = format!("{left_out} reads not held against it: the target promises no newest value");
    check.summary = match check.state {
        CheckState::NotExercised => check.summary,
        _ => format!("{}; {note}", check.summary),
    };
    report.notes.push(note);
    Ok((check, report))
}

/// Checks linearizability and draws up the result. `traces` tells what became of an operation's command.
fn linearizability(
    name: &str,
    source: &Source,
    traces: Option<&linear::Traces<'_>>,
    options: &Options,
) -> Result<(CheckResult, HistoryReport), CheckError> {
    let history = &source.history;
    let model = object::model(name, history, options.model)?;
    let begun = Instant::now();
    let found = linear::check(history, model, traces, options);
    let check_ms = begun.elapsed().as_secs_f64() * 1e3;
    let report = HistoryReport {
        operations: history.operations.len() as u64,
        keys: history.keys() as u64,
        format: source.format.word().to_owned(),
        model: model.to_string(),
        bytes: source.bytes,
        parse_ms: source.parse_ms,
        check_ms,
        keys_by_method: found.keys_by_method.clone(),
        configurations: found.configurations,
        undecided: found.undecided,
        notes: notes(history, model, &found, options, begun + options.budget),
        slowest: found.slowest.clone(),
    };
    if found.verdict == Verdict::Pass && history.census().answered == 0 {
        let exercise = "a history in which an operation is acknowledged";
        let why = "no operation was acknowledged";
        return Ok((HEADING.not_exercised(why, exercise), report));
    }
    let told = found.findings.iter().filter(|finding| finding.witness.is_some()).count() as u64;
    let check = CheckResult {
        unlisted: found.violations.saturating_sub(told),
        state: found.verdict.into(),
        ..HEADING.result(CheckState::Broken, summary(&found, &report, model), found.findings)
    };
    Ok((check, report))
}

/// What a reader should know beside the verdict.
fn notes(
    history: &History,
    model: ModelKind,
    found: &linear::Linearizability,
    options: &Options,
    until: Instant,
) -> Vec<String> {
    let mut notes = history.notes.clone();
    notes.extend(hint::initial(history, model, &found.findings));
    notes.extend(hint::other_model(history, model, found.verdict, options, until));
    notes.extend(hint::failed_cas(history, model, found.verdict, options, until));
    notes
}

fn summary(found: &linear::Linearizability, report: &HistoryReport, model: ModelKind) -> String {
    let mut summary = format!(
        "{} {}, {} operations on {}, ",
        grouped(report.keys),
        if report.keys == 1 { "key" } else { "keys" },
        grouped(report.operations),
        model.plural()
    );
    if found.violations > 0 {
        summary.push_str(&format!("{} violating, ", grouped(found.violations)));
    }
    let methods: Vec<String> = found
        .keys_by_method
        .iter()
        .filter(|(method, _)| *method != "undecided")
        .map(|(method, keys)| format!("{method} {}", grouped(*keys)))
        .collect();
    summary.push_str(&format!("{} undecided", grouped(found.undecided)));
    if !methods.is_empty() {
        summary.push_str(&format!(" ({})", methods.join(", ")));
    }
    summary.push_str(&format!(", {:.0} ms", report.check_ms));
    summary
}

/// The positive control: a violation that is not there.
pub(crate) fn canary() -> CheckResult {
    const HEADING: Heading = Heading::new("canary", "the positive control stays silent");
    let headline = "The checker was told to report a violation that is not there.";
    let explanation = "This is the positive control: it shows that a violation reaches the verdict, the report and the exit \
                       code. It says nothing about the cluster.";
    let finding = Finding::new("canary", headline, explanation.to_owned());
    HEADING.result(CheckState::Broken, "told to report a violation".to_owned(), vec![finding])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_makes_a_violation_of_a_pass() {
        let history = r#"{"process":1,"type":"invoke","f":"write","key":"k","value":1,"time_ns":1}
{"process":1,"type":"ok","f":"write","key":"k","value":1,"time_ns":2}
"#;
        let check = |canary| {
            let options = Options { canary, ..Options::default() };
            let input = Box::new(std::io::Cursor::new(history.as_bytes().to_vec()));
            check_reader("test", input, &options).unwrap().0
        };
        assert_eq!(check(false).verdict, Verdict::Pass);
        assert_eq!(check(true).verdict, Verdict::Violation);
        let checks = check(true).checks;
        assert_eq!(checks.last().unwrap().findings[0].anomaly, "canary");
    }

    fn judged(lines: &[&str]) -> Analysis {
        let input = Box::new(std::io::Cursor::new(lines.join("\n").into_bytes()));
        check_reader("test", input, &Options::default()).unwrap().0
    }

    #[test]
    fn a_history_without_an_answer_is_undecided_with_the_reason() {
        let nemesis = r#"{"process":"nemesis","type":"info","f":"phase","value":{"name":"faults"},"time_ns":1}"#;
        let line = |kind: &str, f: &str, value: &str, more: &str| {
            format!(
                r#"{{"process":1,"type":"{kind}","f":"{f}","key":"k","value":{value},"time_ns":2{more}}}"#
            )
        };
        let write = [line("invoke", "write", "1", ""), line("info", "write", "1", "")];
        let failed =
            [line("invoke", "write", "1", ""), line("fail", "write", "1", r#","error":"no""#)];
        let cas = |more| [line("invoke", "cas", "[1,2]", ""), line("fail", "cas", "[1,2]", more)];
        let (rejected, seen) = (cas(""), cas(r#","saw":{"is":null}"#));
        let silent: [&[&str]; 5] = [
            &[],
            &[nemesis],
            &[nemesis, &write[0], &write[1]],
            &[&failed[0], &failed[1]],
            &[&rejected[0], &rejected[1]],
        ];
        for lines in silent {
            let found = judged(lines);
            assert_eq!(found.verdict, Verdict::Undecided, "{lines:?}");
            let states: Vec<_> = found.checks.iter().map(|check| check.state).collect();
            assert_eq!(states, [CheckState::NotExercised, CheckState::Undecided], "{lines:?}");
            assert!(!found.checks[1].findings[0].explanation.is_empty(), "{lines:?}");
        }
        // One that says what it saw is an answer, as good as a read.
        assert_eq!(judged(&[&seen[0], &seen[1]]).verdict, Verdict::Pass);
        // And a violation outweighs what was too little.
        let read = [line("invoke", "read", "null", ""), line("ok", "read", "7", "")];
        assert_eq!(judged(&[&read[0], &read[1]]).verdict, Verdict::Violation);
    }
}
