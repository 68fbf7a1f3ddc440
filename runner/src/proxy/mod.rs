//! The network between the parties of a run: TCP proxies that obey rules per direction.
//!
//! There is one proxy for every ordered pair of nodes and for every pair of a client and a node.
//! A *direction* is what travels from one party to another, on whichever connection: requests on
//! the connections the sender opened, replies on those the receiver opened. Rules are per direction,
//! so a one-way partition is just one rule.
//!
//! Works for any user, in any container, with any server that takes its peers' addresses. What it
//! cannot do is act on packets: a byte stream is never lossy, and a connection attempt during a block
//! succeeds at this end and stalls, where a real network would drop the SYN.

mod connection;
mod direction;
mod link;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

#[cfg(test)]
pub(crate) use direction::Counters;
pub(crate) use direction::Direction;
pub(crate) use rule::Rule;

use crate::dice::Dice;
use link::Link;

/// Who sends or receives.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Party {
    /// A server, by number from 1.
    Node(u32),
    /// A client, by number from 0.
    Client(u32),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Node(number) => write!(f, "n{number}"),
            Party::Client(number) => write!(f, "c{number}"),
        }
    }
}

/// All proxies of a run.
#[derive(Debug)]
pub(crate) struct Network {
    directions: BTreeMap<(Party, Party), Arc<Direction>>,
    links: BTreeMap<(Party, u32), Link>,
}

impl Network {
    /// Opens the proxies in front of `nodes` (number and real address), for each other and for
    /// clients 0 to `clients` - 1. They listen on free ports of `ip`.
    pub(crate) async fn open(
        ip: IpAddr,
        nodes: &BTreeMap<u32, SocketAddr>,
        clients: u32,
        mut dice: Dice,
    ) -> io::Result<Self> {
        let mut network = Self { directions: BTreeMap::new(), links: BTreeMap::new() };
        let callers = nodes.keys().copied().map(Party::Node);
        let callers: Vec<Party> = callers.chain((0..clients).map(Party::Client)).collect();
        for from in callers {
            for (&to, &target) in nodes {
                if from == Party::Node(to) {
                    continue;
                }
                let forward = network.add_direction(from, Party::Node(to));
                let backward = network.add_direction(Party::Node(to), from);
                let path = link::path(&forward, &backward);
                let link = Link::listen(ip, target, path, Dice::new(dice.draw(), 0)).await?;
                network.links.insert((from, to), link);
            }
        }
        Ok(network)
    }

    fn add_direction(&mut self, from: Party, to: Party) -> Arc<Direction> {
        self.directions.entry((from, to)).or_default().clone()
    }

    /// Where `from` reaches node `to`.
    pub(crate) fn address(&self, from: Party, to: u32) -> Option<SocketAddr> {
        self.links.get(&(from, to)).map(Link::address)
    }

    /// The direction from one party to another.
    pub(crate) fn direction(&self, from: Party, to: Party) -> Option<&Arc<Direction>> {
        self.directions.get(&(from, to))
    }

    /// Lets everything pass again.
    pub(crate) fn heal(&self) {
        for direction in self.directions.values() {
            if direction.current() != Rule::Pass {
                direction.set(Rule::Pass);
            }
        }
    }
}
