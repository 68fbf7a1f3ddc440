//! What a node is told once: its settings, and what was found on its disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::message::{Entry, HardState, Membership, NodeId, SnapshotMeta};
use crate::rules::Rules;

/// How linearizable reads are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Fewest entries of an append that leaves while another one is unanswered; fewer gather until then,
    /// as small segments do in TCP (Nagle, RFC 896). 1: none waits.
    pub append_entries_min: usize,
    /// Feeds the election jitter; the only randomness there is.
    pub seed: u64,
    /// The safety rules, or a mutant's.
    pub rules: Arc<dyn Rules>,
}

/// What was found on disk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
