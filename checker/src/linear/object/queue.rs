//! Queues as objects.

use std::collections::HashMap;

use super::{Object, Problem, effective, find, interned, list_words};
use crate::history::{Function, History, Outcome, Value};
use crate::linear::machine::Interned;
use crate::model;

/// One queue.
pub(crate) struct QueueObject<'a> {
    history: &'a History,
    /// What it begins with, front first.
    initial: Vec<Value>,
    counts: HashMap<(Function, Value), usize>,
    /// Dequeues without an answer: any of them may have taken anything.
    unanswered: Vec<u32>,
}

impl<'a> QueueObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let unanswered = effective(history, operations)
            .filter(|(_, operation)| operation.function == Function::Dequeue)
            .filter(|(_, operation)| operation.outcome == Outcome::Info)
            .map(|(index, _)| index)
            .collect();
        let initial = history.initial_of(operations);
        let members = history.values.list(initial).unwrap_or_default();
        QueueObject {
            history,
            initial: members.iter().map(|json| find(history, json)).collect(),
            counts: counts(history, operations),
            unanswered,
        }
    }
}

/// Enqueues and answered dequeues of each element.
fn counts(history: &History, operations: &[u32]) -> HashMap<(Function, Value), usize> {
    let mut counts = HashMap::new();
    for (_, operation) in effective(history, operations) {
        if operation.function != Function::Dequeue || operation.outcome == Outcome::Ok {
            *counts.entry((operation.function, operation.value)).or_default() += 1;
        }
    }
    counts
}

impl Object for QueueObject<'_> {
    type Machine = Interned<model::Queue>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        let calls = effective(self.history, operations).map(|(index, operation)| {
            let element = operation.value;
            let call = match (operation.function, operation.outcome) {
                (Function::Dequeue, Outcome::Ok) if element == Value::NIL => {
                    model::QueueOperation::Empty
                }
                (Function::Dequeue, Outcome::Ok) => model::QueueOperation::Dequeue(element.code()),
                (Function::Dequeue, _) => model::QueueOperation::DequeueAny,
                _ => model::QueueOperation::Enqueue(element.code()),
            };
            (index, call)
        });
        let kept = counts(self.history, operations);
        // An element that is out of view is out of the queue.
        let is_whole = |value: &Value| {
            let both = [(Function::Enqueue, *value), (Function::Dequeue, *value)];
            both.iter().all(|entry| kept.get(entry) == self.counts.get(entry))
        };
        let initial = self.initial.iter().copied().filter(is_whole).map(Value::code).collect();
        interned(model::Queue { initial }, self.history, calls)
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        let words = |&code: &u32| self.history.values.words(Value::of_code(code));
        let members: Vec<String> = machine.state(state).into_iter().flatten().map(words).collect();
        list_words('[', &members, ']')
    }

    /// An element's enqueues and dequeues stay or go together.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let kept = counts(self.history, operations);
        let is_whole = |index: &u32| {
            let value = self.history.operations[*index as usize].value;
            let both = [(Function::Enqueue, value), (Function::Dequeue, value)];
            value == Value::NIL
                || self.unanswered.contains(index)
                || both.iter().all(|entry| kept.get(entry) == self.counts.get(entry))
        };
        let closed: Vec<u32> = operations.iter().copied().filter(is_whole).collect();
        // A dequeue without an answer may have taken an element that stays and never came out.
        let has_dequeue = |index: &u32| {
            let operation = &self.history.operations[*index as usize];
            let count = |function| kept.get(&(function, operation.value)).copied().unwrap_or(0);
            operation.function != Function::Enqueue
                || count(Function::Dequeue) >= count(Function::Enqueue)
        };
        let all_there = self.unanswered.iter().all(|index| closed.contains(index));
        let may_take_others = !closed.iter().all(has_dequeue) || !self.initial.is_empty();
        (all_there || !may_take_others).then_some(closed)
    }

    fn complete(&self, operations: &[u32]) -> Vec<u32> {
        let mut complete = [operations, &self.unanswered].concat();
        complete.sort_unstable();
        complete.dedup();
        complete
    }
}
