//! The protocol as a value: inputs go in, a [`Ready`] comes out, and nothing happens by itself.

use std::sync::Arc;

use crate::event::{Role, Traced};
use crate::message::{
    Chain, Entry, HardState, Index, Membership, Message, NodeId, Position, SnapshotMeta, Term,
};
use crate::rules::Rules;

/// How linearizable reads are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// Confirm leadership by a heartbeat round that begins after the read (thesis 6.4).
    #[default]
    Index,
    /// Put the read through the log: slow, and an oracle for the other two.
    Log,
    /// Trust a lease measured in ticks (thesis 6.4.1): wrong when clocks or schedulers misbehave.
    Lease,
}

/// What a node is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub id: NodeId,
    /// Shortest election timeout, in ticks.
    pub election_timeout_ticks_min: u32,
    /// Longest election timeout, in ticks.
    pub election_timeout_ticks_max: u32,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: u32,
    /// Ask before campaigning (thesis 9.6).
    pub pre_vote: bool,
    /// A leader without a quorum for an election timeout steps down (thesis 6.2).
    pub check_quorum: bool,
    /// How reads are served.
    pub read_mode: ReadMode,
    /// Most entries of one append.
    pub append_entries_max: usize,
    /// Most payload bytes of one append (one entry always goes).
    pub append_bytes_max: usize,
    /// Most appends on their way to one follower.
    pub appends_in_flight_max: usize,
    /// Feeds the election jitter; the only randomness there is.
    pub seed: u64,
    /// The safety rules, or a mutant's.
    pub rules: Arc<dyn Rules>,
}

/// What was found on disk.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Term and vote.
    pub hard_state: HardState,
    /// What the snapshot covers, if there is one.
    pub snapshot: Option<SnapshotMeta>,
    /// The log after the snapshot, without gaps.
    pub entries: Vec<Entry>,
    /// The membership to start from where neither snapshot nor log tells one.
    pub bootstrap: Membership,
}

/// What must be made durable, as one step. `number`s rise by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Persist {
    /// Give this to [`Raft::persisted`] when it is done.
    pub number: u64,
    /// Term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// Entries to write. The first one's index implies the removal of everything from there on.
    pub entries: Vec<Entry>,
    /// A received snapshot that replaces state and log up to its last entry. The driver holds its data.
    pub snapshot: Option<SnapshotMeta>,
}

/// A read that is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The number given to [`Raft::read`].
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
/// 4. apply `committed` and call [`Raft::applied`],
/// 5. answer `reads`,
/// 6. once this `persist` and all before it are durable (at once where none is outstanding): write
///    `events_after_persist`, send `messages_after_persist`, then call [`Raft::persisted`].
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
    /// [`Raft::snapshot_sent`].
    pub snapshots_wanted: Vec<NodeId>,
}

/// Why a proposal was not taken. Nothing of it stays in the log: a definite refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not the leader; who is, as far as known.
    NotLeader(Option<NodeId>),
    /// The leader is handing over its leadership.
    Transferring,
    /// Another membership change is under way, or the change makes no sense.
    Membership,
}

/// A change of the members, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MembershipChange {
    /// Add a node that only listens.
    AddLearner(NodeId),
    /// Make a learner a voter.
    Promote(NodeId),
    /// Remove a voter or learner.
    Remove(NodeId),
}

/// What a leader knows of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub id: NodeId,
    /// The last index known to match.
    pub matched: Index,
    /// The next index to send.
    pub next: Index,
    /// Heard of within the last election timeout.
    pub active: bool,
    /// `probe`, `replicate` or `snapshot`.
    pub mode: &'static str,
}

/// A node's view of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Role.
    pub role: Role,
    /// Term and vote.
    pub hard_state: HardState,
    /// The leader of the term, if known.
    pub leader: Option<NodeId>,
    /// Commit index.
    pub commit: Index,
    /// Applied index.
    pub applied: Index,
    /// Last entry.
    pub last: Position,
    /// The snapshot's last entry.
    pub snapshot: Position,
    /// Membership in force.
    pub membership: Membership,
    /// On a leader: its peers.
    pub peers: Vec<PeerStatus>,
}
