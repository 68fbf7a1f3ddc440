//! A majority that runs and is connected has a leader and serves, within what the plan promises.
//!
//! Looks at every time without a success longer than promised: where one and the same majority of the
//! voters ran, was not struck by any fault and was asked to do something for longer than the bound, a
//! promise was broken. Two parts of such a time have shorter bounds, because no luck of elections is needed there: that a
//! leader is in office, and that nobody stands for election (see `outage`). What is not known to be healthy is not judged
//! (see `stretches`), and a time in which the clients stood still as well is given on top. The bounds and why bad luck
//! does not break them: [`crate::promises`].

mod outage;
mod stretches;

use outage::{Bounds, Outage};
pub(crate) use stretches::{MembershipTold, Stretches};

use super::Phases;
use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::fault::FaultRecord;
use crate::history::{History, Outcome};
use crate::numbers::grouped;
use crate::observation::ProcessEvent;
use crate::promises::Promises;
use crate::raft::Turns;
use crate::run_folder::{HISTORY, PROCESSES};

const HEADING: Heading =
    Heading::new("liveness", "a healthy majority elects a leader and serves in time");
const MILLISECOND: u64 = 1_000_000;
/// So many operations must have begun in a time without a success, or nobody asked for service.
pub(crate) const ASKED_MIN: usize = 5;
/// Clients give an operation up after a second: a longer time in which none began or ended anything is the machine's.
const STILL_NS: u64 = 1_500_000_000;
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
        return HEADING.not_exercised(
            "no plan that says what is promised",
            "a run of this tool: its plan says what is promised",
        );
    };
    let (Some(leader_ms), Some(service_ms)) =
        (promises.leader_within_ms, promises.service_within_ms)
    else {
        return HEADING
            .not_exercised("the target promises no bound", "a target that promises bounds");
    };
    let (Some(history), Some(processes)) = (observed.history, observed.processes) else {
        return HEADING.not_exercised(
            &format!("no {HISTORY} or no {PROCESSES}"),
            "a run of this tool, which writes both",
        );
    };
    let stretches = Stretches::of(processes, observed.faults, &observed.turns.memberships);
    let ns = |ms: Option<u64>| ms.map(|ms| ms * MILLISECOND);
    let bounds = Bounds {
        leader_ns: leader_ms * MILLISECOND,
        service_ns: service_ms * MILLISECOND,
        in_office_ns: ns(promises.in_office_within_ms),
        stands_ns: ns(promises.stands_within_ms),
    };
    let outages =
        Outages::of(observed, (history, &stretches), &bounds, ns(promises.service_expected_ms));
    let Outages { longest_ns, broken: mut findings, late } = outages;
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
        (0, late) => format!("{summary}; longer than is expected {}", times(late)),
        _ => format!("{summary}; longer {}", times(count)),
    };
    findings.extend(late);
    findings.truncate(SHOWN_MAX);
    HEADING.result(state, summary, findings)
}

/// What came of all times without a success.
struct Outages {
    /// The longest part in which a majority could work.
    longest_ns: u64,
    broken: Vec<Finding>,
    /// Longer than is expected, and no promise broken.
    late: Vec<Finding>,
}

impl Outages {
    fn of(
        observed: &Observed<'_>,
        (history, stretches): (&History, &Stretches),
        bounds: &Bounds,
        expected_ns: Option<u64>,
    ) -> Outages {
        let mut outages = Outages { longest_ns: 0, broken: Vec::new(), late: Vec::new() };
        let gaps = gaps(history);
        for (index, gap) in gaps.iter().copied().enumerate() {
            let Some(stretch) = stretches.longest(gap) else { continue };
            let span = (stretch.from_ns, stretch.to_ns);
            if begun(history, span) < ASKED_MIN {
                continue;
            }
            outages.longest_ns = outages.longest_ns.max(stretch.length_ns());
            let outage = Outage {
                gap,
                is_ended: index > 0,
                is_over: index + 1 < gaps.len(),
                stretch,
                stalled_ns: stalled_ns(history, span),
                observed,
            };
            match outage.judge(history, bounds) {
                Some(broken) => outages.broken.push(broken),
                None => {
                    outages
                        .late
                        .extend(expected_ns.and_then(|expected_ns| outage.later(expected_ns)));
                }
            }
        }
        outages
    }
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

/// For how much of a time the clients themselves stood still: none of them began or ended anything for longer than
/// their deadlines allow, so the machine did not let them.
fn stalled_ns(history: &History, (from_ns, to_ns): (u64, u64)) -> u64 {
    // Too short to hold such a time, as nearly all are.
    if to_ns - from_ns <= STILL_NS {
        return 0;
    }
    let ends = history.operations.iter().map(|operation| operation.completed_at_ns);
    let begins = history.operations.iter().map(|operation| operation.invoked_at_ns);
    let mut seen: Vec<u64> = begins
        .chain(ends)
        .filter(|at_ns| (from_ns..to_ns).contains(at_ns))
        .chain([from_ns, to_ns])
        .collect();
    seen.sort_unstable();
    let holes = seen.windows(2).map(|pair| pair[1] - pair[0]);
    holes.filter(|hole_ns| *hole_ns > STILL_NS).sum()
}

/// Operations begun in a time.
pub(crate) fn begun(history: &History, (from_ns, to_ns): (u64, u64)) -> usize {
    let at = |time_ns| history.operations.partition_point(|it| it.invoked_at_ns < time_ns);
    at(to_ns) - at(from_ns)
}

/// `once`, `7 times`.
fn times(number: usize) -> String {
    match number {
        1 => "once".into(),
        _ => format!("{} times", grouped(number as u64)),
    }
}

fn seconds(nanoseconds: u64) -> String {
    format!("{:.1} s", nanoseconds as f64 / 1e9)
}

#[cfg(test)]
mod tests;
