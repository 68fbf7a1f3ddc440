//! The figures that objectives name, and the units they have.

use std::fmt::Write;

use crate::statistics::Statistics;

/// A figure of a run. Each is read from [`Statistics`], where its definition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// From the loss of a leader to the election of the next one: the median.
    FailoverP50,
    /// The same: the 95th percentile, nearest rank.
    FailoverP95,
    /// The same: the longest.
    FailoverMax,
    /// Share of the time under load that was served.
    Served,
    /// The longest time under load without an ok completion.
    LongestOutage,
    /// Latency of ok operations: the median.
    P50,
    /// The same: the 99th percentile.
    P99,
    /// The same: the longest.
    LatencyMax,
    /// Latency of ok operations that overlapped no fault: the median.
    P50WithoutFault,
    /// The same: the 99th percentile.
    P99WithoutFault,
    /// Ok operations.
    OperationsOk,
    /// Operations of which nobody knows whether they took effect.
    OperationsUnknown,
    /// Ok operations a second, over the time under load.
    OkPerSecond,
    /// Elections won.
    Elections,
}

/// What values a figure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, written with `us`, `ms`, `s` or `m`.
    Time,
    /// Percent, written with `%`.
    Share,
    /// A number without a unit.
    Plain,
}

impl Figure {
    /// Every figure, in the order of the documentation.
    pub const ALL: [Figure; 14] = [
        Figure::FailoverP50,
        Figure::FailoverP95,
        Figure::FailoverMax,
        Figure::Served,
        Figure::LongestOutage,
        Figure::P50,
        Figure::P99,
        Figure::LatencyMax,
        Figure::P50WithoutFault,
        Figure::P99WithoutFault,
        Figure::OperationsOk,
        Figure::OperationsUnknown,
        Figure::OkPerSecond,
        Figure::Elections,
    ];

    /// The name in objectives.
    pub fn name(self) -> &'static str {
        match self {
            Figure::FailoverP50 => "failover_p50",
            Figure::FailoverP95 => "failover_p95",
            Figure::FailoverMax => "failover_max",
            Figure::Served => "served",
            Figure::LongestOutage => "longest_outage",
            Figure::P50 => "p50",
            Figure::P99 => "p99",
            Figure::LatencyMax => "latency_max",
            Figure::P50WithoutFault => "p50_without_fault",
            Figure::P99WithoutFault => "p99_without_fault",
            Figure::OperationsOk => "operations_ok",
            Figure::OperationsUnknown => "operations_unknown",
            Figure::OkPerSecond => "ok_per_s",
            Figure::Elections => "elections",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Figure> {
        Figure::ALL.into_iter().find(|figure| figure.name() == name)
    }

    pub(super) fn names() -> String {
        Figure::ALL.map(Figure::name).join(", ")
    }

    /// What its values are.
    pub fn unit(self) -> Unit {
        match self {
            Figure::FailoverP50
            | Figure::FailoverP95
            | Figure::FailoverMax
            | Figure::LongestOutage
            | Figure::P50
            | Figure::P99
            | Figure::LatencyMax
            | Figure::P50WithoutFault
            | Figure::P99WithoutFault => Unit::Time,
            Figure::Served => Unit::Share,
            Figure::OperationsOk
            | Figure::OperationsUnknown
            | Figure::OkPerSecond
            | Figure::Elections => Unit::Plain,
        }
    }

    /// Its value in a run; `None` where nothing happened that has one.
    pub(super) fn of(self, statistics: &Statistics) -> Option<f64> {
        let latency = statistics.latency;
        let quiet = statistics.latency_without_fault;
        let operations = statistics.operations;
        let with = |count: u64, value: u64| (count > 0).then_some(value as f64);
        match self {
            Figure::FailoverP50 => failover(statistics, 50),
            Figure::FailoverP95 => failover(statistics, 95),
            Figure::FailoverMax => failover(statistics, 100),
            Figure::Served => statistics.availability.map(|available| available.share * 100.0),
            Figure::LongestOutage => {
                statistics.longest_outage.as_ref().map(|it| (it.end_ns - it.start_ns) as f64)
            }
            Figure::P50 => with(latency.count, latency.p50_ns),
            Figure::P99 => with(latency.count, latency.p99_ns),
            Figure::LatencyMax => with(latency.count, latency.max_ns),
            Figure::P50WithoutFault => with(quiet.count, quiet.p50_ns),
            Figure::P99WithoutFault => with(quiet.count, quiet.p99_ns),
            Figure::OperationsOk => with(operations.total(), operations.ok),
            Figure::OperationsUnknown => with(operations.total(), operations.info),
            Figure::OkPerSecond => statistics.availability.map(|_| statistics.rate_per_s),
            // Every term was won by somebody: without one nobody was seen to lead.
            Figure::Elections => with(statistics.elections.won, statistics.elections.won),
        }
    }

    /// Why it has no value, where it has none.
    pub(super) fn without(self) -> &'static str {
        match self {
            Figure::FailoverP50 | Figure::FailoverP95 | Figure::FailoverMax => {
                "no leader was lost and replaced"
            }
            Figure::Served | Figure::LongestOutage | Figure::OkPerSecond => {
                "no operation succeeded under load"
            }
            Figure::P50 | Figure::P99 | Figure::LatencyMax => "no operation succeeded",
            Figure::P50WithoutFault | Figure::P99WithoutFault => {
                "no operation succeeded while no fault was in force"
            }
            Figure::OperationsOk | Figure::OperationsUnknown => "no operation was begun",
            Figure::Elections => "nobody was seen to be elected",
        }
    }
}

