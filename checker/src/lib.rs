//! Proves from a recorded history that a cluster kept its promises, or shows the smallest set of
//! operations that says otherwise.
//!
//! Histories and traces go in, a verdict and a witness come out. Nothing here opens a socket, starts a
//! process or waits for one; a run can be judged while it is fresh, or a year later from its folder.
//!
//! - [`check_run`] judges a run folder: linearizability, Raft's own promises from the nodes' traces, exits,
//!   recovery, final states, and whether enough happened for a pass to mean something.
//! - [`check_history`] and [`check_reader`] judge a history of any origin: JSON lines, Jepsen's EDN, Knossos-style
//!   logs. `examples/check.rs` is a whole checker in a few lines.
//! - [`linear::check_calls`] judges calls in memory against any [`model::Model`].
//!
//! Where things are: [`run_folder`] names the files of a run and knows their forms; [`history`] reads and holds operations; [`linear`] decides linearizability and explains
//! what it finds; [`model`] has the sequential objects; [`generate`] makes histories for tests and
//! benchmarks. What comes out is [`analysis`]; verdicts merge as in [`verdict`].

pub mod analysis;
pub mod conformance;
mod error;
pub mod event;
pub mod fact;
pub mod fault;
mod file;
pub mod generate;
mod hint;
pub mod history;
mod history_check;
mod judge;
mod key_report;
pub mod linear;
pub mod model;
mod numbers;
pub mod object;
pub mod objectives;
pub mod observation;
mod observed;
pub mod options;
pub mod promises;
mod raft;
pub mod ranking;
mod recorded;
mod run_check;
pub mod run_folder;
mod served;
pub mod statistics;
pub mod strength;
pub mod target;
pub mod verdict;
pub mod version;

pub use error::CheckError;
pub use history_check::{HistoryReport, check_history, check_reader, check_source};
pub use judge::check_names;
pub use key_report::KeyReport;
pub use numbers::grouped;
pub use options::Options;
pub use promises::Promises;
pub use recorded::{Recorded, check_recorded};
pub use run_check::{check_run, check_run_with_report, objectives_of_run};
pub use verdict::Verdict;
