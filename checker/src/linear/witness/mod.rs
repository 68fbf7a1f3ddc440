//! From a violation to something a person understands: the smallest set of operations, the longest order
//! they allow, why the blocked one fits nowhere, and a sentence.
//!
//! Everything here is proof: it follows from the record. A small checker of its own ([`tiny`]) has to agree
//! before anything is reported.

mod build;
mod class;
mod list_class;
mod shrink;
pub(crate) mod tiny;
mod words;

use std::time::{Duration, Instant};

use super::object::{ListObject, Object, RegisterObject};
use crate::analysis::Finding;
use crate::history::{History, Operation};
use class::Told;

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
}

impl Case<'_> {
    pub(crate) fn operation(&self, index: u32) -> &Operation {
        &self.history.operations[index as usize]
    }

    pub(crate) fn blocked(&self) -> &Operation {
        self.operation(self.blocked)
    }
}

/// Shrinks, confirms and explains a violation. `core` holds operations that are known to contradict
/// each other, if the method knew; the first time is when shrinking ends, the second when all does; `failed` is the operation at whose return the violation was certain.
pub(crate) fn confirm<O: Explain>(
    object: &O,
    history: &History,
    all: &[u32],
    core: Option<&[u32]>,
    failed: Option<u32>,
    (until, end): (Instant, Instant),
) -> Confirmed {
    let Some(start) = start(object, history, all, core, failed, until) else {
        return Confirmed::Unconfirmed("the second check did not confirm the violation");
    };
    let shrunk = shrink::shrink(object, start, until);
    let until = (until + CONFIRM_TIME).min(end);
    if shrink::is_confirmed(object, &shrunk.operations, until) != Some(true) {
        return Confirmed::Unconfirmed("the second check did not finish in time");
    }
    Confirmed::Finding(Box::new(build::finding(object, history, all, &shrunk)))
}

/// The smallest set known to be a violation to begin shrinking with.
fn start<O: Object>(
    object: &O,
    history: &History,
    all: &[u32],
    core: Option<&[u32]>,
    failed: Option<u32>,
    until: Instant,
) -> Option<Vec<u32>> {
    if let Some(core) = core {
        for complete in [object.nearest(core), object.complete(core)] {
            if let Some(complete) = object.close(&complete)
                && shrink::is_confirmed(object, &complete, until) == Some(true)
            {
                return Some(complete);
            }
        }
    }
    if let Some(failed) = failed {
        let certain_at = history.operations[failed as usize].completed;
        let begun = |index: &u32| history.operations[*index as usize].invoked < certain_at;
        let prefix: Vec<u32> = all.iter().copied().filter(begun).collect();
        if let Some(prefix) = object.close(&prefix)
            && shrink::is_confirmed(object, &prefix, until) == Some(true)
        {
            return Some(prefix);
        }
    }
    let whole = object.problem(all).operations;
    (shrink::is_confirmed(object, &whole, until) == Some(true)).then_some(whole)
}

impl Explain for RegisterObject<'_> {
    fn explain(&self, case: &Case<'_>) -> Told {
        class::register(case)
    }
}

impl Explain for ListObject<'_> {
    fn explain(&self, case: &Case<'_>) -> Told {
        list_class::list(self, case)
    }
}

impl Explain for super::object::SetObject<'_> {
    fn explain(&self, case: &Case<'_>) -> Told {
        class::set(self, case)
    }
}

impl Explain for super::object::QueueObject<'_> {
    fn explain(&self, case: &Case<'_>) -> Told {
        class::queue(case)
    }
}

impl Explain for super::object::CounterObject<'_> {
    fn explain(&self, case: &Case<'_>) -> Told {
        class::fallback(case, "The sum that was read cannot be reached in any order.")
    }
}

impl Explain for super::object::MutexObject<'_> {
    fn explain(&self, case: &Case<'_>) -> Told {
        class::mutex(case)
    }
}
