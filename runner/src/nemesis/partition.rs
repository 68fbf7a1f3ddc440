//! `partition`: parties that cannot hear each other.
//!
//! Clients keep reaching every node unless the shape says otherwise: a client on each side of a cut is
//! what makes a stale answer visible.

use whitewater_checker::fault::Scope;

use super::{Act, Fault, Roster, Strike};
use crate::dice::Dice;
use crate::proxy::Party;
use crate::workload::Habit;

/// The family's name.
pub(crate) const FAMILY: &str = "partition";

/// Who is cut off from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partition {
    /// The leader from all other nodes.
    IsolateLeader,
    /// One follower from all other nodes.
    IsolateFollower,
    /// Two sides, the leader on the larger one.
    Halves,
    /// Two sides, the leader on the smaller one.
    LeaderInMinority,
    /// The leader hears no other node; they hear it.
    LeaderDeaf,
    /// The leader hears the other nodes; they do not hear it.
    LeaderMute,
    /// The leader and some clients on one side, all others on the other.
    LeaderWithClients,
    /// Some nodes, the leader among them, and some clients on the smaller side.
    MinorityWithClients,
}

impl Partition {
    /// Every shape.
    pub(crate) const ALL: [Partition; 8] = [
        Partition::IsolateLeader,
        Partition::IsolateFollower,
        Partition::Halves,
        Partition::LeaderInMinority,
        Partition::LeaderDeaf,
        Partition::LeaderMute,
        Partition::LeaderWithClients,
        Partition::MinorityWithClients,
    ];

    /// The nodes that are cut off.
    fn cut_off(self, roster: &Roster, dice: &mut Dice) -> Result<Vec<u32>, String> {
        let leader = roster.leader()?;
        let mut followers = roster.followers(dice)?;
        let mut nodes = match self {
            Partition::IsolateLeader
            | Partition::LeaderDeaf
            | Partition::LeaderMute
            | Partition::LeaderWithClients => vec![leader],
            Partition::IsolateFollower => vec![followers[0]],
            Partition::Halves => {
                followers.truncate(roster.minority());
                followers
            }
            Partition::LeaderInMinority | Partition::MinorityWithClients => {
                followers.truncate(roster.minority() - 1);
                followers.push(leader);
                followers
            }
        };
        nodes.sort_unstable();
        Ok(nodes)
    }

