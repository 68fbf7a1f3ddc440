//! One client: performs operations, through retries and redirects, and records what came of each.
//!
//! A value without clock, socket or task. Whoever drives it tells it the time and what ended its wait
//! ([`Input`]), and does for it what it wants next ([`Step`]): [`super::driver`] on a real cluster, the
//! simulator's queue on a virtual one.
//!
//! The outcome recorded is cautious. `ok` and a rejected cas are the server's own definite answers.
//! `fail` needs every attempt to have been definitely refused. Anything else is `info`: the process
//! number is retired, and so is the session. An operation in the midst of which a client is dropped has no
//! completion, which says as little as `info`.

use std::mem;

use whitewater_checker::event::{Event, EventType, Process, Seen};

use super::habit::Habit;
use super::{Action, Operation, Outcome, Shared, Task, Work, stored_value};
use crate::cluster::node_name;
use crate::dice::Dice;
use crate::plan::Plan;
use crate::record::HistoryWriter;
use whitewater_target::{Answer, Answered, Next, Request, Setback};

const MILLISECOND: u64 = 1_000_000;
/// How long a client waits for a node it is not pinned to before it tries another. Shorter than an
/// election, so that clients are at work on the new leader while the old one still thinks it leads.
const PATIENCE_NS: u64 = 200 * MILLISECOND;
/// Pause before asking again a cluster that has no leader: a small part of an election.
const RETRY_PAUSE_NS: u64 = 20 * MILLISECOND;
/// Less than this left is not worth another attempt.
const ATTEMPT_LEAST_NS: u64 = 5 * MILLISECOND;
/// How long opening a session may take, and how often it is tried while the cluster has none to give.
const SESSION_DEADLINE_NS: u64 = 400 * MILLISECOND;
/// Attempts at opening a session: one redirect, and one for a leader that just changed.
const SESSION_ATTEMPTS: u32 = 3;
/// One read in so many asks only the leader itself, which is how a client with its own idea of who
/// leads asks.
const LEADER_ONLY_ONCE_IN: u64 = 2;
/// A client that fell further behind than this does not make up for it: the rate is a limit, and a
/// burst after every fault would be a load of its own.
const LAG_MAX_NS: u64 = 100 * MILLISECOND;
/// Attempts at one operation of the final list. Each is an operation of its own.
const FINAL_ATTEMPTS: u32 = 3;
/// The session of servers that have none: a change is applied each time that it is sent.
const NO_SESSION: u64 = 0;
/// Separate the draws of client number 0, 1, … from all others, and those of when it dozes from its others.
const CLIENT_PURPOSE: u64 = 1_000;
const DOZE_PURPOSE: u64 = 1_000_000;

/// What a client is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientSetup {
    /// Its number, from 0.
    pub(crate) number: u32,
    /// Number of clients: process numbers of one client are this far apart.
    pub(crate) clients: u32,
    /// Number of nodes, which are numbered from 1.
    pub(crate) nodes: u32,
    /// The run's seed.
    pub(crate) seed: u64,
    /// How long one operation may take.
    pub(crate) deadline_ns: u64,
    /// Time between the beginnings of two operations; 0: no limit to the rate.
    pub(crate) pause_ns: u64,
    /// How it lets its session expire, where it does.
    pub(crate) doze: Option<Doze>,
}

/// A client that now and then does nothing for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doze {
    /// After so many operations in a million.
    pub(crate) in_a_million: u32,
    /// How long.
    pub(crate) for_ns: u64,
}

impl ClientSetup {
    /// A client of a plan.
    pub(crate) fn of(plan: &Plan, number: u32) -> Self {
        let workload = &plan.workload;
        let pause_ns = match workload.rate {
            0 => 0,
            rate => 1_000 * MILLISECOND * u64::from(workload.clients) / u64::from(rate),
        };
        Self {
            number,
            clients: workload.clients,
            nodes: plan.nodes,
            seed: plan.seed,
            deadline_ns: workload.operation_deadline_ms * MILLISECOND,
            pause_ns,
            doze: None,
        }
    }
}

