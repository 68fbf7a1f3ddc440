//! A node without its I/O: the protocol core, the state machine, and who waits for what.
//!
//! A [`Node`] takes inputs (ticks, messages, commands, reads, finished writes) and carries out each
//! [`Ready`] in the order its documentation demands, through [`Effects`]. The server's loop
//! ([`crate::run`]) gives it sockets and a disk; the simulator gives it virtual ones. It reads no clock
//! and knows no gRPC.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use whitewater_raft::event::{Event, Record, Traced};
use whitewater_raft::{
    Chain, Config, Entry, Index, Membership, MembershipChange, Message, NodeId, Payload, Persist,
    Position, Raft, ReadOutcome, Ready, Refused, Restored, SnapshotMeta, Status, Term,
};

use crate::answer::{Answer, Failure, FailureKind, Outcome};
use crate::command::Command;
use crate::intake::Intake;
use crate::machine::{Machine, Reply};
use crate::storage::Recovered;

/// Most commands and reads that wait at once; beyond it clients are told `overloaded`. Bounds the
/// memory that waiting takes to some tens of megabytes, at far more clients than one node can serve.
pub const WAITING_MAX: usize = 16_384;

/// What a node does to the world.
pub trait Effects {
    /// The way back to one waiting client.
    type Client;

    /// CLOCK_MONOTONIC, or the simulator's clock.
    fn now_ns(&self) -> u64;
    /// Writes trace lines. They are out before anything that comes after.
    fn trace(&mut self, records: &[Record]);
    /// Tells a person of an event.
    fn log(&mut self, event: &Traced);
    /// Sends a request or reply to a peer. May be lost.
    fn send(&mut self, message: Message);
    /// Begins to make this durable; the snapshot's data comes with it. [`Node::persisted`] tells the end.
    fn persist(&mut self, persist: Persist, snapshot: Option<Bytes>);
    /// Begins to make a snapshot of the own state durable. [`Node::snapshot_saved`] tells the end.
    fn save_snapshot(&mut self, meta: SnapshotMeta, data: Bytes);
    /// The log may be dropped up to here.
    fn compact(&mut self, index: Index);
    /// Begins to send the latest snapshot to a peer. [`Node::snapshot_sent`] tells the end.
    fn send_snapshot(&mut self, peer: NodeId, term: Term, snapshot: (SnapshotMeta, Bytes));
    /// Where members are reached has changed.
    fn learn_addresses(&mut self, addresses: &BTreeMap<NodeId, String>);
    /// Answers a client.
    fn answer(&mut self, client: Self::Client, answer: Answer);
    /// Whether the client still waits.
    fn waits(&self, client: &Self::Client) -> bool;
}

/// What a node is made of.
#[derive(Debug)]
pub struct Setup {
    /// The core's settings.
    pub raft: Config,
    /// Counts the starts, for the trace.
    pub boot: u64,
    /// The seeded bug's name, for the trace.
    pub mutant: Option<String>,
    /// The membership of a cluster that is just being made.
    pub bootstrap: Membership,
    /// An empty machine, on the session table in force.
    pub machine: Machine,
    /// What happens to commands before the log.
    pub intake: Box<dyn Intake>,
    /// When to take a snapshot.
    pub snapshots: SnapshotPolicy,
}

/// When a node takes a snapshot and drops its log.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotPolicy {
    /// After this many entries; 0: never.
    pub entries: u64,
    /// After this many payload bytes; 0: never.
    pub bytes: u64,
}

/// A command that waits to be applied at its index.
#[derive(Debug)]
struct Pending<C> {
    term: Term,
    client: C,
}

/// A read that waits for its index.
#[derive(Debug)]
struct PendingRead<C> {
    key: String,
    client: C,
}

/// What has to wait for the disk.
#[derive(Debug)]
struct AfterPersist {
    number: u64,
    events: Vec<Traced>,
    messages: Vec<Message>,
    installs: Option<SnapshotMeta>,
}

