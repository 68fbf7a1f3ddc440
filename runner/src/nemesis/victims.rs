//! Which nodes a process fault strikes.

use super::Roster;
use crate::dice::Dice;

/// Nodes, by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victims {
    /// The leader.
    Leader,
    /// One node that does not lead.
    Follower,
    /// As many nodes as the cluster can spare, the leader among them or not.
    Minority,
    /// The fewest nodes without which the cluster cannot go on, the leader among them.
    Majority,
}

impl Victims {
    /// Every choice.
    pub(super) const ALL: [Victims; 4] =
        [Victims::Leader, Victims::Follower, Victims::Minority, Victims::Majority];

    /// The word in slugs.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Victims::Leader => "leader",
            Victims::Follower => "follower",
            Victims::Minority => "minority",
            Victims::Majority => "majority",
        }
    }

    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Victims::Leader => "leader",
            Victims::Follower => "a follower",
            Victims::Minority => "a minority",
            Victims::Majority => "a majority with the leader",
        }
    }

    /// Whether the leader is struck, where that is certain.
    pub(super) fn strikes_leader(self) -> Option<bool> {
        match self {
            Victims::Leader | Victims::Majority => Some(true),
            Victims::Follower => Some(false),
            Victims::Minority => None,
        }
    }

    /// The smallest cluster that has such nodes.
    pub(super) fn nodes_min(self) -> u32 {
        match self {
            Victims::Leader => 1,
            Victims::Follower => 2,
            Victims::Minority | Victims::Majority => 3,
        }
    }

    /// Picks them.
    pub(super) fn pick(self, roster: &Roster, dice: &mut Dice) -> Result<Vec<u32>, String> {
        let leader = roster.leader()?;
        let mut nodes = match self {
            Victims::Leader => vec![leader],
            Victims::Follower => vec![roster.followers(dice)?[0]],
            Victims::Minority => {
                let mut all = roster.nodes.clone();
                dice.shuffle(&mut all);
                all.truncate(roster.minority().max(1));
                all
            }
            Victims::Majority => {
                let mut struck = roster.followers(dice)?;
                struck.truncate(roster.nodes.len() / 2);
                struck.push(leader);
                struck
            }
        };
        nodes.sort_unstable();
        Ok(nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(nodes: u32) -> Roster {
        Roster { nodes: (1..=nodes).collect(), clients: 4, leader: Some((2, 7)), subject: None }
    }

    #[test]
    fn victims_have_the_size_and_the_role_their_name_says() {
        for seed in 0..50 {
            for nodes in 3..=7 {
                let roster = roster(nodes);
                let pick =
                    |victims: Victims| victims.pick(&roster, &mut Dice::new(seed, 0)).unwrap();
                assert_eq!(pick(Victims::Leader), [2]);
                assert!(!pick(Victims::Follower).contains(&2));
                assert!(pick(Victims::Minority).len() * 2 < nodes as usize);
                let majority = pick(Victims::Majority);
                assert!(majority.len() * 2 > nodes as usize && majority.contains(&2));
            }
        }
    }

    #[test]
    fn without_a_leader_nothing_can_be_aimed() {
        let roster = Roster { leader: None, ..roster(5) };
        for victims in Victims::ALL {
            assert!(victims.pick(&roster, &mut Dice::new(1, 0)).is_err());
        }
    }
}
