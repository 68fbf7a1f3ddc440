//! A cluster in memory: carries out every `Ready` by the letter of its contract.
//!
//! Nothing happens by itself. Tests decide which message arrives, which disk write completes and which
//! timer ticks; there is no clock. The state machine of a node is the list of entries it applied.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use whitewater_raft::event::{Event, Traced};
use whitewater_raft::{
    Body, Chain, Config, Entry, HardState, Index, Membership, Message, NodeId, Persist, Raft,
    ReadMode, ReadOutcome, Ready, Restored, Rules, SnapshotMeta,
};

/// What survives a crash of a node.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) hard_state: HardState,
    pub(crate) snapshot: Option<SnapshotMeta>,
    pub(crate) entries: Vec<Entry>,
}

impl Disk {
    /// The last entry's index, or the snapshot's.
    pub(crate) fn last_index(&self) -> Index {
        let snapshot = self.snapshot.as_ref().map_or(0, |meta| meta.last.index);
        self.entries.last().map_or(snapshot, |entry| entry.index)
    }

    fn write(&mut self, persist: &Persist) {
        if let Some(hard_state) = persist.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(meta) = &persist.snapshot {
            self.snapshot = Some(meta.clone());
            self.entries.clear();
        }
        if let Some(first) = persist.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
            assert_eq!(first.index, self.last_index() + 1, "a persist leaves a gap on the disk");
            self.entries.extend(persist.entries.iter().cloned());
        }
    }
}

/// A part of a `Ready` that waits for the disk.
struct Write {
    persist: Option<Persist>,
    events: Vec<Traced>,
    messages: Vec<Message>,
}

/// One node, up or down.
pub(crate) struct Node {
    pub(crate) raft: Option<Raft>,
    pub(crate) disk: Disk,
    pub(crate) boot: u64,
    writes: VecDeque<Write>,
    /// Writes complete only by [`Cluster::complete_write`].
    pub(crate) is_disk_slow: bool,
    /// What the node told since its trace was last taken.
    pub(crate) trace: Vec<Traced>,
    /// The state machine: entry `i` at place `i - 1`.
    pub(crate) applied: Vec<Entry>,
    /// Reads that settled since they were last taken.
    pub(crate) reads: Vec<ReadOutcome>,
}

impl Node {
    /// A received snapshot is durable: it becomes the state machine, and is told.
    fn install(&mut self, meta: &SnapshotMeta, data: &[Entry]) {
        let Some(raft) = &self.raft else { return };
        let event = Event::SnapshotInstalled {
            last: meta.last,
            chain: meta.chain,
            state_hash: meta.chain,
            applied_before: self.applied.len() as u64,
        };
        let status = raft.status();
        self.trace.push(Traced { term: status.hard_state.term, role: status.role, event });
        self.applied = data.to_vec();
    }
}

/// The nodes, the messages between them, and the snapshots' data.
pub(crate) struct Cluster {
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    /// Sent and not arrived, oldest first.
    pub(crate) network: Vec<Message>,
    /// Nodes that nothing reaches and nothing leaves.
    pub(crate) isolated: BTreeSet<NodeId>,
    pub(crate) rules: Arc<dyn Rules>,
    pub(crate) read_mode: ReadMode,
    pub(crate) pre_vote: bool,
    /// Shortest and longest election timeout; heartbeats go out every tick.
    pub(crate) election_ticks: (u32, u32),
    /// Most entries of one append.
    pub(crate) append_entries_max: usize,
    /// Fewest entries of an append that leaves while another one is unanswered.
    pub(crate) append_entries_min: usize,
    /// Entries kept behind a snapshot.
    pub(crate) log_tail: u64,
    /// A seeded disk bug: the vote is not there after a crash.
    pub(crate) forgets_votes: bool,
    pub(crate) seed: u64,
    bootstrap: Membership,
    /// A snapshot's data by its chain hash, which names a log prefix.
    snapshots: BTreeMap<Chain, Vec<Entry>>,
}

