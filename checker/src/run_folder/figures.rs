//! `figures.json`: what the index page needs of a run without reading its history again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::FIGURES;
use crate::verdict::Verdict;

/// A run's figures in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The version of the run folder's format.
    pub schema_version: u32,
    /// What the report says, for runs without a record of their own; files of before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Groups failures with the same cause; absent on a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The headline of the report.
    pub headline: String,
    /// Operations that succeeded.
    pub ok: u64,
    /// Operations that took no effect.
    pub fail: u64,
    /// Operations of which nobody knows.
    pub info: u64,
    /// Faults in the plan.
    pub faults: u64,
    /// Those with an observed effect.
    pub faults_effective: u64,
    /// p50 of ok operations, nanoseconds.
    pub latency_p50_ns: u64,
    /// p99 of ok operations, nanoseconds.
    pub latency_p99_ns: u64,
    /// p99 of ok operations that overlapped no fault, nanoseconds.
    pub latency_p99_without_fault_ns: u64,
    /// Median time from the loss of a leader to the next election, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_p50_ns: Option<u64>,
    /// Share of the time under load that was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<f64>,
}

impl Figures {
    /// The figures of a run's folder; `None` where there are none or they cannot be read.
    pub fn read(folder: &Path) -> Option<Figures> {
        serde_json::from_slice(&std::fs::read(folder.join(FIGURES)).ok()?).ok()
    }
}
