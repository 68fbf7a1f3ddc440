//! Queues that are first in, first out.

mod close;
mod explain;
mod model;
mod order;

pub(crate) use close::{Kept, QueueModel, QueueObject, found_empty};
pub use model::{Queue, QueueOperation, QueueState};
pub(crate) use order::{Answer, decide};

use super::card::{Card, begins_as_list};
use super::kind::ModelKind;
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linear::witness::confirm;

/// The model's name.
pub const KIND: ModelKind = CARD.kind();

pub(crate) const CARD: Card = Card {
    word: "queue",
    plural: "queues",
    counted: None,
    functions: &[Function::Enqueue, Function::Dequeue, Function::Drain],
    tells: |history| {
        history.census().has(Function::Enqueue) || history.census().has(Function::Dequeue)
    },
    begins: begins_as_list,
    trouble: Some(trouble),
    other: Some("unordered-queue"),
    decide: |setting, operations, budget, _| {
        decide::<Queue>(setting, operations, budget, "queue-order", order::in_order)
    },
    confirm: |setting, asked| {
        confirm(&QueueObject::<Queue>::new(setting.history, asked.all), asked)
    },
};

fn trouble(_: &History, operation: &Operation) -> Option<String> {
    let is_asked = operation.function == Function::Enqueue && operation.outcome != Outcome::Fail;
    (is_asked && operation.value == Value::NIL)
        .then(|| "enqueue needs an element; null is what a dequeue says that found none".to_owned())
}