impl Cluster {
    /// A cluster without nodes; set what is to be otherwise, then start the voters.
    pub(crate) fn new(seed: u64, rules: Arc<dyn Rules>) -> Self {
        Self {
            nodes: BTreeMap::new(),
            network: Vec::new(),
            isolated: BTreeSet::new(),
            rules,
            read_mode: ReadMode::Index,
            pre_vote: true,
            election_ticks: (4, 8),
            append_entries_max: 4,
            append_entries_min: 1,
            log_tail: 0,
            forgets_votes: false,
            seed,
            bootstrap: Membership::default(),
            snapshots: BTreeMap::new(),
        }
    }

    /// Starts the voters `1..=size`.
    pub(crate) fn start_voters(&mut self, size: u64) {
        self.bootstrap.voters = (1..=size).collect();
        for id in 1..=size {
            self.add(id);
        }
    }

    /// Starts a node with an empty disk. Beyond the first voters it knows of no members.
    pub(crate) fn add(&mut self, id: NodeId) {
        let node = Node {
            raft: None,
            disk: Disk::default(),
            boot: 0,
            writes: VecDeque::new(),
            is_disk_slow: false,
            trace: Vec::new(),
            applied: Vec::new(),
            reads: Vec::new(),
        };
        self.nodes.insert(id, node);
        self.start(id);
    }

    /// Starts a node from its disk.
    pub(crate) fn start(&mut self, id: NodeId) {
        let bootstrap = if self.bootstrap.voters.contains(&id) {
            self.bootstrap.clone()
        } else {
            Membership::default()
        };
        let node = node_mut(&mut self.nodes, id);
        node.boot += 1;
        node.is_disk_slow = false;
        if self.forgets_votes {
            node.disk.hard_state.vote = None;
        }
        let restored = Restored {
            hard_state: node.disk.hard_state,
            snapshot: node.disk.snapshot.clone(),
            entries: node.disk.entries.clone(),
            bootstrap,
        };
        let snapshot = node.disk.snapshot.as_ref();
        node.applied = snapshot.map_or_else(Vec::new, |meta| self.snapshots[&meta.chain].clone());
        let config = Config {
            id,
            election_timeout_ticks_min: self.election_ticks.0,
            election_timeout_ticks_max: self.election_ticks.1,
            heartbeat_ticks: 1,
            pre_vote: self.pre_vote,
            check_quorum: true,
            read_mode: self.read_mode,
            append_entries_max: self.append_entries_max,
            append_bytes_max: 1 << 16,
            appends_in_flight_max: 3,
            append_entries_min: self.append_entries_min,
            seed: self.seed ^ (id << 32) ^ node.boot,
            rules: Arc::clone(&self.rules),
        };
        let mut raft = Raft::new(config, restored);
        raft.set_log_tail(self.log_tail);
        node.raft = Some(raft);
    }

