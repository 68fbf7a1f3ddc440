//! "The value was not u": what a rejected cas says that does not tell what it saw.
//!
//! Such an operation belongs to no cluster. Four steps, each sound:
//!
//! 1. u was surely held the whole time: some operation on u had returned before it began and some operation
//!    that needs u began after it returned. Then there is no order.
//! 2. It fits somewhere in the valid order that the zones gave. Then that order, with it, is a proof.
//! 3. It fits nowhere, but the order was one of many: [`super::reorder`] moves a block, and step 2 comes again.
//! 4. Neither: the zones cannot tell, and the search must.
//!
//! Step 2 places each one as early as it can stand; those that returned before it push it back. In a
//! fixed order of the others this greedy choice finds a placement if there is one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::clusters::{Clusters, NO_CLUSTER};
use super::reorder::Moves;
use super::sweep::Zone;
use super::{Answer, Conflict, NO_CALL};
use crate::history::NEVER;
use crate::object::register::call::{Call, Effect, NIL};

/// How often blocks are moved. Each round costs as much as the zones did.
const ROUNDS_MAX: usize = 24;

/// With more negative reads without a place than this, and than one call in so many, moving blocks one by one is
/// not the way.
const HOMELESS_MAX: usize = 256;
const CALLS_PER_HOMELESS_MIN: usize = 1_000;

/// Decides the negative reads of a key whose zones do not contradict each other.
pub(super) fn settle(calls: &[Call], clusters: &Clusters, zones: &[Zone]) -> Answer {
    for &number in &clusters.negatives {
        if let Some(conflict) = forced(calls, clusters, number) {
            return Answer::Violation(conflict);
        }
    }
    match rounds(calls, clusters, zones) {
        Some(_) => Answer::Linearizable,
        None => Answer::Unsettled,
    }
}

/// Steps 2 and 3: how many orders were tried until everything had a place in one; `None` if that never came.
pub(super) fn rounds(calls: &[Call], clusters: &Clusters, zones: &[Zone]) -> Option<usize> {
    let mut moves = Moves::new(calls, clusters, zones);
    for round in 1..=ROUNDS_MAX {
        let blocks = moves.order();
        let is_valid = moves.is_valid(&blocks);
        debug_assert!(is_valid, "a block was moved to where it cannot be: {calls:?}");
        if !is_valid {
            break;
        }
        let homeless = place_all(calls, clusters, &moves.zones, &blocks);
        if homeless.is_empty() {
            return Some(round);
        }
        let homeless_max = HOMELESS_MAX.max(calls.len() / CALLS_PER_HOMELESS_MIN);
        if homeless.len() > homeless_max || !moves.make_room(&homeless, &blocks) {
            break;
        }
    }
    None
}

/// Step 1.
fn forced(calls: &[Call], clusters: &Clusters, number: u32) -> Option<Conflict> {
    let negative = &calls[number as usize];
    let cluster = clusters.of_value(negative.a).map(|place| clusters.all[place as usize])?;
    if !cluster.took_effect {
        return None;
    }
    let (held_by, held_from) = if cluster.writer_returned <= cluster.read_returned {
        (cluster.writer, cluster.writer_returned)
    } else {
        (cluster.first_read, cluster.read_returned)
    };
    let mut needed_by = cluster.last_read;
    let mut needed_at = if needed_by == NO_CALL { 0 } else { cluster.read_invoked };
    if cluster.next != NO_CLUSTER {
        let next = &clusters.all[cluster.next as usize];
        if next.writer_invoked > needed_at {
            (needed_by, needed_at) = (next.writer, next.writer_invoked);
        }
    }
    let is_forced = held_from < negative.invoked && negative.returned < needed_at;
    is_forced.then(|| Conflict::of([number, held_by, needed_by]))
}

/// Step 2: those that fit nowhere.
fn place_all(calls: &[Call], clusters: &Clusters, zones: &[Zone], blocks: &[u32]) -> Vec<u32> {
    let order = Order::new(calls, clusters, zones, blocks);
    let mut homeless = Vec::new();
    // Negative reads placed so far by return; those that returned before the current one began are
    // folded into `floor`.
    let mut placed: BinaryHeap<Reverse<(u32, u32)>> = BinaryHeap::new();
    let mut floor = 0;
    for &number in &clusters.negatives {
        let call = &calls[number as usize];
        while let Some(&Reverse((at, place))) = placed.peek()
            && at < call.invoked
        {
            floor = floor.max(place);
            placed.pop();
        }
        match order.place(call, floor) {
            Some(place) => placed.push(Reverse((call.returned, place))),
            None => homeless.push(number),
        }
    }
    homeless
}

