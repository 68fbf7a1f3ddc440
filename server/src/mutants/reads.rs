//! Mutants of linearizable reads. `lease-across-pause` has no rule of its own: it is the lease read
//! mode with its hazard.

use whitewater_raft::{Rules, Term};

#[derive(Debug)]
pub(super) struct LeaderLocalRead;

impl Rules for LeaderLocalRead {
    fn serves_read(&self, _confirmed: bool) -> bool {
        true
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
