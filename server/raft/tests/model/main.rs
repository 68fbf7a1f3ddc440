//! Model checking of the shipped core: every order of a few elections, proposals, crashes, losses and
//! repetitions, by the crate stateright.
//!
//! The clean core keeps the promises of Figure 3 that speak of states (election safety, log matching,
//! leader completeness, state machine safety) in every state within the bounds, and four mutants
//! are found to break one. `cargo test --release -p whitewater-raft --test model -- --nocapture` prints
//! bounds and state counts; `-- --ignored` takes larger bounds, and minutes.

mod cluster;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model, Property};
use whitewater_raft::event::Role;
use whitewater_raft::{Message, NodeId, Raft};

use cluster::{Broken, Budget, Cluster, Rulebook, place};
use rules::Bug;

const NODES: u64 = 3;
const ELECTION_SAFETY: &str = "election safety";
const LOG_MATCHING: &str = "log matching";
const LEADER_COMPLETENESS: &str = "leader completeness";
const STATE_MACHINE_SAFETY: &str = "state machine safety";
/// A model that takes longer than this has outgrown its test.
const DEADLINE: Duration = Duration::from_secs(600);

/// A cluster of three nodes within bounds.
#[derive(Clone, Debug)]
struct Bounded {
    name: &'static str,
    rules: Rulebook,
    budget: Budget,
    /// Elections beyond this term are not begun.
    terms: u64,
    elections: Elections,
    /// Only leaders crash.
    spares_followers: bool,
    /// Nodes 1 and 3 do not hear of each other, and nobody hears of a term that it has left behind.
    is_split: bool,
}

/// Who begins elections.
#[derive(Clone, Copy, Debug)]
enum Elections {
    /// Anyone, at any moment.
    Free,
    /// These, in this order, each at any moment.
    Ordered(&'static [NodeId]),
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Campaign(NodeId),
    Propose(NodeId),
    Deliver(Arc<Message>, u64),
    Repeat(Arc<Message>),
    Flush(NodeId),
    Crash(NodeId),
}

impl Bounded {
    fn may_campaign(&self, state: &Cluster, id: NodeId) -> bool {
        let turn = usize::from(self.budget.campaigns - state.left.campaigns);
        let is_its_turn = match self.elections {
            Elections::Free => true,
            Elections::Ordered(order) => order.get(turn) == Some(&id),
        };
        let term = state.servers[place(id)].raft.status().hard_state.term;
        state.left.campaigns > 0 && is_its_turn && term < self.terms
    }

    fn steps_of(&self, state: &Cluster, id: NodeId, steps: &mut Vec<Step>) {
        let raft = &state.servers[place(id)].raft;
        let leads = raft.role() == Role::Leader;
        if leads && state.left.proposals > 0 {
            steps.push(Step::Propose(id));
        }
        if !leads && self.may_campaign(state, id) {
            steps.push(Step::Campaign(id));
        }
        if state.can_flush(id) {
            steps.push(Step::Flush(id));
        }
        let has_lived = raft.status().hard_state.term > 0;
        if state.left.crashes > 0 && has_lived && (leads || !self.spares_followers) {
            steps.push(Step::Crash(id));
        }
    }
}

impl Model for Bounded {
    type State = Cluster;
    type Action = Step;

    fn init_states(&self) -> Vec<Cluster> {
        vec![Cluster::new(NODES, self.budget, self.rules.bug)]
    }

    fn actions(&self, state: &Cluster, steps: &mut Vec<Step>) {
        if state.broken.is_some() {
            return;
        }
        for (key, message) in &state.network {
            steps.push(Step::Deliver(Arc::clone(message), *key));
            if state.left.repeats > 0 {
                steps.push(Step::Repeat(Arc::clone(message)));
            }
        }
        for id in 1..=NODES {
            self.steps_of(state, id, steps);
        }
    }

    fn next_state(&self, last: &Cluster, step: Step) -> Option<Cluster> {
        let mut next = last.clone();
        match step {
            Step::Campaign(id) => {
                next.left.campaigns -= 1;
                next.act(id, &self.rules, Raft::campaign);
            }
            Step::Propose(id) => {
                next.left.proposals -= 1;
                let command = Arc::from([next.left.proposals]);
                next.act(id, &self.rules, |raft| {
                    raft.propose(command).expect("only leaders propose");
                });
            }
            Step::Deliver(message, key) => {
                next.network.remove(&key);
                next.act(message.to, &self.rules, |raft| raft.step((*message).clone()));
            }
            Step::Repeat(message) => {
                next.left.repeats -= 1;
                next.act(message.to, &self.rules, |raft| raft.step((*message).clone()));
            }
            Step::Flush(id) => next.flush(id, &self.rules),
            Step::Crash(id) => {
                next.left.crashes -= 1;
                next.crash(id, &self.rules);
            }
        }
        if self.is_split {
            next.split(1, 3);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ELECTION_SAFETY, |_, state: &Cluster| {
                state.broken != Some(Broken::ElectionSafety)
            }),
            Property::always(LOG_MATCHING, |_, state: &Cluster| state.logs_match()),
            Property::always(LEADER_COMPLETENESS, |_, state: &Cluster| {
                state.broken != Some(Broken::LeaderCompleteness)
            }),
            Property::always(STATE_MACHINE_SAFETY, |_, state: &Cluster| {
                state.broken != Some(Broken::StateMachineSafety)
            }),
            Property::sometimes("something is committed", |_, state: &Cluster| {
                !state.committed.is_empty()
            }),
        ]
    }
}

