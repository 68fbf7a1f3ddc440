//! The datatypes that a history can be about, a folder each.
//!
//! A folder holds all that is its datatype's: the sequential object (`model`), how recorded operations are decided fast, which of
//! them make sense without the others (`close`), how a violation is told (`explain`), and a
//! card with what others ask of it. `catalogue` lists the cards; detection, `--model`, the documentation and the check of a
//! key go by that list. What fits no fast method is searched, so a folder needs none.

pub mod append;
mod card;
mod catalogue;
pub mod counter;
mod detect;
mod kind;
pub mod mutex;
pub mod owned_mutex;
pub mod queue;
pub mod register;
pub mod semaphore;
pub mod set;
pub mod unordered_queue;

pub(crate) use catalogue::card;
pub(crate) use detect::model;
pub use kind::ModelKind;
