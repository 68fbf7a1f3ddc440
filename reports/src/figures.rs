//! What the index page keeps of a run.

use whitewater_checker::run_folder::Figures;
use whitewater_checker::statistics::Statistics;

use crate::load::Run;
use crate::story::Story;

/// The figures of a run.
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
        failover_p50_ns: statistics.median_failover_ns(),
        availability: statistics.availability.map(|availability| availability.share),
    }
}
