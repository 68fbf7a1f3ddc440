//! Sets, element by element.
//!
//! Additions, removals and membership questions concern one element, and elements are independent of
//! each other, so each is a register of its own that holds "in" or "absent". A read of the whole set joins them: it
//! is one moment for all elements. Where nothing else that returns overlaps a read, any moment of it
//! will do, and the read falls apart into one question per element. Where something overlaps, the elements
//! are only necessary conditions, and the search decides the whole.

use std::collections::{BTreeMap, HashSet};

use super::close::{SetObject, elements};
use crate::history::{Function, History, NEVER, Outcome};
use crate::linear::search::Budget;
use crate::linear::setting::{Decision, Setting};
use crate::object::register::call::{Call, Effect, NIL};
use crate::object::register::{Scratch, decide_calls};

/// The code of "in".
const IN: u32 = 1;

/// Most questions that reads may fall apart into; a history with more is searched whole.
const QUESTIONS_MAX: usize = 20_000_000;

/// Decides a key.
pub(super) fn decide(
    setting: &Setting<'_>,
    operations: &[u32],
    budget: &Budget,
    scratch: &mut Scratch,
) -> Decision {
    const METHOD: &str = "elements";
    if !setting.search_only
        && let Some(elements) = split(setting.history, operations)
    {
        let mut configurations = 0;
        let mut is_decided = true;
        for calls in elements.calls.values() {
            let decision = decide_calls(setting, calls, budget, scratch, METHOD);
            configurations += decision.configurations;
            match decision.linearizable {
                Some(true) => {}
                Some(false) => {
                    let core = calls.iter().map(|call| call.index).collect();
                    return Decision { configurations, ..Decision::violation(METHOD, core) };
                }
                None => is_decided = false,
            }
        }
        if is_decided && elements.is_exact {
            return Decision { configurations, ..Decision::order(METHOD) };
        }
    }
    setting.whole(&SetObject::new(setting.history, operations), operations, budget)
}

/// A set taken apart.
struct Elements {
    /// Register calls of each element.
    calls: BTreeMap<u32, Vec<Call>>,
    /// Whether the elements together decide the set.
    is_exact: bool,
}

/// Takes a key apart; `None` if it would be too much.
fn split(history: &History, operations: &[u32]) -> Option<Elements> {
    let mut calls: BTreeMap<u32, Vec<Call>> = BTreeMap::new();
    let mut reads: Vec<(u32, HashSet<u32>)> = Vec::new();
    for &index in operations {
        let operation = &history.operations[index as usize];
        let element = operation.value.code();
        let (effect, value) = match (operation.function, operation.outcome) {
            (_, Outcome::Fail | Outcome::Rejected)
            | (Function::Read | Function::Contains, Outcome::Info) => continue,
            (Function::Read, _) => {
                reads.push((index, elements(history, operation.value).into_iter().collect()));
                continue;
            }
            (Function::Contains, _) => (Effect::Read, operation.second.number().unwrap_or(0)),
            (Function::Remove, _) => (Effect::Write, NIL),
            _ => (Effect::Write, IN),
        };
        let (invoked, returned) = (operation.invoked, operation.completed);
        let call = Call { invoked, returned, a: value, b: NIL, index, effect };
        calls.entry(element).or_default().push(call);
    }
    for (_, shown) in &reads {
        for &element in shown {
            calls.entry(element).or_default();
        }
    }
    // An element that the set begins with is a register whose "absent" and "in" change places.
    let initial: HashSet<u32> =
        elements(history, history.initial_of(operations)).into_iter().collect();
    for &element in &initial {
        calls.entry(element).or_default();
    }
    if reads.len().saturating_mul(calls.len()) > QUESTIONS_MAX {
        return None;
    }
    for (&element, own) in &mut calls {
        for (index, shown) in &reads {
            let operation = &history.operations[*index as usize];
            let (invoked, returned) = (operation.invoked, operation.completed);
            let a = if shown.contains(&element) { IN } else { NIL };
            own.push(Call { invoked, returned, a, b: NIL, index: *index, effect: Effect::Read });
        }
        own.sort_unstable_by_key(|call| call.invoked);
        if initial.contains(&element) {
            own.iter_mut().for_each(|call| call.a = IN - call.a);
        }
    }
    Some(Elements { calls, is_exact: all_quiet(history, operations, &reads) })
}

/// Whether nothing that returns overlaps a read, other reads of the same set excepted.
fn all_quiet(history: &History, operations: &[u32], reads: &[(u32, HashSet<u32>)]) -> bool {
    let returning: Vec<u32> = operations
        .iter()
        .copied()
        .filter(|&index| {
            let operation = &history.operations[index as usize];
            operation.completed != NEVER && operation.outcome != Outcome::Fail
        })
        .collect();
    let mut sweep: Vec<(u32, u32, bool)> = Vec::with_capacity(2 * returning.len());
    for &index in &returning {
        let operation = &history.operations[index as usize];
        sweep.push((operation.invoked, index, true));
        sweep.push((operation.completed, index, false));
    }
    sweep.sort_unstable();
    let shown = |index: u32| {
        let place = reads.binary_search_by_key(&index, |read| read.0).ok();
        place.map(|place| &reads[place].1)
    };
    let mut open: Vec<u32> = Vec::new();
    for (_, index, begins) in sweep {
        if !begins {
            open.retain(|&other| other != index);
            continue;
        }
        let own = shown(index);
        let clashes = |&other: &u32| match (own, shown(other)) {
            (None, None) => false,
            (own, other) => own != other,
        };
        if open.iter().any(clashes) {
            return false;
        }
        open.push(index);
    }
    true
}
