//! For how long one and the same majority could have worked: from recorded faults and from starts and
//! exits.
//!
//! A node is *good* while its process runs and no fault in force names it. Every fault that acts on links
//! names one end of each, so good nodes reach each other. A fault that the nodes beside it cannot go on from
//! ([`Scope::frees_the_others`](crate::fault::Scope::frees_the_others)) counts for every node. This errs to one side: what cannot be shown to be good is not.

use std::collections::BTreeMap;

use whitewater_raft::{Membership, NodeId};

use crate::fault::{FaultRecord, FaultStatus};
use crate::observation::{ProcessChange, ProcessEvent};

/// Nodes are bits of a number.
const NODES_MAX: NodeId = 127;

/// A set of nodes.
type Mask = u128;

/// A membership that a node told, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MembershipTold {
    pub(crate) at_ns: u64,
    pub(crate) node: NodeId,
    pub(crate) membership: Membership,
}

/// A time in which neither the good nodes nor the memberships changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    from_ns: u64,
    good: Mask,
    /// Each must have a majority among the good.
    quorums: Vec<Mask>,
}

/// The whole run in segments; the last one has no end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretches {
    segments: Vec<Segment>,
}

/// A time in which one majority could have worked throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    nodes: Mask,
}

impl Stretch {
    pub(crate) fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }

    /// The majority.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let nodes = self.nodes;
        (1..=NODES_MAX).filter(move |node| nodes & bit(*node) != 0)
    }
}

/// What changes at a moment.
#[derive(Clone, Debug)]
enum Change {
    /// These nodes have one more reason not to be good.
    Struck(Mask),
    /// One reason less.
    Healed(Mask),
    /// The node's membership in force.
    Told(NodeId, Membership),
}

impl Stretches {
    /// What the record tells. Without traces every node that was started votes.
    pub(crate) fn of(
        processes: &[(u32, ProcessEvent)],
        faults: &[FaultRecord],
        memberships: &[MembershipTold],
    ) -> Stretches {
        let started: Mask =
            processes.iter().filter_map(|(_, event)| mask_of(&event.node)).sum_bits();
        let mut changes: Vec<(u64, Change)> = Vec::new();
        for fault in faults {
            changes.extend(strikes(fault, started));
        }
        changes.extend(exits(processes));
        for told in memberships {
            changes.push((told.at_ns, Change::Told(told.node, told.membership.clone())));
        }
        changes.sort_by_key(|(at_ns, _)| *at_ns);
        segments(started, changes)
    }

    /// The longest stretch within a time.
    pub(crate) fn longest(&self, (from_ns, to_ns): (u64, u64)) -> Option<Stretch> {
        let first = self.segments.partition_point(|it| it.from_ns <= from_ns).saturating_sub(1);
        let inside = self.segments[first.min(self.segments.len())..]
            .iter()
            .take_while(|segment| segment.from_ns < to_ns);
        let inside: Vec<&Segment> = inside.collect();
        let mut best: Option<Stretch> = None;
        for begin in 0..inside.len() {
            let (mut nodes, mut end) = (Mask::MAX, begin);
            while end < inside.len() && inside[end].holds(nodes & inside[end].good) {
                nodes &= inside[end].good;
                end += 1;
            }
            if end == begin {
                continue;
            }
            let until_ns = inside.get(end).map_or(to_ns, |segment| segment.from_ns);
            let stretch =
                Stretch { from_ns: inside[begin].from_ns.max(from_ns), to_ns: until_ns, nodes };
            let length_ns = stretch.length_ns();
            if best.is_none_or(|best| best.length_ns() < length_ns) {
                best = Some(stretch);
            }
        }
        best
    }
}

impl Stretches {
    /// The parts of a time in which some majority could have worked.
    pub(crate) fn healthy(&self, (from_ns, to_ns): (u64, u64)) -> impl Iterator<Item = (u64, u64)> {
        let ends = self.segments.iter().skip(1).map(|it| it.from_ns).chain([u64::MAX]);
        let parts = self.segments.iter().zip(ends).filter(|(it, _)| it.holds(it.good));
        parts
            .map(move |(segment, end_ns)| (segment.from_ns.max(from_ns), end_ns.min(to_ns)))
            .filter(|(from_ns, to_ns)| from_ns < to_ns)
    }

    /// When within a time a majority could work that could not the moment before.
    pub(crate) fn returns(&self, (from_ns, to_ns): (u64, u64)) -> impl Iterator<Item = u64> {
        let works = |segment: &Segment| segment.holds(segment.good);
        let pairs = self.segments.windows(2);
        pairs
            .filter(move |pair| {
                (from_ns..to_ns).contains(&pair[1].from_ns) && !works(&pair[0]) && works(&pair[1])
            })
            .map(|pair| pair[1].from_ns)
    }
}

