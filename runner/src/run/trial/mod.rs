//! A trial of a target: starts its cluster once and tries everything that a description may have wrong.
//!
//! [`taken`] judges what comes back, [`facts`] is what is told of it; here it is done.

mod carried;
mod facts;
mod listeners;
mod requests;
mod taken;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use whitewater_server::clock::monotonic_ns;
use whitewater_target::{Answer, Answered, Change, Client, Next, Request, Setback};

use super::Order;
use super::live::{bring_up, early_end, tear_down};
use super::setup::Stage;
use crate::cluster::node_name;
use crate::nemesis::ProcessState;
use crate::phases::Log;
pub(crate) use facts::Facts;
use taken::{in_words, judge_absent, judge_cas, judge_read, judge_without_majority};

/// How long one request may take, as an operation of a run.
const REQUEST: Duration = Duration::from_secs(1);
/// So many different answers are shown where none is the wanted one.
const ANSWERS_SHOWN: usize = 3;
/// Between two tries at what has to work sooner or later.
const AGAIN: Duration = Duration::from_millis(50);

/// How a trial ended.
#[derive(Debug)]
pub(crate) enum Trial {
    /// Everything was tried.
    Done(Facts),
    /// The cluster did not start, or ended.
    NotStarted(Facts, String),
}

/// Tries the target of an order, whose plan is not carried out.
pub(crate) async fn try_out(order: &Order) -> anyhow::Result<Trial> {
    let stage = Stage::set(order).await?;
    Ok(on_stage(&stage).await)
}

async fn on_stage(stage: &Stage) -> Trial {
    let mut bench = Bench::new(stage);
    bench.tell_commands();
    let start = Instant::now();
    let brought_up = tokio::select! {
        brought_up = bring_up(stage) => brought_up,
        obituary = early_end(&stage.cluster) => Err(obituary),
    };
    let trial = match brought_up {
        Err(reason) => Trial::NotStarted(bench.facts, reason),
        Ok(()) => match bench.everything(start).await {
            Ok(()) => Trial::Done(bench.facts),
            Err(reason) => Trial::NotStarted(bench.facts, reason),
        },
    };
    let processes = stage.cluster.numbers().filter_map(|node| stage.cluster.child(node));
    let pids: Vec<u32> = processes.map(|child| child.pid()).collect();
    let mut log = Log::default();
    tear_down(stage, &mut log).await;
    match trial {
        Trial::Done(mut facts) => {
            tell_end(&mut facts, &log.notes, &pids);
            Trial::Done(facts)
        }
        not_started @ Trial::NotStarted(..) => not_started,
    }
}

/// The cluster, a client of it, and what was found so far.
struct Bench<'a> {
    stage: &'a Stage,
    nodes: Vec<u32>,
    client: Box<dyn Client>,
    /// The client's session and the number of its last command.
    session: Option<(u64, u64)>,
    keys: u32,
    facts: Facts,
}

impl<'a> Bench<'a> {
    fn new(stage: &'a Stage) -> Self {
        let nodes: Vec<u32> = stage.cluster.numbers().collect();
        let client = stage.connections(0);
        Self { stage, nodes, client, session: None, keys: 0, facts: Facts::default() }
    }

    fn tell_commands(&mut self) {
        for (node, setup) in self.stage.cluster.setups() {
            let launch = self.stage.target.launch(&setup);
            let arguments = launch.arguments.iter().map(|it| it.to_string_lossy().into_owned());
            let words: Vec<String> =
                std::iter::once(launch.program.display().to_string()).chain(arguments).collect();
            self.facts.good(format!("{} is started as", node_name(node)), words.join(" "));
        }
    }

    async fn everything(&mut self, start: Instant) -> Result<(), String> {
        let stage = self.stage;
        let wrote = tokio::select! {
            wrote = self.first_write(start) => wrote,
            obituary = early_end(&stage.cluster) => return Err(obituary),
        };
        if !wrote {
            return Ok(());
        }
        self.through_each_node().await;
        if !self.facts.is_sound() {
            let seen = "not tried, as reads and writes have to be understood first";
            self.facts.limited("all the rest", seen, "then try again");
            return Ok(());
        }
        let absent = Request::Get { key: "never-written".into(), leader_only: false };
        let came = self.ask_until_answered(absent).await;
        judge_absent(&mut self.facts, &came);
        self.cas().await;
        self.tell_status();
        self.without_majority().await?;
        if self.stage.profile.promised.persistent {
            self.killed_leader().await?;
        }
        self.all_killed().await?;
        if let Some(router) = self.stage.router.clone() {
            self.tell_carried(&router);
            return Ok(());
        }
        self.tell_dials();
        self.tell_listeners();
        Ok(())
    }

