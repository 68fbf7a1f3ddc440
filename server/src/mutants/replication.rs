//! Mutants of replication, commit and acknowledgement.

use whitewater_raft::{Index, Position, Rules, Term};

#[derive(Debug)]
pub(super) struct CommitOldTerm;

impl Rules for CommitOldTerm {
    fn commits(&self, _entry: Term, _current: Term) -> bool {
        true
    }
    fn appends_noop(&self) -> bool {
        false
    }
    // Without a no-op a new leader could serve no read at all, which would hide the bug.
    fn may_read(&self, _commit_term: Term, _current: Term) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct LeaderCountsUnsynced;

impl Rules for LeaderCountsUnsynced {
    fn leader_match(&self, _durable: Index, last: Index) -> Index {
        last
    }
}

#[derive(Debug)]
pub(super) struct TruncateAlways;

impl Rules for TruncateAlways {
    fn truncates(&self, _own: Term, _leader: Term) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct NoTruncate;

impl Rules for NoTruncate {
    fn truncates(&self, _own: Term, _leader: Term) -> bool {
        false
    }
}

#[derive(Debug)]
pub(super) struct NoPrevCheck;

impl Rules for NoPrevCheck {
    fn accepts_append(&self, _prev: Position, _own: Option<Term>) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct AckBeyondMatch;

impl Rules for AckBeyondMatch {
    fn acked(&self, _last_in_message: Index, own_last: Index) -> Index {
        own_last
    }
}

#[derive(Debug)]
pub(super) struct CommitNoMin;

impl Rules for CommitNoMin {
    fn follower_commit(&self, own: Index, leader: Index, _last_in_message: Index) -> Index {
        own.max(leader)
    }
}

#[derive(Debug)]
pub(super) struct CommitRegress;

impl Rules for CommitRegress {
    fn follower_commit(&self, _own: Index, leader: Index, last_in_message: Index) -> Index {
        leader.min(last_in_message)
    }
}

#[derive(Debug)]
pub(super) struct NoBacktrack;

impl Rules for NoBacktrack {
    fn next_after_conflict(&self, next: Index, _hint: Index) -> Index {
        next
    }
}

#[derive(Debug)]
pub(super) struct SnapshotRegress;

impl Rules for SnapshotRegress {
    fn installs_snapshot(&self, _snapshot: Index, _commit: Index) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct AckOnAppend;

impl Rules for AckOnAppend {
    fn acknowledges(&self, _index: Index, _commit: Index) -> bool {
        true
    }
}
