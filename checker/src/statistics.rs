//! Key figures of a run: counts, latencies, availability, outages, elections and failovers.
//!
//! Pure functions over a [`Recording`]. Figures describe; they never decide: a verdict comes from
//! the checks alone. Every figure a reader could doubt has its definition on the field that holds
//! it, and reports print that definition beside the number.

mod availability;
mod failover;
mod latency;
mod recording;
mod roles;

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use availability::{AVAILABILITY_GAP_NS, Availability, Outage};
pub use failover::{Elections, Failover};
pub use latency::Latency;
pub use recording::{Operation, Outcome, Recording};
pub use roles::{NodeRoles, Span, State};

use crate::fault::{FaultRecord, FaultStatus, Scope};
use availability::OkTimes;

/// The figures of one run. Times are CLOCK_MONOTONIC nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// When the recording begins and ends.
    pub span_ns: (u64, u64),
    /// Client operations by outcome.
    pub operations: Counts,
    /// The same by function, in order of first use.
    pub functions: Vec<FunctionStatistics>,
    /// The same by phase.
    pub phases: Vec<PhaseStatistics>,
    /// Distinct keys.
    pub keys: u64,
    /// Distinct client processes. A client whose operation ended unknown goes on as a new process.
    pub processes: u64,
    /// Latency of ok operations.
    pub latency: Latency,
    /// Latency of ok operations that overlapped no fault.
    pub latency_without_fault: Latency,
    /// Ok operations a second over the time under load.
    pub rate_per_s: f64,
    /// Share of the time under load that was served; `None` without ok operations.
    pub availability: Option<Availability>,
    /// The longest time under load without an ok completion.
    pub longest_outage: Option<Outage>,
    /// Elections won and lost.
    pub elections: Elections,
    /// Each loss of a leader and what followed.
    pub failovers: Vec<Failover>,
    /// What each fault did to clients, by number.
    pub faults: Vec<FaultStatistics>,
    /// Role, term and state of every node over time.
    pub nodes: Vec<NodeRoles>,
    /// What was missing or could not be read.
    pub remarks: Vec<String>,
}

/// Operations by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Took effect.
    pub ok: u64,
    /// Took no effect.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.ok + self.fail + self.info
    }

    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Info => self.info += 1,
        }
    }
}

/// The figures of one kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionStatistics {
    /// `read`, `write`, `cas`, ….
    pub function: String,
    /// By outcome.
    pub counts: Counts,
    /// Of ok operations.
    pub latency: Latency,
}

/// The figures of one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseStatistics {
    /// `warm-up`, `faults`, ….
    pub name: String,
    /// Its beginning.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Operations that began in it.
    pub counts: Counts,
}

/// What a fault did to clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultStatistics {
    /// The fault's number.
    pub id: u32,
    /// Its family.
    pub kind: String,
    /// What it acts on.
    #[serde(default)]
    pub scope: Scope,
    /// What exactly.
    pub name: String,
    /// The nodes struck.
    pub nodes: Vec<String>,
    /// When it was in force from; `None`: it never was.
    pub start_ns: Option<u64>,
    /// When it was lifted; the end of the recording where nobody saw that.
    pub end_ns: Option<u64>,
    /// Whether an effect was observed.
    pub effective: bool,
    /// The longest time between two ok completions that overlaps it.
    pub longest_gap_ns: Option<u64>,
    /// From its end to the next ok completion.
    pub first_ok_after_heal_ns: Option<u64>,
    /// Elections won while it was in force or within a second after.
    pub elections_won: u64,
}

impl Statistics {
    /// Reads whatever files a run folder holds and computes its figures.
    pub fn of_run(folder: &Path) -> io::Result<Statistics> {
        Ok(Statistics::of_recording(&Recording::read(folder)?))
    }

