//! Queues without an order: decided in O(n log n), but for repeated elements where somebody found the queue empty.
//!
//! Elements are independent of each other, and an element is best put in as early and taken out as late as it can be. So
//! there is an order of enqueues and answered dequeues exactly if no element has come out more often, at any return, than it
//! had begun to be put in. Enqueues whose outcome nobody knows count from their invocation; what a dequeue or a drain
//! without an answer took was never needed by anybody.
//!
//! A dequeue that found nothing is one moment for all elements. An element was surely in from the end of its enqueue to the
//! beginning of its dequeue, and at any other moment it may have been out: where it is put in and taken out at overlapping
//! times, both may happen with nothing between. So, elements all different, the moment can be any in the
//! dequeue's interval at which no element was surely in, and the answer is wrong exactly if there is none. Where dequeues or
//! drains without an answer may have taken what stands in the way, the search decides.

use std::collections::HashMap;

use crate::history::{Function, History, NEVER, Operation, Outcome, Value};
use crate::object::queue::Answer;

/// What became of one element.
#[derive(Debug, Default)]
struct Element {
    /// By invocation.
    enqueues: Vec<u32>,
    /// Dequeues and parts of drains that took it.
    dequeues: Vec<u32>,
}

/// What the counts of a key's elements tell.
pub(super) fn by_counts(history: &History, operations: &[u32]) -> Answer {
    if history.initial_of(operations) != Value::NIL {
        return Answer::Unsettled;
    }
    let recorded = |index: u32| &history.operations[index as usize];
    let mut elements: HashMap<Value, Element> = HashMap::new();
    let mut found_empty: Vec<u32> = Vec::new();
    // Whether the elements that are looked at are all there is to say.
    let mut is_simple = true;
    for &index in operations {
        let operation = recorded(index);
        match (operation.function, operation.outcome) {
            (_, Outcome::Fail) => {}
            (Function::Enqueue, _) => {
                elements.entry(operation.value).or_default().enqueues.push(index);
            }
            (_, Outcome::Info) => is_simple = false,
            (Function::Drain, _) if operation.part().is_none() => {}
            (Function::Dequeue, _) if operation.value == Value::NIL => found_empty.push(index),
            (function, _) => {
                // The order among the elements of a drain matters to who finds the queue empty meanwhile.
                is_simple &= function != Function::Drain;
                elements.entry(operation.value).or_default().dequeues.push(index);
            }
        }
    }
    // In the order of the history, so that a check says the same each time.
    let mut all: Vec<Element> = elements.into_values().collect();
    let first = |element: &Element| {
        [element.enqueues.first(), element.dequeues.first()].into_iter().flatten().min().copied()
    };
    all.sort_unstable_by_key(first);
    for element in &mut all {
        element.dequeues.sort_by_key(|&index| recorded(index).completed);
        if let Some(core) = too_often(element, recorded) {
            return Answer::Violation(core);
        }
    }
    if found_empty.is_empty() {
        return Answer::Linearizable;
    }
    let is_single = |element: &Element| element.enqueues.len() <= 1;
    if !is_simple || !all.iter().all(is_single) {
        return Answer::Unsettled;
    }
    never_empty(&all, &found_empty, recorded).map_or(Answer::Linearizable, Answer::Violation)
}

/// The operations of an element that came out more often than it had begun to be put in.
fn too_often<'a>(element: &Element, recorded: impl Fn(u32) -> &'a Operation) -> Option<Vec<u32>> {
    for (taken, &dequeue) in element.dequeues.iter().enumerate() {
        let completed = recorded(dequeue).completed;
        let is_begun = element.enqueues.get(taken);
        if is_begun.is_none_or(|&enqueue| recorded(enqueue).invoked > completed) {
            let mut core = [&element.enqueues[..], &element.dequeues].concat();
            core.sort_unstable();
            return Some(core);
        }
    }
    None
}

/// A dequeue that found nothing though at every moment of it some element was surely in, with the elements that
/// show it.
fn never_empty<'a>(
    elements: &[Element],
    found_empty: &[u32],
    recorded: impl Fn(u32) -> &'a Operation,
) -> Option<Vec<u32>> {
    // From the position whose event ends the enqueue up to the one whose event begins the dequeue.
    let mut surely_in: Vec<(u32, u32, &Element)> = elements
        .iter()
        .filter_map(|element| {
            let from = recorded(*element.enqueues.first()?).completed;
            let to = element.dequeues.first().map_or(NEVER, |&index| recorded(index).invoked);
            (from < to).then_some((from, to, element))
        })
        .collect();
    surely_in.sort_unstable_by_key(|&(from, ..)| from);
    // For each, the one among those that begin no later which stays longest.
    let mut longest: Vec<usize> = Vec::with_capacity(surely_in.len());
    for (place, entry) in surely_in.iter().enumerate() {
        let best = longest.last().copied().filter(|&best| surely_in[best].1 >= entry.1);
        longest.push(best.unwrap_or(place));
    }
    found_empty.iter().find_map(|&index| {
        let (mut at, end) = (recorded(index).invoked, recorded(index).completed);
        let mut core = vec![index];
        while at < end {
            let begun = surely_in.partition_point(|&(from, ..)| from <= at);
            let (_, to, element) = surely_in[longest[begun.checked_sub(1)?]];
            if to <= at {
                return None;
            }
            core.extend(element.enqueues.iter().chain(&element.dequeues));
            at = to;
        }
        core.sort_unstable();
        core.dedup();
        Some(core)
    })
}
