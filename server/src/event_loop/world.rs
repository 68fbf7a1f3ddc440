//! A node's effects on the real world: trace file, log, links to peers, disk thread, waiting clients.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use whitewater_raft::event::{Event, Record, Traced};
use whitewater_raft::{Index, Message, NodeId, Persist, SnapshotMeta};

use super::{Client, PeerInput};
use crate::ServeError;
use crate::answer::Answer;
use crate::clock;
use crate::config::Config;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::node::Effects;
use crate::rpc::{Addresses, Doors, Link, LinkSettings, Tls, is_reply};
use crate::storage::{Job, Writer};
use crate::trace::TraceFile;

/// What a world is made of, beside the doors to it.
pub(super) struct Setting {
    pub(super) writer: Writer,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
}

/// The real world.
#[derive(Debug)]
pub(super) struct World {
    config: Arc<Config>,
    addresses: Addresses,
    trace: Option<(PathBuf, TraceFile)>,
    log: Log,
    links: BTreeMap<NodeId, Link>,
    inputs: mpsc::Sender<PeerInput>,
    writer: Writer,
    tls: Option<Arc<Tls>>,
    metrics: Metrics,
    /// RPC handlers that wait for the core's reply to their request.
    waiting: HashMap<u64, oneshot::Sender<Message>>,
    /// Why nothing more may leave.
    failure: Option<ServeError>,
}

impl World {
    pub(super) fn new(doors: &Doors, setting: Setting) -> Result<World, ServeError> {
        let Setting { writer, tls, metrics, log } = setting;
        let config = &doors.config;
        let trace = match &config.trace {
            None => None,
            Some(path) => {
                let opened = TraceFile::open(path);
                let path = path.clone();
                let file =
                    opened.map_err(|source| ServeError::Trace { path: path.clone(), source })?;
                Some((path, file))
            }
        };
        let mut world = World {
            config: Arc::clone(config),
            addresses: doors.addresses.clone(),
            trace,
            log,
            links: BTreeMap::new(),
            inputs: doors.peers.clone(),
            writer,
            tls,
            metrics,
            waiting: HashMap::new(),
            failure: None,
        };
        for (peer, address) in &config.peers {
            world.connect(*peer, address)?;
        }
        Ok(world)
    }

    /// Begins a link to a peer.
    fn connect(&mut self, peer: NodeId, address: &str) -> Result<(), ServeError> {
        let config = &self.config;
        let settings = LinkSettings {
            cluster_id: config.cluster_id.clone(),
            own: config.node_id,
            peer,
            address: address.to_owned(),
            deadline: config.election_timeout_max,
            chunk_bytes: config.snapshot_chunk_bytes,
            tls: self.tls.clone(),
        };
        let link =
            Link::start(settings, self.inputs.clone(), self.log.clone()).map_err(|error| {
                ServeError::Config(format!("the address {address:?} of node {peer}: {error}"))
            })?;
        self.links.insert(peer, link);
        Ok(())
    }

