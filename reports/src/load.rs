//! Reads a run folder for drawing. Whatever is missing becomes a remark in the report, never a panic:
//! a report is wanted most when a run went wrong.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use whitewater_checker::analysis::CheckState;
use whitewater_checker::plan_outline::PlanOutline;
use whitewater_checker::statistics::{Recording, Statistics};
use whitewater_checker::{CheckError, Options, Verdict, check_run, objectives_of_run};

use crate::ReportError;
use crate::run::{RunRecord, SCHEMA_VERSION, Settings};

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

/// The record of a folder, put together from what there is where there is no run.json.
pub(crate) fn record(folder: &Path) -> Result<RunRecord, ReportError> {
    match read_record(folder)? {
        Some(record) => Ok(record),
        None => record_of_leftovers(folder),
    }
}

/// Reads run.json; `None` where there is none. Records of older versions are brought into today's form.
pub(crate) fn read_record(folder: &Path) -> Result<Option<RunRecord>, ReportError> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let path = folder.join("run.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ReportError::File { action: "read", path, source }),
    };
    let malformed = |message| ReportError::Malformed { path: path.clone(), message };
    // The version first: a newer form need not be one that this build can read.
    let Version { schema_version } =
        serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
    if schema_version > SCHEMA_VERSION {
        let message = format!(
            "schema_version {schema_version} is newer than {SCHEMA_VERSION}, the newest this build knows: use a \
             newer whitewater"
        );
        return Err(malformed(message));
    }
    let mut record: RunRecord =
        serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
    if schema_version == 1 {
        from_version_1(&mut record);
    }
    Ok(Some(record))
}

/// Version 1 called a check that had nothing to look at a pass, and said so in its summary.
fn from_version_1(record: &mut RunRecord) {
    const NOT_CHECKED: &str = "not checked";
    for check in &mut record.analysis.checks {
        if check.state == CheckState::Holds && check.summary.starts_with(NOT_CHECKED) {
            check.state = CheckState::NotExercised;
            let why = check.summary[NOT_CHECKED.len()..].trim_start_matches([':', ' ']).to_owned();
            check.summary = why;
        }
    }
}

/// The record of a run whose runner did not live to write one.
fn record_of_leftovers(folder: &Path) -> Result<RunRecord, ReportError> {
    let (verdict, analysis) = match check_run(folder, &Options::default()) {
        Ok(analysis) => (analysis.verdict, analysis),
        Err(CheckError::NothingToCheck { .. }) => (Verdict::Undecided, Default::default()),
        Err(error) => {
            return Err(ReportError::Malformed {
                path: folder.to_owned(),
                message: error.to_string(),
            });
        }
    };
    let plan = PlanOutline::read(folder).unwrap_or_default();
    let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(RunRecord {
        schema_version: SCHEMA_VERSION,
        started_at: id.get(..20).map(readable_time).unwrap_or_default(),
        id,
        verdict,
        seed: plan.seed,
        settings: settings_of(plan),
        interrupted: Some("the runner did not live to write run.json".to_owned()),
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
    settings_of(PlanOutline::read(folder).unwrap_or_default())
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
        // Of a form that nobody knows yet.
        fs::write(folder.path().join("run.json"), r#"{"schema_version": 3, "verdict": []}"#)
            .unwrap();
        let error = read_record(folder.path()).unwrap_err().to_string();
        assert!(error.contains("run.json") && error.contains("use a newer whitewater"), "{error}");
        assert!(error.contains("schema_version 3 is newer than 2"), "{error}");
    }

    #[test]
    fn what_version_1_did_not_check_is_not_exercised() {
        let folder = tempfile::tempdir().unwrap();
        let check = |summary: &str| serde_json::json!({"name": "", "title": "", "verdict": "pass", "summary": summary, "findings": []});
        let mut record = serde_json::to_value(RunRecord::default()).unwrap();
        record["schema_version"] = 1.into();
        record["analysis"]["checks"] =
            serde_json::json!([check("not checked: no status.jsonl"), check("3 keys")]);
        fs::write(folder.path().join("run.json"), record.to_string()).unwrap();
        let checks = read_record(folder.path()).unwrap().unwrap().analysis.checks;
        assert_eq!(checks[0].state, CheckState::NotExercised);
        assert_eq!(checks[0].summary, "no status.jsonl");
        assert_eq!((checks[1].state, checks[1].summary.as_str()), (CheckState::Holds, "3 keys"));
    }

    #[test]
    fn a_broken_record_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.json"), "{\n  \"schema_version\": 2,\n  \"id\": 7\n}")
            .unwrap();
        let error = read_record(folder.path()).unwrap_err().to_string();
        assert!(error.contains("run.json") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_folder_name_tells_the_time() {
        assert_eq!(readable_time("2026-11-24T06-40-00Z"), "2026-11-24T06:40:00Z");
        assert_eq!(readable_time("notes"), "");
    }
}