/// The clusters in a valid order, and what real time says about places in it.
struct Order {
    /// Value and writer's invocation of the cluster at each place.
    clusters: Vec<(u32, u32)>,
    /// Calls by return, with the highest place up to each.
    by_return: Vec<(u32, u32)>,
    /// Calls by invocation, with the lowest place from each on.
    by_invocation: Vec<(u32, u32)>,
}

impl Order {
    fn new(calls: &[Call], clusters: &Clusters, zones: &[Zone], blocks: &[u32]) -> Order {
        let order = cluster_order(clusters, zones, blocks);
        let mut rank = vec![u32::MAX; clusters.all.len()];
        for (place, &cluster) in order.iter().enumerate() {
            rank[cluster as usize] = place as u32;
        }
        let ranks = ranks_of_calls(calls, clusters, &rank);
        let ranked = || calls.iter().zip(&ranks).filter(|(_, rank)| **rank != u32::MAX);
        let mut by_return: Vec<(u32, u32)> = ranked()
            .filter(|(call, _)| call.returned != NEVER)
            .map(|(call, &rank)| (call.returned, rank))
            .collect();
        by_return.sort_unstable();
        running(&mut by_return, u32::max);
        let mut by_invocation: Vec<(u32, u32)> =
            ranked().map(|(call, &rank)| (call.invoked, rank)).collect();
        by_invocation.reverse();
        running(&mut by_invocation, u32::min);
        by_invocation.reverse();
        let summary = |cluster: u32| {
            let cluster = &clusters.all[cluster as usize];
            let writer = calls.get(cluster.writer as usize);
            (writer.and_then(Call::leaves).unwrap_or(NIL), cluster.writer_invoked)
        };
        let clusters = order.iter().map(|&cluster| summary(cluster)).collect();
        Order { clusters, by_return, by_invocation }
    }

    /// The first place, from `floor` on, where a call may stand that says "the value was not `a`".
    fn place(&self, call: &Call, floor: u32) -> Option<u32> {
        let returned = self.by_return.partition_point(|&(at, _)| at < call.invoked);
        let lowest = returned.checked_sub(1).map_or(0, |last| self.by_return[last].1).max(floor);
        let later = self.by_invocation.partition_point(|&(at, _)| at <= call.returned);
        let last = self.clusters.len() as u32 - 1;
        let highest = self.by_invocation.get(later).map_or(last, |next| next.1);
        // The neighbour of a cluster has another value, except among values that nobody saw.
        (lowest..=highest).take(2).find(|&place| {
            let (value, writer_invoked) = self.clusters[place as usize];
            value != call.a && writer_invoked < call.returned
        })
    }
}

/// The clusters in a valid order.
fn cluster_order(clusters: &Clusters, zones: &[Zone], blocks: &[u32]) -> Vec<u32> {
    let mut order = Vec::with_capacity(clusters.all.len());
    for &zone in blocks {
        let mut next = zones[zone as usize].head;
        while next != NO_CLUSTER {
            order.push(next);
            next = clusters.all[next as usize].next;
        }
    }
    order
}

/// For each call, the rank of its cluster; `u32::MAX` for those without a place in the order.
fn ranks_of_calls(calls: &[Call], clusters: &Clusters, rank: &[u32]) -> Vec<u32> {
    let mut own = 0usize;
    calls
        .iter()
        .map(|call| match call.effect {
            Effect::Write | Effect::Cas => {
                own += 1;
                rank[own]
            }
            Effect::Read => {
                clusters.of_value(call.a).map_or(u32::MAX, |cluster| rank[cluster as usize])
            }
            Effect::NotEqual | Effect::Impossible => u32::MAX,
        })
        .collect()
}

fn running(entries: &mut [(u32, u32)], better: fn(u32, u32) -> u32) {
    for place in 1..entries.len() {
        entries[place].1 = better(entries[place].1, entries[place - 1].1);
    }
}
