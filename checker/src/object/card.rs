//! What all others ask of a datatype: the card that each has in its folder.

use serde_json::Value as Json;

use super::kind::ModelKind;
use super::register::decide::Scratch;
use crate::history::{Function, History, Operation};
use crate::linear::search::Budget;
use crate::linear::setting::{Decision, Setting};
use crate::linear::witness::{Asked, Confirmed};

/// A datatype.
pub(crate) struct Card {
    /// What it is called in flags and files.
    pub(crate) word: &'static str,
    /// Several of its objects: `append lists`.
    pub(crate) plural: &'static str,
    /// One of what there are as many of as its name says, as in `semaphore=2`.
    pub(crate) counted: Option<&'static str>,
    /// Its operations.
    pub(crate) functions: &'static [Function],
    /// Whether a history that does not say what it is about is about such objects, if about none that are listed behind it.
    pub(crate) tells: fn(&History) -> bool,
    /// Whether a key can begin as a value that is not null; an error says as what it has to begin.
    pub(crate) begins: fn(&Json) -> Result<(), &'static str>,
    /// What is wrong with the value of an operation that would be read as something else; `None`: it takes every value.
    pub(crate) trouble: Option<fn(&History, &Operation) -> Option<String>>,
    /// Another one with the same operations, by its word, which may be meant where a history breaks the promises of this one.
    pub(crate) other: Option<&'static str>,
    /// Decides a key, given by its operations.
    pub(crate) decide: fn(&Setting<'_>, &[u32], &Budget, &mut Scratch) -> Decision,
    /// Confirms and explains a violation.
    pub(crate) confirm: fn(&Setting<'_>, &Asked<'_>) -> Confirmed,
}

impl Card {
    /// The name, of one that counts nothing.
    pub(crate) const fn kind(&self) -> ModelKind {
        ModelKind::new(self.word, None)
    }
}

/// Begins as a list of elements.
pub(crate) fn begins_as_list(json: &Json) -> Result<(), &'static str> {
    if json.is_array() { Ok(()) } else { Err("a list of its elements") }
}
