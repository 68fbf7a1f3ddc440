//! A node without its I/O: the protocol core, the state machine, and who waits for what.
//!
//! A [`Node`] takes inputs (ticks, messages, commands, reads, finished writes) and carries out each
//! [`Ready`] in the order its documentation demands, through [`Effects`]. The server's loop
//! (`run`) gives it sockets and a disk; the simulator gives it virtual ones. It reads no clock
//! and knows no gRPC.

mod addresses;
mod clients;
mod effects;
mod snapshots;
#[cfg(test)]
mod tests;
mod uncommitted;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use whitewater_raft::event::{Event, Record, Role, Traced};
use whitewater_raft::{
    Body, Chain, Config, Entry, Index, Membership, Message, NodeId, Payload, Ready, Restored,
    SnapshotMeta, Status, Term,
};

use crate::answer::{Failure, FailureKind, Outcome};
use crate::intake::Intake;
use crate::journal::{Core, Recorder};
use crate::kv;
use crate::machine::{Machine, Reply};
use crate::storage::Recovered;
use addresses::Hint;
pub use effects::Effects;
use uncommitted::Uncommitted;

/// What a node is made of.
#[derive(Debug)]
pub struct Setup {
    /// The core's settings.
    pub raft: Config,
    /// Counts the starts, for the trace.
    pub boot: u64,
    /// The mutant's name, for the trace.
    pub mutant: Option<String>,
    /// The membership of a cluster that is just being made.
    pub bootstrap: Membership,
    /// An empty machine, on the session table in force.
    pub machine: Machine,
    /// What happens to commands before the log.
    pub intake: Box<dyn Intake>,
    /// When to take a snapshot.
    pub snapshots: SnapshotPolicy,
    /// Most commands, and most reads, that wait at once; beyond it clients are told `overloaded`.
    pub waiting_max: usize,
    /// Most bytes of commands in a leader's log that are not applied yet; beyond it clients are told
    /// `overloaded`.
    pub uncommitted_bytes_max: u64,
    /// Where the core's inputs and outputs are noted, if they are wanted.
    pub journal: Option<Recorder>,
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
    raft: Core,
    /// Term and role as last told: what waits for the disk is not true yet, so the node's own events
    /// must not speak of it either.
    term: Term,
    role: Role,
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
    waiting_max: usize,
    uncommitted: Uncommitted,
    /// Payload bytes applied since the last snapshot.
    bytes_since_snapshot: u64,
    /// The own snapshot that is being written, and the state hash in it.
    saving: Option<(Bytes, Chain)>,
    /// The latest durable snapshot.
    snapshot: Option<(SnapshotMeta, Bytes)>,
    /// Snapshots of a leader that arrived and are not installed yet, by last index.
    received: BTreeMap<Index, Bytes>,
    /// Addresses that were found in the log and are not applied yet, by index.
    hints: BTreeMap<Index, Hint>,
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
        let hints = addresses::hints_in(&recovered.entries);
        let restored = Restored {
            hard_state: recovered.hard_state,
            snapshot: recovered.snapshot.as_ref().map(|(meta, _)| meta.clone()),
            entries: recovered.entries,
            bootstrap: setup.bootstrap,
        };
        let id = setup.raft.id;
        let mutant = setup.mutant.clone();
        let mut raft = Core::new(setup.raft, restored, setup.boot, mutant, setup.journal);
        // A follower that is a little late gets entries instead of the whole state.
        raft.set_log_tail(setup.snapshots.entries / 10);
        let role = raft.role();
        let mut node = Node {
            id,
            raft,
            term,
            role,
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
            waiting_max: setup.waiting_max,
            uncommitted: Uncommitted::new(setup.uncommitted_bytes_max),
            bytes_since_snapshot: 0,
            saving: None,
            snapshot: recovered.snapshot,
            received: BTreeMap::new(),
            hints,
        };
        node.learn_addresses();
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

    /// Fails if the journal cannot be written.
    pub fn check_journal(&mut self) -> std::io::Result<()> {
        self.raft.check_journal()
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
        if let Body::Snapshot { meta, .. } = &message.body {
            let data = snapshot.expect("whoever receives a snapshot has its data");
            self.received.insert(meta.last.index, data);
        }
        self.raft.step(message);
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
            self.carry_out(ready);
        }
        // A snapshot that the core had no use for.
        let after = &self.after_persist;
        self.received.retain(|index, _| {
            let is_last = |meta: &SnapshotMeta| meta.last.index == *index;
            after.iter().any(|after| after.installs.as_ref().is_some_and(is_last))
        });
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
            // Without its data a snapshot would replace the log by nothing.
            let data = installs.as_ref().map(|meta| self.received[&meta.last.index].clone());
            self.effects.persist(persist, data);
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
        self.uncommitted.applied(last.index);
        if !self.hints.is_empty() {
            // Some of them may have come true, and others been taken back.
            self.learn_addresses();
        }
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
            self.learn_addresses();
        }
        if let Some((session, sequence, fresh)) = applied.command {
            let refused = matches!(
                applied.reply,
                Reply::Effect(kv::Effect::Mismatch { .. } | kv::Effect::TooLong { .. })
            );
            events.push(Event::Command { index: entry.index, session, sequence, fresh, refused });
        }
        Outcome::Reply(applied.reply)
    }

    fn tell_core(&mut self, events: &[Traced]) {
        if events.is_empty() {
            return;
        }
        let mut records = Vec::with_capacity(events.len());
        for traced in events {
            (self.term, self.role) = (traced.term, traced.role);
            self.effects.log(traced);
            records.push(self.record(traced.clone()));
        }
        self.effects.trace(&records);
    }

    fn tell(&mut self, events: Vec<Event>) {
        let (term, role) = (self.term, self.role);
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
