//! Which nodes a fault on processes strikes.

use super::family::Fault;
use super::{Act, Roster, Strike};
use crate::dice::Dice;

/// The card of a fault that strikes as many nodes as the cluster can spare, the leader among them or not.
pub(super) const MINORITY: Fault =
    Fault { target: "a minority", strikes_leader: None, nodes_min: 3, ..Fault::LEADER };

/// That of one that strikes the fewest nodes without which the cluster cannot go on, the leader among them.
pub(super) const MAJORITY: Fault = Fault {
    target: "a majority with the leader",
    keeps_quorum: false,
    nodes_min: 3,
    ..Fault::LEADER
};

/// The leader.
pub(super) fn leader(roster: &Roster, act: fn(u32) -> Act) -> Result<Strike, String> {
    Ok(strike(roster, vec![roster.leader()?], act))
}

/// One node that does not lead.
pub(super) fn follower(
    roster: &Roster,
    dice: &mut Dice,
    act: fn(u32) -> Act,
) -> Result<Strike, String> {
    Ok(strike(roster, vec![roster.followers(dice)?[0]], act))
}

/// As many as the cluster can spare.
pub(super) fn minority(
    roster: &Roster,
    dice: &mut Dice,
    act: fn(u32) -> Act,
) -> Result<Strike, String> {
    roster.leader()?;
    let mut all = roster.nodes.clone();
    dice.shuffle(&mut all);
    all.truncate(roster.minority().max(1));
    Ok(strike(roster, all, act))
}

/// The fewest without which it cannot go on.
pub(super) fn majority(
    roster: &Roster,
    dice: &mut Dice,
    act: fn(u32) -> Act,
) -> Result<Strike, String> {
    let mut struck = roster.followers(dice)?;
    struck.truncate(roster.nodes.len() / 2);
    struck.push(roster.leader()?);
    Ok(strike(roster, struck, act))
}

/// One node, whoever it is; whoever a trigger was about, where there was one.
pub(super) fn random(
    roster: &Roster,
    dice: &mut Dice,
    act: fn(u32) -> Act,
) -> Result<Strike, String> {
    Ok(strike(roster, vec![roster.anybody(dice)?], act))
}

/// Every node.
pub(super) fn all(roster: &Roster, act: fn(u32) -> Act) -> Result<Strike, String> {
    Ok(strike(roster, roster.nodes.clone(), act))
}

fn strike(roster: &Roster, mut nodes: Vec<u32>, act: fn(u32) -> Act) -> Strike {
    nodes.sort_unstable();
    let names: Vec<String> = nodes.iter().map(|node| roster.describe(*node)).collect();
    Strike {
        detail: names.join(", "),
        leader_hit: roster.leader_hit(&nodes),
        acts: nodes.iter().copied().map(act).collect(),
        nodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn victims_have_the_size_that_their_name_says() {
        for seed in 0..50 {
            for nodes in 3..=7 {
                let (leader, subject) = (Some((2, 7)), None);
                let roster = Roster { nodes: (1..=nodes).collect(), clients: 4, leader, subject };
                let dice = &mut Dice::new(seed, 0);
                let few = minority(&roster, dice, Act::Kill).unwrap().nodes;
                assert!(few.len() * 2 < nodes as usize);
                let many = majority(&roster, dice, Act::Kill).unwrap().nodes;
                assert!(many.len() * 2 > nodes as usize && many.contains(&2));
            }
        }
    }

    #[test]
    fn a_follower_that_a_trigger_was_about_is_the_one_that_is_struck() {
        for subject in [1, 3, 5] {
            let (nodes, leader) = ((1..=5).collect(), Some((2, 7)));
            let roster = Roster { nodes, clients: 4, leader, subject: Some(subject) };
            let strike = follower(&roster, &mut Dice::new(7, 0), Act::Pause).unwrap();
            assert_eq!(strike.nodes, [subject]);
        }
    }
}
