//! Every node has the same members in force at an index (paper section 6, thesis 4.1), whether it got them by
//! an entry of the log, or by a snapshot.
//!
//! Entries that are not committed may be replaced, and with them the membership. So what a node has in force is
//! held against others only as far as it committed: from the index that brought the membership, or that the
//! node began with, to its commit index. Such stretches of two nodes that overlap have the same members.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use whitewater_raft::event::Event;
use whitewater_raft::{Index, Membership, NodeId};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::votes::{list, voters};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// What a node has in force since an index.
#[derive(Clone, Debug)]
struct InForce {
    from: Index,
    membership: Membership,
    place: Place,
}

/// Members that were in force from an index to another one, and who told so first.
#[derive(Clone, Debug)]
struct Stretch {
    from: Index,
    to: Index,
    membership: Membership,
    node: NodeId,
    place: Place,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct MembersAgree {
    nodes: BTreeMap<NodeId, InForce>,
    /// No two of the same members overlap.
    known: Vec<Stretch>,
    told: HashSet<(NodeId, Place)>,
    compared: u64,
}

impl MembersAgree {
    fn committed(&mut self, line: &Line<'_>, commit: Index, found: &mut Findings) {
        let node = line.record.node;
        let Some(own) = self.nodes.get(&node) else { return };
        if own.from > commit || own.membership == Membership::default() {
            return;
        }
        let mut agreed = None;
        for (at, stretch) in self.known.iter_mut().enumerate() {
            if stretch.from > commit || stretch.to < own.from {
                continue;
            }
            self.compared += u64::from(stretch.node != node);
            if stretch.membership == own.membership {
                (stretch.from, stretch.to) = (stretch.from.min(own.from), stretch.to.max(commit));
                agreed = Some(at);
            } else if self.told.insert((node, own.place)) {
                let index = stretch.from.max(own.from);
                let (known, own) = (stretch.clone(), own.clone());
                found.add(|| differs(line, index, &known, &own));
            }
        }
        if agreed.is_none() {
            let InForce { from, membership, place } = own.clone();
            self.known.push(Stretch { from, to: commit, membership, node, place });
        }
    }
}

fn differs(line: &Line<'_>, index: Index, known: &Stretch, own: &InForce) -> Draft {
    let node = line.record.node;
    let words = |membership: &Membership| match membership.learners.is_empty() {
        true => voters(membership),
        false => format!("{}, learning {}", voters(membership), list(&membership.learners)),
    };
    Draft {
        anomaly: "members-differ",
        headline: "Nodes disagree on who the members are.",
        explanation: format!(
            "At index {index}, which is committed, the voters are {} for {} and {} for {}. Majorities of \
             different members need not have a node in common.",
            words(&known.membership),
            name(known.node),
            words(&own.membership),
            name(node),
        ),
        nodes: vec![known.node, node],
        at_ns: line.record.time_ns,
        places: vec![known.place, own.place],
        ..Draft::default()
    }
}

impl Check for MembersAgree {
    fn heading(&self) -> Heading {
        Heading::new("members-agree", "every node has the same members at an index")
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        let Line { record, place } = *line;
        let node = record.node;
        match &record.event {
            Event::Boot { last, membership, .. } => {
                let (from, membership) = (last.index, membership.clone());
                self.nodes.insert(node, InForce { from, membership, place });
            }
            Event::Config { index, membership } => {
                let (from, membership) = (*index, membership.clone());
                self.nodes.insert(node, InForce { from, membership, place });
            }
            // What came with it is told next, or was just before.
            Event::Truncate { from, .. }
                if self.nodes.get(&node).is_some_and(|own| own.from >= *from) =>
            {
                self.nodes.remove(&node);
            }
            Event::SnapshotInstalled { last, .. }
                if self.nodes.get(&node).is_some_and(|own| own.from < last.index) =>
            {
                self.nodes.remove(&node);
            }
            Event::Commit { to, .. } | Event::Apply { to, .. } => {
                self.committed(line, to.index, found);
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        let memberships = match self.known.len() {
            1 => "one membership".to_owned(),
            many => format!("{} memberships, one after the other", grouped(many as u64)),
        };
        format!("{memberships}, {} comparisons of nodes", grouped(self.compared))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.compared > 0,
            "no two nodes committed an index with members in force",
            "a run in which several nodes commit",
        )
    }
}
