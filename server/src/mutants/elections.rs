//! Mutants of terms, votes and elections.

use whitewater_raft::{NodeId, Position, Rules, Term};

#[derive(Debug)]
pub(super) struct VoteErased;

impl Rules for VoteErased {
    fn vote_after_append(&self, _vote: Option<NodeId>) -> Option<NodeId> {
        None
    }
}

#[derive(Debug)]
pub(super) struct StaleVoteCounted;

impl Rules for StaleVoteCounted {
    fn counts_vote(&self, _election: Term, _reply: Term) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct NoLogCheck;

impl Rules for NoLogCheck {
    fn is_up_to_date(&self, _candidate_last: Position, _own_last: Position) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct LengthBeforeTerm;

impl Rules for LengthBeforeTerm {
    fn is_up_to_date(&self, candidate_last: Position, own_last: Position) -> bool {
        (candidate_last.index, candidate_last.term) >= (own_last.index, own_last.term)
    }
}

#[derive(Debug)]
pub(super) struct QuorumOffByOne;

impl Rules for QuorumOffByOne {
    fn quorum(&self, voters: usize) -> usize {
        (voters / 2).max(1)
    }
}

#[derive(Debug)]
pub(super) struct JointOneMajority;

impl Rules for JointOneMajority {
    fn needs_both_majorities(&self) -> bool {
        false
    }
}

#[derive(Debug)]
pub(super) struct TermRegress;

impl Rules for TermRegress {
    fn adopts_term(&self, own: Term, seen: Term) -> bool {
        seen != own
    }
}

#[derive(Debug)]
pub(super) struct FixedTimeout;

impl Rules for FixedTimeout {
    fn election_timeout_ticks(&self, min: u32, _max: u32, _random: u64) -> u32 {
        min
    }
}

#[derive(Debug)]
pub(super) struct NoPreVoteCheckQuorum;

impl Rules for NoPreVoteCheckQuorum {
    fn pre_votes(&self, _configured: bool) -> bool {
        false
    }
    fn checks_quorum(&self, _configured: bool) -> bool {
        false
    }
    fn refuses_vote_within_lease(&self) -> bool {
        false
    }
}
