//! Steps in words, for the person who reads where two cores part.
//!
//! An output is described as lines, one for each thing that it asks for, so that two outputs can be compared line by
//! line. What matters to others comes first: messages, then the disk, then the trace.

use whitewater_raft::event::Traced;
use whitewater_raft::{Body, Input, MembershipChange, Message, Position, Refused};

use super::divergence::Divergence;
use super::step::{Entries, Kept, Outline, Output, Sent};

/// Two outputs of the same step that differ.
pub(super) fn differs(
    step: u64,
    inputs: Vec<String>,
    recorded: &Output,
    replayed: &Output,
) -> Divergence {
    let (mut one, mut other) = (lines(recorded), lines(replayed));
    let total = one.len();
    one.retain(|line| match other.iter().position(|same| same == line) {
        Some(place) => {
            other.remove(place);
            false
        }
        None => true,
    });
    let alike = total - one.len();
    if one.is_empty() && other.is_empty() {
        // The same things in another order, or a detail that the lines leave out.
        (one, other) = (vec![format!("{recorded:?}")], vec![format!("{replayed:?}")]);
    }
    let headline = match (one.first(), other.first()) {
        (Some(one), Some(other)) => {
            format!("the recorded node {one}; the replayed core {other}")
        }
        (Some(one), None) => format!("the recorded node {one}; the replayed core does not"),
        (None, Some(other)) => format!("the replayed core {other}; the recorded node did not"),
        (None, None) => "the outputs differ".into(),
    };
    Divergence { step, headline, inputs, recorded: one, replayed: other, alike }
}

/// A step that the replayed core did not survive.
pub(super) fn panicked(step: u64, inputs: Vec<String>, panic: &str) -> Divergence {
    Divergence {
        step,
        headline: format!("the recorded node went on; the replayed core panics: {panic}"),
        inputs,
        recorded: Vec::new(),
        replayed: vec![format!("panics: {panic}")],
        alike: 0,
    }
}

/// An input in words.
pub(super) fn input(input: &Input) -> String {
    match input {
        Input::Tick => "a tick".into(),
        Input::Step(message) => {
            let entries = match &message.body {
                Body::Append { entries, .. } => entries.first().zip(entries.last()),
                _ => None,
            };
            let entries = entries.map(|(first, last)| {
                format!("{} to {}", place(first.position()), place(last.position()))
            });
            format!("n{} in term {}: {}", message.from, message.term, said(message, entries))
        }
        Input::Propose(command) => format!("a proposal of {} bytes", command.len()),
        Input::Acknowledges(index) => format!("may index {index} be acknowledged?"),
        Input::Read(context) => format!("read {context}"),
        Input::Persisted(number) => format!("persist {number} is durable"),
        Input::Applied(index) => format!("applied up to {index}"),
        Input::Compacted(meta) => format!("a snapshot up to {} is durable", place(meta.last)),
        Input::LogTail(entries) => format!("keep {entries} entries behind a snapshot"),
        Input::Transfer(Some(target)) => format!("hand leadership over to n{target}"),
        Input::Transfer(None) => "hand leadership over".into(),
        Input::ChangeMembership(change) => match change {
            MembershipChange::AddLearner(node) => format!("add n{node} as a learner"),
            MembershipChange::Promote(node) => format!("make n{node} a voter"),
            MembershipChange::Remove(node) => format!("remove n{node}"),
        },
        Input::SnapshotMessage { peer, meta } => {
            format!("what goes to n{peer} with the snapshot up to {}?", place(meta.last))
        }
        Input::SnapshotSent { peer, delivered: true } => format!("the snapshot is at n{peer}"),
        Input::SnapshotSent { peer, delivered: false } => {
            format!("the snapshot did not get to n{peer}")
        }
        Input::Ready => "what is to be done?".into(),
    }
}

/// One line for each thing an output says; each goes on from "the node …".
fn lines(output: &Output) -> Vec<String> {
    match output {
        Output::Nothing => vec!["does nothing at once".into()],
        Output::Proposed(Ok(position)) => vec![format!("proposes it at {}", place(*position))],
        Output::ChangesMembership(Ok(position)) => {
            vec![format!("changes members at {}", place(*position))]
        }
        Output::Proposed(Err(refused))
        | Output::ChangesMembership(Err(refused))
        | Output::Transferring(Err(refused)) => vec![refusal(*refused)],
        Output::Acknowledges(true) => vec!["acknowledges it".into()],
        Output::Acknowledges(false) => vec!["does not acknowledge it yet".into()],
        Output::Transferring(Ok(target)) => vec![format!("hands over to n{target}")],
        Output::SnapshotMessage(None) => vec!["sends no snapshot".into()],
        Output::SnapshotMessage(Some(message)) => {
            let sent = Sent { message: message.clone(), entries: None };
            vec![sends(&sent, "")]
        }
        Output::Ready(outline) => of_outline(outline),
    }
}

