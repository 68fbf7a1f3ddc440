//! Locks that do not know their holder.

mod close;
mod explain;
mod model;

pub(crate) use close::MutexObject;
pub(crate) use explain::{HELD_TWICE, TWO_HOLDERS, granted, pairs, releases};
pub use model::{Mutex, MutexOperation};

use super::card::Card;
use super::kind::ModelKind;
use crate::history::Function;
use crate::linear::witness::confirm;

/// The model's name.
pub const KIND: ModelKind = CARD.kind();

pub(crate) const CARD: Card = Card {
    word: "mutex",
    plural: "mutexes",
    counted: None,
    functions: &[Function::Acquire, Function::Release],
    tells: |history| {
        history.census().has(Function::Acquire) || history.census().has(Function::Release)
    },
    begins: |_| Err("free: a lock that is held at first is an acquire at the head of the history"),
    trouble: None,
    other: Some("reentrant-mutex"),
    decide: |setting, operations, budget, _| {
        setting.whole(&MutexObject::new(setting.history, operations), operations, budget)
    },
    confirm: |setting, asked| confirm(&MutexObject::new(setting.history, asked.all), asked),
};
