//! The loop that owns a node: it takes inputs in batches, ticks, and carries effects into the world.
//!
//! One task owns everything, so nothing here locks. Each turn takes what is queued (bounded), gives it
//! to the [`Node`], and carries out what the node decided once. All queues have a bound: clients beyond
//! it are told `overloaded`, peers wait. While too much is on its way to the disk, neither is taken.

mod world;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use whitewater_raft::Membership;
use whitewater_raft::event::Role;

use crate::ServeError;
use crate::answer::{Answer, Failure, FailureKind, Outcome};
use crate::config::Config;
use crate::inbox::{Client, ClientRequest, NodeView, PeerInput};
use crate::journal::{Recorder, path_of_boot};
use crate::log::Log;
use crate::machine::Machine;
use crate::metrics::{self, Metrics, TimedDisk};
use crate::mutants::Mutant;
use crate::node::{Node, Setup};
use crate::rpc::{self, Addresses, Doors, Tls};
use crate::storage::{
    DataDirectory, Disk, FileDisk, Identity, Recovered, Report, WalOptions, Writer,
};
use world::{Setting, World};

/// Most requests that wait for the loop. It takes all of them within a few milliseconds.
const CLIENT_QUEUE_MAX: usize = 4_096;
/// Most messages of peers that wait for the loop.
const PEER_QUEUE_MAX: usize = 1_024;
/// Most inputs of a kind taken in one turn, so that a tick is never late by much.
const BATCH_MAX: usize = 512;
/// Most persists on their way to the disk before the loop stops taking input.
const PERSISTS_MAX: u64 = 1_024;
/// How long the last replies may take at the end.
const GOODBYE: Duration = Duration::from_millis(200);
/// A gap between two ticks that is worth a line in the log.
const PAUSE_TOLD: Duration = Duration::from_millis(250);

/// Starts everything, and runs until `stop` is ready or something fails.
pub(crate) async fn serve(
    config: Config,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let config = Arc::new(config);
    let log = Log::new(config.node_id, config.verbosity, config.color);
    let tls = config.tls.as_ref().map(Tls::load).transpose()?.map(Arc::new);
    let (directory, recovered, disk) = open_disk(&config, &log)?;
    let metrics = Metrics::new();
    let (clients, client_inbox) = mpsc::channel(CLIENT_QUEUE_MAX);
    let (peers, peer_inbox) = mpsc::channel(PEER_QUEUE_MAX);
    let (reports, report_inbox) = mpsc::unbounded_channel();
    let disk = Box::new(TimedDisk::new(disk, metrics.clone()));
    let writer = Writer::start(disk, reports)
        .map_err(|error| ServeError::Internal(format!("start the disk thread: {error}")))?;
    let addresses = Addresses::new(Arc::clone(&config));
    let doors = Doors { config: Arc::clone(&config), addresses, clients, peers };
    let _metrics_server = match config.metrics {
        None => None,
        Some(address) => Some(AbortOnDrop(
            metrics::serve(address, metrics.clone(), doors.clients.clone()).await?,
        )),
    };
    let setting = Setting { writer, tls: tls.clone(), metrics, log: log.clone() };
    let world = World::new(&doors, setting)?;
    let journal = open_journal(&config, directory.boot())?;
    let node = Node::new(setup(&config, &directory, journal), recovered, world)?;
    if let Some(mutant) = config.mutant {
        log.warn(format_args!("runs as the mutant {mutant}: {}", mutant.card().broken));
    }
    log.info(format_args!(
        "serves cluster {:?} on {}, boot {}",
        config.cluster_id,
        config.listen,
        directory.boot()
    ));
    let (close, closed) = oneshot::channel::<()>();
    let mut server = tokio::spawn(rpc::serve(doors, tls, listener, async move {
        let _ = closed.await;
    }));
    let mut turns = Loop {
        node,
        config,
        boot: directory.boot(),
        clients: client_inbox,
        peers: peer_inbox,
        reports: report_inbox,
        log,
        ticked: StdInstant::now(),
    };
    let result = tokio::select! {
        result = turns.run(stop) => result,
        // The server ends by itself only when it cannot go on.
        ended = &mut server => return ended.unwrap_or_else(|error| {
            Err(ServeError::Internal(error.to_string()))
        }),
    };
    drop(turns);
    drop(close);
    // The replies of the last moment have a chance to get out; clients may hold their connections.
    let _ = tokio::time::timeout(GOODBYE, &mut server).await;
    server.abort();
    result
}

