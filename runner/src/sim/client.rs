//! A client on virtual time: the same habits, patience, retries and cautious outcomes as the client of
//! real runs ([`crate::workload`]), as a state machine.
//!
//! A client does one thing at a time. Whatever it waits for ends with an [`Input`], and what it does
//! next is a [`Step`] for the world to carry out. Inputs to an earlier turn are ignored.

use std::collections::BTreeMap;

use whitewater_checker::event::{Event, EventType, Seen};
use whitewater_server::answer::{Answer, Failure, FailureKind, Outcome as Told};
use whitewater_server::kv::Effect;
use whitewater_server::machine::Reply;

use super::chance::Chance;
use super::record::{Recording, client_event};
use crate::cluster::node_name;
use crate::dice::Dice;
use crate::workload::{Action, Generator, Habit, Operation, Outcome, stored_value};

const MILLISECOND: u64 = 1_000_000;
/// How long a roaming client waits for one node before it tries another.
const PATIENCE_NS: u64 = 400 * MILLISECOND;
/// Pause before asking again.
const RETRY_PAUSE_NS: u64 = 20 * MILLISECOND;
/// Less than this left is not worth another attempt.
const ATTEMPT_LEAST_NS: u64 = 5 * MILLISECOND;
/// The way back of an answer that left at its deadline.
const ANSWER_GRACE_NS: u64 = 30 * MILLISECOND;
/// How long opening a session may take.
const SESSION_DEADLINE_NS: u64 = 400 * MILLISECOND;
/// Attempts at opening a session.
const SESSION_ATTEMPTS: u32 = 3;
/// A client that fell further behind than this does not make up for it.
const LAG_MAX_NS: u64 = 100 * MILLISECOND;
/// Attempts at one operation of the final list.
const SWEEP_ATTEMPTS: u32 = 3;

/// What ends a wait.
#[derive(Debug)]
pub(super) enum Input {
    /// The time is over.
    Woken,
    /// The node answered.
    Answered(Answer),
    /// Nothing listens there: the request was never sent.
    Refused,
    /// The connection broke after the request was sent.
    Broken,
}

/// What a client does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Asks a node, and waits for its answer until then.
    Ask { node: u32, request: Request, until_ns: u64 },
    /// Waits until then.
    Wait { until_ns: u64 },
    /// Has nothing left to do.
    Rest,
}

/// What is asked of a node.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// A new session.
    OpenSession,
    /// A read.
    Read { key: String, leader_only: bool },
    /// A change.
    Write { action: Action, key: String, session: u64, sequence: u64 },
}

/// What clients share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    /// The workload.
    pub(super) generator: &'a mut Generator,
    /// Where the history goes.
    pub(super) recording: &'a mut Recording,
    /// Ok operations by kind.
    pub(super) ok: &'a mut BTreeMap<&'static str, u64>,
    /// What there is to do.
    pub(super) work: &'a mut Work,
}

/// What clients have to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Whatever the generator says, at the plan's rate.
    Load,
    /// Nothing more, once the current operation has ended.
    Nothing,
    /// What is left of a list.
    List(Vec<Operation>),
}

#[derive(Debug)]
enum Stage {
    Resting,
    Opening { node: u32, end_ns: u64, attempts: u32, sweeping: Option<(Operation, u32)> },
    Trying(Attempt),
    Pausing(Attempt),
    Done,
}

#[derive(Debug)]
struct Attempt {
    operation: Operation,
    leader_only: bool,
    command: Option<(u64, u64)>,
    end_ns: u64,
    node: u32,
    is_unknown: bool,
    attempts: u32,
    /// How often this operation of the final list was tried before; `None` while the run lasts.
    sweep: Option<u32>,
}