/// What a model came to.
struct Explored {
    broken: Vec<&'static str>,
    has_committed: bool,
    states: usize,
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the test limits its own running time; the core under test sees no clock"
)]
fn explore(model: Bounded) -> Explored {
    use std::time::Instant;

    let (name, bug, budget) = (model.name, model.rules.bug, model.budget);
    let started = Instant::now();
    let checker = model
        .checker()
        .timeout(DEADLINE)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let took = started.elapsed();
    let states = checker.unique_state_count();
    let mut broken: Vec<&str> = checker.discoveries().into_keys().collect();
    broken.sort_unstable();
    let has_committed = broken.contains(&"something is committed");
    broken.retain(|name| *name != "something is committed");
    eprintln!(
        "{name}, {bug:?}: {states} states, depth {}, {:.1} s, {budget:?}, broken: {broken:?}",
        checker.max_depth(),
        took.as_secs_f64()
    );
    assert!(took < DEADLINE, "{name} was not explored within {DEADLINE:?}");
    Explored { broken, has_committed, states }
}

const PROMPT: Rulebook = Rulebook { bug: Bug::None, has_slow_disks: false };
const SLOW: Rulebook = Rulebook { bug: Bug::None, has_slow_disks: true };

/// Anyone campaigns and crashes at any moment.
fn open(name: &'static str, rules: Rulebook, terms: u64, budget: Budget) -> Bounded {
    let elections = Elections::Free;
    let (spares_followers, is_split) = (false, false);
    Bounded { name, rules, budget, terms, elections, spares_followers, is_split }
}

/// Figure 8 of the paper: two nodes that do not hear of each other lead in turn, by the vote of a third.
fn figure_8(bug: Bug) -> Bounded {
    let rules = Rulebook { bug, ..PROMPT };
    let budget = Budget { campaigns: 7, proposals: 2, crashes: 2, repeats: 0 };
    let elections = Elections::Ordered(&[1, 3, 3, 1, 1, 3, 3]);
    let (terms, spares_followers, is_split) = (4, true, true);
    Bounded { name: "figure 8", rules, budget, terms, elections, spares_followers, is_split }
}

fn assert_clean(model: Bounded) {
    let name = model.name;
    let explored = explore(model);
    assert_eq!(explored.broken, [""; 0], "{name}");
    assert!(explored.has_committed, "{name}: nothing was committed, so little was tried");
    assert!(explored.states > 100, "{name}: {} states are no exploration", explored.states);
}

#[test]
fn the_core_keeps_its_promises_in_every_order_of_elections() {
    let budget = Budget { campaigns: 2, proposals: 0, crashes: 0, repeats: 0 };
    assert_clean(open("two candidates of one term", PROMPT, 1, budget));
}

#[test]
fn the_core_keeps_its_promises_when_a_command_is_lost_repeated_and_forgotten() {
    let budget = Budget { campaigns: 1, proposals: 1, crashes: 1, repeats: 0 };
    assert_clean(open("a crash", PROMPT, 1, budget));
    let budget = Budget { campaigns: 1, proposals: 1, crashes: 0, repeats: 1 };
    assert_clean(open("a repeated message", PROMPT, 1, budget));
    let budget = Budget { campaigns: 1, proposals: 0, crashes: 1, repeats: 0 };
    assert_clean(open("a crash before a flush", SLOW, 1, budget));
}

#[test]
fn the_core_keeps_its_promises_in_figure_8() {
    assert_clean(figure_8(Bug::None));
}

#[test]
#[ignore = "takes minutes: cargo test --release -p whitewater-raft --test model -- --ignored --nocapture"]
fn large_bounds_hold() {
    let budget =
        |campaigns, proposals, crashes, repeats| Budget { campaigns, proposals, crashes, repeats };
    assert_clean(open("two elections", PROMPT, 2, budget(2, 0, 0, 0)));
    assert_clean(open("elections and a crash", PROMPT, 2, budget(2, 0, 1, 0)));
    assert_clean(open("elections and a command", PROMPT, 2, budget(2, 1, 0, 0)));
    assert_clean(open("elections and a crash before a flush", SLOW, 2, budget(2, 0, 1, 0)));
}

#[test]
fn a_commit_of_an_old_term_breaks_leader_completeness() {
    let explored = explore(figure_8(Bug::CommitOldTerm));
    assert_eq!(explored.broken, [LEADER_COMPLETENESS]);
}

#[test]
fn a_vote_that_is_not_on_disk_breaks_election_safety() {
    let rules = Rulebook { bug: Bug::VoteVolatile, ..PROMPT };
    let budget = Budget { campaigns: 2, proposals: 0, crashes: 1, repeats: 0 };
    let explored = explore(open("two candidates and a crash", rules, 1, budget));
    assert_eq!(explored.broken, [ELECTION_SAFETY]);
}

#[test]
fn a_vote_that_a_leader_clears_breaks_election_safety() {
    // The voter's log must be behind the leader's, so that it refuses the message and keeps up with the
    // other candidate: hence a first term whose entry it never got.
    let explored = explore(Bounded {
        name: "a refused message",
        rules: Rulebook { bug: Bug::VoteErased, ..PROMPT },
        budget: Budget { campaigns: 3, proposals: 0, crashes: 1, repeats: 0 },
        terms: 2,
        elections: Elections::Ordered(&[1, 1, 3]),
        spares_followers: true,
        is_split: false,
    });
    assert_eq!(explored.broken, [ELECTION_SAFETY]);
}

#[test]
fn a_stale_vote_breaks_election_safety() {
    let rules = Rulebook { bug: Bug::StaleVoteCounted, ..PROMPT };
    let budget = Budget { campaigns: 3, proposals: 0, crashes: 0, repeats: 0 };
    let explored = explore(open("three elections", rules, 2, budget));
    assert_eq!(explored.broken, [ELECTION_SAFETY]);
}