/// A task that does not outlive this.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn open_disk(
    config: &Config,
    log: &Log,
) -> Result<(DataDirectory, Recovered, Box<dyn Disk>), ServeError> {
    let identity = Identity { cluster_id: config.cluster_id.clone(), node_id: config.node_id };
    let voters = voters_named(config);
    let directory = DataDirectory::open(&config.data_dir, &identity, &voters)?;
    if *directory.bootstrap() != voters {
        log.info(format_args!(
            "the voters named at the first start count, {:?}, and what the log changed since; those named now, {:?}, \
             only give addresses",
            directory.bootstrap(),
            voters
        ));
    }
    let options = WalOptions {
        node: config.node_id,
        segment_bytes: config.segment_bytes,
        fsync: config.fsync,
    };
    let mut disk = Mutant::disk(config.mutant, FileDisk::new(directory.path(), options));
    let recovered = disk.recover()?;
    if let Some(torn) = &recovered.torn {
        log.warn(format_args!(
            "cut a torn tail of {} bytes off {} at byte {}: it was never acknowledged",
            torn.bytes,
            torn.segment.display(),
            torn.offset
        ));
    }
    Ok((directory, recovered, disk))
}

fn open_journal(config: &Config, boot: u64) -> Result<Option<Recorder>, ServeError> {
    let Some(path) = &config.journal else { return Ok(None) };
    let path = path_of_boot(path, boot);
    Recorder::create(&path).map(Some).map_err(|source| ServeError::Journal { path, source })
}

/// The voters that this start names.
fn voters_named(config: &Config) -> BTreeSet<u64> {
    match config.join {
        true => BTreeSet::new(),
        false => config.peers.keys().copied().chain([config.node_id]).collect(),
    }
}

fn setup(config: &Config, directory: &DataDirectory, journal: Option<Recorder>) -> Setup {
    let voters = directory.bootstrap().clone();
    let boot = directory.boot();
    let mutant = config.mutant;
    Setup {
        raft: whitewater_raft::Config {
            id: config.node_id,
            election_timeout_ticks_min: config.ticks(config.election_timeout_min),
            election_timeout_ticks_max: config.ticks(config.election_timeout_max),
            heartbeat_ticks: config.ticks(config.heartbeat),
            pre_vote: true,
            check_quorum: true,
            read_mode: Mutant::read_mode(mutant, config.read_mode),
            append_entries_max: 1_024,
            append_bytes_max: 1 << 20,
            appends_in_flight_max: config.appends_in_flight,
            append_entries_min: config.append_entries_min,
            seed: config.seed.unwrap_or_else(crate::clock::monotonic_ns) ^ (config.node_id << 48),
            rules: Mutant::rules(mutant),
        },
        boot,
        mutant: mutant.map(|mutant| mutant.to_string()),
        bootstrap: Membership { voters, ..Membership::default() },
        machine: Machine::new(Mutant::sessions(mutant)),
        intake: Mutant::intake(mutant),
        snapshots: config.snapshots,
        waiting_max: config.waiting_max,
        uncommitted_bytes_max: config.uncommitted_bytes_max,
        journal,
    }
}

struct Loop {
    node: Node<World>,
    config: Arc<Config>,
    boot: u64,
    clients: mpsc::Receiver<ClientRequest>,
    peers: mpsc::Receiver<PeerInput>,
    reports: UnboundedReceiver<Report>,
    log: Log,
    ticked: StdInstant,
}

