//! Queues as objects, whether they have an order or not.

use std::collections::HashMap;
use std::marker::PhantomData;

use super::model::{Queue, QueueOperation, QueueState};
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linear::machine::Interned;
use crate::linear::object::{
    Object, Problem, effective, find, in_words_order, interned, list_words,
};
use crate::model::Model;

/// A model of queues.
pub(crate) trait QueueModel: Model<State = QueueState, Operation = QueueOperation> {
    /// Whether its elements have an order.
    const HAS_ORDER: bool;

    /// What it promises beside that what comes out was put in.
    const PROMISE: &str;

    /// A queue that begins with these elements, front first.
    fn beginning_with(initial: Vec<u32>) -> Self;

    /// Whether a dequeue without an answer, or a drain, can be what made the answers of some operations possible.
    fn needs_unanswered(kept: &Kept<'_>) -> bool;
}

/// What is kept of a queue's operations.
pub(crate) struct Kept<'a> {
    pub(crate) history: &'a History,
    pub(crate) operations: &'a [u32],
    counts: HashMap<(Function, Value), usize>,
    has_initial: bool,
}

impl QueueModel for Queue {
    const HAS_ORDER: bool = true;
    const PROMISE: &str = "Elements must come out in the order in which they went in.";

    fn beginning_with(initial: Vec<u32>) -> Self {
        Queue { initial: initial.into() }
    }

    /// It may have taken an element that stays and never came out.
    fn needs_unanswered(kept: &Kept<'_>) -> bool {
        let has_dequeue = |index: &u32| {
            let operation = &kept.history.operations[*index as usize];
            let count =
                |function| kept.counts.get(&(function, operation.value)).copied().unwrap_or(0);
            operation.function != Function::Enqueue
                || count(Function::Dequeue) >= count(Function::Enqueue)
        };
        kept.has_initial || !kept.operations.iter().all(has_dequeue)
    }
}

/// Whether a dequeue found the queue empty.
pub(crate) fn found_empty(operation: &Operation) -> bool {
    (operation.function, operation.outcome, operation.value)
        == (Function::Dequeue, Outcome::Ok, Value::NIL)
}

/// Whether something may have been taken by an operation of which nobody knows what.
fn is_unanswered(operation: &Operation) -> bool {
    matches!(operation.function, Function::Dequeue | Function::Drain)
        && operation.outcome == Outcome::Info
}

/// One queue.
pub(crate) struct QueueObject<'a, M> {
    history: &'a History,
    /// What it begins with, front first.
    initial: Vec<Value>,
    counts: HashMap<(Function, Value), usize>,
    /// Dequeues and drains without an answer: any of them may have taken anything.
    unanswered: Vec<u32>,
    model: PhantomData<M>,
}

impl<'a, M: QueueModel> QueueObject<'a, M> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let unanswered = effective(history, operations)
            .filter(|(_, operation)| is_unanswered(operation))
            .map(|(index, _)| index)
            .collect();
        let initial = history.initial_of(operations);
        let members = history.values.list(initial).unwrap_or_default();
        QueueObject {
            history,
            initial: members.iter().map(|json| find(history, json)).collect(),
            counts: counts(history, operations),
            unanswered,
            model: PhantomData,
        }
    }
}

/// Enqueues and answered dequeues of each element, those of drains among them.
fn counts(history: &History, operations: &[u32]) -> HashMap<(Function, Value), usize> {
    let mut counts = HashMap::new();
    for (_, operation) in effective(history, operations) {
        let function = match operation.function {
            Function::Enqueue => Function::Enqueue,
            _ if operation.outcome == Outcome::Ok => Function::Dequeue,
            _ => continue,
        };
        *counts.entry((function, operation.value)).or_default() += 1;
    }
    counts
}

impl<M: QueueModel> Object for QueueObject<'_, M> {
    type Machine = Interned<M>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        let kept = counts(self.history, operations);
        // An element that is out of view is out of the queue.
        let is_whole = |value: &Value| {
            let both = [(Function::Enqueue, *value), (Function::Dequeue, *value)];
            both.iter().all(|entry| kept.get(entry) == self.counts.get(entry))
        };
        let initial: Vec<u32> =
            self.initial.iter().copied().filter(is_whole).map(Value::code).collect();
        let enqueues = effective(self.history, operations)
            .filter(|(_, operation)| operation.function == Function::Enqueue)
            .count();
        // A drain of which nobody knows may have taken all there ever was, each at a moment of its own.
        let drained_max = enqueues + initial.len();
        let mut calls: Vec<(u32, QueueOperation)> = Vec::with_capacity(operations.len());
        // How many elements of the drain at hand are in view so far.
        let (mut drain, mut place) = ((u64::MAX, 0), 0);
        for (index, operation) in effective(self.history, operations) {
            let element = operation.value.code();
            let call = match (operation.function, operation.outcome) {
                (Function::Enqueue, _) => QueueOperation::Enqueue(element),
                (Function::Drain, Outcome::Ok) if operation.part().is_none() => continue,
                (Function::Drain, Outcome::Ok) => {
                    let own = (operation.process, operation.invoked);
                    place = if drain == own { place + 1 } else { 0 };
                    drain = own;
                    QueueOperation::Drain { drain: operation.invoked, place, element }
                }
                (Function::Drain, _) => {
                    let taken = std::iter::repeat_n(QueueOperation::DequeueAny, drained_max);
                    calls.extend(taken.map(|call| (index, call)));
                    continue;
                }
                (_, Outcome::Ok) if operation.value == Value::NIL => QueueOperation::Empty,
                (_, Outcome::Ok) => QueueOperation::Dequeue(element),
                _ => QueueOperation::DequeueAny,
            };
            calls.push((index, call));
        }
        interned(M::beginning_with(initial), self.history, calls.into_iter())
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        let elements = machine.state(state).into_iter().flat_map(|state| &state.elements);
        let mut elements: Vec<Value> = elements.map(|&code| Value::of_code(code)).collect();
        let (open, close) = if M::HAS_ORDER { ('[', ']') } else { ('{', '}') };
        if !M::HAS_ORDER {
            elements.sort_by_cached_key(|&value| in_words_order(self.history, value));
        }
        let words = |&value: &Value| self.history.values.words(value);
        list_words(open, &elements.iter().map(words).collect::<Vec<String>>(), close)
    }

    /// An element's enqueues and dequeues stay or go together.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let kept = counts(self.history, operations);
        let is_whole = |index: &u32| {
            let operation = &self.history.operations[*index as usize];
            let value = operation.value;
            let both = [(Function::Enqueue, value), (Function::Dequeue, value)];
            found_empty(operation)
                || self.unanswered.contains(index)
                || both.iter().all(|entry| kept.get(entry) == self.counts.get(entry))
        };
        let closed: Vec<u32> = operations.iter().copied().filter(is_whole).collect();
        let all_there = self.unanswered.iter().all(|index| closed.contains(index));
        let (history, has_initial) = (self.history, !self.initial.is_empty());
        let kept = Kept { history, operations: &closed, counts: kept, has_initial };
        let is_honest = all_there || !M::needs_unanswered(&kept);
        is_honest.then_some(closed)
    }

    fn complete(&self, operations: &[u32]) -> Vec<u32> {
        let mut complete = [operations, &self.unanswered].concat();
        complete.sort_unstable();
        complete.dedup();
        complete
    }
}
