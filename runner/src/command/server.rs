//! `whitewater server`: one node of the bundled server, in the foreground until it is told to stop.
//!
//! This is the command line only; the server is `whitewater-server`. The test runner and
//! `whitewater cluster` start this very command.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};
use whitewater_raft::{NodeId, ReadMode};
use whitewater_server::mutants::CATALOGUE;
use whitewater_server::node::SnapshotPolicy;
use whitewater_server::{Config, Mutant, ServeError, TlsFiles};

use crate::exit::Exit;
use crate::progress::print_error;
use crate::sentence;

/// Arguments of `server`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = mutants_help())]
pub(crate) struct ServerArguments {
    /// This node's number, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    node_id: NodeId,
    /// The cluster's name; nodes of a cluster with another name are refused
    #[arg(long, value_name = "TEXT", default_value = "whitewater")]
    cluster_id: String,
    /// Where clients and peers reach this node
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Where this node reaches another one; once for each of them. The address with which a member was
    /// added later counts before it
    #[arg(long = "peer", value_name = "N=HOST:PORT", value_parser = parse_peer)]
    peers: Vec<(NodeId, String)>,
    /// What to tell clients about where a node is, if it differs from --peer
    #[arg(long = "client-address", value_name = "N=HOST:PORT", value_parser = parse_peer)]
    client_addresses: Vec<(NodeId, String)>,
    /// Where the log, snapshots and identity lie; made if it is not there
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Append one JSON line per Raft event to this file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Note all inputs and outputs of the protocol core, for `replay-journal`; n1.journal becomes
    /// n1-boot1.journal, one file for each start
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Shortest and longest time without a leader before a node campaigns
    #[arg(long, value_name = "MIN-MAX", default_value = "300ms-600ms", value_parser = parse_range)]
    election_timeout: (Duration, Duration),
    /// Time between a leader's heartbeats
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = parse_duration)]
    heartbeat: Duration,
    /// The unit in which the protocol counts time
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = parse_duration)]
    tick: Duration,
    /// How linearizable reads are served
    #[arg(long, value_enum, default_value_t = Reads::Index)]
    read_mode: Reads,
    /// Most appends on their way to one follower: more hide latency, fewer make larger batches
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = parse_count)]
    appends_in_flight: usize,
    /// Fewest entries of an append that leaves while another one is unanswered: 1 where the way is
    /// long and few entries are written
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = parse_count)]
    append_entries_min: usize,
    /// Take a snapshot and drop the log after so many entries; 0: never
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    snapshot_entries: u64,
    /// Take a snapshot and drop the log after so many bytes of commands; 0: never
    #[arg(long, value_name = "N", default_value_t = 16 << 20)]
    snapshot_bytes: u64,
    /// Bytes of one chunk of a snapshot on its way to a peer
    #[arg(long, value_name = "N", default_value_t = 256 << 10, value_parser = parse_chunk)]
    snapshot_chunk_bytes: usize,
    /// How long a request may take that names no deadline itself
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    request_deadline: Duration,
    /// How long a client session may lie idle
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    session_expiry: Duration,
    /// This node's certificate in PEM form; TLS is on, and everyone has to show one, once it is given
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_ca"])]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The certificate of the CA that signed the nodes' and clients' certificates
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// Serve metrics in Prometheus' text form at /metrics on this address
    #[arg(long, value_name = "IP:PORT")]
    metrics: Option<SocketAddr>,
    /// Start as no member, to be added to the cluster of the --peers by `kv member add`
    #[arg(long)]
    join: bool,
    /// Break one rule on purpose, to test a checker; see the list below
    #[arg(long, value_name = "NAME")]
    mutant: Option<Mutant>,
    /// Make election timeouts repeatable
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Whether the log is coloured
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Tell votes and trials as well; twice: every event
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reads {
    /// Confirm leadership by a heartbeat round that begins after the read
    Index,
    /// Put every read through the log: slow, and beyond doubt
    Log,
    /// Trust a lease: no round, and stale reads when a process is paused or a clock runs wrong
    Lease,
}

/// Whether output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// If it goes to a terminal and NO_COLOR is not set
    Auto,
    /// Yes
    Always,
    /// No
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
    }
}

impl ServerArguments {
    fn config(self) -> Result<Config, ServeError> {
        let defaults = Config::new(self.node_id, &self.cluster_id, self.listen, self.data_dir);
        Ok(Config {
            peers: each_once("--peer", self.peers)?,
            client_addresses: each_once("--client-address", self.client_addresses)?,
            trace: self.trace,
            journal: self.journal,
            tick: self.tick,
            election_timeout_min: self.election_timeout.0,
            election_timeout_max: self.election_timeout.1,
            heartbeat: self.heartbeat,
            read_mode: match self.read_mode {
                Reads::Index => ReadMode::Index,
                Reads::Log => ReadMode::Log,
                Reads::Lease => ReadMode::Lease,
            },
            mutant: self.mutant,
            appends_in_flight: self.appends_in_flight,
            append_entries_min: self.append_entries_min,
            snapshots: SnapshotPolicy {
                entries: self.snapshot_entries,
                bytes: self.snapshot_bytes,
            },
            snapshot_chunk_bytes: self.snapshot_chunk_bytes,
            request_deadline: self.request_deadline,
            session_expiry: self.session_expiry,
            tls: tls_files(self.tls_cert, self.tls_key, self.tls_ca),
            metrics: self.metrics,
            join: self.join,
            color: self.color.into(),
            verbosity: self.verbose,
            seed: self.seed,
            ..defaults
        })
    }
}

