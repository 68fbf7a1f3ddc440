//! One time without a success: which bound it breaks, if any, and its story from the last success on.

use super::stretches::Stretch;
use super::{ASKED_MIN, Observed, begun, seconds};
use crate::analysis::Finding;
use crate::fault::{FaultRecord, FaultStatus};
use crate::history::History;

/// A fault that was healed this long before may still be why service ended.
const REACH_NS: u64 = 5_000_000_000;
/// Leaders named in a sentence.
const LEADERS_MAX: usize = 3;

/// For how long nothing may succeed, nanoseconds.
pub(super) struct Bounds {
    pub(super) leader_ns: u64,
    pub(super) service_ns: u64,
    /// While a leader is in office.
    pub(super) in_office_ns: Option<u64>,
    /// While nobody leads and nobody stands for election.
    pub(super) stands_ns: Option<u64>,
}

/// A time without a success, and the longest part of it in which one majority could have worked.
pub(super) struct Outage<'a> {
    /// From the last success to the next.
    pub(super) gap: (u64, u64),
    /// False: nothing had succeeded before.
    pub(super) is_ended: bool,
    /// False: nothing succeeded after.
    pub(super) is_over: bool,
    pub(super) stretch: Stretch,
    /// Of the stretch, what the machine took from everyone: given on top of every bound.
    pub(super) stalled_ns: u64,
    pub(super) observed: &'a Observed<'a>,
}

/// A bound that was broken.
struct Broken {
    anomaly: &'static str,
    headline: &'static str,
    /// How it was broken, and for how long.
    what: String,
    bound_ns: u64,
}

