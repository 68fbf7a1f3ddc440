//! What is asked of a node, and what comes of it.

use std::time::Duration;

use bytes::Bytes;

/// What a client asks of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new session, in which a change that is sent again is applied once.
    OpenSession,
    /// The value of a key, linearizably.
    Get {
        /// The key.
        key: String,
        /// Only where the asked node leads; other nodes refuse.
        leader_only: bool,
    },
    /// A change of a key.
    Write {
        /// The key.
        key: String,
        /// The change.
        change: Change,
        /// The session, and the change's number in it, from 1. Session 0 is none: the change is applied each time
        /// that it is sent.
        command: (u64, u64),
    },
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set it.
    Put(Bytes),
    /// Remove it.
    Delete,
    /// Set it to `new` where it holds `expected`.
    Cas {
        /// What it must hold; `None`: absent.
        expected: Option<Bytes>,
        /// What it is to hold.
        new: Bytes,
    },
    /// Append to it.
    Append(Bytes),
}

/// What an operator wishes of a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Hand over, to this node or to whom you like.
    Transfer(Option<u32>),
    /// Add a node that receives the log and has no vote.
    AddLearner(u32),
    /// Give it a vote.
    Promote(u32),
    /// Remove it.
    Remove(u32),
}

/// A definite answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub result: Answered,
    /// The node that answered, by its own word; 0: it does not say.
    pub node: u32,
    /// The term that node said it was in.
    pub term: Option<u64>,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The new session's id.
    Opened(u64),
    /// The value read; `None`: absent.
    Value(Option<Bytes>),
    /// The change took effect.
    Written,
    /// The cas found another value and changed nothing.
    Mismatch(Option<Bytes>),
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Setback {
    /// True: the request may have taken effect, or may still. False: it never will.
    pub is_indefinite: bool,
    /// What to do about it.
    pub next: Next,
    /// In words.
    pub reason: String,
}

/// What to do after a setback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this node, which leads.
    Leader {
        /// Its number.
        node: u32,
        /// Where it is reached, where that was told.
        address: String,
    },
    /// Ask again a little later: there is no leader, or too much to do.
    Later,
    /// Ask another node: this one cannot be reached, or does not answer.
    Elsewhere,
    /// Open a new session: this one is gone.
    NewSession,
    /// Nothing: the request is wrong, and asking again is no use.
    GiveUp,
}

impl Setback {
    /// The node was not reached, or has not answered.
    pub fn unreachable(is_indefinite: bool, reason: impl Into<String>) -> Self {
        Self { is_indefinite, next: Next::Elsewhere, reason: reason.into() }
    }

    /// Nothing came back for so long.
    pub fn silence(is_indefinite: bool, time: Duration) -> Self {
        Self::unreachable(is_indefinite, format!("no answer within {} ms", time.as_millis()))
    }
}
