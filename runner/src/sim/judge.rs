//! Judges a simulated run with the checker of real runs, without a folder in between.

use whitewater_checker::analysis::Analysis;
use whitewater_checker::{Options, Recorded, check_recorded};

use super::Simulated;
use crate::plan::Plan;

/// What a run comes to.
pub(crate) fn judge(plan: &Plan, run: &Simulated) -> Analysis {
    let recording = &run.recording;
    let recorded = Recorded {
        history: &recording.history,
        trace: &recording.trace,
        status: &recording.status,
        processes: &recording.processes,
        faults: &recording.faults,
        requirements: Some(&plan.requirements),
        promises: plan.bounds,
    };
    // One run is small and many are judged at once, each on its own thread.
    let options = Options { threads: 1, ..Options::default() };
    check_recorded(&recorded, &options).expect("a simulated history is well-formed")
}
