//! Nobody but the run touched the servers: none was stopped or killed by somebody else, and none answered while the
//! run had it down.
//!
//! What somebody else does is no promise of the server's broken, and no fault of the plan either: such a run
//! proves less than was asked for, so it is undecided.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::numbers::grouped;
use crate::observation::{ProcessChange, ProcessEvent};
use crate::run_folder::PROCESSES;

const HEADING: Heading = Heading::new("outside", "nobody but the run stopped or started a server");

/// Judges `processes.jsonl`; `None`: there is none.
pub(crate) fn outside(events: Option<&[(u32, ProcessEvent)]>) -> CheckResult {
    let Some(events) = events else {
        let exercise = format!("a run of this tool, which writes {PROCESSES}");
        return HEADING.not_exercised(&format!("no {PROCESSES}"), &exercise);
    };
    if events.is_empty() {
        let exercise = "a run that starts its servers";
        return HEADING.not_exercised("no server was started", exercise);
    }
    let mut first: BTreeMap<(&str, &str), (u32, u64, u64)> = BTreeMap::new();
    for (line, event) in events {
        let anomaly = match event.change {
            ProcessChange::StoppedFromOutside => "stopped-from-outside",
            ProcessChange::AnsweredWhileDown => "answered-while-down",
            ProcessChange::Exited { ref how, expected: false, .. } if is_sent(how) => {
                "killed-from-outside"
            }
            _ => continue,
        };
        let seen = first.entry((&event.node, anomaly)).or_insert((*line, event.time_ns, 0));
        seen.2 += 1;
    }
    let nodes: BTreeSet<&str> = events.iter().map(|(_, event)| event.node.as_str()).collect();
    let summary = match first.len() {
        0 => format!("{} servers watched", grouped(nodes.len() as u64)),
        _ => {
            let told = first.keys().map(|(node, anomaly)| format!("{node} {}", words(anomaly)));
            told.collect::<Vec<_>>().join(", ")
        }
    };
    let findings = first.into_iter().map(|((node, anomaly), (line, at_ns, times))| {
        let times = match times {
            1 => String::new(),
            more => format!(", {} times", grouped(more)),
        };
        Finding {
            anomaly: anomaly.to_owned(),
            headline: "Somebody but the run stopped or started a server.".to_owned(),
            explanation: format!("{node} {}{times}.", words(anomaly)),
            at_ns: Some(at_ns),
            nodes: vec![node.to_owned()],
            evidence: vec![format!("{PROCESSES}:{line}: {node} {anomaly}")],
            ..Finding::default()
        }
    });
    HEADING.result(CheckState::Undecided, summary, findings.collect())
}

/// Signals that a process does not bring on itself: SIGHUP, SIGINT, SIGKILL and SIGTERM are sent, by somebody or, where
/// there is no memory left, by the kernel.
pub(super) fn is_sent(how: &str) -> bool {
    matches!(how, "signal 1" | "signal 2" | "signal 9" | "signal 15")
}

fn words(anomaly: &str) -> &'static str {
    match anomaly {
        "killed-from-outside" => "was killed by a signal that the run had not sent",
        "answered-while-down" => "answered while it was down",
        _ => "was stopped though no fault had stopped it",
    }
}

/// Takes back what the cluster or a server cannot be blamed for after somebody else touched it: that it did
/// not recover, and that a touched server ended. A panic stays what it is.
pub(crate) fn excuse(check: CheckResult, outside: &CheckResult) -> CheckResult {
    let touched: BTreeSet<&String> = outside.findings.iter().flat_map(|it| &it.nodes).collect();
    let is_excused = |finding: &Finding| match finding.anomaly.as_str() {
        "no-recovery" => true,
        "unexpected-exit" => finding.nodes.iter().all(|node| touched.contains(node)),
        _ => false,
    };
    let is_broken = check.state == CheckState::Broken;
    if touched.is_empty() || !is_broken || !check.findings.iter().all(is_excused) {
        return check;
    }
    CheckResult { state: CheckState::Undecided, ..check }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::processes;

    fn event(node: &str, change: ProcessChange) -> (u32, ProcessEvent) {
        (3, ProcessEvent { node: node.to_owned(), time_ns: 5, pid: 1, change })
    }

    fn exited(last_words: &[&str]) -> ProcessChange {
        let last_words = last_words.iter().map(|word| (*word).to_owned()).collect();
        ProcessChange::Exited { how: "exit code 1".to_owned(), expected: false, last_words }
    }

    #[test]
    fn what_somebody_else_did_is_told_and_undecided() {
        let quiet = [event("n1", ProcessChange::Started), event("n1", ProcessChange::Ready)];
        assert_eq!(outside(Some(&quiet)).state, CheckState::Holds);
        assert_eq!(outside(None).state, CheckState::NotExercised);
        let stopped = event("n1", ProcessChange::StoppedFromOutside);
        let answered = event("n2", ProcessChange::AnsweredWhileDown);
        let check = outside(Some(&[stopped.clone(), stopped, answered]));
        assert_eq!(check.state, CheckState::Undecided);
        let told: Vec<_> = check.findings.iter().map(|it| it.explanation.as_str()).collect();
        let expected = [
            "n1 was stopped though no fault had stopped it, 2 times.",
            "n2 answered while it was down.",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn whoever_is_killed_did_not_end_by_itself() {
        let ended = |how: &str, expected: bool| {
            let change =
                ProcessChange::Exited { how: how.to_owned(), expected, last_words: Vec::new() };
            let events = [event("n1", change)];
            (processes(Some(&events)).state, outside(Some(&events)).state)
        };
        for sent in ["signal 1", "signal 2", "signal 9", "signal 15"] {
            assert_eq!(ended(sent, false), (CheckState::Holds, CheckState::Undecided), "{sent}");
        }
        for own in ["signal 6", "signal 11", "exit code 1", "exit code 0"] {
            assert_eq!(ended(own, false), (CheckState::Broken, CheckState::Holds), "{own}");
        }
        assert_eq!(ended("signal 9", true), (CheckState::Holds, CheckState::Holds));
    }

    #[test]
    fn only_a_touched_server_that_did_not_panic_is_excused() {
        let answered = event("n2", ProcessChange::AnsweredWhileDown);
        let state = |node: &str, last_words: &[&str]| {
            let events = [answered.clone(), event(node, exited(last_words))];
            excuse(processes(Some(&events)), &outside(Some(&events))).state
        };
        assert_eq!(state("n2", &["address in use"]), CheckState::Undecided);
        assert_eq!(state("n2", &["thread panicked at x.rs:1"]), CheckState::Broken);
        assert_eq!(state("n1", &[]), CheckState::Broken);
    }
}
