//! The real binary with real processes: whole runs, mutants, and everything people do wrong.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

mod cli;
mod errors;
mod finished;
mod habits;
mod harness;
mod journal;
mod maelstrom;
mod mutants;
mod playground;
mod run;
mod two_worlds;
mod wrapper;
