//! The types of objects: how a history's operations become calls of a machine, and which sub-histories make
//! sense on their own.

use serde_json::Value as Json;

use super::machine::{Interned, Machine, Step};
use super::search::{Budget, search};
use crate::history::{History, Operation, Outcome, Value};
use crate::model::Model;

/// A type of object, over the operations of one key.
pub(crate) trait Object {
    /// Its machine.
    type Machine: Machine;

    /// The machine and calls of some operations, and the operation of each call. Operations that say
    /// nothing get no call.
    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine>;

    /// Leaves out operations that make no sense without others that are missing: a read without the
    /// writers of its value, a dequeue without the enqueue. What remains says no more than the whole did:
    /// if the whole has a valid order, so has it. `None` if that cannot be had.
    ///
    /// Which order the whole has is not known here, so an operation may stay only if in *every* valid order of the whole, with the
    /// missing ones taken out of it, it still has its answer. An answer rests on what came before it: whatever may have been
    /// that, in some order, has to stay with it. What cannot have been is only told by what surely took effect; an operation
    /// that never returned may have done nothing, so it proves nothing, neither that a value was replaced nor that it was there.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>>;

    /// Searches some operations, where there is a better machine for that than the model's.
    fn search(&self, operations: &[u32], budget: &Budget) -> Option<bool> {
        let problem = self.problem(operations);
        search(&problem.machine, &problem.steps, budget, false).linearizable
    }

    /// A state of the machine in words.
    fn words(&self, machine: &Self::Machine, state: u32) -> String;

    /// The opposite of `close`: adds the operations without which others would be left out by `close`.
    fn complete(&self, operations: &[u32]) -> Vec<u32> {
        operations.to_vec()
    }

    /// A smaller set than `complete` gives, which may do as well.
    fn nearest(&self, operations: &[u32]) -> Vec<u32> {
        self.complete(operations)
    }

    /// Whether the state before some operations is the one that the object began with: nothing that is left out may
    /// have changed it.
    fn is_start_known(&self, _operations: &[u32]) -> bool {
        true
    }

    /// What a file of some operations needs beside them, so that it says as much on its own: operations, and the
    /// value to begin with.
    fn supports(&self, _operations: &[u32]) -> Supports {
        Supports::default()
    }

    /// Operations whose state before them is taken for granted, because what led to it is left out, and that
    /// state in words.
    fn presumed(&self, _operations: &[u32]) -> Vec<(u32, String)> {
        Vec::new()
    }
}

/// See [`Object::supports`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Supports {
    /// Operations that explain what the proof leaves out of what it shows.
    pub(crate) operations: Vec<u32>,
    /// What the object holds before the first one; `None`: what it began with.
    pub(crate) initial: Option<Value>,
}

/// Calls to decide.
pub(crate) struct Problem<M> {
    pub(crate) machine: M,
    pub(crate) steps: Vec<Step>,
    /// Index of the operation of each step.
    pub(crate) operations: Vec<u32>,
}

/// Calls of a model that is not a register.
pub(crate) fn interned<M: Model>(
    model: M,
    history: &History,
    calls: impl Iterator<Item = (u32, M::Operation)>,
) -> Problem<Interned<M>> {
    let mut indices = Vec::new();
    let calls = calls.map(|(index, operation)| {
        indices.push(index);
        let recorded = &history.operations[index as usize];
        (recorded.invoked, recorded.completed, operation)
    });
    let (machine, steps) = Interned::new(model, calls);
    Problem { machine, steps, operations: indices }
}

/// A list in words, shortened in the middle where it is long.
pub(crate) fn list_words(open: char, members: &[String], close: char) -> String {
    const SHOWN: usize = 8;
    let inner = if members.len() <= SHOWN {
        members.join(", ")
    } else {
        let (first, last) = (&members[..SHOWN / 2], &members[members.len() - SHOWN / 2..]);
        format!("{}, … {} more …, {}", first.join(", "), members.len() - SHOWN, last.join(", "))
    };
    format!("{open}{inner}{close}")
}

/// Sorts values as people do, numbers first, whatever the order in which the history has them.
pub(crate) fn in_words_order(history: &History, value: Value) -> (u32, String) {
    (value.number().unwrap_or(u32::MAX), history.values.words(value))
}

/// The recorded operations that may have taken effect.
pub(crate) fn effective<'a>(
    history: &'a History,
    indices: &'a [u32],
) -> impl Iterator<Item = (u32, &'a Operation)> {
    indices
        .iter()
        .map(|&index| (index, &history.operations[index as usize]))
        .filter(|(_, operation)| !matches!(operation.outcome, Outcome::Fail | Outcome::Rejected))
}

/// The code of a JSON value that the history holds; [`Value::UNTOLD`] if it holds it nowhere.
pub(crate) fn find(history: &History, json: &Json) -> Value {
    match json.as_u64().and_then(Value::direct) {
        Some(value) => value,
        None if json.is_null() => Value::NIL,
        None => history.values.0.find(&json.to_string()).map_or(Value::UNTOLD, Value::in_table),
    }
}
