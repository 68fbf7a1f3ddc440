//! What a client is told: an answer of the state machine, or a failure that says whether the command
//! may still take effect.
//!
//! The one rule: a command that entered the log and whose fate is unknown is *indefinite*. Everything
//! before the log is definite.

use bytes::Bytes;
use whitewater_raft::{Index, NodeId, Term};

use crate::machine::Reply;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The state machine's answer to a command.
    Reply(Reply),
    /// A key's value; `None`: absent.
    Value(Option<Bytes>),
    /// A change of leader or membership is done.
    Changed,
    /// It was not done, or nobody knows.
    Failure(Failure),
}

/// An outcome, and where and when it was made. The latter is for people, never for correctness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// The answering node's term.
    pub term: Term,
    /// Where in the log it was decided or read; 0: nowhere.
    pub index: Index,
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// The command may have taken effect, or may still.
    pub is_indefinite: bool,
    /// In words.
    pub message: String,
    /// Who leads, as far as known.
    pub leader: Option<NodeId>,
}

/// The kinds of failure; the meaning of each is in kv.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "kv.proto describes each one")]
pub enum FailureKind {
    NotLeader,
    NoLeader,
    TimedOut,
    LostLeadership,
    UnknownSession,
    StaleSequence,
    Overloaded,
    Invalid,
    Stopping,
}

impl Failure {
    /// A failure after which the request will never take effect.
    pub fn definite(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, is_indefinite: false, message: message.into(), leader: None }
    }

    /// A failure after which nobody knows.
    pub fn indefinite(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, is_indefinite: true, message: message.into(), leader: None }
    }
}
