//! The checks of Raft's promises, through the library's entry points.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod checks;
mod files;
mod joint;
mod members;
mod recorded;
mod script;
mod undisturbed;
