//! What came of a call of the core, as a journal tells it: entries by their hash.
//!
//! The order of the fields is the format; so is that of [`whitewater_raft::Input`] and [`whitewater_raft::Output`].

use serde::{Deserialize, Serialize};
use whitewater_raft::event::Traced;
use whitewater_raft::{Body, Entry, Message, NodeId, Persist, Position, ReadOutcome, Ready};
use xxhash_rust::xxh3::xxh3_128;

use crate::storage::encode_entry;

/// What came of a call, as it is written.
pub(super) type Output = whitewater_raft::Output<Outline>;

/// A `Ready`, its entries apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Outline {
    #[serde(with = "super::told")]
    pub(super) events: Vec<Traced>,
    pub(super) messages: Vec<Sent>,
    pub(super) persist: Option<Kept>,
    #[serde(with = "super::told")]
    pub(super) events_after_persist: Vec<Traced>,
    pub(super) messages_after_persist: Vec<Sent>,
    pub(super) committed: Option<Entries>,
    pub(super) reads: Vec<ReadOutcome>,
    pub(super) snapshots_wanted: Vec<NodeId>,
}

/// A message, its entries apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Without its entries.
    pub(super) message: Message,
    pub(super) entries: Option<Entries>,
}

/// A persist, its entries apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Without its entries.
    pub(super) persist: Persist,
    pub(super) entries: Option<Entries>,
}

/// Entries that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entries {
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) count: u64,
    /// XXH3-128 over all of them as the log would write them.
    pub(super) hash: u128,
}

impl Outline {
    pub(super) fn of(ready: &Ready) -> Outline {
        // The same few entries are often written, sent and committed in one `Ready`.
        let mut bytes = Vec::new();
        let mut sent = |messages: &[Message]| -> Vec<Sent> {
            messages.iter().map(|message| Sent::of(message, &mut bytes)).collect()
        };
        let messages = sent(&ready.messages);
        let messages_after_persist = sent(&ready.messages_after_persist);
        let persist = ready.persist.as_ref().map(|persist| Kept {
            persist: Persist {
                number: persist.number,
                hard_state: persist.hard_state,
                entries: Vec::new(),
                snapshot: persist.snapshot.clone(),
            },
            entries: Entries::of(&persist.entries, &mut bytes),
        });
        Outline {
            events: ready.events.clone(),
            messages,
            persist,
            events_after_persist: ready.events_after_persist.clone(),
            messages_after_persist,
            committed: Entries::of(&ready.committed, &mut bytes),
            reads: ready.reads.clone(),
            snapshots_wanted: ready.snapshots_wanted.clone(),
        }
    }
}

impl Sent {
    fn of(message: &Message, bytes: &mut Vec<u8>) -> Sent {
        let Message { from, to, term, request, ref body } = *message;
        let (body, entries) = match body {
            Body::Append { prev, entries, commit, round } => {
                let (prev, commit, round) = (*prev, *commit, *round);
                let bare = Body::Append { prev, entries: Vec::new(), commit, round };
                (bare, Entries::of(entries, bytes))
            }
            other => (other.clone(), None),
        };
        Sent { message: Message { from, to, term, request, body }, entries }
    }
}

impl Entries {
    fn of(entries: &[Entry], bytes: &mut Vec<u8>) -> Option<Entries> {
        let (first, last) = (entries.first()?.position(), entries.last()?.position());
        bytes.clear();
        for entry in entries {
            encode_entry(bytes, entry);
        }
        Some(Entries { first, last, count: entries.len() as u64, hash: xxh3_128(bytes) })
    }
}