impl Loop {
    async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let mut ticker: Interval = interval(self.config.tick);
        // A resumed process must not make up for the ticks it slept through: it would take its own
        // pause for the leader's silence.
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        let mut leaves_at: Option<Instant> = None;
        loop {
            let takes = self.node.persists_outstanding() < PERSISTS_MAX;
            tokio::select! {
                () = &mut stop, if leaves_at.is_none() => {
                    leaves_at = Some(self.begin_stop());
                }
                Some(report) = self.reports.recv() => self.report(report)?,
                _ = ticker.tick() => self.tick(),
                Some(input) = self.peers.recv(), if takes => self.peer(input),
                Some(request) = self.clients.recv(), if takes => self.client(request),
            }
            self.take_what_is_queued()?;
            self.node.advance();
            self.node.effects().check()?;
            self.check_journal()?;
            if leaves_at.is_some_and(|at| self.may_leave(at)) {
                self.node.stop();
                return Ok(());
            }
        }
    }

    /// A journal with a hole would not replay: the node ends rather than go on without.
    fn check_journal(&mut self) -> Result<(), ServeError> {
        self.node.check_journal().map_err(|source| {
            let path = self.config.journal.clone().unwrap_or_default();
            ServeError::Journal { path: path_of_boot(&path, self.boot), source }
        })
    }

    /// Takes a batch of everything, so that it shares one `Ready` and one disk write.
    fn take_what_is_queued(&mut self) -> Result<(), ServeError> {
        while let Ok(report) = self.reports.try_recv() {
            self.report(report)?;
        }
        if self.node.persists_outstanding() >= PERSISTS_MAX {
            return Ok(());
        }
        for _ in 0..BATCH_MAX {
            let Ok(input) = self.peers.try_recv() else { break };
            self.peer(input);
        }
        for _ in 0..BATCH_MAX {
            let Ok(request) = self.clients.try_recv() else { break };
            self.client(request);
        }
        Ok(())
    }

    fn tick(&mut self) {
        let gap = self.ticked.elapsed();
        self.ticked = StdInstant::now();
        if gap >= PAUSE_TOLD {
            self.log.warn(format_args!("was paused for {} ms", gap.as_millis()));
        }
        self.node.tick();
    }

    fn report(&mut self, report: Report) -> Result<(), ServeError> {
        match report {
            Report::Persisted(number) => self.node.persisted(number),
            Report::Snapshotted(meta) => self.node.snapshot_saved(meta),
            Report::Failed(error) => {
                self.log.warn(format_args!("ends because the disk failed: {error}"));
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn peer(&mut self, input: PeerInput) {
        match input {
            PeerInput::Request { message, snapshot, reply } => {
                self.node.effects().expect_reply(message.request, reply);
                self.node.step(message, snapshot);
            }
            PeerInput::Reply(message) => self.node.step(message, None),
            PeerInput::SnapshotSent { peer, delivered } => {
                self.node.snapshot_sent(peer, delivered);
            }
        }
    }

    fn client(&mut self, request: ClientRequest) {
        match request {
            ClientRequest::Write { command, client } => {
                if let Some(client) = in_time(client) {
                    self.node.write(command, client);
                }
            }
            ClientRequest::Read { key, leader_only, client } => {
                if let Some(client) = in_time(client) {
                    self.node.read(key, leader_only, client);
                }
            }
            ClientRequest::Transfer { target, client } => {
                self.node.transfer_leadership(target, client);
            }
            ClientRequest::Membership { change, address, client } => {
                self.node.change_membership(change, address, client);
            }
            ClientRequest::Compact(client) => {
                self.node.take_snapshot();
                client.answer(Outcome::Changed);
            }
            ClientRequest::Status(reply) => {
                let view = NodeView {
                    status: self.node.status(),
                    state_hash: self.node.machine().state_hash(),
                    chain: self.node.applied_chain(),
                    boot: self.boot,
                    waiting: self.node.waiting(),
                };
                // Whoever asked may have given up.
                let _ = reply.send(view);
            }
        }
    }

    /// A leader asks a peer to take over, so that the cluster need not wait for an election timeout.
    fn begin_stop(&mut self) -> Instant {
        self.log.info("stops");
        if self.node.hand_over() {
            return Instant::now() + self.config.election_timeout_max;
        }
        Instant::now()
    }

    fn may_leave(&self, at: Instant) -> bool {
        Instant::now() >= at || self.node.status().role != Role::Leader
    }
}

impl Client {
    pub(crate) fn answer(self, outcome: Outcome) {
        // Whoever asked may have given up.
        let _ = self.reply.send(Answer { outcome, term: 0, index: 0 });
    }
}

/// The client, unless its time is over: it is then told so, and nothing of it enters the log.
fn in_time(client: Client) -> Option<Client> {
    if Instant::now() < client.deadline {
        return Some(client);
    }
    let text = "the deadline passed while the request waited on this node";
    client.answer(Outcome::Failure(Failure::definite(FailureKind::TimedOut, text)));
    None
}
