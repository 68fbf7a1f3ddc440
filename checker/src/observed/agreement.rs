//! Every node shows the same at the end.
//!
//! Taken from the reads of the final phase, where every key is read through every node while nothing changes it. Two
//! nodes that show different values of one key have diverged, even where clients that ask the leader never see it.
//! A key is left out while a change of it has an unknown outcome and wrote what was read: it may take effect between two reads.

use std::collections::{BTreeMap, HashMap};

use super::Phases;
use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::numbers::grouped;
use crate::run_folder::HISTORY;

const HEADING: Heading = Heading::new("agreement", "every node shows the same at the end");
/// Findings shown. Where nodes disagree on one key, they do on others.
const SHOWN_MAX: usize = 8;

/// Judges the final reads.
pub(crate) fn agreement(history: Option<&History>) -> CheckResult {
    let exercise = "a run of a target whose nodes answer reads themselves";
    let idle = |why: &str| HEADING.not_exercised(why, exercise);
    let Some(history) = history else { return idle(&format!("no {HISTORY}")) };
    let phases = Phases::of(history);
    let Some(last) = phases.find("final") else {
        return idle("the run did not get to its final reads");
    };
    let by_key = history.by_key();
    let (mut compared, mut open, mut findings) = (0, 0, Vec::new());
    for key in 0..history.keys() as u32 {
        let at = by_key.operations(key).iter();
        let operations: Vec<&Operation> = at.map(|at| &history.operations[*at as usize]).collect();
        let seen = seen_at_the_end(history, &operations, last.at_ns);
        if seen.len() < 2 {
            continue;
        }
        if is_open(&operations, &seen) {
            open += 1;
            continue;
        }
        compared += 1;
        let mut values: Vec<Value> = seen.values().copied().collect();
        values.dedup();
        if values.len() > 1 {
            findings.push(differ(history, key, &seen));
        }
    }
    if compared == 0 {
        return idle("no key was read through two nodes at the end");
    }
    let mut summary = format!("{} keys read through more than one node", grouped(compared));
    if open > 0 {
        summary.push_str(&format!(", {} more left out: a change is unknown", grouped(open)));
    }
    let unlisted = findings.len().saturating_sub(SHOWN_MAX) as u64;
    if !findings.is_empty() {
        summary.push_str(&format!(", {} with different values", grouped(findings.len() as u64)));
    }
    findings.truncate(SHOWN_MAX);
    CheckResult { unlisted, ..HEADING.result(CheckState::Broken, summary, findings) }
}

/// What each node showed last.
fn seen_at_the_end<'a>(
    history: &'a History,
    operations: &[&Operation],
    final_ns: u64,
) -> BTreeMap<&'a str, Value> {
    let is_final = |operation: &&&Operation| {
        operation.function == Function::Read
            && operation.outcome == Outcome::Ok
            && operation.invoked_at_ns >= final_ns
    };
    let reads = operations.iter().filter(is_final);
    reads.filter_map(|read| Some((history.node(read)?, read.value))).collect()
}

/// Whether a change that nobody knows the end of wrote one of these.
fn is_open(operations: &[&Operation], seen: &BTreeMap<&str, Value>) -> bool {
    let mut writers: HashMap<Value, Outcome> = HashMap::new();
    for operation in operations {
        match operation.function {
            Function::Write => writers.insert(operation.value, operation.outcome),
            Function::Cas => writers.insert(operation.second, operation.outcome),
            // A list may have grown by any of them.
            Function::Append if operation.outcome == Outcome::Info => return true,
            _ => None,
        };
    }
    seen.values().any(|value| writers.get(value) == Some(&Outcome::Info))
}

fn differ(history: &History, key: u32, seen: &BTreeMap<&str, Value>) -> Finding {
    let shown = |value: Value| match value == Value::NIL {
        true => "nothing".to_owned(),
        false => history.values.json(value).to_string(),
    };
    let said: Vec<String> =
        seen.iter().map(|(node, value)| format!("{node} shows {}", shown(*value))).collect();
    let name = history.key(key);
    Finding {
        anomaly: "diverged".to_owned(),
        headline: "Nodes show different values of one key, and nothing changes it any more."
            .to_owned(),
        explanation: format!(
            "At the end, with every fault undone and no client writing, key {name} was read through each node: {}.",
            said.join(", ")
        ),
        key: Some(name.to_owned()),
        nodes: seen.keys().map(|node| (*node).to_owned()).collect(),
        evidence: said,
        ..Finding::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    /// Lines `NODE TYPE F VALUE`; `final` begins the final phase.
    fn check(lines: &str) -> CheckResult {
        let event = |(at, line): (usize, &str)| {
            if line == "final" {
                return format!(
                    r#"{{"process":"nemesis","type":"info","f":"phase","value":{{"name":"final"}},"time_ns":{at}}}"#
                );
            }
            let words: Vec<&str> = line.split(' ').collect();
            let [node, kind, f, value] = words[..] else { panic!("{line}") };
            let invoke = if f == "read" { "null" } else { value };
            format!(
                r#"{{"process":{at},"type":"invoke","f":"{f}","key":"k","value":{invoke},"node":"{node}","time_ns":{at}}}
{{"process":{at},"type":"{kind}","f":"{f}","key":"k","value":{value},"node":"{node}","time_ns":{at}}}"#
            )
        };
        let text: Vec<String> = lines.lines().enumerate().map(event).collect();
        let input = Box::new(std::io::Cursor::new(text.join("\n").into_bytes()));
        let source = crate::history::read_from("test", input, &Options::default()).unwrap();
        agreement(Some(&source.history))
    }

    #[test]
    fn two_nodes_with_different_values_have_diverged() {
        let start = "n1 ok write 1\nn1 ok write 2\nfinal\nn1 ok read 2\nn2 ok read 2";
        assert_eq!(check(start).state, CheckState::Holds);
        for third in ["n3 ok read 1", "n3 ok read null"] {
            let found = check(&format!("{start}\n{third}"));
            assert_eq!(found.state, CheckState::Broken, "{third}");
            assert_eq!(found.findings[0].nodes, ["n1", "n2", "n3"]);
        }
        let found = check(&format!("{start}\nn3 ok read 1"));
        let said = &found.findings[0].explanation;
        assert!(said.ends_with("n1 shows 2, n2 shows 2, n3 shows 1."), "{said}");
    }

    #[test]
    fn an_unknown_change_may_take_effect_between_two_reads() {
        let unknown = "n1 ok write 1\nn1 info write 2\nfinal\nn1 ok read 1\nn2 ok read 2";
        assert_eq!(check(unknown).state, CheckState::NotExercised);
    }

    #[test]
    fn one_node_alone_agrees_with_nobody() {
        let alone = "n1 ok write 1\nfinal\nn1 ok read 1\nn2 fail read null";
        assert_eq!(check(alone).state, CheckState::NotExercised);
        assert_eq!(check("n1 ok write 1").state, CheckState::NotExercised);
    }
}