/// One node. See the module's documentation.
#[derive(Debug)]
pub struct Node<E: Effects> {
    id: NodeId,
    raft: Raft,
    /// The core's term, as of the last [`Ready`].
    term: Term,
    machine: Machine,
    /// The membership in force at the last entry applied.
    membership: Membership,
    intake: Box<dyn Intake>,
    effects: E,
    boot: u64,
    seq: u64,
    /// Commands in the log, by index.
    pending: BTreeMap<Index, Pending<E::Client>>,
    reads: BTreeMap<u64, PendingRead<E::Client>>,
    next_read: u64,
    /// In the order of their numbers.
    after_persist: VecDeque<AfterPersist>,
    /// The last persist begun, and the last one finished.
    persist_begun: u64,
    persist_done: u64,
    snapshots: SnapshotPolicy,
    /// Payload bytes applied since the last snapshot.
    bytes_since_snapshot: u64,
    /// The own snapshot that is being written, and the state hash in it.
    saving: Option<(Bytes, Chain)>,
    /// The latest durable snapshot.
    snapshot: Option<(SnapshotMeta, Bytes)>,
    /// Snapshots of a leader that arrived and are not installed yet, by last index.
    received: BTreeMap<Index, Bytes>,
}

impl<E: Effects> Node<E> {
    /// A node that knows what its disk knew. Writes the trace's boot line.
    pub fn new(
        setup: Setup,
        recovered: Recovered,
        effects: E,
    ) -> Result<Node<E>, crate::machine::SnapshotDataError> {
        let mut machine = setup.machine;
        if let Some((_, data)) = &recovered.snapshot {
            machine.load(data)?;
        }
        let membership = match &recovered.snapshot {
            Some((meta, _)) => meta.membership.clone(),
            None => setup.bootstrap.clone(),
        };
        let term = recovered.hard_state.term;
        let restored = Restored {
            hard_state: recovered.hard_state,
            snapshot: recovered.snapshot.as_ref().map(|(meta, _)| meta.clone()),
            entries: recovered.entries,
            bootstrap: setup.bootstrap,
        };
        let id = setup.raft.id;
        let mut node = Node {
            id,
            raft: Raft::new(setup.raft, restored),
            term,
            machine,
            membership,
            intake: setup.intake,
            effects,
            boot: setup.boot,
            seq: 0,
            pending: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_read: 0,
            after_persist: VecDeque::new(),
            persist_begun: 0,
            persist_done: 0,
            snapshots: setup.snapshots,
            bytes_since_snapshot: 0,
            saving: None,
            snapshot: recovered.snapshot,
            received: BTreeMap::new(),
        };
        node.effects.learn_addresses(node.machine.addresses());
        node.tell_boot(setup.mutant);
        Ok(node)
    }

    fn tell_boot(&mut self, mutant: Option<String>) {
        let status = self.raft.status();
        let event = Event::Boot {
            hard_state: status.hard_state,
            snapshot: status.snapshot,
            last: status.last,
            chain: self.raft.chain_at(status.last.index).unwrap_or_default(),
            applied: self.machine.applied(),
            state_hash: self.machine.state_hash(),
            mutant,
            membership: status.membership,
        };
        self.tell(vec![event]);
    }

    /// The world this node acts on.
    pub fn effects(&mut self) -> &mut E {
        &mut self.effects
    }

    /// The core's view.
    pub fn status(&self) -> Status {
        self.raft.status()
    }

    /// The state machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The chain hash at the last entry applied.
    pub fn applied_chain(&self) -> Chain {
        self.raft.chain_at(self.machine.applied()).unwrap_or_default()
    }

    /// How many persists are on their way to the disk.
    pub fn persists_outstanding(&self) -> u64 {
        self.persist_begun - self.persist_done
    }

    /// A unit of time passed.
    pub fn tick(&mut self) {
        self.raft.tick();
        let effects = &self.effects;
        self.pending.retain(|_, pending| effects.waits(&pending.client));
        self.reads.retain(|_, read| effects.waits(&read.client));
    }

    /// A message arrived; a snapshot comes with its data.
    pub fn step(&mut self, message: Message, snapshot: Option<Bytes>) {
        if let whitewater_raft::Body::Snapshot { meta, .. } = &message.body
            && let Some(data) = snapshot
        {
            self.received.insert(meta.last.index, data);
        }
        self.raft.step(message);
    }

