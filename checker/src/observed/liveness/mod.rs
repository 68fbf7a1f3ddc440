//! A majority that runs and is connected has a leader and serves, within what the plan promises.
//!
//! Looks at every time without a success longer than promised: where one and the same majority of the
//! voters ran, was not struck by any fault and was asked to do something for longer than the bound, a
//! promise was broken. What is not known to be healthy is not judged (see `stretches`). The bounds and why
//! bad luck does not break them: [`crate::promises`].

mod stretches;

use stretches::Stretch;
pub(crate) use stretches::{MembershipTold, Stretches};

use super::{Phases, result};
use crate::analysis::{CheckResult, CheckState, Finding};
use crate::fault::FaultRecord;
use crate::history::{History, Outcome};
use crate::observation::ProcessEvent;
use crate::promises::Promises;
use crate::raft::Turns;
use crate::run::grouped;

const NAME: &str = "liveness";
const TITLE: &str = "a healthy majority elects a leader and serves in time";
const MILLISECOND: u64 = 1_000_000;
/// So many operations must have begun in a time without a success, or nobody asked for service.
pub(crate) const ASKED_MIN: usize = 5;
/// Findings shown.
const SHOWN_MAX: usize = 8;

/// What the check looks at.
pub(crate) struct Observed<'a> {
    pub(crate) history: Option<&'a History>,
    pub(crate) processes: Option<&'a [(u32, ProcessEvent)]>,
    pub(crate) faults: &'a [FaultRecord],
    /// From the traces.
    pub(crate) turns: &'a Turns,
    /// `None`: no plan.
    pub(crate) promises: Option<&'a Promises>,
}

/// Judges every time without a success.
pub(crate) fn liveness(observed: &Observed<'_>) -> CheckResult {
    let Some(promises) = observed.promises else {
        return CheckResult::not_exercised(
            NAME,
            TITLE,
            "no plan that says what is promised",
            "a run of this tool: its plan says what is promised",
        );
    };
    let (Some(leader_ms), Some(service_ms)) =
        (promises.leader_within_ms, promises.service_within_ms)
    else {
        return CheckResult::not_exercised(
            NAME,
            TITLE,
            "the target promises no bound",
            "a target that promises bounds",
        );
    };
    let (Some(history), Some(processes)) = (observed.history, observed.processes) else {
        return CheckResult::not_exercised(
            NAME,
            TITLE,
            "no history.jsonl or no processes.jsonl",
            "a run of this tool, which writes both",
        );
    };
    let stretches = Stretches::of(processes, observed.faults, &observed.turns.memberships);
    let bounds =
        Bounds { leader_ns: leader_ms * MILLISECOND, service_ns: service_ms * MILLISECOND };
    let expected_ns = promises.service_expected_ms.map(|ms| ms * MILLISECOND);
    let (mut longest_ns, mut findings, mut late) = (0, Vec::new(), Vec::new());
    for gap in gaps(history) {
        let Some(stretch) = stretches.longest(gap) else { continue };
        if begun(history, (stretch.from_ns, stretch.to_ns)) < ASKED_MIN {
            continue;
        }
        longest_ns = longest_ns.max(stretch.length_ns());
        let broken = judge(observed.turns, &stretch, &bounds);
        if broken.is_none() {
            late.extend(expected_ns.and_then(|expected_ns| later(&stretch, expected_ns)));
        }
        findings.extend(broken);
    }
    let state = if findings.is_empty() { CheckState::Undecided } else { CheckState::Broken };
    let summary = format!(
        "longest time without a success while a majority could work {}; allowed are {}, and {} without a leader",
        seconds(longest_ns),
        seconds(bounds.service_ns),
        seconds(bounds.leader_ns),
    );
    let count = findings.len();
    let summary = match (count, late.len()) {
        (0, 0) => summary,
        (0, late) => format!("{summary}; {} times longer than is expected", grouped(late as u64)),
        _ => format!("{summary}; {} times longer", grouped(count as u64)),
    };
    findings.extend(late);
    findings.truncate(SHOWN_MAX);
    result(NAME, TITLE, state, summary, findings)
}

