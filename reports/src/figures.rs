//! figures.json: what the index page needs of a run without reading its history again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use whitewater_checker::Verdict;
use whitewater_checker::statistics::Statistics;

use crate::load::Run;
use crate::page::median_failover;
use crate::story::Story;

/// The file's name in a run folder.
pub(crate) const FILE: &str = "figures.json";

/// A run's figures in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The version of the run folder's format.
    pub(crate) schema_version: u32,
    /// What the report says, for runs without a record of their own; files of before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    /// Groups failures with the same cause; absent on a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signature: Option<String>,
    /// The headline of the report.
    pub(crate) headline: String,
    /// Operations by outcome.
    pub(crate) ok: u64,
    pub(crate) fail: u64,
    pub(crate) info: u64,
    /// Faults in the plan, and those with an observed effect.
    pub(crate) faults: u64,
    pub(crate) faults_effective: u64,
    /// p50 and p99 of ok operations, nanoseconds.
    pub(crate) latency_p50_ns: u64,
    pub(crate) latency_p99_ns: u64,
    /// p99 of ok operations that overlapped no fault.
    pub(crate) latency_p99_without_fault_ns: u64,
    /// Median time from the loss of a leader to the next election.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failover_p50_ns: Option<u64>,
    /// Share of the time under load that was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) availability: Option<f64>,
}

impl Figures {
    pub(crate) fn of(run: &Run, story: &Story<'_>) -> Figures {
        let statistics: &Statistics = &run.statistics;
        Figures {
            schema_version: run.record.schema_version,
            verdict: Some(run.record.verdict),
            signature: story.signature.clone(),
            headline: story.headline.clone(),
            ok: statistics.operations.ok,
            fail: statistics.operations.fail,
            info: statistics.operations.info,
            faults: statistics.faults.len() as u64,
            faults_effective: statistics.effective_faults() as u64,
            latency_p50_ns: statistics.latency.p50_ns,
            latency_p99_ns: statistics.latency.p99_ns,
            latency_p99_without_fault_ns: statistics.latency_without_fault.p99_ns,
            failover_p50_ns: median_failover(statistics),
            availability: statistics.availability.map(|availability| availability.share),
        }
    }

    /// The figures of a run folder; `None` where there are none or they cannot be read.
    pub(crate) fn read(folder: &Path) -> Option<Figures> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }
}
