//! A drain as the dequeues it stands for.
//!
//! A client that drains a queue takes one element after another and completes once, with the list of them. Jepsen
//! reads that as one dequeue behind the other at the moment of the completion (`expand-queue-drain-ops`); here each has the
//! drain's whole interval, because others may take elements meanwhile, and keeps its place among them, which is their order. A
//! drain that took nothing is one operation that says nothing, and so is one that failed. One whose end nobody knows may have
//! taken any number of elements, at any later time.

use super::operation::{Function, Operation, Outcome};
use super::value::Value;
use super::{Command, History};

/// Puts an operation for each element in the place of every drain. `counts` are the operations of each key.
pub(super) fn expand(history: &mut History, counts: &mut [u32]) {
    let is_several = |operation: &Operation| {
        operation.function == Function::Drain && operation.outcome == Outcome::Ok
    };
    let before = std::mem::take(&mut history.operations);
    let mut moved: Vec<u32> = Vec::with_capacity(before.len());
    let mut after = Vec::with_capacity(before.len());
    for operation in before {
        moved.push(after.len() as u32);
        if !is_several(&operation) {
            after.push(operation);
            continue;
        }
        let taken = history.values.list(operation.value).unwrap_or_default();
        if taken.is_empty() {
            after.push(Operation { value: Value::UNTOLD, ..operation });
            continue;
        }
        counts[operation.key as usize] += taken.len() as u32 - 1;
        for (place, element) in taken.iter().enumerate() {
            let value = history.values.intern(element);
            let second = Value::direct(place as u64).unwrap_or(Value::UNTOLD);
            after.push(Operation { value, second, ..operation });
        }
    }
    history.operations = after;
    for Command { operation, .. } in &mut history.commands {
        *operation = moved[*operation as usize];
    }
    for operation in &mut history.ambiguous {
        *operation = moved[*operation as usize];
    }
}

/// The operations of the drain that some operations begin with.
pub(super) fn parts(operations: &[Operation]) -> &[Operation] {
    let Some(first) = operations.first() else { return operations };
    let is_part = |operation: &&Operation| {
        (operation.process, operation.invoked) == (first.process, first.invoked)
    };
    &operations[..operations.iter().take_while(is_part).count()]
}