/// The three files of TLS, which the command line asks for together.
pub(crate) fn tls_files(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
) -> Option<TlsFiles> {
    Some(TlsFiles { cert: cert?, key: key?, ca: ca? })
}

/// Runs the node until SIGTERM or SIGINT; both stop it gracefully.
pub(crate) fn run(arguments: ServerArguments) -> Result<Exit> {
    end_on_panic();
    // One thread: the node is one loop, and five of them share a machine.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let config = match arguments.config() {
            Ok(config) => config,
            Err(error) => return anyhow::Ok(Err(error)),
        };
        // As a task of its own: waking the future that a runtime blocks on costs a write to the
        // runtime's event file and a turn of epoll, each time, even from the runtime's own thread.
        let node = tokio::spawn(whitewater_server::serve(config, stop));
        node.await.context("run the node")
    })?;
    let Err(error) = served else { return Ok(Exit::Pass) };
    let exit = match error.exit_code() {
        2 => Exit::Usage,
        4 => Exit::Environment,
        _ => Exit::Internal,
    };
    print_error(&format!("error: {}", sentence::of(&error.into())));
    Ok(exit)
}

/// A node that has panicked in any thread must not go on half alive: it would still answer.
fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

fn each_once(
    flag: &str,
    pairs: Vec<(NodeId, String)>,
) -> Result<BTreeMap<NodeId, String>, ServeError> {
    let mut found = BTreeMap::new();
    for (node, address) in pairs {
        if found.insert(node, address).is_some() {
            return Err(ServeError::Config(format!("{flag} names node {node} twice")));
        }
    }
    Ok(found)
}

fn mutants_help() -> String {
    let lines = CATALOGUE.iter().map(|card| format!("  {:<25} {}\n", card.name, card.broken));
    format!("Mutants, each of which breaks one rule:\n{}", lines.collect::<String>())
}

fn parse_peer(text: &str) -> Result<(NodeId, String), String> {
    let wrong = || format!("{text:?} is not of the form 2=HOST:PORT");
    let (node, address) = text.split_once('=').ok_or_else(wrong)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let node: NodeId = node.parse().map_err(|_| wrong())?;
    port.parse::<u16>().map_err(|_| wrong())?;
    if node == 0 || host.is_empty() {
        return Err(wrong());
    }
    Ok((node, address.to_owned()))
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is not a number above 0")),
        Ok(count) => Ok(count),
    }
}

fn parse_chunk(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is not a number of bytes above 0")),
        // A chunk has to fit into a message of the protocol.
        Ok(bytes) if bytes > 8 << 20 => Err("a chunk has at most 8 MiB".into()),
        Ok(bytes) => Ok(bytes),
    }
}

fn parse_range(text: &str) -> Result<(Duration, Duration), String> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    Ok((parse_duration(min)?, parse_duration(max)?))
}

/// A time with its unit: `300ms`, `2s`, `1m`, `1h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 300ms, 2s, 1m or 1h");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    crate::flags::within_longest(millis.map(Duration::from_millis).ok_or_else(wrong)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        server: ServerArguments,
    }

    fn parse(line: &str) -> Result<ServerArguments, clap::Error> {
        Line::try_parse_from(format!("whitewater {line}").split(' ')).map(|line| line.server)
    }

    #[test]
    fn a_whole_line_becomes_a_config() {
        let line = "--node-id 1 --listen 127.0.0.1:7101 --peer 2=h:7102 --peer 3=h:7103 \
                    --data-dir d --election-timeout 200ms-1s --mutant no-dedupe -vv";
        let config = parse(line).unwrap().config().unwrap();
        config.check().unwrap();
        assert_eq!(config.peers.len(), 2);
        assert_eq!(config.election_timeout_max, Duration::from_secs(1));
        assert_eq!((config.mutant, config.verbosity), (Some(Mutant::NoDedupe), 2));
    }

    #[test]
    fn mistakes_are_named() {
        let base = "--node-id 1 --listen 127.0.0.1:7101 --data-dir d";
        for (wrong, expected) in [
            ("--mutant no-dedup", "known are"),
            ("--peer 2", "2=HOST:PORT"),
            ("--peer 0=h:1", "2=HOST:PORT"),
            ("--heartbeat 5", "not a time"),
            ("--election-timeout 1s-x", "not a time"),
            ("--snapshot-chunk-bytes 0", "above 0"),
            ("--tls-cert c.pem", "--tls-key"),
        ] {
            let error = parse(&format!("{base} {wrong}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{wrong}: {error}");
        }
        let twice = parse(&format!("{base} --peer 2=h:1 --peer 2=h:2")).unwrap().config();
        assert!(twice.unwrap_err().to_string().contains("names node 2 twice"));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "5", "ms", "1d", "-1s", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
