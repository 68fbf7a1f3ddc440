//! Mutants of terms, votes and elections.

use std::sync::Arc;

use whitewater_raft::{NodeId, Position, Rules, Term};

use super::{BLANK, Bug, Card, Real};

pub(super) const VOTE_ERASED: Card = Card {
    name: "vote-erased",
    broken: "a message of the leader clears the vote of the same term",
    rule: "5.2",
    expose: "delayed vote requests, split votes",
    leads: &["vote-once", "boot-equals-disk"],
    bug: Bug::Rules(|| Arc::new(VoteErased)),
    real: Real { workload: "register", faults: "kill,link", rate: 1_000, snapshot_entries: None },
    is_model_checked: true,
    ..BLANK
};

#[derive(Debug)]
struct VoteErased;

impl Rules for VoteErased {
    fn vote_after_append(&self, _vote: Option<NodeId>) -> Option<NodeId> {
        None
    }
}

pub(super) const STALE_VOTE_COUNTED: Card = Card {
    name: "stale-vote-counted",
    broken: "a vote of an earlier election counts for the running one",
    rule: "5.2",
    expose: "message delay over several elections",
    leads: &["vote-once"],
    bug: Bug::Rules(|| Arc::new(StaleVoteCounted)),
    real: Real { workload: "register", faults: "kill,link", rate: 1_000, snapshot_entries: None },
    is_model_checked: true,
    ..BLANK
};

#[derive(Debug)]
struct StaleVoteCounted;

impl Rules for StaleVoteCounted {
    fn counts_vote(&self, _election: Term, _reply: Term) -> bool {
        true
    }
}

pub(super) const NO_LOG_CHECK: Card = Card {
    name: "no-log-check",
    broken: "a vote goes to a candidate whose log is behind",
    rule: "5.4.1",
    expose: "partition leader and one follower off, kill the new leader",
    leads: &["election-restriction"],
    bug: Bug::Rules(|| Arc::new(NoLogCheck)),
    real: Real {
        workload: "register",
        faults: "kill,partition",
        rate: 2_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct NoLogCheck;

impl Rules for NoLogCheck {
    fn is_up_to_date(&self, _candidate_last: Position, _own_last: Position) -> bool {
        true
    }
}

pub(super) const LENGTH_BEFORE_TERM: Card = Card {
    name: "length-before-term",
    broken: "the longer log wins the vote, whatever its last term",
    rule: "5.4.1",
    expose: "isolate a leader that is written to, heal, kill the new leader",
    leads: &["election-restriction"],
    bug: Bug::Rules(|| Arc::new(LengthBeforeTerm)),
    real: Real {
        workload: "register",
        faults: "kill,partition",
        rate: 2_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct LengthBeforeTerm;

impl Rules for LengthBeforeTerm {
    fn is_up_to_date(&self, candidate_last: Position, own_last: Position) -> bool {
        (candidate_last.index, candidate_last.term) >= (own_last.index, own_last.term)
    }
}

pub(super) const QUORUM_OFF_BY_ONE: Card = Card {
    name: "quorum-off-by-one",
    broken: "half of the voters are enough",
    rule: "5.2",
    expose: "partition into minority and majority",
    leads: &["election-quorum"],
    bug: Bug::Rules(|| Arc::new(QuorumOffByOne)),
    real: Real { workload: "register", faults: "partition", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct QuorumOffByOne;

impl Rules for QuorumOffByOne {
    fn quorum(&self, voters: usize) -> usize {
        (voters / 2).max(1)
    }
}

pub(super) const JOINT_ONE_MAJORITY: Card = Card {
    name: "joint-one-majority",
    broken: "one of a joint membership's two majorities is enough",
    rule: "6",
    expose: "remove members and add them, with elections and slow followers in between",
    leads: &["election-quorum", "commit-rule"],
    bug: Bug::Rules(|| Arc::new(JointOneMajority)),
    real: Real {
        workload: "register",
        faults: "kill,partition,membership",
        rate: 1_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct JointOneMajority;

impl Rules for JointOneMajority {
    fn needs_both_majorities(&self) -> bool {
        false
    }
}

pub(super) const TERM_REGRESS: Card = Card {
    name: "term-regress",
    broken: "a lower term is adopted as well",
    rule: "5.1",
    expose: "any delayed reply",
    leads: &["monotonic"],
    bug: Bug::Rules(|| Arc::new(TermRegress)),
    real: Real {
        workload: "register",
        faults: "partition,link",
        rate: 1_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct TermRegress;

impl Rules for TermRegress {
    fn adopts_term(&self, own: Term, seen: Term) -> bool {
        seen != own
    }
}

pub(super) const FIXED_TIMEOUT: Card = Card {
    name: "fixed-timeout",
    broken: "all nodes have the same election timeout",
    rule: "5.2",
    expose: "kill the leader: split votes",
    leads: &["liveness"],
    bug: Bug::Rules(|| Arc::new(FixedTimeout)),
    real: Real { workload: "register", faults: "kill", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct FixedTimeout;

impl Rules for FixedTimeout {
    fn election_timeout_ticks(&self, min: u32, _max: u32, _random: u64) -> u32 {
        min
    }
}

pub(super) const NO_PRE_VOTE_CHECK_QUORUM: Card = Card {
    name: "no-pre-vote-check-quorum",
    broken: "no trial elections, no stepping down, no lease",
    rule: "thesis 6.2, 9.6",
    expose: "a node whose links flap",
    leads: &["undisturbed-leader"],
    bug: Bug::Rules(|| Arc::new(NoPreVoteCheckQuorum)),
    real: Real { workload: "register", faults: "partition", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct NoPreVoteCheckQuorum;

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
