//! What each node was over time: role and term, and whether it could act at all.
//!
//! Taken from traces where there are any, otherwise from status polls, and cut by what the runner
//! saw from outside: a node without a process is down, a stopped one is paused.

use serde::{Deserialize, Serialize};
use whitewater_raft::event::{Event, Record, Role};

use super::recording::Recording;
use crate::fault::{FaultRecord, FaultStatus, Scope};
use crate::observation::ProcessChange;

/// Whether a node could act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its process ran.
    Running,
    /// Its process was stopped (SIGSTOP) and kept its memory.
    Paused,
    /// It had no process.
    Down,
}

/// A stretch of time in which a node's role, term and state did not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning, CLOCK_MONOTONIC nanoseconds.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// The role the node had, or held when it was stopped.
    pub role: Role,
    /// The node's term.
    pub term: u64,
    /// Whether it could act.
    pub state: State,
}

/// One node over the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRoles {
    /// The node, as `n1`.
    pub node: String,
    /// True: from its trace; false: from status polls, which see only what lasts longer than the
    /// time between two polls.
    pub from_trace: bool,
    /// Its spans, in order, without overlap.
    pub spans: Vec<Span>,
}

/// A node's time as leader of one term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reign {
    pub(super) node: String,
    pub(super) term: u64,
    pub(super) start_ns: u64,
    /// When it first stopped acting as a leader: paused, down, or stepped down.
    pub(super) lost_at_ns: Option<u64>,
}

/// The spans of every node, sorted by name.
pub(super) fn of_recording(recording: &Recording) -> Vec<NodeRoles> {
    let mut names = recording.nodes.clone();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.iter().map(|name| of_node(recording, name)).collect()
}

/// Every (node, term) leadership, by term and then by time.
pub(super) fn reigns(nodes: &[NodeRoles]) -> Vec<Reign> {
    let mut found: Vec<Reign> = Vec::new();
    for node in nodes {
        for (index, span) in node.spans.iter().enumerate() {
            let leads = span.role == Role::Leader && span.state != State::Down;
            let known =
                found.iter().any(|reign| reign.node == node.node && reign.term == span.term);
            if !leads || known {
                continue;
            }
            let lost = node.spans[index..].iter().find(|later| {
                later.state != State::Running
                    || later.role != Role::Leader
                    || later.term != span.term
            });
            found.push(Reign {
                node: node.node.clone(),
                term: span.term,
                start_ns: span.start_ns,
                lost_at_ns: lost.map(|later| later.start_ns),
            });
        }
    }
    found.sort_by_key(|reign| (reign.term, reign.start_ns));
    found
}

fn of_node(recording: &Recording, name: &str) -> NodeRoles {
    let turns: Vec<(u64, Role, u64)> = recording
        .turns
        .iter()
        .filter(|record| format!("n{}", record.node) == name)
        .map(|record| (record.time_ns, role_after(record), record.term))
        .collect();
    let from_trace = !turns.is_empty();
    let mut changes = if from_trace { turns } else { polled(recording, name) };
    // A restarted node is a follower from the moment it runs, even before its first trace line.
    for event in recording.processes.iter().filter(|event| event.node == name) {
        let term =
            changes.iter().rev().find(|change| change.0 <= event.time_ns).map(|change| change.2);
        if let (ProcessChange::Started, Some(term)) = (&event.change, term) {
            changes.push((event.time_ns, Role::Follower, term));
        }
    }
    changes.sort_by_key(|change| change.0);
    let mut spans = joined(&changes, recording.last_ns);
    for fault in recording.faults.iter().filter(|fault| pauses(fault, name)) {
        let from = fault.effective_at_ns.or(fault.started_at_ns).unwrap_or(fault.planned_at_ns);
        spans = cut(spans, from, fault.healed_at_ns.unwrap_or(recording.last_ns), State::Paused);
    }
    for (from, to) in outages(recording, name) {
        spans = cut(spans, from, to, State::Down);
    }
    NodeRoles { node: name.to_owned(), from_trace, spans }
}

/// The role a node has after a trace record, whichever side of the change the record was taken on.
fn role_after(record: &Record) -> Role {
    match record.event {
        Event::Boot { .. } | Event::Stepdown { .. } => match record.role {
            Role::Learner => Role::Learner,
            _ => Role::Follower,
        },
        Event::Campaign { pre_vote: true, .. } => Role::PreCandidate,
        Event::Campaign { .. } => Role::Candidate,
        Event::Leader { .. } => Role::Leader,
        _ => record.role,
    }
}

