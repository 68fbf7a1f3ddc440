//! The valid orders of blocks that the zones leave, and the search among them for one in which negative reads fit.
//!
//! A forward block stands where its zone is. A backward one may take place at any instant of `[s, f]`, its
//! *point*, as long as no forward zone is there. Any choice of points is a valid order: if A must stand before B then
//! `f(A) < s(B)`, so A's point is before B's. By default each takes its first instant.
//!
//! A negative read of u that has no place stands in an order where u is there from before it begins until
//! after it returns. Room comes from one of three moves:
//!
//! - another block takes place within the read, before u or after it;
//! - a block that may follow u within the read, though its zone comes later, does: those between them, which began
//!   after the read had returned, take place after it;
//! - an indeterminate write whose value nobody saw takes effect after all, within the read: a block that may stand
//!   at any instant from its invocation on.
//!
//! Each read without a place tries these one after the other, all reads at once, for a few rounds. In what clients
//! record a handful of reads in a hundred thousand needs it, and the first or second move is enough.

use std::collections::HashMap;

use super::NO_CALL;
use super::clusters::{Clusters, INITIAL, NO_CLUSTER};
use super::sweep::Zone;
use crate::history::NEVER;
use crate::object::register::call::{Call, Effect};

/// Blocks that a read tries to move; each at both ends of what they have in common.
const BLOCKS_TRIED_MAX: usize = 16;

/// How far from its value's block a read looks for them, in places of the order.
const LOOKED_AT_MAX: usize = 512;

/// Indeterminate writes that a read tries, those that began last: any will do that is not used.
const OFFERS_TRIED_MAX: usize = 4;

/// How far behind a value's block another one may stand to follow it.
const FOLLOWER_DISTANCE_MAX: usize = 16;

/// The point of an indeterminate write that does not take effect.
const LEFT_OUT: u32 = NEVER;

/// Where a block stands in the order: a position, whether it was pushed to before a forward zone, is that zone, or
/// stands behind, and its point.
type Place = (u32, Side, u32);

/// The side of a forward zone's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Before,
    Itself,
    Behind,
}

/// A block at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    zone: u32,
    point: u32,
}

/// The points of all blocks, and what reads tried.
pub(super) struct Moves<'a> {
    calls: &'a [Call],
    clusters: &'a Clusters,
    /// The zones, and one for each indeterminate blind write that nobody saw, by invocation.
    pub(super) zones: Vec<Zone>,
    /// How many of them are not of that kind.
    certain: usize,
    points: Vec<u32>,
    /// By read: the groups of moves not tried yet, the next one last.
    left: HashMap<u32, Vec<Vec<Move>>>,
    /// By read: what undoes the moves it tried last.
    undo: HashMap<u32, Vec<Move>>,
}

