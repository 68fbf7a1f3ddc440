//! Registers: a cell with one value, the datatype that histories are about if nothing tells another one.

pub(crate) mod call;
mod close;
pub(super) mod decide;
mod explain;
pub(crate) mod greedy;
pub(crate) mod machine;
mod model;
pub(crate) mod zones;

pub(crate) use close::RegisterObject;
pub(crate) use decide::{Scratch, decide_calls};
pub use model::{Register, RegisterOperation};

use super::card::Card;
use super::kind::ModelKind;
use crate::history::Function;
use crate::linear::witness::confirm;

/// The model's name.
pub const KIND: ModelKind = CARD.kind();

pub(crate) const CARD: Card = Card {
    word: "register",
    plural: "registers",
    counted: None,
    functions: &[Function::Read, Function::Write, Function::Cas, Function::Delete],
    tells: |_| true,
    begins: |_| Ok(()),
    trouble: None,
    other: None,
    decide: decide::decide,
    confirm: |setting, asked| confirm(&RegisterObject::new(setting.history, asked.all), asked),
};

#[cfg(test)]
mod tests;