    /// Tells the core that a snapshot is not on its way to a peer any more. It waits for that word before it
    /// sends the peer anything else, so a full queue must not swallow it; and the loop, which empties
    /// the queue, cannot wait for room in it.
    fn lose_snapshot(&self, peer: NodeId) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            // The loop is gone only when the node stops.
            let _ = inputs.send(PeerInput::SnapshotSent { peer, delivered: false }).await;
        });
    }

    /// A request's reply goes to this handler.
    pub(super) fn expect_reply(&mut self, request: u64, reply: oneshot::Sender<Message>) {
        self.waiting.insert(request, reply);
    }

    /// Fails if something went wrong that ends the node.
    pub(super) fn check(&mut self) -> Result<(), ServeError> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl Effects for World {
    type Client = Client;

    fn now_ns(&self) -> u64 {
        clock::monotonic_ns()
    }

    fn trace(&mut self, records: &[Record]) {
        let Some((path, file)) = &mut self.trace else { return };
        if let Err(source) = file.write(records) {
            self.failure.get_or_insert(ServeError::Trace { path: path.clone(), source });
        }
    }

    fn log(&mut self, event: &Traced) {
        if matches!(event.event, Event::Leader { .. }) {
            self.metrics.won_election();
        }
        self.log.event(event);
    }

    fn send(&mut self, message: Message) {
        if self.failure.is_some() {
            return;
        }
        self.metrics.sent();
        if is_reply(&message.body) {
            if let Some(handler) = self.waiting.remove(&message.request) {
                // The peer may have given up.
                let _ = handler.send(message);
            }
        } else if let Some(link) = self.links.get(&message.to) {
            link.send(message);
        }
    }

    fn persist(&mut self, persist: Persist, snapshot: Option<Bytes>) {
        self.writer.submit(Job::Persist(persist, snapshot));
    }

    fn save_snapshot(&mut self, meta: SnapshotMeta, data: Bytes) {
        self.writer.submit(Job::Snapshot(meta, data));
    }

    fn compact(&mut self, index: Index) {
        self.writer.submit(Job::Compact(index));
    }

    fn send_snapshot(&mut self, message: Message, data: Bytes) {
        match self.links.get(&message.to) {
            Some(link) => link.send_snapshot(message, data),
            // A member whose address nobody has told. The core tries again while it hears of the peer.
            None => self.lose_snapshot(message.to),
        }
    }

    fn learn_addresses(&mut self, addresses: &BTreeMap<NodeId, String>) {
        self.addresses.learn(addresses);
        for (peer, address) in addresses {
            let known = self.links.get(peer).map(Link::address);
            if *peer == self.config.node_id || known == Some(address) {
                continue;
            }
            let is_replaced = known.is_some();
            match self.connect(*peer, address) {
                Ok(()) if is_replaced => {
                    self.log.info(format_args!("looks for n{peer} at {address} from now on"));
                    // The link before it may have carried one, and says nothing any more.
                    self.lose_snapshot(*peer);
                }
                Ok(()) => {}
                Err(error) => self.log.warn(error),
            }
        }
    }

    fn answer(&mut self, client: Client, answer: Answer) {
        if self.failure.is_none() {
            self.metrics.answered(&answer.outcome);
            // The client may have given up.
            let _ = client.reply.send(answer);
        }
    }

    fn waits(&self, client: &Client) -> bool {
        !client.reply.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::time::timeout;
    use whitewater_raft::{Body, Chain, Membership, Position};

    use super::*;
    use crate::storage::{FileDisk, WalOptions};

    /// A world without peers, what it tells the loop, and the folder that it lies in.
    fn world() -> (World, mpsc::Receiver<PeerInput>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = Arc::new(Config::new(1, "test", listen, folder.path().to_owned()));
        let (clients, _) = mpsc::channel(1);
        let (peers, inputs) = mpsc::channel(1);
        let (reports, _) = mpsc::unbounded_channel();
        let options = WalOptions { node: 1, segment_bytes: 4_096, fsync: false };
        let disk = Box::new(FileDisk::new(folder.path(), options));
        let setting = Setting {
            writer: Writer::start(disk, reports).unwrap(),
            tls: None,
            metrics: Metrics::new(),
            log: Log::new(1, 0, config.color),
        };
        let addresses = Addresses::new(Arc::clone(&config));
        let doors = Doors { config, addresses, clients, peers };
        (World::new(&doors, setting).unwrap(), inputs, folder)
    }

    fn snapshot_to(to: NodeId) -> Message {
        let last = Position { index: 5, term: 1 };
        let meta = SnapshotMeta { last, chain: Chain(1), membership: Membership::default() };
        Message { from: 1, to, term: 1, request: 1, body: Body::Snapshot { meta, round: 1 } }
    }

    /// To whom a snapshot did not get, by the next input of the loop.
    async fn next_lost(inputs: &mut mpsc::Receiver<PeerInput>) -> NodeId {
        match timeout(Duration::from_secs(10), inputs.recv()).await {
            Ok(Some(PeerInput::SnapshotSent { peer, delivered: false })) => peer,
            other => panic!("no word of the snapshot: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_snapshot_for_a_peer_that_nobody_knows_the_way_to_is_told_to_be_lost() {
        let (mut world, mut inputs, _folder) = world();
        // More of them than the queue holds: none may go missing.
        for peer in [2, 3, 4] {
            world.send_snapshot(snapshot_to(peer), Bytes::new());
        }
        let mut lost = Vec::new();
        for _ in 0..3 {
            lost.push(next_lost(&mut inputs).await);
        }
        lost.sort_unstable();
        assert_eq!(lost, [2, 3, 4]);
    }

    #[tokio::test]
    async fn a_peer_with_another_address_is_looked_for_there_and_gets_its_snapshot_anew() {
        let (mut world, mut inputs, _folder) = world();
        // It takes connections and says nothing, so the snapshot is on its way until the link goes.
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let first = mute.local_addr().unwrap().to_string();
        world.learn_addresses(&[(2, first.clone())].into());
        assert_eq!(world.links[&2].address(), first);
        world.send_snapshot(snapshot_to(2), Bytes::new());
        world.learn_addresses(&[(2, "127.0.0.1:2".to_owned())].into());
        assert_eq!(world.links[&2].address(), "127.0.0.1:2");
        assert_eq!(next_lost(&mut inputs).await, 2);
        // What is no address changes nothing.
        world.learn_addresses(&[(2, "not an address".to_owned())].into());
        assert_eq!(world.links[&2].address(), "127.0.0.1:2");
    }
}
