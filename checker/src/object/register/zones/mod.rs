//! Registers whose observed values were each written once: decided exactly in O(n log n).
//!
//! # The idea
//!
//! If every value that somebody saw has one writer, a history says by itself what must be
//! next to what. Put each writer together with the reads of its value: a *cluster*. In any valid order a
//! cluster's operations stand together, writer first, because after another write its value never comes
//! back. A successful cas from u to v ends cluster u and begins cluster v with nothing in
//! between, so clusters linked by cas stand together too: a maximal chain is a *block*, and the
//! order inside it is given, up to the reads of one value, which may stand in any order.
//!
//! # Proof sketch
//!
//! An order is valid if blocks are contiguous and no operation stands before one that returned
//! before it was invoked.
//!
//! - *Inside a block.* Walk it in its given order with the greatest invocation so far. An operation that
//!   returned before that one began contradicts the only possible order; if there is none, reads sorted by
//!   invocation give a valid inner order.
//! - *Between blocks.* Let `f` be a block's first return and `s` its last invocation. Some operation of
//!   A returned before some operation of B began exactly if `f(A) < s(B)`; then A must stand before B as
//!   a whole. So two blocks with `f(A) < s(B)` and `f(B) < s(A)` contradict each other.
//! - *Pairs suffice.* Take a shortest cycle of "must stand before". For A before B and C before D we have
//!   `f(A) < s(B)` and `f(C) < s(D)`; if `f(A) ≥ s(D)` then `f(C) < s(D) ≤ f(A) < s(B)`. So A is before
//!   D or C is before B, which cuts any cycle of three or more short.
//!
//! Call a block *forward* if `f < s`: its value was surely held during `[f, s]`. Otherwise it is *backward*:
//! it fits into any one instant of `[s, f]`. Two blocks contradict each other exactly if two forward zones
//! overlap or a backward one lies inside a forward one. Sorting by the lower end and one sweep finds it.
//!
//! - *Indeterminate operations* return at infinity. If nobody saw the value, leaving the operation out is
//!   always possible; if somebody did (directly, or through a cas that took effect), it took effect.
//! - *A rejected cas that says what it saw* is a read. One that does not ("the value was not u") is
//!   handled in [`negative`]: often proven, sometimes refuted, else left to the search.
//! - *Values that nobody saw* may be written as often as one likes: each writer is a cluster of its own.
//!
//! Sources: Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997 (zones and the
//! read mapping, Theorem 4.13 for chains); Fan and Golab, "Analyzing linearizability violations in the
//! presence of read-modify-write operations", IPL 2018 (the same question; known to us by its abstract).

mod clusters;
mod negative;
mod reorder;
mod sweep;

use super::call::Call;

pub(crate) use clusters::Clusters;

/// Marks "no call": the virtual write of the initial state.
pub(crate) const NO_CALL: u32 = u32::MAX;

/// What the zones say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is a valid order.
    Linearizable,
    /// There is none, and these calls say why.
    Violation(Conflict),
    /// An observed value has several writers, or a negative read could not be settled: search.
    Unsettled,
}

/// Calls that contradict each other. Their values' writers are implied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// Indices of calls; ascending, without duplicates.
    pub(crate) calls: Vec<u32>,
}

impl Conflict {
    fn of(calls: impl IntoIterator<Item = u32>) -> Conflict {
        let mut calls: Vec<u32> = calls.into_iter().filter(|&call| call != NO_CALL).collect();
        calls.sort_unstable();
        calls.dedup();
        Conflict { calls }
    }
}

/// Memory that one worker uses again for each key.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    clusters: Clusters,
    zones: Vec<sweep::Zone>,
    order: Vec<u64>,
}

/// Decides a key. `calls` are ordered by invocation.
pub(crate) fn decide(calls: &[Call], scratch: &mut Scratch) -> Answer {
    let Scratch { clusters, zones, order } = scratch;
    match clusters.build(calls) {
        Ok(clusters::Built::Unique) => {}
        Ok(clusters::Built::Ambiguous) => return Answer::Unsettled,
        Err(conflict) => return Answer::Violation(conflict),
    }
    clusters.free_values();
    if let Err(conflict) = sweep::blocks(calls, clusters, zones) {
        return Answer::Violation(conflict);
    }
    if let Err(conflict) = sweep::sweep(zones, order) {
        return Answer::Violation(conflict);
    }
    if clusters.negatives.is_empty() {
        return Answer::Linearizable;
    }
    negative::settle(calls, clusters, zones)
}

#[cfg(test)]
mod tests;