fn polled(recording: &Recording, name: &str) -> Vec<(u64, Role, u64)> {
    recording
        .polls
        .iter()
        .filter(|poll| poll.node == name)
        .map(|poll| {
            let role = match poll.role.as_str() {
                "leader" => Role::Leader,
                "candidate" => Role::Candidate,
                "pre_candidate" => Role::PreCandidate,
                "learner" => Role::Learner,
                _ => Role::Follower,
            };
            (poll.time_ns, role, poll.term)
        })
        .collect()
}

/// Spans between changes, equal neighbours joined.
fn joined(changes: &[(u64, Role, u64)], last_ns: u64) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (start_ns, role, term) in changes {
        match spans.last_mut() {
            Some(span) if span.role == *role && span.term == *term => continue,
            Some(span) => span.end_ns = *start_ns,
            None => {}
        }
        spans.push(Span {
            start_ns: *start_ns,
            end_ns: last_ns,
            role: *role,
            term: *term,
            state: State::Running,
        });
    }
    spans.retain(|span| span.start_ns < span.end_ns);
    spans
}

/// Gives the part of the spans within `from..to` another state.
fn cut(spans: Vec<Span>, from: u64, to: u64, state: State) -> Vec<Span> {
    let mut result = Vec::with_capacity(spans.len() + 2);
    for span in spans {
        let (low, high) = (span.start_ns.max(from), span.end_ns.min(to));
        if low >= high {
            result.push(span);
            continue;
        }
        if span.start_ns < low {
            result.push(Span { end_ns: low, ..span.clone() });
        }
        result.push(Span { start_ns: low, end_ns: high, state, ..span.clone() });
        if high < span.end_ns {
            result.push(Span { start_ns: high, ..span });
        }
    }
    result
}

fn pauses(fault: &FaultRecord, node: &str) -> bool {
    fault.scope() == Scope::ProcessPaused
        && !matches!(fault.status, FaultStatus::Skipped { .. })
        && fault.nodes.iter().any(|name| name == node)
}

/// The stretches in which a node had no process.
fn outages(recording: &Recording, node: &str) -> Vec<(u64, u64)> {
    let (mut found, mut since) = (Vec::new(), None);
    for event in recording.processes.iter().filter(|event| event.node == node) {
        match event.change {
            ProcessChange::Exited { .. } => since = since.or(Some(event.time_ns)),
            ProcessChange::Started | ProcessChange::Ready => {
                found.extend(since.take().map(|from| (from, event.time_ns)));
            }
            ProcessChange::StoppedFromOutside
            | ProcessChange::ContinuedFromOutside
            | ProcessChange::AnsweredWhileDown => {}
        }
    }
    found.extend(since.map(|from| (from, recording.last_ns)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans() -> Vec<Span> {
        joined(&[(10, Role::Follower, 1), (20, Role::Leader, 2), (30, Role::Leader, 2)], 100)
    }

    #[test]
    fn equal_neighbours_are_one_span() {
        let spans = spans();
        assert_eq!(spans.len(), 2);
        assert_eq!((spans[0].start_ns, spans[0].end_ns), (10, 20));
        assert_eq!((spans[1].start_ns, spans[1].end_ns), (20, 100));
    }

    #[test]
    fn a_pause_keeps_the_role_and_splits_the_span() {
        let spans = cut(spans(), 50, 60, State::Paused);
        let states: Vec<State> = spans.iter().map(|span| span.state).collect();
        assert_eq!(states, [State::Running, State::Running, State::Paused, State::Running]);
        assert_eq!(spans[2].role, Role::Leader);
        let node = NodeRoles { node: "n1".to_owned(), from_trace: true, spans };
        let reigns = reigns(&[node]);
        assert_eq!(reigns.len(), 1);
        assert_eq!(reigns[0].lost_at_ns, Some(50));
    }

    #[test]
    fn a_leader_to_the_end_was_never_lost() {
        let node = NodeRoles { node: "n1".to_owned(), from_trace: true, spans: spans() };
        assert_eq!(reigns(&[node])[0].lost_at_ns, None);
    }
}
