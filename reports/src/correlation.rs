//! "Where to look": what nodes and faults were doing when something went wrong.
//!
//! All of this is correlation from traces, status polls and fault records. It is never part of a
//! proof, and every output prints it under a label that says so.

use std::collections::BTreeSet;

use whitewater_checker::analysis::{Finding, WitnessOperation};
use whitewater_checker::statistics::{FaultStatistics, NodeRoles, Span, State, Statistics};
use whitewater_raft::event::Role;

use crate::clock::{Clock, duration, listed};

/// How long before the violation a fault must have been lifted to be mentioned no more. Clients'
/// operations and elections settle within a few seconds of a heal.
const FAULT_REACH_NS: u64 = 5_000_000_000;

/// A node that was let go this recently is still finding out what it missed: an election time-out
/// and a half of the bundled server.
const JUST_LIFTED_NS: u64 = 1_000_000_000;

/// What was going on around a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Correlation {
    /// Sentences for a reader.
    pub(crate) sentences: Vec<String>,
    /// The fault nearest to it that struck one of its nodes, by number.
    pub(crate) fault: Option<u32>,
}

/// Looks around a finding.
pub(crate) fn of_finding(statistics: &Statistics, clock: Clock, finding: &Finding) -> Correlation {
    let Some(at_ns) = finding.at_ns else {
        return Correlation::default();
    };
    let blocked = blocked_operation(finding);
    let suspect = blocked
        .and_then(|operation| operation.node.clone())
        .or_else(|| finding.nodes.first().cloned());
    let fault = nearest_fault(statistics, suspect.as_deref(), concerned(finding).as_ref(), at_ns);
    let mut sentences = Vec::new();
    let moment_ns = blocked.map_or(at_ns, |operation| operation.invoked_at_ns);
    let span = suspect.as_deref().and_then(|node| span_at(&statistics.nodes, node, moment_ns));
    if let Some(operation) = blocked {
        sentences.extend(answered_by(&statistics.nodes, clock, operation, span));
    } else {
        sentences.extend(leaders_then(&statistics.nodes, at_ns));
    }
    sentences.extend(fault.map(|fault| fault_then(fault, clock, at_ns)));
    Correlation { sentences, fault: fault.map(|fault| fault.id) }
}

/// The nodes that a finding is about: those it names, and those that answered its operations. `None` where it is
/// about the cluster as a whole (no recovery, say).
fn concerned(finding: &Finding) -> Option<BTreeSet<&str>> {
    if finding.nodes.is_empty() && finding.key.is_none() && finding.witness.is_none() {
        return None;
    }
    let operations = finding.witness.iter().flat_map(|witness| &witness.operations);
    let answered = operations.filter_map(|operation| operation.node.as_deref());
    Some(finding.nodes.iter().map(String::as_str).chain(answered).collect())
}

/// The span a node was in at a moment.
pub(crate) fn span_at<'a>(nodes: &'a [NodeRoles], node: &str, time_ns: u64) -> Option<&'a Span> {
    let roles = nodes.iter().find(|roles| roles.node == node)?;
    roles.spans.iter().find(|span| (span.start_ns..span.end_ns).contains(&time_ns))
}

/// The leader of the highest term at a moment, with its span.
pub(crate) fn leader_at(nodes: &[NodeRoles], time_ns: u64) -> Option<(&str, &Span)> {
    nodes
        .iter()
        .filter_map(|roles| Some((roles.node.as_str(), span_at(nodes, &roles.node, time_ns)?)))
        .filter(|(_, span)| span.role == Role::Leader && span.state == State::Running)
        .max_by_key(|(_, span)| span.term)
}

pub(crate) fn blocked_operation(finding: &Finding) -> Option<&WitnessOperation> {
    let witness = finding.witness.as_ref()?;
    let label = witness.blocked.as_ref()?;
    witness.operations.iter().find(|operation| &operation.label == label)
}

/// The beginning of the leadership a span belongs to, across pauses.
fn leading_since(nodes: &[NodeRoles], node: &str, term: u64) -> Option<u64> {
    let roles = nodes.iter().find(|roles| roles.node == node)?;
    roles
        .spans
        .iter()
        .find(|span| span.role == Role::Leader && span.term == term)
        .map(|s| s.start_ns)
}

