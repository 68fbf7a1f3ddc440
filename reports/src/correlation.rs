//! "Where to look": what nodes and faults were doing when something went wrong.
//!
//! All of this is correlation from traces, status polls and fault records. It is never part of a
//! proof, and every output prints it under a label that says so.

use whitewater_checker::analysis::{Finding, WitnessOperation};
use whitewater_checker::statistics::{NodeRoles, Span, State, fault_span};
use whitewater_checker::fault::FaultRecord;
use whitewater_raft::event::Role;

use crate::clock::{Clock, duration, listed};
use crate::load::Run;

/// How long before the violation a fault must have been lifted to be mentioned no more. Clients'
/// operations and elections settle within a few seconds of a heal.
const FAULT_REACH_NS: u64 = 5_000_000_000;

/// What was going on around a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Correlation {
    /// Sentences for a reader.
    pub(crate) sentences: Vec<String>,
    /// The fault nearest to it, by number.
    pub(crate) fault: Option<u32>,
    /// `resumed-leader`, `cut-off-leader`, …: names the situation without values, so that failures
    /// with the same cause group.
    pub(crate) context: String,
}

/// Looks around a finding.
pub(crate) fn of_finding(run: &Run, finding: &Finding) -> Correlation {
    let Some(at_ns) = finding.at_ns else {
        return Correlation { context: "unplaced".to_owned(), ..Correlation::default() };
    };
    let clock = Clock::new(run.record.origin_ns);
    let blocked = blocked_operation(finding);
    let suspect = blocked
        .and_then(|operation| operation.node.clone())
        .or_else(|| finding.nodes.first().cloned());
    let fault = nearest_fault(run, suspect.as_deref(), at_ns);
    let mut sentences = Vec::new();
    let moment_ns = blocked.map_or(at_ns, |operation| operation.invoked_at_ns);
    let span = suspect.as_deref().and_then(|node| span_at(&run.statistics.nodes, node, moment_ns));
    if let (Some(operation), Some(node)) = (blocked, suspect.as_deref()) {
        sentences.extend(answered_by(run, operation, node, span));
    } else {
        sentences.extend(leaders_then(run, at_ns));
    }
    sentences.extend(fault.map(|fault| fault_then(fault, clock, at_ns, run.recording.last_ns)));
    Correlation {
        sentences,
        fault: fault.map(|fault| fault.id),
        context: context(fault, span, suspect.as_deref()),
    }
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
    roles.spans.iter().find(|span| span.role == Role::Leader && span.term == term).map(|s| s.start_ns)
}

fn answered_by(
    run: &Run,
    operation: &WitnessOperation,
    node: &str,
    span: Option<&Span>,
) -> Option<String> {
    let clock = Clock::new(run.record.origin_ns);
    let nodes = &run.statistics.nodes;
    let span = span?;
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
            format!("{label} was answered by {node}, {own}, while {other} had led term {}{since}.", there.term)
        }
        Some((other, there)) => {
            format!("{label} was answered by {node}, {own}; {other} led term {}.", there.term)
        }
        None => format!("{label} was answered by {node}, {own}."),
    })
}

fn leaders_then(run: &Run, at_ns: u64) -> Option<String> {
    let nodes = &run.statistics.nodes;
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

/// The fault in force at a moment or lifted shortly before; one that struck the suspect wins.
fn nearest_fault<'a>(run: &'a Run, suspect: Option<&str>, at_ns: u64) -> Option<&'a FaultRecord> {
    let last_ns = run.recording.last_ns;
    run.recording
        .faults
        .iter()
        .filter(|fault| {
            fault_span(fault, last_ns)
                .is_some_and(|(from, to)| from <= at_ns && at_ns <= to.saturating_add(FAULT_REACH_NS))
        })
        .max_by_key(|fault| {
            let strikes = suspect.is_some_and(|node| fault.nodes.iter().any(|name| name == node));
            (strikes, fault.effective, fault_span(fault, last_ns).map_or(0, |span| span.0))
        })
}

fn fault_then(fault: &FaultRecord, clock: Clock, at_ns: u64, last_ns: u64) -> String {
    let (from, to) = fault_span(fault, last_ns).unwrap_or((at_ns, at_ns));
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

fn context(fault: Option<&FaultRecord>, span: Option<&Span>, suspect: Option<&str>) -> String {
    let role = span.map_or("cluster", |span| role_word(span.role));
    let struck = fault.filter(|fault| {
        suspect.is_none_or(|node| fault.nodes.iter().any(|name| name == node))
    });
    match struck.map(|fault| fault.kind.as_str()) {
        Some("pause") => format!("resumed-{role}"),
        Some("partition") => format!("cut-off-{role}"),
        Some("kill") => format!("restarted-{role}"),
        Some(kind) => format!("{kind}-{role}"),
        None => role.to_owned(),
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
