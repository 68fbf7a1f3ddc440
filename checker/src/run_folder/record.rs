//! `run.json`: what a run was, and what came of it. Written last, by rename; absent means incomplete.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{RUN, SCHEMA_VERSION};
use crate::analysis::{Analysis, CheckState};
use crate::error::CheckError;
use crate::fault::FAMILIES_BEFORE;
use crate::objectives::Outcomes;
use crate::verdict::Verdict;
use crate::version::Newer;

/// The content of `run.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA_VERSION`], which covers the whole folder.
    pub schema_version: u32,
    /// The run folder's name.
    pub id: String,
    /// The verdict of `analysis`, repeated for readers that look for nothing else.
    pub verdict: Verdict,
    /// The seed of the plan.
    pub seed: u64,
    /// How it was asked for.
    pub settings: Settings,
    /// Where and with what it ran.
    pub environment: Environment,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// CLOCK_MONOTONIC at the zero of every time shown, nanoseconds.
    pub origin_ns: u64,
    /// How long the whole run took, milliseconds.
    pub duration_ms: u64,
    /// The phases with their beginnings: (`start`, `warm-up`, `faults`, `recovery`, `final reads`,
    /// `quiesce`, `end`), CLOCK_MONOTONIC nanoseconds.
    pub phases: Vec<(String, u64)>,
    /// Set when the run was cut short (`SIGINT`), with the reason.
    pub interrupted: Option<String>,
    /// What each node's status said at the end, by node name.
    pub final_status: BTreeMap<String, FinalStatus>,
    /// Groups failures with the same cause ([`crate::ranking::signature`]); absent where no
    /// promise was broken, and in files of older builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What the checks found.
    pub analysis: Analysis,
    /// What judged it, and how long it was allowed to; `None` in records of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// What became of the plan's objectives; empty where it has none. They leave the verdict alone.
    #[serde(flatten)]
    pub objectives: Outcomes,
}

impl RunRecord {
    /// The record of a run's folder, brought into today's form; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read, is newer than this build, or is not what it should be.
    pub fn read(folder: &Path) -> Result<Option<RunRecord>, CheckError> {
        let Some(text) = text(folder)? else { return Ok(None) };
        let path = folder.join(RUN);
        let record: RunRecord =
            serde_json::from_slice(&text).map_err(CheckError::malformed(&path, None))?;
        Ok(Some(record.in_todays_form()))
    }

    /// Version 1 called a check that had nothing to look at a pass, and said so in its summary.
    fn in_todays_form(mut self) -> RunRecord {
        const NOT_CHECKED: &str = "not checked";
        let checks = self.analysis.checks.iter_mut().filter(|_| self.schema_version == 1);
        for check in checks.filter(|check| check.state == CheckState::Holds) {
            if let Some(why) = check.summary.strip_prefix(NOT_CHECKED) {
                check.summary = why.trim_start_matches([':', ' ']).to_owned();
                check.state = CheckState::NotExercised;
            }
        }
        self
    }

    /// The seed, where anybody knows it: of a history alone, and of a run whose runner was killed before it wrote its
    /// plan, nobody does. A plan has nodes.
    pub fn known_seed(&self) -> Option<u64> {
        (self.settings.nodes > 0).then_some(self.seed)
    }
}

/// The text of a folder's record; `None` where there is none.
fn text(folder: &Path) -> Result<Option<Vec<u8>>, CheckError> {
    let path = folder.join(RUN);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CheckError::read(&path)(error)),
    };
    // The version first: a newer form need not be one that this build can read.
    match Newer::in_json(SCHEMA_VERSION, &text) {
        Some(newer) => Err(CheckError::newer(&path)(newer)),
        None => Ok(Some(text)),
    }
}

/// What the checks found, by a folder's record; `None` where there is none, and nothing where it cannot be read.
///
/// # Errors
/// Where it is newer than this build: then so is the folder.
pub(crate) fn recorded_analysis(folder: &Path) -> Result<Option<Analysis>, CheckError> {
    #[derive(Deserialize)]
    struct Record {
        analysis: Analysis,
    }
    match text(folder) {
        Err(error @ CheckError::Newer { .. }) => Err(error),
        Err(_) | Ok(None) => Ok(None),
        Ok(Some(text)) => {
            let record = serde_json::from_slice(&text).ok();
            Ok(Some(record.map(|Record { analysis }| analysis).unwrap_or_default()))
        }
    }
}

