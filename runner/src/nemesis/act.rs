//! The single things that can be done to a cluster, each with its undoing.

use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::cluster::Cluster;
use crate::observe::Observer;
use crate::proxy::{Counters, Network, Party, Rule};

/// A restarted node reads its log and answers within this; a loaded machine needs most of it.
const READY_DEADLINE: Duration = Duration::from_secs(10);
/// Heartbeats are 50 ms apart, so a block that stopped nothing for this long stops nothing.
const BLOCK_EFFECT_DEADLINE: Duration = Duration::from_millis(800);

/// One thing done to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// SIGKILL; undone by a restart.
    Kill(u32),
    /// SIGSTOP; undone by SIGCONT.
    Pause(u32),
    /// Nothing travels from the first to the second of each pair; undone by letting it pass.
    Block(Vec<(Party, Party)>),
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
}

impl Act {
    /// Does it and waits until its effect is seen. Blocks take effect at once; see
    /// [`Act::wait_blocked`].
    pub(crate) async fn carry_out(&self, arena: Arena<'_>) -> Seen {
        match self {
            Act::Kill(node) => Seen::of(arena.cluster.kill(*node).await, &format!("n{node}")),
            Act::Pause(node) => Seen::of(arena.cluster.pause(*node).await, &format!("n{node}")),
            Act::Block(pairs) => {
                for (from, to) in pairs {
                    if let Some(direction) = arena.network.direction(*from, *to) {
                        direction.set(Rule::Block);
                    }
                }
                Seen::default()
            }
        }
    }

    /// Undoes it; harmless where it is not in force.
    pub(crate) async fn undo(&self, arena: Arena<'_>, observer: &Observer) -> Seen {
        match self {
            Act::Kill(node) => restart(arena.cluster, observer, *node).await,
            Act::Pause(node) => Seen::of(arena.cluster.resume(*node).await, &format!("n{node}")),
            Act::Block(_) => {
                self.undo_now(arena);
                Seen { at_ns: Some(monotonic_ns()), effects: Vec::new() }
            }
        }
    }

    /// Undoes as much as can be undone without waiting.
    pub(crate) fn undo_now(&self, arena: Arena<'_>) {
        match self {
            Act::Kill(_) => {}
            Act::Pause(node) => {
                if let Some(child) = arena.cluster.child(*node) {
                    let _ = child.signal(nix::sys::signal::Signal::SIGCONT);
                }
            }
            Act::Block(pairs) => {
                for (from, to) in pairs {
                    if let Some(direction) = arena.network.direction(*from, *to) {
                        direction.set(Rule::Pass);
                    }
                }
            }
        }
    }
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

/// The counters of a block's directions.
#[derive(Debug)]
pub(crate) struct BlockWatch {
    before: Vec<((Party, Party), Counters)>,
}

impl BlockWatch {
    /// Reads the counters before the acts are carried out.
    pub(crate) fn start(acts: &[Act], network: &Network) -> Self {
        let pairs = acts.iter().flat_map(|act| match act {
            Act::Block(pairs) => pairs.as_slice(),
            Act::Kill(_) | Act::Pause(_) => &[],
        });
        let read =
            |pair: &(Party, Party)| Some((*pair, network.direction(pair.0, pair.1)?.counters()));
        Self { before: pairs.filter_map(read).collect() }
    }

    /// Waits for the first byte or connection that was stopped; when that was.
    pub(crate) async fn first_effect(&self, network: &Network) -> Option<u64> {
        if self.before.is_empty() {
            return None;
        }
        let end = tokio::time::Instant::now() + BLOCK_EFFECT_DEADLINE;
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

    /// What was stopped so far, in words; `None` where nothing was.
    pub(crate) fn report(&self, network: &Network) -> Option<String> {
        let (mut bytes, mut connections, mut directions) = (0, 0, 0);
        for ((pair, now), (_, before)) in self.now(network).zip(&self.before) {
            let _: (Party, Party) = pair;
            let stopped = now - *before;
            bytes += stopped.bytes_blocked;
            connections += stopped.connections_blocked;
            directions += u64::from(stopped.bytes_blocked + stopped.connections_blocked > 0);
        }
        (directions > 0).then(|| {
            format!(
                "{bytes} bytes and {connections} connections blocked in {directions} of {} directions",
                self.before.len()
            )
        })
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