/// What ended a wait.
#[derive(Debug)]
pub(crate) enum Input {
    /// The time of a [`Step::Wait`] is over.
    Woken,
    /// What came of a [`Step::Ask`].
    Settled(Result<Answer, Setback>),
}

/// What a client does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Asks a node, which may take until then.
    Ask { node: u32, request: Request, deadline_ns: u64 },
    /// Waits until then.
    Wait { until_ns: u64 },
    /// Nothing: there is no work. Woken again, it looks for new work.
    Rest,
}

/// What a client waits for.
#[derive(Debug, Default)]
enum State {
    /// To begin.
    New,
    /// Until the next operation is due.
    #[default]
    Resting,
    /// For a session.
    Opening(Opening),
    /// Until an operation is worth another attempt.
    Pausing(Attempt),
    /// For the answer to one.
    Trying(Attempt),
}

#[derive(Debug)]
struct Opening {
    node: u32,
    end_ns: u64,
    attempts: u32,
    /// What the session is for; `None`: whatever the generator says next.
    task: Option<Task>,
}

#[derive(Debug)]
struct Attempt {
    operation: Operation,
    leader_only: bool,
    /// A change's session, and its number in it.
    command: Option<(u64, u64)>,
    end_ns: u64,
    node: u32,
    /// Some attempt may have taken effect.
    is_unknown: bool,
    attempts: u32,
    /// As an operation of the final list: how often it was tried before.
    tried: Option<u32>,
}

impl Attempt {
    /// Whether what may have been applied must not be asked for again: a change without a session.
    fn has_one_try(&self) -> bool {
        self.command.is_some_and(|(session, _)| session == NO_SESSION)
    }
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    process: u64,
    process_step: u64,
    habit: Habit,
    nodes: u32,
    node: u32,
    dice: Dice,
    deadline_ns: u64,
    pause_ns: u64,
    doze: Option<(Doze, Dice)>,
    /// When the next operation is due; at first, how long after the beginning.
    due_ns: u64,
    /// The session's id and the number of its last command.
    session: Option<(u64, u64)>,
    session_tried_ns: Option<u64>,
    state: State,
}

/// What a client has at hand at one turn.
struct Turn<'a> {
    now_ns: u64,
    shared: &'a mut Shared,
    history: &'a mut dyn HistoryWriter,
}

impl Client {
    /// A client that has done nothing yet.
    pub(crate) fn new(setup: ClientSetup) -> Self {
        let number = u64::from(setup.number);
        let habit = Habit::of(setup.number, setup.nodes);
        let node = match habit {
            Habit::Pinned(node) => node,
            Habit::Roaming => setup.number % setup.nodes + 1,
        };
        Self {
            process: number,
            process_step: u64::from(setup.clients),
            habit,
            nodes: setup.nodes,
            node,
            dice: Dice::new(setup.seed, CLIENT_PURPOSE + number),
            deadline_ns: setup.deadline_ns,
            pause_ns: setup.pause_ns,
            doze: setup.doze.map(|doze| (doze, Dice::new(setup.seed, DOZE_PURPOSE + number))),
            // Spread over one pause, so that clients do not march in step.
            due_ns: setup.pause_ns * number / u64::from(setup.clients),
            session: None,
            session_tried_ns: None,
            state: State::New,
        }
    }

    /// Lets operations take longer, or less long.
    pub(crate) fn set_deadline(&mut self, deadline_ns: u64) {
        self.deadline_ns = deadline_ns;
    }

    /// This node will never answer again: who asked nobody else asks whoever there is.
    pub(crate) fn forget_home(&mut self, node: u32) {
        if self.habit == Habit::Pinned(node) {
            self.habit = Habit::Roaming;
        }
    }

