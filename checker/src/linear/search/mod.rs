//! The search for everything that the linear methods do not decide: three searches in turns.
//!
//! Deciding linearizability is NP-complete in general, and each way of searching loses by orders of
//! magnitude somewhere. So three take turns on a key, with growing rounds, and the first answer wins: the
//! cost is a small multiple of the best one's, whichever that is. With threads to spare they run side by
//! side.
//!
//! - [`frontier`]: breadth first over returns; wins on violations, and bounds memory.
//! - [`depth`]: depth first over the same configurations; wins on broad frontiers with an answer.
//! - [`wgl`]: Wing and Gong's order with fingerprints; wins where luck carries far.

mod budget;
mod config;
mod depth;
mod events;
mod fingerprint;
mod frontier;
#[cfg(test)]
pub(crate) mod looks;
mod walk;
mod wgl;

use std::sync::atomic::{AtomicBool, Ordering};

use super::machine::{Machine, Step};
pub(crate) use budget::Budget;
use budget::{Halt, Meter};

/// Steps of the first round: enough for most keys of a few hundred operations.
const ROUND_STEPS: u64 = 1024;

/// How much longer each round is than the one before.
const ROUND_GROWTH: u64 = 4;

/// The searches, by name in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// [`frontier`].
    Frontier,
    /// [`depth`].
    Depth,
    /// [`wgl`].
    Wgl,
}

impl Kind {
    /// In the order of their turns.
    pub(crate) const ALL: [Kind; 3] = [Kind::Frontier, Kind::Wgl, Kind::Depth];

    /// Steps that cost about as much as one of the walks over events: those branch a whole configuration,
    /// Wing and Gong's looks at one call.
    fn steps_per_turn(self) -> u64 {
        match self {
            Kind::Wgl => 24,
            Kind::Frontier | Kind::Depth => 1,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Frontier => "search-frontier",
            Kind::Depth => "search-depth",
            Kind::Wgl => "search-wgl",
        }
    }
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whether there is a valid order; `None`: the budget ran out.
    pub(crate) linearizable: Option<bool>,
    /// Who found out.
    pub(crate) by: Option<Kind>,
    /// Without a valid order: the call at whose return that was certain, where known.
    pub(crate) failed: Option<u32>,
    /// Configurations visited by all.
    pub(crate) steps: u64,
    /// Undecided: how many of the returning calls had a place at best, and how many there are.
    pub(crate) reached: (usize, usize),
}

/// Searches a key with every search, in turns or side by side.
pub(crate) fn search<M: Machine>(
    machine: &M,
    steps: &[Step],
    budget: &Budget,
    side_by_side: bool,
) -> Found {
    search_with(machine, steps, budget, &Kind::ALL, side_by_side)
}

/// Searches a key with the given searches.
pub(crate) fn search_with<M: Machine>(
    machine: &M,
    steps: &[Step],
    budget: &Budget,
    kinds: &[Kind],
    side_by_side: bool,
) -> Found {
    let events = events::Events::new(machine, steps);
    let stop = AtomicBool::new(false);
    let mut runners: Vec<Runner<'_, M>> = kinds
        .iter()
        .filter(|kind| **kind == Kind::Wgl || events.is_some())
        .map(|&kind| Runner {
            kind,
            machine,
            steps,
            events: events.as_ref(),
            search: Search::Waiting,
            meter: Meter::new(budget, &stop),
            gave_up: false,
        })
        .collect();
    let answer = if side_by_side && runners.len() > 1 {
        race(&mut runners, &stop)
    } else {
        take_turns(&mut runners, budget.steps_max)
    };
    let returning = steps.iter().filter(|step| step.returned != crate::history::NEVER).count();
    let reached = match answer {
        Some(_) => 0,
        None => runners.iter().map(Runner::reached).max().unwrap_or(0),
    };
    Found {
        linearizable: answer.map(|(linearizable, ..)| linearizable),
        by: answer.map(|(_, kind, _)| kind),
        failed: answer.and_then(|(.., failed)| failed),
        steps: runners.iter().map(|runner| runner.meter.steps).sum(),
        reached: (reached, returning),
    }
}

