//! Judges a history on its own, without a run around it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, CheckResult, CheckState, Finding};
use crate::error::CheckError;
use crate::history::{self, Source};
use crate::options::Options;
use crate::verdict::Verdict;
use crate::{detect_model, linear};

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
    /// The keys that took longest, slowest first; at most 20.
    pub slowest: Vec<KeyReport>,
}

/// How one key was decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyReport {
    /// The key.
    pub key: String,
    /// Its operations.
    pub operations: u64,
    /// What decided it.
    pub method: String,
    /// Configurations visited by its searches; 0 for the zone path.
    pub configurations: u64,
    /// Time it took, milliseconds.
    pub ms: f64,
    /// What it came to.
    pub verdict: Verdict,
    /// Where undecided: how far the search got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
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

fn judge_history(
    name: &str,
    source: &Source,
    options: &Options,
) -> Result<(Analysis, HistoryReport), CheckError> {
    let (check, report) = linearizability(name, source, options)?;
    let mut checks = vec![check];
    checks.extend(options.canary.then(canary));
    Ok((Analysis::of(checks), report))
}

/// Runs with as many workers as the options ask for.
pub(crate) fn in_pool<R: Send>(options: &Options, run: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(options.worker_threads()).build() {
        Ok(pool) => pool.install(run),
        // Without threads of its own it still works, on the caller's.
        Err(_) => run(),
    }
}

/// Checks linearizability and draws up the result.
pub(crate) fn linearizability(
    name: &str,
    source: &Source,
    options: &Options,
) -> Result<(CheckResult, HistoryReport), CheckError> {
    let history = &source.history;
    let model = detect_model::model(name, history, options.model)?;
    let begun = Instant::now();
    let found = linear::check(history, model, options);
    let check_ms = begun.elapsed().as_secs_f64() * 1e3;
    let report = HistoryReport {
        operations: history.operations.len() as u64,
        keys: history.keys() as u64,
        format: source.format.word().to_owned(),
        model: model.word().to_owned(),
        bytes: source.bytes,
        parse_ms: source.parse_ms,
        check_ms,
        keys_by_method: found.keys_by_method.clone(),
        configurations: found.configurations,
        undecided: found.undecided,
        slowest: found.slowest.clone(),
    };
    let check = CheckResult {
        name: "linearizability".to_owned(),
        title: "every operation takes effect at one moment between its begin and its end"
            .to_owned(),
        state: found.verdict.into(),
        summary: summary(&found, &report),
        findings: found.findings,
        exercise: None,
    };
    Ok((check, report))
}

fn summary(found: &linear::Linearizability, report: &HistoryReport) -> String {
    let mut summary = format!(
        "{} keys, {} operations on {}s, ",
        grouped(report.keys),
        grouped(report.operations),
        report.model
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

/// A number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The positive control: a violation that is not there.
pub(crate) fn canary() -> CheckResult {
    CheckResult {
        name: "canary".to_owned(),
        title: "the positive control stays silent".to_owned(),
        state: CheckState::Broken,
        exercise: None,
        summary: "told to report a violation".to_owned(),
        findings: vec![Finding {
            anomaly: "canary".to_owned(),
            headline: "The checker was told to report a violation that is not there.".to_owned(),
            explanation:
                "This is the positive control: it shows that a violation reaches the verdict, the \
                          report and the exit code. It says nothing about the cluster."
                    .to_owned(),
            ..Finding::default()
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

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
        assert_eq!(check(true).checks[1].findings[0].anomaly, "canary");
    }
}
