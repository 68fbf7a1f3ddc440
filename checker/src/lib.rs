//! Proves from a recorded history that a cluster kept its promises, or shows the smallest set of
//! operations that says otherwise.

pub mod analysis;
mod error;
pub mod event;
pub mod fault;
pub mod history;
pub mod observation;
pub mod options;
mod run;
pub mod statistics;
pub mod strength;
pub mod verdict;

pub use error::CheckError;
pub use options::Options;
pub use run::{HistoryReport, KeyReport, check_history, check_run};
pub use verdict::Verdict;