/// Why a call was not answered, and what to do about it.
struct Setback {
    is_indefinite: bool,
    kind: SetbackKind,
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetbackKind {
    Redirect(u32),
    Later,
    Unreachable,
    SessionLost,
    Hopeless,
}

/// A definite answer.
enum Answered {
    Value(Option<bytes::Bytes>),
    Written,
    Mismatch(Option<bytes::Bytes>),
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    process: u64,
    process_step: u64,
    habit: Habit,
    nodes: u32,
    node: u32,
    dice: Dice,
    deadline_ns: u64,
    pause_ns: u64,
    doze: Doze,
    /// Draws of its own, so that dozing changes nothing for those who do not.
    doze_chance: Chance,
    due_ns: u64,
    session: Option<(u64, u64)>,
    session_tried_ns: Option<u64>,
    stage: Stage,
    /// Counts what it waited for.
    pub(super) turn: u64,
}

/// A client that now and then does nothing for longer than its session lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doze {
    /// So many rests in a million.
    pub(super) in_a_million: u32,
    /// How long.
    pub(super) for_ns: u64,
}

/// What a client is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientSetup {
    /// Its number, from 0.
    pub(super) number: u32,
    /// Number of clients.
    pub(super) clients: u32,
    /// Number of nodes.
    pub(super) nodes: u32,
    /// How long one operation may take.
    pub(super) deadline_ns: u64,
    /// Time between the beginnings of two operations.
    pub(super) pause_ns: u64,
    /// How it lets its session expire.
    pub(super) doze: Doze,
    /// The run's seed.
    pub(super) seed: u64,
}

/// Separates a client's draws from others'.
const PURPOSE: u64 = 0x5151_0000;
const DOZE_PURPOSE: u64 = 0x5252_0000;

impl Client {
    /// A client that begins at this time.
    pub(super) fn new(setup: ClientSetup, first_ns: u64) -> Self {
        let habit = Habit::of(setup.number, setup.nodes);
        let node = match habit {
            Habit::Pinned(node) => node,
            Habit::Roaming => setup.number % setup.nodes + 1,
        };
        Self {
            process: u64::from(setup.number),
            process_step: u64::from(setup.clients),
            habit,
            nodes: setup.nodes,
            node,
            dice: Dice::new(setup.seed, PURPOSE + u64::from(setup.number)),
            deadline_ns: setup.deadline_ns,
            pause_ns: setup.pause_ns,
            doze: setup.doze,
            doze_chance: Chance::new(setup.seed, DOZE_PURPOSE + u64::from(setup.number)),
            due_ns: first_ns,
            session: None,
            session_tried_ns: None,
            stage: Stage::Resting,
            turn: 0,
        }
    }

    /// Nothing disturbs the final list any more: its operations may take longer.
    pub(super) fn set_deadline(&mut self, deadline_ns: u64) {
        self.deadline_ns = deadline_ns;
    }

    /// Whether it has nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Takes an operation up again after it was [done](Client::is_done).
    pub(super) fn resume(&mut self) {
        if self.is_done() {
            self.stage = Stage::Resting;
        }
    }

