//! The simulated world: machines, links and clients, and what happens among them next.
//!
//! One thread, one queue. Whatever a node wants done lands on its [`Deck`]; the world
//! carries it to where it goes, in as much virtual time as weather and faults make it take.

use std::mem;

use whitewater_checker::observation::ProcessChange;
use whitewater_raft::event::Role;
use whitewater_raft::{Body, Message, NodeId, Status};
use whitewater_server::node::Node;
use whitewater_server::storage::Report;

use super::chance::Chance;
use super::clients::{Seat, hand_over, seats};
use super::deck::{Call, Deck};
use super::host::{Batch, Build, Host, NotStarted, Process, is_reply, node_of};
use super::nemesis::Nemesis;
use super::network::Network;
use super::panics::guarded;
use super::plots::Plotter;
use super::queue::Queue;
use super::record::Recording;
use super::snapshots::{Parcel, Receipt, weight};
use super::volume::{Crash, MemoryVolume};
use super::weather::TICK_NS;
use crate::observe::poll_of;
use crate::plan::Plan;
use crate::workload::{Input, Shared};
use whitewater_target::Request;

const MILLISECOND: u64 = 1_000_000;
/// Pause between two rounds of status polls.
const POLL_NS: u64 = 75 * MILLISECOND;
/// What waited for a paused process reaches it within this.
const RESUME_NS: u64 = 2 * MILLISECOND;
/// No client: the operator.
pub(super) const OPERATOR: usize = usize::MAX;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Happening {
    /// Something reaches a machine; with a boot, only that process.
    At { host: usize, boot: Option<u64>, arrival: Arrival },
    /// A client's wait ends.
    Client { client: usize, turn: u64, input: Input },
    /// The nodes are asked for their status.
    Poll,
    /// The nemesis has something to do.
    Nemesis(super::nemesis::Due),
}

/// What reaches a machine.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Its server has read its disk.
    Recovered,
    /// Its clock ticks.
    Tick,
    /// A peer's message.
    Message(Message),
    /// A peer's piece of a snapshot.
    Chunk(Parcel),
    /// The answer to one.
    Receipt(Receipt),
    /// One that was not answered in time.
    ChunkOverdue { peer: NodeId, attempt: u64 },
    /// A client's request.
    Request { call: Call, request: Request },
    /// A batch of disk work is done.
    Disk(Vec<Report>),
    /// The disk failed.
    DiskFailed(String),
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) plan: &'a Plan,
    pub(super) build: Build,
    pub(super) now_ns: u64,
    pub(super) queue: Queue<Happening>,
    pub(super) hosts: Vec<Host>,
    pub(super) network: Network,
    pub(super) seats: Vec<Seat>,
    pub(super) shared: Shared,
    pub(super) recording: Recording,
    pub(super) nemesis: Nemesis,
    pub(super) plotter: Plotter,
    pub(super) chance: Chance,
    /// What waits for a paused process, by machine.
    held: Vec<Vec<Arrival>>,
    /// Happenings so far.
    pub(super) happened: u64,
}

impl<'a> World<'a> {
    /// A world in which nothing has happened yet.
    pub(super) fn new(plan: &'a Plan, build: Build) -> Self {
        let seed = build.seed;
        let weather = build.weather;
        let mut chance = Chance::new(seed, 1);
        let hosts = (1..=build.nodes).map(|id| {
            let slowness = 1 + chance.below(weather.disk_spread);
            let volume = MemoryVolume::new(
                u32::try_from(id).expect("a small cluster"),
                weather.disks.slower(slowness),
                Chance::new(seed, 0x100 + id),
            );
            let drift = chance.below(2 * weather.drift_in_a_thousand + 1);
            let tick_ns = TICK_NS * (1_000 + drift - weather.drift_in_a_thousand) / 1_000;
            Host::new(id, volume, tick_ns)
        });
        let hosts: Vec<Host> = hosts.collect();
        World {
            plan,
            now_ns: 0,
            queue: Queue::new(),
            network: Network::new(weather.links, Chance::new(seed, 2)),
            seats: seats(plan, &weather),
            shared: Shared::new(&plan.workload, plan.nodes),
            recording: Recording::default(),
            nemesis: Nemesis::new(plan, &weather),
            plotter: Plotter::new(weather.plots, Chance::new(seed, 5)),
            chance,
            held: hosts.iter().map(|_| Vec::new()).collect(),
            happened: 0,
            hosts,
            build,
        }
    }

