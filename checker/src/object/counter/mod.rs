//! Counters: add numbers, read the sum.

mod close;
mod explain;
mod model;

pub(crate) use close::CounterObject;
pub use model::{Counter, CounterOperation};

use super::card::Card;
use super::kind::ModelKind;
use crate::history::{Function, History, Operation, Outcome};
use crate::linear::witness::confirm;
use close::whole;

/// The model's name.
pub const KIND: ModelKind = CARD.kind();

pub(crate) const CARD: Card = Card {
    word: "counter",
    plural: "counters",
    counted: None,
    functions: &[Function::Add, Function::Read],
    tells,
    begins: |json| whole(json).map(|_| ()).ok_or("a whole number"),
    trouble: Some(trouble),
    other: None,
    decide: |setting, operations, budget, _| {
        setting.whole(&CounterObject::new(setting.history, operations), operations, budget)
    },
    confirm: |setting, asked| confirm(&CounterObject::new(setting.history, asked.all), asked),
};

/// A counter's reads are numbers, a set's are lists.
fn tells(history: &History) -> bool {
    let has = |function: Function| history.census().has(function);
    let is_number = |operation: &Operation| {
        operation.function == Function::Read
            && operation.outcome == Outcome::Ok
            && history.values.json(operation.value).is_number()
    };
    has(Function::Add)
        && !has(Function::Remove)
        && !has(Function::Contains)
        && history.operations.iter().any(is_number)
}

/// It counts in whole numbers; what is none cannot be added up.
fn trouble(history: &History, operation: &Operation) -> Option<String> {
    let json = history.values.json(operation.value);
    let is_silent = operation.function == Function::Read && operation.outcome != Outcome::Ok;
    let is_number = is_silent || json.is_null() || whole(&json).is_some();
    (!is_number).then(|| {
        format!(
            "{} {} is no operation of a counter, which counts in whole numbers of 64 bits",
            operation.function.word(),
            history.values.words(operation.value),
        )
    })
}
