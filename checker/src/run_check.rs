//! Judges a run folder by whatever files it holds.

use std::path::Path;

use crate::analysis::Analysis;
use crate::conformance::{self, JournalReplay};
use crate::error::CheckError;
use crate::fact::Fact;
use crate::history;
use crate::history_check::{HistoryReport, in_pool};
use crate::judge::{Material, Trace, judge};
use crate::objectives::Outcomes;
use crate::observed::{Journals, facts_of_record};
use crate::options::Options;
use crate::raft::{TraceFiles, fetch};
use crate::run_folder::{
    CONFORMANCE, FAULTS, HISTORY, JOURNALS, PROCESSES, PlanOutline, STATUS, TRACES,
    recorded_analysis,
};
use crate::statistics::Statistics;
use crate::strength::Asked;
use crate::version::Newer;

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
            let wanted = format!("{HISTORY}, {TRACES}, {STATUS} or {PROCESSES}");
            return Err(CheckError::NothingToCheck { path: folder.to_owned(), wanted });
        }
        let mut paths = records.as_ref().map(TraceFiles::paths).unwrap_or_default();
        let files = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        paths.extend([STATUS.path(folder), HISTORY.path(folder)]);
        let trace = Trace { records: records.into_iter().flatten(), files };
        judge(&material, trace, |places| fetch(&paths, places), options)
    })
}

fn read(folder: &Path, options: &Options) -> Result<Material, CheckError> {
    // First, for where it is of a later version, so is everything else.
    let record = facts_of_run(folder)?;
    let path = HISTORY.path(folder);
    let history = match path.exists() {
        true => {
            let source = history::read_file(&path, options, true)?;
            Some((path.display().to_string(), source))
        }
        false => None,
    };
    let faults = FAULTS.read(folder)?.unwrap_or_default();
    let plan = PlanOutline::read(folder)?;
    let promises = plan.as_ref().and_then(|plan| plan.bounds);
    let target = plan.as_ref().and_then(|plan| plan.target.clone());
    let asked = match plan {
        None => Asked::Unknown,
        Some(plan) => plan.requirements.map_or(Asked::Nothing, Asked::For),
    };
    Ok(Material {
        history,
        status: STATUS.read(folder)?,
        processes: PROCESSES.read(folder)?,
        faults: faults.into_iter().map(|(_, fault)| fault).collect(),
        asked,
        promises,
        target,
        record,
        ..Material::default()
    })
}

/// What became of the journals, by what a replay left.
fn journals(folder: &Path) -> Result<Journals, CheckError> {
    let Some(replays) = CONFORMANCE.read(folder)? else {
        let has_journals = folder.join(JOURNALS).is_dir();
        return Ok(if has_journals { Journals::Unread } else { Journals::Absent });
    };
    let newer = |replay: &JournalReplay| {
        Newer::than(conformance::SCHEMA_VERSION, replay.schema_version.into())
    };
    match replays.iter().find_map(|(_, replay)| newer(replay)) {
        Some(newer) => Err(CheckError::newer(&CONFORMANCE.path(folder))(newer)),
        None => Ok(Journals::Replayed(replays.into_iter().map(|(_, replay)| replay).collect())),
    }
}

/// What a run's record knows of its end; `None`: there is none. No verdict is taken from it.
fn facts_of_run(folder: &Path) -> Result<Option<Vec<Fact>>, CheckError> {
    Ok(recorded_analysis(folder)?.map(|analysis| facts_of_record(&analysis)))
}

/// What became of the objectives in a folder's plan; none where there is no plan.
///
/// # Errors
/// Where the plan, or an objective in it, is malformed, or the recording cannot be read.
pub fn objectives_of_run(folder: &Path) -> Result<Outcomes, CheckError> {
    let objectives = PlanOutline::read(folder)?.unwrap_or_default().objectives;
    if objectives.is_empty() {
        return Ok(Outcomes::default());
    }
    let statistics = Statistics::of_run(folder).map_err(CheckError::read(folder))?;
    Ok(Outcomes::of(&objectives, &statistics))
}
