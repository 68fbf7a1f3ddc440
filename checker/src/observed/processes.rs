//! No server ended by itself, and none panicked.

use super::result;
use crate::analysis::{CheckResult, CheckState, Finding};
use crate::observation::{ProcessChange, ProcessEvent};
use crate::run::grouped;

const NAME: &str = "processes";
const TITLE: &str = "no crash or panic";

/// Judges `processes.jsonl`; `None`: there is none.
pub(crate) fn processes(events: Option<&[(u32, ProcessEvent)]>) -> CheckResult {
    let Some(events) = events else {
        return CheckResult::not_exercised(
            NAME,
            TITLE,
            "no processes.jsonl",
            "a run of this tool, which writes processes.jsonl",
        );
    };
    if events.is_empty() {
        let exercise = "a run that starts its servers";
        return CheckResult::not_exercised(NAME, TITLE, "no server was started", exercise);
    }
    let (mut starts, mut exits, mut findings) = (0, 0, Vec::new());
    for (line, event) in events {
        match &event.change {
            ProcessChange::Started => starts += 1,
            ProcessChange::Ready
            | ProcessChange::StoppedFromOutside
            | ProcessChange::ContinuedFromOutside
            | ProcessChange::AnsweredWhileDown => {}
            ProcessChange::Exited { how, expected, last_words } => {
                exits += 1;
                findings.extend(exit(*line, event, how, *expected, last_words));
            }
        }
    }
    let summary = format!(
        "{} starts, {} exits, {}",
        grouped(starts),
        grouped(exits),
        match findings.len() as u64 {
            0 => "all of them expected".to_owned(),
            wrong => format!("{} of them wrong", grouped(wrong)),
        }
    );
    result(NAME, TITLE, CheckState::Broken, summary, findings)
}

/// What is wrong with an exit. A panic is, even where the process was about to be killed.
fn exit(
    line: u32,
    event: &ProcessEvent,
    how: &str,
    expected: bool,
    last_words: &[String],
) -> Option<Finding> {
    let panicked = last_words.iter().any(|word| word.contains("panicked"));
    if expected && !panicked {
        return None;
    }
    let node = &event.node;
    let (anomaly, headline) = match panicked {
        true => ("panic", "A server panicked."),
        false => ("unexpected-exit", "A server ended by itself."),
    };
    let ended = match expected {
        true => format!("{node} was stopped by the run ({how}), having panicked before."),
        false => format!("{node} ended with {how}, and nothing in the run had asked it to."),
    };
    let explanation = match last_words.first() {
        Some(word) => format!("{ended} Its log says: {}", word.trim()),
        None => format!("{ended} Its log has no last words."),
    };
    let place = format!("processes.jsonl:{line}: {node} {how}");
    Some(Finding {
        anomaly: anomaly.to_owned(),
        headline: headline.to_owned(),
        explanation,
        at_ns: Some(event.time_ns),
        nodes: vec![node.clone()],
        evidence: std::iter::once(place).chain(last_words.iter().cloned()).collect(),
        ..Finding::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(how: &str, expected: bool, last_words: &[&str]) -> (u32, ProcessEvent) {
        let last_words = last_words.iter().map(|word| (*word).to_owned()).collect();
        let change = ProcessChange::Exited { how: how.to_owned(), expected, last_words };
        (7, ProcessEvent { node: "n3".to_owned(), time_ns: 5, pid: 1, change })
    }

    #[test]
    fn only_exits_that_nobody_asked_for_and_panics_are_wrong() {
        let killed = exited("signal 9", true, &["disk is slow"]);
        let check = processes(Some(std::slice::from_ref(&killed)));
        assert_eq!((check.state, check.findings.len()), (CheckState::Holds, 0));
        assert_eq!(check.summary, "0 starts, 1 exits, all of them expected");

        let crashed = exited("exit code 101", false, &["thread 'disk' panicked at wal.rs:7"]);
        let gone = exited("exit code 1", false, &[]);
        let hidden = exited("signal 9", true, &["thread 'main' panicked at x.rs:1"]);
        let check = processes(Some(&[killed, crashed, gone, hidden]));
        assert_eq!(check.state, CheckState::Broken);
        let anomalies: Vec<_> = check.findings.iter().map(|f| f.anomaly.as_str()).collect();
        assert_eq!(anomalies, ["panic", "unexpected-exit", "panic"]);
        assert!(check.findings[0].explanation.contains("wal.rs:7"));
        assert_eq!(check.findings[1].nodes, ["n3"]);
    }

    #[test]
    fn without_the_file_it_says_that_it_did_not_look() {
        assert_eq!(processes(None).state, CheckState::NotExercised);
        assert_eq!(processes(None).summary, "no processes.jsonl");
    }
}