    /// Kills a node: what its disk has not completed is lost, and nobody waits for its replies.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let node = node_mut(&mut self.nodes, id);
        node.raft = None;
        node.writes.clear();
        self.network.retain(|message| message.to != id || !is_reply(&message.body));
    }

    /// A node that was added.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        node_mut(&mut self.nodes, id)
    }

    /// The node's core, if it is up.
    pub(crate) fn raft(&self, id: NodeId) -> Option<&Raft> {
        self.nodes[&id].raft.as_ref()
    }

    /// Gives an input to a node, if it is up, and carries out what follows.
    pub(crate) fn input<T>(&mut self, id: NodeId, input: impl FnOnce(&mut Raft) -> T) -> Option<T> {
        let output = self.nodes.get_mut(&id)?.raft.as_mut().map(input);
        self.carry_out(id);
        output
    }

    /// Delivers a message, or loses it where the receiver is down or either side isolated.
    pub(crate) fn deliver(&mut self, message: Message) {
        if self.isolated.contains(&message.from) || self.isolated.contains(&message.to) {
            return;
        }
        self.input(message.to, |raft| raft.step(message));
    }

    /// Whether a node's disk has writes to complete.
    pub(crate) fn has_writes(&self, id: NodeId) -> bool {
        !self.nodes[&id].writes.is_empty()
    }

    /// Completes a node's oldest disk write.
    pub(crate) fn complete_write(&mut self, id: NodeId) {
        let node = node_mut(&mut self.nodes, id);
        let Some(write) = node.writes.pop_front() else { return };
        self.finish(id, write);
        // What came after it without a write of its own waited for nothing else.
        while let Some(write) =
            node_mut(&mut self.nodes, id).writes.pop_front_if(|write| write.persist.is_none())
        {
            self.finish(id, write);
        }
        self.carry_out(id);
    }

    /// Takes a snapshot of a node's state machine and compacts its log.
    pub(crate) fn snapshot(&mut self, id: NodeId) {
        let node = node_mut(&mut self.nodes, id);
        let Some(raft) = &node.raft else { return };
        let Some(last) = node.applied.last().map(Entry::position) else { return };
        let Some(chain) = raft.chain_at(last.index) else { return };
        // The harness looks for the membership where a state machine would have kept it.
        let membership = membership_at(&node.applied, &self.bootstrap);
        let meta = SnapshotMeta { last, chain, membership };
        self.snapshots.insert(chain, node.applied.clone());
        node.disk.entries.retain(|entry| entry.index > last.index);
        node.disk.snapshot = Some(meta.clone());
        self.input(id, |raft| raft.compacted(meta));
    }

    fn carry_out(&mut self, id: NodeId) {
        loop {
            let node = node_mut(&mut self.nodes, id);
            let Some(raft) = node.raft.as_mut().filter(|raft| raft.has_ready()) else { return };
            let ready = raft.ready();
            self.carry_out_one(id, ready);
        }
    }

    fn carry_out_one(&mut self, id: NodeId, ready: Ready) {
        let node = node_mut(&mut self.nodes, id);
        node.trace.extend(ready.events);
        self.network.extend(ready.messages);
        let write = Write {
            persist: ready.persist,
            events: ready.events_after_persist,
            messages: ready.messages_after_persist,
        };
        if let (Some(last), Some(raft)) = (ready.committed.last(), &mut node.raft) {
            raft.applied(last.index);
            node.applied.extend(ready.committed);
        }
        node.reads.extend(ready.reads);
        let wanted = ready.snapshots_wanted;
        let must_wait = !node.writes.is_empty() || node.is_disk_slow && write.persist.is_some();
        if must_wait {
            node.writes.push_back(write);
        } else {
            self.finish(id, write);
        }
        for peer in wanted {
            self.send_snapshot(id, peer);
        }
    }

    /// The disk is done with a write.
    fn finish(&mut self, id: NodeId, write: Write) {
        let node = node_mut(&mut self.nodes, id);
        if let Some(persist) = &write.persist {
            node.disk.write(persist);
            if let Some(meta) = &persist.snapshot {
                node.install(meta, &self.snapshots[&meta.chain]);
            }
        }
        for message in &write.messages {
            if let Body::AppendReply { result: Ok(matched), .. } = message.body {
                let durable = node.disk.last_index();
                assert!(matched <= durable, "n{id} acks {matched} and has {durable} on its disk");
            }
        }
        node.trace.extend(write.events);
        self.network.extend(write.messages);
        if let (Some(persist), Some(raft)) = (write.persist, &mut node.raft) {
            raft.persisted(persist.number);
        }
    }

    fn send_snapshot(&mut self, from: NodeId, to: NodeId) {
        let node = node_mut(&mut self.nodes, from);
        let (Some(meta), Some(raft)) = (node.disk.snapshot.clone(), &mut node.raft) else { return };
        self.network.extend(raft.snapshot_message(to, meta));
        raft.snapshot_sent(to, true);
    }
}

fn node_mut(nodes: &mut BTreeMap<NodeId, Node>, id: NodeId) -> &mut Node {
    nodes.get_mut(&id).expect("the test names a node that was added")
}

/// Whether a message answers another.
pub(crate) fn is_reply(body: &Body) -> bool {
    match body {
        Body::VoteReply { .. }
        | Body::AppendReply { .. }
        | Body::SnapshotReply { .. }
        | Body::TimeoutNowReply
        | Body::ReadIndexReply { .. } => true,
        Body::Vote { .. }
        | Body::Append { .. }
        | Body::Snapshot { .. }
        | Body::TimeoutNow
        | Body::ReadIndex { .. } => false,
    }
}

fn membership_at(applied: &[Entry], bootstrap: &Membership) -> Membership {
    let latest = applied.iter().rev().find_map(|entry| match &entry.payload {
        whitewater_raft::Payload::Membership(membership) => Some(membership),
        _ => None,
    });
    latest.unwrap_or(bootstrap).clone()
}
