//! What the runner saw of the nodes from outside: status polls and process starts and exits.
//!
//! One JSON object a line in `status.jsonl` and `processes.jsonl`. Flushed as it happens, so that a
//! run that was cut short can still be judged.

use serde::{Deserialize, Serialize};

/// One answer of a node to a status poll.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusPoll {
    /// The node, as `n1`.
    pub node: String,
    /// CLOCK_MONOTONIC when the answer was received, nanoseconds.
    pub time_ns: u64,
    /// `follower`, `pre_candidate`, `candidate`, `leader`, `learner`.
    pub role: String,
    /// The node's term.
    pub term: u64,
    /// The leader it knows, as `n1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Commit index.
    pub commit: u64,
    /// Applied index.
    pub applied: u64,
    /// Hash of the state machine at `applied`, 16 hex digits, where the target tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hash: Option<String>,
    /// Chain hash of the log at `applied`, 16 hex digits, where the target tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Taken after the run was quiesced: all nodes' `applied` and hashes must agree.
    #[serde(default)]
    pub is_final: bool,
}

/// A server process began or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessEvent {
    /// The node, as `n1`.
    pub node: String,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// Its process id.
    pub pid: u32,
    /// What happened.
    #[serde(flatten)]
    pub change: ProcessChange,
}

/// How a process's life changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ProcessChange {
    /// It was started.
    Started,
    /// It answered its first status request.
    Ready,
    /// It was seen stopped (state `T`) though no fault had stopped it: somebody else did.
    StoppedFromOutside,
    /// It was no longer stopped.
    ContinuedFromOutside,
    /// Its node answered though this process, its last one, had ended: somebody else started another.
    AnsweredWhileDown,
    /// It ended.
    Exited {
        /// `exit code 0`, `signal 9`.
        how: String,
        /// True: the runner did this (a kill fault, the stop at the end).
        expected: bool,
        /// Lines of its log that look like a panic or a fatal error; empty where there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        last_words: Vec<String>,
    },
}
