//! The rules of a model: the paper's, or one of four mutants.

use whitewater_raft::{HardState, NodeId, Rules, Term};

/// What is wrong with the cluster under the model checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Nothing.
    None,
    /// A leader commits entries of earlier terms by counting, and begins without a no-op (Figure 8).
    CommitOldTerm,
    /// A vote for an earlier election counts for the running one (section 5.2).
    StaleVoteCounted,
    /// A vote is not on disk when it is given (thesis 3.8).
    VoteVolatile,
    /// A message of the leader clears the vote of its term (section 5.2).
    VoteErased,
}

impl Bug {
    /// What the disk keeps of a term and vote.
    pub(crate) fn written(self, state: HardState) -> HardState {
        match self {
            Bug::VoteVolatile => HardState { vote: None, ..state },
            _ => state,
        }
    }
}

impl Rules for Bug {
    fn commits(&self, entry: Term, current: Term) -> bool {
        *self == Bug::CommitOldTerm || entry == current
    }

    fn appends_noop(&self) -> bool {
        *self != Bug::CommitOldTerm
    }

    fn vote_after_append(&self, vote: Option<NodeId>) -> Option<NodeId> {
        if *self == Bug::VoteErased { None } else { vote }
    }

    fn counts_vote(&self, election: Term, reply: Term) -> bool {
        *self == Bug::StaleVoteCounted || election == reply
    }

    /// Safety must not depend on timing (section 5.6): elections may begin at any moment here.
    fn refuses_vote_within_lease(&self) -> bool {
        false
    }
}
