//! What nodes say of their terms: they never go back, and they change where a leader is lost.
//!
//! Taken from status polls, so that it holds for targets without a trace. A node that says a term and, later, an earlier
//! one has forgotten what it promised in the later one (paper 5.2: the current term is on disk before anything is
//! answered). And where a leader was killed and no node ever said another term, what is asked of the nodes is not their term:
//! the description of the target is wrong, and nothing that follows from it counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::fault::{FaultRecord, Scope};
use crate::numbers::grouped;
use crate::observation::StatusPoll;
use crate::run_folder::STATUS;
use crate::target::TargetOutline;

const HEADING: Heading =
    Heading::new("terms", "a node's term never goes back, and another leader has another term");
/// Findings shown.
const SHOWN_MAX: usize = 8;

/// Judges the polls of a target that tells its term.
pub(crate) fn terms(
    polls: Option<&[(u32, StatusPoll)]>,
    faults: &[FaultRecord],
    target: Option<&TargetOutline>,
) -> CheckResult {
    let idle = |why: &str| HEADING.not_exercised(why, "a target whose status tells its term");
    // Without a target the nodes are the bundled server's.
    let is_told = target.is_none_or(|target| target.tells_term);
    let polls = polls.unwrap_or_default();
    if polls.is_empty() {
        return idle(&format!("no {STATUS} polls"));
    }
    if !is_told {
        return idle("its nodes do not tell their term");
    }
    let (went_back, falls) = falls(polls, faults, target);
    let terms: BTreeSet<u64> = polls.iter().map(|(_, poll)| poll.term).collect();
    let lost = faults.iter().filter(|fault| is_leader_lost(fault)).count() as u64;
    let mut summary =
        format!("{} polls, {} terms", grouped(polls.len() as u64), grouped(terms.len() as u64));
    if falls > 0 {
        summary.push_str(&format!(", {} times a term went back", grouped(falls)));
        let unlisted = falls.saturating_sub(SHOWN_MAX as u64);
        let check = HEADING.result(CheckState::Broken, summary, went_back);
        return CheckResult { unlisted, ..check };
    }
    if terms.len() < 2 && lost > 0 {
        return HEADING.result(CheckState::Undecided, summary, vec![never_changed(lost)]);
    }
    HEADING.result(CheckState::Holds, summary, Vec::new())
}

/// The falls that are shown, and how many there are.
fn falls(
    polls: &[(u32, StatusPoll)],
    faults: &[FaultRecord],
    target: Option<&TargetOutline>,
) -> (Vec<Finding>, u64) {
    let mut last: BTreeMap<&str, (&StatusPoll, u32)> = BTreeMap::new();
    let (mut found, mut count) = (Vec::new(), 0);
    // A node that keeps nothing begins anew when it is started.
    let forgets = target.is_some_and(|target| !target.promises.persistent);
    for (line, poll) in polls {
        let before = last.insert(&poll.node, (poll, *line));
        let Some((before, before_line)) = before else { continue };
        if poll.term >= before.term || forgets || is_replaced(faults, poll) {
            continue;
        }
        count += 1;
        if found.len() < SHOWN_MAX {
            found.push(went_back(before, before_line, poll, *line));
        }
    }
    (found, count)
}

/// Whether the node may be a new one of the same name by then, whose disk was emptied on purpose.
fn is_replaced(faults: &[FaultRecord], poll: &StatusPoll) -> bool {
    faults.iter().any(|fault| {
        let has_begun = fault.started_at_ns.is_some_and(|at_ns| at_ns <= poll.time_ns);
        fault.scope() == Scope::Members && has_begun && fault.nodes.contains(&poll.node)
    })
}

fn is_leader_lost(fault: &FaultRecord) -> bool {
    fault.effective && fault.leader_hit == Some(true) && fault.scope() == Scope::ProcessDown
}

