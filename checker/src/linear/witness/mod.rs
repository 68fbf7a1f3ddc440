//! From a violation to something a person understands: the smallest set of operations, the longest order
//! they allow, why the blocked one fits nowhere, and a sentence.
//!
//! Everything here is proof: it follows from the record. A small checker of its own ([`tiny`]) has to agree
//! before anything is reported.

mod build;
mod class;
pub(crate) mod file;
pub(crate) mod known;
mod shrink;
pub(crate) mod tiny;
mod told;
pub(crate) mod words;

use std::time::{Duration, Instant};

use super::object::Object;
use super::search::Budget;
use crate::analysis::Finding;
use crate::history::{History, Operation, Value};
pub(crate) use class::{Fate, failed, failed_before, fallback, fate};
pub(crate) use known::{Effect, Known, Traces};
pub(crate) use told::Told;

/// How long the second opinion may take beyond shrinking.
const CONFIRM_TIME: Duration = Duration::from_secs(2);

/// Operations shown at most. A witness is a handful; what cannot be shrunk is not readable anyway.
const SHOWN_MAX: usize = 40;

/// What a confirmed violation comes to.
pub(crate) enum Confirmed {
    /// It stands.
    Finding(Box<Finding>),
    /// The second opinion disagrees, or took too long: the verdict must not be "violation".
    Unconfirmed(&'static str),
}

/// Tells what kind of violation a minimal set of operations is.
pub(crate) trait Explain: Object {
    /// `blocked` is an index into `operations`.
    fn explain(&self, case: &Case<'_>) -> Told;
}

/// A minimal violation.
pub(crate) struct Case<'a> {
    pub(crate) history: &'a History,
    /// All operations of the key.
    pub(crate) all: &'a [u32],
    /// The minimal set, by invocation.
    pub(crate) operations: &'a [u32],
    /// The one that fits nowhere.
    pub(crate) blocked: u32,
    /// Whether that is so: the others have an order without it. Else it is only the last one.
    pub(crate) is_blocked: bool,
    /// The value the key began with.
    pub(crate) initial: Value,
    /// What is known beside the operations.
    pub(crate) known: &'a Known<'a>,
    /// What is tried to tell it may take so much.
    pub(crate) budget: &'a Budget,
}

/// What is the same for all that is asked of a key's violation.
pub(crate) struct Asked<'a> {
    pub(crate) history: &'a History,
    pub(crate) known: &'a Known<'a>,
    /// All operations of the key.
    pub(crate) all: &'a [u32],
    /// Operations that are known to contradict each other, if the method knew.
    pub(crate) core: Option<&'a [u32]>,
    /// The operation at whose return the violation was certain.
    pub(crate) failed: Option<u32>,
    /// When shrinking ends, and what it may take: remainders are smaller than what was decided already.
    pub(crate) budget: Budget,
    /// When all ends.
    pub(crate) end: Instant,
}

impl Case<'_> {
    pub(crate) fn operation(&self, index: u32) -> &Operation {
        &self.history.operations[index as usize]
    }

    pub(crate) fn blocked(&self) -> &Operation {
        self.operation(self.blocked)
    }
}

/// Shrinks, confirms and explains a violation.
pub(crate) fn confirm<O: Explain>(object: &O, asked: &Asked<'_>) -> Confirmed {
    let Some(start) = start(object, asked) else {
        return Confirmed::Unconfirmed("the second check did not confirm the violation");
    };
    let shrunk = shrink::shrink(object, start, &asked.budget);
    let until = (asked.budget.deadline() + CONFIRM_TIME).min(asked.end);
    let budget = asked.budget.ending(until);
    if shrink::is_confirmed(object, &shrunk.operations, &budget) != Some(true) {
        return Confirmed::Unconfirmed("the second check did not finish in time");
    }
    Confirmed::Finding(Box::new(build::finding(object, asked, &shrunk)))
}

/// The smallest set known to be a violation to begin shrinking with.
fn start<O: Object>(object: &O, asked: &Asked<'_>) -> Option<Vec<u32>> {
    let (history, all, budget) = (asked.history, asked.all, &asked.budget);
    // A witness file says which of its operations are the proof; as with every other hint, they have to be one.
    let noted = asked.known.proof(all);
    if !noted.is_empty()
        && let Some(noted) = object.close(&noted)
        && shrink::is_confirmed(object, &noted, budget) == Some(true)
    {
        return Some(noted);
    }
    if let Some(core) = asked.core {
        for complete in [object.nearest(core), object.complete(core)] {
            if let Some(complete) = object.close(&complete)
                && shrink::is_confirmed(object, &complete, budget) == Some(true)
            {
                return Some(complete);
            }
        }
    }
    if let Some(failed) = asked.failed {
        let certain_at = history.operations[failed as usize].completed;
        let begun = |index: &u32| history.operations[*index as usize].invoked < certain_at;
        let prefix: Vec<u32> = all.iter().copied().filter(begun).collect();
        if let Some(prefix) = object.close(&prefix)
            && shrink::is_confirmed(object, &prefix, budget) == Some(true)
        {
            return Some(prefix);
        }
    }
    let whole = object.problem(all).operations;
    (shrink::is_confirmed(object, &whole, budget) == Some(true)).then_some(whole)
}

#[cfg(test)]
mod tests;