    /// Until a write is acknowledged; `false`: it never was.
    async fn first_write(&mut self, start: Instant) -> bool {
        let within = self.stage.profile.manner.ready_within;
        let what = "a first acknowledged write";
        let key = self.fresh_key();
        let mut answers: Vec<String> = Vec::new();
        while start.elapsed() < within {
            for node in self.nodes.clone() {
                match self.write(node, &key, "1").await {
                    Ok(_) => {
                        let ms = start.elapsed().as_millis();
                        self.facts.good(what, format!("through n{node}, {ms} ms after the start"));
                        return true;
                    }
                    came @ Err(_) => {
                        let answer = format!("n{node}: {}", in_words(&came));
                        answers.retain(|earlier| *earlier != answer);
                        answers.push(answer);
                    }
                }
            }
            sleep(AGAIN).await;
        }
        let shown = answers.len().saturating_sub(ANSWERS_SHOWN);
        let last = answers.split_off(shown).join("; ");
        let seen = format!("none within {} s; the last answers were {last}", within.as_secs());
        let rest =
            "[[errors]] where its answer is taken for a failure; `ready` where nodes need longer";
        let advice = match self.stage.target.place_of("write") {
            Some(_) => format!("write: the request and the port; {rest}"),
            None => format!(
                "[client.…]: the program, what it answers and that it does so on stdout; {rest}"
            ),
        };
        self.facts.wrong(what, seen, advice);
        false
    }

    async fn through_each_node(&mut self) {
        let mut first = None;
        for node in self.nodes.clone() {
            let key = self.fresh_key();
            let value = format!("{}", 1000 + node);
            let came = self.write(node, &key, &value).await;
            let what = format!("a write through n{node}");
            let wrote = match &came {
                Ok(_) => {
                    self.facts.good(what, "acknowledged");
                    true
                }
                Err(Setback { next: Next::Leader { node: leader, .. }, .. }) => {
                    self.facts.good(what, in_words(&came));
                    self.write(*leader, &key, &value).await.is_ok()
                }
                Err(setback) => {
                    self.facts.limited(
                        what,
                        in_words(&came),
                        if setback.is_indefinite {
                            "[[errors]] means = \"not-leader\" for this answer, or [client.…] to = \"leader\": as it is, every \
                             write through such a node counts as unknown"
                        } else {
                            "[[errors]] means = \"not-leader\" for this answer, if it is a follower's"
                        },
                    );
                    self.write_anywhere(&key, &value).await
                }
            };
            if wrote {
                first.get_or_insert((key.clone(), value.clone()));
                let what = format!("a read through n{node}");
                self.read(node, key, &value, what).await;
            }
        }
        // Whoever answers with what was written last, whatever the key, is found out by another one.
        let other = self.fresh_key();
        if let Some((key, value)) = first
            && self.facts.is_sound()
            && self.write_anywhere(&other, "2000").await
        {
            let node = self.in_turn()[0];
            let what = format!("a read through n{node}, once another key was written");
            self.read(node, key, &value, what).await;
        }
    }

    async fn read(&mut self, node: u32, key: String, value: &str, what: String) {
        let read = Request::Get { key, leader_only: false };
        let came = self.client.ask(node, read, REQUEST).await;
        match &came {
            Err(Setback { next: Next::Leader { .. }, .. }) => {
                self.facts.good(what, in_words(&came));
            }
            _ => judge_read(&mut self.facts, &what, value, &came),
        }
    }

    async fn cas(&mut self) {
        if !self.stage.profile.offers.cas {
            self.facts.limited(
                "cas",
                "the target offers none: the workload only reads and writes",
                "[client.…] cas = …, if the server has one: it finds more",
            );
            return;
        }
        let key = self.fresh_key();
        if !self.write_anywhere(&key, "7").await {
            return;
        }
        let swap = |expected: &str, new: &str| Change::Cas {
            expected: Some(Bytes::copy_from_slice(expected.as_bytes())),
            new: Bytes::copy_from_slice(new.as_bytes()),
        };
        let hit = self.change_anywhere(&key, swap("7", "8")).await;
        let miss = self.change_anywhere(&key, swap("7", "9")).await;
        let after = self.ask_until_answered(Request::Get { key, leader_only: false }).await;
        judge_cas(&mut self.facts, &hit, &miss, &after, "8");
    }

