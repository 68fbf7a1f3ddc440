//! How a journal writes the core's events.
//!
//! In a trace an event is a JSON object that says its own kind; postcard cannot read such a thing back. So this
//! is the same enum again, told apart by number. A new event does not compile until it is here as well: at the end,
//! because the order is the format.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use whitewater_raft::event::{Event, Role, Traced};
use whitewater_raft::{Chain, HardState, Index, Membership, NodeId, Position, Term};

pub(super) fn serialize<S: Serializer>(events: &[Traced], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told<'a> {
        term: Term,
        role: Role,
        #[serde(with = "EventForm")]
        event: &'a Event,
    }
    let mut list = to.serialize_seq(Some(events.len()))?;
    for Traced { term, role, event } in events {
        list.serialize_element(&Told { term: *term, role: *role, event })?;
    }
    list.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Traced>, D::Error> {
    #[derive(Deserialize)]
    struct Told {
        term: Term,
        role: Role,
        #[serde(with = "EventForm")]
        event: Event,
    }
    let told = Vec::<Told>::deserialize(from)?;
    Ok(told.into_iter().map(|Told { term, role, event }| Traced { term, role, event }).collect())
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Event")]
enum EventForm {
    Boot {
        hard_state: HardState,
        snapshot: Position,
        last: Position,
        chain: Chain,
        applied: Index,
        state_hash: Chain,
        mutant: Option<String>,
        membership: Membership,
    },
    Term {
        old: Term,
    },
    Vote {
        candidate: NodeId,
        candidate_last: Position,
        own_last: Position,
    },
    Campaign {
        pre_vote: bool,
        transfer: bool,
    },
    Leader {
        votes: Vec<NodeId>,
        last: Position,
        chain: Chain,
    },
    Stepdown {
        cause: String,
    },
    Append {
        first: Position,
        last: Position,
        chain: Chain,
    },
    Truncate {
        from: Index,
        old_last: Position,
    },
    Durable {
        last: Position,
        chain: Chain,
    },
    Ack {
        to: NodeId,
        matched: Index,
    },
    Commit {
        to: Position,
        chain: Chain,
        matched: Vec<(NodeId, Index)>,
    },
    Apply {
        from: Index,
        to: Position,
        chain: Chain,
        state_hash: Option<Chain>,
    },
    SnapshotWritten {
        last: Position,
        chain: Chain,
        state_hash: Chain,
    },
    SnapshotInstalled {
        last: Position,
        chain: Chain,
        state_hash: Chain,
        applied_before: Index,
    },
    Purge {
        to: Index,
    },
    Read {
        round: u64,
        index: Index,
        applied: Index,
        confirmed: Vec<NodeId>,
    },
    Config {
        index: Index,
        membership: Membership,
    },
    Command {
        index: Index,
        session: u64,
        sequence: u64,
        fresh: bool,
        refused: bool,
    },
    ReadBegun {
        round: u64,
        index: Index,
    },
}