    /// A client's command arrived.
    pub fn write(&mut self, command: Command, client: E::Client) {
        if self.pending.len() >= WAITING_MAX {
            return self.fail(client, overloaded());
        }
        let command = match self.intake.admit(command, &self.machine) {
            Ok(command) => command,
            Err(reply) => return self.reply(client, Outcome::Reply(reply), 0),
        };
        match self.raft.propose(command.encode()) {
            Ok(position) if self.raft.acknowledges(position.index) => {
                let reply = self.machine.preview(&command, position.index);
                self.reply(client, Outcome::Reply(reply), position.index);
            }
            Ok(position) => self.wait(position, client),
            Err(refused) => self.refuse(client, refused),
        }
    }

    /// A client's read arrived.
    pub fn read(&mut self, key: String, leader_only: bool, client: E::Client) {
        if self.reads.len() >= WAITING_MAX {
            return self.fail(client, overloaded());
        }
        let leader = self.raft.leader();
        if leader_only && leader != Some(self.id) {
            return self.refuse(client, Refused::NotLeader(leader));
        }
        self.next_read += 1;
        self.reads.insert(self.next_read, PendingRead { key, client });
        self.raft.read(self.next_read);
    }

    /// An operator wants other members. The new one's address goes through the log before it, so that
    /// every later leader knows how to reach it.
    pub fn change_membership(
        &mut self,
        change: MembershipChange,
        address: Option<String>,
        client: E::Client,
    ) {
        if let (MembershipChange::AddLearner(node), Some(address)) = (change, address) {
            let command = Command::Address { node, address };
            if let Err(refused) = self.raft.propose(command.encode()) {
                return self.refuse(client, refused);
            }
        }
        match self.raft.change_membership(change) {
            Ok(position) => self.wait(position, client),
            Err(refused) => self.refuse(client, refused),
        }
    }

    /// An operator wants another leader. The answer says that the hand-over has begun.
    pub fn transfer_leadership(&mut self, target: Option<NodeId>, client: E::Client) {
        match self.raft.transfer_leadership(target) {
            Ok(_) => self.reply(client, Outcome::Changed, 0),
            Err(refused) => self.refuse(client, refused),
        }
    }

    /// Asks a peer to take over. False: there is nothing to hand over, or nobody to take it.
    pub fn hand_over(&mut self) -> bool {
        self.raft.transfer_leadership(None).is_ok()
    }

    /// Persists up to this number are durable.
    pub fn persisted(&mut self, number: u64) {
        self.persist_done = number;
        while let Some(after) = self.after_persist.pop_front_if(|after| after.number <= number) {
            if let Some(meta) = after.installs {
                self.install(meta);
            }
            self.tell_core(&after.events);
            for message in after.messages {
                self.effects.send(message);
            }
        }
        self.raft.persisted(number);
    }

    /// Carries out what the core decided, until it has nothing more to say.
    pub fn advance(&mut self) {
        while self.raft.has_ready() {
            let ready = self.raft.ready();
            self.term = self.raft.status().hard_state.term;
            self.carry_out(ready);
        }
    }

    fn carry_out(&mut self, ready: Ready) {
        self.tell_core(&ready.events);
        for message in ready.messages {
            self.effects.send(message);
        }
        let mut installs = None;
        if let Some(persist) = ready.persist {
            self.persist_begun = persist.number;
            installs.clone_from(&persist.snapshot);
            let data = installs.as_ref().and_then(|meta| self.received.get(&meta.last.index));
            self.effects.persist(persist, data.cloned());
        }
        self.apply(&ready.committed);
        self.answer_reads(ready.reads);
        self.send_snapshots(&ready.snapshots_wanted);
        let (events, messages) = (ready.events_after_persist, ready.messages_after_persist);
        let number = self.persist_begun;
        if number > self.persist_done {
            self.after_persist.push_back(AfterPersist { number, events, messages, installs });
            return;
        }
        self.tell_core(&events);
        for message in messages {
            self.effects.send(message);
        }
    }

    fn apply(&mut self, entries: &[Entry]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let mut events = Vec::with_capacity(entries.len() + 1);
        let mut replies = Vec::new();
        for entry in entries {
            let reply = self.apply_one(entry, &mut events);
            if let Some(pending) = self.pending.remove(&entry.index) {
                replies.push((pending, entry.position(), reply));
            }
        }
        self.raft.applied(last.index);
        let chain = self.raft.chain_at(last.index).unwrap_or_default();
        let state_hash = Some(self.machine.state_hash());
        events.push(Event::Apply { from: first.index, to: last.position(), chain, state_hash });
        self.tell(events);
        for (pending, position, reply) in replies {
            if pending.term == position.term {
                self.reply(pending.client, reply, position.index);
            } else {
                let text = "another leader's entry took this command's place in the log";
                self.fail(pending.client, Failure::definite(FailureKind::LostLeadership, text));
            }
        }
        self.snapshot_if_due();
    }

