//! The bundled server as a target: `whitewater server`, of this executable or of another build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use whitewater_checker::Promises;
use whitewater_checker::promises::ElectionSettings;
use whitewater_checker::target::BUNDLED;
use whitewater_client::Node;

use super::{
    Answer, Build, Client, LeaderSeen, Manner, Next, NodeSetup, NodeStatus, Offers, Operator,
    Pending, Probe, Profile, Promised, Request, Setback, Target, Tells, Wish,
};
use whitewater_processes::{Launch, OWN_PROGRAM};

/// A connection that is not made by then is not going to be; short, so that a client of a dead node
/// moves on.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a node may take to stop when asked politely.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The name a user asks for.
pub(super) const NAME: &str = BUNDLED;

/// Votes on loopback are in within a tick; what a busy machine adds is `LOAD`'s to cover.
const VOTES_MS: u64 = 10;
/// A machine that runs other things beside a cluster is at worst so many times slower: a bound that load
/// alone can break would make a violation out of a slow machine.
const LOAD: u64 = 2;
/// A client's operation deadline, twice: one to find the leader, one to be answered.
const CLIENT_MS: u64 = 2_000;

/// What the server promises with its default settings.
pub(super) fn promises(nodes: u32) -> Promises {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config = whitewater_server::Config::new(1, "", any, std::path::PathBuf::new());
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let settings = ElectionSettings {
        nodes,
        timeout_ms: (ms(config.election_timeout_min), ms(config.election_timeout_max)),
        tick_ms: ms(config.tick),
        window_ms: VOTES_MS,
        load: LOAD,
        client_ms: CLIENT_MS,
        pre_vote: true,
    };
    Promises::of(&settings).expecting(&settings).allowing(&settings)
}

/// The bundled server.
#[derive(Clone, Debug)]
pub(crate) struct Bundled {
    build: Build,
}

impl Bundled {
    /// A build of it; this executable where none is named.
    pub(crate) fn new(build: Build) -> Self {
        Self { build }
    }
}

impl Target for Bundled {
    fn name(&self) -> &str {
        NAME
    }

    fn profile(&self) -> Profile {
        Profile {
            ports: vec!["listen".into()],
            ports_apart: false,
            offers: Offers { cas: true, append: true },
            tells: Tells::ALL,
            promised: Promised::default(),
            manner: Manner { stop_within: STOP_WITHIN, ..Manner::default() },
            traces: true,
            panics: Vec::new(),
        }
    }

    fn launch(&self, node: &NodeSetup) -> Launch {
        let mut arguments: Vec<OsString> = vec!["server".into()];
        let mut flag = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        flag("--node-id", node.number.to_string().into());
        flag("--cluster-id", node.cluster_id.clone().into());
        flag("--listen", node.place().clients().to_string().into());
        for (peer, address) in &node.peers {
            flag("--peer", format!("{peer}={address}").into());
        }
        flag("--data-dir", node.data_dir.clone().into());
        flag("--trace", node.trace.clone().into());
        if let Some(journal) = &node.journal {
            flag("--journal", journal.clone().into());
        }
        flag("--color", "never".into());
        if let Some(mutant) = &self.build.mutant {
            flag("--mutant", mutant.into());
        }
        if node.joins {
            arguments.push("--join".into());
        }
        arguments.extend(self.build.arguments.iter().cloned());
        let program = self.build.program.clone().unwrap_or_else(|| OWN_PROGRAM.into());
        Launch { program, arguments, ..Launch::into_log(&node.log) }
    }

    /// Its nodes tell clients who leads.
    fn client(&self, addresses: BTreeMap<u32, SocketAddr>, _leader: LeaderSeen) -> Box<dyn Client> {
        Box::new(BundledClient { addresses, nodes: BTreeMap::new() })
    }

    fn probe(&self, nodes: &BTreeMap<u32, NodeSetup>) -> Option<Arc<dyn Probe>> {
        let addresses = nodes.iter().map(|(node, setup)| (*node, setup.place().clients()));
        Some(Arc::new(BundledAdmin::new(addresses.collect())))
    }

    fn snapshot_arguments(&self, entries: u64) -> Option<Vec<OsString>> {
        Some(vec![format!("--snapshot-entries={entries}").into()])
    }

    fn operator(&self, addresses: BTreeMap<u32, SocketAddr>) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(BundledAdmin::new(addresses)))
    }
}

