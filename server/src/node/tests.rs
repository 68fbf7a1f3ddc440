//! A node over a world that only notes what it is told, with a disk that takes no time.

use std::sync::Arc;

use whitewater_raft::{HardState, Paper, Persist, Position, ReadMode};

use super::*;
use crate::answer::Answer;
use crate::command::{Command, Operation};
use crate::intake::Direct;

/// What the node wanted done. A client is its number.
#[derive(Debug, Default)]
struct Notes {
    messages: Vec<Message>,
    /// The last persist that was begun.
    persist: u64,
    answers: Vec<(u32, Answer)>,
    addresses: BTreeMap<NodeId, String>,
}

impl Effects for Notes {
    type Client = u32;

    fn now_ns(&self) -> u64 {
        0
    }
    fn trace(&mut self, _: &[Record]) {}
    fn log(&mut self, _: &Traced) {}
    fn send(&mut self, message: Message) {
        self.messages.push(message);
    }
    fn persist(&mut self, persist: Persist, _: Option<Bytes>) {
        self.persist = persist.number;
    }
    fn save_snapshot(&mut self, _: SnapshotMeta, _: Bytes) {}
    fn compact(&mut self, _: Index) {}
    fn send_snapshot(&mut self, _: Message, _: Bytes) {}
    fn learn_addresses(&mut self, addresses: &BTreeMap<NodeId, String>) {
        self.addresses.clone_from(addresses);
    }
    fn answer(&mut self, client: u32, answer: Answer) {
        self.answers.push((client, answer));
    }
    fn waits(&self, _: &u32) -> bool {
        true
    }
}

/// Node 1 of three, with this on its disk.
fn node(recovered: Recovered) -> Node<Notes> {
    let setup = Setup {
        raft: Config {
            id: 1,
            election_timeout_ticks_min: 10,
            election_timeout_ticks_max: 20,
            heartbeat_ticks: 2,
            pre_vote: false,
            check_quorum: false,
            read_mode: ReadMode::Index,
            append_entries_max: 8,
            append_bytes_max: 1 << 10,
            appends_in_flight_max: 4,
            append_entries_min: 1,
            seed: 7,
            rules: Arc::new(Paper),
        },
        boot: 1,
        mutant: None,
        bootstrap: Membership { voters: [1, 2, 3].into(), ..Membership::default() },
        machine: Machine::default(),
        intake: Box::new(Direct),
        snapshots: SnapshotPolicy { entries: 0, bytes: 0 },
        waiting_max: 100,
        uncommitted_bytes_max: 1 << 20,
        journal: None,
    };
    Node::new(setup, recovered, Notes::default()).unwrap()
}

/// Carries out what the node wants, until it wants nothing.
fn settle(node: &mut Node<Notes>) {
    loop {
        node.advance();
        let begun = node.effects().persist;
        if node.persists_outstanding() == 0 {
            return;
        }
        node.persisted(begun);
    }
}

/// Lets the node campaign, and node 2 vote for it.
fn win(node: &mut Node<Notes>, term: Term) {
    node.effects().messages.clear();
    for _ in 0..20 {
        node.tick();
        settle(node);
        let asks = |sent: &Message| sent.to == 2 && matches!(sent.body, Body::Vote { .. });
        let Some(asked) = node.effects().messages.iter().find(|sent| asks(sent)).cloned() else {
            continue;
        };
        let body = Body::VoteReply { granted: true, pre_vote: false };
        node.step(Message { from: 2, to: 1, body, ..asked }, None);
        settle(node);
        break;
    }
    let status = node.status();
    assert_eq!((status.role, status.hard_state.term), (Role::Leader, term));
}

fn append(term: Term, prev: Position, entries: Vec<Entry>, commit: Index) -> Message {
    let body = Body::Append { prev, entries, commit, round: 1 };
    Message { from: 2, to: 1, term, request: 100, body }
}

fn write(node: &mut Node<Notes>, client: u32) {
    let (session, sequence, operation) = (0, 0, Operation::Delete);
    node.write(
        Command::Write { time_ms: 0, session, sequence, key: "k".into(), operation },
        client,
    );
    settle(node);
}