/// A time without a success that breaks no promise, and is too long for a pass to mean something.
fn later(stretch: &Stretch, expected_ns: u64) -> Option<Finding> {
    if stretch.length_ns() <= expected_ns {
        return None;
    }
    let names: Vec<String> = stretch.nodes().map(|node| format!("n{node}")).collect();
    Some(Finding {
        anomaly: "too-little-service".to_owned(),
        headline: "A majority that could work served nobody for longer than is expected."
            .to_owned(),
        explanation: format!(
            "{} ran, were struck by no fault and reached each other for {}, and no operation succeeded; {} \
             is expected. A busy machine may be the reason, so this breaks no promise.",
            names.join(", "),
            seconds(stretch.length_ns()),
            seconds(expected_ns),
        ),
        at_ns: Some(stretch.from_ns + expected_ns),
        nodes: names,
        ..Finding::default()
    })
}

struct Bounds {
    leader_ns: u64,
    service_ns: u64,
}

/// What is wrong with a time without a success, if anything is.
fn judge(turns: &Turns, stretch: &Stretch, bounds: &Bounds) -> Option<Finding> {
    let nodes: Vec<u64> = stretch.nodes().collect();
    let span = (stretch.from_ns, stretch.to_ns);
    let is_leaderless = !turns.led.is_empty() && !turns.has_leader(&nodes, span);
    let bound_ns = if is_leaderless { bounds.leader_ns } else { bounds.service_ns };
    if stretch.length_ns() <= bound_ns {
        return None;
    }
    let names: Vec<String> = nodes.iter().map(|node| format!("n{node}")).collect();
    let campaigns = turns.campaigns(span);
    let (anomaly, headline, what) = match is_leaderless {
        true => (
            "no-leader",
            "A healthy majority had no leader for longer than is promised.",
            format!("none of them led and nobody was elected, in {campaigns} elections"),
        ),
        false => (
            "no-service",
            "A healthy majority served nobody for longer than is promised.",
            format!("no operation succeeded ({campaigns} elections were begun)"),
        ),
    };
    let explanation = format!(
        "{} ran, were struck by no fault and reached each other for {}, and {what}; {} is allowed.",
        names.join(", "),
        seconds(stretch.length_ns()),
        seconds(bound_ns),
    );
    Some(Finding {
        anomaly: anomaly.to_owned(),
        headline: headline.to_owned(),
        explanation,
        at_ns: Some(stretch.from_ns + bound_ns),
        nodes: names,
        ..Finding::default()
    })
}

/// The times between two successes while clients were at work.
pub(crate) fn gaps(history: &History) -> Vec<(u64, u64)> {
    let phases = Phases::of(history);
    let begun = || history.operations.iter().map(|operation| operation.invoked_at_ns);
    let Some(first_ns) = begun().next() else { return Vec::new() };
    let from_ns = phases.find("warm-up").map_or(first_ns, |phase| phase.at_ns);
    let end_ns = phases.find("final").map_or(u64::MAX, |phase| phase.at_ns);
    let to_ns = begun().filter(|at_ns| *at_ns < end_ns).max().unwrap_or(from_ns);
    let is_success = |outcome: &Outcome| matches!(outcome, Outcome::Ok | Outcome::Rejected);
    let mut successes: Vec<u64> = history
        .operations
        .iter()
        .filter(|operation| is_success(&operation.outcome))
        .map(|operation| operation.completed_at_ns)
        .filter(|at_ns| (from_ns..to_ns).contains(at_ns))
        .collect();
    successes.sort_unstable();
    let starts = std::iter::once(from_ns).chain(successes.iter().copied());
    let ends = successes.iter().copied().chain([to_ns]);
    starts.zip(ends).filter(|(start_ns, end_ns)| start_ns < end_ns).collect()
}

/// Operations begun in a time.
pub(crate) fn begun(history: &History, (from_ns, to_ns): (u64, u64)) -> usize {
    let at = |time_ns| history.operations.partition_point(|it| it.invoked_at_ns < time_ns);
    at(to_ns) - at(from_ns)
}

fn seconds(nanoseconds: u64) -> String {
    format!("{:.1} s", nanoseconds as f64 / 1e9)
}

#[cfg(test)]
mod tests;
