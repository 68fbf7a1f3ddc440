//! `membership`: members leave and come back, as when a machine is taken out for repair or replaced.
//!
//! Every fault ends with the members it began with: the node that left is added as a learner and then made
//! a voter. What a request achieved is read from the members themselves, never from its answer, which
//! may be lost, and may come before or after the change takes effect. [`next_step`] decides from that what
//! to ask for next, for real clusters and simulated ones alike.

use whitewater_checker::fault::Scope;

use super::family::{Family, Fault, Needs};
use super::partition::isolate;
use super::{Act, Request, Roster, Strike};
use crate::dice::Dice;
use whitewater_target::{Members, Wish};

/// The card. Of two voters none can be spared.
pub(crate) const FAMILY: Family = Family {
    name: "membership",
    is_default: false,
    scope: Scope::Members,
    needs: Needs::Requests,
    faults: &[
        Fault {
            slug: "membership-remove-follower",
            name: "remove a follower, and add it again",
            nodes_min: 3,
            resolve: |roster, dice| follower(roster, dice, Request::Remove),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "membership-remove-leader",
            name: "remove leader, and add it again",
            nodes_min: 3,
            resolve: |roster, _| {
                let leader = roster.leader()?;
                strike(
                    roster,
                    leader,
                    roster.describe(leader),
                    vec![Act::Ask(Request::Remove(leader))],
                )
            },
            ..Fault::LEADER
        },
        Fault {
            slug: "membership-replace-follower",
            name: "replace a follower: it comes back with an empty disk",
            nodes_min: 3,
            resolve: |roster, dice| follower(roster, dice, Request::Replace),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "membership-cut-off-leader",
            name: "isolate leader, and ask it to remove a follower",
            nodes_min: 3,
            resolve: cut_off_leader,
            ..Fault::LEADER
        },
    ],
};

/// A follower leaves, in this way.
fn follower(
    roster: &Roster,
    dice: &mut Dice,
    request: fn(u32) -> Request,
) -> Result<Strike, String> {
    let follower = roster.followers(dice)?[0];
    strike(roster, follower, roster.describe(follower), vec![Act::Ask(request(follower))])
}

/// A leader that is cut off from all others is asked to remove one of them.
fn cut_off_leader(roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
    let (leader, node) = (roster.leader()?, roster.followers(dice)?[0]);
    let ask = Act::Ask(Request::RemoveInVain { leader, node });
    let detail = format!("{} to remove n{node}", roster.describe(leader));
    strike(roster, leader, detail, vec![isolate(roster, leader), ask])
}

fn strike(roster: &Roster, node: u32, detail: String, acts: Vec<Act>) -> Result<Strike, String> {
    if roster.nodes.len() < 3 {
        return Err(format!("there are only {} voters", roster.nodes.len()));
    }
    Ok(Strike { nodes: vec![node], detail, leader_hit: roster.leader_hit(&[node]), acts })
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
    fn two_voters_are_too_few_to_lose_one() {
        let (leader, subject) = (Some((2, 7)), None);
        let two = Roster { nodes: vec![1, 2], clients: 4, leader, subject };
        for fault in FAMILY.faults {
            let refused = (fault.resolve)(&two, &mut Dice::new(1, 0)).unwrap_err();
            assert_eq!(refused, "there are only 2 voters");
        }
    }
}