impl Segment {
    /// Whether these nodes are a majority of every membership in force.
    fn holds(&self, nodes: Mask) -> bool {
        !self.quorums.is_empty()
            && self.quorums.iter().all(|voters| {
                2 * (nodes & voters).count_ones() > voters.count_ones() && *voters != 0
            })
    }
}

trait SumBits {
    fn sum_bits(self) -> Mask;
}

impl<I: Iterator<Item = Mask>> SumBits for I {
    fn sum_bits(self) -> Mask {
        self.fold(0, |all, one| all | one)
    }
}

fn bit(node: NodeId) -> Mask {
    if node <= NODES_MAX { 1 << node } else { 0 }
}

fn mask_of(name: &str) -> Option<Mask> {
    name.strip_prefix('n')?.parse().ok().map(bit)
}

fn strikes(fault: &FaultRecord, all: Mask) -> Vec<(u64, Change)> {
    if matches!(fault.status, FaultStatus::Skipped { .. }) {
        return Vec::new();
    }
    let Some(from_ns) = fault.started_at_ns.or(fault.effective_at_ns) else { return Vec::new() };
    let named = fault.nodes.iter().map(|name| mask_of(name).unwrap_or(all)).sum_bits();
    let struck = if fault.scope().frees_the_others() { named } else { Mask::MAX };
    let mut changes = vec![(from_ns, Change::Struck(struck))];
    changes.extend(fault.healed_at_ns.map(|to_ns| (to_ns.max(from_ns), Change::Healed(struck))));
    changes
}

/// A node is not good before it is ready, and after it ended.
fn exits(processes: &[(u32, ProcessEvent)]) -> Vec<(u64, Change)> {
    let mut is_up: BTreeMap<&str, bool> = BTreeMap::new();
    let mut changes = Vec::new();
    for (_, event) in processes {
        let Some(node) = mask_of(&event.node) else { continue };
        let is_known = is_up.contains_key(event.node.as_str());
        let up = is_up.entry(&event.node).or_insert(false);
        if !is_known {
            changes.push((0, Change::Struck(node)));
        }
        match &event.change {
            ProcessChange::Ready | ProcessChange::ContinuedFromOutside if !*up => {
                *up = true;
                changes.push((event.time_ns, Change::Healed(node)));
            }
            ProcessChange::Exited { .. } | ProcessChange::StoppedFromOutside if *up => {
                *up = false;
                changes.push((event.time_ns, Change::Struck(node)));
            }
            _ => {}
        }
    }
    changes
}

fn segments(started: Mask, changes: Vec<(u64, Change)>) -> Stretches {
    let mut reasons: BTreeMap<NodeId, u32> = BTreeMap::new();
    let mut told: BTreeMap<NodeId, Membership> = BTreeMap::new();
    let mut segments: Vec<Segment> = Vec::new();
    let nodes = |mask: Mask| (1..=NODES_MAX).filter(move |node| mask & started & bit(*node) != 0);
    for (at_ns, change) in changes {
        match change {
            Change::Struck(mask) => nodes(mask).for_each(|it| *reasons.entry(it).or_default() += 1),
            Change::Healed(mask) => nodes(mask).for_each(|it| *reasons.entry(it).or_default() -= 1),
            Change::Told(node, membership) => {
                told.insert(node, membership);
            }
        }
        let good = nodes(started).filter(|it| reasons.get(it).is_none_or(|count| *count == 0));
        let good = good.map(bit).sum_bits();
        let segment = Segment { from_ns: at_ns, good, quorums: quorums(started, &told) };
        match segments.last_mut() {
            Some(last) if last.from_ns == at_ns => *last = segment,
            _ => segments.push(segment),
        }
    }
    Stretches { segments }
}

/// The sets of voters of which a majority is needed: whoever's membership is not the latest errs to the
/// safe side.
fn quorums(started: Mask, told: &BTreeMap<NodeId, Membership>) -> Vec<Mask> {
    if told.is_empty() {
        return vec![started];
    }
    let sets = told.values().flat_map(|it| [&it.voters, &it.voters_outgoing]);
    let mut masks: Vec<Mask> = sets
        .filter(|set| !set.is_empty())
        .map(|set| set.iter().map(|node| bit(*node)).sum_bits())
        .collect();
    masks.sort_unstable();
    masks.dedup();
    masks
}
