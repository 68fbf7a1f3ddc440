//! Faults: what can be done to a cluster, and doing it, on real processes and in the simulator alike.
//!
//! A fault of the [`catalogue`] is planned by name and *resolved* when it strikes: who leads now, which
//! followers are there. Resolving is a pure function from what is known of the cluster to a list of
//! [`Act`]s. The [`Injector`] carries a plan out and records what was seen; each act is carried out and undone by a
//! `deed`, requests by an `operator`; [`InForce`] holds what is in force, so that faults may overlap and everything can
//! be undone at any time. All of these decide only. What they do, and where they look, is a [`Ground`]: a [`Field`] of
//! processes and proxies, or a simulated world.

mod act;
mod catalogue;
mod deed;
mod family;
mod ground;
mod hands;
mod in_force;
mod injector;
pub(crate) mod kill;
mod link;
pub(crate) mod membership;
mod note;
mod operator;
pub(crate) mod partition;
pub(crate) mod pause;
mod planned;
mod process_state;
mod real;
mod struck;
mod tail;
#[cfg(test)]
mod tests;
pub(crate) mod transfer;
mod trigger;
mod victims;

use crate::dice::Dice;

pub(crate) use act::{Act, Request, Way};
pub(crate) use catalogue::{
    FAMILIES, default_argument, default_families, family, family_names, find,
};
pub(crate) use deed::Mender;
pub(crate) use family::{Aim, Family, Fault, Needs};
pub(crate) use ground::{Ground, Touched};
pub(crate) use in_force::{InForce, Wanted};
pub(crate) use injector::{Improvised, Injector};
pub(crate) use note::{Note, nemesis_event};
pub(crate) use planned::PlannedFault;
pub(crate) use process_state::ProcessState;
pub(crate) use real::Field;
pub(crate) use struck::Lasts;
pub(crate) use trigger::{Moment, Moments, What};

/// What is known of the cluster when a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    /// The voters' numbers.
    pub(crate) nodes: Vec<u32>,
    /// Number of clients.
    pub(crate) clients: u32,
    /// The leader and its term, where there is one.
    pub(crate) leader: Option<(u32, u64)>,
    /// The node that the fault's trigger was about, where it had one.
    pub(crate) subject: Option<u32>,
}

impl Roster {
    /// The leader, or why the fault cannot be aimed.
    fn leader(&self) -> Result<u32, String> {
        self.leader.map(|(node, _)| node).ok_or_else(|| "no node led".to_owned())
    }

    /// Everyone but the leader, in a random order; whoever a trigger was about comes first.
    fn followers(&self, dice: &mut Dice) -> Result<Vec<u32>, String> {
        let leader = self.leader()?;
        let mut followers: Vec<u32> =
            self.nodes.iter().copied().filter(|node| *node != leader).collect();
        if followers.is_empty() {
            return Err("there is no follower".into());
        }
        dice.shuffle(&mut followers);
        if let Some(place) = followers.iter().position(|node| Some(*node) == self.subject) {
            followers.swap(0, place);
        }
        Ok(followers)
    }

    /// One node by lot, or the one that a trigger was about.
    fn anybody(&self, dice: &mut Dice) -> Result<u32, String> {
        let drawn = self.nodes.get(dice.index(self.nodes.len().max(1))).copied();
        let node = self.subject.or(drawn);
        node.ok_or_else(|| "the cluster has no voter".to_owned())
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