    fn apply_one(&mut self, entry: &Entry, events: &mut Vec<Event>) -> Outcome {
        let payload = match &entry.payload {
            Payload::Command(payload) => payload,
            other => {
                if let Payload::Membership(membership) = other {
                    self.membership.clone_from(membership);
                }
                self.machine.skip(entry.index);
                return Outcome::Changed;
            }
        };
        self.bytes_since_snapshot += payload.len() as u64;
        let applied = self.machine.apply(entry.index, payload);
        if applied.reply == Reply::Noted {
            self.effects.learn_addresses(self.machine.addresses());
        }
        if let Some((session, sequence, fresh)) = applied.command {
            events.push(Event::Command { index: entry.index, session, sequence, fresh });
        }
        Outcome::Reply(applied.reply)
    }

    fn answer_reads(&mut self, outcomes: Vec<ReadOutcome>) {
        for outcome in outcomes {
            let Some(read) = self.reads.remove(&outcome.context) else { continue };
            match outcome.index {
                Some(index) => {
                    let value = self.machine.get(&read.key).cloned();
                    self.reply(
                        read.client,
                        Outcome::Value(value),
                        index.max(self.machine.applied()),
                    );
                }
                None => self.refuse(read.client, Refused::NotLeader(self.raft.leader())),
            }
        }
    }

    fn wait(&mut self, position: Position, client: E::Client) {
        // A leader that lost an entry here and leads again: the old one can no longer commit.
        let lost = self.pending.insert(position.index, Pending { term: position.term, client });
        if let Some(lost) = lost {
            let text = "this command's place in the log was given to another one";
            self.fail(lost.client, Failure::definite(FailureKind::LostLeadership, text));
        }
    }

    fn reply(&mut self, client: E::Client, outcome: Outcome, index: Index) {
        let outcome = match outcome {
            Outcome::Reply(Reply::UnknownSession) => {
                let text = "no such session here, or it has expired: open a new one";
                Outcome::Failure(Failure::definite(FailureKind::UnknownSession, text))
            }
            Outcome::Reply(Reply::StaleSequence) => {
                let text = "the session has gone past this sequence number";
                Outcome::Failure(Failure::definite(FailureKind::StaleSequence, text))
            }
            Outcome::Reply(Reply::Unreadable(text)) => {
                Outcome::Failure(Failure::definite(FailureKind::Invalid, text))
            }
            other => other,
        };
        let term = self.term;
        self.effects.answer(client, Answer { outcome, term, index });
    }

    fn refuse(&mut self, client: E::Client, refused: Refused) {
        let failure = match refused {
            Refused::NotLeader(Some(leader)) if leader == self.id => Failure::definite(
                FailureKind::NoLeader,
                "leadership is being won or lost: try again",
            ),
            Refused::NotLeader(Some(leader)) => {
                let text = format!("node {leader} leads");
                let failure = Failure::definite(FailureKind::NotLeader, text);
                Failure { leader: Some(leader), ..failure }
            }
            Refused::NotLeader(None) => {
                Failure::definite(FailureKind::NoLeader, "no leader is known: try again")
            }
            Refused::Transferring => Failure::definite(
                FailureKind::NoLeader,
                "leadership is being handed over: try again",
            ),
            Refused::Membership => Failure::definite(
                FailureKind::Invalid,
                "another membership change is under way, or this one changes nothing",
            ),
        };
        self.fail(client, failure);
    }

    fn fail(&mut self, client: E::Client, failure: Failure) {
        self.reply(client, Outcome::Failure(failure), 0);
    }

    fn snapshot_if_due(&mut self) {
        let since = self.snapshot.as_ref().map_or(0, |(meta, _)| meta.last.index);
        let entries = self.machine.applied() - since.min(self.machine.applied());
        let due = |limit: u64, count: u64| limit != 0 && count >= limit;
        if due(self.snapshots.entries, entries)
            || due(self.snapshots.bytes, self.bytes_since_snapshot)
        {
            self.take_snapshot();
        }
    }

