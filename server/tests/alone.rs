//! A node without its I/O that is a cluster of its own: what it answers, and what it lets into its log.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use whitewater_raft::event::{Record, Traced};
use whitewater_raft::{
    Config, Index, Membership, MembershipChange, Message, NodeId, Paper, Persist, ReadMode,
    SnapshotMeta,
};
use whitewater_server::answer::{Answer, FailureKind, Outcome};
use whitewater_server::command::{Command, Operation};
use whitewater_server::intake::Direct;
use whitewater_server::kv::{Effect, VALUE_BYTES_MAX};
use whitewater_server::machine::{Machine, Reply};
use whitewater_server::node::{Effects, Node, Setup, SnapshotPolicy};
use whitewater_server::storage::Recovered;

/// What a node did; its disk is done when the test says so.
#[derive(Debug, Default)]
struct Deeds {
    persists: Vec<u64>,
    answers: BTreeMap<u32, Answer>,
}

impl Effects for Deeds {
    type Client = u32;

    fn now_ns(&self) -> u64 {
        0
    }
    fn trace(&mut self, _records: &[Record]) {}
    fn log(&mut self, _event: &Traced) {}
    fn send(&mut self, _message: Message) {}
    fn persist(&mut self, persist: Persist, _snapshot: Option<Bytes>) {
        self.persists.push(persist.number);
    }
    fn save_snapshot(&mut self, _meta: SnapshotMeta, _data: Bytes) {}
    fn compact(&mut self, _index: Index) {}
    fn send_snapshot(&mut self, _message: Message, _data: Bytes) {}
    fn learn_addresses(&mut self, _addresses: &BTreeMap<NodeId, String>) {}
    fn answer(&mut self, client: u32, answer: Answer) {
        assert!(self.answers.insert(client, answer).is_none(), "client {client} has two answers");
    }
    fn waits(&self, _client: &u32) -> bool {
        true
    }
}

/// Node 1, which leads and has committed in its term.
fn leader() -> Node<Deeds> {
    let setup = Setup {
        raft: Config {
            id: 1,
            election_timeout_ticks_min: 2,
            election_timeout_ticks_max: 4,
            heartbeat_ticks: 1,
            pre_vote: true,
            check_quorum: true,
            read_mode: ReadMode::Index,
            append_entries_max: 64,
            append_bytes_max: 1 << 20,
            appends_in_flight_max: 4,
            append_entries_min: 1,
            seed: 1,
            rules: Arc::new(Paper),
        },
        boot: 1,
        mutant: None,
        bootstrap: Membership { voters: [1].into(), ..Membership::default() },
        machine: Machine::default(),
        intake: Box::new(Direct),
        snapshots: SnapshotPolicy { entries: 0, bytes: 0 },
        waiting_max: 16,
        uncommitted_bytes_max: 1_000,
        journal: None,
    };
    let mut node = Node::new(setup, Recovered::default(), Deeds::default()).unwrap();
    for _ in 0..4 {
        node.tick();
        settle(&mut node);
    }
    assert_eq!(node.status().leader, Some(1));
    node
}

/// Carries everything out, the disk's work included.
fn settle(node: &mut Node<Deeds>) {
    loop {
        node.advance();
        let persists = std::mem::take(&mut node.effects().persists);
        let Some(last) = persists.last() else { return };
        node.persisted(*last);
    }
}

/// Why a client was refused; it was told that nothing came or will come of its request.
#[track_caller]
fn refusal(node: &mut Node<Deeds>, client: u32) -> (FailureKind, String) {
    match &node.effects().answers[&client].outcome {
        Outcome::Failure(failure) if !failure.is_indefinite => {
            (failure.kind, failure.message.clone())
        }
        other => panic!("client {client} was told {other:?}"),
    }
}

#[test]
fn a_change_that_is_refused_leaves_the_addresses_alone() {
    let mut node = leader();
    let add = MembershipChange::AddLearner;
    node.change_membership(add(2), Some("h:2".into()), 1);
    settle(&mut node);
    assert_eq!(node.effects().answers[&1].outcome, Outcome::Changed);
    let (addresses, last) = (node.machine().addresses().clone(), node.status().last);
    assert_eq!(addresses, [(2, "h:2".to_owned())].into());
    // A learner and a voter that are members already, and addresses with a slip in them.
    for (client, member) in [(2, 2), (3, 1)] {
        node.change_membership(add(member), Some("hh:9".into()), client);
        settle(&mut node);
        assert_eq!(refusal(&mut node, client).0, FailureKind::Invalid);
    }
    assert_eq!(node.machine().addresses(), &addresses);
    assert_eq!(node.status().last, last, "nothing of it is in the log");
}

fn write(sequence: u64, operation: Operation) -> Command {
    Command::Write { time_ms: 1, session: 2, sequence, key: "k".into(), operation }
}

#[test]
fn an_append_that_would_be_too_long_is_refused_for_good() {
    let mut node = leader();
    node.write(Command::OpenSession { time_ms: 0, expiry_ms: 1_000 }, 1);
    settle(&mut node);
    let opened = Outcome::Reply(Reply::Opened(2));
    assert_eq!(node.effects().answers[&1].outcome, opened);
    node.write(write(1, Operation::Put(vec![0; VALUE_BYTES_MAX].into())), 2);
    settle(&mut node);
    node.write(write(2, Operation::Append("x".into())), 3);
    settle(&mut node);
    let (kind, text) = refusal(&mut node, 3);
    assert_eq!(kind, FailureKind::Invalid);
    assert!(text.contains("4194305") && text.contains("4 MiB"), "{text}");
    assert_eq!(node.machine().get("k").unwrap().len(), VALUE_BYTES_MAX);
    // Not even a retry after there is room again: the client was told that it never takes effect.
    node.write(
        Command::Write {
            time_ms: 1,
            session: 0,
            sequence: 0,
            key: "k".into(),
            operation: Operation::Delete,
        },
        4,
    );
    node.write(write(2, Operation::Append("x".into())), 5);
    settle(&mut node);
    assert_eq!(refusal(&mut node, 5).0, FailureKind::Invalid);
    assert_eq!(node.machine().get("k"), None);
}

#[test]
fn commands_that_wait_for_a_quorum_are_bounded_in_bytes() {
    let mut node = leader();
    let put = |bytes: usize| Command::Write {
        time_ms: 1,
        session: 0,
        sequence: 0,
        key: "k".into(),
        operation: Operation::Put(vec![0; bytes].into()),
    };
    // One goes however large it is; then none, until the disk is done.
    node.write(put(5_000), 1);
    node.write(put(1), 2);
    let (kind, text) = refusal(&mut node, 2);
    assert_eq!(kind, FailureKind::Overloaded);
    assert!(text.contains("bytes"), "{text}");
    settle(&mut node);
    let done = Outcome::Reply(Reply::Effect(Effect::Done));
    assert_eq!(node.effects().answers[&1].outcome, done);
    for client in 3..13 {
        node.write(put(100), client);
    }
    settle(&mut node);
    let answers = &node.effects().answers;
    let taken = (3..13).filter(|client| answers[client].outcome == done).count();
    assert!((5..10).contains(&taken), "{taken} of ten commands of a little over 100 bytes");
}
