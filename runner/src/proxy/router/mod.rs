//! The network of nodes that speak Maelstrom's protocol on their standard input and output: their messages are carried here.
//!
//! A message obeys the rule of its direction, as bytes do in a proxy, and is counted with it: one against a block is lost, and so
//! is one while connections are reset; one that is slow is late by itself, so that others overtake it. Nothing is doubled,
//! and nothing lost at random: a [`Rule`](super::Rule) has no word for that.
//!
//! A node is always read, and never waited for: what does not fit into its inbox is lost, and told in the notes.

mod life;
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use whitewater_processes::Pipes;
use whitewater_target::{Pending, Unanswered, Wire};

use super::rule::{Fate, Schedule};
use super::{Network, Party};
use crate::dice::Dice;
use life::{Parcel, hear, tell};
use message::Heard;

/// Lines that wait to be read by one node.
const INBOX_MAX: usize = 4_096;
/// Messages of all nodes that are under way where links are slow.
const LATE_MAX: usize = 16_384;

/// Carries the messages of all nodes and clients.
#[derive(Debug)]
pub(crate) struct Router {
    network: Arc<Network>,
    nodes: u32,
    /// Never held while a rule is looked at.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    schedules: BTreeMap<(Party, Party), Schedule>,
    lives: BTreeMap<u32, Life>,
    lives_begun: u64,
    waiting: BTreeMap<u64, Waiting>,
    requests: u64,
    late: usize,
    oddities: BTreeMap<u32, Oddities>,
}

#[derive(Debug)]
struct Life {
    number: u64,
    inbox: mpsc::Sender<Parcel>,
    is_ready: bool,
}

/// A client that waits for an answer.
#[derive(Debug)]
struct Waiting {
    client: u32,
    of: Name,
    answer: oneshot::Sender<Result<Value, String>>,
}

/// What a node did that it should not.
#[derive(Debug, Default)]
struct Oddities {
    strays: u64,
    last_stray: String,
    overflown: u64,
}

/// A node in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    node: u32,
    life: u64,
}

/// What travels.
enum Load {
    /// A line for a node.
    Line(Vec<u8>),
    /// What answers this request, of so many bytes.
    Answer(u64, Value, usize),
}

impl Load {
    fn bytes(&self) -> usize {
        match self {
            Load::Line(line) => line.len(),
            Load::Answer(_, _, bytes) => *bytes,
        }
    }
}

/// Why a node gets no line.
enum Undelivered {
    Down(String),
    Full(String),
}

impl Router {
    /// Of nodes 1 to `nodes`, none of which lives yet, under the rules of this network.
    pub(crate) fn new(network: Arc<Network>, nodes: u32, dice: Dice) -> Self {
        let state = State {
            dice,
            schedules: BTreeMap::new(),
            lives: BTreeMap::new(),
            lives_begun: 0,
            waiting: BTreeMap::new(),
            requests: message::INIT,
            late: 0,
            oddities: BTreeMap::new(),
        };
        Self { network, nodes, state: Mutex::new(state) }
    }

    /// Begins a life of a node, whose process was just started, by telling it who it is.
    pub(crate) fn attach(self: &Arc<Self>, node: u32, pipes: Pipes, log: &Path) -> io::Result<()> {
        let log = OpenOptions::new().append(true).create(true).open(log)?;
        let stdin = pipe::Sender::from_owned_fd(pipes.stdin.into())?;
        let stdout = pipe::Receiver::from_owned_fd(pipes.stdout.into())?;
        let (inbox, parcels) = mpsc::channel(INBOX_MAX);
        let init = Parcel { line: message::init(node, self.nodes), direction: None };
        inbox.try_send(init).expect("an inbox is empty at first");
        let name = {
            let mut state = self.state();
            state.lives_begun += 1;
            let number = state.lives_begun;
            state.lives.insert(node, Life { number, inbox, is_ready: false });
            Name { node, life: number }
        };
        tokio::spawn(tell(stdin, parcels));
        tokio::spawn(hear(self.clone(), name, stdout, log));
        Ok(())
    }

