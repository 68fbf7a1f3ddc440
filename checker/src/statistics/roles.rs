//! What each node was over time: role and term, and whether it could act at all.
//!
//! Taken from traces where there are any, otherwise from status polls, and cut by what the runner
//! saw from outside: a node without a process is down, a stopped one is paused, and one that did not answer
//! status requests is silent, whatever it was before.

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
    /// Somebody else than the run had stopped its process.
    Stopped,
    /// It answered no status request, and nothing that was seen says why. Its role is the last one known.
    Silent,
    /// It had no process.
    Down,
}

/// Status requests are sent every 75 ms and given up after 300 ms. A node that answers none for longer than this
/// left two without an answer, which a busy machine seldom does.
const SILENT_NS: u64 = 1_000_000_000;

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
    let paused = recording.faults.iter().filter(|fault| pauses(fault, name)).map(|fault| {
        let from = fault.effective_at_ns.or(fault.started_at_ns).unwrap_or(fault.planned_at_ns);
        (from, fault.healed_at_ns.unwrap_or(recording.last_ns), State::Paused)
    });
    let mut known: Vec<(u64, u64, State)> = paused.collect();
    let with = |state| move |(from, to)| (from, to, state);
    known.extend(stops(recording, name).into_iter().map(with(State::Stopped)));
    known.extend(outages(recording, name).into_iter().map(with(State::Down)));
    for (from, to) in silences(recording, name, &known) {
        spans = cut(spans, from, to, State::Silent);
    }
    for (from, to, state) in known {
        spans = cut(spans, from, to, state);
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

/// The stretches in which a node answered no status request though they were sent: from its last answer to the next,
/// or to the end of all answers, without what is known to be the reason. A run in which nobody was asked tells of no
/// silence.
fn silences(recording: &Recording, node: &str, known: &[(u64, u64, State)]) -> Vec<(u64, u64)> {
    let Some(asked_until) = recording.polls.iter().map(|poll| poll.time_ns).max() else {
        return Vec::new();
    };
    let own = recording.polls.iter().filter(|poll| poll.node == node).map(|poll| poll.time_ns);
    let answers: Vec<u64> = own.chain([asked_until]).collect();
    let mut found: Vec<(u64, u64)> =
        answers.windows(2).map(|pair| (pair[0], pair[1])).filter(is_silence).collect();
    for (from, to, _) in known {
        let rest = |(begin, end): (u64, u64)| [(begin, end.min(*from)), (begin.max(*to), end)];
        found = found.into_iter().flat_map(rest).filter(is_silence).collect();
    }
    found
}

fn is_silence((from, to): &(u64, u64)) -> bool {
    to.saturating_sub(*from) > SILENT_NS
}

/// The stretches in which somebody else had stopped a node's process.
fn stops(recording: &Recording, node: &str) -> Vec<(u64, u64)> {
    let (mut found, mut since) = (Vec::new(), None);
    for event in recording.processes.iter().filter(|event| event.node == node) {
        match event.change {
            ProcessChange::StoppedFromOutside => since = since.or(Some(event.time_ns)),
            ProcessChange::Ready | ProcessChange::AnsweredWhileDown => {}
            ProcessChange::ContinuedFromOutside
            | ProcessChange::Started
            | ProcessChange::Exited { .. } => {
                found.extend(since.take().map(|from| (from, event.time_ns)));
            }
        }
    }
    found.extend(since.map(|from| (from, recording.last_ns)));
    found
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
    use crate::observation::{ProcessEvent, StatusPoll};

    const MILLISECOND: u64 = 1_000_000;

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

    fn polls(node: &str, times: impl IntoIterator<Item = u64>, role: &str) -> Vec<StatusPoll> {
        let poll = |time_ns| StatusPoll {
            node: node.to_owned(),
            time_ns: time_ns * MILLISECOND,
            role: role.to_owned(),
            term: 3,
            ..StatusPoll::default()
        };
        times.into_iter().map(poll).collect()
    }

    fn states(recording: &Recording, node: &str) -> Vec<(u64, u64, State)> {
        let roles = of_node(recording, node);
        let spans = roles.spans.iter();
        spans.map(|it| (it.start_ns / MILLISECOND, it.end_ns / MILLISECOND, it.state)).collect()
    }

    fn recorded(processes: &[(u64, ProcessChange)]) -> Recording {
        let mut recording = Recording {
            polls: polls("n1", (0..40).chain(120..=200).map(|it| it * 50), "leader"),
            last_ns: 10_000 * MILLISECOND,
            ..Recording::default()
        };
        recording.polls.extend(polls("n2", (0..100).map(|it| it * 50), "follower"));
        let event = |(at_ms, change): &(u64, ProcessChange)| ProcessEvent {
            node: "n1".to_owned(),
            time_ns: at_ms * MILLISECOND,
            pid: 1,
            change: change.clone(),
        };
        recording.processes = processes.iter().map(event).collect();
        recording
    }

    #[test]
    fn who_answers_nothing_is_silent_and_not_what_it_was() {
        let recording = recorded(&[]);
        let leader = [
            (0, 1_950, State::Running),
            (1_950, 6_000, State::Silent),
            (6_000, 10_000, State::Running),
        ];
        assert_eq!(states(&recording, "n1"), leader);
        // The other one answered nothing from the fifth second to the end.
        let follower = [(0, 4_950, State::Running), (4_950, 10_000, State::Silent)];
        assert_eq!(states(&recording, "n2"), follower);
        let reign =
            &reigns(&of_recording(&Recording { nodes: vec!["n1".to_owned()], ..recording }))[0];
        assert_eq!(reign.lost_at_ns, Some(1_950 * MILLISECOND));
    }

    #[test]
    fn a_silence_with_a_known_reason_is_called_by_it() {
        let stopped = recorded(&[
            (2_000, ProcessChange::StoppedFromOutside),
            (5_900, ProcessChange::ContinuedFromOutside),
        ]);
        let expected = [
            (0, 2_000, State::Running),
            (2_000, 5_900, State::Stopped),
            (5_900, 10_000, State::Running),
        ];
        assert_eq!(states(&stopped, "n1"), expected);
        let how = "signal 9".to_owned();
        let exited = ProcessChange::Exited { how, expected: false, last_words: Vec::new() };
        let killed = recorded(&[(2_000, ProcessChange::StoppedFromOutside), (3_000, exited)]);
        let seen = states(&killed, "n1");
        assert_eq!(seen[1..], [(2_000, 3_000, State::Stopped), (3_000, 10_000, State::Down)]);
        // What the reason does not cover is a silence of its own.
        let late = recorded(&[
            (2_000, ProcessChange::StoppedFromOutside),
            (3_000, ProcessChange::ContinuedFromOutside),
        ]);
        let seen = states(&late, "n1");
        assert_eq!(seen[1..3], [(2_000, 3_000, State::Stopped), (3_000, 6_000, State::Silent)]);
    }

    #[test]
    fn an_answer_that_is_a_little_late_is_no_silence() {
        let recording = Recording {
            polls: polls("n1", (0..20).map(|it| it * 900), "leader"),
            last_ns: 17_100 * MILLISECOND,
            ..Recording::default()
        };
        assert_eq!(states(&recording, "n1"), [(0, 17_100, State::Running)]);
    }
}
