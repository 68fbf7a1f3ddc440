//! Who counts: quorums over one or two voter sets, and which membership is in force.
//!
//! A membership is in force from the moment its entry is in the log, committed or not (paper section
//! 6, thesis 4.1), so truncation can bring an earlier one back.

use std::collections::{BTreeSet, VecDeque};

use crate::message::{Index, Membership, NodeId};
use crate::rules::Rules;
use crate::status::MembershipChange;

impl Membership {
    /// Whether a node's vote is asked for.
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains(&id) || self.voters_outgoing.contains(&id)
    }

    /// Whether a node receives the log.
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.learners.contains(&id)
    }

    /// Whether two voter sets are in force at once (paper section 6).
    pub fn is_joint(&self) -> bool {
        !self.voters_outgoing.is_empty()
    }

    /// Every voter of either set.
    pub fn all_voters(&self) -> BTreeSet<NodeId> {
        self.voters.union(&self.voters_outgoing).copied().collect()
    }

    /// Everyone who receives the log.
    pub fn all(&self) -> BTreeSet<NodeId> {
        self.all_voters().union(&self.learners).copied().collect()
    }

    /// Whether those for whom `says_yes` holds are a quorum of every voter set in force.
    pub(crate) fn has_quorum(&self, rules: &dyn Rules, says_yes: impl Fn(NodeId) -> bool) -> bool {
        let has_majority = |voters: &BTreeSet<NodeId>| {
            let yes = voters.iter().filter(|id| says_yes(**id)).count();
            yes >= rules.quorum(voters.len()).max(1)
        };
        !self.voters.is_empty()
            && match rules.needs_both_majorities() {
                true => self.voter_sets().all(has_majority),
                false => self.voter_sets().any(has_majority),
            }
    }

    /// The highest number that a quorum of every voter set in force has reached.
    pub(crate) fn quorum_number(&self, rules: &dyn Rules, of: impl Fn(NodeId) -> u64) -> u64 {
        let numbers = self.voter_sets().map(|voters| {
            let mut reached: Vec<u64> = voters.iter().map(|id| of(*id)).collect();
            reached.sort_unstable_by(|a, b| b.cmp(a));
            let quorum = rules.quorum(voters.len()).max(1);
            reached.get(quorum - 1).copied().unwrap_or(0)
        });
        let number = match rules.needs_both_majorities() {
            true => numbers.min(),
            false => numbers.max(),
        };
        number.unwrap_or(0)
    }

    /// The membership a change leads to: itself joint where voters change. `None` where the change
    /// makes no sense: the node is already that, is not there, or would leave no voter.
    pub(crate) fn changed(&self, change: MembershipChange) -> Option<Membership> {
        let mut next = self.clone();
        match change {
            MembershipChange::AddLearner(id) => {
                let is_new = id != 0 && !self.contains(id);
                (is_new && next.learners.insert(id)).then_some(next)
            }
            MembershipChange::Promote(id) => {
                let is_learner = next.learners.remove(&id);
                next.voters_outgoing.clone_from(&self.voters);
                (is_learner && next.voters.insert(id)).then_some(next)
            }
            MembershipChange::Remove(id) if self.learners.contains(&id) => {
                next.learners.remove(&id);
                Some(next)
            }
            MembershipChange::Remove(id) => {
                let was_voter = next.voters.remove(&id);
                next.voters_outgoing.clone_from(&self.voters);
                (was_voter && !next.voters.is_empty()).then_some(next)
            }
        }
    }

    /// The membership after a joint one: the outgoing voters go.
    pub(crate) fn without_outgoing(&self) -> Membership {
        Membership { voters_outgoing: BTreeSet::new(), ..self.clone() }
    }

    fn voter_sets(&self) -> impl Iterator<Item = &BTreeSet<NodeId>> {
        [&self.voters, &self.voters_outgoing].into_iter().filter(|voters| !voters.is_empty())
    }
}

/// The membership at the log's base and every one the log holds after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Memberships {
    base: (Index, Membership),
    later: VecDeque<(Index, Membership)>,
}

impl Memberships {
    /// The membership a log begins with.
    pub(crate) fn new(index: Index, membership: Membership) -> Self {
        Self { base: (index, membership), later: VecDeque::new() }
    }

    /// The membership in force.
    pub(crate) fn current(&self) -> &Membership {
        self.later.back().map_or(&self.base.1, |(_, membership)| membership)
    }

