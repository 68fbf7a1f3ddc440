//! From a violation to a 1-minimal one: removing any operation, with those that make no sense without it,
//! leaves a history that has a valid order.
//!
//! Delta debugging: ever smaller pieces are taken out as long as what remains has no order. Two operations may go only
//! together, so it begins again with large pieces until none can be taken out: what is shrunk once more stays as it is.
//! [`Object::close`] keeps every remainder honest: it says nothing that the whole did not say.

use super::tiny;
use crate::linear::machine::Machine;
use crate::linear::object::Object;
use crate::linear::search::Budget;

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Shrunk {
    /// The operations, by invocation.
    pub(crate) operations: Vec<u32>,
    /// Every single removal was tried.
    pub(crate) is_minimal: bool,
}

/// Whether operations have no valid order; `None`: not decided in time.
fn is_violation<O: Object>(object: &O, operations: &[u32], budget: &Budget) -> Option<bool> {
    object.search(operations, budget).map(|is| !is)
}

/// The second opinion on a violation: by the tiny checker, or, where it is too much for that, by the
/// searches, which share nothing with the linear methods.
pub(crate) fn is_confirmed<O: Object>(
    object: &O,
    operations: &[u32],
    budget: &Budget,
) -> Option<bool> {
    let problem = object.problem(operations);
    let processes = vec![0; problem.steps.len()];
    let order = tiny::Order::RealTime;
    match tiny::decide(&problem.machine, &problem.steps, &processes, order, budget) {
        Some(decision) => Some(!decision.linearizable),
        None => is_violation(object, operations, budget),
    }
}

/// Shrinks operations that have no valid order.
pub(crate) fn shrink<O: Object>(object: &O, operations: Vec<u32>, budget: &Budget) -> Shrunk {
    let mut shrunk = Shrunk { operations, is_minimal: true };
    loop {
        let before = shrunk.operations.len();
        let mut size = before.div_ceil(2);
        while size > 0 {
            shrunk = without_pieces(object, shrunk.operations, size, budget);
            size /= 2;
        }
        if shrunk.operations.len() == before {
            return shrunk;
        }
        if budget.is_over() {
            return Shrunk { is_minimal: false, ..shrunk };
        }
    }
}

/// Leaves out every piece of a size without which there is no order either.
fn without_pieces<O: Object>(
    object: &O,
    operations: Vec<u32>,
    size: usize,
    budget: &Budget,
) -> Shrunk {
    let mut kept = operations;
    // A remainder that could not be decided may be a violation too.
    let mut is_minimal = true;
    let mut at = 0;
    while at < kept.len() {
        if budget.is_over() {
            return Shrunk { operations: kept, is_minimal: false };
        }
        let end = (at + size).min(kept.len());
        let rest: Vec<u32> = kept[..at].iter().chain(&kept[end..]).copied().collect();
        let rest = object.close(&rest);
        match rest.map(|rest| (is_violation(object, &rest, budget), rest)) {
            Some((Some(true), rest)) => kept = rest,
            other => {
                is_minimal &= !matches!(other, Some((None, _)));
                at = end;
            }
        }
    }
    Shrunk { operations: kept, is_minimal }
}

/// The operations without which the rest has an order, by the tiny checker: those where it finds one. What a rest would
/// lose with an operation is left out as well. Where the time is up no more are.
pub(crate) fn needed<O: Object>(object: &O, operations: &[u32], budget: &Budget) -> Vec<u32> {
    let has_order = |rest: &[u32]| {
        let problem = object.problem(rest);
        let processes = vec![0; problem.steps.len()];
        let order = tiny::Order::RealTime;
        tiny::decide(&problem.machine, &problem.steps, &processes, order, budget)
            .is_some_and(|decision| decision.linearizable)
    };
    let is_needed = |index: &u32| {
        if budget.is_over() {
            return false;
        }
        let rest: Vec<u32> = operations.iter().copied().filter(|other| other != index).collect();
        object.close(&rest).is_some_and(|rest| has_order(&rest))
    };
    operations.iter().copied().filter(is_needed).collect()
}

/// Whether the machine's calls of an operation change nothing.
pub(crate) fn observes<O: Object>(object: &O, operation: u32) -> bool {
    let problem = object.problem(&[operation]);
    problem.steps.iter().all(|step| problem.machine.observes(step.operation))
}