    /// Lets things happen until then, or until the nodes were asked for their status.
    pub(super) fn run(&mut self, until_ns: u64) {
        while let Some((at_ns, happening)) = self.queue.pop() {
            if at_ns > until_ns {
                self.queue.push(at_ns, happening);
                self.now_ns = until_ns;
                return;
            }
            self.now_ns = at_ns;
            self.happened += 1;
            let is_poll = matches!(happening, Happening::Poll);
            self.happen(happening);
            if is_poll {
                return;
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::At { host, boot, arrival } => self.arrive(host, boot, arrival),
            Happening::Client { client, turn, input } => self.client(client, turn, input),
            Happening::Poll => self.poll(),
            Happening::Nemesis(act) => self.act(act),
        }
    }

    /// Starts every machine and the polls.
    pub(super) fn start(&mut self) {
        for host in 0..self.hosts.len() {
            self.start_host(host);
        }
        self.queue.push(self.now_ns + POLL_NS, Happening::Poll);
    }

    /// Starts a machine's server, which first reads its disk.
    pub(super) fn start_host(&mut self, host: usize) {
        let ready_ns = self.hosts[host].start(self.now_ns, &self.build);
        let Host { id, boot, .. } = self.hosts[host];
        self.recording.process(self.now_ns, id, boot, ProcessChange::Started);
        let arrival = Arrival::Recovered;
        self.queue.push(ready_ns, Happening::At { host, boot: Some(boot), arrival });
    }

    /// A server has read its disk, and runs. Where it refuses to, that is recorded.
    fn recovered(&mut self, host: usize) {
        let Some(result) = self.hosts[host].run(self.now_ns, &self.build) else { return };
        if let Err(error) = result {
            return self.not_started(host, error);
        }
        let Host { id, boot, .. } = self.hosts[host];
        self.recording.process(self.now_ns, id, boot, ProcessChange::Ready);
        let first_ns = match self.build.weather.is_in_step {
            true => (self.now_ns / TICK_NS + 1) * TICK_NS,
            false => self.now_ns + self.chance.below(self.hosts[host].tick_ns),
        };
        let arrival = Arrival::Tick;
        self.queue.push(first_ns, Happening::At { host, boot: Some(boot), arrival });
        self.drain(host, None);
    }

    /// A server that its disk failed is started again; one that refuses what it found would again.
    fn not_started(&mut self, host: usize, error: NotStarted) {
        let (expected, how, last_words) = match error {
            NotStarted::DiskFailed(error) => (true, format!("exit code 4: {error}"), Vec::new()),
            NotStarted::Refused(error) => (false, "exit code 4".to_owned(), vec![error]),
        };
        let Host { id, boot, .. } = &self.hosts[host];
        let change = ProcessChange::Exited { how: how.clone(), expected, last_words };
        self.recording.process(self.now_ns, *id, *boot, change);
        self.hosts[host].ended.clone_from(&how);
        if expected {
            let crash = self.draw_crash();
            self.hosts[host].crash(self.now_ns, &how, crash);
            self.nemesis.restart_later(host, self.now_ns, &mut self.queue);
        }
    }

    /// Ends a machine's server from outside.
    pub(super) fn crash_host(&mut self, host: usize, how: &str, crash: Crash) -> bool {
        let is_up = self.hosts[host].is_up();
        if is_up {
            self.end_host(host, how.to_owned(), Vec::new(), crash);
        }
        is_up
    }

    /// A server ends. It has last words where nobody ended it.
    fn end_host(&mut self, host: usize, how: String, last_words: Vec<String>, crash: Crash) {
        let Host { id, boot, .. } = &self.hosts[host];
        let expected = last_words.is_empty();
        let change = ProcessChange::Exited { how: how.clone(), expected, last_words };
        self.recording.process(self.now_ns, *id, *boot, change);
        let number = u32::try_from(*id).expect("a small cluster");
        self.hosts[host].crash(self.now_ns, &how, crash);
        self.held[host].clear();
        self.break_connections(number);
    }

    /// Stops a process, or lets it go on. False: there is none.
    pub(super) fn pause_host(&mut self, host: usize, is_paused: bool) -> bool {
        let Some(process) = &mut self.hosts[host].process else { return false };
        process.is_paused = is_paused;
        if is_paused {
            return true;
        }
        let boot = Some(self.hosts[host].boot);
        for arrival in mem::take(&mut self.held[host]) {
            // A resumed server does not make up for the ticks that it slept through. What waited in
            // its sockets and queues comes in whatever order its threads run in.
            if !matches!(arrival, Arrival::Tick) {
                let at_ns = self.now_ns + self.chance.below(RESUME_NS);
                self.queue.push(at_ns, Happening::At { host, boot, arrival });
            }
        }
        true
    }

    fn arrive(&mut self, host: usize, boot: Option<u64>, arrival: Arrival) {
        let machine = &self.hosts[host];
        if boot.is_some_and(|boot| boot != machine.boot) {
            return;
        }
        if let Arrival::Recovered = arrival {
            return self.recovered(host);
        }
        let Some(process) = &machine.process else {
            if let Arrival::Request { call, .. } = arrival {
                let node = u32::try_from(machine.id).expect("a small cluster");
                self.refuse(node, call);
            }
            return;
        };
        if let Arrival::Tick = arrival {
            let next = Happening::At { host, boot, arrival: Arrival::Tick };
            self.queue.push(self.now_ns + machine.tick_ns, next);
        }
        if process.is_paused {
            self.held[host].push(arrival);
        } else {
            self.take(host, arrival);
        }
    }

    /// A running process takes an input, and carries out what follows from it.
    fn take(&mut self, host: usize, arrival: Arrival) {
        if let Arrival::DiskFailed(error) = arrival {
            return self.disk_failed(host, &error);
        }
        let (now_ns, expiry_ms) = (self.now_ns, self.build.weather.session_expiry_ms);
        let machine = &mut self.hosts[host];
        let Some(process) = &mut machine.process else { return };
        let volume = &machine.volume;
        let result = guarded(|| {
            process.node.effects().now_ns = now_ns;
            take_input(process, arrival, now_ns, expiry_ms);
            process.node.advance();
            process.write(volume, now_ns)
        });
        match result {
            Ok(batch) => self.drain(host, batch),
            Err(words) => self.panicked(host, words),
        }
    }

    /// A node does something that no input told it to.
    pub(super) fn prompt(&mut self, host: usize, what: impl FnOnce(&mut Node<Deck>)) {
        let now_ns = self.now_ns;
        let machine = &mut self.hosts[host];
        let Some(process) = &mut machine.process else { return };
        process.node.effects().now_ns = now_ns;
        what(&mut process.node);
        process.node.advance();
        let batch = process.write(&machine.volume, now_ns);
        self.drain(host, batch);
    }

    /// A server that broke its own rules ends, and whoever looks after it starts it again.
    fn panicked(&mut self, host: usize, words: String) {
        let how = "panicked".to_owned();
        self.end_host(host, how, vec![words], Crash::Process);
        self.nemesis.restart_later(host, self.now_ns, &mut self.queue);
    }

    /// A server whose disk failed ends, and whoever looks after it starts it again: with the power off in between,
    /// or on the same page cache, which has taken for written what was not.
    fn disk_failed(&mut self, host: usize, error: &str) {
        let crash = self.draw_crash();
        self.crash_host(host, &format!("exit code 4: {error}"), crash);
        self.nemesis.restart_later(host, self.now_ns, &mut self.queue);
    }

    /// Carries a node's effects into the world.
    fn drain(&mut self, host: usize, batch: Option<Batch>) {
        let Some(process) = &mut self.hosts[host].process else { return };
        let deck = process.node.effects();
        let records = mem::take(&mut deck.records);
        let messages = mem::take(&mut deck.messages);
        let snapshots = mem::take(&mut deck.snapshots);
        let answers = mem::take(&mut deck.answers);
        for record in &records {
            self.lie_in_wait(host, record);
        }
        self.recording.trace.extend(records);
        for message in messages {
            self.send(host, message);
        }
        self.carry_snapshots(host, snapshots);
        let own = u32::try_from(self.hosts[host].id).expect("a small cluster");
        for (call, answer) in answers {
            self.answer_client(own, call, answer);
        }
        if let Some(batch) = batch {
            self.write(host, batch);
        }
    }

    /// A batch of disk work is under way.
    fn write(&mut self, host: usize, batch: Batch) {
        let arrival = match batch.failure {
            None => Arrival::Disk(batch.reports),
            Some(error) => Arrival::DiskFailed(error.to_string()),
        };
        let boot = Some(self.hosts[host].boot);
        self.queue.push(batch.done_ns, Happening::At { host, boot, arrival });
        if batch.saves_snapshot {
            self.lie_in_wait_for_snapshot(host, batch.done_ns);
        }
    }

    fn send(&mut self, host: usize, message: Message) {
        if let Some(process) = &mut self.hosts[host].process
            && !is_reply(&message)
        {
            process.asked(message.request);
        }
        let bytes = weight(&message);
        self.carry((message.from, message.to), None, (message, bytes), Arrival::Message);
    }

    /// The status of a machine's node, where it would answer.
    pub(super) fn status(&self, host: usize) -> Option<Status> {
        let process = self.hosts[host].process.as_ref()?;
        (!process.is_paused).then(|| process.node.status())
    }

    /// The node that leads now, and its term.
    pub(super) fn leader(&self) -> Option<(u32, u64)> {
        let leads = (0..self.hosts.len()).filter_map(|host| {
            let status = self.status(host)?;
            let id = u32::try_from(self.hosts[host].id).ok()?;
            (status.role == Role::Leader).then_some((status.hard_state.term, id))
        });
        leads.max().map(|(term, id)| (id, term))
    }

    fn poll(&mut self) {
        for host in 0..self.hosts.len() {
            if let Some(status) = self.node_status(host) {
                let poll = poll_of(node_of(host), self.now_ns, &status, false);
                self.recording.status.push(poll);
            }
        }
        self.queue.push(self.now_ns + POLL_NS, Happening::Poll);
    }
}

/// Gives an input to a node.
fn take_input(process: &mut Process, arrival: Arrival, now_ns: u64, expiry_ms: u64) {
    match arrival {
        Arrival::Tick => process.node.tick(),
        Arrival::Message(message) => {
            if !process.expects(&message) {
                return;
            }
            let arrived = matches!(message.body, Body::SnapshotReply { .. });
            let (peer, request) = (message.from, message.request);
            process.node.step(message, None);
            if arrived {
                process.snapshot_ended(peer, request, true);
            }
        }
        Arrival::Request { call, request } => {
            if now_ns < call.deadline_ns {
                hand_over(process, call, request, now_ns / MILLISECOND, expiry_ms);
            }
        }
        Arrival::Disk(reports) => process.written(reports),
        Arrival::DiskFailed(_) | Arrival::Recovered => {}
        Arrival::Chunk(parcel) => process.take_parcel(parcel),
        Arrival::Receipt(receipt) => process.take_receipt(&receipt),
        Arrival::ChunkOverdue { peer, attempt } => process.chunk_overdue(peer, attempt),
    }
}
