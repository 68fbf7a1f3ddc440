//! A node's effects, laid out for the world to carry on virtual time.

use std::collections::BTreeMap;

use bytes::Bytes;
use whitewater_raft::event::{Record, Traced};
use whitewater_raft::{Index, Message, NodeId, Persist, SnapshotMeta};
use whitewater_server::answer::Answer;
use whitewater_server::node::Effects;
use whitewater_server::storage::Job;

/// The way back to a client's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// The client.
    pub(super) client: usize,
    /// Its call's number; a client has one open call at most.
    pub(super) number: u64,
    /// When the client stops waiting.
    pub(super) deadline_ns: u64,
}

/// What a node wants done, in order.
#[derive(Debug, Default)]
pub(super) struct Deck {
    /// The virtual time.
    pub(super) now_ns: u64,
    /// Trace lines.
    pub(super) records: Vec<Record>,
    /// Messages to peers.
    pub(super) messages: Vec<Message>,
    /// Work for the disk.
    pub(super) jobs: Vec<Job>,
    /// Snapshots to peers, with their data.
    pub(super) snapshots: Vec<(Message, Bytes)>,
    /// Answers to clients.
    pub(super) answers: Vec<(Call, Answer)>,
}

impl Effects for Deck {
    type Client = Call;

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn trace(&mut self, records: &[Record]) {
        self.records.extend_from_slice(records);
    }

    fn log(&mut self, _event: &Traced) {}

    fn send(&mut self, message: Message) {
        self.messages.push(message);
    }

    fn persist(&mut self, persist: Persist, snapshot: Option<Bytes>) {
        self.jobs.push(Job::Persist(persist, snapshot));
    }

    fn save_snapshot(&mut self, meta: SnapshotMeta, data: Bytes) {
        self.jobs.push(Job::Snapshot(meta, data));
    }

    fn compact(&mut self, index: Index) {
        self.jobs.push(Job::Compact(index));
    }

    fn send_snapshot(&mut self, message: Message, data: Bytes) {
        self.snapshots.push((message, data));
    }

    fn learn_addresses(&mut self, _addresses: &BTreeMap<NodeId, String>) {}

    fn answer(&mut self, client: Call, answer: Answer) {
        self.answers.push((client, answer));
    }

    fn waits(&self, client: &Call) -> bool {
        self.now_ns < client.deadline_ns
    }
}