    fn tell_status(&mut self) {
        let tells = self.stage.profile.tells;
        if self.stage.router.is_some() {
            return self.tell_no_status();
        }
        if !tells.anything() {
            self.facts.limited(
                "status",
                "none is described: faults strike by lot, and no rule about leaders and terms is checked",
                "[status.http], [status.command], [status.log] or [status.resp]",
            );
            return;
        }
        let view = self.stage.observer.view();
        let now_ns = monotonic_ns();
        let said = self.nodes.iter().map(|node| match view.answers.get(node) {
            None => format!("n{node} told nothing"),
            Some((_, status)) => match tells.term {
                true => format!("n{node} {} in term {}", status.role, status.term),
                false => format!("n{node} {}", status.role),
            },
        });
        let said: Vec<String> = said.collect();
        let said = said.join(", ");
        match (tells.leads, view.leader(now_ns)) {
            (false, _) => self.facts.limited(
                "who leads",
                format!("{said}; nobody tells who leads"),
                "[status.…] leads = …",
            ),
            (true, Some((leader, _))) => {
                self.facts.good("who leads", format!("{said}; taken for the leader: n{leader}"));
            }
            (true, None) => self.facts.wrong(
                "who leads",
                format!("{said}; nobody, though writes are acknowledged"),
                "[status.…] leads: what of the answer says that the asked node leads",
            ),
        }
    }

    async fn without_majority(&mut self) -> Result<(), String> {
        if self.nodes.len() < 3 {
            return Ok(());
        }
        let cluster = &self.stage.cluster;
        let asked = self.leader().unwrap_or(self.nodes[0]);
        let others = self.nodes.iter().copied().filter(|node| *node != asked);
        let stopped: Vec<u32> = others.take(self.nodes.len() / 2 + 1).collect();
        for node in &stopped {
            cluster.pause(*node)?;
        }
        for node in &stopped {
            self.until(*node, |state| *state == ProcessState::Stopped).await?;
        }
        let names: Vec<String> = stopped.iter().map(|node| node_name(*node)).collect();
        let key = self.fresh_key();
        let came = self.write(asked, &key, "1").await;
        judge_without_majority(&mut self.facts, &names.join(" "), &came);
        for node in &stopped {
            cluster.resume(*node)?;
        }
        self.serves_again("after the majority went on").await;
        Ok(())
    }

    async fn killed_leader(&mut self) -> Result<(), String> {
        let node = self.leader().unwrap_or(self.nodes[0]);
        let key = self.fresh_key();
        let wrote = self.write_anywhere(&key, "41").await;
        let before = self.term();
        let start = Instant::now();
        self.kill(&[node]).await?;
        if self.nodes.len() > 2 {
            self.serves_again(&format!("after kill -9 of n{node}")).await;
            let after = self.term();
            if self.stage.profile.tells.term && before.is_some() && before == after {
                self.facts.wrong(
                    "another leader has another term",
                    format!(
                        "the leader was killed, and all still say term {}",
                        before.unwrap_or(0)
                    ),
                    "[status.…] term: what of the answer is the term",
                );
            }
        }
        self.stage.cluster.start(node).map_err(|error| error.to_string())?;
        self.serves_again(&format!("after n{node} was started again")).await;
        if wrote {
            let came = self.read_until(node, &key, "41").await;
            let ms = start.elapsed().as_millis();
            let what = format!("n{node} after kill -9 and a start ({ms} ms): a read through it");
            match &came {
                Err(Setback { next: Next::Leader { .. }, .. }) => {
                    self.facts.good(what, in_words(&came));
                }
                _ => judge_read(&mut self.facts, &what, "41", &came),
            }
        }
        Ok(())
    }