fn answered_by(
    nodes: &[NodeRoles],
    clock: Clock,
    operation: &WitnessOperation,
    span: Option<&Span>,
) -> Option<String> {
    let (node, span) = (operation.node.as_deref()?, span?);
    let label = &operation.label;
    let own = match (span.role, span.state) {
        (Role::Leader, _) => format!("which took itself for the leader of term {}", span.term),
        (Role::Follower, _) => format!("a follower in term {}", span.term),
        _ => format!("a {} in term {}", role_word(span.role), span.term),
    };
    let other = leader_at(nodes, operation.invoked_at_ns).filter(|(other, _)| *other != node);
    Some(match other {
        Some((other, there)) if span.role == Role::Leader && there.term > span.term => {
            let since = leading_since(nodes, other, there.term)
                .map(|time| format!(" since {}", clock.moment(time)))
                .unwrap_or_default();
            let own = own.replacen("took", "still took", 1);
            format!(
                "{label} was answered by {node}, {own}, while {other} had led term {}{since}.",
                there.term
            )
        }
        Some((other, there)) => {
            format!("{label} was answered by {node}, {own}; {other} led term {}.", there.term)
        }
        None => format!("{label} was answered by {node}, {own}."),
    })
}

fn leaders_then(nodes: &[NodeRoles], at_ns: u64) -> Option<String> {
    let leaders: Vec<String> = nodes
        .iter()
        .filter_map(|roles| Some((&roles.node, span_at(nodes, &roles.node, at_ns)?)))
        .filter(|(_, span)| span.role == Role::Leader && span.state == State::Running)
        .map(|(node, span)| format!("{node} led term {}", span.term))
        .collect();
    if nodes.is_empty() {
        return None;
    }
    Some(match leaders.as_slice() {
        [] => "No running node was leader at that moment.".to_owned(),
        some => format!("At that moment {}.", listed(some)),
    })
}

/// The fault that most likely has to do with a finding: one in force on the suspect, then one just lifted
/// from it, then one on another node of the finding. A fault without effect, or on nodes that have no part in
/// the finding, is a bystander and is not named.
fn nearest_fault<'a>(
    statistics: &'a Statistics,
    suspect: Option<&str>,
    concerned: Option<&BTreeSet<&str>>,
    at_ns: u64,
) -> Option<&'a FaultStatistics> {
    let touches = |fault: &FaultStatistics| {
        concerned.is_none_or(|nodes| fault.nodes.iter().any(|node| nodes.contains(node.as_str())))
    };
    statistics
        .faults
        .iter()
        .filter(|fault| fault.effective && touches(fault))
        .filter(|fault| {
            let reach = fault.start_ns.zip(fault.end_ns);
            reach.is_some_and(|(from, to)| {
                from <= at_ns && at_ns <= to.saturating_add(FAULT_REACH_NS)
            })
        })
        .max_by_key(|fault| {
            let lifted_ns = at_ns.saturating_sub(fault.end_ns.unwrap_or(at_ns));
            let closeness = match (lifted_ns, strikes(fault, suspect)) {
                (0, true) => 4,
                (0..=JUST_LIFTED_NS, true) => 3,
                (0, false) => 2,
                (_, true) => 1,
                (_, false) => 0,
            };
            (closeness, fault.start_ns)
        })
}

fn strikes(fault: &FaultStatistics, suspect: Option<&str>) -> bool {
    suspect.is_some_and(|node| fault.nodes.iter().any(|name| name == node))
}

fn fault_then(fault: &FaultStatistics, clock: Clock, at_ns: u64) -> String {
    let (from, to) = fault.start_ns.zip(fault.end_ns).unwrap_or((at_ns, at_ns));
    let nodes = listed(&fault.nodes);
    let what = format!("Fault {} ({}, {nodes})", fault.id, fault.name);
    if to >= at_ns {
        format!("{what} was in force since {}.", clock.moment(from))
    } else {
        format!(
            "{what} had lasted {} and ended at {}, {} before.",
            duration(to - from),
            clock.moment(to),
            duration(at_ns - to)
        )
    }
}

pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Learner => "learner",
    }
}

#[cfg(test)]
mod tests {
    use whitewater_checker::analysis::Witness;

    use super::*;

