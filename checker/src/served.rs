//! Outside of what the plan did to it, a cluster serves.
//!
//! The faults of a run say when a majority had to be there: while they are in force and leave none, and until
//! the servers that they took down are ready again, nothing is asked for. After each moment that may cost a
//! leader there is the plan's `recovery_allowance_ms`, and the time that this machine took to start a server:
//! a machine that is slow at the one is slow at the other. The rest is time in which clients are to be served.
//! What somebody else did to the servers (stopped them, killed them) excuses nothing here, whether or not it
//! was seen: such a run proves less than was asked for.
//!
//! Of that time a tenth ([`UNCAUSED_SHARE`]) and one recovery more may go without a success, for elections that
//! nobody caused: on a busy machine timeouts expire by themselves.
//!
//! Faults can come so close that they leave no time in peace. So the whole time in which a majority was left is
//! looked at too: a fault that strikes while nobody is served takes no service away, so all that may be lost is
//! one recovery for each that did, and the same tenth.
//!
//! What is more proves nothing, and costs the pass.

use crate::fault::{FaultRecord, FaultStatus};
use crate::history::History;
use crate::observation::{ProcessChange, ProcessEvent};
use crate::observed::{ASKED_MIN, MembershipTold, Stretches, begun, gaps};
use crate::promises::Promises;
use crate::statistics::AVAILABILITY_GAP_NS;

/// Of the time in which the cluster is to serve, so much may go without a success and without a cause.
const UNCAUSED_SHARE: f64 = 0.1;
const MILLISECOND: u64 = 1_000_000;

/// A time: from, and to.
type Span = (u64, u64);

/// What is known of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) history: &'a History,
    pub(crate) processes: &'a [(u32, ProcessEvent)],
    pub(crate) faults: &'a [FaultRecord],
    pub(crate) memberships: &'a [MembershipTold],
    pub(crate) promises: &'a Promises,
}

/// How much was served of what was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// Time in which the plan left a majority in peace.
    pub(crate) expected_ns: u64,
    /// Of that, in gaps too long to count as served.
    pub(crate) lost_ns: u64,
    /// How long a recovery may take.
    pub(crate) allowance_ns: u64,
    /// Time in which the plan left a majority, in peace or not.
    pub(crate) with_majority_ns: u64,
    /// Of that, in gaps too long to count as served.
    pub(crate) away_ns: u64,
    /// How often service was there and may have been taken away; the first election is one.
    pub(crate) losses: u64,
}

impl Served {
    /// Compares them; `None` where the target promises nothing or nobody asked.
    pub(crate) fn of(observed: &Observed<'_>) -> Option<Served> {
        let allowance_ms = observed.promises.recovery_allowance_ms?;
        let gaps = gaps(observed.history);
        let span = (gaps.first()?.0, gaps.last()?.1);
        let allowance_ns = allowance_ms * MILLISECOND
            + start_ns(observed.processes).min(allowance_ms * MILLISECOND);
        let by_plan: Vec<(u32, ProcessEvent)> = observed
            .processes
            .iter()
            .filter(|(_, event)| is_by_plan(&event.change))
            .cloned()
            .collect();
        let stretches = Stretches::of(&by_plan, observed.faults, observed.memberships);
        let mut moments: Vec<u64> = stretches.returns(span).collect();
        moments.push(span.0);
        moments.extend(observed.faults.iter().filter_map(|fault| strike(fault, &gaps)));
        let losses = moments.iter().filter(|at_ns| was_served(**at_ns, &gaps)).count() as u64;
        let with_majority: Vec<Span> = stretches.healthy(span).collect();
        let recoveries = moments.into_iter().map(|at_ns| (at_ns, at_ns + allowance_ns)).collect();
        let expected = without(with_majority.iter().copied(), &union(recoveries));
        let long: Vec<Span> = gaps
            .into_iter()
            .filter(|(from_ns, to_ns)| to_ns - from_ns > AVAILABILITY_GAP_NS)
            .filter(|gap| begun(observed.history, *gap) >= ASKED_MIN)
            .collect();
        let lost =
            |expected: &Span| long.iter().map(|gap| overlap_ns(*gap, *expected)).sum::<u64>();
        Some(Served {
            expected_ns: length_ns(&expected),
            lost_ns: expected.iter().map(lost).sum(),
            allowance_ns,
            with_majority_ns: length_ns(&with_majority),
            away_ns: with_majority.iter().map(lost).sum(),
            losses,
        })
    }

    /// How much of the expected time may be lost.
    pub(crate) fn allowed_ns(&self) -> u64 {
        self.allowance_ns + (self.expected_ns as f64 * UNCAUSED_SHARE) as u64
    }

    /// How much of the time with a majority may be lost, in peace or not.
    pub(crate) fn away_allowed_ns(&self) -> u64 {
        let recoveries_ns = (self.losses + 1) * self.allowance_ns;
        recoveries_ns + (self.with_majority_ns as f64 * UNCAUSED_SHARE) as u64
    }

