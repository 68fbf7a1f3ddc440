//! Mutants that must be caught: an invariant that nothing can break checks nothing.
//!
//! Random schedules catch most of them within some hundred; the rare ones have a script each.

use std::sync::Arc;

use whitewater_raft::{Ballot, Index, NodeId, Paper, Position, Rules, Term};

use crate::random::Plan;

/// The bug of a name that a script can give.
pub(crate) fn by_name(name: &str) -> Option<Arc<dyn Rules>> {
    Some(match name {
        "" | "paper" => Arc::new(Paper),
        "ack-beyond-match" => Arc::new(AckBeyondMatch),
        "commit-old-term" => Arc::new(CommitOldTerm),
        "lease-outlives-transfer" => Arc::new(LeaseOutlivesTransfer),
        "read-round-reused" => Arc::new(ReadRoundReused),
        "vote-erased" => Arc::new(VoteErased),
        "votes-within-lease" => Arc::new(VotesWithinLease),
        _ => return None,
    })
}

#[track_caller]
fn is_caught(plan: &Plan, by: &[&str]) {
    let mut others = Vec::new();
    for seed in 0..4000 {
        let Some(broken) = plan.run(seed).err() else { continue };
        if by.iter().any(|word| broken.contains(word)) {
            return;
        }
        others.push(broken);
    }
    panic!("no schedule caught the mutant by {by:?}; other finds: {others:#?}");
}

#[derive(Debug)]
struct QuorumOffByOne;
impl Rules for QuorumOffByOne {
    fn quorum(&self, voters: usize) -> usize {
        voters / 2
    }
}

#[test]
fn a_quorum_that_is_no_majority_is_caught() {
    is_caught(&Plan::of(QuorumOffByOne), &["election safety", "stale read", "leader completeness"]);
}

#[derive(Debug)]
struct NoLogCheck;
impl Rules for NoLogCheck {
    fn is_up_to_date(&self, _candidate_last: Position, _own_last: Position) -> bool {
        true
    }
}

#[test]
fn votes_without_looking_at_the_log_are_caught() {
    is_caught(&Plan::of(NoLogCheck), &["leader completeness"]);
}

#[derive(Debug)]
struct CommitNoMin;
impl Rules for CommitNoMin {
    fn follower_commit(&self, own: Index, leader: Index, _last_in_message: Index) -> Index {
        own.max(leader)
    }
}

#[test]
fn a_follower_that_commits_its_stale_tail_is_caught() {
    let by = ["committed entry replaced", "log matching", "state machine safety"];
    is_caught(&Plan::of(CommitNoMin), &by);
}

#[test]
fn a_vote_lost_in_a_crash_is_caught() {
    let plan = Plan { forgets_votes: true, ..Plan::of(Paper) };
    is_caught(&plan, &["voted for", "election safety"]);
}

#[derive(Debug)]
struct LeaderCountsUnsynced;
impl Rules for LeaderCountsUnsynced {
    fn leader_match(&self, _durable: Index, last: Index) -> Index {
        last
    }
}

#[test]
fn a_leader_that_counts_what_its_disk_lacks_is_caught() {
    let by = ["leader completeness", "committed entry replaced"];
    is_caught(&Plan::of(LeaderCountsUnsynced), &by);
}

#[derive(Debug)]
struct AckBeyondMatch;
impl Rules for AckBeyondMatch {
    fn acked(&self, _last_in_message: Index, own_last: Index) -> Index {
        own_last
    }
}

#[derive(Debug)]
struct LeaderLocalRead;
impl Rules for LeaderLocalRead {
    fn serves_read(&self, _confirmed: bool) -> bool {
        true
    }
}

#[test]
fn a_leader_that_reads_without_asking_is_caught() {
    is_caught(&Plan::of(LeaderLocalRead), &["stale read"]);
}

#[derive(Debug)]
struct ReadBeforeOwnCommit;
impl Rules for ReadBeforeOwnCommit {
    fn may_read(&self, _commit_term: Term, _current: Term) -> bool {
        true
    }
}

#[test]
fn a_read_before_the_first_commit_of_the_term_is_caught() {
    is_caught(&Plan::of(ReadBeforeOwnCommit), &["stale read"]);
}

#[derive(Debug)]
struct SecondVote;
impl Rules for SecondVote {
    fn grants_vote(&self, ballot: &Ballot) -> bool {
        self.is_up_to_date(ballot.candidate_last, ballot.own_last)
    }
}

#[test]
fn a_second_vote_in_a_term_is_caught() {
    is_caught(&Plan::of(SecondVote), &["voted for", "election safety"]);
}

#[derive(Debug)]
struct VoteErased;
impl Rules for VoteErased {
    fn vote_after_append(&self, _vote: Option<NodeId>) -> Option<NodeId> {
        None
    }
}

#[derive(Debug)]
struct CommitOldTerm;
impl Rules for CommitOldTerm {
    fn commits(&self, _entry: Term, _current: Term) -> bool {
        true
    }
    fn appends_noop(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct ReadRoundReused;
impl Rules for ReadRoundReused {
    fn read_round(&self, begun: u64) -> u64 {
        begun
    }
}

#[derive(Debug)]
struct NoBacktrack;
impl Rules for NoBacktrack {
    fn next_after_conflict(&self, next: Index, _hint: Index) -> Index {
        next
    }
}

#[test]
fn a_leader_that_never_goes_back_is_caught() {
    is_caught(&Plan::of(NoBacktrack), &["liveness"]);
}

#[derive(Debug)]
struct VotesWithinLease;
impl Rules for VotesWithinLease {
    fn refuses_vote_within_lease(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct LeaseOutlivesTransfer;
impl Rules for LeaseOutlivesTransfer {
    fn lease_holds(&self, age: u32, lease: u32, _has_transferred: bool) -> bool {
        age < lease
    }
}
