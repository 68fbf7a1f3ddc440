//! No acknowledged write is lost: what was acknowledged is still there at the end, or was replaced.
//!
//! Taken from the reads of the final phase, when every fault is healed and every key is read once more.
//! It covers keys that were read then; where acknowledged writes were not, it is undecided. On registers, a key whose values were written once each: the
//! value read is not older than an acknowledged change that began after it was written. On append
//! lists: every acknowledged element is in the list. Linearizability implies all of this; this check
//! says it in the words of whoever lost data, and in linear time whatever the budget.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::Phases;
use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::numbers::grouped;
use crate::run_folder::HISTORY;

const HEADING: Heading = Heading::new("durability", "no acknowledged write lost");

/// Findings shown. Where one key lost its data, others did too.
const SHOWN_MAX: usize = 8;

/// Judges the final reads.
pub(crate) fn acknowledged(history: Option<&History>) -> CheckResult {
    let Some(history) = history else {
        return HEADING.not_exercised(
            &format!("no {HISTORY}"),
            "a run of this tool, which records what clients saw",
        );
    };
    let phases = Phases::of(history);
    let Some(last) = phases.find("final") else {
        return HEADING.not_exercised(
            "the run did not get to its final reads",
            "a run that is not cut short before its phase final",
        );
    };
    let by_key = history.by_key();
    let (mut keys, mut writes, mut unread, mut lost) = (0, 0, 0, Vec::new());
    for key in 0..history.keys() as u32 {
        let operations: Vec<&Operation> =
            by_key.operations(key).iter().map(|at| &history.operations[*at as usize]).collect();
        let Some(read) = final_read(&operations, last.at_ns) else {
            unread += u64::from(operations.iter().any(|operation| is_acknowledged(operation)));
            continue;
        };
        let acknowledged: Vec<&Operation> = acknowledged_before(&operations, read).collect();
        let losses = match Kind::of(&operations) {
            Some(Kind::Register) => {
                lost_write(&operations, &acknowledged, read, history.initial(key))
            }
            Some(Kind::List) => lost_elements(history, &acknowledged, read),
            None => continue,
        };
        keys += 1;
        writes += acknowledged.len() as u64;
        lost.extend(losses.into_iter().map(|write| Loss { key, read, write }));
    }
    let mut summary = format!(
        "{} of {} keys read at the end, {} acknowledged writes before",
        grouped(keys),
        grouped(history.keys() as u64),
        grouped(writes)
    );
    if !lost.is_empty() {
        summary.push_str(&format!(", {} of them lost", grouped(lost.len() as u64)));
    }
    if lost.is_empty() && unread > 0 {
        return HEADING.result(CheckState::Undecided, summary, vec![not_read(unread)]);
    }
    if lost.is_empty() && writes == 0 {
        return HEADING.not_exercised(
            "no write was acknowledged before the final reads",
            "a run in which clients write",
        );
    }
    let findings = lost.iter().take(SHOWN_MAX).map(|loss| loss.finding(history)).collect();
    let unlisted = lost.len().saturating_sub(SHOWN_MAX) as u64;
    CheckResult { unlisted, ..HEADING.result(CheckState::Broken, summary, findings) }
}

/// What nobody read at the end may be lost.
fn not_read(keys: u64) -> Finding {
    Finding {
        anomaly: "unread".to_owned(),
        headline: "Keys with acknowledged writes were not read at the end.".to_owned(),
        explanation: format!(
            "No read of the final phase succeeded for {} keys, so nobody knows whether what was acknowledged \
             there is still there.",
            grouped(keys)
        ),
        ..Finding::default()
    }
}

/// What is done to a key.
enum Kind {
    /// Writes and cas, each value once.
    Register,
    /// Appends.
    List,
}

impl Kind {
    fn of(operations: &[&Operation]) -> Option<Kind> {
        let all = |known: &[Function]| {
            operations.iter().all(|operation| known.contains(&operation.function))
        };
        if all(&[Function::Read, Function::Append]) {
            return Some(Kind::List);
        }
        (all(&[Function::Read, Function::Write, Function::Cas]) && is_unique(operations))
            .then_some(Kind::Register)
    }
}

fn is_unique(operations: &[&Operation]) -> bool {
    let mut seen = std::collections::HashSet::new();
    operations.iter().filter_map(|operation| written(operation)).all(|value| seen.insert(value))
}

/// The value that an operation puts there, if it takes effect.
fn written(operation: &Operation) -> Option<Value> {
    match operation.function {
        Function::Write => Some(operation.value),
        Function::Cas => Some(operation.second),
        _ => None,
    }
}