    /// Why this costs the pass, if it does.
    pub(crate) fn shortfall(&self) -> Option<String> {
        if self.lost_ns <= self.allowed_ns() {
            return (self.away_ns > self.away_allowed_ns()).then(|| {
                format!(
                    "For {} the plan left a majority, and {} of it went without a success; {} may: {} for each of \
                     {} losses of a leader and one more, and {:.0} % of the time. A busy machine may be the reason, \
                     so this breaks no promise.",
                    seconds(self.with_majority_ns),
                    seconds(self.away_ns),
                    seconds(self.away_allowed_ns()),
                    seconds(self.allowance_ns),
                    self.losses,
                    UNCAUSED_SHARE * 100.0,
                )
            });
        }
        Some(format!(
            "For {} the plan left a majority in peace, {} after each loss of a leader not counted, and {} of it went \
             without a success; {} may, {:.0} % of the time and one recovery more. A busy machine may be the reason, \
             so this breaks no promise.",
            seconds(self.expected_ns),
            seconds(self.allowance_ns),
            seconds(self.lost_ns),
            seconds(self.allowed_ns()),
            UNCAUSED_SHARE * 100.0,
        ))
    }

    /// `served 91 % of the 61.2 s with a majority, 100 % of the 13.5 s in peace`.
    pub(crate) fn summary(&self) -> Option<String> {
        let share = |lost_ns: u64, of_ns: u64| {
            let share = 100.0 * (1.0 - lost_ns as f64 / of_ns as f64);
            format!("{share:.0} % of the {}", seconds(of_ns))
        };
        let whole =
            || format!("served {} with a majority", share(self.away_ns, self.with_majority_ns));
        let peace = || format!(", {} in peace", share(self.lost_ns, self.expected_ns));
        let peace = if self.expected_ns > 0 { peace() } else { String::new() };
        (self.with_majority_ns > 0).then(|| whole() + &peace)
    }
}

fn length_ns(spans: &[Span]) -> u64 {
    spans.iter().map(|(from_ns, to_ns)| to_ns - from_ns).sum()
}

fn seconds(nanoseconds: u64) -> String {
    format!("{:.1} s", nanoseconds as f64 / 1e9)
}

/// Whether a run does this to its servers itself.
fn is_by_plan(change: &ProcessChange) -> bool {
    match change {
        ProcessChange::Started | ProcessChange::Ready => true,
        ProcessChange::Exited { expected, .. } => *expected,
        _ => false,
    }
}

/// The longest that a server took from its start until it was ready.
fn start_ns(processes: &[(u32, ProcessEvent)]) -> u64 {
    let is_ready = |change: &ProcessChange| matches!(change, ProcessChange::Ready);
    let took = |(at, (_, started)): (usize, &(u32, ProcessEvent))| {
        let of_start =
            |it: &&(u32, ProcessEvent)| it.1.node == started.node && it.1.pid == started.pid;
        let ready =
            processes[at..].iter().filter(of_start).find(|(_, event)| is_ready(&event.change))?;
        Some(ready.1.time_ns.saturating_sub(started.time_ns))
    };
    let starts = processes.iter().enumerate();
    starts
        .filter(|(_, (_, it))| matches!(it.change, ProcessChange::Started))
        .filter_map(took)
        .max()
        .unwrap_or(0)
}

/// When a fault may have taken the leader away. One that struck while nobody was served and nobody led took
/// nothing away.
fn strike(fault: &FaultRecord, gaps: &[Span]) -> Option<u64> {
    let is_struck = !matches!(fault.status, FaultStatus::Skipped { .. });
    let at_ns = fault.started_at_ns.or(fault.effective_at_ns).filter(|_| is_struck)?;
    match fault.leader_hit {
        Some(true) => Some(at_ns),
        Some(false) => None,
        None => was_served(at_ns, gaps).then_some(at_ns),
    }
}

/// Whether somebody had been served shortly before.
fn was_served(at_ns: u64, gaps: &[Span]) -> bool {
    let gap = gaps.iter().find(|(from_ns, to_ns)| (*from_ns..*to_ns).contains(&at_ns));
    gap.is_none_or(|(from_ns, _)| at_ns - from_ns <= AVAILABILITY_GAP_NS)
}

/// The same times, sorted and apart from each other.
fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut apart: Vec<Span> = Vec::new();
    for (from_ns, to_ns) in spans {
        match apart.last_mut() {
            Some(last) if from_ns <= last.1 => last.1 = last.1.max(to_ns),
            _ => apart.push((from_ns, to_ns)),
        }
    }
    apart
}

/// What is left of each time without `holes`, which are sorted and apart.
fn without(spans: impl IntoIterator<Item = Span>, holes: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for (mut from_ns, to_ns) in spans {
        for hole in holes {
            if hole.1 <= from_ns || hole.0 >= to_ns {
                continue;
            }
            if hole.0 > from_ns {
                left.push((from_ns, hole.0));
            }
            from_ns = hole.1;
        }
        if from_ns < to_ns {
            left.push((from_ns, to_ns));
        }
    }
    left
}

fn overlap_ns(one: Span, other: Span) -> u64 {
    one.1.min(other.1).saturating_sub(one.0.max(other.0))
}

#[cfg(test)]
mod tests;
