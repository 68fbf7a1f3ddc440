//! `link`: connections between servers that work badly instead of not at all.
//!
//! Links to clients are left alone: a slow client sees fewer anomalies, not more.

use std::time::Duration;

use whitewater_checker::fault::Scope;

use super::family::{Family, Fault, Needs};
use super::{Act, Roster, Strike};
use crate::dice::Dice;
use crate::proxy::{Party, Rule};

/// A round trip of 40 to 120 ms: elections (300 ms) still succeed, heartbeats overtake each other's
/// answers, and messages of an old term arrive in the new one.
const DELAY: Rule = Rule::late(Duration::from_millis(20), Duration::from_millis(40));
/// Heartbeats pass, entries pile up.
const SLOW: Rule = Rule::narrow(20_000);

/// The card.
pub(crate) const FAMILY: Family = Family {
    name: "link",
    is_default: false,
    scope: Scope::LinksDegraded,
    needs: Needs::Proxies,
    faults: &[
        Fault {
            slug: "link-delay-leader",
            name: "delay messages of leader",
            resolve: |roster, _| leader(roster, DELAY),
            ..Fault::LEADER
        },
        Fault {
            slug: "link-delay-follower",
            name: "delay messages of a follower",
            resolve: |roster, dice| follower(roster, dice, DELAY),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "link-slow-leader",
            name: "narrow the links of leader",
            resolve: |roster, _| leader(roster, SLOW),
            ..Fault::LEADER
        },
        Fault {
            slug: "link-slow-follower",
            name: "narrow the links of a follower",
            resolve: |roster, dice| follower(roster, dice, SLOW),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "link-reset-leader",
            name: "reset connections of leader",
            resolve: |roster, _| leader(roster, Rule::Reset),
            ..Fault::LEADER
        },
        Fault {
            slug: "link-reset-follower",
            name: "reset connections of a follower",
            resolve: |roster, dice| follower(roster, dice, Rule::Reset),
            ..Fault::FOLLOWER
        },
    ],
};

fn leader(roster: &Roster, rule: Rule) -> Result<Strike, String> {
    Ok(strike(roster, roster.leader()?, rule))
}

fn follower(roster: &Roster, dice: &mut Dice, rule: Rule) -> Result<Strike, String> {
    Ok(strike(roster, roster.followers(dice)?[0], rule))
}

fn strike(roster: &Roster, node: u32, rule: Rule) -> Strike {
    let others = roster.nodes.iter().copied().filter(|other| *other != node);
    let (one, all) = (Party::Node(node), others.map(Party::Node));
    let ways = all.flat_map(|other| [(one, other), (other, one)]).collect();
    Strike {
        nodes: vec![node],
        detail: roster.describe(node),
        leader_hit: roster.leader_hit(&[node]),
        acts: vec![Act::Rule(ways, rule)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_one_nodes_peer_links_are_touched_and_no_others() {
        let (nodes, leader, subject) = (vec![1, 2, 3], Some((2, 7)), None);
        let roster = Roster { nodes, clients: 4, leader, subject };
        for fault in FAMILY.faults {
            let strike = (fault.resolve)(&roster, &mut Dice::new(1, 0)).unwrap();
            let ways = strike.acts[0].ways();
            assert_eq!(ways.len(), 4);
            let struck = Party::Node(strike.nodes[0]);
            assert!(ways.iter().all(|(from, to)| *from == struck || *to == struck));
        }
    }
}
