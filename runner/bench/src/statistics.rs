//! The arithmetic of benchmarks: quantiles, spreads over rounds, ratios, and the order of rounds.
//!
//! Plain functions over values; nothing here reads a clock or talks to anything.

use serde::Serialize;

use super::Contender;

/// What a handful of samples looked like, by nearest rank: each figure is a sample that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Distribution {
    pub(super) samples: usize,
    pub(super) min: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) max: f64,
}

impl Distribution {
    /// None for no samples: a distribution of nothing has no median.
    pub(super) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Distribution> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Distribution {
            samples: sorted.len(),
            min,
            p50: nearest_rank(&sorted, 0.5),
            p90: nearest_rank(&sorted, 0.9),
            max,
        })
    }
}

/// The smallest sample that at least `quantile` of all samples do not exceed.
fn nearest_rank(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// One figure over several rounds: the middle, and how far rounds were apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// None for no rounds. An even number of rounds has the mean of its two middle ones as median.
    pub(super) fn of(rounds: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = rounds.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Spread { median, min, max })
    }

    /// Of `numerators[i] / denominators[i]`: rounds are compared with their neighbours in time, so that
    /// a machine that became slower half-way moves both sides alike.
    pub(super) fn of_ratios(numerators: &[f64], denominators: &[f64]) -> Option<Spread> {
        let pairs = numerators.iter().zip(denominators);
        Spread::of(
            pairs
                .filter(|(_, denominator)| **denominator > 0.0)
                .map(|(numerator, denominator)| numerator / denominator),
        )
    }
}

/// Who runs when: A B, B A, A B, … so that neither side always runs first on a machine that warms up,
/// fills its disk or is used by others for a while.
pub(super) fn interleave(contenders: &[Contender], rounds: usize) -> Vec<Contender> {
    let mut order = Vec::with_capacity(contenders.len() * rounds);
    for round in 0..rounds {
        if round % 2 == 0 {
            order.extend(contenders.iter().copied());
        } else {
            order.extend(contenders.iter().rev().copied());
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::Contender::{Bundled, Etcd};
    use super::*;

    #[test]
    fn quantiles_are_samples_by_nearest_rank() {
        let fifteen = Distribution::of((1..=15).rev().map(f64::from)).unwrap();
        assert_eq!(fifteen, Distribution { samples: 15, min: 1.0, p50: 8.0, p90: 14.0, max: 15.0 });
        let one = Distribution::of([7.5]).unwrap();
        assert_eq!(one, Distribution { samples: 1, min: 7.5, p50: 7.5, p90: 7.5, max: 7.5 });
        assert_eq!(Distribution::of([]), None);
    }

    #[test]
    fn a_spread_has_the_middle_round_and_both_ends() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_pair_rounds_by_number_and_skip_what_cannot_be_divided() {
        let spread = Spread::of_ratios(&[20.0, 30.0, 9.0], &[10.0, 10.0, 0.0]);
        assert_eq!(spread, Some(Spread { median: 2.5, min: 2.0, max: 3.0 }));
        assert_eq!(Spread::of_ratios(&[], &[]), None);
    }

    #[test]
    fn rounds_alternate_who_runs_first() {
        assert_eq!(interleave(&[Bundled, Etcd], 3), [Bundled, Etcd, Etcd, Bundled, Bundled, Etcd]);
        assert_eq!(interleave(&[Etcd], 2), [Etcd, Etcd]);
    }
}