    /// Computes the figures of a recording.
    pub fn of_recording(recording: &Recording) -> Statistics {
        let nodes = roles::of_recording(recording);
        let reigns = roles::reigns(&nodes);
        let ok_times = OkTimes::of_recording(recording);
        let mut operations = Counts::default();
        for operation in &recording.operations {
            operations.add(operation.outcome);
        }
        let mut processes: Vec<u64> =
            recording.operations.iter().map(|operation| operation.process).collect();
        processes.sort_unstable();
        processes.dedup();
        Statistics {
            span_ns: (recording.first_ns, recording.last_ns),
            operations,
            functions: by_function(recording),
            phases: by_phase(recording),
            keys: recording.keys.len() as u64,
            processes: processes.len() as u64,
            latency: Latency::of(ok_latencies(recording, |_| true)),
            latency_without_fault: latency_without_fault(recording),
            rate_per_s: ok_times.rate_per_s(),
            availability: ok_times.availability(),
            longest_outage: ok_times.longest_outage(&recording.faults),
            elections: failover::elections(recording, &reigns),
            failovers: failover::failovers(recording, &reigns, &ok_times),
            faults: recording
                .faults
                .iter()
                .map(|fault| of_fault(fault, recording, &reigns, &ok_times))
                .collect(),
            nodes,
            remarks: recording.remarks.clone(),
        }
    }

    /// The median time from losing a leader to electing the next, nanoseconds.
    pub fn median_failover_ns(&self) -> Option<u64> {
        let failovers = self.failovers.iter();
        let mut times: Vec<u64> = failovers.map(|failover| failover.elected_after_ns).collect();
        times.sort_unstable();
        times.get(times.len().checked_sub(1)? / 2).copied()
    }

    /// How many faults were seen to have an effect.
    pub fn effective_faults(&self) -> usize {
        self.faults.iter().filter(|fault| fault.effective).count()
    }
}

/// The time a fault was in force; `None` when it never was.
pub fn fault_span(fault: &FaultRecord, last_ns: u64) -> Option<(u64, u64)> {
    if matches!(fault.status, FaultStatus::Skipped { .. }) {
        return None;
    }
    let start = fault.effective_at_ns.or(fault.started_at_ns)?;
    Some((start, fault.healed_at_ns.unwrap_or(last_ns).max(start)))
}

fn ok_latencies(recording: &Recording, keep: impl Fn(&Operation) -> bool) -> Vec<u64> {
    recording
        .operations
        .iter()
        .filter(|operation| operation.outcome == Outcome::Ok && keep(operation))
        .filter_map(Operation::latency_ns)
        .collect()
}

fn latency_without_fault(recording: &Recording) -> Latency {
    let spans: Vec<(u64, u64)> =
        recording.faults.iter().filter_map(|fault| fault_span(fault, recording.last_ns)).collect();
    Latency::of(ok_latencies(recording, |operation| {
        let end = operation.completed_at_ns.unwrap_or(u64::MAX);
        spans.iter().all(|(from, to)| end < *from || operation.invoked_at_ns > *to)
    }))
}

fn by_function(recording: &Recording) -> Vec<FunctionStatistics> {
    let mut counts = vec![Counts::default(); recording.functions.len()];
    let mut latencies = vec![Vec::new(); recording.functions.len()];
    for operation in &recording.operations {
        let index = usize::from(operation.function);
        counts[index].add(operation.outcome);
        if operation.outcome == Outcome::Ok {
            latencies[index].extend(operation.latency_ns());
        }
    }
    let figures = counts.into_iter().zip(latencies.into_iter().map(Latency::of));
    recording
        .functions
        .iter()
        .zip(figures)
        .map(|(function, (counts, latency))| FunctionStatistics {
            function: function.clone(),
            counts,
            latency,
        })
        .collect()
}

fn by_phase(recording: &Recording) -> Vec<PhaseStatistics> {
    let ends = recording.phases.iter().skip(1).map(|phase| phase.1).chain([recording.last_ns]);
    recording
        .phases
        .iter()
        .zip(ends)
        .map(|((name, start_ns), end_ns)| {
            let from = recording.operations.partition_point(|one| one.invoked_at_ns < *start_ns);
            let to = recording.operations.partition_point(|one| one.invoked_at_ns < end_ns);
            let mut counts = Counts::default();
            for operation in &recording.operations[from..to.max(from)] {
                counts.add(operation.outcome);
            }
            PhaseStatistics { name: name.clone(), start_ns: *start_ns, end_ns, counts }
        })
        .collect()
}