/// The last successful read that began in the final phase.
fn final_read<'a>(operations: &[&'a Operation], final_ns: u64) -> Option<&'a Operation> {
    let is_final = |operation: &&&Operation| {
        operation.function == Function::Read
            && operation.outcome == Outcome::Ok
            && operation.invoked_at_ns >= final_ns
    };
    operations.iter().filter(is_final).max_by_key(|operation| operation.invoked).copied()
}

/// The changes that were acknowledged before a read began.
fn acknowledged_before<'a>(
    operations: &[&'a Operation],
    read: &Operation,
) -> impl Iterator<Item = &'a Operation> {
    operations
        .iter()
        .copied()
        .filter(|operation| is_acknowledged(operation) && operation.completed < read.invoked)
}

fn is_acknowledged(operation: &Operation) -> bool {
    operation.function != Function::Read && operation.outcome == Outcome::Ok
}

/// The acknowledged change that a read should have seen, or something newer.
fn lost_write<'a>(
    operations: &[&'a Operation],
    acknowledged: &[&'a Operation],
    read: &Operation,
    initial: Value,
) -> Vec<&'a Operation> {
    let Some(newest) = acknowledged.iter().max_by_key(|operation| operation.invoked) else {
        return Vec::new();
    };
    let writer = operations.iter().find(|operation| written(operation) == Some(read.value));
    let is_lost = match writer {
        // An indeterminate write may have taken effect at any time.
        Some(writer) => writer.outcome == Outcome::Ok && writer.completed < newest.invoked,
        // Null says that nothing is there any more, and the initial value is what was there before anything was
        // written. Another value that nobody wrote is another check's finding.
        None => read.value == Value::NIL || read.value == initial,
    };
    if is_lost { vec![*newest] } else { Vec::new() }
}

/// The acknowledged elements that a read does not show.
fn lost_elements<'a>(
    history: &History,
    acknowledged: &[&'a Operation],
    read: &Operation,
) -> Vec<&'a Operation> {
    match history.values.json(read.value) {
        Json::Null => acknowledged.to_vec(),
        Json::Array(elements) => {
            let mut counts: HashMap<String, usize> = HashMap::new();
            for element in elements {
                *counts.entry(element.to_string()).or_default() += 1;
            }
            let is_lost = |operation: &&&Operation| {
                !counts.contains_key(&history.values.json(operation.value).to_string())
            };
            acknowledged.iter().filter(is_lost).copied().collect()
        }
        Json::String(text) => {
            let words = Text::new(&text);
            let is_lost = |operation: &&&Operation| {
                let word = history.values.json(operation.value);
                word.as_str().is_some_and(|word| !words.has(word))
            };
            acknowledged.iter().filter(is_lost).copied().collect()
        }
        _ => Vec::new(),
    }
}

/// A string that words were appended to. Words that end with `;` are looked up as a whole.
struct Text<'a> {
    text: &'a str,
    words: std::collections::HashSet<&'a str>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Text<'a> {
        Text { text, words: text.split_inclusive(';').collect() }
    }

    fn has(&self, word: &str) -> bool {
        let is_delimited = word.find(';').is_some_and(|at| at + 1 == word.len());
        if is_delimited { self.words.contains(word) } else { self.text.contains(word) }
    }
}

/// An acknowledged write that is gone, and the read that shows it.
struct Loss<'a> {
    key: u32,
    read: &'a Operation,
    write: &'a Operation,
}