    /// What the end of a wait leads to.
    pub(super) fn step(&mut self, now_ns: u64, input: Input, shared: &mut Shared<'_>) -> Step {
        self.turn += 1;
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Resting => self.begin(now_ns, shared),
            Stage::Opening { node, end_ns, attempts, sweeping } => {
                self.opened(now_ns, input, (node, end_ns, attempts), sweeping, shared)
            }
            Stage::Pausing(attempt) => self.call(now_ns, attempt),
            Stage::Trying(attempt) => self.settle(now_ns, input, attempt, shared),
            Stage::Done => Step::Rest,
        }
    }

    /// The next operation, or a session first.
    fn begin(&mut self, now_ns: u64, shared: &mut Shared<'_>) -> Step {
        let sweeping = match shared.work {
            Work::Load => None,
            Work::Nothing => return Step::Rest,
            Work::List(list) => match list.pop() {
                None => return Step::Rest,
                Some(operation) => Some((operation, 0)),
            },
        };
        self.ensure_session(now_ns, sweeping, shared)
    }

    fn ensure_session(
        &mut self,
        now_ns: u64,
        sweeping: Option<(Operation, u32)>,
        shared: &mut Shared<'_>,
    ) -> Step {
        let was_just_tried =
            self.session_tried_ns.is_some_and(|tried| now_ns < tried + SESSION_DEADLINE_NS);
        if self.session.is_some() || was_just_tried && sweeping.is_none() {
            return self.perform(now_ns, sweeping, shared);
        }
        self.open(now_ns, (self.node, now_ns + SESSION_DEADLINE_NS, 0), sweeping)
    }

    fn open(
        &mut self,
        now_ns: u64,
        (node, end_ns, attempts): (u32, u64, u32),
        sweeping: Option<(Operation, u32)>,
    ) -> Step {
        self.stage = Stage::Opening { node, end_ns, attempts: attempts + 1, sweeping };
        let until_ns = end_ns.max(now_ns) + ANSWER_GRACE_NS;
        Step::Ask { node, request: Request::OpenSession, until_ns }
    }

    fn opened(
        &mut self,
        now_ns: u64,
        input: Input,
        (node, end_ns, attempts): (u32, u64, u32),
        sweeping: Option<(Operation, u32)>,
        shared: &mut Shared<'_>,
    ) -> Step {
        let node = match input {
            Input::Answered(Answer { outcome: Told::Reply(Reply::Opened(id)), .. }) => {
                self.session = Some((id, 0));
                return self.perform(now_ns, sweeping, shared);
            }
            Input::Answered(Answer { outcome: Told::Failure(failure), .. }) => {
                match setback(failure).kind {
                    SetbackKind::Redirect(leader) => leader,
                    _ => self.after(node),
                }
            }
            _ => self.after(node),
        };
        if attempts < SESSION_ATTEMPTS && now_ns + ATTEMPT_LEAST_NS < end_ns {
            return self.open(now_ns, (node, end_ns, attempts), sweeping);
        }
        self.session_tried_ns = Some(now_ns);
        self.perform(now_ns, sweeping, shared)
    }

    /// Invokes an operation.
    fn perform(
        &mut self,
        now_ns: u64,
        sweeping: Option<(Operation, u32)>,
        shared: &mut Shared<'_>,
    ) -> Step {
        let (operation, sweep) = match sweeping {
            Some((operation, tried)) => (operation, Some(tried)),
            None => {
                let may_change = self.session.is_some() && !self.habit.only_reads();
                (shared.generator.next(may_change, &mut self.dice), None)
            }
        };
        let is_read = operation.action == Action::Read;
        if !is_read && self.session.is_none() {
            // A change of the final list that finds no session is not invoked.
            return self.rest(now_ns, shared);
        }
        let leader_only = is_read && self.dice.once_in(2);
        let command = match &mut self.session {
            Some((session, sequence)) if !is_read => {
                *sequence += 1;
                Some((*session, *sequence))
            }
            _ => None,
        };
        let event = self.event(now_ns, &operation, EventType::Invoke);
        let value = operation.action.value();
        shared.recording.event(Event { value, command, node: name(self.node), ..event });
        let end_ns = now_ns + self.deadline_ns;
        let (node, is_unknown, attempts) = (self.node, false, 0);
        let attempt =
            Attempt { operation, leader_only, command, end_ns, node, is_unknown, attempts, sweep };
        self.call(now_ns, attempt)
    }

    fn call(&mut self, now_ns: u64, mut attempt: Attempt) -> Step {
        attempt.attempts += 1;
        let left_ns = attempt.end_ns.saturating_sub(now_ns);
        let patience_ns = match self.habit {
            Habit::Roaming => left_ns.min(PATIENCE_NS),
            Habit::Pinned(_) => left_ns,
        };
        let key = attempt.operation.key.clone();
        let request = match (&attempt.operation.action, attempt.command) {
            (Action::Read, _) | (_, None) => {
                Request::Read { key, leader_only: attempt.leader_only }
            }
            (action, Some((session, sequence))) => {
                Request::Write { action: action.clone(), key, session, sequence }
            }
        };
        let node = attempt.node;
        self.stage = Stage::Trying(attempt);
        Step::Ask { node, request, until_ns: now_ns + patience_ns + ANSWER_GRACE_NS }
    }

    fn settle(
        &mut self,
        now_ns: u64,
        input: Input,
        mut attempt: Attempt,
        shared: &mut Shared<'_>,
    ) -> Step {
        let setback = match input {
            Input::Answered(answer) => match understand(answer.outcome) {
                Ok(answered) => {
                    if self.habit == Habit::Roaming {
                        self.node = attempt.node;
                    }
                    return self.answered(now_ns, attempt, answered, answer.term, shared);
                }
                Err(setback) => setback,
            },
            Input::Refused => unreachable(false, "connection refused"),
            Input::Broken => unreachable(true, "connection reset"),
            Input::Woken => unreachable(true, "no answer in time"),
        };
        attempt.is_unknown |= setback.is_indefinite;
        let next = self.next_node(attempt.node, setback.kind);
        let pause_ns = match setback.kind {
            SetbackKind::Redirect(_) if attempt.attempts == 1 => 0,
            _ => RETRY_PAUSE_NS,
        };
        let is_final = matches!(setback.kind, SetbackKind::SessionLost | SetbackKind::Hopeless);
        if is_final || attempt.end_ns < now_ns + pause_ns + ATTEMPT_LEAST_NS {
            if self.habit == Habit::Roaming {
                self.node = next;
            }
            return self.unanswered(now_ns, attempt, setback, shared);
        }
        attempt.node = next;
        if attempt.leader_only && matches!(self.habit, Habit::Pinned(_)) {
            // Its own node does not lead; asked plainly, it can answer all the same.
            attempt.leader_only = false;
            attempt.node = self.node;
        }
        self.stage = Stage::Pausing(attempt);
        Step::Wait { until_ns: now_ns + pause_ns }
    }

    /// This node will never answer again: who asked nobody else asks whoever there is.
    pub(super) fn forget_home(&mut self, node: u32) {
        if self.habit == Habit::Pinned(node) {
            self.habit = Habit::Roaming;
        }
    }

    /// Whom to ask after a setback.
    fn next_node(&self, node: u32, kind: SetbackKind) -> u32 {
        match (kind, self.habit) {
            (SetbackKind::Redirect(leader), _) => leader,
            (SetbackKind::Unreachable, Habit::Roaming) => self.after(node),
            (_, Habit::Pinned(home)) => home,
            _ => node,
        }
    }

    fn answered(
        &mut self,
        now_ns: u64,
        attempt: Attempt,
        answered: Answered,
        term: u64,
        shared: &mut Shared<'_>,
    ) -> Step {
        let operation = &attempt.operation;
        let value = operation.action.value();
        let event = Event {
            node: name(attempt.node),
            term: (term > 0).then_some(term),
            command: attempt.command,
            value,
            ..self.event(now_ns, operation, EventType::Ok)
        };
        let stored = |bytes: Option<bytes::Bytes>, generator: &Generator| {
            stored_value(generator.name(), bytes.as_ref())
        };
        let (outcome, event) = match answered {
            Answered::Written => (Outcome::Ok(None), event),
            Answered::Value(bytes) => {
                let value = stored(bytes, shared.generator);
                (Outcome::Ok(Some(value.clone())), Event { value, ..event })
            }
            Answered::Mismatch(bytes) => {
                let is = stored(bytes, shared.generator);
                let saw = Some(Seen { is: is.clone() });
                (Outcome::Mismatch(is), Event { kind: EventType::Fail, saw, ..event })
            }
        };
        shared.recording.event(event);
        self.conclude(now_ns, attempt, &outcome, shared)
    }

    fn unanswered(
        &mut self,
        now_ns: u64,
        attempt: Attempt,
        setback: Setback,
        shared: &mut Shared<'_>,
    ) -> Step {
        if setback.kind == SetbackKind::SessionLost {
            self.session = None;
        }
        // A read that was not answered changed nothing and saw nothing.
        let is_info = attempt.is_unknown && attempt.operation.action != Action::Read;
        let (kind, outcome) = match is_info {
            true => (EventType::Info, Outcome::Info),
            false => (EventType::Fail, Outcome::Fail),
        };
        let event = Event {
            value: attempt.operation.action.value(),
            node: name(attempt.node),
            error: Some(setback.reason),
            command: attempt.command,
            ..self.event(now_ns, &attempt.operation, kind)
        };
        shared.recording.event(event);
        if is_info {
            self.process += self.process_step;
            self.session = None;
        }
        self.conclude(now_ns, attempt, &outcome, shared)
    }

    fn conclude(
        &mut self,
        now_ns: u64,
        attempt: Attempt,
        outcome: &Outcome,
        shared: &mut Shared<'_>,
    ) -> Step {
        if matches!(outcome, Outcome::Ok(_)) {
            *shared.ok.entry(attempt.operation.action.f()).or_default() += 1;
        }
        match attempt.sweep {
            None => shared.generator.learn(&attempt.operation, outcome),
            Some(tried) => {
                // A change may not be repeated as a new operation: its value would not be unique.
                let is_over = matches!(outcome, Outcome::Ok(_) | Outcome::Info);
                if !is_over && tried + 1 < SWEEP_ATTEMPTS {
                    let again = Some((attempt.operation, tried + 1));
                    return self.ensure_session(now_ns, again, shared);
                }
            }
        }
        self.rest(now_ns, shared)
    }

    /// Until the next operation is due.
    fn rest(&mut self, now_ns: u64, shared: &Shared<'_>) -> Step {
        self.due_ns += self.pause_ns;
        if self.due_ns + LAG_MAX_NS < now_ns || *shared.work != Work::Load {
            self.due_ns = now_ns;
        }
        if *shared.work == Work::Load && self.doze_chance.in_a_million(self.doze.in_a_million) {
            self.due_ns = now_ns + self.doze.for_ns;
        }
        self.stage = Stage::Resting;
        Step::Wait { until_ns: self.due_ns.max(now_ns) }
    }

    fn after(&self, node: u32) -> u32 {
        node % self.nodes + 1
    }

    fn event(&self, now_ns: u64, operation: &Operation, kind: EventType) -> Event {
        let event = client_event(self.process, kind, operation.action.f(), &operation.key);
        Event { time_ns: now_ns, ..event }
    }
}

