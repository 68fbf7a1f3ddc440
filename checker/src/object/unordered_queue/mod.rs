//! Queues without an order.

mod close;
mod counts;
mod model;

pub use model::UnorderedQueue;

use super::card::Card;
use super::kind::ModelKind;
use super::queue::{self, QueueObject};
use crate::history::Function;
use crate::linear::witness::confirm;

/// The model's name.
pub const KIND: ModelKind = CARD.kind();

pub(crate) const CARD: Card = Card {
    word: "unordered-queue",
    plural: "unordered queues",
    // Jepsen drains where its question is what came out at all, in any order.
    tells: |history| history.census().has(Function::Drain),
    other: None,
    decide: |setting, operations, budget, _| {
        let method = "element-counts";
        queue::decide::<UnorderedQueue>(setting, operations, budget, method, counts::by_counts)
    },
    confirm: |setting, asked| {
        confirm(&QueueObject::<UnorderedQueue>::new(setting.history, asked.all), asked)
    },
    ..queue::CARD
};
