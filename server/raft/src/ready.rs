//! What the core wants done: the output side of the seam between the protocol and its driver.

use serde::{Deserialize, Serialize};

use crate::event::Traced;
use crate::message::{Entry, HardState, Index, Message, NodeId, SnapshotMeta};

/// What must be made durable, as one step. `number`s rise by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Persist {
    /// Give this to [`crate::Raft::persisted`] when it is done.
    pub number: u64,
    /// Term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// Entries to write. The first one's index implies the removal of everything from there on.
    pub entries: Vec<Entry>,
    /// A received snapshot that replaces the state and the *whole* log, also entries after its last
    /// one (they belong to another history); `entries`, if any, follow it. The driver holds its data.
    pub snapshot: Option<SnapshotMeta>,
}

/// A read that is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadOutcome {
    /// The number given to [`crate::Raft::read`].
    pub context: u64,
    /// `Some`: answer it now from the state machine, which has applied at least this index.
    /// `None`: leadership was lost, or no leader is known; the reader may try again.
    pub index: Option<Index>,
}

/// What the driver must carry out, in this order:
///
/// 1. write `events` to the trace,
/// 2. send `messages`,
/// 3. make `persist` durable (in the background if it likes; several may be on their way, in order),
/// 4. apply `committed` and call [`crate::Raft::applied`],
/// 5. answer `reads`,
/// 6. once this `persist` and all before it are durable (at once where none is outstanding): write
///    `events_after_persist`, send `messages_after_persist`, then call [`crate::Raft::persisted`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ready {
    /// True before anything of this `Ready` is carried out.
    pub events: Vec<Traced>,
    /// May leave at once, before the own disk has anything (thesis 10.2.1).
    pub messages: Vec<Message>,
    /// To be made durable.
    pub persist: Option<Persist>,
    /// True once `persist` is durable.
    pub events_after_persist: Vec<Traced>,
    /// Votes, acks: must not leave before `persist`, and every earlier one, is durable.
    pub messages_after_persist: Vec<Message>,
    /// Committed and locally durable entries, each exactly once and in order.
    pub committed: Vec<Entry>,
    /// Reads that can be answered, or that failed.
    pub reads: Vec<ReadOutcome>,
    /// Peers whose next entry is compacted away: send them the snapshot, then call
    /// [`crate::Raft::snapshot_sent`].
    pub snapshots_wanted: Vec<NodeId>,
}