impl<'a> Moves<'a> {
    /// No block is moved.
    pub(super) fn new(calls: &'a [Call], clusters: &'a Clusters, zones: &'a [Zone]) -> Moves<'a> {
        let certain = zones.len();
        let mut points: Vec<u32> = zones.iter().map(|zone| zone.last_invocation).collect();
        let mut zones = zones.to_vec();
        for (number, cluster) in clusters.all.iter().enumerate() {
            let writer = calls.get(cluster.writer as usize);
            if !cluster.took_effect && writer.is_some_and(|call| call.effect == Effect::Write) {
                zones.push(Zone {
                    first_return: NEVER,
                    last_invocation: cluster.writer_invoked,
                    returned_first: NO_CALL,
                    invoked_last: cluster.writer,
                    head: number as u32,
                });
                points.push(LEFT_OUT);
            }
        }
        let (left, undo) = (HashMap::new(), HashMap::new());
        Moves { calls, clusters, zones, certain, points, left, undo }
    }

    /// All blocks in a valid order. Only after `sweep` found no conflict.
    pub(super) fn order(&self) -> Vec<u32> {
        let mut forward: Vec<&Zone> = self.zones.iter().filter(|zone| zone.is_forward()).collect();
        forward.sort_unstable_by_key(|zone| zone.first_return);
        let zones = self.zones.iter().zip(&self.points).enumerate();
        let mut order: Vec<(Place, u32)> = zones
            .filter(|(_, (_, point))| **point != LEFT_OUT)
            .map(|(number, (zone, &point))| (place(&forward, zone, point), number as u32))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, number)| number).collect()
    }

    /// Whether no block stands before another one that must come first. It always is so; but an order that is not
    /// would be a false proof, and looking costs one pass.
    pub(super) fn is_valid(&self, order: &[u32]) -> bool {
        let mut latest_invocation = 0;
        order.iter().map(|&number| &self.zones[number as usize]).all(|zone| {
            let is_late_enough = zone.first_return >= latest_invocation;
            latest_invocation = latest_invocation.max(zone.last_invocation);
            is_late_enough
        })
    }

    /// Moves blocks for each of these reads; false if one has tried everything.
    pub(super) fn make_room(&mut self, homeless: &[u32], order: &[u32]) -> bool {
        let places = Places::new(self, order);
        homeless.iter().all(|&read| {
            for Move { zone, point } in self.undo.remove(&read).into_iter().flatten() {
                self.points[zone as usize] = point;
            }
            if !self.left.contains_key(&read) {
                let moves = self.moves_for(read, order, &places);
                self.left.insert(read, moves);
            }
            let Some(group) = self.left.get_mut(&read).and_then(Vec::pop) else {
                return false;
            };
            let take = |Move { zone, point }| {
                let before = std::mem::replace(&mut self.points[zone as usize], point);
                Move { zone, point: before }
            };
            let before = group.into_iter().map(take).collect();
            self.undo.insert(read, before);
            true
        })
    }

    /// What may make room for a read, the most promising last.
    fn moves_for(&self, read: u32, order: &[u32], places: &Places) -> Vec<Vec<Move>> {
        let read = &self.calls[read as usize];
        let own = self.clusters.of_value(read.a).and_then(|cluster| places.of(self.head(cluster)));
        let mut moves = Vec::new();
        let began = |zone: &Zone| zone.last_invocation < read.returned;
        let offers = self.certain + self.zones[self.certain..].partition_point(began);
        let free = (self.certain..offers).rev().filter(|&offer| self.points[offer] == LEFT_OUT);
        for offer in free.take(OFFERS_TRIED_MAX) {
            moves.extend(self.within(read, offer));
        }
        let Some((own, place)) = own else { return alone(moves) };
        let near = &order[place.saturating_sub(LOOKED_AT_MAX)..];
        let others = near.iter().take(2 * LOOKED_AT_MAX).map(|&zone| zone as usize);
        let others = others.filter(|&number| {
            number < self.certain && number != own && !self.zones[number].is_forward()
        });
        moves.extend(others.filter_map(|number| self.within(read, number)).take(BLOCKS_TRIED_MAX));
        let mut moves = alone(moves);
        moves.extend(self.follow(read, &order[place + 1..]));
        moves
    }

    /// The two ends of what a block and a read have in common.
    fn within(&self, read: &Call, number: usize) -> Option<[Move; 2]> {
        let zone = &self.zones[number];
        let from = zone.last_invocation.max(read.invoked);
        let to = zone.first_return.min(read.returned);
        let at = |point| Move { zone: number as u32, point };
        (from <= to).then(|| [at(to), at(from)])
    }

    /// Clears the way for a block that stands some places behind and may follow within the read.
    fn follow(&self, read: &Call, behind: &[u32]) -> Option<Vec<Move>> {
        let began = |zone: &u32| {
            let head = self.zones[*zone as usize].head;
            self.clusters.all[head as usize].writer_invoked < read.returned
        };
        let distance = behind.iter().take(FOLLOWER_DISTANCE_MAX).position(began)?;
        let follower = behind[distance] as usize;
        let zone = &self.zones[follower];
        let end = if zone.is_forward() { zone.last_invocation } else { self.points[follower] };
        let out_of_the_way = |&number: &u32| {
            let zone = &self.zones[number as usize];
            let point = zone.last_invocation.max(end + 1);
            let can_move = !zone.is_forward() && zone.first_return >= point;
            can_move.then_some(Move { zone: number, point })
        };
        behind[..distance].iter().map(out_of_the_way).collect()
    }

    /// The first cluster of the block that a cluster is in.
    fn head(&self, cluster: u32) -> u32 {
        let mut head = cluster;
        while self.clusters.all[head as usize].previous != NO_CLUSTER {
            head = self.clusters.all[head as usize].previous;
        }
        head
    }
}

/// Where zones are.
struct Places {
    /// By head cluster: its zone.
    zone: Vec<u32>,
    /// By zone: its place in the order.
    place: Vec<u32>,
}

/// Marks a cluster that heads no zone, and a zone that is left out of the order.
const NOWHERE: u32 = u32::MAX;

impl Places {
    fn new(moves: &Moves<'_>, order: &[u32]) -> Places {
        let mut zone = vec![NOWHERE; moves.clusters.all.len()];
        for (number, of) in moves.zones.iter().enumerate() {
            zone[of.head as usize] = number as u32;
        }
        let mut place = vec![NOWHERE; moves.zones.len()];
        for (at, &number) in order.iter().enumerate() {
            place[number as usize] = at as u32;
        }
        Places { zone, place }
    }

    /// The zone that a cluster heads, and its place.
    fn of(&self, head: u32) -> Option<(usize, usize)> {
        let zone = self.zone[head as usize] as usize;
        let place = *self.place.get(zone)?;
        (place != NOWHERE).then_some((zone, place as usize))
    }
}

/// Each move as a group of its own.
fn alone(moves: Vec<[Move; 2]>) -> Vec<Vec<Move>> {
    moves.into_iter().flatten().map(|one| vec![one]).collect()
}

/// Where a block stands, given the forward ones in their order.
fn place(forward: &[&Zone], zone: &Zone, point: u32) -> Place {
    if zone.head == INITIAL {
        // First even where nothing read it.
        return (0, Side::Before, 0);
    }
    if zone.is_forward() {
        return (zone.first_return, Side::Itself, point);
    }
    let before = forward.partition_point(|other| other.first_return <= point);
    match before.checked_sub(1).map(|before| forward[before]) {
        Some(other) if other.last_invocation > point => {
            // No instant inside a forward zone is free, and there is one on at least one side of it.
            if zone.first_return > other.last_invocation {
                (other.last_invocation, Side::Behind, point)
            } else {
                (other.first_return, Side::Before, point)
            }
        }
        _ => (point, Side::Behind, point),
    }
}
