//! Answers to the driver: refusals, and a node's view of itself.

use serde::{Deserialize, Serialize};

use crate::event::Role;
use crate::message::{HardState, Index, Membership, NodeId, Position};

/// Why a proposal was not taken. Nothing of it stays in the log: a definite refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// Not the leader; who is, as far as known.
    NotLeader(Option<NodeId>),
    /// The leader is handing over its leadership.
    Transferring,
    /// Another membership change is under way, or the change makes no sense.
    Membership,
}

/// A change of the members, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The entry that brought it in force: beyond `commit`, it may still be taken back.
    pub membership_index: Index,
    /// On a leader that is handing over: to whom.
    pub transfer: Option<NodeId>,
    /// On a leader: its peers.
    pub peers: Vec<PeerStatus>,
}