fn entry(index: Index, term: Term, payload: Payload) -> Entry {
    Entry { index, term, payload }
}

/// A disk with a term and that many no-ops of it.
fn recovered(term: Term, last: Index) -> Recovered {
    let entries = (1..=last).map(|index| entry(index, term, Payload::Noop)).collect();
    Recovered { hard_state: HardState { term, vote: None }, entries, ..Recovered::default() }
}

fn failure_of(node: &mut Node<Notes>, client: u32) -> Option<Failure> {
    let answer = node.effects().answers.iter().find(|(of, _)| *of == client)?;
    let Outcome::Failure(failure) = &answer.1.outcome else { panic!("{answer:?}") };
    Some(failure.clone())
}

/// Node 3 may still hold the old entry at 7, win a later term with it and commit it (Figure 8).
#[test]
fn a_client_whose_place_was_given_away_is_not_told_that_its_command_is_lost() {
    let mut node = node(recovered(2, 4));
    win(&mut node, 3);
    write(&mut node, 6);
    write(&mut node, 7);
    assert_eq!(node.status().last, Position { index: 7, term: 3 });
    let prev = Position { index: 4, term: 2 };
    node.step(append(4, prev, vec![entry(5, 4, Payload::Noop)], 4), None);
    settle(&mut node);
    assert_eq!(node.status().last, Position { index: 5, term: 4 }, "the rest is cut off");
    win(&mut node, 5);
    write(&mut node, 8);
    assert_eq!(node.status().last, Position { index: 7, term: 5 });
    let failure = failure_of(&mut node, 7).expect("its place is given away");
    assert!(failure.is_indefinite, "{failure:?}");
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert_eq!((failure_of(&mut node, 6), failure_of(&mut node, 8)), (None, None), "these wait");
}

/// The other side of it: once another entry is committed there, the command is surely lost.
#[test]
fn a_client_whose_place_another_entry_was_committed_in_is_told_so() {
    let mut node = node(recovered(2, 4));
    win(&mut node, 3);
    write(&mut node, 6);
    let entries = (5..=6).map(|index| entry(index, 4, Payload::Noop)).collect();
    node.step(append(4, Position { index: 4, term: 2 }, entries, 6), None);
    settle(&mut node);
    let failure = failure_of(&mut node, 6).expect("another entry is committed there");
    assert_eq!((failure.kind, failure.is_indefinite), (FailureKind::LostLeadership, false));
}

fn address(index: Index, term: Term, node: NodeId, address: &str) -> Entry {
    let command = Command::Address { node, address: address.into() };
    entry(index, term, Payload::Command(command.encode()))
}

fn addresses(node: &mut Node<Notes>) -> Vec<(NodeId, String)> {
    node.effects().addresses.clone().into_iter().collect()
}

/// The member may be the one without which nothing commits, and so nothing would ever be applied.
#[test]
fn a_restarted_node_reaches_a_member_whose_address_only_its_log_knows() {
    let mut found = recovered(2, 3);
    found.entries.push(address(4, 2, 4, "h:4"));
    let mut node = node(found);
    assert_eq!(node.machine().applied(), 0, "what is committed is not known yet");
    assert_eq!(addresses(&mut node), [(4, "h:4".into())]);
}

#[test]
fn an_address_whose_entry_is_taken_back_counts_no_more() {
    let mut found = recovered(2, 3);
    found.entries.extend([
        address(4, 2, 4, "right:4"),
        address(5, 2, 4, "wrong:4"),
        address(6, 2, 5, "wrong:5"),
    ]);
    let mut node = node(found);
    let wrong = [(4, "wrong:4".into()), (5, "wrong:5".into())];
    assert_eq!(addresses(&mut node), wrong, "the later one counts");
    let prev = Position { index: 4, term: 2 };
    node.step(append(3, prev, vec![entry(5, 3, Payload::Noop)], 4), None);
    settle(&mut node);
    assert_eq!(addresses(&mut node), [(4, "right:4".into())]);
}