    const S: u64 = 1_000_000_000;

    fn roles(node: &str, term: u64, from_s: u64, to_s: u64) -> NodeRoles {
        let span = Span {
            start_ns: from_s * S,
            end_ns: to_s * S,
            role: Role::Leader,
            term,
            state: State::Running,
        };
        NodeRoles { node: node.to_owned(), from_trace: true, spans: vec![span] }
    }

    fn fault(id: u32, kind: &str, node: &str, from_s: u64, to_s: u64) -> FaultStatistics {
        FaultStatistics {
            id,
            kind: kind.to_owned(),
            name: kind.to_owned(),
            nodes: vec![node.to_owned()],
            start_ns: Some(from_s * S),
            end_ns: Some(to_s * S),
            effective: true,
            ..FaultStatistics::default()
        }
    }

    fn stale_read(node: &str, at_s: u64) -> Finding {
        let operation = WitnessOperation {
            label: "D".to_owned(),
            node: Some(node.to_owned()),
            invoked_at_ns: at_s * S,
            ..WitnessOperation::default()
        };
        let witness = Witness {
            operations: vec![operation],
            blocked: Some("D".to_owned()),
            ..Witness::default()
        };
        Finding { at_ns: Some(at_s * S), witness: Some(witness), ..Finding::default() }
    }

    #[test]
    fn a_fault_that_struck_the_suspect_wins_over_a_later_one() {
        let statistics = Statistics {
            nodes: vec![roles("n1", 8, 5, 30), roles("n3", 7, 1, 20)],
            faults: vec![fault(1, "pause", "n3", 4, 9), fault(2, "kill", "n2", 9, 12)],
            ..Statistics::default()
        };
        let found = of_finding(&statistics, Clock::new(0), &stale_read("n3", 10));
        assert_eq!(found.fault, Some(1));
        assert_eq!(
            found.sentences,
            [
                "D was answered by n3, which still took itself for the leader of term 7, while n1 had led \
                 term 8 since 5.000 s.",
                "Fault 1 (pause, n3) had lasted 5.00 s and ended at 9.000 s, 1.00 s before.",
            ]
        );
    }

    #[test]
    fn a_bystander_is_not_named() {
        let idle = FaultStatistics { effective: false, ..fault(9, "pause", "n2", 1, 12) };
        let statistics = Statistics {
            nodes: vec![roles("n2", 5, 5, 30)],
            faults: vec![fault(5, "pause", "n2", 1, 7), fault(7, "partition", "n3", 9, 12), idle],
            ..Statistics::default()
        };
        let found = of_finding(&statistics, Clock::new(0), &stale_read("n2", 10));
        assert_eq!(found.fault, Some(5), "in force on n3, and n3 has no part in it");
        let found = of_finding(&statistics, Clock::new(0), &stale_read("n4", 10));
        assert_eq!(found.fault, None);
        // The operation that another node answered is part of the finding.
        let mut finding = stale_read("n2", 10);
        let other = WitnessOperation { node: Some("n3".to_owned()), ..WitnessOperation::default() };
        finding.witness.as_mut().unwrap().operations.push(other);
        assert_eq!(of_finding(&statistics, Clock::new(0), &finding).fault, Some(7));
        // What is about the whole cluster is touched by whatever touched a part of it.
        finding.witness = None;
        assert_eq!(of_finding(&statistics, Clock::new(0), &finding).fault, Some(7));
        finding.key = Some("k1".to_owned());
        assert_eq!(of_finding(&statistics, Clock::new(0), &finding).fault, None);
    }

    #[test]
    fn a_fault_long_over_is_not_mentioned() {
        let statistics = Statistics {
            nodes: vec![roles("n1", 8, 5, 30)],
            faults: vec![fault(1, "pause", "n1", 1, 2)],
            ..Statistics::default()
        };
        let found = of_finding(&statistics, Clock::new(0), &stale_read("n1", 10));
        assert_eq!(found.fault, None);
        assert_eq!(
            found.sentences,
            ["D was answered by n1, which took itself for the leader of term 8."]
        );
    }

    #[test]
    fn without_a_moment_nothing_is_claimed() {
        let found = of_finding(&Statistics::default(), Clock::new(0), &Finding::default());
        assert!(found.sentences.is_empty());
    }
}
