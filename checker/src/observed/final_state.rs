//! At the end, with nothing going on, all nodes have the same state.
//!
//! Nodes are asked once everything is quiet. States are compared where nodes applied the same index;
//! a node that did not answer, or is behind, was not compared, and that makes the check undecided.

use std::collections::{BTreeMap, BTreeSet};

use super::result;
use crate::analysis::{CheckResult, CheckState, Finding};
use crate::observation::StatusPoll;

const NAME: &str = "final-state";
const TITLE: &str = "all nodes end in the same state";

/// Judges the last answers in `status.jsonl`; `None`: there is no such file. `nodes` are all nodes that
/// were ever heard of.
pub(crate) fn final_state(
    polls: Option<&[(u32, StatusPoll)]>,
    nodes: &BTreeSet<String>,
) -> CheckResult {
    let Some(polls) = polls else {
        return CheckResult::not_exercised(
            NAME,
            TITLE,
            "no status.jsonl",
            "a run of this tool, which polls its nodes",
        );
    };
    let mut last: BTreeMap<&str, &(u32, StatusPoll)> = BTreeMap::new();
    for poll in polls.iter().filter(|(_, poll)| poll.is_final) {
        last.insert(&poll.1.node, poll);
    }
    if last.is_empty() {
        return CheckResult::not_exercised(
            NAME,
            TITLE,
            "the run did not get to its last status poll",
            "a run that is not cut short before its phase quiesce",
        );
    }
    let mut by_applied: BTreeMap<u64, Vec<&(u32, StatusPoll)>> = BTreeMap::new();
    for poll in last.values() {
        by_applied.entry(poll.1.applied).or_default().push(poll);
    }
    let differences: Vec<Finding> = by_applied.values().flat_map(|polls| differs(polls)).collect();
    let summary = summary(&last, &by_applied);
    if !differences.is_empty() {
        return result(NAME, TITLE, CheckState::Broken, summary, differences);
    }
    if last.values().all(|(_, poll)| poll.state_hash.is_none() && poll.chain.is_none()) {
        return CheckResult::not_exercised(
            NAME,
            TITLE,
            "the target tells no state hash",
            "a target whose status tells a hash of its state",
        );
    }
    result(NAME, TITLE, CheckState::Undecided, summary, not_compared(&last, &by_applied, nodes))
}

/// Nodes that applied the same and differ, each against the first.
fn differs(polls: &[&(u32, StatusPoll)]) -> Vec<Finding> {
    let Some((first, others)) = polls.split_first() else { return Vec::new() };
    let differs = |one: &Option<String>, other: &Option<String>| {
        one.is_some() && other.is_some() && one != other
    };
    let finding = |other: &&(u32, StatusPoll)| {
        let (own, other) = (&first.1, &other.1);
        let (what, left, right) = if differs(&own.chain, &other.chain) {
            ("logs with chains", &own.chain, &other.chain)
        } else if differs(&own.state_hash, &other.state_hash) {
            ("states with hashes", &own.state_hash, &other.state_hash)
        } else {
            return None;
        };
        let text = |hash: &Option<String>| hash.clone().unwrap_or_default();
        Some(Finding {
            anomaly: "states-diverge".to_owned(),
            headline: "Two nodes ended in different states.".to_owned(),
            explanation: format!(
                "At the end, having applied index {}, {} and {} had {what} {} and {}.",
                own.applied,
                own.node,
                other.node,
                text(left),
                text(right)
            ),
            at_ns: Some(other.time_ns),
            nodes: vec![own.node.clone(), other.node.clone()],
            evidence: Vec::new(),
            ..Finding::default()
        })
    };
    let lines = |other: &&(u32, StatusPoll)| vec![evidence(first), evidence(other)];
    others
        .iter()
        .filter_map(|other| Some(Finding { evidence: lines(other), ..finding(other)? }))
        .collect()
}

fn evidence((line, poll): &(u32, StatusPoll)) -> String {
    let text = serde_json::to_string(poll).unwrap_or_default();
    format!("status.jsonl:{line}: {text}")
}

