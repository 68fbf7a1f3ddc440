//! Faults: what can be done to a cluster, and doing it.
//!
//! A fault of the [`catalogue()`] is planned by name and *resolved* when it strikes: who leads now, which
//! followers are there. Resolving is a pure function from what is known of the cluster to a list of
//! [`Act`]s. The [`journal`] keeps the acts in force, so that everything can be undone at any time, by
//! anyone, twice if need be. The [`injector`] carries a plan out and records what was seen.

mod act;
mod catalogue;
mod injector;
mod journal;
mod link;
pub(crate) mod membership;
mod operate;
mod partition;
mod process;
mod transfer;
mod victims;

use whitewater_checker::fault::Scope;

use crate::dice::Dice;

pub(crate) use act::Act;
pub(crate) use catalogue::{ALL_FAMILIES, FAMILIES, REQUEST_FAMILIES, catalogue, find};
pub(crate) use injector::{Injector, News, PlannedFault, nemesis_event};
pub(crate) use journal::Journal;

/// One entry of the catalogue.
pub(crate) trait Fault: Send + Sync {
    /// The name in plans: `kill-leader`.
    fn slug(&self) -> String;
    /// The family a user asks for: `kill`.
    fn family(&self) -> &'static str;
    /// What it acts on.
    fn scope(&self) -> Scope;
    /// What it does, in words: `kill -9 the leader`.
    fn name(&self) -> String;
    /// Whom it strikes, in words: `leader`.
    fn target(&self) -> &'static str;
    /// Whether it strikes the leader, where that is known beforehand.
    fn strikes_leader(&self) -> Option<bool>;
    /// Whether a majority is left that can go on.
    fn keeps_quorum(&self) -> bool {
        true
    }
    /// The smallest cluster in which it means something.
    fn nodes_min(&self) -> u32;
    /// Decides what to do to this cluster, now; or why nothing can be done.
    fn resolve(&self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String>;
}

/// What is known of the cluster when a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    /// The voters' numbers.
    pub(crate) nodes: Vec<u32>,
    /// Number of clients.
    pub(crate) clients: u32,
    /// The leader and its term, where there is one.
    pub(crate) leader: Option<(u32, u64)>,
}

impl Roster {
    /// The leader, or why the fault cannot be aimed.
    fn leader(&self) -> Result<u32, String> {
        self.leader.map(|(node, _)| node).ok_or_else(|| "no node led".to_owned())
    }

    /// Everyone but the leader, in a random order.
    fn followers(&self, dice: &mut Dice) -> Result<Vec<u32>, String> {
        let leader = self.leader()?;
        let mut followers: Vec<u32> =
            self.nodes.iter().copied().filter(|node| *node != leader).collect();
        if followers.is_empty() {
            return Err("there is no follower".into());
        }
        dice.shuffle(&mut followers);
        Ok(followers)
    }

    /// The most nodes that are not a majority.
    fn minority(&self) -> usize {
        (self.nodes.len() - 1) / 2
    }

    /// `n3 (leader, term 7)`.
    fn describe(&self, node: u32) -> String {
        match self.leader {
            Some((leader, term)) if leader == node => format!("n{node} (leader, term {term})"),
            _ => format!("n{node}"),
        }
    }

    /// Whether the leader is among these; `None` where nobody leads.
    fn leader_hit(&self, nodes: &[u32]) -> Option<bool> {
        self.leader.map(|(leader, _)| nodes.contains(&leader))
    }
}

/// A fault, aimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    /// The nodes struck.
    pub(crate) nodes: Vec<u32>,
    /// The aim, in words.
    pub(crate) detail: String,
    /// Whether the leader is among the struck; `None` where nobody leads.
    pub(crate) leader_hit: Option<bool>,
    /// What to do.
    pub(crate) acts: Vec<Act>,
}
