//! Queues whose elements are all different: decided in O(n log n) where every dequeue has an answer.
//!
//! A history of enqueues and successful dequeues of distinct elements has a valid order exactly if
//!
//! - no element comes out that nobody put in, or twice, or before its enqueue began, and
//! - there are no a and b with a's enqueue ended before b's began, and b's dequeue ended before a's
//!   began (or a never came out).
//!
//! Source: Henzinger, Sezgin, Vafeiadis, "Aspect-oriented linearizability proofs", CONCUR 2013. An
//! indeterminate enqueue whose element never came out can be left out; one whose element did, returns at
//! infinity. So can a dequeue without an answer, unless it is needed to explain what became of an element.
//! Dequeues that found the queue empty are left to the search, but what is wrong without them stays wrong
//! with them.
//!
//! A drain's elements come out one behind the other, though each has the whole drain's interval: b before a in a drain is "b's
//! dequeue ended before a's began". The theorem needs only one of the two orders to be of intervals, and that of the enqueues is: a
//! cycle of both orders alternates between them, x before y by dequeues, y before x' by enqueues, x' before y' by dequeues, y'
//! before x by enqueues, …, and of intervals y before x or y' before x', which is a cycle of two. A drain without an answer may
//! have taken anything, as a dequeue without one.

use std::collections::HashMap;

use super::close::{QueueModel, QueueObject};
use crate::history::{Function, History, NEVER, Outcome, Value};
use crate::linear::search::Budget;
use crate::linear::setting::{Decision, Setting};

/// What the order of distinct elements tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is a valid order.
    Linearizable,
    /// There is none, because of these operations.
    Violation(Vec<u32>),
    /// The theorem does not apply.
    Unsettled,
}

/// Where an element went in and came out.
#[derive(Clone, Copy, Debug)]
struct Element {
    enqueue: u32,
    enqueue_invoked: u32,
    enqueue_returned: u32,
    /// The dequeue, and its invocation and return; [`NEVER`] if there was none.
    dequeue: u32,
    dequeue_invoked: u32,
    dequeue_returned: u32,
}

/// Decides a key of any kind of queue: by what `told` makes of its elements, else by search.
pub(crate) fn decide<M: QueueModel>(
    setting: &Setting<'_>,
    operations: &[u32],
    budget: &Budget,
    method: &'static str,
    told: fn(&History, &[u32]) -> Answer,
) -> Decision {
    if !setting.search_only {
        match told(setting.history, operations) {
            Answer::Linearizable => return Decision::order(method),
            Answer::Violation(core) => return Decision::violation(method, core),
            Answer::Unsettled => {}
        }
    }
    setting.whole(&QueueObject::<M>::new(setting.history, operations), operations, budget)
}

/// What the order of a key's elements tells.
pub(super) fn in_order(history: &History, operations: &[u32]) -> Answer {
    if history.initial_of(operations) != Value::NIL {
        return Answer::Unsettled;
    }
    let mut elements: HashMap<Value, Element> = HashMap::new();
    let (mut has_unanswered, mut found_empty) = (false, false);
    for &index in operations {
        let operation = &history.operations[index as usize];
        if operation.function != Function::Enqueue || operation.outcome == Outcome::Fail {
            continue;
        }
        let element = Element {
            enqueue: index,
            enqueue_invoked: operation.invoked,
            enqueue_returned: operation.completed,
            dequeue: NEVER,
            dequeue_invoked: NEVER,
            dequeue_returned: NEVER,
        };
        if elements.insert(operation.value, element).is_some() {
            return Answer::Unsettled;
        }
    }
    for &index in operations {
        let operation = &history.operations[index as usize];
        let is_dequeue = matches!(operation.function, Function::Dequeue | Function::Drain);
        if !is_dequeue || operation.outcome == Outcome::Fail {
            continue;
        }
        if operation.outcome == Outcome::Info {
            has_unanswered = true;
            continue;
        }
        if operation.function == Function::Drain && operation.part().is_none() {
            continue;
        }
        if operation.value == Value::NIL {
            found_empty = true;
            continue;
        }
        let Some(element) = elements.get_mut(&operation.value) else {
            return Answer::Violation(vec![index]);
        };
        if element.dequeue != NEVER {
            return Answer::Violation(vec![element.enqueue, element.dequeue, index]);
        }
        element.dequeue = index;
        element.dequeue_invoked = operation.invoked;
        element.dequeue_returned = operation.completed;
        if operation.completed < element.enqueue_invoked {
            return Answer::Violation(vec![element.enqueue, index]);
        }
    }
    if let Some(proof) = drained_out_of_order(history, operations, &elements) {
        return Answer::Violation(proof);
    }
    let elements: Vec<Element> = elements.into_values().collect();
    match overtaken(&elements) {
        None if !found_empty => Answer::Linearizable,
        None => Answer::Unsettled,
        // A dequeue without an answer may have taken what nobody was seen to take.
        Some(_) if has_unanswered => {
            let taken: Vec<Element> =
                elements.iter().filter(|element| element.dequeue != NEVER).copied().collect();
            overtaken(&taken).map_or(Answer::Unsettled, Answer::Violation)
        }
        Some(proof) => Answer::Violation(proof),
    }
}

/// Looks for an element of a drain that went in before one that the drain took earlier.
fn drained_out_of_order(
    history: &History,
    operations: &[u32],
    elements: &HashMap<Value, Element>,
) -> Option<Vec<u32>> {
    // Of the elements that the drain at hand took so far, the one that began to go in last.
    let mut last_in: Option<&Element> = None;
    for &index in operations {
        let operation = &history.operations[index as usize];
        let Some(part) = operation.part() else { continue };
        let element = elements.get(&operation.value)?;
        last_in = last_in.filter(|_| part > 0);
        if let Some(taken) = last_in
            && element.enqueue_returned < taken.enqueue_invoked
        {
            let mut proof = vec![taken.enqueue, taken.dequeue, element.enqueue, element.dequeue];
            proof.sort_unstable();
            return Some(proof);
        }
        if last_in.is_none_or(|taken| element.enqueue_invoked > taken.enqueue_invoked) {
            last_in = Some(element);
        }
    }
    None
}

/// Looks for an element that went in later and came out earlier.
fn overtaken(elements: &[Element]) -> Option<Vec<u32>> {
    let mut by_return: Vec<&Element> =
        elements.iter().filter(|element| element.enqueue_returned != NEVER).collect();
    by_return.sort_unstable_by_key(|element| element.enqueue_returned);
    let mut by_invocation: Vec<&Element> =
        elements.iter().filter(|element| element.dequeue != NEVER).collect();
    by_invocation.sort_unstable_by_key(|element| element.enqueue_invoked);
    // Of all elements that were in before this one began to go in, the one that began to come out last.
    let mut last_out: Option<&Element> = None;
    let mut before = by_return.into_iter().peekable();
    for later in by_invocation {
        while let Some(earlier) =
            before.next_if(|earlier| earlier.enqueue_returned < later.enqueue_invoked)
        {
            if last_out.is_none_or(|last| earlier.dequeue_invoked > last.dequeue_invoked) {
                last_out = Some(earlier);
            }
        }
        if let Some(earlier) = last_out
            && later.dequeue_returned < earlier.dequeue_invoked
        {
            let mut proof = vec![earlier.enqueue, later.enqueue, later.dequeue];
            if earlier.dequeue != NEVER {
                proof.push(earlier.dequeue);
            }
            proof.sort_unstable();
            return Some(proof);
        }
    }
    None
}
