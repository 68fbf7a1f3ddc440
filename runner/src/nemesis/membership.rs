//! `membership`: members leave and come back, as when a machine is taken out for repair or replaced.
//!
//! Every fault ends with the members it began with: the node that left is added as a learner and then made
//! a voter. What a request achieved is read from the members themselves, never from its answer, which
//! may be lost, and may come before or after the change takes effect. [`next_step`] decides from that what
//! to ask for next, for real clusters and simulated ones alike.

use whitewater_checker::fault::Scope;

use super::partition::isolate;
use super::{Act, Fault, Request, Roster, Strike};
use crate::dice::Dice;
use crate::target::{Members, Wish};

/// The family's name.
pub(crate) const FAMILY: &str = "membership";

/// Who leaves, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// A follower leaves, goes on running, and comes back with its disk.
    RemoveFollower,
    /// The leader does.
    RemoveLeader,
    /// A follower leaves, loses its disk, and joins as a new node would.
    ReplaceFollower,
    /// A leader that is cut off from all others is asked to remove one of them.
    CutOffLeader,
}

impl Membership {
    /// Every kind.
    pub(super) const ALL: [Membership; 4] = [
        Membership::RemoveFollower,
        Membership::RemoveLeader,
        Membership::ReplaceFollower,
        Membership::CutOffLeader,
    ];
}

impl Fault for Membership {
    fn slug(&self) -> String {
        let slug = match self {
            Membership::RemoveFollower => "remove-follower",
            Membership::RemoveLeader => "remove-leader",
            Membership::ReplaceFollower => "replace-follower",
            Membership::CutOffLeader => "cut-off-leader",
        };
        format!("membership-{slug}")
    }

    fn family(&self) -> &'static str {
        FAMILY
    }

    fn scope(&self) -> Scope {
        Scope::Members
    }

    fn name(&self) -> String {
        let name = match self {
            Membership::RemoveFollower => "remove a follower, and add it again",
            Membership::RemoveLeader => "remove leader, and add it again",
            Membership::ReplaceFollower => "replace a follower: it comes back with an empty disk",
            Membership::CutOffLeader => "isolate leader, and ask it to remove a follower",
        };
        name.into()
    }

    fn target(&self) -> &'static str {
        match self {
            Membership::RemoveFollower | Membership::ReplaceFollower => "a follower",
            Membership::RemoveLeader | Membership::CutOffLeader => "leader",
        }
    }

    fn strikes_leader(&self) -> Option<bool> {
        Some(matches!(self, Membership::RemoveLeader | Membership::CutOffLeader))
    }

    fn nodes_min(&self) -> u32 {
        3
    }

    fn resolve(&self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
        let leader = roster.leader()?;
        let follower = roster.followers(dice)?[0];
        if roster.nodes.len() < 3 {
            return Err(format!("there are only {} voters", roster.nodes.len()));
        }
        let (struck, acts) = match self {
            Membership::RemoveFollower => (follower, vec![Act::Ask(Request::Remove(follower))]),
            Membership::RemoveLeader => (leader, vec![Act::Ask(Request::Remove(leader))]),
            Membership::ReplaceFollower => (follower, vec![Act::Ask(Request::Replace(follower))]),
            Membership::CutOffLeader => {
                let ask = Act::Ask(Request::RemoveInVain { leader, node: follower });
                (leader, vec![isolate(roster, leader), ask])
            }
        };
        let detail = match self {
            Membership::CutOffLeader => {
                format!("{} to remove n{follower}", roster.describe(leader))
            }
            _ => roster.describe(struck),
        };
        let leader_hit = roster.leader_hit(&[struck]);
        Ok(Strike { nodes: vec![struck], detail, leader_hit, acts })
    }
}

/// What a node is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// No member.
    Gone(u32),
    /// A voter.
    Voter(u32),
}

/// What to do about a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is reached, and committed.
    Reached,
    /// A change is under way.
    Wait,
    /// The leader is asked for this.
    Ask(Wish),
}

/// The next step towards a goal, from a leader's members and commit index.
pub(crate) fn next_step(goal: Goal, members: &Members, commit: u64) -> Step {
    if !members.is_settled(commit) {
        return Step::Wait;
    }
    match goal {
        Goal::Gone(node) if members.contains(node) => Step::Ask(Wish::Remove(node)),
        Goal::Voter(node) if members.learners.contains(&node) => Step::Ask(Wish::Promote(node)),
        Goal::Voter(node) if !members.voters.contains(&node) => Step::Ask(Wish::AddLearner(node)),
        Goal::Gone(_) | Goal::Voter(_) => Step::Reached,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(voters: &[u32], outgoing: &[u32], learners: &[u32]) -> Members {
        let set = |nodes: &[u32]| nodes.iter().copied().collect();
        Members { voters: set(voters), outgoing: set(outgoing), learners: set(learners), index: 7 }
    }

    #[test]
    fn a_node_leaves_and_comes_back_by_what_the_members_say() {
        let all = members(&[1, 2, 3], &[], &[]);
        assert_eq!(next_step(Goal::Gone(3), &all, 6), Step::Wait, "not committed");
        assert_eq!(next_step(Goal::Gone(3), &all, 7), Step::Ask(Wish::Remove(3)));
        let joint = members(&[1, 2], &[1, 2, 3], &[]);
        assert_eq!(next_step(Goal::Gone(3), &joint, 9), Step::Wait);
        let two = members(&[1, 2], &[], &[]);
        assert_eq!(next_step(Goal::Gone(3), &two, 9), Step::Reached);
        assert_eq!(next_step(Goal::Voter(3), &two, 9), Step::Ask(Wish::AddLearner(3)));
        let learns = members(&[1, 2], &[], &[3]);
        assert_eq!(next_step(Goal::Voter(3), &learns, 9), Step::Ask(Wish::Promote(3)));
        assert_eq!(next_step(Goal::Gone(3), &learns, 9), Step::Ask(Wish::Remove(3)));
        assert_eq!(next_step(Goal::Voter(3), &all, 9), Step::Reached, "asked twice, done once");
    }

    #[test]
    fn victims_are_voters_and_two_are_too_few_to_lose_one() {
        let roster =
            Roster { nodes: vec![1, 2, 5], clients: 4, leader: Some((2, 7)), subject: None };
        for membership in Membership::ALL {
            let strike = membership.resolve(&roster, &mut Dice::new(1, 0)).unwrap();
            assert_eq!(strike.leader_hit, membership.strikes_leader());
            assert!(roster.nodes.contains(&strike.nodes[0]));
            let two = Roster { nodes: vec![1, 2], ..roster.clone() };
            let refused = membership.resolve(&two, &mut Dice::new(1, 0)).unwrap_err();
            assert_eq!(refused, "there are only 2 voters");
        }
    }
}
