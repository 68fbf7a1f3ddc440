//! Locks that only their holder may release; there is a reentrant one, too.

mod close;
mod explain;
mod model;
mod pairs;

pub(crate) use close::OwnedMutexObject;
pub use model::{OwnedMutex, OwnedMutexOperation};
pub(crate) use pairs::{Pairs, last_return};

use super::card::Card;
use super::kind::ModelKind;
use super::mutex;
use crate::linear::witness::confirm;

/// The name of the one that its holder may not acquire again.
pub const OWNER_AWARE: ModelKind = OWNER_AWARE_CARD.kind();

/// The name of the one that its holder may acquire again.
pub const REENTRANT: ModelKind = REENTRANT_CARD.kind();

pub(crate) const OWNER_AWARE_CARD: Card = Card {
    word: "owner-aware-mutex",
    plural: "owner-aware mutexes",
    tells: |_| false,
    other: None,
    decide: |setting, operations, budget, _| {
        let object = OwnedMutexObject::new(setting.history, operations, false);
        setting.whole(&object, operations, budget)
    },
    confirm: |setting, asked| {
        confirm(&OwnedMutexObject::new(setting.history, asked.all, false), asked)
    },
    ..mutex::CARD
};

pub(crate) const REENTRANT_CARD: Card = Card {
    word: "reentrant-mutex",
    plural: "reentrant mutexes",
    decide: |setting, operations, budget, _| {
        let object = OwnedMutexObject::new(setting.history, operations, true);
        setting.whole(&object, operations, budget)
    },
    confirm: |setting, asked| {
        confirm(&OwnedMutexObject::new(setting.history, asked.all, true), asked)
    },
    ..OWNER_AWARE_CARD
};