fn of_outline(outline: &Outline) -> Vec<String> {
    const LATER: &str = "once that is durable ";
    let mut lines: Vec<String> =
        outline.messages.iter().map(|message| sends(message, "")).collect();
    lines.extend(outline.messages_after_persist.iter().map(|message| sends(message, LATER)));
    lines.extend(outline.persist.as_ref().map(writes));
    if let Some(entries) = &outline.committed {
        lines.push(format!("hands out as committed {}", run(entries)));
    }
    lines.extend(outline.reads.iter().map(|read| match read.index {
        Some(index) => format!("lets read {} be answered at index {index}", read.context),
        None => format!("fails read {}", read.context),
    }));
    lines.extend(
        outline.snapshots_wanted.iter().map(|peer| format!("wants a snapshot for n{peer}")),
    );
    lines.extend(outline.events.iter().map(|event| traces(event, "")));
    lines.extend(outline.events_after_persist.iter().map(|event| traces(event, LATER)));
    lines
}

fn sends(sent: &Sent, when: &str) -> String {
    let Sent { message, entries } = sent;
    let said = said(message, entries.as_ref().map(run));
    format!(
        "{when}tells n{} in term {} (request {}): {said}",
        message.to, message.term, message.request
    )
}

fn writes(kept: &Kept) -> String {
    let mut parts = Vec::new();
    if let Some(state) = kept.persist.hard_state {
        let vote = state.vote.map_or("no vote".into(), |node| format!("the vote for n{node}"));
        parts.push(format!("term {} and {vote}", state.term));
    }
    if let Some(meta) = &kept.persist.snapshot {
        parts.push(format!("the snapshot up to {}", place(meta.last)));
    }
    if let Some(entries) = &kept.entries {
        parts.push(run(entries));
    }
    format!("writes (persist {}): {}", kept.persist.number, parts.join(", "))
}

fn traces(traced: &Traced, when: &str) -> String {
    let event = serde_json::to_string(&traced.event).unwrap_or_default();
    let role = crate::log::role_name(traced.role);
    format!("{when}traces as {role} of term {}: {event}", traced.term)
}

fn said(message: &Message, entries: Option<String>) -> String {
    match &message.body {
        Body::Vote { last, pre_vote: true, .. } => {
            format!("would you vote for me, with last entry {}?", place(*last))
        }
        Body::Vote { last, transfer, .. } => {
            let why = if *transfer { ", as the leader asked" } else { "" };
            format!("vote for me, with last entry {}{why}", place(*last))
        }
        Body::VoteReply { granted: true, pre_vote: true } => "I would vote for you".into(),
        Body::VoteReply { granted: false, pre_vote: true } => "I would not vote for you".into(),
        Body::VoteReply { granted: true, .. } => "vote granted".into(),
        Body::VoteReply { granted: false, .. } => "vote refused".into(),
        Body::Append { prev, commit, round, .. } => {
            let what = entries.map_or("heartbeat".into(), |entries| format!("entries {entries}"));
            format!("{what} behind {}, commit {commit}, round {round}", place(*prev))
        }
        Body::AppendReply { result: Ok(index), round } => {
            format!("matches up to {index}, round {round}")
        }
        Body::AppendReply { result: Err(conflict), round } => {
            let index = conflict.first_index;
            let term =
                conflict.term.map_or("no entry there".to_owned(), |it| format!("its term: {it}"));
            format!("does not match, try {index} ({term}), round {round}")
        }
        Body::Snapshot { meta, round } => {
            format!("snapshot up to {}, round {round}", place(meta.last))
        }
        Body::SnapshotReply { matched, round } => {
            format!("snapshot taken, matches up to {matched}, round {round}")
        }
        Body::TimeoutNow => "campaign now".into(),
        Body::TimeoutNowReply => "yes, I campaign".into(),
        Body::ReadIndex { context } => format!("which index for read {context}?"),
        Body::ReadIndexReply { context, index: Some(index) } => {
            format!("index {index} for read {context}")
        }
        Body::ReadIndexReply { context, index: None } => format!("no index for read {context}"),
    }
}

fn refusal(refused: Refused) -> String {
    match refused {
        Refused::NotLeader(Some(leader)) => format!("refuses it: n{leader} leads"),
        Refused::NotLeader(None) => "refuses it: no leader is known".into(),
        Refused::Transferring => "refuses it: leadership is being handed over".into(),
        Refused::Membership => "refuses it: not a change that can begin now".into(),
    }
}

fn run(entries: &Entries) -> String {
    let Entries { first, last, count, hash } = entries;
    format!("{} to {} ({count}, hash {:016x})", place(*first), place(*last), hash >> 64)
}

fn place(position: Position) -> String {
    format!("{}@{}", position.index, position.term)
}
