//! The single things that can be done to a cluster, each with its undoing.

use std::time::Duration;

use super::membership::Goal;
use super::operate;
use crate::cluster::Cluster;
use crate::observe::Observer;
use crate::proxy::{Counters, Network, Party, Rule};
use crate::target::Operator;
use whitewater_server::clock::monotonic_ns;

/// A restarted node reads its log and answers within this; a loaded machine needs most of it.
const READY_DEADLINE: Duration = Duration::from_secs(10);
/// Heartbeats are 50 ms apart, so a rule that touched nothing for this long touches nothing.
const EFFECT_DEADLINE: Duration = Duration::from_millis(800);

/// One thing done to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// SIGKILL; undone by a restart.
    Kill(u32),
    /// SIGSTOP; undone by SIGCONT.
    Pause(u32),
    /// Nothing travels from the first to the second of each pair; undone by letting it pass.
    Block(Vec<(Party, Party)>),
    /// What travels from the first to the second of each pair obeys a rule; undone by letting it pass.
    Shape(Vec<(Party, Party)>, Rule),
    /// The leader is asked to hand over, to this node or to whom it likes. Nothing to undo.
    Transfer(Option<u32>),
    /// The leader is asked to hand over to a node that cannot take over. Nothing to undo.
    FailTransfer(u32),
    /// The node leaves the cluster; undone by adding it again and making it a voter.
    Remove(u32),
    /// The node leaves the cluster, loses its disk, and is started to join; undone as `Remove`.
    Replace(u32),
    /// A leader that cannot commit is asked to remove a node. Should it get through after all, that is
    /// undone as `Remove`.
    RemoveInVain {
        /// Who is asked.
        leader: u32,
        /// Who is to leave.
        node: u32,
    },
}

/// What was seen of an act or its undoing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When it was seen to be in force, or lifted; `None`: it was not.
    pub(crate) at_ns: Option<u64>,
    /// What was seen, in words.
    pub(crate) effects: Vec<String>,
}

impl Seen {
    /// It was seen, then.
    pub(super) fn at(at_ns: u64, fact: String) -> Self {
        Self { at_ns: Some(at_ns), effects: vec![fact] }
    }

    /// It was not seen, for this reason.
    pub(super) fn nothing(reason: &str) -> Self {
        Self { at_ns: None, effects: vec![reason.to_owned()] }
    }

    fn of(result: Result<String, String>, subject: &str) -> Self {
        match result {
            Ok(fact) => {
                Self { at_ns: Some(monotonic_ns()), effects: vec![format!("{subject}: {fact}")] }
            }
            Err(fact) => Self { at_ns: None, effects: vec![format!("{subject}: {fact}")] },
        }
    }
}

/// What acts act on.
#[derive(Clone, Copy)]
pub(crate) struct Arena<'a> {
    /// The processes.
    pub(crate) cluster: &'a Cluster,
    /// The proxies.
    pub(crate) network: &'a Network,
    /// The way to ask nodes for changes, where the target has one.
    pub(crate) operator: Option<&'a dyn Operator>,
}

impl Act {
    /// Does it and waits until its effect is seen. What a rule does to bytes is
    /// seen by a [`LinkWatch`].
    pub(crate) async fn carry_out(&self, arena: Arena<'_>, observer: &Observer) -> Seen {
        match self {
            Act::Kill(node) => Seen::of(arena.cluster.kill(*node).await, &format!("n{node}")),
            Act::Pause(node) => Seen::of(arena.cluster.pause(*node).await, &format!("n{node}")),
            Act::Block(pairs) => {
                set_all(arena.network, pairs, Rule::Block);
                Seen::default()
            }
            Act::Shape(pairs, rule) => {
                set_all(arena.network, pairs, *rule);
                Seen::default()
            }
            Act::Transfer(target) => operate::transfer(arena, observer, *target).await,
            Act::FailTransfer(target) => operate::fail_transfer(arena, observer, *target).await,
            Act::Remove(node) => operate::reach(arena, observer, Goal::Gone(*node)).await,
            Act::Replace(node) => replace(arena, observer, *node).await,
            Act::RemoveInVain { leader, node } => {
                operate::remove_in_vain(arena, observer, *leader, *node).await
            }
        }
    }

    /// Undoes it; harmless where it is not in force.
    pub(crate) async fn undo(&self, arena: Arena<'_>, observer: &Observer) -> Seen {
        match self {
            Act::Kill(node) => restart(arena.cluster, observer, *node).await,
            Act::Pause(node) => Seen::of(arena.cluster.resume(*node).await, &format!("n{node}")),
            Act::Block(_) | Act::Shape(..) => {
                self.undo_now(arena);
                Seen { at_ns: Some(monotonic_ns()), effects: Vec::new() }
            }
            Act::Transfer(_) | Act::FailTransfer(_) => {
                Seen { at_ns: Some(monotonic_ns()), effects: Vec::new() }
            }
            Act::Remove(node) | Act::Replace(node) | Act::RemoveInVain { node, .. } => {
                // A node that is to be a voter has to run.
                if let Err(error) = arena.cluster.start(*node) {
                    return Seen::nothing(&format!("n{node}: start failed: {error}"));
                }
                operate::reach(arena, observer, Goal::Voter(*node)).await
            }
        }
    }