    /// Whether a node has said that it is ready.
    ///
    /// # Errors
    /// What was seen instead, in words.
    pub(crate) fn look(&self, node: u32) -> Result<(), String> {
        let state = self.state();
        if state.lives.get(&node).is_some_and(|life| life.is_ready) {
            return Ok(());
        }
        Err(match state.oddities.get(&node).filter(|it| it.strays > 0) {
            None => "it has not answered init".into(),
            Some(it) => format!("it has not answered init, and said {}", it.last_stray),
        })
    }

    /// A client's way to the nodes.
    pub(crate) fn caller(self: &Arc<Self>, client: u32) -> Box<dyn Wire> {
        Box::new(Caller { router: self.clone(), client })
    }

    /// What nodes did that they should not.
    pub(crate) fn notes(&self) -> Vec<String> {
        let state = self.state();
        let notes = state.oddities.iter().flat_map(|(node, it)| {
            let strays = (it.strays > 0).then(|| {
                let (count, last) = (it.strays, &it.last_stray);
                format!("n{node} printed {count} lines that are no messages, at last {last}")
            });
            let overflown = (it.overflown > 0).then(|| {
                let count = it.overflown;
                format!(
                    "n{node} read too slowly: {count} messages to it were lost, as {INBOX_MAX} waited"
                )
            });
            strays.into_iter().chain(overflown)
        });
        notes.collect()
    }

    /// Every two nodes of which the first has sent something to the second.
    pub(crate) fn pairs(&self) -> BTreeSet<(u32, u32)> {
        let all = (1..=self.nodes).flat_map(|from| (1..=self.nodes).map(move |to| (from, to)));
        let has_carried = |&(from, to): &(u32, u32)| {
            let direction = self.network.direction(Party::Node(from), Party::Node(to));
            direction.is_some_and(|direction| direction.counters().bytes_passed > 0)
        };
        all.filter(has_carried).collect()
    }

    /// Does what a line of a node asks for; why it is no message, where it is none.
    fn heard(self: &Arc<Self>, name: Name, line: &[u8]) -> Result<(), String> {
        let from = Party::Node(name.node);
        match message::heard(line, self.nodes)? {
            Heard::Node(to) => {
                let sent = self.send(from, Party::Node(to), Load::Line(line.to_owned()));
                if let Err(Undelivered::Full(_)) = sent {
                    self.state().oddities.entry(to).or_default().overflown += 1;
                }
            }
            Heard::Answer { client, request, body } => {
                // One that comes late or twice is awaited by nobody.
                let is_awaited =
                    self.state().waiting.get(&request).is_some_and(|it| it.client == client);
                if is_awaited {
                    let load = Load::Answer(request, body, line.len());
                    let _ = self.send(from, Party::Client(client), load);
                }
            }
            Heard::Ready => {
                if let Some(life) = self.state().lives.get_mut(&name.node)
                    && life.number == name.life
                {
                    life.is_ready = true;
                }
            }
        }
        Ok(())
    }

    /// Sends something on its way, on which it may be lost.
    fn send(self: &Arc<Self>, from: Party, to: Party, load: Load) -> Result<(), Undelivered> {
        let Some(direction) = self.network.direction(from, to) else {
            return self.hand(to, None, load);
        };
        let (rule, bytes) = (direction.current(), load.bytes());
        let fate = {
            let state = &mut *self.state();
            let now = Instant::now();
            let schedule = state
                .schedules
                .entry((from, to))
                .or_insert_with(|| Schedule::new(now, Dice::new(state.dice.draw(), 0)));
            match schedule.fate(rule, now, bytes) {
                Fate::Late(_) if state.late >= LATE_MAX => Fate::Lost,
                Fate::Late(due) => {
                    state.late += 1;
                    Fate::Late(due)
                }
                fate => fate,
            }
        };
        match fate {
            Fate::Now => return self.hand(to, Some(direction), load),
            Fate::Lost => direction.count_lost(rule, bytes),
            Fate::Late(due) => {
                direction.count_slowed(bytes);
                let router = self.clone();
                tokio::spawn(async move {
                    sleep_until(due).await;
                    router.state().late -= 1;
                    let direction = router.network.direction(from, to);
                    // Who ended meanwhile gets nothing.
                    let _ = router.hand(to, direction, load);
                });
            }
        }
        Ok(())
    }

