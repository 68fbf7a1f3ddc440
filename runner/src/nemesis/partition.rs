//! `partition`: parties that cannot hear each other.
//!
//! Clients keep reaching every node unless the shape says otherwise: a client on each side of a cut is
//! what makes a stale answer visible.

use whitewater_checker::fault::Scope;

use super::family::{Family, Fault, Needs};
use super::{Act, Roster, Strike};
use crate::dice::Dice;
use crate::proxy::Party;
use crate::workload::Habit;

/// A shape that strikes some nodes with the leader.
const MINORITY: Fault =
    Fault { target: "a minority with the leader", nodes_min: 5, ..Fault::LEADER };

/// The card.
pub(crate) const FAMILY: Family = Family {
    name: "partition",
    is_default: true,
    scope: Scope::LinksCut,
    needs: Needs::Proxies,
    faults: &[
        Fault {
            slug: "partition-isolate-leader",
            name: "isolate leader",
            nodes_min: 3,
            resolve: |roster, dice| Shape::new(Near::Leader).resolve(roster, dice),
            ..Fault::LEADER
        },
        Fault {
            slug: "partition-isolate-follower",
            name: "isolate a follower",
            nodes_min: 3,
            resolve: |roster, dice| Shape::new(Near::Follower).resolve(roster, dice),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "partition-halves",
            name: "halves, leader in majority",
            target: "a minority of followers",
            nodes_min: 3,
            resolve: |roster, dice| Shape::new(Near::Followers).resolve(roster, dice),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "partition-leader-in-minority",
            name: "halves, leader in minority",
            resolve: |roster, dice| Shape::new(Near::LeaderAndFollowers).resolve(roster, dice),
            ..MINORITY
        },
        Fault {
            slug: "partition-leader-deaf",
            name: "one-way, leader hears nobody",
            nodes_min: 3,
            resolve: |roster, dice| {
                Shape { far_hears: true, ..Shape::new(Near::Leader) }.resolve(roster, dice)
            },
            ..Fault::LEADER
        },
        Fault {
            slug: "partition-leader-mute",
            name: "one-way, nobody hears leader",
            nodes_min: 3,
            resolve: |roster, dice| {
                Shape { near_hears: true, ..Shape::new(Near::Leader) }.resolve(roster, dice)
            },
            ..Fault::LEADER
        },
        Fault {
            slug: "partition-leader-with-clients",
            name: "isolate leader with its clients",
            nodes_min: 3,
            resolve: |roster, dice| {
                Shape { has_clients: true, ..Shape::new(Near::Leader) }.resolve(roster, dice)
            },
            ..Fault::LEADER
        },
        Fault {
            slug: "partition-minority-with-clients",
            name: "isolate leader's minority with its clients",
            resolve: |roster, dice| {
                let shape = Shape { has_clients: true, ..Shape::new(Near::LeaderAndFollowers) };
                shape.resolve(roster, dice)
            },
            ..MINORITY
        },
        Fault {
            slug: "partition-isolate-random",
            name: "isolate a node",
            nodes_min: 3,
            resolve: |roster, dice| Shape::new(Near::Anybody).resolve(roster, dice),
            ..Fault::ANYBODY
        },
        Fault {
            slug: "partition-random-halves",
            name: "halves",
            target: "a minority",
            nodes_min: 3,
            resolve: |roster, dice| Shape::new(Near::Minority).resolve(roster, dice),
            ..Fault::ANYBODY
        },
    ],
};

/// Who is cut off from whom.
#[derive(Clone, Copy, Debug)]
struct Shape {
    near: Near,
    /// The near side hears the far side all the same.
    near_hears: bool,
    /// The far side hears the near one all the same.
    far_hears: bool,
    /// Clients are cut off with the near side: those pinned to it, and every third.
    has_clients: bool,
}

/// The smaller side.
#[derive(Clone, Copy, Debug)]
enum Near {
    Leader,
    Follower,
    Followers,
    LeaderAndFollowers,
    Anybody,
    Minority,
}

impl Shape {
    /// A cut both ways, between nodes only.
    const fn new(near: Near) -> Shape {
        Shape { near, near_hears: false, far_hears: false, has_clients: false }
    }

    fn nodes(self, roster: &Roster, dice: &mut Dice) -> Result<Vec<u32>, String> {
        let by_lot = match self.near {
            Near::Anybody => 1,
            Near::Minority => roster.minority().max(1),
            _ => return self.by_role(roster, dice),
        };
        let mut nodes = roster.nodes.clone();
        dice.shuffle(&mut nodes);
        nodes.truncate(by_lot);
        nodes.sort_unstable();
        Ok(nodes)
    }

