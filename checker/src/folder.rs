//! Judges a run folder by whatever files it holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::analysis::{Analysis, CheckResult};
use crate::error::CheckError;
use crate::fault::FaultRecord;
use crate::history::{self, History, Outcome, Source};
use crate::observation::{ProcessEvent, StatusPoll};
use crate::observed;
use crate::options::Options;
use crate::raft::{Acknowledged, Place, RaftChecks, TraceFiles, fetch, without_place};
use crate::run::{canary, in_pool, linearizability};
use crate::strength::{Happened, Requirements, strength};

/// Lines of an observation file, each with its number.
type Numbered<T> = Vec<(u32, T)>;

/// Judges a run folder. A check whose files are missing says that it did not look; a torn last line
/// (the runner was killed) is tolerated.
///
/// # Errors
/// Where a file cannot be read, is malformed, or none of them is there.
pub fn check_run(folder: &Path, options: &Options) -> Result<Analysis, CheckError> {
    in_pool(options, || judge(folder, options))
}

/// What a run left behind, beside its traces.
#[derive(Default)]
struct Left {
    history: Option<(String, Source)>,
    status: Option<Numbered<StatusPoll>>,
    processes: Option<Numbered<ProcessEvent>>,
    faults: Vec<FaultRecord>,
    requirements: Option<Requirements>,
}

fn judge(folder: &Path, options: &Options) -> Result<Analysis, CheckError> {
    let left = Left::read(folder, options)?;
    let trace = TraceFiles::open(folder)?;
    let is_empty = left.history.is_none() && left.status.is_none() && left.processes.is_none();
    if is_empty && trace.is_none() {
        return Err(CheckError::NothingToCheck { path: folder.to_owned() });
    }
    let mut checks = Vec::new();
    if let Some((name, source)) = &left.history {
        checks.push(linearizability(name, source, options)?.0);
    }
    checks.extend(raft(folder, &left, trace)?);
    checks.extend(left.observed());
    checks.extend(options.canary.then(canary));
    Ok(Analysis::of(checks))
}

/// The checks that need traces, and those that do with less.
fn raft(
    folder: &Path,
    left: &Left,
    trace: Option<TraceFiles>,
) -> Result<Vec<CheckResult>, CheckError> {
    let mut paths = trace.as_ref().map(TraceFiles::paths).unwrap_or_default();
    let status_file = u32::try_from(paths.len()).unwrap_or(u32::MAX);
    paths.extend([folder.join("status.jsonl"), folder.join("history.jsonl")]);
    let mut checks = RaftChecks::new();
    if let Some(trace) = trace {
        checks.trace(trace)?;
    }
    checks.polls(left.status.as_deref().unwrap_or_default(), status_file);
    if let Some(history) = left.history() {
        checks.acknowledged(acknowledged(history, status_file + 1));
    }
    let lines = fetch(&paths, &checks.places())?;
    Ok(checks.results(&lines))
}

impl Left {
    fn read(folder: &Path, options: &Options) -> Result<Left, CheckError> {
        let path = folder.join("history.jsonl");
        let history = match path.is_file() {
            true => {
                let source = history::read_file(&path, options, true)?;
                Some((path.display().to_string(), source))
            }
            false => None,
        };
        let faults: Option<Numbered<FaultRecord>> = lines(folder.join("faults.jsonl"))?;
        Ok(Left {
            history,
            status: lines(folder.join("status.jsonl"))?,
            processes: lines(folder.join("processes.jsonl"))?,
            faults: faults.unwrap_or_default().into_iter().map(|(_, fault)| fault).collect(),
            requirements: requirements(&folder.join("plan.json"))?,
        })
    }

    fn observed(&self) -> Vec<CheckResult> {
        let history = self.history();
        let happened = Happened { history, faults: &self.faults };
        vec![
            observed::acknowledged(history),
            observed::processes(self.processes.as_deref()),
            observed::recovery(history),
            observed::final_state(self.status.as_deref(), &self.nodes()),
            strength(self.requirements.as_ref(), &happened),
        ]
    }

    fn history(&self) -> Option<&History> {
        self.history.as_ref().map(|(_, source)| &source.history)
    }

    /// Every node that was started or that answered.
    fn nodes(&self) -> BTreeSet<String> {
        let started = self.processes.iter().flatten().map(|(_, event)| event.node.clone());
        let answered = self.status.iter().flatten().map(|(_, poll)| poll.node.clone());
        started.chain(answered).collect()
    }
}

/// The commands that clients were told are done; `file` is the number of the history's file.
fn acknowledged(history: &History, file: u32) -> impl Iterator<Item = Acknowledged> {
    history.commands.iter().filter_map(move |command| {
        let operation = &history.operations[command.operation as usize];
        let number = history.node(operation)?.strip_prefix('n')?.parse().ok()?;
        (operation.outcome == Outcome::Ok).then_some(Acknowledged {
            command: (command.session, command.sequence),
            node: number,
            at_ns: operation.completed_at_ns,
            place: Place { file, line: operation.completed },
        })
    })
}

/// The requirements in a plan. A plan that is not there requires nothing.
fn requirements(path: &Path) -> Result<Option<Requirements>, CheckError> {
    #[derive(Deserialize)]
    struct Plan {
        requirements: Option<Requirements>,
    }
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(CheckError::read(path))?;
    let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| CheckError::Malformed {
        file: path.display().to_string(),
        line: error.line() as u64,
        column: error.column() as u64,
        message: format!("a plan was expected: {}", without_place(&error)),
    })?;
    Ok(plan.requirements)
}

/// The lines of a file; `None` where there is none. A torn last line is left out.
fn lines<T: DeserializeOwned>(path: PathBuf) -> Result<Option<Numbered<T>>, CheckError> {
    if !path.is_file() {
        return Ok(None);
    }
    let file = File::open(&path).map_err(CheckError::read(&path))?;
    let (mut items, mut torn) = (Vec::new(), None);
    for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
        let line = line.map_err(CheckError::read(&path))?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(error) = torn.take() {
            return Err(error);
        }
        match serde_json::from_slice(&line) {
            Ok(item) => items.push((number, item)),
            Err(error) => {
                torn = Some(CheckError::Malformed {
                    file: path.display().to_string(),
                    line: number.into(),
                    column: error.column() as u64,
                    message: without_place(&error),
                });
            }
        }
    }
    Ok(Some(items))
}
