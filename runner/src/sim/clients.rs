//! Does on the simulated cluster what clients want: requests and answers travel over virtual links, and waits
//! end at a virtual time.

use std::mem;
use std::time::Duration;

use whitewater_server::answer::{self, Failure, FailureKind, Outcome};
use whitewater_server::command::{Command, Operation};
use whitewater_server::kv::Effect;
use whitewater_server::machine::Reply;

use super::deck::Call;
use super::host::Process;
use super::weather::Weather;
use super::world::{Arrival, Happening, OPERATOR, World};
use crate::plan::Plan;
use crate::proxy::Party;
use crate::workload::{Client, ClientSetup, Doze, Input, Step};
use whitewater_target::{ANSWER_GRACE, Answer, Answered, Change, Next, Request, Setback};

const MILLISECOND: u64 = 1_000_000;
/// A broken connection is noticed after this.
const BREAK_NS: u64 = 200_000;

/// A client in the world.
#[derive(Debug)]
pub(super) struct Seat {
    client: Client,
    /// Counts what it waited for: what ends an earlier wait comes too late.
    turn: u64,
    /// The node it waits for.
    asked: Option<u32>,
    /// Whether it found nothing left to do.
    is_idle: bool,
    /// Whether it was cut off in the midst of something.
    is_gone: bool,
}

/// The clients of a plan, with nothing done yet.
pub(super) fn seats(plan: &Plan, weather: &Weather) -> Vec<Seat> {
    let in_a_million = weather.doze_in_a_million;
    let for_ns = weather.session_expiry_ms * MILLISECOND * 5 / 4;
    let doze = (in_a_million > 0).then_some(Doze { in_a_million, for_ns });
    let seat = |number| {
        let client = Client::new(ClientSetup { doze, ..ClientSetup::of(plan, number) });
        Seat { client, turn: 0, asked: None, is_idle: true, is_gone: false }
    };
    (0..plan.workload.clients).map(seat).collect()
}

impl World<'_> {
    /// Sets idle clients to work on what there is to do, which may take that long for each operation.
    pub(super) fn work(&mut self, each_ns: Option<u64>) {
        for client in 0..self.seats.len() {
            let seat = &mut self.seats[client];
            if mem::take(&mut seat.is_idle) {
                each_ns.into_iter().for_each(|each_ns| seat.client.set_deadline(each_ns));
                self.later(client, self.now_ns, Input::Woken);
            }
        }
    }

    /// Whether every client that is left found nothing left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.seats.iter().all(|seat| seat.is_idle || seat.is_gone)
    }

    /// Cuts off whoever is at work.
    pub(super) fn dismiss(&mut self) {
        for seat in self.seats.iter_mut().filter(|seat| !seat.is_idle && !seat.is_gone) {
            seat.is_gone = true;
            seat.turn += 1;
        }
    }

    /// A node left for good.
    pub(super) fn forget_home(&mut self, node: u32) {
        self.seats.iter_mut().for_each(|seat| seat.client.forget_home(node));
    }

    /// What a client waits for now ends then.
    fn later(&mut self, client: usize, at_ns: u64, input: Input) {
        let turn = self.seats[client].turn;
        self.queue.push(at_ns, Happening::Client { client, turn, input });
    }

    /// What a client waited for has ended.
    pub(super) fn client(&mut self, client: usize, turn: u64, input: Input) {
        let seat = &mut self.seats[client];
        if seat.turn != turn {
            return;
        }
        seat.turn += 1;
        seat.asked = None;
        let now_ns = self.now_ns;
        let mut history = self.recording.at(now_ns);
        match seat.client.step(now_ns, input, &mut self.shared, &mut history) {
            Step::Rest => seat.is_idle = true,
            Step::Wait { until_ns } => self.later(client, until_ns, Input::Woken),
            Step::Ask { node, request, deadline_ns } => {
                self.ask(client, node, request, deadline_ns);
            }
        }
    }

    fn ask(&mut self, client: usize, node: u32, request: Request, deadline_ns: u64) {
        self.seats[client].asked = Some(node);
        let patience = Duration::from_nanos(deadline_ns.saturating_sub(self.now_ns));
        let is_change = matches!(request, Request::Write { .. });
        let silence = Input::Settled(Err(Setback::silence(is_change, patience)));
        self.later(client, deadline_ns + grace_ns(), silence);
        let number = self.seats[client].turn;
        let call = Call { client, number, deadline_ns };
        if let Some(at_ns) = self.network.client(self.now_ns, party(client), Party::Node(node)) {
            let host = usize::try_from(node - 1).expect("a small cluster");
            let arrival = Arrival::Request { call, request };
            self.queue.push(at_ns, Happening::At { host, boot: None, arrival });
        }
    }

    /// Nothing listens there: the request was never sent.
    pub(super) fn refuse(&mut self, node: u32, call: Call) {
        let refused = Setback::unreachable(false, "connection refused");
        self.reply(node, call, Err(refused));
    }

    /// A node answers a client, or the operator.
    pub(super) fn answer_client(&mut self, node: u32, call: Call, answer: answer::Answer) {
        if call.client == OPERATOR {
            return self.nemesis.contact.answered(call.number, &answer);
        }
        self.reply(node, call, understand(node, answer));
    }

    fn reply(&mut self, node: u32, call: Call, result: Result<Answer, Setback>) {
        let Call { client, number: turn, .. } = call;
        if let Some(at_ns) = self.network.client(self.now_ns, Party::Node(node), party(client)) {
            let input = Input::Settled(result);
            self.queue.push(at_ns, Happening::Client { client, turn, input });
        }
    }

    /// The connections of whoever waits for a node break.
    pub(super) fn break_connections(&mut self, node: u32) {
        for client in 0..self.seats.len() {
            if self.seats[client].asked == Some(node) {
                let broken = Setback::unreachable(true, "connection reset");
                self.later(client, self.now_ns + BREAK_NS, Input::Settled(Err(broken)));
            }
        }
    }
}