impl Outage<'_> {
    /// What is wrong with it, if anything is.
    pub(super) fn judge(&self, history: &History, bounds: &Bounds) -> Option<Finding> {
        let turns = self.observed.turns;
        let nodes: Vec<u64> = self.stretch.nodes().collect();
        let span = (self.stretch.from_ns, self.stretch.to_ns);
        let is_leaderless = !turns.led.is_empty() && !turns.has_leader(&nodes, span);
        let broken = if is_leaderless {
            self.nobody_stood(bounds).or_else(|| self.nobody_led(bounds))
        } else {
            self.in_office(history, &nodes, bounds).or_else(|| self.nobody_served(bounds))
        };
        broken.map(|broken| self.told(&broken))
    }

    fn is_longer(&self, (from_ns, to_ns): (u64, u64), bound_ns: u64) -> bool {
        (to_ns - from_ns).saturating_sub(self.stalled_ns) > bound_ns
    }

    fn nobody_stood(&self, bounds: &Bounds) -> Option<Broken> {
        let bound_ns = bounds.stands_ns?;
        let turns = self.observed.turns;
        // A trace without any election says nothing of who stood.
        let rest = turns.longest_rest((self.stretch.from_ns, self.stretch.to_ns));
        (!turns.stood_ns.is_empty() && self.is_longer(rest, bound_ns)).then(|| Broken {
            anomaly: "no-election",
            headline: "A healthy majority without a leader held no election.",
            what: format!(
                "none of them led, and for {} of it nobody stood for election",
                seconds(rest.1 - rest.0)
            ),
            bound_ns,
        })
    }

    fn nobody_led(&self, bounds: &Bounds) -> Option<Broken> {
        let span = (self.stretch.from_ns, self.stretch.to_ns);
        self.is_longer(span, bounds.leader_ns).then(|| Broken {
            anomaly: "no-leader",
            headline: "A healthy majority had no leader for longer than is promised.",
            what: format!(
                "none of them led and nobody was elected, in {} elections",
                self.observed.turns.campaigns(span)
            ),
            bound_ns: bounds.leader_ns,
        })
    }

    fn in_office(&self, history: &History, nodes: &[u64], bounds: &Bounds) -> Option<Broken> {
        let bound_ns = bounds.in_office_ns?;
        let span = (self.stretch.from_ns, self.stretch.to_ns);
        let (led, reign) = self.observed.turns.longest_reign(nodes, span)?;
        let is_broken = self.is_longer(reign, bound_ns) && begun(history, reign) >= ASKED_MIN;
        is_broken.then(|| Broken {
            anomaly: "no-service",
            headline: "A leader in office, in reach of a majority, served nobody for longer than is promised.",
            what: format!(
                "n{} was in office as the leader of term {} for {} of it, and no operation succeeded",
                led.node,
                led.term,
                seconds(reign.1 - reign.0)
            ),
            bound_ns,
        })
    }

    fn nobody_served(&self, bounds: &Bounds) -> Option<Broken> {
        let span = (self.stretch.from_ns, self.stretch.to_ns);
        self.is_longer(span, bounds.service_ns).then(|| Broken {
            anomaly: "no-service",
            headline: "A healthy majority served nobody for longer than is promised.",
            what: format!(
                "no operation succeeded ({} elections were begun)",
                self.observed.turns.campaigns(span)
            ),
            bound_ns: bounds.service_ns,
        })
    }

    /// One that breaks no promise, and is too long for a pass to mean something.
    pub(super) fn later(&self, expected_ns: u64) -> Option<Finding> {
        if self.stretch.length_ns() <= expected_ns {
            return None;
        }
        Some(Finding {
            anomaly: "too-little-service".to_owned(),
            headline: "A majority that could work served nobody for longer than is expected."
                .to_owned(),
            explanation: format!(
                "{} {} ran, were struck by no fault and reached each other for {}, and no operation succeeded; {} \
                 is expected. A busy machine may be the reason, so this breaks no promise.{}",
                self.ending(),
                self.names().join(", "),
                seconds(self.stretch.length_ns()),
                seconds(expected_ns),
                self.leaders(),
            ),
            ..self.placed()
        })
    }

    fn told(&self, broken: &Broken) -> Finding {
        let stalled = match self.stalled_ns {
            0 => String::new(),
            stalled_ns => {
                format!(" beside the {} in which the clients stood still too", seconds(stalled_ns))
            }
        };
        Finding {
            anomaly: broken.anomaly.to_owned(),
            headline: broken.headline.to_owned(),
            explanation: format!(
                "{} {}{} ran, were struck by no fault and reached each other for {}, and {}; {} is allowed{stalled}.{}",
                self.ending(),
                self.lead(),
                self.names().join(", "),
                seconds(self.stretch.length_ns()),
                broken.what,
                seconds(broken.bound_ns),
                self.leaders(),
            ),
            ..self.placed()
        }
    }

    /// Where it is: service ended at its beginning.
    fn placed(&self) -> Finding {
        Finding {
            at_ns: Some(self.gap.0),
            until_ns: Some(self.gap.1),
            nodes: self.names(),
            ..Finding::default()
        }
    }

    fn names(&self) -> Vec<String> {
        self.stretch.nodes().map(|node| format!("n{node}")).collect()
    }

    /// How long after service ended a majority could work.
    fn lead(&self) -> String {
        match self.stretch.from_ns - self.gap.0 {
            0 => String::new(),
            later_ns => format!("From {} after that on ", seconds(later_ns)),
        }
    }

    /// When service ended and came back, and what was in force then.
    fn ending(&self) -> String {
        let (from_ns, to_ns) = self.gap;
        let began = match self.is_ended {
            true => "The last operation to succeed ended here",
            false => "Clients began to ask here and nothing had succeeded before",
        };
        let back = match self.is_over {
            true => format!("the next one to succeed ended {} later", seconds(to_ns - from_ns)),
            false => format!(
                "none succeeded in the {} until the clients stopped",
                seconds(to_ns - from_ns)
            ),
        };
        format!("{began}; {back}. {}", in_force(self.observed.faults, from_ns))
    }

    /// Who led meanwhile; nothing where no trace tells.
    fn leaders(&self) -> String {
        let led = &self.observed.turns.led;
        let (from_ns, to_ns) = self.gap;
        let ends = |end_ns: Option<u64>| end_ns.is_none_or(|end_ns| end_ns > from_ns);
        let mut own: Vec<_> =
            led.iter().filter(|one| one.from_ns < to_ns && ends(one.to_ns)).collect();
        own.sort_by_key(|one| one.from_ns);
        if led.is_empty() {
            return String::new();
        }
        if own.is_empty() {
            return " Nobody led meanwhile.".to_owned();
        }
        let when = |from: u64, to: Option<u64>| {
            let begin = from.saturating_sub(from_ns);
            let end = to.filter(|end| *end < to_ns).map(|end| end - from_ns);
            match (begin, end) {
                (0, None) => "throughout".to_owned(),
                (0, Some(end)) => format!("for the first {}", seconds(end)),
                (begin, None) => format!("from {} on", seconds(begin)),
                (begin, Some(end)) => format!("from {} to {}", seconds(begin), seconds(end)),
            }
        };
        let shown = own.iter().take(LEADERS_MAX);
        let mut told: Vec<String> = shown
            .map(|one| {
                format!("n{} led term {} {}", one.node, one.term, when(one.from_ns, one.to_ns))
            })
            .collect();
        if own.len() > LEADERS_MAX {
            told.push(format!("{} more were elected", own.len() - LEADERS_MAX));
        }
        format!(" Meanwhile {}.", told.join(", "))
    }
}

/// The faults in force at a moment, else the one that was healed last before it.
fn in_force(faults: &[FaultRecord], at_ns: u64) -> String {
    let name = |fault: &FaultRecord| {
        let nodes = match fault.nodes.is_empty() {
            true => String::new(),
            false => format!(": {}", fault.nodes.join(", ")),
        };
        format!("fault {} ({}{nodes})", fault.id, fault.name)
    };
    let begun: Vec<(&FaultRecord, u64)> = faults
        .iter()
        .filter(|fault| !matches!(fault.status, FaultStatus::Skipped { .. }))
        .filter_map(|fault| Some((fault, fault.started_at_ns.or(fault.effective_at_ns)?)))
        .filter(|(_, began_ns)| *began_ns <= at_ns)
        .collect();
    let in_force: Vec<String> = begun
        .iter()
        .filter(|(fault, _)| fault.healed_at_ns.is_none_or(|healed_ns| healed_ns > at_ns))
        .map(|(fault, _)| name(fault))
        .collect();
    if !in_force.is_empty() {
        return format!("In force then: {}.", in_force.join(", "));
    }
    let healed = begun.iter().filter_map(|(fault, _)| Some((fault, fault.healed_at_ns?)));
    match healed.max_by_key(|(_, healed_ns)| *healed_ns) {
        Some((fault, healed_ns)) if at_ns - healed_ns <= REACH_NS => format!(
            "No fault was in force then; {} had been healed {} before.",
            name(fault),
            seconds(at_ns - healed_ns)
        ),
        _ => "No fault was in force then.".to_owned(),
    }
}
