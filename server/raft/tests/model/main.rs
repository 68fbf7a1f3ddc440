//! Model checking of the shipped core: every order of a few elections, proposals, crashes, losses and
//! repetitions, by the crate stateright.
//!
//! The clean core keeps the four promises of Figure 3 that speak of states (election safety, log
//! matching, leader completeness, state machine safety; leader append-only is an assertion of the log)
//! in every state within the bounds; three seeded bugs break one of them. Bounds and state counts are
//! printed with `--nocapture` and stand in docs/mutants.md.

mod cluster;
mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};
use whitewater_raft::event::Role;
use whitewater_raft::{Message, NodeId};

use cluster::{Broken, Budget, Cluster, Rulebook, place};
use rules::Bug;

/// A model to check: three nodes, and bounds.
#[derive(Clone, Debug)]
struct Bounded {
    nodes: NodeId,
    budget: Budget,
    rulebook: Rulebook,
    /// Who may begin an election; the others only vote. Nodes are alike, so naming them loses nothing
    /// but orders in which more of them campaign.
    candidates: &'static [NodeId],
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Campaign(NodeId),
    Propose(NodeId),
    Deliver(Arc<Message>, u64),
    DeliverAgain(Arc<Message>),
    Flush(NodeId),
    Crash(NodeId),
}

impl Model for Bounded {
    type State = Cluster;
    type Action = Step;

    fn init_states(&self) -> Vec<Cluster> {
        vec![Cluster::new(self.nodes, self.budget, self.rulebook.bug)]
    }

    fn actions(&self, state: &Cluster, actions: &mut Vec<Step>) {
        if state.broken.is_some() {
            return;
        }
        for (key, message) in &state.network {
            actions.push(Step::Deliver(Arc::clone(message), *key));
            if state.left.duplicates > 0 {
                actions.push(Step::DeliverAgain(Arc::clone(message)));
            }
        }
        for id in 1..=self.nodes {
            let raft = &state.servers[place(id)].raft;
            let leads = raft.role() == Role::Leader;
            let term = raft.status().hard_state.term;
            if state.left.proposals > 0 && leads {
                actions.push(Step::Propose(id));
            }
            let may_campaign = self.candidates.contains(&id) && term < state.left.terms;
            if state.left.campaigns > 0 && may_campaign && !leads {
                actions.push(Step::Campaign(id));
            }
            if state.can_flush(id) {
                actions.push(Step::Flush(id));
            }
            if state.left.crashes > 0 && term > 0 {
                actions.push(Step::Crash(id));
            }
        }
    }

    fn next_state(&self, last: &Cluster, step: Step) -> Option<Cluster> {
        let mut next = last.clone();
        match step {
            Step::Campaign(id) => {
                next.left.campaigns -= 1;
                next.act(id, &self.rulebook, whitewater_raft::Raft::campaign);
            }
            Step::Propose(id) => {
                next.left.proposals -= 1;
                let command = Arc::from([next.left.proposals]);
                next.act(id, &self.rulebook, |raft| {
                    raft.propose(command).expect("only leaders propose");
                });
            }
            Step::Deliver(message, key) => {
                next.network.remove(&key);
                next.act(message.to, &self.rulebook, |raft| raft.step((*message).clone()));
            }
            Step::DeliverAgain(message) => {
                next.left.duplicates -= 1;
                next.act(message.to, &self.rulebook, |raft| raft.step((*message).clone()));
            }
            Step::Flush(id) => next.flush(id, &self.rulebook),
            Step::Crash(id) => {
                next.left.crashes -= 1;
                next.crash(id, &self.rulebook);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let whole = |broken| move |state: &Cluster| state.broken != Some(broken);
        let _ = whole(Broken::ElectionSafety);
        vec![
            Property::always(ELECTION_SAFETY, |_, state: &Cluster| {
                state.broken != Some(Broken::ElectionSafety)
            }),
            Property::always("log matching", |_, state: &Cluster| state.logs_match()),
            Property::always(LEADER_COMPLETENESS, |_, state: &Cluster| {
                state.broken != Some(Broken::LeaderCompleteness)
            }),
            Property::always(STATE_MACHINE_SAFETY, |_, state: &Cluster| {
                state.broken != Some(Broken::StateMachineSafety)
            }),
            Property::sometimes("two terms have leaders", |_, state: &Cluster| {
                state.leaders.len() > 1
            }),
            Property::sometimes("an entry is committed", |_, state: &Cluster| {
                !state.committed.is_empty()
            }),
        ]
    }
}

const ELECTION_SAFETY: &str = "election safety";
const LEADER_COMPLETENESS: &str = "leader completeness";
const STATE_MACHINE_SAFETY: &str = "state machine safety";

#[test]
fn probe() {
    let n = |k: &str, d: u8| std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let budget = Budget {
        campaigns: n("C", 2),
        proposals: n("P", 1),
        crashes: n("K", 1),
        duplicates: n("D", 0),
        terms: n("T", 2).into(),
    };
    let bug = match std::env::var("BUG").as_deref() {
        Ok("old") => Bug::CommitOldTerm,
        Ok("stale") => Bug::StaleVoteCounted,
        Ok("vol") => Bug::VoteVolatile,
        _ => Bug::None,
    };
    let candidates: &[u64] = match n("W", 3) {
        2 => &[1, 3],
        _ => &[1, 2, 3],
    };
    let model = Bounded {
        nodes: 3,
        budget,
        rulebook: Rulebook { bug, has_slow_disks: n("S", 0) > 0 },
        candidates,
    };
    let start = Instant::now();
    let b = model
        .checker()
        .threads(2)
        .timeout(Duration::from_secs(100))
        .finish_when(HasDiscoveries::AnyFailures);
    let checker = if n("DFS", 0) > 0 {
        println!("dfs");
        let c = b.spawn_dfs().join();
        println!(
            "{} unique {} depth {} {:?} {:?}",
            c.state_count(),
            c.unique_state_count(),
            c.max_depth(),
            start.elapsed(),
            c.discoveries().keys().collect::<Vec<_>>()
        );
        return;
    } else {
        b.spawn_bfs().join()
    };
    println!(
        "{} unique {} depth {} {:?} done {} {:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        start.elapsed(),
        checker.is_done(),
        checker.discoveries().keys().collect::<Vec<_>>()
    );
}
