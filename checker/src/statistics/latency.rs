//! Latency percentiles, exact: the values are all in memory anyway.

use serde::{Deserialize, Serialize};

/// Percentiles of a set of latencies, nanoseconds; all zero where there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Latency {
    /// The percentiles by the nearest-rank method: the smallest value that at least that share of
    /// all values does not exceed.
    pub(super) fn of(mut values: Vec<u64>) -> Latency {
        if values.is_empty() {
            return Latency::default();
        }
        let count = values.len();
        let mut at = |percent: usize| {
            let rank = (count * percent).div_ceil(100).max(1);
            *values.select_nth_unstable(rank - 1).1
        };
        Latency { p50_ns: at(50), p99_ns: at(99), max_ns: at(100), count: count as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latency = Latency::of((1..=100).rev().collect());
        assert_eq!(latency, Latency { count: 100, p50_ns: 50, p99_ns: 99, max_ns: 100 });
        assert_eq!(Latency::of(vec![7]), Latency { count: 1, p50_ns: 7, p99_ns: 7, max_ns: 7 });
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
