//! `link`: connections between servers that work badly instead of not at all.
//!
//! Links to clients are left alone: a slow client sees fewer anomalies, not more.

use std::time::Duration;

use whitewater_checker::fault::Scope;

use super::{Act, Fault, Roster, Strike};
use crate::dice::Dice;
use crate::proxy::{Party, Rule};

/// The family's name.
pub(super) const FAMILY: &str = "link";

/// A round trip of 40 to 120 ms: elections (300 ms) still succeed, heartbeats overtake each other's
/// answers, and messages of an old term arrive in the new one.
const DELAY: Rule =
    Rule::Delay { delay: Duration::from_millis(20), jitter: Duration::from_millis(40) };
/// Heartbeats pass, entries pile up.
const SLOW: Rule = Rule::Rate { bytes_per_s: 20_000 };

/// Whose links, and what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    harm: Harm,
    is_leader: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Delay,
    Slow,
    Reset,
}

impl Link {
    /// Every kind.
    pub(super) const ALL: [Link; 6] = [
        Link { harm: Harm::Delay, is_leader: true },
        Link { harm: Harm::Delay, is_leader: false },
        Link { harm: Harm::Slow, is_leader: true },
        Link { harm: Harm::Slow, is_leader: false },
        Link { harm: Harm::Reset, is_leader: true },
        Link { harm: Harm::Reset, is_leader: false },
    ];

    fn rule(self) -> Rule {
        match self.harm {
            Harm::Delay => DELAY,
            Harm::Slow => SLOW,
            Harm::Reset => Rule::Reset,
        }
    }
}

impl Fault for Link {
    fn slug(&self) -> String {
        let harm = match self.harm {
            Harm::Delay => "delay",
            Harm::Slow => "slow",
            Harm::Reset => "reset",
        };
        let whose = if self.is_leader { "leader" } else { "follower" };
        format!("link-{harm}-{whose}")
    }

    fn family(&self) -> &'static str {
        FAMILY
    }

    fn scope(&self) -> Scope {
        Scope::LinksDegraded
    }

    fn name(&self) -> String {
        let harm = match self.harm {
            Harm::Delay => "delay messages of",
            Harm::Slow => "narrow the links of",
            Harm::Reset => "reset connections of",
        };
        format!("{harm} {}", self.target())
    }

    fn target(&self) -> &'static str {
        if self.is_leader { "leader" } else { "a follower" }
    }

    fn strikes_leader(&self) -> Option<bool> {
        Some(self.is_leader)
    }

    fn nodes_min(&self) -> u32 {
        2
    }

    fn resolve(&self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
        let node = if self.is_leader { roster.leader()? } else { roster.followers(dice)?[0] };
        let others = roster.nodes.iter().copied().filter(|other| *other != node);
        let (one, all) = (Party::Node(node), others.map(Party::Node));
        let pairs = all.flat_map(|other| [(one, other), (other, one)]).collect();
        Ok(Strike {
            nodes: vec![node],
            detail: roster.describe(node),
            leader_hit: roster.leader_hit(&[node]),
            acts: vec![Act::Rule(pairs, self.rule())],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_one_nodes_peer_links_are_touched_and_no_others() {
        let roster =
            Roster { nodes: vec![1, 2, 3], clients: 4, leader: Some((2, 7)), subject: None };
        for link in Link::ALL {
            let strike = link.resolve(&roster, &mut Dice::new(1, 0)).unwrap();
            assert_eq!(strike.leader_hit, Some(link.is_leader));
            let pairs = strike.acts[0].ways();
            assert_eq!(pairs.len(), 4);
            let struck = Party::Node(strike.nodes[0]);
            assert!(pairs.iter().all(|(from, to)| *from == struck || *to == struck));
        }
    }
}
