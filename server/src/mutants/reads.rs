//! Mutants of linearizable reads. `lease-across-pause` has no rule of its own: it is the lease read
//! mode with its hazard.

use whitewater_raft::{Rules, Term};

/// A leader that never asks: neither before a read, nor whether it still leads at all. Stepping down
/// for want of a quorum would close the window of stale reads after a few hundred milliseconds.
#[derive(Debug)]
pub(super) struct LeaderLocalRead;

impl Rules for LeaderLocalRead {
    fn serves_read(&self, _confirmed: bool) -> bool {
        true
    }
    fn checks_quorum(&self, _configured: bool) -> bool {
        false
    }
}

#[derive(Debug)]
pub(super) struct ReadindexNoNoop;

impl Rules for ReadindexNoNoop {
    fn may_read(&self, _commit_term: Term, _current: Term) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct LeaseNoVoteRefusal;

impl Rules for LeaseNoVoteRefusal {
    fn refuses_vote_within_lease(&self) -> bool {
        false
    }
}
