//! A second, tiny checker that shares nothing with the others: no violation is reported before it agrees.
//!
//! It tries every order of a handful of operations, remembering (set, state) pairs exactly. It also tells
//! the longest valid order there is, and judges under weaker notions of order.

use std::collections::HashSet;

use crate::history::NEVER;
use crate::linear::machine::{Machine, Step};
use crate::linear::search::Budget;

/// Most operations it takes: one bit each.
pub(crate) const STEPS_MAX: usize = 40;

/// Pairs it may visit. A witness needs a few hundred; what needs more is not decided here.
const VISITED_MAX: usize = 50_000;

/// Which operations must stand before which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// What returned before another began stands before it: linearizability.
    RealTime,
    /// Only what one process did keeps its order: sequential consistency.
    Process,
}

/// What it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Whether every operation that returned has a place.
    pub(crate) linearizable: bool,
    /// The longest valid order, as indices of steps: a complete one if there is one.
    pub(crate) longest: Vec<usize>,
}

/// Pairs between two looks at the clock.
const VISITED_PER_LOOK: usize = 64;

/// Decides; `None` if it is too much, or if the time is up. `processes` has the process of each step.
pub(crate) fn decide<M: Machine>(
    machine: &M,
    steps: &[Step],
    processes: &[u64],
    order: Order,
    budget: &Budget,
) -> Option<Decision> {
    if steps.len() > STEPS_MAX {
        return None;
    }
    let before: Vec<u64> =
        (0..steps.len()).map(|later| predecessors(steps, processes, order, later)).collect();
    let required = (0..steps.len())
        .filter(|&place| steps[place].returned != NEVER)
        .fold(0u64, |mask, place| mask | 1 << place);
    let mut machine = machine.clone();
    let state = machine.initial();
    let mut tiny = Tiny {
        budget,
        machine,
        steps,
        before,
        required,
        visited: HashSet::new(),
        path: Vec::new(),
        longest: Vec::new(),
    };
    let linearizable = tiny.explore(0, state)?;
    Some(Decision { linearizable, longest: tiny.longest })
}

fn predecessors(steps: &[Step], processes: &[u64], order: Order, later: usize) -> u64 {
    (0..steps.len())
        .filter(|&earlier| {
            let in_time = steps[earlier].returned < steps[later].invoked;
            match order {
                Order::RealTime => in_time,
                Order::Process => in_time && processes[earlier] == processes[later],
            }
        })
        .fold(0, |mask, earlier| mask | 1 << earlier)
}

struct Tiny<'a, M> {
    budget: &'a Budget,
    machine: M,
    steps: &'a [Step],
    before: Vec<u64>,
    required: u64,
    visited: HashSet<(u64, u32)>,
    path: Vec<usize>,
    longest: Vec<usize>,
}

impl<M: Machine> Tiny<'_, M> {
    /// Recursion is as deep as the witness is long, at most [`STEPS_MAX`].
    fn explore(&mut self, done: u64, state: u32) -> Option<bool> {
        if self.path.len() > self.longest.len() || done & self.required == self.required {
            self.longest.clone_from(&self.path);
        }
        if done & self.required == self.required {
            return Some(true);
        }
        if !self.visited.insert((done, state)) {
            return Some(false);
        }
        let visited = self.visited.len();
        if visited > VISITED_MAX
            || visited.is_multiple_of(VISITED_PER_LOOK) && self.budget.is_over()
        {
            return None;
        }
        for place in 0..self.steps.len() {
            let is_free = done >> place & 1 == 0 && self.before[place] & !done & self.required == 0;
            if !is_free {
                continue;
            }
            if let Some(next) = self.machine.step(state, self.steps[place].operation) {
                self.path.push(place);
                let found = self.explore(done | 1 << place, next)?;
                self.path.pop();
                if found {
                    return Some(true);
                }
            }
        }
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::register::call::{Call, Effect};
    use crate::object::register::machine::Register;

    fn unlimited() -> Budget {
        Budget::new(std::time::Instant::now() + std::time::Duration::from_secs(60), 1 << 30)
    }

    fn call(effect: Effect, a: u32, invoked: u32, returned: u32) -> Call {
        Call { invoked, returned, a, b: 0, index: 0, effect }
    }

    #[test]
    fn a_stale_read_is_no_order_in_real_time_and_one_per_process() {
        let calls = [
            call(Effect::Write, 1, 1, 2),
            call(Effect::Write, 2, 3, 4),
            call(Effect::Read, 1, 5, 6),
        ];
        let (machine, steps) = Register::new(&calls);
        let processes = [1, 1, 2];
        let real = decide(&machine, &steps, &processes, Order::RealTime, &unlimited()).unwrap();
        assert!(!real.linearizable);
        assert_eq!(real.longest, [0, 1]);
        let weaker = decide(&machine, &steps, &processes, Order::Process, &unlimited()).unwrap();
        assert!(weaker.linearizable);
        assert_eq!(weaker.longest, [0, 2, 1]);
    }

    #[test]
    fn what_may_never_happen_is_not_required() {
        let calls = [call(Effect::Write, 1, 1, NEVER), call(Effect::Read, 0, 2, 3)];
        let (machine, steps) = Register::new(&calls);
        assert!(
            decide(&machine, &steps, &[1, 2], Order::RealTime, &unlimited()).unwrap().linearizable
        );
    }
}
