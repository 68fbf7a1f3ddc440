//! The checks of Raft's promises, through the library's entry points.

mod checks;
mod files;
mod recorded;
mod script;