fn grace_ns() -> u64 {
    u64::try_from(ANSWER_GRACE.as_nanos()).expect("a moment")
}

fn party(client: usize) -> Party {
    Party::Client(u32::try_from(client).expect("a few clients"))
}

/// Gives a client's request to a node.
pub(super) fn hand_over(
    process: &mut Process,
    call: Call,
    request: Request,
    time_ms: u64,
    expiry_ms: u64,
) {
    let command = match request {
        Request::Get { key, leader_only } => return process.node.read(key, leader_only, call),
        Request::OpenSession => Command::OpenSession { time_ms, expiry_ms },
        Request::Write { key, change, command: (session, sequence) } => {
            let operation = match change {
                Change::Put(value) => Operation::Put(value),
                Change::Delete => Operation::Delete,
                Change::Cas { expected, new } => Operation::Cas { expected, new: Some(new) },
                Change::Append(suffix) => Operation::Append(suffix),
            };
            Command::Write { time_ms, session, sequence, key, operation }
        }
    };
    process.node.write(command, call);
}

/// What a node's answer means.
fn understand(node: u32, answer: answer::Answer) -> Result<Answer, Setback> {
    let result = match answer.outcome {
        Outcome::Value(value) => Answered::Value(value),
        Outcome::Reply(Reply::Opened(id)) => Answered::Opened(id),
        Outcome::Reply(Reply::Effect(Effect::Mismatch { seen })) => Answered::Mismatch(seen),
        Outcome::Reply(_) | Outcome::Changed => Answered::Written,
        Outcome::Failure(failure) => return Err(setback(failure)),
    };
    Ok(Answer { result, node, term: (answer.term > 0).then_some(answer.term) })
}

fn setback(failure: Failure) -> Setback {
    let leader = failure.leader.and_then(|leader| u32::try_from(leader).ok());
    let next = match (failure.kind, leader) {
        (FailureKind::NotLeader, Some(node)) => Next::Leader { node, address: String::new() },
        (FailureKind::TimedOut | FailureKind::Stopping, _) => Next::Elsewhere,
        (FailureKind::UnknownSession | FailureKind::StaleSequence, _) => Next::NewSession,
        (FailureKind::Invalid, _) => Next::GiveUp,
        _ => Next::Later,
    };
    Setback { is_indefinite: failure.is_indefinite, next, reason: failure.message }
}