    /// The clients that are cut off with the nodes: those pinned to them, and every third.
    fn clients(self, roster: &Roster, nodes: &[u32]) -> Vec<u32> {
        let is_inside = |client: &u32| match Habit::of(*client, roster.nodes.len() as u32) {
            Habit::Pinned(home) if nodes.contains(&home) => true,
            Habit::Pinned(_) | Habit::Roaming => client.is_multiple_of(3),
        };
        match self {
            Partition::LeaderWithClients | Partition::MinorityWithClients => {
                (0..roster.clients).filter(is_inside).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the near side hears the far side, and the far side the near one.
    fn still_heard(self) -> (bool, bool) {
        match self {
            Partition::LeaderDeaf => (false, true),
            Partition::LeaderMute => (true, false),
            _ => (false, false),
        }
    }
}

impl Fault for Partition {
    fn slug(&self) -> String {
        let slug = match self {
            Partition::IsolateLeader => "isolate-leader",
            Partition::IsolateFollower => "isolate-follower",
            Partition::Halves => "halves",
            Partition::LeaderInMinority => "leader-in-minority",
            Partition::LeaderDeaf => "leader-deaf",
            Partition::LeaderMute => "leader-mute",
            Partition::LeaderWithClients => "leader-with-clients",
            Partition::MinorityWithClients => "minority-with-clients",
        };
        format!("partition-{slug}")
    }

    fn family(&self) -> &'static str {
        FAMILY
    }

    fn scope(&self) -> Scope {
        Scope::LinksCut
    }

    fn name(&self) -> String {
        let name = match self {
            Partition::IsolateLeader => "isolate leader",
            Partition::IsolateFollower => "isolate a follower",
            Partition::Halves => "halves, leader in majority",
            Partition::LeaderInMinority => "halves, leader in minority",
            Partition::LeaderDeaf => "one-way, leader hears nobody",
            Partition::LeaderMute => "one-way, nobody hears leader",
            Partition::LeaderWithClients => "isolate leader with its clients",
            Partition::MinorityWithClients => "isolate leader's minority with its clients",
        };
        name.into()
    }

    fn target(&self) -> &'static str {
        match self {
            Partition::IsolateFollower => "a follower",
            Partition::Halves => "a minority of followers",
            Partition::LeaderInMinority | Partition::MinorityWithClients => {
                "a minority with the leader"
            }
            Partition::IsolateLeader
            | Partition::LeaderDeaf
            | Partition::LeaderMute
            | Partition::LeaderWithClients => "leader",
        }
    }

    fn strikes_leader(&self) -> Option<bool> {
        Some(!matches!(self, Partition::IsolateFollower | Partition::Halves))
    }

    fn nodes_min(&self) -> u32 {
        match self {
            Partition::LeaderInMinority | Partition::MinorityWithClients => 5,
            _ => 3,
        }
    }

    fn resolve(&self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
        let nodes = self.cut_off(roster, dice)?;
        let clients = self.clients(roster, &nodes);
        let near: Vec<Party> = nodes.iter().copied().map(Party::Node).collect();
        let rest = roster.nodes.iter().copied().filter(|node| !nodes.contains(node));
        let far: Vec<Party> = rest.map(Party::Node).collect();
        let (near_hears, far_hears) = self.still_heard();
        let mut pairs = cut(&near, &far, near_hears, far_hears);
        if !clients.is_empty() {
            let with: Vec<Party> = clients.iter().copied().map(Party::Client).collect();
            let others = (0..roster.clients).filter(|client| !clients.contains(client));
            let without: Vec<Party> = others.map(Party::Client).collect();
            pairs.extend(cut(&with, &far, false, false));
            pairs.extend(cut(&near, &without, false, false));
        }
        Ok(Strike {
            detail: describe(roster, &nodes, &far, &clients, *self),
            leader_hit: roster.leader_hit(&nodes),
            acts: vec![Act::block(pairs)],
            nodes,
        })
    }
}

/// One node hears no other node, and none hears it.
pub(super) fn isolate(roster: &Roster, node: u32) -> Act {
    let others = roster.nodes.iter().copied().filter(|other| *other != node);
    let far: Vec<Party> = others.map(Party::Node).collect();
    Act::block(cut(&[Party::Node(node)], &far, false, false))
}

/// The directions between two sides that are to be blocked.
fn cut(near: &[Party], far: &[Party], near_hears: bool, far_hears: bool) -> Vec<(Party, Party)> {
    let mut pairs = Vec::new();
    for &one in near {
        for &other in far {
            if !far_hears {
                pairs.push((one, other));
            }
            if !near_hears {
                pairs.push((other, one));
            }
        }
    }
    pairs
}

/// `n3 (leader, term 7), c0 c3 | n1 n2 n4 n5`.
fn describe(
    roster: &Roster,
    nodes: &[u32],
    far: &[Party],
    clients: &[u32],
    shape: Partition,
) -> String {
    let mut near: Vec<String> = nodes.iter().map(|node| roster.describe(*node)).collect();
    near.extend(clients.iter().map(|client| format!("c{client}")));
    let far: Vec<String> = far.iter().map(Party::to_string).collect();
    let between = match shape.still_heard() {
        (true, false) => "hears, is not heard by",
        (false, true) => "does not hear, is heard by",
        _ => "|",
    };
    format!("{} {between} {}", near.join(" "), far.join(" "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::proxy::Rule;

    fn resolve(shape: Partition) -> (Strike, BTreeSet<(Party, Party)>) {
        let roster =
            Roster { nodes: (1..=5).collect(), clients: 4, leader: Some((2, 7)), subject: None };
        let strike = shape.resolve(&roster, &mut Dice::new(3, 0)).unwrap();
        let [Act::Rule(pairs, Rule::Block)] = strike.acts.as_slice() else { panic!("{strike:?}") };
        let pairs = pairs.iter().copied().collect();
        (strike, pairs)
    }

    #[test]
    fn isolation_cuts_both_ways_and_leaves_clients_alone() {
        let (strike, pairs) = resolve(Partition::IsolateLeader);
        assert_eq!(strike.nodes, [2]);
        assert_eq!(strike.leader_hit, Some(true));
        assert_eq!(strike.detail, "n2 (leader, term 7) | n1 n3 n4 n5");
        assert_eq!(pairs.len(), 8);
        assert!(pairs.contains(&(Party::Node(2), Party::Node(1))));
        assert!(pairs.contains(&(Party::Node(1), Party::Node(2))));
    }

    #[test]
    fn one_way_cuts_are_one_way() {
        let (_, deaf) = resolve(Partition::LeaderDeaf);
        assert!(deaf.iter().all(|(_, to)| *to == Party::Node(2)), "{deaf:?}");
        let (_, mute) = resolve(Partition::LeaderMute);
        assert!(mute.iter().all(|(from, _)| *from == Party::Node(2)), "{mute:?}");
        assert_eq!((deaf.len(), mute.len()), (4, 4));
    }

    #[test]
    fn the_leader_is_on_the_side_the_name_says() {
        let (halves, _) = resolve(Partition::Halves);
        assert_eq!((halves.nodes.len(), halves.leader_hit), (2, Some(false)));
        let (minority, _) = resolve(Partition::LeaderInMinority);
        assert_eq!((minority.nodes.len(), minority.leader_hit), (2, Some(true)));
    }

    #[test]
    fn clients_cut_off_with_the_leader_reach_it_and_nobody_else() {
        let (_, pairs) = resolve(Partition::LeaderWithClients);
        let (inside, outside) = (Party::Client(0), Party::Client(1));
        assert!(!pairs.contains(&(inside, Party::Node(2))));
        assert!(
            pairs.contains(&(inside, Party::Node(1))) && pairs.contains(&(Party::Node(1), inside))
        );
        assert!(
            pairs.contains(&(outside, Party::Node(2)))
                && pairs.contains(&(Party::Node(2), outside))
        );
        assert!(!pairs.contains(&(outside, Party::Node(1))));
    }

    #[test]
    fn every_named_side_is_described() {
        assert_eq!(
            resolve(Partition::LeaderMute).0.detail,
            "n2 (leader, term 7) hears, is not heard by n1 n3 n4 n5"
        );
    }
}
