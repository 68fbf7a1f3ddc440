//! One client: performs an operation, through retries and redirects, and records what came of it.
//!
//! The outcome recorded is cautious. `ok` and a rejected cas are the server's own definite answers.
//! `fail` needs every attempt to have been definitely refused. Anything else is `info`: the process
//! number is retired, and so is the session.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use whitewater_checker::event::{Event, EventType, Process, Seen};

use super::{Action, Operation, Outcome, stored_value};
use crate::cluster::node_name;
use crate::dice::Dice;
use crate::record::Recorder;
use crate::target::{self, Answer, Answered, Request, Setback, SetbackKind, Target};

/// How long a client waits for a node it is not pinned to before it tries another. Shorter than an
/// election, so that clients are at work on the new leader while the old one still thinks it leads.
const PATIENCE: Duration = Duration::from_millis(200);
/// Pause before asking again a cluster that has no leader: a small part of an election.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Less than this left is not worth another attempt.
const ATTEMPT_LEAST: Duration = Duration::from_millis(5);
/// How long opening a session may take, and how often it is tried while the cluster has none to give.
const SESSION_DEADLINE: Duration = Duration::from_millis(400);
/// Attempts at opening a session: one redirect, and one for a leader that just changed.
const SESSION_ATTEMPTS: u32 = 3;
/// One read in so many asks only the leader itself, which is how a client with its own idea of who
/// leads asks.
const LEADER_ONLY_ONCE_IN: u64 = 2;

/// Which nodes a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Follows redirects and leaves nodes that do not answer.
    Roaming,
    /// Always asks this node first, and waits for it: what it says while it is cut off, or after a
    /// pause, is what must be checked. It only reads: a change would hold it up until its deadline at
    /// a leader that has lost its majority, and nobody would be there to see a stale answer.
    Pinned(u32),
}

impl Habit {
    /// Every other client is pinned, to each node in turn. The first one roams, so that a single
    /// client does everything.
    pub(crate) fn of(client: u32, nodes: u32) -> Self {
        if client.is_multiple_of(2) {
            Habit::Roaming
        } else {
            Habit::Pinned(client / 2 % nodes + 1)
        }
    }

    /// Whether it changes nothing.
    pub(crate) fn only_reads(self) -> bool {
        matches!(self, Habit::Pinned(_))
    }
}

/// What a client is made from.
pub(crate) struct ClientSetup<'a> {
    /// Its number, from 0.
    pub(crate) number: u32,
    /// Number of clients: process numbers of one client are this far apart.
    pub(crate) clients: u32,
    /// Which nodes it asks.
    pub(crate) habit: Habit,
    /// Where it reaches them.
    pub(crate) addresses: BTreeMap<u32, SocketAddr>,
    /// How to talk to them.
    pub(crate) target: &'a dyn Target,
    /// Where the history goes.
    pub(crate) recorder: Recorder,
    /// Its own draws.
    pub(crate) dice: Dice,
    /// How long one operation may take.
    pub(crate) deadline: Duration,
    /// The workload, for reading stored values.
    pub(crate) workload: String,
}

/// One client.
pub(crate) struct Client {
    process: u64,
    process_step: u64,
    habit: Habit,
    nodes: Vec<u32>,
    node: u32,
    connection: Box<dyn target::Client>,
    recorder: Recorder,
    dice: Dice,
    deadline: Duration,
    workload: String,
    session_tried: Option<Instant>,
}

/// What all attempts of one operation came to.
struct Settled {
    answer: Result<Answer, Setback>,
    /// Some attempt may have taken effect.
    is_unknown: bool,
    /// The node asked last.
    node: u32,
}

impl Client {
    /// A client that has done nothing yet.
    pub(crate) fn new(setup: ClientSetup<'_>) -> Self {
        let nodes: Vec<u32> = setup.addresses.keys().copied().collect();
        let node = match setup.habit {
            Habit::Pinned(node) => node,
            Habit::Roaming => nodes[setup.number as usize % nodes.len()],
        };
        Self {
            process: u64::from(setup.number),
            process_step: u64::from(setup.clients),
            habit: setup.habit,
            nodes,
            node,
            connection: setup.target.client(setup.addresses),
            recorder: setup.recorder,
            dice: setup.dice,
            deadline: setup.deadline,
            workload: setup.workload,
            session_tried: None,
        }
    }

    /// Draws for choosing operations.
    pub(crate) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Lets operations take longer, or less long.
    pub(crate) fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// Opens a session where there is none and it was not just tried; whether there is one now.
    pub(crate) async fn ensure_session(&mut self) -> bool {
        if self.connection.has_session() {
            return true;
        }
        if self.session_tried.is_some_and(|tried| tried.elapsed() < SESSION_DEADLINE) {
            return false;
        }
        let end = Instant::now() + SESSION_DEADLINE;
        let mut node = self.node;
        for _ in 0..SESSION_ATTEMPTS {
            let left = end.saturating_duration_since(Instant::now());
            match self.connection.open_session(node, left).await {
                Ok(()) => return true,
                Err(Setback { kind: SetbackKind::Redirect(leader), .. }) => node = leader,
                Err(_) => node = self.after(node),
            }
            if end.saturating_duration_since(Instant::now()) < ATTEMPT_LEAST {
                break;
            }
        }
        self.session_tried = Some(Instant::now());
        false
    }