/// A percentile of the failovers, by the nearest-rank method.
fn failover(statistics: &Statistics, percent: usize) -> Option<f64> {
    let mut times: Vec<u64> =
        statistics.failovers.iter().map(|failover| failover.elected_after_ns).collect();
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).map(|time| *time as f64)
}

/// Units of time and their nanoseconds. `m` comes last: others end like it.
const TIMES: [(&str, f64); 4] = [("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9)];

impl Unit {
    pub(super) fn words(self) -> &'static str {
        match self {
            Unit::Time => "time with us, ms, s or m",
            Unit::Share => "share with %, at most 100%",
            Unit::Plain => "number without a unit",
        }
    }

    pub(super) fn example(self) -> &'static str {
        match self {
            Unit::Time => "50ms",
            Unit::Share => "99%",
            Unit::Plain => "1000",
        }
    }

    /// Reads a value; `None` where it is none of this unit.
    pub(super) fn read(self, text: &str) -> Option<f64> {
        match self {
            Unit::Time => {
                let (digits, factor) =
                    TIMES.iter().find_map(|(unit, it)| Some((text.strip_suffix(unit)?, it)))?;
                // Figures are whole nanoseconds: 1.1 s must be as many.
                Some((decimal(digits)? * factor).round())
            }
            Unit::Share => decimal(text.strip_suffix('%')?).filter(|share| *share <= 100.0),
            Unit::Plain => decimal(text),
        }
    }

    /// A value for people, and the number that they then read.
    pub(super) fn write(self, value: f64) -> (f64, String) {
        let (unit, factor) = self.scale(value);
        let rounded = (value / factor * 1e3).round() / 1e3;
        (rounded * factor, format!("{}{unit}", trimmed(rounded, 3)))
    }

    /// A value with all its digits.
    pub(super) fn write_exactly(self, value: f64) -> String {
        let (unit, factor) = self.scale(value);
        let mut text = String::new();
        let _ = write!(text, "{}{unit}", value / factor);
        text
    }

    fn scale(self, value: f64) -> (&'static str, f64) {
        match self {
            Unit::Time if value >= 1e9 => ("s", 1e9),
            Unit::Time if value >= 1e6 => ("ms", 1e6),
            Unit::Time => ("us", 1e3),
            Unit::Share => ("%", 1.0),
            Unit::Plain => ("", 1.0),
        }
    }
}

/// A decimal number without a sign.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let begins_and_ends = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit());
    if !is_plain || !begins_and_ends {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn trimmed(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
