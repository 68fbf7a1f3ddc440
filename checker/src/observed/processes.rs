//! No server ended by itself, and none panicked.

use super::outside::is_sent;
use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::numbers::grouped;
use crate::observation::{ProcessChange, ProcessEvent};
use crate::run_folder::PROCESSES;

const HEADING: Heading = Heading::new("processes", "no crash or panic");

/// Judges `processes.jsonl`; `None`: there is none.
pub(crate) fn processes(events: Option<&[(u32, ProcessEvent)]>) -> CheckResult {
    let Some(events) = events else {
        return HEADING.not_exercised(
            &format!("no {PROCESSES}"),
            &format!("a run of this tool, which writes {PROCESSES}"),
        );
    };
    if events.is_empty() {
        let exercise = "a run that starts its servers";
        return HEADING.not_exercised("no server was started", exercise);
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
    HEADING.result(CheckState::Broken, summary, findings)
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
    // Whoever was killed did not end by itself: the check `outside` tells of that.
    if (expected || is_sent(how)) && !panicked {
        return None;
    }
    let node = &event.node;
    let (anomaly, headline) = match panicked {
        true => ("panic", "A server panicked."),
        false => ("unexpected-exit", "A server ended by itself."),
    };
    let ended = match expected {
        true => format!(
            "{node} was stopped by the run ({how}), having panicked before.",
            how = named(how)
        ),
        false => {
            format!("{node} ended with {}, and nothing in the run had asked it to.", named(how))
        }
    };
    let explanation = match quoted(last_words) {
        Some(words) => format!("{ended} Its last words in the log: {words}"),
        None => format!("{ended} Its log has no last words."),
    };
    let place = format!("{PROCESSES}:{line}: {node} {how}");
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

/// What a process said last: its last panic from its first line on, or else its last line.
fn quoted(last_words: &[String]) -> Option<String> {
    let panic = last_words.iter().rposition(|word| word.contains("panicked"));
    let from = panic.or(last_words.len().checked_sub(1))?;
    let words: Vec<&str> = last_words[from..].iter().map(|word| word.trim()).collect();
    Some(words.join(" "))
}

/// Signals whose default action ends a process and that servers meet, by their numbers on Linux (signal(7)).
const SIGNALS: [(&str, &str); 15] = [
    ("1", "SIGHUP"),
    ("2", "SIGINT"),
    ("3", "SIGQUIT"),
    ("4", "SIGILL"),
    ("5", "SIGTRAP"),
    ("6", "SIGABRT"),
    ("7", "SIGBUS"),
    ("8", "SIGFPE"),
    ("9", "SIGKILL"),
    ("11", "SIGSEGV"),
    ("13", "SIGPIPE"),
    ("14", "SIGALRM"),
    ("15", "SIGTERM"),
    ("24", "SIGXCPU"),
    ("25", "SIGXFSZ"),
];

/// `signal 6` with the signal's name; any other way to end as it is.
fn named(how: &str) -> String {
    let number = how.strip_prefix("signal ");
    let name = SIGNALS.iter().find(|(known, _)| Some(*known) == number);
    name.map_or_else(|| how.to_owned(), |(number, name)| format!("{name} (signal {number})"))
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
    fn a_crash_is_told_by_its_signal_and_its_last_words() {
        let words = [
            "fatal: the first complaint",
            "thread 'main' panicked at src/a.rs:1:",
            "an early panic that was caught",
            "thread 'disk' panicked at src/wal.rs:7:",
            "entry 4 follows entry 2",
        ];
        let told = |how: &str, words: &[&str]| {
            processes(Some(&[exited(how, false, words)])).findings[0].explanation.clone()
        };
        assert_eq!(
            told("signal 6", &words),
            "n3 ended with SIGABRT (signal 6), and nothing in the run had asked it to. Its last words in \
             the log: thread 'disk' panicked at src/wal.rs:7: entry 4 follows entry 2"
        );
        assert!(told("signal 11", &["a", "b"]).ends_with("log: b"));
        assert!(told("signal 11", &[]).contains("SIGSEGV (signal 11)"));
        assert!(told("signal 64", &[]).contains("ended with signal 64,"));
        assert!(told("exit code 6", &[]).contains("ended with exit code 6,"));
    }

    #[test]
    fn without_the_file_it_says_that_it_did_not_look() {
        assert_eq!(processes(None).state, CheckState::NotExercised);
        assert_eq!(processes(None).summary, "no processes.jsonl");
    }
}
