//! How much of the time in which a majority could work was not served, all gaps together.
//!
//! No single gap need be too long for a run to be mostly an outage: a cluster that is away for three seconds after
//! every small disturbance serves a third of the time and never breaks a bound. So the total is judged too. What
//! may be missing is
//!
//! - the plan's `recovery_allowance_ms` for every *disturbance*: each fault that is not known to have spared the
//!   leader, each time that a majority comes back, and the first election; and
//! - a quarter ([`SHARE`]) of the time in which a majority could work, for elections that nobody caused: on a busy
//!   machine timeouts expire by themselves.
//!
//! The allowance is an average and not a worst case, because what recoveries take in a run adds up: ten that all
//! take the time that one in a million takes are no bad luck. What is more proves nothing, and costs the pass.

use super::stretches::Stretches;
use super::{ASKED_MIN, begun, seconds};
use crate::analysis::Finding;
use crate::fault::{FaultRecord, FaultStatus};
use crate::history::History;
use crate::statistics::AVAILABILITY_GAP_NS;

/// Of the time in which a majority could work, so much may go without a success and without a cause.
const SHARE: f64 = 0.25;

/// What came together over a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Total {
    /// Time in which a majority could work.
    pub(super) healthy_ns: u64,
    /// Of that, in gaps too long to count as served.
    pub(super) lost_ns: u64,
    /// Times that the leader may have been lost.
    disturbances: u64,
}

impl Total {
    /// Adds up the `gaps` between two successes that clients saw from the first to the last of `span`.
    pub(super) fn of(
        history: &History,
        gaps: &[(u64, u64)],
        stretches: &Stretches,
        faults: &[FaultRecord],
    ) -> Total {
        let span = match (gaps.first(), gaps.last()) {
            (Some(first), Some(last)) => (first.0, last.1),
            _ => (0, 0),
        };
        let long = gaps.iter().filter(|(from_ns, to_ns)| {
            to_ns - from_ns > AVAILABILITY_GAP_NS && begun(history, (*from_ns, *to_ns)) >= ASKED_MIN
        });
        let struck = faults.iter().filter(|fault| may_strike_leader(fault, span)).count() as u64;
        Total {
            healthy_ns: stretches.healthy_ns(span),
            lost_ns: long.map(|gap| stretches.healthy_ns(*gap)).sum(),
            disturbances: 1 + struck + stretches.returns(span),
        }
    }

    /// What is wrong with it, if anything is.
    pub(super) fn judge(&self, allowance_ns: u64) -> Option<Finding> {
        let without_cause_ns = (self.healthy_ns as f64 * SHARE) as u64;
        let allowed_ns = self.disturbances * allowance_ns + without_cause_ns;
        if self.lost_ns <= allowed_ns {
            return None;
        }
        Some(Finding {
            anomaly: "too-little-service".to_owned(),
            headline: "A majority that could work served for too little of the time.".to_owned(),
            explanation: format!(
                "For {} a majority ran, struck by no fault, and {} of it went without a success; {} may: {} for \
                 each of {} disturbances, and {:.0} % of the time for elections that nobody caused. A busy machine \
                 may be the reason, so this breaks no promise.",
                seconds(self.healthy_ns),
                seconds(self.lost_ns),
                seconds(allowed_ns),
                seconds(allowance_ns),
                self.disturbances,
                SHARE * 100.0,
            ),
            ..Finding::default()
        })
    }
}

/// Whether a fault began within a time and may have taken the leader away.
fn may_strike_leader(fault: &FaultRecord, (from_ns, to_ns): (u64, u64)) -> bool {
    let began = fault.started_at_ns.or(fault.effective_at_ns);
    !matches!(fault.status, FaultStatus::Skipped { .. })
        && fault.leader_hit != Some(false)
        && began.is_some_and(|at_ns| (from_ns..to_ns).contains(&at_ns))
}