    /// What the end of a wait leads to.
    pub(crate) fn step(
        &mut self,
        now_ns: u64,
        input: Input,
        shared: &mut Shared,
        history: &mut dyn HistoryWriter,
    ) -> Step {
        let mut turn = Turn { now_ns, shared, history };
        match (mem::take(&mut self.state), input) {
            (State::New, Input::Woken) => {
                self.due_ns += now_ns;
                Step::Wait { until_ns: self.due_ns }
            }
            (State::Resting, Input::Woken) => self.begin(&mut turn),
            (State::Opening(opening), Input::Settled(result)) => {
                self.opened(&mut turn, opening, result)
            }
            (State::Pausing(attempt), Input::Woken) => self.attempt(now_ns, attempt),
            (State::Trying(attempt), Input::Settled(result)) => {
                self.settle(&mut turn, attempt, result)
            }
            (state, input) => unreachable!("{input:?} is not what {state:?} waits for"),
        }
    }

    fn begin(&mut self, turn: &mut Turn<'_>) -> Step {
        match &mut turn.shared.work {
            Work::Load if self.habit.only_reads() => self.draw(turn, false),
            Work::Load => self.with_session(turn, None),
            Work::Nothing => Step::Rest,
            Work::List(list) => match list.pop_front() {
                Some(task) if task.operation.action == Action::Read => {
                    self.invoke(turn, task.operation, Some(task.tried))
                }
                Some(task) => self.with_session(turn, Some(task)),
                None => Step::Rest,
            },
        }
    }

    /// Opens a session first, where there is none and it was not just tried in vain.
    fn with_session(&mut self, turn: &mut Turn<'_>, task: Option<Task>) -> Step {
        let now_ns = turn.now_ns;
        let tried = self.session_tried_ns.filter(|tried| now_ns < tried + SESSION_DEADLINE_NS);
        if self.session.is_some() || tried.is_some() && task.is_none() {
            return self.choose(turn, task);
        }
        let end_ns = now_ns + SESSION_DEADLINE_NS;
        self.open(Opening { node: self.node, end_ns, attempts: 0, task })
    }

    fn open(&mut self, opening: Opening) -> Step {
        let (node, deadline_ns) = (opening.node, opening.end_ns);
        self.state = State::Opening(Opening { attempts: opening.attempts + 1, ..opening });
        Step::Ask { node, request: Request::OpenSession, deadline_ns }
    }

    fn opened(
        &mut self,
        turn: &mut Turn<'_>,
        opening: Opening,
        result: Result<Answer, Setback>,
    ) -> Step {
        let node = match result {
            Ok(Answer { result: Answered::Opened(id), .. }) => {
                self.session = Some((id, 0));
                return self.choose(turn, opening.task);
            }
            Err(Setback { next: Next::Leader { node, .. }, .. }) if self.knows(node) => node,
            _ => self.after(opening.node),
        };
        let is_worth_it = turn.now_ns + ATTEMPT_LEAST_NS < opening.end_ns;
        if opening.attempts < SESSION_ATTEMPTS && is_worth_it {
            return self.open(Opening { node, ..opening });
        }
        self.session_tried_ns = Some(turn.now_ns);
        self.choose(turn, opening.task)
    }

    /// The operation, now that there is a session or will be none.
    fn choose(&mut self, turn: &mut Turn<'_>, task: Option<Task>) -> Step {
        match (task, self.session) {
            (None, session) => self.draw(turn, session.is_some()),
            (Some(task), Some(_)) => self.invoke(turn, task.operation, Some(task.tried)),
            // Without a session each attempt at a change would be applied, so there is none.
            (Some(task), None) => self.put_back(turn, task, SESSION_DEADLINE_NS),
        }
    }

    fn draw(&mut self, turn: &mut Turn<'_>, may_change: bool) -> Step {
        let operation = turn.shared.generator.next(may_change, &mut self.dice);
        self.invoke(turn, operation, None)
    }

