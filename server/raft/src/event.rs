//! The trace vocabulary: what a node tells of itself, one event a line.
//!
//! A line is written after the fact it states is durable and before anyone else can see it. Lines of
//! a killed node may therefore be missing, but a line never states what did not happen, so missing
//! lines can hide a violation and cannot invent one.

use serde::{Deserialize, Serialize};

use crate::message::{Chain, HardState, Index, Membership, NodeId, Position, Term};

/// What a node is at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Follows a leader, or waits for one.
    #[default]
    Follower,
    /// Asks whether an election could be won (thesis 9.6).
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads its term.
    Leader,
    /// Receives the log and never votes.
    Learner,
}

/// One line of a trace file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Who tells.
    pub node: NodeId,
    /// Counts the node's starts, from 1.
    pub boot: u64,
    /// Counts this boot's lines, from 1.
    pub seq: u64,
    /// CLOCK_MONOTONIC in nanoseconds; in a simulation, the virtual clock.
    pub time_ns: u64,
    /// The node's term when it happened.
    pub term: Term,
    /// The node's role when it happened.
    pub role: Role,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// An event of the core, with the term and role it happened in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traced {
    /// The term.
    pub term: Term,
    /// The role.
    pub role: Role,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The node recovered its disk and starts. Always a boot's first line. Written by the driver.
    Boot {
        /// The term and vote found on disk.
        hard_state: HardState,
        /// The snapshot found; index 0 where there is none.
        snapshot: Position,
        /// The last entry found.
        last: Position,
        /// The chain hash at `last`.
        chain: Chain,
        /// The last entry applied before the first new one.
        applied: Index,
        /// Hash of the state machine at `applied`.
        state_hash: Chain,
        /// The mutant in force; `None` for the correct server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mutant: Option<String>,
        /// The membership in force.
        membership: Membership,
    },
    /// A new term is durable.
    Term {
        /// The term before.
        old: Term,
    },
    /// A vote is durable.
    Vote {
        /// Whom for.
        candidate: NodeId,
        /// The candidate's last entry.
        candidate_last: Position,
        /// The voter's last entry.
        own_last: Position,
    },
    /// An election begins, or its trial.
    Campaign {
        /// A trial that changes no term.
        pre_vote: bool,
        /// Started because the leader asked for it.
        transfer: bool,
    },
    /// The node won its term.
    Leader {
        /// Who voted for it, itself included.
        votes: Vec<NodeId>,
        /// Its last entry at that moment.
        last: Position,
        /// The chain hash at `last`.
        chain: Chain,
    },
    /// A leader or candidate gave up.
    Stepdown {
        /// Why, in words.
        cause: String,
    },
    /// Entries were put into the log. A leader tells it before it sends them, its disk being on it (see
    /// `Durable`); a follower tells it when they are durable.
    Append {
        /// The first one.
        first: Position,
        /// The last one.
        last: Position,
        /// The chain hash at `last`.
        chain: Chain,
    },
    /// Entries from an index on were removed because they conflict with the leader's; told when that is
    /// durable, just before the entries that took their place.
    Truncate {
        /// The first one removed.
        from: Index,
        /// The last entry before.
        old_last: Position,
    },
    /// The log is durable up to here.
    Durable {
        /// The last durable entry.
        last: Position,
        /// The chain hash at `last`.
        chain: Chain,
    },
    /// A success was reported to the leader. Told when it is news to this leader: heartbeats repeat it.
    Ack {
        /// The leader.
        to: NodeId,
        /// The index reported as matching and durable.
        matched: Index,
    },
    /// The commit index moved. A leader tells it at once, others when their disk has the entries too.
    Commit {
        /// The new commit index, and the term of the entry there.
        to: Position,
        /// The chain hash there.
        chain: Chain,
        /// On a leader: what it knew of each voter, itself included.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        matched: Vec<(NodeId, Index)>,
    },
    /// Entries were applied to the state machine. Written by the driver.
    Apply {
        /// The first one.
        from: Index,
        /// The last one.
        to: Position,
        /// The chain hash at `to`.
        chain: Chain,
        /// Hash of the state machine after `to`, where it was taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state_hash: Option<Chain>,
    },
    /// A snapshot of the own state is durable. Written by the driver.
    SnapshotWritten {
        /// The last entry covered.
        last: Position,
        /// The chain hash there.
        chain: Chain,
        /// Hash of the state machine there.
        state_hash: Chain,
    },
    /// A leader's snapshot is durable and replaced the state. Written by the driver.
    SnapshotInstalled {
        /// The last entry covered.
        last: Position,
        /// The chain hash there.
        chain: Chain,
        /// Hash of the state machine there.
        state_hash: Chain,
        /// What was applied before.
        applied_before: Index,
    },
    /// Entries up to here were dropped because a snapshot covers them.
    Purge {
        /// The last one dropped.
        to: Index,
    },
    /// A leader gave reads their index, and waits for a heartbeat round that begins after this line. What
    /// another leader had committed by now, such a round would have told of.
    ReadBegun {
        /// The round that is to confirm them.
        round: u64,
        /// The index they got.
        index: Index,
    },
    /// Reads may be answered here: one event for all that share round and index.
    Read {
        /// The heartbeat round that confirmed it; 0: none was asked for.
        round: u64,
        /// The index read at.
        index: Index,
        /// Applied when it was answered.
        applied: Index,
        /// Who confirmed the round; empty on a follower, which trusts the leader's answer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        confirmed: Vec<NodeId>,
    },
    /// The membership in force changed.
    Config {
        /// The entry that changed it.
        index: Index,
        /// The membership from there on.
        membership: Membership,
    },
    /// A committed command, for the exactly-once check. Written by the driver when it applies one.
    Command {
        /// Where.
        index: Index,
        /// The client session.
        session: u64,
        /// The session's command number.
        sequence: u64,
        /// False: the session had it already, and the stored reply was given.
        fresh: bool,
        /// It changed nothing: a cas that did not match, a value that would have been too long.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refused: bool,
    },
}