impl Loss<'_> {
    fn finding(&self, history: &History) -> Finding {
        let (read, write) = (self.read, self.write);
        let value = written(write).unwrap_or(write.value);
        let node = |operation| match history.node(operation) {
            Some(node) => format!(" on {node}"),
            None => String::new(),
        };
        let explanation = format!(
            "Client {}’s {} of {}{} was acknowledged. {:.1} s later, in the final reads, client {} \
             read {}{}, which is without it and not newer.",
            write.process,
            write.function.word(),
            history.values.words(value),
            node(write),
            read.invoked_at_ns.saturating_sub(write.completed_at_ns) as f64 / 1e9,
            read.process,
            history.values.words(read.value),
            node(read),
        );
        let nodes = [write, read].into_iter().filter_map(|operation| history.node(operation));
        Finding {
            anomaly: "lost-write".to_owned(),
            headline: "A final read is without an acknowledged write.".to_owned(),
            explanation,
            key: Some(history.key(self.key).to_owned()),
            at_ns: Some(read.completed_at_ns),
            nodes: nodes.map(str::to_owned).collect(),
            evidence: [write, read]
                .map(|operation| format!("{HISTORY}:{}", history.line(operation.completed)))
                .to_vec(),
            ..Finding::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history;
    use crate::options::Options;

    /// Operations one after the other, `f value outcome`; `final` begins the final phase.
    fn check(script: &str) -> CheckResult {
        let (mut text, mut time_ns) = (String::new(), 0);
        for (process, line) in script.lines().map(str::trim).enumerate() {
            time_ns += 1_000;
            if line == "final" {
                text.push_str(&format!(
                    r#"{{"process":"nemesis","type":"info","f":"phase","value":{{"name":"final"}},"time_ns":{time_ns}}}"#
                ));
                text.push('\n');
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            for (kind, at) in [("invoke", 0), (words[2], 1)] {
                let value = if words[0] == "read" && at == 0 { "null" } else { words[1] };
                text.push_str(&format!(
                    r#"{{"process":{process},"type":"{kind}","f":"{}","key":"k","value":{value},"time_ns":{}}}"#,
                    words[0],
                    time_ns + at
                ));
                text.push('\n');
            }
        }
        let input = Box::new(std::io::Cursor::new(text.into_bytes()));
        let source = history::read_from("test", input, &Options::default()).unwrap();
        acknowledged(Some(&source.history))
    }

    fn lost(script: &str) -> usize {
        let check = check(script);
        assert_eq!(check.state == CheckState::Broken, !check.findings.is_empty());
        check.findings.len()
    }

    #[test]
    fn a_register_that_reads_an_older_value_lost_the_newer() {
        assert_eq!(lost("write 1 ok\nwrite 2 ok\nfinal\nread 2 ok"), 0);
        assert_eq!(lost("write 1 ok\nwrite 2 ok\nfinal\nread 1 ok"), 1);
        assert_eq!(lost("write 1 ok\ncas [1,2] ok\nfinal\nread 1 ok"), 1);
        assert_eq!(lost("write 1 ok\nfinal\nread null ok"), 1);
        let check = check("write 1 ok\nwrite 2 ok\nfinal\nread 1 ok");
        assert!(check.findings[0].explanation.contains("write of 2 was acknowledged"));
        assert_eq!(
            check.summary,
            "1 of 1 keys read at the end, 2 acknowledged writes before, 1 of them lost"
        );
    }

    #[test]
    fn null_may_be_a_written_value() {
        assert_eq!(lost("write 1 ok\nwrite null ok\nfinal\nread null ok"), 0);
        assert_eq!(lost("write 1 ok\ncas [1,null] ok\nfinal\nread null ok"), 0);
        assert_eq!(lost("write null ok\nwrite 1 ok\nfinal\nread null ok"), 1);
    }

    #[test]
    fn what_nobody_was_promised_is_not_lost() {
        assert_eq!(lost("write 1 ok\nwrite 2 info\nfinal\nread 1 ok"), 0);
        assert_eq!(
            lost("write 1 info\nwrite 2 ok\nfinal\nread 1 ok"),
            0,
            "it may be the later one"
        );
        assert_eq!(lost("write 1 ok\nwrite 2 fail\nfinal\nread 1 ok"), 0);
        assert_eq!(lost("write 1 ok\nwrite 2 ok\nread 1 ok\nfinal\nread 2 ok"), 0);
        assert_eq!(lost("write 1 ok\nwrite 2 ok\nwrite 1 ok\nfinal\nread 1 ok"), 0, "not unique");
    }

    #[test]
    fn a_list_without_an_acknowledged_element_lost_it() {
        let appends = "append \"1;\" ok\nappend \"11;\" ok\nappend \"2;\" info\nfinal\n";
        assert_eq!(lost(&format!("{appends}read \"1;11;\" ok")), 0);
        assert_eq!(lost(&format!("{appends}read \"11;2;\" ok")), 1, "11; is not 1;");
        assert_eq!(lost(&format!("{appends}read null ok")), 2);
        let lists = "append 1 ok\nappend 2 ok\nfinal\n";
        assert_eq!(lost(&format!("{lists}read [1,2] ok")), 0);
        assert_eq!(lost(&format!("{lists}read [2] ok")), 1);
    }

    #[test]
    fn without_final_reads_it_says_that_it_did_not_look() {
        assert_eq!(check("write 1 ok").state, CheckState::NotExercised);
        let unread = check("write 1 ok\nfinal\nread 1 fail");
        assert_eq!(unread.summary, "0 of 1 keys read at the end, 0 acknowledged writes before");
        assert_eq!(unread.state, CheckState::Undecided);
        assert_eq!(check("write 1 fail\nfinal\nread 1 fail").state, CheckState::NotExercised);
    }
}
