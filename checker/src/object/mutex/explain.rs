//! Kinds of violations of locks, and their sentences.

use super::close::MutexObject;
use crate::history::{Function, NEVER, Operation};
use crate::linear::witness::{Case, Explain, Told, fallback};

pub(crate) const TWO_HOLDERS: &str = "Two clients held a lock at the same time.";
pub(crate) const HELD_TWICE: &str = "A client was granted a lock that it already held.";

/// Acquires that were granted.
pub(crate) fn granted<'a>(case: &'a Case<'_>) -> Vec<(u32, &'a Operation)> {
    let is_granted = |(_, operation): &(u32, &Operation)| {
        operation.function == Function::Acquire && operation.completed != NEVER
    };
    case.own().filter(is_granted).collect()
}

pub(crate) fn releases<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (u32, &'a Operation)> {
    case.own().filter(|(_, operation)| operation.function == Function::Release)
}

/// All pairs of some operations, each in the order of their invocations.
pub(crate) fn pairs<T: Copy>(all: &[T]) -> impl Iterator<Item = (T, T)> {
    let behind = move |(place, &first): (usize, &T)| {
        all[place + 1..].iter().map(move |&second| (first, second))
    };
    all.iter().enumerate().flat_map(behind)
}

impl Explain for MutexObject<'_> {
    /// Kinds of violations of a lock that does not know its holder.
    fn explain(&self, case: &Case<'_>) -> Told {
        let acquired = granted(case);
        let released_between = |first: &Operation, second: &Operation| {
            releases(case).any(|(_, operation)| {
                operation.completed > first.invoked
                    && operation.invoked < second.completed.max(first.completed)
            })
        };
        let mut held =
            pairs(&acquired).filter(|(first, second)| !released_between(first.1, second.1));
        if let Some(((first, one), (second, other))) = held.next() {
            let explanation = format!(
                "{} was granted, and so was {}, and nothing can have released the lock between them.",
                case.capital_one(first),
                case.one(second),
            );
            let headline = if one.process == other.process { HELD_TWICE } else { TWO_HOLDERS };
            return Told::new("double-acquire", headline, explanation);
        }
        if case.own().all(|(_, operation)| operation.function == Function::Release) {
            return fallback(case, "Nobody held the lock when it was released.");
        }
        fallback(case, "A lock is held by one at a time, and released only while it is held.")
    }
}
