//! The Raft protocol as a value (tour to be written by the crate's author).

pub mod event;
mod message;
mod raft;
mod rules;

pub use message::*;
pub use raft::*;
pub use rules::*;
