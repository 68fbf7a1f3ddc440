//! The network between the parties of a run: TCP proxies that obey rules per direction.
//!
//! There is one proxy for every ordered pair of nodes and for every pair of a client and a node.
//! A *direction* is what travels from one party to another, on whichever connection: requests on
//! the connections the sender opened, replies on those the receiver opened. Rules are per direction,
//! so a one-way partition is just one rule.
//!
//! A connection attempt against a block is lost, as it is in a real network ([`deaf`]). Of what a server is called from,
//! the address is that of the node that calls.
//!
//! Nodes that speak on their standard input and output have no addresses: a [`Router`] carries their messages under the same rules.
//!
//! Works for any user, in any container. What it cannot do is act on packets: a byte stream is never lossy.

mod connection;
mod deaf;
mod dials;
mod direction;
mod link;
mod router;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(crate) use dials::Dialled;
#[cfg(test)]
pub(crate) use direction::Counters;
pub(crate) use direction::Direction;
pub(crate) use router::Router;
pub(crate) use rule::Rule;

use crate::dice::Dice;
use connection::Path;
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
    /// By who connects, and to which address of a node that leads.
    links: BTreeMap<(Party, SocketAddr), Link>,
    nodes: BTreeMap<u32, Vec<SocketAddr>>,
}

impl Network {
    /// Opens the proxies in front of `nodes`: number, and the addresses at which it really listens, all of one IP
    /// address, the clients' first. There is one before each address for each other node, and one before the
    /// first for each of the clients 0 to `clients` - 1. All proxies between two parties obey one rule, and
    /// count together. They listen on free ports of `ip`.
    pub(crate) async fn open(
        ip: IpAddr,
        nodes: &BTreeMap<u32, Vec<SocketAddr>>,
        clients: u32,
        mut dice: Dice,
    ) -> io::Result<Self> {
        let (directions, links) = (BTreeMap::new(), BTreeMap::new());
        let mut network = Self { directions, links, nodes: nodes.clone() };
        for (&to, targets) in nodes {
            let others = nodes.iter().filter(|(from, _)| **from != to);
            let others = others.filter_map(|(from, own)| {
                Some((Party::Node(*from), Some(own.first()?.ip()), targets.len()))
            });
            let clients = (0..clients).map(|number| (Party::Client(number), None, 1));
            for (from, source, ports) in others.chain(clients) {
                for target in targets.iter().take(ports) {
                    let forward = network.add_direction(from, Party::Node(to));
                    let backward = network.add_direction(Party::Node(to), from);
                    let path = Path { target: *target, source, forward, backward };
                    let link = Link::listen(ip, path, Dice::new(dice.draw(), 0)).await?;
                    network.links.insert((from, *target), link);
                }
            }
        }
        Ok(network)
    }

    /// Of nodes 1 to `nodes`, whose messages a [`Router`] carries: nobody listens.
    pub(crate) fn of_messages(nodes: u32, clients: u32) -> Self {
        let (directions, links) = (BTreeMap::new(), BTreeMap::new());
        let mut network = Self { directions, links, nodes: BTreeMap::new() };
        for to in (1..=nodes).map(Party::Node) {
            let others = (1..=nodes).map(Party::Node).filter(|from| *from != to);
            for from in others.chain((0..clients).map(Party::Client)) {
                network.add_direction(from, to);
                network.add_direction(to, from);
            }
        }
        network
    }

    fn add_direction(&mut self, from: Party, to: Party) -> Arc<Direction> {
        self.directions.entry((from, to)).or_default().clone()
    }

    /// Where `from` reaches node `to`.
    pub(crate) fn address(&self, from: Party, to: u32) -> Option<SocketAddr> {
        self.proxy(from, *self.nodes.get(&to)?.first()?)
    }

    /// Where `from` reaches what listens on that address of a node.
    pub(crate) fn proxy(&self, from: Party, target: SocketAddr) -> Option<SocketAddr> {
        self.links.get(&(from, target)).map(Link::address)
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