type Answer = (bool, Kind, Option<u32>);

fn take_turns<M: Machine>(runners: &mut [Runner<'_, M>], steps_max: u64) -> Option<Answer> {
    let mut round = ROUND_STEPS;
    let mut total = 0;
    while total < steps_max {
        let mut goes_on = false;
        for runner in runners.iter_mut().filter(|runner| !runner.gave_up) {
            match runner.run(round.saturating_mul(runner.kind.steps_per_turn())) {
                Ok(answer) => return Some(answer),
                Err(Halt::Round) => goes_on = true,
                Err(Halt::Time | Halt::Stopped) => return None,
                Err(Halt::Memory) => runner.give_up(),
            }
        }
        if !goes_on {
            return None;
        }
        total += round;
        round = round.saturating_mul(ROUND_GROWTH);
    }
    None
}

/// Each search on its own thread of the pool.
fn race<M: Machine>(runners: &mut [Runner<'_, M>], stop: &AtomicBool) -> Option<Answer> {
    use rayon::prelude::*;
    // A first, short round in turns: most keys need no more.
    for runner in runners.iter_mut() {
        if let Ok(answer) = runner.run(ROUND_STEPS * runner.kind.steps_per_turn()) {
            return Some(answer);
        }
    }
    let threads = rayon::current_num_threads().max(1);
    let share = runners.len().div_ceil(threads);
    let answers: Vec<Answer> = runners
        .par_chunks_mut(share)
        .filter_map(|own| {
            let answer = take_turns(own, u64::MAX);
            if answer.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
            answer
        })
        .collect();
    answers.first().copied()
}

enum Search<'a, M> {
    /// Its turn has not come: most keys are decided before.
    Waiting,
    Frontier(frontier::Frontier<'a, M>),
    Depth(depth::Depth<'a, M>),
    Wgl(wgl::Wgl<'a, M>),
    /// It gave up; how far it had come.
    Freed(usize),
}

struct Runner<'a, M> {
    kind: Kind,
    machine: &'a M,
    steps: &'a [Step],
    events: Option<&'a events::Events>,
    search: Search<'a, M>,
    meter: Meter<'a>,
    gave_up: bool,
}

impl<M: Machine> Runner<'_, M> {
    fn run(&mut self, steps: u64) -> Result<Answer, Halt> {
        if matches!(self.search, Search::Waiting) {
            self.begin();
        }
        self.meter.begin_round(steps);
        let linearizable = match &mut self.search {
            Search::Frontier(search) => search.run(&mut self.meter)?,
            Search::Depth(search) => search.run(&mut self.meter)?,
            Search::Wgl(search) => search.run(&mut self.meter)?,
            Search::Waiting | Search::Freed(_) => return Err(Halt::Memory),
        };
        let failed = match &self.search {
            Search::Frontier(search) => search.failed,
            Search::Depth(search) if !linearizable => search.failed(),
            _ => None,
        };
        Ok((linearizable, self.kind, failed))
    }

    fn begin(&mut self) {
        let machine = self.machine.clone();
        self.search = match (self.kind, self.events) {
            (Kind::Wgl, _) => Search::Wgl(wgl::Wgl::new(machine, self.steps)),
            (Kind::Frontier, Some(events)) => {
                Search::Frontier(frontier::Frontier::new(machine, events))
            }
            (Kind::Depth, Some(events)) => Search::Depth(depth::Depth::new(machine, events)),
            (Kind::Frontier | Kind::Depth, None) => Search::Freed(0),
        };
    }

    /// Frees the search's memory for the others.
    fn give_up(&mut self) {
        self.gave_up = true;
        self.search = Search::Freed(self.reached());
        let _ = self.meter.hold(0);
    }

    fn reached(&self) -> usize {
        match &self.search {
            Search::Waiting => 0,
            Search::Frontier(search) => search.returns,
            Search::Depth(search) => search.returns(),
            Search::Wgl(search) => search.best,
            Search::Freed(reached) => *reached,
        }
    }
}
