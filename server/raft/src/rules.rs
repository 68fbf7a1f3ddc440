//! Every safety rule of Raft as one small method over values.
//!
//! The core asks here and nowhere else. A mutant overrides one method; nothing in the core knows
//! that mutants exist. Section numbers are the Raft paper's (extended version) unless they say
//! thesis.

use std::fmt::Debug;

use crate::message::{Index, NodeId, Position, Term};

/// What a voter knows when it is asked for its vote.
#[derive(Clone, Copy, Debug)]
pub struct Ballot {
    /// The candidate.
    pub candidate: NodeId,
    /// The candidate's last entry.
    pub candidate_last: Position,
    /// Whom the voter already voted for in this term.
    pub voted_for: Option<NodeId>,
    /// The voter's last entry.
    pub own_last: Position,
}

/// The rules. Every default body is the paper's.
pub trait Rules: Debug + Send + Sync {
    /// Whether a voter gives its vote: at most one a term, to a log that is up to date (5.2, 5.4.1).
    fn grants_vote(&self, ballot: &Ballot) -> bool {
        let free = ballot.voted_for.is_none_or(|vote| vote == ballot.candidate);
        free && self.is_up_to_date(ballot.candidate_last, ballot.own_last)
    }

    /// Whether a candidate's log may lead the voter's: later last term first, then length (5.4.1).
    fn is_up_to_date(&self, candidate_last: Position, own_last: Position) -> bool {
        (candidate_last.term, candidate_last.index) >= (own_last.term, own_last.index)
    }

    /// Whether a term seen in a message replaces the own one (5.1: only a higher one).
    fn adopts_term(&self, own: Term, seen: Term) -> bool {
        seen > own
    }

    /// The vote that stands after a message of the leader of the own term (5.2: it is kept).
    fn vote_after_append(&self, vote: Option<NodeId>) -> Option<NodeId> {
        vote
    }

    /// Whether a granted vote counts for the running election (5.2: only one of its own term).
    fn counts_vote(&self, election: Term, reply: Term) -> bool {
        election == reply
    }

    /// How many of `voters` make a majority (5.2).
    fn quorum(&self, voters: usize) -> usize {
        voters / 2 + 1
    }

    /// Whether a joint membership needs a majority of both voter sets (section 6), or one is enough.
    fn needs_both_majorities(&self) -> bool {
        true
    }

    /// Whether a voter refuses candidates while it hears from a leader (thesis 4.2.3, 6.4.1).
    fn refuses_vote_within_lease(&self) -> bool {
        true
    }

    /// The election timeout in ticks, from a random number: anywhere in `min..=max` (5.2).
    fn election_timeout_ticks(&self, min: u32, max: u32, random: u64) -> u32 {
        min + u32::try_from(random % u64::from(max - min + 1)).unwrap_or(0)
    }

    /// Whether a trial comes before an election (thesis 9.6).
    fn pre_votes(&self, configured: bool) -> bool {
        configured
    }

    /// Whether a leader that hears from no quorum for an election timeout gives up (thesis 6.2).
    fn checks_quorum(&self, configured: bool) -> bool {
        configured
    }

    /// Whether a new leader begins its term with a no-op (section 8).
    fn appends_noop(&self) -> bool {
        true
    }

    /// Whether a leader of term `current` may commit an entry of `entry` by counting replicas
    /// (5.4.2, Figure 8: only one of its own term).
    fn commits(&self, entry: Term, current: Term) -> bool {
        entry == current
    }

    /// How far the leader counts its own log towards a quorum: what is durable (thesis 10.2.1).
    fn leader_match(&self, durable: Index, _last: Index) -> Index {
        durable
    }

    /// Whether a follower takes entries after `prev`; `own` is its term there (5.3).
    fn accepts_append(&self, prev: Position, own: Option<Term>) -> bool {
        own == Some(prev.term)
    }

    /// Whether the follower's entry makes way for the leader's at the same index (5.3: only where
    /// the terms differ).
    fn truncates(&self, own: Term, leader: Term) -> bool {
        own != leader
    }

    /// What a follower reports as matching: the last entry of this message, never its own last one.
    fn acked(&self, last_in_message: Index, _own_last: Index) -> Index {
        last_in_message
    }

    /// A follower's new commit index (Figure 2: at most the last entry of this message, and never
    /// back).
    fn follower_commit(&self, own: Index, leader: Index, last_in_message: Index) -> Index {
        own.max(leader.min(last_in_message))
    }

    /// Where a leader tries next after a follower's refusal (5.3).
    fn next_after_conflict(&self, _next: Index, hint: Index) -> Index {
        hint
    }

    /// Whether a client may be told that its command at `index` is done (section 8).
    fn acknowledges(&self, index: Index, commit: Index) -> bool {
        index <= commit
    }

    /// Whether a leader may take a read index: not before it committed in its own term (thesis 6.4).
    fn may_read(&self, commit_term: Term, current: Term) -> bool {
        commit_term == current
    }

    /// The heartbeat round that a read waits for, `begun` being the latest one: one that begins after
    /// the read arrived, never one that is under way (thesis 6.4).
    fn read_round(&self, begun: u64) -> u64 {
        begun + 1
    }

    /// Whether a lease still holds, `age` ticks after the round began that a quorum confirmed. Once
    /// a transfer was tried it means nothing: the target may win within it (thesis 6.4.1).
    fn lease_holds(&self, age: u32, lease: u32, has_transferred: bool) -> bool {
        age < lease && !has_transferred
    }

    /// Whether a read may be served: not before a quorum confirmed a heartbeat round that began
    /// after the read arrived (thesis 6.4).
    fn serves_read(&self, confirmed: bool) -> bool {
        confirmed
    }

    /// Whether a membership change may begin: not before the last one is committed (thesis 4.1).
    fn changes_membership(&self, last_change: Index, commit: Index) -> bool {
        last_change <= commit
    }

    /// Whether a snapshot replaces the own state: only one that is ahead of it (section 7).
    fn installs_snapshot(&self, snapshot: Index, commit: Index) -> bool {
        snapshot > commit
    }
}

/// The rules as published.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paper;

impl Rules for Paper {}
