//! The Raft protocol as a value: no clock, socket, file or thread.

mod candidate;
mod chain;
mod config;
pub mod event;
mod follower;
mod leader;
mod log;
mod membership;
mod message;
mod outbox;
mod output;
mod progress;
mod raft;
mod read;
mod ready;
mod rng;
mod rules;
mod status;
mod transfer;

pub use config::*;
pub use message::*;
pub use raft::Raft;
pub use ready::*;
pub use rules::*;
pub use status::*;