/// The build and the budget of a verdict. Another build may judge more, and a longer search may decide more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The version of the tool that judged.
    pub tool_version: String,
    /// The git commit it was built from, with `-dirty`; empty where unknown.
    pub tool_commit: String,
    /// Time that the linearizability check could take, milliseconds.
    pub budget_ms: u64,
    /// Memory that its searches could take, bytes.
    pub memory_bytes: u64,
}

/// How a run was asked for: enough to print the command that repeats it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// `bundled`, `etcd`, ….
    pub target: String,
    /// The run was simulated: its times are of a virtual clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// The server's executable, where one was given.
    pub server: Option<String>,
    /// The mutant, if any.
    pub mutant: Option<String>,
    /// Number of nodes.
    pub nodes: u32,
    /// Length of the fault phase, milliseconds.
    pub time_ms: u64,
    /// `register`, `append`, ….
    pub workload: String,
    /// Fault families asked for.
    pub faults: Vec<String>,
    /// Every family that could have been asked for; empty in records of builds that did not write it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    /// Concurrent clients.
    pub clients: u32,
    /// Keys in use at a time.
    pub keys: u32,
    /// Operations a second asked for; 0: as fast as they are answered.
    pub rate: u32,
    /// Entries after which a node takes a snapshot; `None`: what is usual for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_entries: Option<u64>,
    /// The command line that repeats the run, ready to paste.
    pub command: String,
}

impl Settings {
    /// Every fault family that could have been asked for.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        let before = FAMILIES_BEFORE.iter().map(|(name, _)| *name);
        let before = before.filter(|_| self.families.is_empty());
        self.families.iter().map(String::as_str).chain(before)
    }

    /// Whether the run was simulated; records of earlier builds say so in the name of their target alone.
    pub fn is_simulated(&self) -> bool {
        self.simulated || self.target.ends_with("(simulated)")
    }
}

/// Where and with what a run ran.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Environment {
    /// The tool's version.
    pub tool_version: String,
    /// The git commit it was built from, with `-dirty`; empty where unknown.
    pub tool_commit: String,
    /// The server's version as it says itself.
    pub server_version: String,
    /// FNV-1a or better of the server's executable, as hex: tells builds apart.
    pub server_digest: String,
    /// Host name.
    pub host: String,
    /// `Linux 6.18.44 x86_64`.
    pub system: String,
    /// Number of cores.
    pub cores: u32,
    /// Main memory in MiB.
    pub memory_mib: u64,
    /// File system type of the run folder.
    pub file_system: String,
    /// `redirect` or `proxy`, what that cannot do, and why it was chosen where it was not asked for.
    pub fault_tier: String,
    /// The CI system and job link, where known.
    pub ci: Option<String>,
    /// How busy the machine was beside the run: load average at start and end.
    pub load_average: (f64, f64),
}

/// A node's own account after the final phase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FinalStatus {
    /// Its role.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// The index it had applied.
    pub applied: u64,
    /// Its state hash at that index, as 16 hex digits.
    pub state_hash: String,
    /// The chain hash at that index.
    pub chain: String,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<RunRecord, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RUN), text).unwrap();
        RunRecord::read(folder.path()).map(Option::unwrap).map_err(|error| error.to_string())
    }

    #[test]
    fn a_newer_record_is_refused_with_what_to_do() {
        // Of a form that nobody knows yet.
        let error = read(r#"{"schema_version": 3, "verdict": []}"#).unwrap_err();
        assert!(error.contains("run.json") && error.contains("use a newer whitewater"), "{error}");
        assert!(error.contains("schema_version 3 is newer than 2"), "{error}");
    }

    #[test]
    fn what_version_1_did_not_check_is_not_exercised() {
        let check = |summary: &str| serde_json::json!({"name": "", "title": "", "verdict": "pass", "summary": summary, "findings": []});
        let mut record = serde_json::to_value(RunRecord::default()).unwrap();
        record["schema_version"] = 1.into();
        record["analysis"]["checks"] =
            serde_json::json!([check("not checked: no status.jsonl"), check("3 keys")]);
        let checks = read(&record.to_string()).unwrap().analysis.checks;
        assert_eq!(checks[0].state, CheckState::NotExercised);
        assert_eq!(checks[0].summary, "no status.jsonl");
        assert_eq!((checks[1].state, checks[1].summary.as_str()), (CheckState::Holds, "3 keys"));
    }

    #[test]
    fn a_broken_record_names_its_line() {
        let error = read("{\n  \"schema_version\": 2,\n  \"id\": 7\n}").unwrap_err();
        assert!(error.contains("run.json:3:"), "{error}");
        assert!(RunRecord::read(Path::new("/no/such/folder")).unwrap().is_none());
    }
}