fn of_fault(
    fault: &FaultRecord,
    recording: &Recording,
    reigns: &[roles::Reign],
    ok_times: &OkTimes,
) -> FaultStatistics {
    /// An election that a fault set off may end after it; a longer allowance would count the next.
    const ELECTION_ALLOWANCE_NS: u64 = 1_000_000_000;
    let span = fault_span(fault, recording.last_ns);
    let elections_won = span.map_or(0, |(from, to)| {
        let near = from..to + ELECTION_ALLOWANCE_NS;
        reigns.iter().filter(|reign| near.contains(&reign.start_ns)).count() as u64
    });
    FaultStatistics {
        id: fault.id,
        kind: fault.kind.clone(),
        scope: fault.scope(),
        name: fault.name.clone(),
        nodes: fault.nodes.clone(),
        start_ns: span.map(|span| span.0),
        end_ns: span.map(|span| span.1),
        effective: fault.effective,
        longest_gap_ns: span.and_then(|(from, to)| ok_times.longest_gap(from, to)),
        first_ok_after_heal_ns: fault
            .healed_at_ns
            .filter(|_| span.is_some())
            .and_then(|healed| ok_times.next_after(healed).map(|time| time - healed)),
        elections_won,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const S: u64 = 1_000_000_000;

    pub(super) fn operation(at_ns: u64, latency_ns: u64, outcome: Outcome) -> Operation {
        Operation {
            process: 0,
            invoked_at_ns: at_ns,
            completed_at_ns: Some(at_ns + latency_ns),
            key: None,
            function: 0,
            node: None,
            outcome,
        }
    }

    pub(super) fn fault(id: u32, kind: &str, node: &str, from_s: u64, to_s: u64) -> FaultRecord {
        FaultRecord {
            id,
            kind: kind.to_owned(),
            scope: None,
            name: format!("{kind} {node}"),
            target: "leader".to_owned(),
            nodes: vec![node.to_owned()],
            detail: node.to_owned(),
            planned_at_ns: from_s * S,
            started_at_ns: Some(from_s * S),
            effective_at_ns: Some(from_s * S),
            healed_at_ns: Some(to_s * S),
            status: FaultStatus::Installed,
            effects: vec!["seen".to_owned()],
            effective: true,
            leader_hit: Some(true),
        }
    }

    /// One ok operation every 100 ms for 20 s, none from 5 s to 8 s, where a fault is in force.
    fn recording() -> Recording {
        let times =
            (0..200u64).map(|step| step * S / 10).filter(|time| !(5 * S..8 * S).contains(time));
        let mut operations: Vec<Operation> =
            times.map(|time| operation(time, 1_000_000, Outcome::Ok)).collect();
        operations.push(operation(6 * S, 900_000_000, Outcome::Info));
        operations.push(operation(9 * S, 2_000_000, Outcome::Fail));
        operations.sort_by_key(|operation| operation.invoked_at_ns);
        Recording {
            operations,
            functions: vec!["read".to_owned()],
            phases: vec![("warm-up".to_owned(), 0), ("faults".to_owned(), 4 * S)],
            faults: vec![fault(1, "kill", "n1", 5, 7), fault(2, "pause", "n2", 15, 16)],
            last_ns: 20 * S,
            ..Recording::default()
        }
    }

    #[test]
    fn counts_and_phases_add_up() {
        let statistics = Statistics::of_recording(&recording());
        assert_eq!(statistics.operations, Counts { ok: 170, fail: 1, info: 1 });
        assert_eq!(statistics.phases[0].counts.total(), 40);
        assert_eq!(statistics.phases[1].counts.total(), 132);
        assert_eq!(statistics.functions[0].counts, statistics.operations);
    }

    #[test]
    fn the_gap_belongs_to_the_fault_in_force() {
        let statistics = Statistics::of_recording(&recording());
        let gap = statistics.faults[0].longest_gap_ns.unwrap();
        assert!((3 * S..3 * S + S / 5).contains(&gap), "gap {gap}");
        assert_eq!(statistics.faults[0].first_ok_after_heal_ns, Some(S + 1_000_000));
        assert!(statistics.faults[1].longest_gap_ns.unwrap() < S / 5);
        let outage = statistics.longest_outage.unwrap();
        assert_eq!(outage.faults, [1]);
        assert_eq!(outage.end_ns - outage.start_ns, gap);
    }

    #[test]
    fn a_skipped_fault_has_no_span() {
        let mut skipped = fault(1, "kill", "n1", 5, 7);
        skipped.status = FaultStatus::Skipped { reason: "no leader".to_owned() };
        assert_eq!(fault_span(&skipped, 9), None);
    }

    #[test]
    fn an_empty_recording_has_no_figures() {
        let statistics = Statistics::of_recording(&Recording::default());
        assert_eq!(statistics.operations.total(), 0);
        assert_eq!(statistics.availability, None);
        assert_eq!(statistics.longest_outage, None);
    }
}