    /// Whether its next operation may be a change; opens a session where one is wanted.
    pub(crate) async fn may_change(&mut self) -> bool {
        !self.habit.only_reads() && self.ensure_session().await
    }

    /// Performs one operation and records it.
    pub(crate) async fn perform(&mut self, operation: &Operation) -> Outcome {
        let is_read = operation.action == Action::Read;
        let leader_only = is_read && self.dice.once_in(LEADER_ONLY_ONCE_IN);
        let command = self.begin(operation, leader_only);
        let invoke = Event {
            value: operation.action.value(),
            node: Some(node_name(self.node)),
            command,
            ..self.event(operation, EventType::Invoke)
        };
        self.recorder.event(invoke);
        let settled = self.attempt_until_settled(operation, leader_only).await;
        let (outcome, completion) = self.conclude(operation, settled);
        self.recorder.event(Event { command, ..completion });
        if outcome == Outcome::Info {
            self.process += self.process_step;
            self.connection.drop_session();
        }
        outcome
    }

    fn begin(&mut self, operation: &Operation, leader_only: bool) -> Option<(u64, u64)> {
        let command = operation.action.command(leader_only);
        self.connection.begin(Request { key: operation.key.clone(), command })
    }

    async fn attempt_until_settled(
        &mut self,
        operation: &Operation,
        mut leader_only: bool,
    ) -> Settled {
        let end = Instant::now() + self.deadline;
        let mut node = self.node;
        let mut is_unknown = false;
        let mut attempts = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let patience =
                if self.habit == Habit::Pinned(node) { left } else { left.min(PATIENCE) };
            attempts += 1;
            let setback = match self.connection.call(node, patience).await {
                Ok(answer) => {
                    self.settle_at(node);
                    return Settled { answer: Ok(answer), is_unknown, node };
                }
                Err(setback) => setback,
            };
            is_unknown |= setback.is_indefinite;
            let is_final = matches!(setback.kind, SetbackKind::SessionLost | SetbackKind::Hopeless);
            let next = self.next_node(node, setback.kind);
            let pause = match setback.kind {
                SetbackKind::Redirect(_) if attempts == 1 => Duration::ZERO,
                _ => RETRY_PAUSE,
            };
            let left = end.saturating_duration_since(Instant::now());
            if is_final || left < pause + ATTEMPT_LEAST {
                self.settle_at(next);
                return Settled { answer: Err(setback), is_unknown, node };
            }
            tokio::time::sleep(pause).await;
            node = next;
            if leader_only && matches!(self.habit, Habit::Pinned(_)) {
                // Its own node does not lead; asked plainly, it can answer all the same.
                leader_only = false;
                node = self.node;
                self.begin(operation, false);
            }
        }
    }

    /// Whom to ask after a setback.
    fn next_node(&self, node: u32, kind: SetbackKind) -> u32 {
        match (kind, self.habit) {
            (SetbackKind::Redirect(leader), _) if self.nodes.contains(&leader) => leader,
            (SetbackKind::Unreachable, Habit::Roaming) => self.after(node),
            (_, Habit::Pinned(home)) => home,
            _ => node,
        }
    }

    /// A roaming client stays where it was answered.
    fn settle_at(&mut self, node: u32) {
        if self.habit == Habit::Roaming {
            self.node = node;
        }
    }

    fn after(&self, node: u32) -> u32 {
        let position = self.nodes.iter().position(|other| *other == node).unwrap_or_default();
        self.nodes[(position + 1) % self.nodes.len()]
    }

    /// The outcome of what was settled, and its event.
    fn conclude(&mut self, operation: &Operation, settled: Settled) -> (Outcome, Event) {
        let value = operation.action.value();
        let node = Some(node_name(settled.node));
        let answer = match settled.answer {
            Ok(answer) => answer,
            Err(setback) => {
                if setback.kind == SetbackKind::SessionLost {
                    self.connection.drop_session();
                }
                // A read that was not answered changed nothing and saw nothing.
                let is_info = settled.is_unknown && operation.action != Action::Read;
                let (kind, outcome) = match is_info {
                    true => (EventType::Info, Outcome::Info),
                    false => (EventType::Fail, Outcome::Fail),
                };
                let error = Some(setback.reason);
                return (outcome, Event { value, node, error, ..self.event(operation, kind) });
            }
        };
        let origin = Event {
            node: Some(node_name(answer.node)),
            term: answer.term,
            ..self.event(operation, EventType::Ok)
        };
        match answer.result {
            Answered::Value(stored) => {
                let value = stored_value(&self.workload, stored.as_ref());
                (Outcome::Ok(Some(value.clone())), Event { value, ..origin })
            }
            Answered::Written => (Outcome::Ok(None), Event { value, ..origin }),
            Answered::Mismatch(stored) => {
                let is = stored_value(&self.workload, stored.as_ref());
                let saw = Some(Seen { is: is.clone() });
                let event = Event { kind: EventType::Fail, value, saw, ..origin };
                (Outcome::Mismatch(is), event)
            }
        }
    }

    fn event(&self, operation: &Operation, kind: EventType) -> Event {
        Event {
            process: Process::Client(self.process),
            kind,
            f: operation.action.f().into(),
            key: Some(operation.key.clone()),
            value: Value::Null,
            time_ns: 0,
            error: None,
            saw: None,
            node: None,
            term: None,
            command: None,
        }
    }
}

#[cfg(test)]
mod tests;