/// Who could not be compared, as the reason for being undecided.
fn not_compared(
    last: &BTreeMap<&str, &(u32, StatusPoll)>,
    by_applied: &BTreeMap<u64, Vec<&(u32, StatusPoll)>>,
    nodes: &BTreeSet<String>,
) -> Vec<Finding> {
    let silent: Vec<String> =
        nodes.iter().filter(|node| !last.contains_key(node.as_str())).cloned().collect();
    let mut findings = Vec::new();
    if !silent.is_empty() {
        findings.push(Finding {
            anomaly: "not-compared".to_owned(),
            headline: "Not every node answered at the end.".to_owned(),
            explanation: format!("{} did not answer the last status poll.", silent.join(", ")),
            nodes: silent,
            ..Finding::default()
        });
    }
    if by_applied.len() > 1 {
        let applied: Vec<String> =
            last.values().map(|(_, poll)| format!("{} {}", poll.node, poll.applied)).collect();
        findings.push(Finding {
            anomaly: "not-compared".to_owned(),
            headline: "The nodes had not applied the same at the end.".to_owned(),
            explanation: format!("Applied up to: {}.", applied.join(", ")),
            nodes: last.keys().map(|node| (*node).to_owned()).collect(),
            evidence: last.values().map(|poll| evidence(poll)).collect(),
            ..Finding::default()
        });
    }
    findings
}

fn summary(
    last: &BTreeMap<&str, &(u32, StatusPoll)>,
    by_applied: &BTreeMap<u64, Vec<&(u32, StatusPoll)>>,
) -> String {
    let applied: Vec<String> = by_applied
        .iter()
        .map(|(index, polls)| format!("{} at applied index {index}", polls.len()))
        .collect();
    format!("{} nodes answered at the end: {}", last.len(), applied.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(node: &str, applied: u64, hash: Option<&str>) -> (u32, StatusPoll) {
        let poll = StatusPoll {
            node: node.to_owned(),
            applied,
            state_hash: hash.map(str::to_owned),
            is_final: true,
            ..StatusPoll::default()
        };
        (1, poll)
    }

    fn check(polls: &[(u32, StatusPoll)]) -> CheckResult {
        let nodes = ["n1", "n2", "n3"].map(str::to_owned).into();
        final_state(Some(polls), &nodes)
    }

    #[test]
    fn equal_states_pass_and_different_ones_do_not() {
        let equal = [poll("n1", 7, Some("a")), poll("n2", 7, Some("a")), poll("n3", 7, Some("a"))];
        assert_eq!(check(&equal).state, CheckState::Holds);
        assert_eq!(check(&equal).summary, "3 nodes answered at the end: 3 at applied index 7");
        let other = [equal[0].clone(), equal[1].clone(), poll("n3", 7, Some("b"))];
        let check = check(&other);
        assert_eq!(check.state, CheckState::Broken);
        assert_eq!(check.findings[0].nodes, ["n1", "n3"]);
        assert_eq!(check.findings[0].evidence.len(), 2);
    }

    #[test]
    fn a_node_that_is_silent_or_behind_makes_it_undecided() {
        let silent = check(&[poll("n1", 7, Some("a")), poll("n2", 7, Some("a"))]);
        assert_eq!(silent.state, CheckState::Undecided);
        assert_eq!(silent.findings[0].nodes, ["n3"]);
        let behind =
            check(&[poll("n1", 7, Some("a")), poll("n2", 6, Some("b")), poll("n3", 7, Some("a"))]);
        assert_eq!(behind.state, CheckState::Undecided);
        assert!(behind.findings[0].explanation.contains("n2 6"));
    }

    #[test]
    fn a_target_without_hashes_is_not_checked() {
        let blank = check(&[poll("n1", 7, None), poll("n2", 7, None)]);
        assert_eq!(blank.state, CheckState::NotExercised);
        let early = StatusPoll { is_final: false, ..poll("n1", 7, None).1 };
        assert_eq!(check(&[(1, early)]).state, CheckState::NotExercised);
    }
}
