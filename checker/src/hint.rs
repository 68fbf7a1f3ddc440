//! What a person may want to say about a history that it does not say itself.

use std::time::Instant;

use serde_json::Value as Json;

use crate::analysis::Finding;
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linear;
use crate::object::{ModelKind, card};
use crate::options::{FailedCas, Options};
use crate::verdict::Verdict;

/// Notes on a history that violates: the keys whose first reads agree on a value that nobody wrote, with the option to
/// paste. Such a key was not absent when the record began.
pub(crate) fn initial(history: &History, model: ModelKind, findings: &[Finding]) -> Vec<String> {
    if !has_cas(model) {
        return Vec::new();
    }
    let keys = findings.iter().filter(|finding| finding.witness.is_some()).filter_map(|finding| {
        let key = history.find_key(finding.key.as_deref().unwrap_or_default())?;
        Some((key, unwritten(history, key)?))
    });
    let mut notes: Vec<String> = keys.map(|(key, value)| note(history, key, value)).collect();
    notes.dedup();
    notes
}

/// Whether it is about single values, which a key may have had before the record began.
fn has_cas(model: ModelKind) -> bool {
    card(model).functions.contains(&Function::Cas)
}

fn note(history: &History, key: u32, value: Value) -> String {
    let (name, words) = (history.key(key), history.values.words(value));
    let mut option = history.values.json(value).to_string();
    if !name.is_empty() {
        option = format!("{name}={option}");
    }
    let of_key = if name.is_empty() { String::new() } else { format!(" of key {name:?}") };
    format!(
        "the first reads{of_key} saw {words}, which no client wrote: if it was there before the record began, say \
         --initial {}",
        quoted(&option)
    )
}

/// A note where the verdict hangs on what a failed cas without an error says: the other meaning, with its option,
/// where that gives the other verdict by `until`.
pub(crate) fn failed_cas(
    history: &History,
    model: ModelKind,
    verdict: Verdict,
    options: &Options,
    until: Instant,
) -> Option<String> {
    let left = until.saturating_duration_since(Instant::now());
    let decides = matches!(verdict, Verdict::Pass | Verdict::Violation);
    if !has_cas(model) || history.ambiguous.is_empty() || !decides || left.is_zero() {
        return None;
    }
    let (as_read, other) = match history.operations[history.ambiguous[0] as usize].outcome {
        Outcome::Rejected => (FailedCas::Mismatch, FailedCas::Nothing),
        _ => (FailedCas::Nothing, FailedCas::Mismatch),
    };
    // Evidence can only make a violation of a pass, and without it only a pass of a violation.
    if (as_read == FailedCas::Mismatch) != (verdict == Verdict::Violation) {
        return None;
    }
    let mut otherwise = history.clone();
    for &index in &history.ambiguous {
        otherwise.operations[index as usize].outcome = match other {
            FailedCas::Mismatch => Outcome::Rejected,
            FailedCas::Nothing => Outcome::Fail,
        };
    }
    let options = Options { budget: left, progress: None, ..options.clone() };
    let otherwise = linear::check(&otherwise, model, None, &options).verdict;
    let is_other = match verdict {
        Verdict::Pass => otherwise == Verdict::Violation,
        _ => otherwise == Verdict::Pass,
    };
    let meaning = |reading: FailedCas| match reading {
        FailedCas::Mismatch => "evidence that the value was another",
        FailedCas::Nothing => "no evidence",
    };
    is_other.then(|| {
        format!(
            "the verdict hangs on {} that failed without an error: read as {}. As {} the verdict is {otherwise}: say \
             --failed-cas {}",
            match history.ambiguous.len() {
                1 => "a cas".to_owned(),
                several => format!("{several} cas"),
            },
            meaning(as_read),
            meaning(other),
            other.word(),
        )
    })
}

/// A note where a history violates the model that its operations were taken for, and keeps another one that has the
/// same operations.
pub(crate) fn other_model(
    history: &History,
    model: ModelKind,
    verdict: Verdict,
    options: &Options,
    until: Instant,
) -> Option<String> {
    let other: ModelKind = card(model).other?.parse().ok()?;
    let left = until.saturating_duration_since(Instant::now());
    if options.model.is_some() || verdict != Verdict::Violation || left.is_zero() {
        return None;
    }
    let options = Options { budget: left, progress: None, ..options.clone() };
    let otherwise = linear::check(history, other, None, &options).verdict;
    (otherwise == Verdict::Pass).then(|| {
        format!(
            "the operations were taken for those of a {model}; as those of {} {other} the verdict is {otherwise}: \
             say --model {other}",
            other.article(),
        )
    })
}

/// As a shell wants it.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.,:/".contains(&byte);
    match text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// The value that all reads saw which ended before any change can have been seen, if nobody wrote it.
fn unwritten(history: &History, key: u32) -> Option<Value> {
    let operations =
        || history.by_key().operations(key).iter().map(|&at| &history.operations[at as usize]);
    let changes = |operation: &&Operation| operation.function != Function::Read;
    let first_change = operations()
        .filter(changes)
        .filter(|operation| matches!(operation.outcome, Outcome::Ok | Outcome::Info))
        .map(|operation| operation.invoked)
        .min()
        .unwrap_or(u32::MAX);
    let reads = || {
        operations()
            .filter(|operation| !changes(operation))
            .filter(|read| read.outcome == Outcome::Ok)
    };
    let mut first: Vec<Value> =
        reads().filter(|read| read.completed < first_change).map(|read| read.value).collect();
    if first.is_empty() {
        // Nobody read before the first change: a cas that succeeded tells what it found.
        let cas =
            operations().filter(changes).find(|operation| operation.invoked == first_change)?;
        first.extend(
            (cas.function == Function::Cas && cas.outcome == Outcome::Ok).then_some(cas.value),
        );
    }
    let value = *first.first()?;
    let is_written = operations().any(|operation| match operation.function {
        Function::Write => operation.value == value,
        Function::Cas => operation.second == value,
        _ => false,
    });
    let is_new = value != history.initial(key) && history.values.json(value) != Json::Null;
    (first.iter().all(|other| *other == value) && !is_written && is_new).then_some(value)
}
