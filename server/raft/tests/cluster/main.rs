//! The protocol, exercised through its public interface by clusters in memory.

mod invariants;
mod mutants;
mod network;
mod random;
mod scripts;
mod words;
