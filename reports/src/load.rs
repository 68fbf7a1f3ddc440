//! Reads a run folder for drawing. Whatever is missing becomes a remark in the report, never a panic:
//! a report is wanted most when a run went wrong.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use whitewater_checker::statistics::{Recording, Statistics};
use whitewater_checker::{CheckError, Options, check_run};

use crate::ReportError;
use crate::run::{RunRecord, SCHEMA_VERSION, Settings};

/// A run folder in memory.
#[derive(Debug)]
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
        let record = match read_record(folder)? {
            Some(record) => record,
            None => record_of_leftovers(folder)?,
        };
        Run::with_record(folder, record)
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

/// Reads run.json; `None` where there is none.
pub(crate) fn read_record(folder: &Path) -> Result<Option<RunRecord>, ReportError> {
    let path = folder.join("run.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ReportError::File { action: "read", path, source }),
    };
    let record: RunRecord = serde_json::from_slice(&text).map_err(|error| {
        ReportError::Malformed { path: path.clone(), message: error.to_string() }
    })?;
    if record.schema_version > SCHEMA_VERSION {
        let message = format!(
            "schema_version {} is newer than {SCHEMA_VERSION}, the newest this build knows: use a newer build",
            record.schema_version
        );
        return Err(ReportError::Malformed { path, message });
    }
    Ok(Some(record))
}

/// The record of a run whose runner did not live to write one.
fn record_of_leftovers(folder: &Path) -> Result<RunRecord, ReportError> {
    let analysis = match check_run(folder, &Options::default()) {
        Ok(analysis) => analysis,
        Err(CheckError::NothingToCheck { .. }) => Default::default(),
        Err(error) => {
            return Err(ReportError::Malformed {
                path: folder.to_owned(),
                message: error.to_string(),
            });
        }
    };
    let plan: Value = fs::read(folder.join("plan.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let number = |name: &str| plan[name].as_u64().unwrap_or_default();
    let small = |name: &str| u32::try_from(number(name)).unwrap_or_default();
    let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A run without a verdict of its own has not earned a pass, whatever was recorded of it.
    let verdict = analysis.verdict.merge(whitewater_checker::Verdict::Undecided);
    Ok(RunRecord {
        schema_version: SCHEMA_VERSION,
        started_at: id.get(..20).map(readable_time).unwrap_or_default(),
        id,
        verdict,
        seed: number("seed"),
        settings: Settings {
            workload: plan["workload"].as_str().unwrap_or_default().to_owned(),
            nodes: small("nodes"),
            clients: small("clients"),
            keys: small("keys"),
            ..Settings::default()
        },
        interrupted: Some("the runner did not live to write run.json".to_owned()),
        analysis,
        ..RunRecord::default()
    })
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
    fn a_newer_record_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let record = RunRecord { schema_version: SCHEMA_VERSION + 1, ..RunRecord::default() };
        fs::write(folder.path().join("run.json"), serde_json::to_vec(&record).unwrap()).unwrap();
        let error = read_record(folder.path()).unwrap_err().to_string();
        assert!(error.contains("run.json") && error.contains("use a newer build"), "{error}");
    }

    #[test]
    fn a_broken_record_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.json"), "{\n  \"id\": 7\n}").unwrap();
        let error = read_record(folder.path()).unwrap_err().to_string();
        assert!(error.contains("run.json") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_folder_name_tells_the_time() {
        assert_eq!(readable_time("2026-11-24T06-40-00Z"), "2026-11-24T06:40:00Z");
        assert_eq!(readable_time("notes"), "");
    }
}
