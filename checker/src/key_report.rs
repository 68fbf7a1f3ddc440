//! How one key was decided, for machines.

use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

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
