//! Judges a run folder by whatever files it holds.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::analysis::Analysis;
use crate::conformance::{self, JournalReplay};
use crate::error::CheckError;
use crate::fact::Fact;
use crate::fault::FaultRecord;
use crate::file;
use crate::history;
use crate::judge::{Material, Numbered, Trace, judge};
use crate::objectives::{Objective, Outcomes};
use crate::observed::{Journals, facts_of_record};
use crate::options::Options;
use crate::promises::Promises;
use crate::raft::{TraceFiles, fetch, without_place};
use crate::run::{HistoryReport, in_pool};
use crate::statistics::Statistics;
use crate::strength::Requirements;

/// Judges a run folder. A check whose files are missing says that it did not look; a torn last line
/// (the runner was killed) is tolerated.
///
/// # Errors
/// Where a file cannot be read, is malformed, or none of them is there.
pub fn check_run(folder: &Path, options: &Options) -> Result<Analysis, CheckError> {
    check_run_with_report(folder, options, None).map(|(analysis, _)| analysis)
}

/// The same, with the figures of the history's check where there is a history. `replayed`: what a fresh
/// replay of the journals found, in place of conformance.jsonl.
///
/// # Errors
/// See [`check_run`].
pub fn check_run_with_report(
    folder: &Path,
    options: &Options,
    replayed: Option<Vec<JournalReplay>>,
) -> Result<(Analysis, Option<HistoryReport>), CheckError> {
    in_pool(options, || {
        let mut material = read(folder, options)?;
        material.journals = match replayed {
            Some(replayed) => Journals::Replayed(replayed),
            None => journals(folder)?,
        };
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
        record: facts_of_run(&folder.join("run.json")),
        ..Material::default()
    })
}

/// What became of the journals, by conformance.jsonl.
fn journals(folder: &Path) -> Result<Journals, CheckError> {
    let path = folder.join(conformance::FILE);
    let Some(replays) = lines::<JournalReplay>(path.clone())? else {
        let has_journals = folder.join(conformance::JOURNALS).is_dir();
        return Ok(if has_journals { Journals::Unread } else { Journals::Absent });
    };
    let known = conformance::SCHEMA_VERSION;
    for (line, replay) in &replays {
        if replay.schema_version > known {
            return Err(CheckError::Malformed {
                file: path.display().to_string(),
                line: (*line).into(),
                column: 1,
                message: format!(
                    "schema_version is {}, this build knows {known}: use a newer whitewater",
                    replay.schema_version
                ),
            });
        }
    }
    Ok(Journals::Replayed(replays.into_iter().map(|(_, replay)| replay).collect()))
}

/// What a run's record knows of its end; `None`: there is none. No verdict is taken from it.
fn facts_of_run(path: &Path) -> Option<Vec<Fact>> {
    #[derive(Deserialize)]
    struct Record {
        analysis: Analysis,
    }
    let text = std::fs::read(path).ok()?;
    let record: Option<Record> = serde_json::from_slice(&text).ok();
    Some(record.map(|record| facts_of_record(&record.analysis)).unwrap_or_default())
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
    let Some(plan) = read_plan::<Plan>(path)? else { return Ok((None, None)) };
    // What was asked for is required, also by a plan of an older version, which required what it held.
    let requirements = plan.requirements.map(|mut requirements| {
        requirements.fault_kinds.extend(plan.families);
        requirements.fault_kinds.sort_unstable();
        requirements.fault_kinds.dedup();
        requirements
    });
    Ok((requirements, plan.promises))
}

/// What became of the objectives in a folder's plan; none where there is no plan.
///
/// # Errors
/// Where the plan, or an objective in it, is malformed, or the recording cannot be read.
pub fn objectives_of_run(folder: &Path) -> Result<Outcomes, CheckError> {
    #[derive(Deserialize)]
    struct Plan {
        #[serde(default)]
        objectives: Vec<Objective>,
    }
    let Some(plan) = read_plan::<Plan>(&folder.join("plan.json"))? else {
        return Ok(Outcomes::default());
    };
    if plan.objectives.is_empty() {
        return Ok(Outcomes::default());
    }
    let statistics = Statistics::of_run(folder).map_err(CheckError::read(folder))?;
    Ok(Outcomes::of(&plan.objectives, &statistics))
}

/// A plan, as far as it is asked for; `None` where there is none.
fn read_plan<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CheckError> {
    if !path.exists() {
        return Ok(None);
    }
    let plan = BufReader::new(file::open(path)?);
    serde_json::from_reader(plan).map(Some).map_err(|error| CheckError::Malformed {
        file: path.display().to_string(),
        line: error.line() as u64,
        column: error.column() as u64,
        message: format!("a plan was expected: {}", without_place(&error)),
    })
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
