//! What a server is told at its start, and whether it makes sense.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use whitewater_raft::{NodeId, ReadMode};

use crate::ServeError;
use crate::mutants::Mutant;
use crate::node::SnapshotPolicy;
use crate::tls_files::TlsFiles;

/// The settings of one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node, from 1.
    pub node_id: NodeId,
    /// The cluster's name. Nodes of another cluster are refused.
    pub cluster_id: String,
    /// Where clients and peers reach this node.
    pub listen: SocketAddr,
    /// Where this node reaches its peers: `host:port`. What came into the log with a member, when it was
    /// added, counts before it.
    pub peers: BTreeMap<NodeId, String>,
    /// Where clients reach the nodes, for redirects. A node that is not in it is named by its address in the
    /// log, or else its entry in `peers`, and this node by `listen`.
    pub client_addresses: BTreeMap<NodeId, String>,
    /// Where everything durable lies.
    pub data_dir: PathBuf,
    /// Where the trace goes, if it is wanted.
    pub trace: Option<PathBuf>,
    /// Where the core's journal goes, if it is wanted; each boot's file has the boot's number in its name.
    pub journal: Option<PathBuf>,
    /// The unit in which the core counts time.
    pub tick: Duration,
    /// Shortest election timeout.
    pub election_timeout_min: Duration,
    /// Longest election timeout.
    pub election_timeout_max: Duration,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// How linearizable reads are served.
    pub read_mode: ReadMode,
    /// The mutant to run as. Never set but to test a checker.
    pub mutant: Option<Mutant>,
    /// When to take a snapshot.
    pub snapshots: SnapshotPolicy,
    /// Bytes of one chunk of a snapshot on its way to a peer.
    pub snapshot_chunk_bytes: usize,
    /// Size of a WAL segment.
    pub segment_bytes: usize,
    /// Most appends on their way to one follower. More hide the way's latency; fewer make larger
    /// batches, which cost less.
    pub appends_in_flight: usize,
    /// Fewest entries of an append that leaves while another one is unanswered. More make larger batches,
    /// which cost less; 1 lets every entry leave at once, which counts where the way is long.
    pub append_entries_min: usize,
    /// Most commands, and most reads, that may wait at once: far more than one node can serve in a deadline.
    /// It counts heads: at a few hundred bytes each, some megabytes at the default.
    pub waiting_max: usize,
    /// Most bytes of commands in a leader's log that are not applied yet. What waits before the log, in
    /// connections and for the loop, is not counted: some thousands of requests of a key and a value each.
    pub uncommitted_bytes_max: u64,
    /// How long a request may take that names no deadline itself.
    pub request_deadline: Duration,
    /// How long a client session may lie idle.
    pub session_expiry: Duration,
    /// Certificates, where TLS is wanted; clients and peers then have to show one as well.
    pub tls: Option<TlsFiles>,
    /// Where metrics are served in Prometheus' text form, if they are wanted.
    pub metrics: Option<SocketAddr>,
    /// Start as no member, to be added to a running cluster. `peers` are its members.
    pub join: bool,
    /// Whether the log is coloured.
    pub color: ColorChoice,
    /// How much the log tells.
    pub verbosity: u8,
    /// Feeds the election jitter; `None`: a different one at every start.
    pub seed: Option<u64>,
    /// Sync what has to be durable. False is for measurements only.
    pub fsync: bool,
}

impl Config {
    /// A server of its own: the defaults, and no peers.
    pub fn new(node_id: NodeId, cluster_id: &str, listen: SocketAddr, data_dir: PathBuf) -> Config {
        Config {
            node_id,
            cluster_id: cluster_id.to_owned(),
            listen,
            peers: BTreeMap::new(),
            client_addresses: BTreeMap::new(),
            data_dir,
            trace: None,
            journal: None,
            tick: Duration::from_millis(10),
            election_timeout_min: Duration::from_millis(300),
            election_timeout_max: Duration::from_millis(600),
            heartbeat: Duration::from_millis(50),
            read_mode: ReadMode::Index,
            mutant: None,
            snapshots: SnapshotPolicy { entries: 10_000, bytes: 16 << 20 },
            snapshot_chunk_bytes: 256 << 10,
            segment_bytes: 2 << 20,
            appends_in_flight: 16,
            append_entries_min: 64,
            waiting_max: 16_384,
            uncommitted_bytes_max: 64 << 20,
            request_deadline: Duration::from_secs(5),
            session_expiry: Duration::from_secs(3_600),
            tls: None,
            metrics: None,
            join: false,
            color: ColorChoice::Auto,
            verbosity: 0,
            seed: None,
            fsync: true,
        }
    }

    /// Fails where the settings contradict each other.
    pub fn check(&self) -> Result<(), ServeError> {
        let wrong = |text: String| Err(ServeError::Config(text));
        if self.node_id == 0 || self.peers.contains_key(&0) {
            return wrong("node numbers begin at 1".into());
        }
        if self.peers.contains_key(&self.node_id) {
            return wrong(format!("node {} is named as its own peer", self.node_id));
        }
        if self.cluster_id.is_empty() {
            return wrong("the cluster id is empty".into());
        }
        if self.tick.is_zero() || self.heartbeat < self.tick {
            return wrong("the heartbeat must be at least one tick, and a tick more than 0".into());
        }
        if self.election_timeout_min < self.heartbeat * 2 {
            return wrong(format!(
                "the election timeout ({:?}) must be at least two heartbeats ({:?}), or followers \
                 campaign against a leader that is well",
                self.election_timeout_min,
                self.heartbeat * 2
            ));
        }
        if self.election_timeout_max < self.election_timeout_min {
            return wrong("the longest election timeout is below the shortest".into());
        }
        if self.appends_in_flight == 0 {
            return wrong("at least one append must be allowed on its way".into());
        }
        if self.segment_bytes < 4_096 || self.snapshot_chunk_bytes == 0 {
            return wrong(
                "a segment has at least 4096 bytes, and a snapshot chunk at least 1".into(),
            );
        }
        Ok(())
    }

    /// Where clients reach a node, as far as this node was told.
    pub fn client_address(&self, node: NodeId) -> Option<String> {
        let told = self.client_addresses.get(&node).or_else(|| self.peers.get(&node));
        told.cloned().or_else(|| (node == self.node_id).then(|| self.listen.to_string()))
    }

    /// A duration in ticks, at least one.
    pub(crate) fn ticks(&self, duration: Duration) -> u32 {
        let ticks = duration.as_nanos().div_ceil(self.tick.as_nanos().max(1));
        u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new(1, "c", "127.0.0.1:7101".parse().unwrap(), "data".into())
    }

    #[test]
    fn the_defaults_make_sense() {
        config().check().unwrap();
        assert_eq!(config().ticks(Duration::from_millis(300)), 30);
        assert_eq!(config().client_address(1).unwrap(), "127.0.0.1:7101");
    }

    #[test]
    fn contradictions_are_refused_in_words() {
        type Spoil = fn(&mut Config);
        let cases: [(Spoil, &str); 5] = [
            (|config| config.node_id = 0, "begin at 1"),
            (|config| drop(config.peers.insert(1, "h:1".into())), "its own peer"),
            (|config| config.cluster_id.clear(), "cluster id is empty"),
            (|config| config.heartbeat = Duration::from_millis(200), "two heartbeats"),
            (|config| config.election_timeout_max = Duration::ZERO, "below the shortest"),
        ];
        for (spoil, expected) in cases {
            let mut config = config();
            spoil(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
