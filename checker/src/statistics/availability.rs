//! When clients were served: ok completions over time, and the gaps between them.

use serde::{Deserialize, Serialize};

use super::fault_span;
use super::recording::{Outcome, Recording};
use crate::fault::FaultRecord;

/// A gap between two ok completions longer than this counts as time not served. Half a second is
/// the shortest election time-out pair of the bundled server and well above its ordinary latency.
pub const AVAILABILITY_GAP_NS: u64 = 500_000_000;

/// Share of the time under load that was served.
///
/// Time under load runs from the beginning of the warm-up (the first invocation, where phases are
/// not recorded) to the beginning of the final reads (the last completion). All of a gap between
/// two ok completions longer than `gap_limit_ns` counts as not served.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// 0 to 1.
    pub share: f64,
    /// [`AVAILABILITY_GAP_NS`], repeated for readers of the file.
    pub gap_limit_ns: u64,
    /// The time under load: its beginning.
    pub from_ns: u64,
    /// The time under load: its end.
    pub to_ns: u64,
}

/// A time without an ok completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// The last ok completion before it.
    pub start_ns: u64,
    /// The first ok completion after it.
    pub end_ns: u64,
    /// Faults in force during any part of it, by number.
    pub faults: Vec<u32>,
}

/// The times of ok completions, sorted, and the time under load.
pub(super) struct OkTimes {
    times: Vec<u64>,
    from_ns: u64,
    to_ns: u64,
}

impl OkTimes {
    pub(super) fn of_recording(recording: &Recording) -> OkTimes {
        let mut times: Vec<u64> = recording
            .operations
            .iter()
            .filter(|operation| operation.outcome == Outcome::Ok)
            .filter_map(|operation| operation.completed_at_ns)
            .collect();
        times.sort_unstable();
        let phase = |wanted: &str| {
            recording.phases.iter().find(|(name, _)| name.starts_with(wanted)).map(|phase| phase.1)
        };
        let first = recording.operations.first().map_or(0, |operation| operation.invoked_at_ns);
        let last = recording
            .operations
            .iter()
            .filter_map(|operation| operation.completed_at_ns)
            .max()
            .unwrap_or(first);
        let to_ns = phase("final").or_else(|| phase("quiesce")).unwrap_or(last);
        OkTimes { times, from_ns: phase("warm-up").unwrap_or(first), to_ns }
    }

    /// The first ok completion at or after a time.
    pub(super) fn next_after(&self, time_ns: u64) -> Option<u64> {
        self.times.get(self.times.partition_point(|time| *time < time_ns)).copied()
    }

    /// Gaps within the time under load, its edges taken as completions.
    fn gaps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let inside =
            self.times.iter().copied().filter(|time| (self.from_ns..self.to_ns).contains(time));
        let ends = inside.chain([self.to_ns]);
        let mut last = self.from_ns;
        ends.map(move |time| {
            let gap = (last, time.max(last));
            last = gap.1;
            gap
        })
    }

    pub(super) fn rate_per_s(&self) -> f64 {
        let seconds = self.to_ns.saturating_sub(self.from_ns) as f64 / 1e9;
        let inside =
            self.times.iter().filter(|time| (self.from_ns..self.to_ns).contains(*time)).count();
        if seconds > 0.0 { inside as f64 / seconds } else { 0.0 }
    }

    pub(super) fn availability(&self) -> Option<Availability> {
        if self.times.is_empty() || self.to_ns <= self.from_ns {
            return None;
        }
        let lost: u64 =
            self.gaps().map(|(from, to)| to - from).filter(|gap| *gap > AVAILABILITY_GAP_NS).sum();
        Some(Availability {
            share: 1.0 - lost as f64 / (self.to_ns - self.from_ns) as f64,
            gap_limit_ns: AVAILABILITY_GAP_NS,
            from_ns: self.from_ns,
            to_ns: self.to_ns,
        })
    }

    pub(super) fn longest_outage(&self, faults: &[FaultRecord]) -> Option<Outage> {
        if self.times.is_empty() {
            return None;
        }
        let (start_ns, end_ns) = self.gaps().max_by_key(|(from, to)| to - from)?;
        let in_force = faults.iter().filter(|fault| {
            fault_span(fault, self.to_ns).is_some_and(|(from, to)| from < end_ns && to > start_ns)
        });
        Some(Outage { start_ns, end_ns, faults: in_force.map(|fault| fault.id).collect() })
    }

    /// The longest gap that overlaps `from..to`.
    pub(super) fn longest_gap(&self, from_ns: u64, to_ns: u64) -> Option<u64> {
        self.gaps()
            .filter(|(start, end)| *start < to_ns && *end > from_ns)
            .map(|(start, end)| end - start)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{S, operation};
    use super::*;

    fn ok_times(seconds: &[u64]) -> OkTimes {
        let operations =
            seconds.iter().map(|at| operation(at * S / 10, 0, Outcome::Ok)).collect::<Vec<_>>();
        let phases = vec![("warm-up".to_owned(), 0), ("final reads".to_owned(), 2 * S)];
        OkTimes::of_recording(&Recording { operations, phases, ..Recording::default() })
    }

    #[test]
    fn a_long_gap_counts_whole_and_a_short_one_not_at_all() {
        // Tenths of a second: gaps of 0.4, 0.4, 0.8 and 0.4 s up to the end at 2 s.
        let available = ok_times(&[4, 8, 16]).availability().unwrap();
        assert!((available.share - 0.6).abs() < 1e-9, "share {}", available.share);
    }

    #[test]
    fn silence_to_the_end_is_an_outage() {
        let outage = ok_times(&[1, 2]).longest_outage(&[]).unwrap();
        assert_eq!((outage.start_ns, outage.end_ns), (S / 5, 2 * S));
    }

    #[test]
    fn completions_after_the_load_do_not_count() {
        assert!((ok_times(&[1, 2, 25]).rate_per_s() - 1.0).abs() < 1e-9);
    }
}
