//! Judges a run folder by whatever files it holds.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::analysis::Analysis;
use crate::error::CheckError;
use crate::fault::FaultRecord;
use crate::file;
use crate::history;
use crate::judge::{Material, Numbered, Trace, judge};
use crate::options::Options;
use crate::promises::Promises;
use crate::raft::{TraceFiles, fetch, without_place};
use crate::run::{HistoryReport, in_pool};
use crate::strength::Requirements;

/// Judges a run folder. A check whose files are missing says that it did not look; a torn last line
/// (the runner was killed) is tolerated.
///
/// # Errors
/// Where a file cannot be read, is malformed, or none of them is there.
pub fn check_run(folder: &Path, options: &Options) -> Result<Analysis, CheckError> {
    check_run_with_report(folder, options).map(|(analysis, _)| analysis)
}

/// The same, with the figures of the history's check where there is a history.
///
/// # Errors
/// See [`check_run`].
pub fn check_run_with_report(
    folder: &Path,
    options: &Options,
) -> Result<(Analysis, Option<HistoryReport>), CheckError> {
    in_pool(options, || {
        let material = read(folder, options)?;
        let records = TraceFiles::open(folder)?;
        if material.is_empty() && records.is_none() {
            return Err(CheckError::NothingToCheck { path: folder.to_owned() });
        }
        let mut paths = records.as_ref().map(TraceFiles::paths).unwrap_or_default();
        let files = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        paths.extend([folder.join("status.jsonl"), folder.join("history.jsonl")]);
        let trace = Trace { records: records.into_iter().flatten(), files };
        judge(&material, trace, |places| fetch(&paths, places), options)
    })
}

fn read(folder: &Path, options: &Options) -> Result<Material, CheckError> {
    let path = folder.join("history.jsonl");
    let history = match path.exists() {
        true => {
            let source = history::read_file(&path, options, true)?;
            Some((path.display().to_string(), source))
        }
        false => None,
    };
    let faults: Option<Numbered<FaultRecord>> = lines(folder.join("faults.jsonl"))?;
    let (requirements, promises) = planned(&folder.join("plan.json"))?;
    Ok(Material {
        history,
        status: lines(folder.join("status.jsonl"))?,
        processes: lines(folder.join("processes.jsonl"))?,
        faults: faults.unwrap_or_default().into_iter().map(|(_, fault)| fault).collect(),
        requirements,
        promises,
    })
}

/// The requirements and promises in a plan. A plan that is not there requires and promises nothing.
fn planned(path: &Path) -> Result<(Option<Requirements>, Option<Promises>), CheckError> {
    #[derive(Deserialize)]
    struct Plan {
        requirements: Option<Requirements>,
        promises: Option<Promises>,
        #[serde(default)]
        families: Vec<String>,
    }
    if !path.exists() {
        return Ok((None, None));
    }
    let plan = BufReader::new(file::open(path)?);
    let plan: Plan = serde_json::from_reader(plan).map_err(|error| CheckError::Malformed {
        file: path.display().to_string(),
        line: error.line() as u64,
        column: error.column() as u64,
        message: format!("a plan was expected: {}", without_place(&error)),
    })?;
    // What was asked for is required, also by a plan of an older version, which required what it held.
    let requirements = plan.requirements.map(|mut requirements| {
        requirements.fault_kinds.extend(plan.families);
        requirements.fault_kinds.sort_unstable();
        requirements.fault_kinds.dedup();
        requirements
    });
    Ok((requirements, plan.promises))
}

/// The lines of a file; `None` where there is none. A torn last line is left out.
fn lines<T: DeserializeOwned>(path: PathBuf) -> Result<Option<Numbered<T>>, CheckError> {
    if !path.exists() {
        return Ok(None);
    }
    let file = file::open(&path)?;
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
