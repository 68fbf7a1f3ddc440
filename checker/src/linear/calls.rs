//! The library's way in: any model, any calls, no files.

use std::time::Instant;

use super::machine::Interned;
use super::search::{Budget, search};
use crate::history::NEVER;
use crate::model::Model;
use crate::options::Options;
use crate::verdict::Verdict;

/// An operation with the time it took, in any unit that orders events: a counter, nanoseconds.
#[derive(Clone, Debug)]
pub struct Interval<O> {
    /// When it was invoked.
    pub invoked: u64,
    /// When it returned; `None` if it may have taken effect at any later time, or not at all.
    pub returned: Option<u64>,
    /// What it did, answer included.
    pub operation: O,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// `Pass`, `Violation` or `Undecided`.
    pub verdict: Verdict,
    /// On a violation: the index of the call at whose return it was certain, where known.
    pub failed: Option<usize>,
    /// Configurations visited.
    pub configurations: u64,
}

/// Checks one object's calls against a model. An interval that ends when another begins overlaps it.
///
/// ```
/// use whitewater_checker::linear::{Interval, check_calls};
/// use whitewater_checker::object::register::{Register, RegisterOperation::{Read, Write}};
/// use whitewater_checker::{Options, Verdict};
///
/// let write = Interval { invoked: 0, returned: Some(1), operation: Write(Some(7)) };
/// let stale = Interval { invoked: 2, returned: Some(3), operation: Read(None) };
/// let judgement = check_calls(&Register::default(), &[write, stale], &Options::default());
/// assert_eq!(judgement.verdict, Verdict::Violation);
/// ```
pub fn check_calls<M: Model>(
    model: &M,
    calls: &[Interval<M::Operation>],
    options: &Options,
) -> Judgement {
    // Positions: invocations before returns at equal times, because intervals are closed.
    let mut points: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * calls.len());
    for (number, call) in calls.iter().enumerate() {
        points.push((call.invoked, false, number));
        points.extend(call.returned.map(|returned| (returned.max(call.invoked), true, number)));
    }
    points.sort_unstable();
    let mut positions = vec![(0, NEVER); calls.len()];
    for (place, &(_, is_return, number)) in points.iter().enumerate() {
        let position = place as u32 + 1;
        if is_return { positions[number].1 = position } else { positions[number].0 = position }
    }
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_unstable_by_key(|&number| positions[number].0);
    let numbered = order.iter().map(|&number| {
        let (invoked, returned) = positions[number];
        (invoked, returned, calls[number].operation.clone())
    });
    let (machine, steps) = Interned::new(model.clone(), numbered);
    let budget = Budget::new(Instant::now() + options.budget, options.memory_bytes);
    let found = search(&machine, &steps, &budget, false);
    Judgement {
        verdict: match found.linearizable {
            Some(true) => Verdict::Pass,
            Some(false) => Verdict::Violation,
            None => Verdict::Undecided,
        },
        failed: found.failed.map(|call| order[call as usize]),
        configurations: found.steps,
    }
}
