//! Proves from a recorded history that a cluster kept its promises, or shows the smallest set of
//! operations that says otherwise.

pub mod analysis;
mod detect_model;
mod error;
pub mod event;
pub mod fault;
mod folder;
pub mod generate;
pub mod history;
mod judge;
pub mod linear;
pub mod model;
pub mod observation;
mod observed;
pub mod options;
mod raft;
mod recorded;
mod run;
pub mod statistics;
pub mod strength;
pub mod verdict;

pub use error::CheckError;
pub use folder::check_run;
pub use options::Options;
pub use recorded::{Recorded, check_recorded};
pub use run::{HistoryReport, KeyReport, check_history, check_reader};
pub use verdict::Verdict;