    /// What was acknowledged is there after every node was killed, where the target says that it persists.
    async fn all_killed(&mut self) -> Result<(), String> {
        let key = self.fresh_key();
        if !self.write_anywhere(&key, "42").await {
            return Ok(());
        }
        self.kill(&self.nodes.clone()).await?;
        for node in self.nodes.clone() {
            self.stage.cluster.start(node).map_err(|error| error.to_string())?;
        }
        let is_back = self.serves_again("after kill -9 of every node").await;
        if !is_back {
            return Ok(());
        }
        let came = self.ask_until_answered(Request::Get { key, leader_only: false }).await;
        let is_there = matches!(&came, Ok(Answer { result: Answered::Value(Some(value)), .. }) if value == "42");
        let what = "what was acknowledged, after kill -9 of every node";
        match (is_there, self.stage.profile.promised.persistent) {
            (true, true) => self.facts.good(what, "still there"),
            (true, false) => self.facts.limited(
                what,
                "still there, though the description says that nothing persists",
                "leave `persistent = false` out: kill is then among the faults",
            ),
            (false, true) => self.facts.wrong(
                what,
                in_words(&came),
                "[promises] persistent = false, if that is so by design; if not, it is a finding",
            ),
            (false, false) => self.facts.good(what, "gone, as the description says"),
        }
        Ok(())
    }

    fn tell_dials(&mut self) {
        let what = "who dialled whom";
        let advice = "whitewater run --tier proxy needs servers that take an address for each peer: describe them by {others.X} only \
                      where --tier redirect works";
        let Some(dialled) = &self.stage.dialled else {
            self.facts.limited(
                what,
                "not seen: dials are not redirected here, so that partitions cut nothing between nodes that know each other's \
                 own addresses",
                advice,
            );
            return;
        };
        let seen = dialled.pairs();
        let (all, missing) = (self.ordered_pairs(), self.unlinked(&seen));
        let told = format!("{} of {all} ordered pairs were dialled", seen.len());
        match (all == 0, missing.is_empty(), seen.is_empty()) {
            (true, ..) => {}
            (_, true, _) => self.facts.good(what, format!("{told}, and every two nodes are linked")),
            (_, _, true) => self.facts.wrong(
                what,
                format!("{told}: partitions would be empty"),
                "ports: declare the one that nodes dial each other on, and give it by {others.X}; UDP and Unix sockets cannot be cut",
            ),
            _ => self.facts.limited(
                what,
                format!("{told}; never linked: {}", missing.join(", ")),
                "nothing, if nodes only dial the leader; partitions between these have no effect until they do",
            ),
        }
    }

    fn tell_listeners(&mut self) {
        let setups = self.stage.cluster.setups();
        let processes: BTreeMap<u32, u32> = self
            .nodes
            .iter()
            .filter_map(|node| Some((*node, self.stage.cluster.child(*node)?.pid())))
            .collect();
        let found = listeners::of_groups(&processes);
        let wild: Vec<String> = found
            .iter()
            .filter(|(_, address)| address.ip().is_unspecified())
            .map(|(node, address)| format!("n{node} on port {} of every address", address.port()))
            .collect();
        let declared = |node: u32, port: u16| {
            setups.get(&node).is_some_and(|it| it.place().ports.iter().any(|(_, own)| *own == port))
        };
        let strange: Vec<String> = found
            .iter()
            .filter(|(node, address)| !declared(*node, address.port()))
            .map(|(node, address)| format!("n{node} on {address}"))
            .collect();
        let told = format!("{} listeners, all on declared ports", found.len());
        match (found.is_empty(), strange.is_empty(), wild.is_empty()) {
            (true, ..) => self.facts.limited(
                "who listens where",
                "no listener was found in the nodes' process groups: the server may have gone into the background",
                "command: the flag that keeps the server in the foreground",
            ),
            (_, false, _) => self.facts.limited(
                "who listens where",
                format!("not declared: {}", strange.join(", ")),
                "ports: declare every port that nodes dial each other on; what is not declared is not cut",
            ),
            (_, _, false) => self.facts.good("who listens where", format!("{told}; {}", wild.join(", "))),
            _ => self.facts.good("who listens where", told),
        }
    }
}

/// What is left once every node was asked to stop.
fn tell_end(facts: &mut Facts, notes: &[String], pids: &[u32]) {
    match notes.is_empty() {
        true => facts.good("the end", "every node stopped when asked"),
        false => {
            facts.limited("the end", notes.join("; "), "stop_within: longer, or stop = \"KILL\"")
        }
    }
    let left = listeners::members_of_groups(pids);
    match left.is_empty() {
        true => facts.good("what is left", "no process"),
        false => facts.wrong(
            "what is left",
            format!("processes {left:?} of the nodes' groups"),
            "command: one that stays in the foreground and ends its children",
        ),
    }
}