    fn invoke(&mut self, turn: &mut Turn<'_>, operation: Operation, tried: Option<u32>) -> Step {
        let is_read = operation.action == Action::Read;
        let leader_only = is_read && self.dice.once_in(LEADER_ONLY_ONCE_IN);
        let session = self.session.as_mut().filter(|_| !is_read);
        let command = session.map(|(session, sequence)| {
            *sequence += 1;
            (*session, *sequence)
        });
        let leader_only = leader_only && operation.node.is_none();
        let attempt = Attempt {
            leader_only,
            command,
            end_ns: turn.now_ns + self.deadline_ns,
            node: operation.node.unwrap_or(self.node),
            operation,
            is_unknown: false,
            attempts: 0,
            tried,
        };
        turn.history.event(self.event(&attempt, EventType::Invoke));
        self.attempt(turn.now_ns, attempt)
    }

    fn attempt(&mut self, now_ns: u64, mut attempt: Attempt) -> Step {
        attempt.attempts += 1;
        let node = attempt.node;
        // What cannot be asked for twice is worth waiting for.
        let is_patient = self.habit == Habit::Pinned(node) || attempt.has_one_try();
        let patience_ns = if is_patient { u64::MAX } else { PATIENCE_NS };
        let deadline_ns = attempt.end_ns.min(now_ns.saturating_add(patience_ns));
        let key = attempt.operation.key.clone();
        let request = match (attempt.operation.action.change(), attempt.command) {
            (Some(change), Some(command)) => Request::Write { key, change, command },
            _ => Request::Get { key, leader_only: attempt.leader_only },
        };
        self.state = State::Trying(attempt);
        Step::Ask { node, request, deadline_ns }
    }

    /// What an attempt came to: the end of its operation, or another one.
    fn settle(
        &mut self,
        turn: &mut Turn<'_>,
        mut attempt: Attempt,
        result: Result<Answer, Setback>,
    ) -> Step {
        let setback = match result {
            Ok(answer) => {
                self.stay_at(attempt.node);
                return self.answered(turn, attempt, answer);
            }
            Err(setback) => setback,
        };
        attempt.is_unknown |= setback.is_indefinite;
        let is_final = matches!(setback.next, Next::NewSession | Next::GiveUp)
            || attempt.has_one_try() && setback.is_indefinite;
        let next = self.next_node(attempt.node, &setback.next);
        let pause_ns = match setback.next {
            Next::Leader { .. } if attempt.attempts == 1 => 0,
            _ => RETRY_PAUSE_NS,
        };
        if is_final || attempt.end_ns < turn.now_ns + pause_ns + ATTEMPT_LEAST_NS {
            self.stay_at(next);
            return self.unanswered(turn, attempt, setback);
        }
        attempt.node = next;
        if attempt.leader_only && matches!(self.habit, Habit::Pinned(_)) {
            // Its own node does not lead; asked plainly, it can answer all the same.
            attempt.leader_only = false;
            attempt.node = self.node;
        }
        self.state = State::Pausing(attempt);
        Step::Wait { until_ns: turn.now_ns + pause_ns }
    }

    /// Whom to ask after a setback.
    fn next_node(&self, node: u32, next: &Next) -> u32 {
        match (next, self.habit) {
            (Next::Leader { node: leader, .. }, _) if self.knows(*leader) => *leader,
            (Next::Elsewhere, Habit::Roaming) => self.after(node),
            (_, Habit::Pinned(home)) => home,
            _ => node,
        }
    }

    fn knows(&self, node: u32) -> bool {
        (1..=self.nodes).contains(&node)
    }

    fn after(&self, node: u32) -> u32 {
        node % self.nodes + 1
    }

    /// A roaming client stays where it was answered.
    fn stay_at(&mut self, node: u32) {
        if self.habit == Habit::Roaming {
            self.node = node;
        }
    }