fn name(node: u32) -> Option<String> {
    Some(node_name(node))
}

fn unreachable(is_indefinite: bool, reason: &str) -> Setback {
    Setback { is_indefinite, kind: SetbackKind::Unreachable, reason: reason.to_owned() }
}

/// What an answer means.
fn understand(outcome: Told) -> Result<Answered, Setback> {
    match outcome {
        Told::Value(value) => Ok(Answered::Value(value)),
        Told::Reply(Reply::Effect(Effect::Mismatch { seen })) => Ok(Answered::Mismatch(seen)),
        Told::Reply(_) | Told::Changed => Ok(Answered::Written),
        Told::Failure(failure) => Err(setback(failure)),
    }
}

fn setback(failure: Failure) -> Setback {
    let leader = failure.leader.and_then(|leader| u32::try_from(leader).ok());
    let kind = match (failure.kind, leader) {
        (FailureKind::NotLeader, Some(leader)) => SetbackKind::Redirect(leader),
        (FailureKind::TimedOut | FailureKind::Stopping, _) => SetbackKind::Unreachable,
        (FailureKind::UnknownSession | FailureKind::StaleSequence, _) => SetbackKind::SessionLost,
        (FailureKind::Invalid, _) => SetbackKind::Hopeless,
        _ => SetbackKind::Later,
    };
    Setback { is_indefinite: failure.is_indefinite, kind, reason: failure.message }
}
