//! What nodes say to each other and keep on disk, as plain values.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A node's number, from 1. 0 is never a node: on the wire it means "none".
pub type NodeId = u64;
/// A term (paper section 5.1). 0 is the time before the first election.
pub type Term = u64;
/// A place in the log, from 1. 0 is the place before the first entry.
pub type Index = u64;

/// The index and term of an entry: together they name it (Log Matching, paper section 5.3).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Position {
    /// Where.
    pub index: Index,
    /// The term of the leader that made the entry.
    pub term: Term,
}

/// A hash over a whole log prefix: `chain(i) = H(chain(i-1), term, index, payload)`.
///
/// Equal chains mean equal prefixes, so Log Matching is one comparison. Written as 16 hex digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chain(pub u64);

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Chain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Chain).map_err(serde::de::Error::custom)
    }
}

/// One slot of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    pub index: Index,
    /// The term of the leader that made it.
    pub term: Term,
    /// What it says.
    pub payload: Payload,
}

impl Entry {
    /// The entry's name.
    pub fn position(&self) -> Position {
        Position { index: self.index, term: self.term }
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Payload {
    /// A new leader's first entry: commits what earlier terms left (paper section 8).
    Noop,
    /// A command for the state machine; the core does not look inside.
    Command(Arc<[u8]>),
    /// A change of the cluster's members (thesis chapter 4).
    Membership(Membership),
}

/// Who votes and who only listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// Voting members.
    pub voters: BTreeSet<NodeId>,
    /// The old voters while a joint change is in force (paper section 6); empty otherwise. Both
    /// sets need a quorum then.
    pub voters_outgoing: BTreeSet<NodeId>,
    /// Members that receive the log and never vote (thesis 4.2.1).
    pub learners: BTreeSet<NodeId>,
}

/// What must survive a crash beside the log: written as one record, never apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term seen.
    pub term: Term,
    /// Whom this node voted for in `term`.
    pub vote: Option<NodeId>,
}

/// What a snapshot replaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry it covers.
    pub last: Position,
    /// The chain hash at that entry.
    pub chain: Chain,
    /// The membership in force at that entry.
    pub membership: Membership,
}

/// One message between two nodes: a request, or the reply that repeats its `request` number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The sender's term. A pre-vote request and the grant of one carry the term that would be
    /// campaigned in instead.
    pub term: Term,
    /// Numbers the sender's requests; a reply repeats the number of its request. The core answers
    /// every request that it is stepped with, so that an RPC handler can wait for the reply. A reply
    /// must not outlive the process that asked: connections see to that, simulators must.
    pub request: u64,
    /// What is said.
    pub body: Body,
}

/// No term or index comes near this in the life of a cluster; a message that says so was garbled on its
/// way, and adding to it could overflow.
const NUMBER_MAX: u64 = 1 << 62;

impl Message {
    /// Whether it names a term or an index that no cluster reaches. The core does not look at such a
    /// message, nor answer it.
    pub fn is_garbled(&self) -> bool {
        let index = match &self.body {
            Body::Vote { last, .. } => last.index,
            Body::Append { prev, .. } => prev.index,
            Body::Snapshot { meta, .. } => meta.last.index,
            _ => 0,
        };
        self.term > NUMBER_MAX || index > NUMBER_MAX
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    /// RequestVote (paper Figure 2), or a pre-vote trial (thesis 9.6).
    Vote {
        /// The candidate's last entry.
        last: Position,
        /// A trial: changes no term, casts no vote.
        pre_vote: bool,
        /// The leader asked for this election; its lease does not stand in the way (thesis 3.10).
        transfer: bool,
    },
    /// The answer to `Vote`.
    VoteReply {
        /// Whether the vote was given.
        granted: bool,
        /// Repeats the request's flag.
        pre_vote: bool,
    },
    /// AppendEntries (paper Figure 2); a heartbeat where `entries` is empty.
    Append {
        /// The entry just before `entries`.
        prev: Position,
        /// Consecutive entries from `prev.index + 1`.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: Index,
        /// The leader's heartbeat round when this was sent (thesis 6.4).
        round: u64,
    },
    /// The answer to `Append`.
    AppendReply {
        /// `Ok`: the highest index known to match the leader and durable here.
        /// `Err`: the receiver's log does not match; where to try next.
        result: Result<Index, Conflict>,
        /// Repeats the request's round. 0: the request came from a deposed leader and was not looked
        /// at; the reply tells a term and nothing else.
        round: u64,
    },
    /// InstallSnapshot (paper Figure 13), once all chunks have arrived; the chunks travel outside
    /// the core. The driver holds the data and hands over the description.
    Snapshot {
        /// What it covers.
        meta: SnapshotMeta,
        /// The leader's heartbeat round when this was sent.
        round: u64,
    },
    /// The answer to `Snapshot`.
    SnapshotReply {
        /// The index up to which the receiver now matches the leader.
        matched: Index,
        /// Repeats the request's round.
        round: u64,
    },
    /// Campaign at once (thesis 3.10).
    TimeoutNow,
    /// The answer to `TimeoutNow`.
    TimeoutNowReply,
    /// A follower asks for a confirmed read index (thesis 6.4).
    ReadIndex {
        /// Names the read at the asking node.
        context: u64,
    },
    /// The answer to `ReadIndex`.
    ReadIndexReply {
        /// Repeats the request's context.
        context: u64,
        /// The index a reader must have applied; `None`: not a leader that can tell.
        index: Option<Index>,
    },
}

/// Where a follower's log departs from the leader's (fast backtracking, paper section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conflict {
    /// The term of the follower's entry at the previous index; `None` where it has none there.
    pub term: Option<Term>,
    /// The follower's first index of that term, or the one after its last entry.
    pub first_index: Index,
}