    fn answered(&mut self, turn: &mut Turn<'_>, attempt: Attempt, answer: Answer) -> Step {
        let event = Event {
            node: Some(node_name(answer.node)),
            term: answer.term,
            ..self.event(&attempt, EventType::Ok)
        };
        let workload = turn.shared.generator.name();
        let (outcome, event) = match answer.result {
            Answered::Value(stored) => {
                let value = stored_value(workload, stored.as_ref());
                (Outcome::Ok(Some(value.clone())), Event { value, ..event })
            }
            Answered::Written | Answered::Opened(_) => (Outcome::Ok(None), event),
            Answered::Mismatch(stored) => {
                let is = stored_value(workload, stored.as_ref());
                let saw = Some(Seen { is: is.clone() });
                (Outcome::Mismatch(is), Event { kind: EventType::Fail, saw, ..event })
            }
        };
        turn.history.event(event);
        self.conclude(turn, attempt, &outcome)
    }

    fn unanswered(&mut self, turn: &mut Turn<'_>, attempt: Attempt, setback: Setback) -> Step {
        // A read that was not answered changed nothing and saw nothing.
        let is_info = attempt.is_unknown && attempt.operation.action != Action::Read;
        let (kind, outcome) = match is_info {
            true => (EventType::Info, Outcome::Info),
            false => (EventType::Fail, Outcome::Fail),
        };
        let event = Event { error: Some(setback.reason), ..self.event(&attempt, kind) };
        turn.history.event(event);
        if is_info {
            self.process += self.process_step;
        }
        if is_info || setback.next == Next::NewSession {
            self.session = None;
        }
        self.conclude(turn, attempt, &outcome)
    }

    fn conclude(&mut self, turn: &mut Turn<'_>, attempt: Attempt, outcome: &Outcome) -> Step {
        let Attempt { operation, tried, .. } = attempt;
        turn.shared.tally.count(operation.action.f(), outcome);
        let Some(tried) = tried else {
            turn.shared.generator.learn(&operation, outcome);
            return self.rest(turn);
        };
        match outcome {
            Outcome::Ok(_) => {}
            // A change may not be repeated as a new operation: its value would not be unique.
            Outcome::Info => turn.shared.unanswered += 1,
            Outcome::Fail | Outcome::Mismatch(_) => {
                return self.put_back(turn, Task { operation, tried }, RETRY_PAUSE_NS);
            }
        }
        self.rest(turn)
    }

    /// An operation of the final list that came to nothing is tried again, by whoever is the next to have time.
    fn put_back(&mut self, turn: &mut Turn<'_>, task: Task, pause_ns: u64) -> Step {
        let tried = task.tried + 1;
        match &mut turn.shared.work {
            Work::List(list) if tried < FINAL_ATTEMPTS => list.push_back(Task { tried, ..task }),
            _ => turn.shared.unanswered += 1,
        }
        Step::Wait { until_ns: turn.now_ns + pause_ns }
    }

    /// Until the next operation is due.
    fn rest(&mut self, turn: &Turn<'_>) -> Step {
        let now_ns = turn.now_ns;
        let is_load = turn.shared.work == Work::Load;
        self.due_ns += self.pause_ns;
        if self.due_ns + LAG_MAX_NS < now_ns || !is_load {
            self.due_ns = now_ns;
        }
        if let Some((doze, dice)) = &mut self.doze
            && is_load
            && dice.below(1_000_000) < doze.in_a_million.into()
        {
            self.due_ns = now_ns + doze.for_ns;
        }
        Step::Wait { until_ns: self.due_ns.max(now_ns) }
    }

    /// An event of an attempt's operation, with what is known of it already.
    fn event(&self, attempt: &Attempt, kind: EventType) -> Event {
        let action = &attempt.operation.action;
        Event {
            key: Some(attempt.operation.key.clone()),
            node: Some(node_name(attempt.node)),
            command: attempt.command.filter(|(session, _)| *session != NO_SESSION),
            ..Event::new(Process::Client(self.process), kind, action.f(), action.value())
        }
    }
}

#[cfg(test)]
mod tests;