    /// Undoes as much as can be undone without waiting.
    pub(crate) fn undo_now(&self, arena: Arena<'_>) {
        match self {
            // A process is started, and members are changed, by those who can wait for it.
            Act::Kill(_)
            | Act::Transfer(_)
            | Act::FailTransfer(_)
            | Act::Remove(_)
            | Act::Replace(_)
            | Act::RemoveInVain { .. } => {}
            Act::Pause(node) => {
                if let Some(child) = arena.cluster.child(*node) {
                    let _ = child.signal(nix::sys::signal::Signal::SIGCONT);
                }
            }
            Act::Block(pairs) | Act::Shape(pairs, _) => set_all(arena.network, pairs, Rule::Pass),
        }
    }

    /// The directions it touches; none where it acts on something else.
    pub(crate) fn pairs(&self) -> &[(Party, Party)] {
        match self {
            Act::Block(pairs) | Act::Shape(pairs, _) => pairs,
            _ => &[],
        }
    }

    /// Whether it asks the cluster itself for something. What else a fault does is then only the stage
    /// for it, and only what came of the request counts as its effect.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Act::Transfer(_) | Act::FailTransfer(_)) || self.member().is_some()
    }

    /// The node whose membership it may change.
    pub(crate) fn member(&self) -> Option<u32> {
        match self {
            Act::Remove(node) | Act::Replace(node) | Act::RemoveInVain { node, .. } => Some(*node),
            _ => None,
        }
    }
}

fn set_all(network: &Network, pairs: &[(Party, Party)], rule: Rule) {
    for (from, to) in pairs {
        if let Some(direction) = network.direction(*from, *to) {
            direction.set(rule);
        }
    }
}

/// Only a node that has left for good may lose its disk: what it promised counts no more.
async fn replace(arena: Arena<'_>, observer: &Observer, node: u32) -> Seen {
    let mut seen = operate::reach(arena, observer, Goal::Gone(node)).await;
    if seen.at_ns.is_none() {
        return seen;
    }
    match arena.cluster.replace(node).await {
        Ok(fact) => seen.effects.push(format!("n{node}: {fact}")),
        Err(fact) => {
            seen.at_ns = None;
            seen.effects.push(format!("n{node}: {fact}"));
        }
    }
    seen
}

async fn restart(cluster: &Cluster, observer: &Observer, node: u32) -> Seen {
    let started_ns = monotonic_ns();
    if let Err(error) = cluster.start(node) {
        return Seen { at_ns: None, effects: vec![format!("n{node}: restart failed: {error}")] };
    }
    let answered = |view: &crate::observe::View| {
        view.answers.get(&node).is_some_and(|(at_ns, _)| *at_ns > started_ns)
    };
    if observer.wait_for(READY_DEADLINE, |view, _| answered(view)).await {
        let took_ms = (monotonic_ns() - started_ns) / 1_000_000;
        let fact = format!("n{node}: restarted, answered after {took_ms} ms");
        return Seen { at_ns: Some(monotonic_ns()), effects: vec![fact] };
    }
    let fact = format!("n{node}: no answer within {} s of its restart", READY_DEADLINE.as_secs());
    Seen { at_ns: None, effects: vec![fact] }
}

/// The counters of the directions that acts touch.
#[derive(Debug)]
pub(crate) struct LinkWatch {
    before: Vec<((Party, Party), Counters)>,
}

impl LinkWatch {
    /// Reads the counters before the acts are carried out.
    pub(crate) fn start(acts: &[Act], network: &Network) -> Self {
        let pairs = acts.iter().flat_map(Act::pairs);
        let read =
            |pair: &(Party, Party)| Some((*pair, network.direction(pair.0, pair.1)?.counters()));
        Self { before: pairs.filter_map(read).collect() }
    }

    /// Waits for the first byte or connection that a rule touched; when that was.
    pub(crate) async fn first_effect(&self, network: &Network) -> Option<u64> {
        if self.before.is_empty() {
            return None;
        }
        let end = tokio::time::Instant::now() + EFFECT_DEADLINE;
        loop {
            let first = self.now(network).map(|(_, counters)| counters.first_effect_ns);
            if let Some(first) = first.filter(|first_ns| *first_ns > 0).min() {
                return Some(first);
            }
            if tokio::time::Instant::now() >= end {
                return None;
            }
            // Counters offer nothing to wait on.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What was done to bytes and connections so far, in words; `None` where nothing was.
    pub(crate) fn report(&self, network: &Network) -> Option<String> {
        let mut sum = [0; 4];
        let mut directions = 0;
        for ((_, now), (_, before)) in self.now(network).zip(&self.before) {
            let done = (now - *before).harm();
            directions += usize::from(done.iter().any(|count| *count > 0));
            sum.iter_mut().zip(done).for_each(|(sum, count)| *sum += count);
        }
        let what = ["bytes blocked", "connections blocked", "bytes delayed", "connections reset"];
        let facts = sum.iter().zip(what).filter(|(count, _)| **count > 0);
        let facts: Vec<String> = facts.map(|(count, what)| format!("{count} {what}")).collect();
        let all = self.before.len();
        (directions > 0)
            .then(|| format!("{} in {directions} of {all} directions", facts.join(", ")))
    }

    fn now<'a>(
        &'a self,
        network: &'a Network,
    ) -> impl Iterator<Item = ((Party, Party), Counters)> + 'a {
        self.before
            .iter()
            .filter_map(|(pair, _)| Some((*pair, network.direction(pair.0, pair.1)?.counters())))
    }
}
