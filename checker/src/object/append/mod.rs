//! Append lists: every read shows the order of everything before it, so the history almost orders itself.
//!
//! `split` takes reads apart into elements. `reduce` turns a key whose elements are appended once each
//! into register calls: an append that some read shows at place k of a list is a compare-and-set from the
//! list's first k−1 elements to its first k, with prefixes as values. Each prefix is a value that is
//! written once, so the zones decide it in O(n log n), and where lists are deleted, which
//! makes "empty" a value written more than once, the register search does.
//!
//! An append that no read shows can only stand where no read of the same list comes after it: it acts as
//! a write of a value that nobody reads.
//!
//! Where elements are repeated, `prefixes` gives the search a machine with as few states as possible: the
//! prefixes that reads showed, and one for everything else.

mod close;
mod decide;
mod explain;
mod model;
pub(crate) mod prefixes;
mod reduce;
mod split;

pub(crate) use close::ListObject;
pub use model::{List, ListOperation};

use super::card::Card;
use super::kind::ModelKind;
use crate::history::Function;
use crate::linear::witness::confirm;

/// The model's name.
pub const KIND: ModelKind = CARD.kind();

pub(crate) const CARD: Card = Card {
    word: "append",
    plural: "append lists",
    counted: None,
    functions: &[Function::Append, Function::Read, Function::Write, Function::Delete],
    tells: |history| history.census().has(Function::Append),
    begins: |_| {
        Err(
            "empty: what a list holds at first is a write, or an append, at the head of the history",
        )
    },
    trouble: None,
    other: None,
    decide: decide::decide,
    confirm: |setting, asked| confirm(&ListObject::new(setting.history, asked.all), asked),
};