    fn by_role(self, roster: &Roster, dice: &mut Dice) -> Result<Vec<u32>, String> {
        let leader = roster.leader()?;
        let mut nodes = roster.followers(dice)?;
        match self.near {
            Near::Anybody | Near::Minority => {}
            Near::Leader => nodes = vec![leader],
            Near::Follower => nodes.truncate(1),
            // Of two voters none is to spare; members may be that few for a while.
            Near::Followers => nodes.truncate(roster.minority().max(1)),
            Near::LeaderAndFollowers => {
                nodes.truncate(roster.minority().saturating_sub(1));
                nodes.push(leader);
            }
        }
        nodes.sort_unstable();
        Ok(nodes)
    }

    fn clients(self, roster: &Roster, nodes: &[u32]) -> Vec<u32> {
        let is_inside = |client: &u32| match Habit::of(*client, roster.nodes.len() as u32) {
            Habit::Pinned(home) if nodes.contains(&home) => true,
            Habit::Pinned(_) | Habit::Roaming => client.is_multiple_of(3),
        };
        (0..roster.clients).filter(|client| self.has_clients && is_inside(client)).collect()
    }

    fn resolve(self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
        let nodes = self.nodes(roster, dice)?;
        let clients = self.clients(roster, &nodes);
        let near: Vec<Party> = nodes.iter().copied().map(Party::Node).collect();
        let rest = roster.nodes.iter().copied().filter(|node| !nodes.contains(node));
        let far: Vec<Party> = rest.map(Party::Node).collect();
        let mut ways = cut(&near, &far, self.near_hears, self.far_hears);
        if !clients.is_empty() {
            let with: Vec<Party> = clients.iter().copied().map(Party::Client).collect();
            let others = (0..roster.clients).filter(|client| !clients.contains(client));
            let without: Vec<Party> = others.map(Party::Client).collect();
            ways.extend(cut(&with, &far, false, false));
            ways.extend(cut(&near, &without, false, false));
        }
        Ok(Strike {
            detail: self.describe(roster, &nodes, &far, &clients),
            leader_hit: roster.leader_hit(&nodes),
            acts: vec![Act::block(ways)],
            nodes,
        })
    }

    /// `n3 (leader, term 7), c0 c3 | n1 n2 n4 n5`.
    fn describe(self, roster: &Roster, nodes: &[u32], far: &[Party], clients: &[u32]) -> String {
        let mut near: Vec<String> = nodes.iter().map(|node| roster.describe(*node)).collect();
        near.extend(clients.iter().map(|client| format!("c{client}")));
        let far: Vec<String> = far.iter().map(Party::to_string).collect();
        let between = match (self.near_hears, self.far_hears) {
            (true, false) => "hears, is not heard by",
            (false, true) => "does not hear, is heard by",
            _ => "|",
        };
        format!("{} {between} {}", near.join(" "), far.join(" "))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::proxy::Rule;

    fn resolve(slug: &str) -> (Strike, BTreeSet<(Party, Party)>) {
        let roster =
            Roster { nodes: (1..=5).collect(), clients: 4, leader: Some((2, 7)), subject: None };
        let fault = FAMILY.faults.iter().find(|it| it.slug == format!("partition-{slug}")).unwrap();
        let strike = (fault.resolve)(&roster, &mut Dice::new(3, 0)).unwrap();
        let [Act::Rule(pairs, Rule::Block)] = strike.acts.as_slice() else { panic!("{strike:?}") };
        let pairs = pairs.iter().copied().collect();
        (strike, pairs)
    }

    #[test]
    fn isolation_cuts_both_ways_and_leaves_clients_alone() {
        let (strike, pairs) = resolve("isolate-leader");
        assert_eq!(strike.nodes, [2]);
        assert_eq!(strike.leader_hit, Some(true));
        assert_eq!(strike.detail, "n2 (leader, term 7) | n1 n3 n4 n5");
        assert_eq!(pairs.len(), 8);
        assert!(pairs.contains(&(Party::Node(2), Party::Node(1))));
        assert!(pairs.contains(&(Party::Node(1), Party::Node(2))));
    }

    #[test]
    fn one_way_cuts_are_one_way() {
        let (_, deaf) = resolve("leader-deaf");
        assert!(deaf.iter().all(|(_, to)| *to == Party::Node(2)), "{deaf:?}");
        let (_, mute) = resolve("leader-mute");
        assert!(mute.iter().all(|(from, _)| *from == Party::Node(2)), "{mute:?}");
        assert_eq!((deaf.len(), mute.len()), (4, 4));
    }

    #[test]
    fn the_leader_is_on_the_side_the_name_says() {
        let (halves, _) = resolve("halves");
        assert_eq!((halves.nodes.len(), halves.leader_hit), (2, Some(false)));
        let (minority, _) = resolve("leader-in-minority");
        assert_eq!((minority.nodes.len(), minority.leader_hit), (2, Some(true)));
    }

    #[test]
    fn clients_cut_off_with_the_leader_reach_it_and_nobody_else() {
        let (_, pairs) = resolve("leader-with-clients");
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
            resolve("leader-mute").0.detail,
            "n2 (leader, term 7) hears, is not heard by n1 n3 n4 n5"
        );
    }
}
