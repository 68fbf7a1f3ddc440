//! Proves from a recorded history that a cluster kept its promises, or shows the smallest set of
//! operations that says otherwise (tour to be written by the crate's author).

pub mod analysis;
pub mod event;
pub mod fault;
pub mod observation;
pub mod statistics;
pub mod verdict;

pub use verdict::Verdict;
