//! Sets of elements: add, remove, ask for one, read them all.

mod close;
mod elements;
mod explain;
mod model;

pub(crate) use close::SetObject;
pub use model::{Set, SetOperation};

use super::card::{Card, begins_as_list};
use super::kind::ModelKind;
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linear::witness::confirm;

/// The model's name.
pub const KIND: ModelKind = CARD.kind();

pub(crate) const CARD: Card = Card {
    word: "set",
    plural: "sets",
    counted: None,
    functions: &[Function::Add, Function::Remove, Function::Contains, Function::Read],
    tells: |history| {
        let has = |function| history.census().has(function);
        has(Function::Add) || has(Function::Remove) || has(Function::Contains)
    },
    begins: begins_as_list,
    trouble: Some(trouble),
    other: None,
    decide: elements::decide,
    confirm: |setting, asked| confirm(&SetObject::new(setting.history, asked.all), asked),
};

fn trouble(history: &History, operation: &Operation) -> Option<String> {
    let (value, values) = (operation.value, &history.values);
    let is_answer = operation.function == Function::Read && operation.outcome == Outcome::Ok;
    (is_answer && value != Value::NIL && !values.is_list(value)).then(|| {
        format!(
            "read → {} is no answer of a set: expected a list of its elements, or null",
            values.words(value)
        )
    })
}
