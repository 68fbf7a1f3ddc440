//! The run folder: what every file in it is called, what form it has, and how it is read and written.
//!
//! Real runs and the simulator write through this module; checker, reports and commands read through it.
//! No name of a file stands anywhere else. docs/formats.md is the page for people.
//!
//! - A [`Stream`] is a file of JSON lines, written as things happen ([`Lines`]) or as a whole. Its strict reader
//!   is for verdicts, its lenient one for pictures.
//! - [`RunRecord`], [`PlanOutline`] and [`Figures`] are files of one JSON object.
//! - [`write_whole`] and [`write_json`] write what is read as a whole: nobody ever sees half of it.
//!
//! # Versions
//!
//! One number covers the folder: [`SCHEMA_VERSION`]. It stands in the first line of the history (as the fact
//! `recording`), which is there from the beginning, and in the run's record, which is there at the end; so also
//! status, processes, faults and traces have it. The plan ([`plan::SCHEMA_VERSION`]) and a replay of journals
//! ([`crate::conformance::SCHEMA_VERSION`]) can be made without a run and have their own. A reader refuses
//! what is newer ([`crate::CheckError::Newer`]) and reads what is older.

mod figures;
pub mod plan;
mod record;
mod stream;
mod whole;

use std::io;
use std::path::Path;

use whitewater_raft::event::Record;

use crate::conformance::JournalReplay;
use crate::event::Event;
use crate::fault::FaultRecord;
use crate::observation::{ProcessEvent, StatusPoll};

pub use figures::Figures;
pub use plan::PlanOutline;
pub(crate) use record::recorded_analysis;
pub use record::{Environment, FinalStatus, Judged, RunRecord, Settings};
pub(crate) use stream::Numbered;
pub use stream::{Lines, Stream};
pub use whole::{write_json, write_whole};

/// The version of the folder's format.
///
/// Version 2 has facts in the history, `judged` in the record, and checks with a `state` in place of a
/// `verdict`.
pub const SCHEMA_VERSION: u32 = 2;

/// What clients did and saw, and what the nemesis did.
pub const HISTORY: Stream<Event> = Stream::named("history.jsonl");
/// What became of each fault.
pub const FAULTS: Stream<FaultRecord> = Stream::named("faults.jsonl");
/// Answers of the nodes to status polls.
pub const STATUS: Stream<StatusPoll> = Stream::named("status.jsonl");
/// Starts and exits of the servers.
pub const PROCESSES: Stream<ProcessEvent> = Stream::named("processes.jsonl");
/// What a replay of each journal found.
pub const CONFORMANCE: Stream<JournalReplay> = Stream::named("conformance.jsonl");
/// The smallest failing set of operations.
pub const WITNESS: Stream<Event> = Stream::named("witness/history.jsonl");

/// What was decided before the run: [`PlanOutline`] for readers who do not carry it out.
pub const PLAN: &str = "plan.json";
/// What the seed of a simulated run drew beside the plan; for people.
pub const WEATHER: &str = "weather.json";
/// The run's record, [`RunRecord`]. Written last; absent means that the run did not end.
pub const RUN: &str = "run.json";
/// What the index needs of a run: [`Figures`].
pub const FIGURES: &str = "figures.json";
/// The page.
pub const REPORT: &str = "report.html";
/// The page in short, for a CI step summary.
pub const SUMMARY: &str = "summary.md";
/// The checks as JUnit has them.
pub const JUNIT: &str = "junit.xml";
/// What the witness says, in words.
pub const EXPLANATION: &str = "witness/explain.txt";
/// What the runner logged.
pub const RUNNER_LOG: &str = "logs/whitewater.log";

/// The folder of the nodes' traces.
pub const TRACES: &str = "trace";
/// The folder of the nodes' logs.
pub const LOGS: &str = "logs";
/// The folder of the nodes' disks.
pub const DATA: &str = "data";
/// The folder of the nodes' journals.
pub const JOURNALS: &str = "journal";

/// Beside the folders of runs: the link to the newest one.
pub const LATEST: &str = "latest";
/// Beside the folders of runs: the link to the newest one with a violation.
pub const LAST_FAILED: &str = "last-failed";
/// Beside the folders of runs: the page over all of them.
pub const INDEX: &str = "index.html";

/// What a node says of itself; `node` as `n1`.
pub fn trace(node: &str) -> Stream<Record> {
    Stream::of(format!("{TRACES}/{node}.jsonl"))
}

/// What a node logged; `node` as `n1`.
pub fn log(node: &str) -> String {
    format!("{LOGS}/{node}.log")
}

/// A node's disk; `node` as `n1`.
pub fn data(node: &str) -> String {
    format!("{DATA}/{node}")
}

/// The traces that a folder has, by name.
///
/// # Errors
/// Where there is a folder of traces and it cannot be listed.
pub fn traces(folder: &Path) -> io::Result<Vec<Stream<Record>>> {
    let traces = folder.join(TRACES);
    if !traces.is_dir() {
        return Ok(Vec::new());
    }
    let mut nodes = Vec::new();
    for entry in traces.read_dir()? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        nodes.extend(name.strip_suffix(".jsonl").map(str::to_owned));
    }
    nodes.sort();
    Ok(nodes.iter().map(|node| trace(node)).collect())
}

/// Whether a folder holds anything that a run leaves; one that was cut short may have little of it.
pub fn is_run(folder: &Path) -> bool {
    let names = [PLAN, RUN].map(|name| folder.join(name));
    let streams =
        [HISTORY.path(folder), STATUS.path(folder), FAULTS.path(folder), PROCESSES.path(folder)];
    let has_traces = || traces(folder).is_ok_and(|traces| !traces.is_empty());
    names.iter().chain(&streams).any(|path| path.is_file()) || has_traces()
}
