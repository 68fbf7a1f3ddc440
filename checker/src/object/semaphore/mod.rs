//! Semaphores of some permits.

mod close;
mod explain;
mod model;

pub(crate) use close::SemaphoreObject;
pub use model::{Semaphore, SemaphoreOperation};

use super::card::Card;
use super::kind::ModelKind;
use super::mutex;
use crate::linear::setting::Setting;
use crate::linear::witness::confirm;

/// The model's name, of a semaphore with so many permits.
pub const fn of(permits: u32) -> ModelKind {
    ModelKind::new(CARD.word, Some(permits))
}

pub(crate) const CARD: Card = Card {
    word: "semaphore",
    plural: "semaphores",
    counted: Some("permit"),
    tells: |_| false,
    other: None,
    decide: |setting, operations, budget, _| {
        setting.whole(&object(setting, operations), operations, budget)
    },
    confirm: |setting, asked| confirm(&object(setting, asked.all), asked),
    ..mutex::CARD
};

fn object<'a>(setting: &Setting<'a>, operations: &[u32]) -> SemaphoreObject<'a> {
    let permits = setting.model.count().expect("a semaphore's name says its permits");
    SemaphoreObject::new(setting.history, operations, permits)
}
