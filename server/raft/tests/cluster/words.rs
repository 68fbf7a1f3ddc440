//! Messages, events and logs in words, for scripts that are read by people.
//!
//! An entry is written `index@term`. Numbers that only machines need (requests, rounds, chains) are
//! left out, so that scripts do not change with them.

use whitewater_raft::event::{Event, Role, Traced};
use whitewater_raft::{
    Body, Entry, Membership, Message, NodeId, Payload, Position, ReadOutcome, SnapshotMeta,
};

/// An entry's name.
fn at(position: Position) -> String {
    format!("{}@{}", position.index, position.term)
}

fn nodes<'a>(ids: impl IntoIterator<Item = &'a NodeId>) -> String {
    ids.into_iter().map(|id| format!("n{id}")).collect::<Vec<_>>().join(" ")
}

/// A role.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Learner => "learner",
    }
}

/// How a read ended.
pub(crate) fn read(id: NodeId, read: &ReadOutcome) -> String {
    match read.index {
        Some(index) => format!("n{id} answers read {} at {index}", read.context),
        None => format!("n{id} fails read {}", read.context),
    }
}

/// A snapshot on a disk.
pub(crate) fn snapshot(meta: &SnapshotMeta) -> String {
    format!("snapshot up to {}", at(meta.last))
}

/// A membership, voters first.
pub(crate) fn membership(membership: &Membership) -> String {
    let mut words = format!("voters {}", nodes(&membership.voters));
    if membership.is_joint() {
        words += &format!(" with outgoing {}", nodes(&membership.voters_outgoing));
    }
    if !membership.learners.is_empty() {
        words += &format!(", learners {}", nodes(&membership.learners));
    }
    words
}

/// An entry with what it says.
pub(crate) fn entry(entry: &Entry) -> String {
    let says = match &entry.payload {
        Payload::Noop => "no-op".to_owned(),
        Payload::Command(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Payload::Membership(to) => membership(to),
    };
    format!("{} {says}", at(entry.position()))
}

/// A message.
pub(crate) fn message(message: &Message) -> String {
    let Message { from, to, term, .. } = message;
    format!("n{from} → n{to} term {term}: {}", body(&message.body))
}

fn body(body: &Body) -> String {
    match body {
        Body::Vote { last, pre_vote, transfer } => {
            let asks = if *pre_vote { "would you vote for me?" } else { "vote for me" };
            let why = if *transfer { " (transfer)" } else { "" };
            format!("{asks} last {}{why}", at(*last))
        }
        Body::VoteReply { granted: true, .. } => "yes".to_owned(),
        Body::VoteReply { granted: false, .. } => "no".to_owned(),
        Body::Append { prev, entries, commit, .. } if entries.is_empty() => {
            format!("heartbeat after {} commit {commit}", at(*prev))
        }
        Body::Append { prev, entries, commit, .. } => {
            let list: Vec<String> = entries.iter().map(entry).collect();
            format!("append after {} commit {commit}: {}", at(*prev), list.join(", "))
        }
        Body::AppendReply { result: Ok(matched), .. } => format!("have {matched}"),
        Body::AppendReply { result: Err(_), round: 0 } => "you are deposed".to_owned(),
        Body::AppendReply { result: Err(conflict), .. } => match conflict.term {
            Some(term) => format!("mismatch, term {term} from {} here", conflict.first_index),
            None => format!("mismatch, nothing from {} here", conflict.first_index),
        },
        Body::Snapshot { meta, .. } => {
            format!("snapshot up to {}, {}", at(meta.last), membership(&meta.membership))
        }
        Body::SnapshotReply { matched, .. } => format!("have {matched}"),
        Body::TimeoutNow => "campaign now".to_owned(),
        Body::TimeoutNowReply => "will do".to_owned(),
        Body::ReadIndex { .. } => "where may I read?".to_owned(),
        Body::ReadIndexReply { index: Some(index), .. } => format!("read at {index}"),
        Body::ReadIndexReply { index: None, .. } => "I cannot tell".to_owned(),
    }
}

/// An event, or nothing where the script says enough.
pub(crate) fn event(id: NodeId, traced: &Traced) -> String {
    let term = traced.term;
    let what = match &traced.event {
        Event::Term { old } => format!("enters term {term} after {old}"),
        Event::Vote { candidate, .. } => format!("votes for n{candidate} in term {term}"),
        Event::Campaign { pre_vote: true, .. } => format!("tries a campaign for {}", term + 1),
        Event::Campaign { transfer: true, .. } => format!("campaigns in term {term} as told"),
        Event::Campaign { .. } => format!("campaigns in term {term}"),
        Event::Leader { votes, last, .. } => {
            format!("leads term {term} by {} with last {}", nodes(votes), at(*last))
        }
        Event::Stepdown { cause } => format!("steps down in term {term}: {cause}"),
        Event::Append { first, last, .. } if first == last => format!("appends {}", at(*first)),
        Event::Append { first, last, .. } => format!("appends {} to {}", at(*first), at(*last)),
        Event::Truncate { from, old_last } => format!("removes {from} to {}", at(*old_last)),
        Event::Durable { last, .. } => format!("has {} on disk", at(*last)),
        Event::Ack { to, matched } => format!("acks {matched} to n{to}"),
        Event::Commit { to, matched, .. } if matched.is_empty() => format!("commits {}", at(*to)),
        Event::Commit { to, matched, .. } => {
            let known: Vec<String> = matched.iter().map(|(id, to)| format!("n{id}:{to}")).collect();
            format!("commits {} by {}", at(*to), known.join(" "))
        }
        Event::Purge { to } => format!("drops its log up to {to}"),
        Event::ReadBegun { round, index } => {
            format!("begins to read at {index}, for round {round} to confirm")
        }
        Event::Read { index, applied, confirmed, .. } if confirmed.is_empty() => {
            format!("reads at {index} having applied {applied}")
        }
        Event::Read { index, applied, confirmed, .. } => {
            format!("reads at {index} having applied {applied}, by {}", nodes(confirmed))
        }
        Event::SnapshotInstalled { last, .. } => format!("goes on from the state at {}", at(*last)),
        Event::Config { index, membership: to } => {
            format!("goes by {index}: {}", membership(to))
        }
        other => format!("tells {other:?}"),
    };
    format!("n{id} {what}")
}