/// A connection that is made when it is first used.
fn lazy(address: SocketAddr) -> Node<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .expect("a socket address makes a valid URI")
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true);
    Node::new(endpoint.connect_lazy())
}

/// A client's connections, one for each node.
struct BundledClient {
    addresses: BTreeMap<u32, SocketAddr>,
    nodes: BTreeMap<u32, Node<Channel>>,
}

impl Client for BundledClient {
    fn ask(
        &mut self,
        node: u32,
        request: Request,
        deadline: Duration,
    ) -> Pending<'_, Result<Answer, Setback>> {
        Box::pin(async move {
            let Some(address) = self.addresses.get(&node) else {
                let reason = format!("n{node} is not part of this cluster");
                return Err(Setback { is_indefinite: false, next: Next::Later, reason });
            };
            let connection = self.nodes.entry(node).or_insert_with(|| lazy(*address));
            let result = connection.ask(request, Some(deadline)).await;
            if let Err(Setback { next: Next::Elsewhere, .. }) = &result {
                // What stalls a connection may last longer than the fault.
                self.nodes.remove(&node);
            }
            result.map(|answer| Answer {
                node: if answer.node == 0 { node } else { answer.node },
                ..answer
            })
        })
    }
}

/// What is asked of every node past the proxies.
struct BundledAdmin {
    nodes: BTreeMap<u32, Node<Channel>>,
}

impl BundledAdmin {
    fn new(addresses: BTreeMap<u32, SocketAddr>) -> Self {
        let connect = |(node, address)| (node, lazy(address));
        Self { nodes: addresses.into_iter().map(connect).collect() }
    }

    fn node(&self, node: u32) -> Result<Node<Channel>, String> {
        self.nodes.get(&node).cloned().ok_or_else(|| "no such node".into())
    }
}

impl Operator for BundledAdmin {
    fn ask(&self, node: u32, wish: Wish, deadline: Duration) -> Pending<'_, Result<(), String>> {
        Box::pin(async move {
            // No address: every node was told at its start how it reaches each other one, which is
            // through its own proxies.
            let done = self.node(node)?.wish(wish, "", Some(deadline)).await;
            done.map_err(|setback| setback.reason)
        })
    }
}

impl Probe for BundledAdmin {
    fn status(&self, node: u32, deadline: Duration) -> Pending<'_, Result<NodeStatus, String>> {
        Box::pin(async move {
            let status = self.node(node)?.status(Some(deadline)).await;
            status.map_err(|setback| setback.reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Place};
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_is_definite_and_a_silent_one_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target = Bundled::new(Build::default());
        let mut client = target.client(BTreeMap::from([(1, address)]), LeaderSeen::default());
        let change = Change::Put("1".into());
        let request = Request::Write { key: "k".into(), change, command: (5, 1) };
        let silent = client.ask(1, request.clone(), Duration::from_millis(50)).await.unwrap_err();
        assert!(silent.is_indefinite, "{silent:?}");
        drop(listener);
        let refused = client.ask(1, request, Duration::from_millis(500)).await.unwrap_err();
        assert!(!refused.is_indefinite, "{refused:?}");
        assert_eq!(refused.next, Next::Elsewhere);
    }

    #[test]
    fn a_node_is_told_its_peers_and_its_mutant() {
        let target = Bundled::new(Build { mutant: Some("no-dedupe".into()), ..Build::default() });
        let host = "127.7.7.2".parse().unwrap();
        let place = Place { host, ports: vec![("p".into(), 7100)] };
        let node = NodeSetup {
            number: 2,
            cluster_id: "c".into(),
            places: Arc::new(BTreeMap::from([(2, place)])),
            peers: BTreeMap::from([(1, "127.7.7.1:9000".parse().unwrap())]),
            data_dir: "d".into(),
            trace: "t".into(),
            log: "l".into(),
            journal: Some("j/n2.journal".into()),
            joins: false,
            is_first_start: true,
        };
        let arguments = target.launch(&node).arguments;
        let line = arguments.join(std::ffi::OsStr::new(" ")).into_string().unwrap();
        assert!(line.starts_with("server --node-id 2 --cluster-id c --listen 127.7.7.2:7100"));
        assert!(line.contains("--journal j/n2.journal"), "{line}");
        assert!(line.contains("--peer 1=127.7.7.1:9000") && line.ends_with("--mutant no-dedupe"));
    }
}