    /// The entry that brought the membership in force.
    pub(crate) fn current_index(&self) -> Index {
        self.later.back().map_or(self.base.0, |(index, _)| *index)
    }

    /// Whether a node is a voter by the membership in force, or was by one that `commit` does not
    /// yet put an end to.
    pub(crate) fn may_need_voter(&self, id: NodeId, commit: Index) -> bool {
        for (index, membership) in self.later.iter().rev() {
            if membership.is_voter(id) {
                return true;
            }
            if *index <= commit {
                return false;
            }
        }
        self.base.1.is_voter(id)
    }

    /// A membership entry was appended.
    pub(crate) fn push(&mut self, index: Index, membership: Membership) {
        self.later.push_back((index, membership));
    }

    /// The log was truncated. True where that brought an earlier membership back.
    pub(crate) fn truncate(&mut self, from: Index) -> bool {
        let before = self.later.len();
        while self.later.back().is_some_and(|(index, _)| *index >= from) {
            self.later.pop_back();
        }
        self.later.len() != before
    }

    /// The log was compacted.
    pub(crate) fn compact(&mut self, to: Index) {
        while self.later.front().is_some_and(|(index, _)| *index <= to) {
            if let Some(first) = self.later.pop_front() {
                self.base = first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Paper;

    fn membership(voters: &[NodeId], outgoing: &[NodeId], learners: &[NodeId]) -> Membership {
        Membership {
            voters: voters.iter().copied().collect(),
            voters_outgoing: outgoing.iter().copied().collect(),
            learners: learners.iter().copied().collect(),
        }
    }

    #[test]
    fn a_joint_quorum_needs_a_majority_of_both_sets() {
        let joint = membership(&[1, 2, 3], &[3, 4, 5], &[6]);
        let has_quorum = |yes: &[NodeId]| joint.has_quorum(&Paper, |id| yes.contains(&id));
        assert!(has_quorum(&[2, 3, 4]));
        assert!(!has_quorum(&[1, 2, 3]), "one of the outgoing");
        assert!(!has_quorum(&[3, 4, 5]), "one of the incoming");
        assert!(!has_quorum(&[3, 6]), "learners do not count");
        assert!(!Membership::default().has_quorum(&Paper, |_| true), "nobody cannot decide");
    }

    #[test]
    fn a_quorum_number_agrees_with_the_quorums() {
        // All match indexes of a joint membership of four, against the definition.
        let joint = membership(&[1, 2, 3], &[2, 3, 4], &[]);
        for code in 0..256_u64 {
            let matched = |id: NodeId| code >> (2 * (id - 1)) & 3;
            let reached = |number| joint.has_quorum(&Paper, |id| matched(id) >= number);
            let expected = (0..4).rev().find(|number| reached(*number)).unwrap();
            assert_eq!(joint.quorum_number(&Paper, matched), expected, "code {code}");
        }
    }

    #[test]
    fn changes_are_joint_where_voters_change_and_refused_where_they_are_nonsense() {
        use MembershipChange::{AddLearner, Promote, Remove};
        let start = membership(&[1, 2], &[], &[3]);
        assert_eq!(start.changed(AddLearner(4)), Some(membership(&[1, 2], &[], &[3, 4])));
        assert_eq!(start.changed(Promote(3)), Some(membership(&[1, 2, 3], &[1, 2], &[])));
        assert_eq!(start.changed(Remove(3)), Some(membership(&[1, 2], &[], &[])));
        assert_eq!(start.changed(Remove(2)), Some(membership(&[1], &[1, 2], &[3])));
        for nonsense in
            [AddLearner(0), AddLearner(1), AddLearner(3), Promote(1), Promote(9), Remove(9)]
        {
            assert_eq!(start.changed(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(membership(&[1], &[], &[3]).changed(Remove(1)), None, "the last voter");
    }

    #[test]
    fn truncation_brings_the_membership_before_back() {
        let mut memberships = Memberships::new(0, membership(&[1], &[], &[]));
        memberships.push(3, membership(&[1, 2], &[], &[]));
        memberships.push(5, membership(&[1, 2, 3], &[], &[]));
        memberships.compact(3);
        assert!(memberships.truncate(5));
        assert!(!memberships.truncate(4));
        assert_eq!((memberships.current_index(), memberships.current().voters.len()), (3, 2));
    }
}
