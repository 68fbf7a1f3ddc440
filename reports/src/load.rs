//! Reads a run folder for drawing. Whatever is missing becomes a remark in the report, never a panic:
//! a report is wanted most when a run went wrong.

use std::path::{Path, PathBuf};

use whitewater_checker::run_folder::{PlanOutline, RUN, RunRecord, SCHEMA_VERSION, Settings};
use whitewater_checker::statistics::{Recording, Statistics};
use whitewater_checker::{CheckError, Options, Verdict, check_run, objectives_of_run};

use crate::ReportError;

/// A run folder in memory.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Where it is.
    pub(crate) folder: PathBuf,
    /// Its record, or what could be put together in its place.
    pub(crate) record: RunRecord,
    /// What was recorded.
    pub(crate) recording: Recording,
    /// The figures of that.
    pub(crate) statistics: Statistics,
}

impl Run {
    /// Reads a folder. Without run.json (the runner was killed) the recorded files are judged anew.
    pub(crate) fn read(folder: &Path) -> Result<Run, ReportError> {
        Run::with_record(folder, record(folder)?)
    }

    /// Reads a folder whose record is known.
    pub(crate) fn with_record(folder: &Path, record: RunRecord) -> Result<Run, ReportError> {
        let recording = Recording::read(folder).map_err(|source| ReportError::File {
            action: "read",
            path: folder.to_owned(),
            source,
        })?;
        let statistics = Statistics::of_recording(&recording);
        let mut record = record;
        if record.origin_ns == 0 {
            record.origin_ns = recording.first_ns;
        }
        if record.phases.is_empty() {
            record.phases.clone_from(&recording.phases);
        }
        Ok(Run { folder: folder.to_owned(), record, recording, statistics })
    }

    /// Whether there is a history and no run around it: then nothing is known of nodes, faults or seed.
    pub(crate) fn is_history(&self) -> bool {
        self.folder.as_os_str().is_empty()
    }

    /// The folder as a person would type it here.
    pub(crate) fn path_shown(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let path = self.folder.strip_prefix(&here).unwrap_or(&self.folder);
        if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() }
    }
}

/// The record of a folder, put together from what there is where there is none.
pub(crate) fn record(folder: &Path) -> Result<RunRecord, CheckError> {
    match RunRecord::read(folder)? {
        Some(record) => Ok(record),
        None => record_of_leftovers(folder),
    }
}

/// The record of a run whose runner did not live to write one.
fn record_of_leftovers(folder: &Path) -> Result<RunRecord, CheckError> {
    let (verdict, analysis) = match check_run(folder, &Options::default()) {
        Ok(analysis) => (analysis.verdict, analysis),
        Err(CheckError::NothingToCheck { .. }) => (Verdict::Undecided, Default::default()),
        Err(error) => return Err(error),
    };
    let plan = PlanOutline::read(folder)?.unwrap_or_default();
    let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(RunRecord {
        schema_version: SCHEMA_VERSION,
        started_at: id.get(..20).map(readable_time).unwrap_or_default(),
        id,
        verdict,
        seed: plan.seed,
        settings: settings_of(plan),
        interrupted: Some(format!("the runner did not live to write {RUN}")),
        analysis,
        // A plan whose objectives cannot be read has been told of by the judgement above.
        objectives: objectives_of_run(folder).unwrap_or_default(),
        ..RunRecord::default()
    })
}

/// How a run was asked for, as far as its plan tells.
fn settings_of(plan: PlanOutline) -> Settings {
    Settings {
        workload: plan.workload.name,
        nodes: plan.nodes,
        time_ms: plan.time_ms,
        faults: plan.families,
        clients: plan.workload.clients,
        keys: plan.workload.keys,
        rate: plan.workload.rate,
        snapshot_entries: plan.snapshot_entries,
        ..Settings::default()
    }
}

/// The same for a run folder without a record.
pub(crate) fn settings_of_plan(folder: &Path) -> Settings {
    settings_of(PlanOutline::read(folder).ok().flatten().unwrap_or_default())
}

/// A folder name's `2026-11-24T06-40-00Z` as RFC 3339; empty where it is none.
fn readable_time(name: &str) -> String {
    let (date, time) = name.split_once('T').unwrap_or_default();
    let text = format!("{date}T{}", time.replace('-', ":"));
    text.parse::<jiff::Timestamp>().map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_tells_the_time() {
        assert_eq!(readable_time("2026-11-24T06-40-00Z"), "2026-11-24T06:40:00Z");
        assert_eq!(readable_time("notes"), "");
    }
}
