//! One line of `faults.jsonl`: what was planned, what was done, and what was seen to happen.

use serde::{Deserialize, Serialize};

/// What became of a planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum FaultStatus {
    /// It was put in place.
    Installed,
    /// It was not put in place.
    Skipped {
        /// Why, in words.
        reason: String,
    },
    /// It may have been put in place.
    Indeterminate {
        /// Why, in words.
        reason: String,
    },
}

/// One fault of a run. Times are CLOCK_MONOTONIC in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its number in the plan, from 1.
    pub id: u32,
    /// The family a user asks for: `kill`, `pause`, `partition`, ….
    pub kind: String,
    /// What exactly, in words: `isolate leader`, `SIGSTOP leader`, `kill -9 a follower`.
    pub name: String,
    /// The target as planned: `leader`, `a follower`, `minority`, `n2`.
    pub target: String,
    /// The nodes struck, once resolved: `["n3"]`.
    pub nodes: Vec<String>,
    /// The resolution in words: `n1 | n2 n3 n4 n5`, `n3 (leader, term 7)`.
    pub detail: String,
    /// When the plan wanted it.
    pub planned_at_ns: u64,
    /// When the injector began.
    pub started_at_ns: Option<u64>,
    /// When it was seen to be in force (process in state T, exit seen, first byte blocked, …).
    pub effective_at_ns: Option<u64>,
    /// When it was lifted and seen to be lifted.
    pub healed_at_ns: Option<u64>,
    /// What became of it.
    #[serde(flatten)]
    pub status: FaultStatus,
    /// What was observed, one fact each: `state T in /proc after 0.7 ms`, `312 bytes blocked on 8
    /// links`, `exit by signal 9`, `leader changed n3 → n1 in 0.61 s`.
    pub effects: Vec<String>,
    /// Whether any effect was observed. A requested fault without one weakens the run.
    pub effective: bool,
    /// Whether the leader of the moment was among the struck; `None` where nobody led.
    pub leader_hit: Option<bool>,
}