    /// Hands something to whom it is for.
    fn hand(
        &self,
        to: Party,
        direction: Option<&Arc<super::Direction>>,
        load: Load,
    ) -> Result<(), Undelivered> {
        match (to, load) {
            (Party::Node(node), Load::Line(line)) => {
                let state = self.state();
                let life = state.lives.get(&node).ok_or_else(|| down(node))?;
                let parcel = Parcel { line, direction: direction.cloned() };
                life.inbox.try_send(parcel).map_err(|error| match error {
                    mpsc::error::TrySendError::Closed(_) => down(node),
                    mpsc::error::TrySendError::Full(_) => Undelivered::Full(format!(
                        "n{node} reads too slowly: {INBOX_MAX} messages wait for it"
                    )),
                })
            }
            (_, Load::Answer(request, body, bytes)) => {
                let answer = || {
                    if let Some(waiting) = self.state().waiting.remove(&request) {
                        let _ = waiting.answer.send(Ok(body));
                    }
                };
                match direction {
                    Some(direction) => drop(direction.pass(bytes, || {
                        answer();
                        Ok(bytes)
                    })),
                    None => answer(),
                }
                Ok(())
            }
            (Party::Client(_), Load::Line(_)) => Ok(()),
        }
    }

    /// Has a client wait for an answer of a node.
    fn await_answer(
        &self,
        client: u32,
        node: u32,
    ) -> Result<(u64, oneshot::Receiver<Result<Value, String>>), String> {
        let state = &mut *self.state();
        let life = state.lives.get(&node).ok_or_else(|| format!("n{node} does not run"))?;
        if !life.is_ready {
            return Err(format!("n{node} has not answered init yet"));
        }
        let of = Name { node, life: life.number };
        let (answer, answered) = oneshot::channel();
        state.requests += 1;
        state.waiting.insert(state.requests, Waiting { client, of, answer });
        Ok((state.requests, answered))
    }

    fn note_stray(&self, node: u32, told: String) {
        let mut state = self.state();
        let oddities = state.oddities.entry(node).or_default();
        oddities.strays += 1;
        oddities.last_stray = told;
    }

    /// A life is over: whoever waits for an answer of it waits in vain.
    fn ended(&self, name: Name) {
        let mut state = self.state();
        if state.lives.get(&name.node).is_some_and(|life| life.number == name.life) {
            state.lives.remove(&name.node);
        }
        let waiting = state.waiting.extract_if(.., |_, waiting| waiting.of == name);
        for (_, waiting) in waiting {
            let _ = waiting.answer.send(Err(format!("n{} ended before it answered", name.node)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn down(node: u32) -> Undelivered {
    Undelivered::Down(format!("n{node} does not run, or reads nothing"))
}

/// One client.
struct Caller {
    router: Arc<Router>,
    client: u32,
}

/// Ends the wait for an answer.
struct Awaited<'a>(&'a Router, u64);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.state().waiting.remove(&self.1);
    }
}

impl Caller {
    async fn asked(&self, node: u32, body: Value, time: Duration) -> Result<Value, Unanswered> {
        let unsent = |reason: String| Unanswered { is_sent: false, reason };
        let lost = |reason: String| Unanswered { is_sent: true, reason };
        let (id, answered) = self.router.await_answer(self.client, node).map_err(unsent)?;
        let _awaited = Awaited(&self.router, id);
        let line = Load::Line(message::request(self.client, node, id, body));
        let sent = self.router.send(Party::Client(self.client), Party::Node(node), line);
        sent.map_err(|(Undelivered::Down(reason) | Undelivered::Full(reason))| unsent(reason))?;
        match timeout(time, answered).await {
            Ok(Ok(answer)) => answer.map_err(lost),
            Ok(Err(_)) => Err(lost("the router has ended".into())),
            Err(_) => Err(lost(format!("no answer within {} ms", time.as_millis()))),
        }
    }
}

impl Wire for Caller {
    fn ask(
        &mut self,
        node: u32,
        body: Value,
        deadline: Duration,
    ) -> Pending<'_, Result<Value, Unanswered>> {
        Box::pin(self.asked(node, body, deadline))
    }
}

#[cfg(test)]
mod tests;
