//! The dials of nodes that are told each other's real addresses: sent through the proxies, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use whitewater_checker::fact::Fact;
use whitewater_redirect::{Dial, Dials};

use super::{Network, Party};

/// Addresses told of by name that are no node's, of all nodes together.
const ELSEWHERE_MAX: usize = 64;
/// Kinds of trouble told of.
const TROUBLE_MAX: usize = 16;

/// What was seen of the dials of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Dialled(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    redirected: BTreeMap<(u32, u32), u64>,
    elsewhere: BTreeMap<(u32, SocketAddr), u64>,
    elsewhere_more: u64,
    trouble: BTreeMap<String, u64>,
}

impl Dialled {
    /// What answers the dials of node `from`.
    pub(crate) fn of(self: &Arc<Self>, from: u32, network: &Network) -> Arc<dyn Dials> {
        let mut routes = BTreeMap::new();
        for (to, addresses) in &network.nodes {
            for address in addresses {
                let proxy = network.proxy(Party::Node(from), *address);
                routes.insert(*address, (*to, proxy));
            }
        }
        Arc::new(NodeDials { from, routes, all: self.clone() })
    }

    /// Who dialled whom.
    pub(crate) fn pairs(&self) -> BTreeSet<(u32, u32)> {
        self.counts().redirected.keys().copied().collect()
    }

    /// All of it, for the record.
    pub(crate) fn fact(&self) -> Fact {
        let counts = self.counts();
        Fact::Dials {
            redirected: named(&counts.redirected, |(from, to)| format!("n{from}>n{to}")),
            elsewhere: named(&counts.elsewhere, |(from, to)| format!("n{from}>{to}")),
            elsewhere_more: counts.elsewhere_more,
            trouble: counts.trouble.clone(),
        }
    }

    /// How much of it there was, of `nodes` nodes.
    pub(crate) fn summary(&self, nodes: usize) -> String {
        let counts = self.counts();
        let (seen, all) = (counts.redirected.len(), nodes * nodes.saturating_sub(1));
        let elsewhere = counts.elsewhere.values().sum::<u64>() + counts.elsewhere_more;
        format!(
            "{seen} of {all} pairs of nodes were seen to dial, {elsewhere} dials went elsewhere"
        )
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named<K>(counts: &BTreeMap<K, u64>, name: impl Fn(&K) -> String) -> BTreeMap<String, u64> {
    counts.iter().map(|(key, count)| (name(key), *count)).collect()
}

/// Counts under a key, as long as there are not too many; whether it was counted.
fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, keys_max: usize) -> bool {
    let is_room = counts.len() < keys_max || counts.contains_key(&key);
    if is_room {
        *counts.entry(key).or_default() += 1;
    }
    is_room
}

/// One node's dials.
struct NodeDials {
    from: u32,
    /// The node that each address belongs to, and the proxy before it; `None`: it is the node's own.
    routes: BTreeMap<SocketAddr, (u32, Option<SocketAddr>)>,
    all: Arc<Dialled>,
}

impl Dials for NodeDials {
    fn route(&self, destination: SocketAddr) -> Option<SocketAddr> {
        self.routes.get(&destination)?.1
    }

    fn note(&self, dial: Dial) {
        let mut counts = self.all.counts();
        let node_at = |address| self.routes.get(address).map(|(node, _)| *node);
        match &dial {
            Dial::Redirected(to) => {
                let to = node_at(to).expect("what is redirected has a route");
                count(&mut counts.redirected, (self.from, to), usize::MAX);
            }
            Dial::Passed(to) if node_at(to).is_some() => {}
            Dial::Passed(to) => {
                if !count(&mut counts.elsewhere, (self.from, *to), ELSEWHERE_MAX) {
                    counts.elsewhere_more += 1;
                }
            }
            Dial::Refused(_, reason) | Dial::Unread(reason) => {
                let verb = if matches!(dial, Dial::Unread(_)) { "not read" } else { "refused" };
                let reason = format!("n{}: a dial was {verb}: {reason}", self.from);
                count(&mut counts.trouble, reason, TROUBLE_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::dice::Dice;

    #[tokio::test]
    async fn every_port_of_every_other_node_is_routed_and_what_is_seen_is_counted() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (one, two) =
            (vec![at("127.7.7.1:7100")], vec![at("127.7.7.2:7100"), at("127.7.7.2:7116")]);
        let nodes = BTreeMap::from([(1, one.clone()), (2, two.clone())]);
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let network = Network::open(ip, &nodes, 1, Dice::new(1, 0)).await.unwrap();
        let dialled = Arc::new(Dialled::default());
        let dials = dialled.of(1, &network);
        for address in &two {
            assert_eq!(dials.route(*address), network.proxy(Party::Node(1), *address));
            assert!(dials.route(*address).is_some());
            dials.note(Dial::Redirected(*address));
        }
        assert_eq!(dials.route(one[0]), None, "a node reaches itself without a proxy");
        dials.note(Dial::Passed(one[0]));
        for port in 1..=100 {
            dials.note(Dial::Passed(SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), port))));
        }
        dials.note(Dial::Unread("no rights".into()));
        let told = "1 of 2 pairs of nodes were seen to dial, 100 dials went elsewhere";
        assert_eq!(dialled.summary(2), told);
        let Fact::Dials { redirected, elsewhere, elsewhere_more, trouble } = dialled.fact() else {
            panic!("a fact of another kind");
        };
        assert_eq!(redirected, BTreeMap::from([("n1>n2".to_owned(), 2)]));
        assert_eq!((elsewhere.len(), elsewhere_more), (64, 36));
        assert_eq!(elsewhere["n1>10.0.0.1:7"], 1);
        assert_eq!(trouble["n1: a dial was not read: no rights"], 1);
    }
}