    /// Begins a snapshot of the state as it is, unless one is being written.
    pub fn take_snapshot(&mut self) {
        let index = self.machine.applied();
        let (Some(term), Some(chain)) = (self.raft.term_at(index), self.raft.chain_at(index))
        else {
            return;
        };
        if self.saving.is_some() || index == 0 {
            return;
        }
        self.bytes_since_snapshot = 0;
        let membership = self.membership.clone();
        let meta = SnapshotMeta { last: Position { index, term }, chain, membership };
        let data = self.machine.save();
        self.saving = Some((data.clone(), self.machine.state_hash()));
        self.effects.save_snapshot(meta, data);
    }

    /// A snapshot of the own state is durable.
    pub fn snapshot_saved(&mut self, meta: SnapshotMeta) {
        let Some((data, state_hash)) = self.saving.take() else { return };
        if self.snapshot.as_ref().is_some_and(|(newer, _)| newer.last.index > meta.last.index) {
            return;
        }
        let written = Event::SnapshotWritten { last: meta.last, chain: meta.chain, state_hash };
        self.tell(vec![written]);
        self.snapshot = Some((meta.clone(), data));
        self.effects.compact(meta.last.index);
        self.raft.compacted(meta);
    }

    /// A leader's snapshot is durable: the state becomes what it says.
    fn install(&mut self, meta: SnapshotMeta) {
        let data = self.received.remove(&meta.last.index).unwrap_or_default();
        let applied_before = self.machine.applied();
        self.machine.load(&data).expect("a snapshot is decoded once before it is stepped");
        self.effects.learn_addresses(self.machine.addresses());
        self.raft.applied(meta.last.index);
        let (last, chain) = (meta.last, meta.chain);
        let state_hash = self.machine.state_hash();
        self.tell(vec![Event::SnapshotInstalled { last, chain, state_hash, applied_before }]);
        self.received.retain(|index, _| *index > last.index);
        self.membership.clone_from(&meta.membership);
        self.snapshot = Some((meta, data));
        self.bytes_since_snapshot = 0;
        let passed = self.pending.extract_if(..=last.index, |_, _| true).collect::<Vec<_>>();
        for (_, pending) in passed {
            let text = "the leader's snapshot passed over this command: it may have been applied";
            self.fail(pending.client, Failure::indefinite(FailureKind::TimedOut, text));
        }
        self.effects.compact(last.index);
    }

    fn send_snapshots(&mut self, wanted: &[NodeId]) {
        for peer in wanted {
            match &self.snapshot {
                Some(snapshot) => {
                    let term = self.term;
                    self.effects.send_snapshot(*peer, term, snapshot.clone());
                }
                None => self.raft.snapshot_sent(*peer, false),
            }
        }
    }

    /// A snapshot arrived at a peer, or did not.
    pub fn snapshot_sent(&mut self, peer: NodeId, delivered: bool) {
        self.raft.snapshot_sent(peer, delivered);
    }

    /// The node stops: everyone who waits is told what is known.
    pub fn stop(&mut self) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            let text = "the node stops: the command is in its log and may still commit";
            self.fail(pending.client, Failure::indefinite(FailureKind::Stopping, text));
        }
        for (_, read) in std::mem::take(&mut self.reads) {
            self.fail(read.client, Failure::definite(FailureKind::Stopping, "the node stops"));
        }
    }

    fn tell_core(&mut self, events: &[Traced]) {
        if events.is_empty() {
            return;
        }
        let mut records = Vec::with_capacity(events.len());
        for traced in events {
            self.effects.log(traced);
            records.push(self.record(traced.clone()));
        }
        self.effects.trace(&records);
    }

    fn tell(&mut self, events: Vec<Event>) {
        let (term, role) = (self.term, self.raft.role());
        let traced: Vec<_> = events.into_iter().map(|event| Traced { term, role, event }).collect();
        self.tell_core(&traced);
    }

    fn record(&mut self, traced: Traced) -> Record {
        self.seq += 1;
        let Traced { term, role, event } = traced;
        let (node, boot, seq, time_ns) = (self.id, self.boot, self.seq, self.effects.now_ns());
        Record { node, boot, seq, time_ns, term, role, event }
    }
}

fn overloaded() -> Failure {
    Failure::definite(FailureKind::Overloaded, "too many requests are waiting on this node")
}