fn went_back(before: &StatusPoll, before_line: u32, poll: &StatusPoll, line: u32) -> Finding {
    let node = &poll.node;
    let said = |line: u32, poll: &StatusPoll| {
        format!("{STATUS}:{line}: {node} is {} in term {}", poll.role, poll.term)
    };
    Finding {
        anomaly: "term-went-back".to_owned(),
        headline: format!("{node} went back from term {} to term {}.", before.term, poll.term),
        explanation: format!(
            "{node} said that it was in term {} and later, in term {}. Whatever it promised in the later term, a vote \
             among others, it no longer knows: it can vote twice, and two leaders of one term can follow.",
            before.term, poll.term
        ),
        at_ns: Some(poll.time_ns),
        nodes: vec![node.clone()],
        evidence: vec![said(before_line, before), said(line, poll)],
        ..Finding::default()
    }
}

fn never_changed(lost: u64) -> Finding {
    Finding {
        anomaly: "term-never-changed".to_owned(),
        headline: "No node ever said another term, though leaders were killed.".to_owned(),
        explanation: format!(
            "{} leaders were killed, and a leader after them has a later term. What the target's description takes for the \
             term is something else, so that nothing is known of its leaders.",
            grouped(lost)
        ),
        ..Finding::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polls(terms: &[(&str, u64)]) -> Vec<(u32, StatusPoll)> {
        let poll = |(at, (node, term)): (usize, &(&str, u64))| {
            let text = format!(
                r#"{{"node":"{node}","time_ns":{at},"role":"follower","term":{term},"leader":null,"commit":0,"applied":0}}"#
            );
            (at as u32 + 1, serde_json::from_str(&text).unwrap())
        };
        terms.iter().enumerate().map(poll).collect()
    }

    fn kill_of_a_leader() -> FaultRecord {
        let text = r#"{"id":1,"kind":"kill","scope":"process-down","name":"kill -9 leader","target":"leader",
            "nodes":["n1"],"detail":"","planned_at_ns":0,"started_at_ns":1,"effective_at_ns":2,"healed_at_ns":3,
            "status":"installed","effects":[],"effective":true,"leader_hit":true}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_term_that_goes_back_is_broken_and_another_nodes_lower_term_is_not() {
        let fine = polls(&[("n1", 3), ("n2", 2), ("n1", 3), ("n2", 4)]);
        assert_eq!(terms(Some(&fine), &[], None).state, CheckState::Holds);
        let back = polls(&[("n1", 3), ("n2", 3), ("n1", 2)]);
        let found = terms(Some(&back), &[], None);
        assert_eq!(found.state, CheckState::Broken);
        assert_eq!(found.findings[0].headline, "n1 went back from term 3 to term 2.");
        assert!(found.findings[0].evidence[1].contains(":3: n1 is follower in term 2"));
    }

    #[test]
    fn nodes_that_keep_nothing_begin_anew_and_those_that_do_not_tell_are_not_judged() {
        let back = polls(&[("n1", 3), ("n1", 2)]);
        let mut target = TargetOutline { tells_term: true, ..TargetOutline::default() };
        target.promises.persistent = false;
        assert_eq!(terms(Some(&back), &[], Some(&target)).state, CheckState::Holds);
        let silent = TargetOutline::default();
        assert_eq!(terms(Some(&back), &[], Some(&silent)).state, CheckState::NotExercised);
        assert_eq!(terms(None, &[], None).state, CheckState::NotExercised);
    }

    #[test]
    fn a_node_that_is_replaced_by_an_empty_one_begins_anew() {
        let back = polls(&[("n1", 3), ("n2", 3), ("n1", 0)]);
        let replaced = |node: &str| {
            let scope = Some(Scope::Members);
            FaultRecord { scope, nodes: vec![node.to_owned()], ..kill_of_a_leader() }
        };
        assert_eq!(terms(Some(&back), &[replaced("n1")], None).state, CheckState::Holds);
        assert_eq!(terms(Some(&back), &[replaced("n2")], None).state, CheckState::Broken);
        assert_eq!(terms(Some(&back), &[kill_of_a_leader()], None).state, CheckState::Broken);
    }

    #[test]
    fn a_term_that_survives_its_leader_is_none() {
        let same = polls(&[("n1", 3), ("n2", 3)]);
        assert_eq!(terms(Some(&same), &[], None).state, CheckState::Holds);
        let found = terms(Some(&same), &[kill_of_a_leader()], None);
        assert_eq!(found.state, CheckState::Undecided);
        let later = polls(&[("n1", 3), ("n2", 4)]);
        assert_eq!(terms(Some(&later), &[kill_of_a_leader()], None).state, CheckState::Holds);
    }
}
