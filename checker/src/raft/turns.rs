//! Who led when, who campaigned when, and which memberships were in force: what the check of liveness
//! needs of the traces.

use std::collections::BTreeMap;

use whitewater_raft::event::{Event, Record, Role};
use whitewater_raft::{Membership, NodeId, Term};

use crate::observed::MembershipTold;

/// A node's time as leader of one term, as its trace tells it. Of one that was killed while it led, the
/// end is its next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Led {
    pub(crate) node: NodeId,
    pub(crate) term: Term,
    pub(crate) from_ns: u64,
    /// `None`: it led to the end.
    pub(crate) to_ns: Option<u64>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    pub(crate) led: Vec<Led>,
    /// Elections begun, trials not counted.
    pub(crate) campaigns_ns: Vec<u64>,
    /// When a node stood for election, trials counted.
    pub(crate) stood_ns: Vec<u64>,
    pub(crate) memberships: Vec<MembershipTold>,
    /// The last membership and the reign under way, by node.
    nodes: BTreeMap<NodeId, (Membership, Option<usize>)>,
}

impl Turns {
    /// Takes a line in.
    pub(crate) fn take(&mut self, record: &Record) {
        let at_ns = record.time_ns;
        let node = self.nodes.entry(record.node).or_default();
        let is_over = record.role != Role::Leader || matches!(record.event, Event::Stepdown { .. });
        if is_over && let Some(index) = node.1.take() {
            self.led[index].to_ns = Some(at_ns);
        }
        if matches!(record.event, Event::Campaign { .. }) {
            self.stood_ns.push(at_ns);
        }
        match &record.event {
            Event::Leader { .. } => {
                node.1 = Some(self.led.len());
                let (node, term) = (record.node, record.term);
                self.led.push(Led { node, term, from_ns: at_ns, to_ns: None });
            }
            Event::Campaign { pre_vote: false, .. } => self.campaigns_ns.push(at_ns),
            Event::Boot { membership, .. } | Event::Config { membership, .. }
                if node.0 != *membership =>
            {
                node.0.clone_from(membership);
                let (node, membership) = (record.node, membership.clone());
                self.memberships.push(MembershipTold { at_ns, node, membership });
            }
            _ => {}
        }
    }

    /// Whether any of these nodes led, or anyone was elected, in this time.
    pub(crate) fn has_leader(&self, nodes: &[NodeId], (from_ns, to_ns): (u64, u64)) -> bool {
        self.led.iter().any(|led| {
            let is_elected = (from_ns..to_ns).contains(&led.from_ns);
            let leads = led.from_ns < to_ns && led.to_ns.is_none_or(|end_ns| end_ns > from_ns);
            is_elected || leads && nodes.contains(&led.node)
        })
    }

    /// The longest part of a time in which one of these nodes was in office as a leader.
    pub(crate) fn longest_reign(
        &self,
        nodes: &[NodeId],
        span: (u64, u64),
    ) -> Option<(Led, (u64, u64))> {
        let parts = self.led.iter().filter(|led| nodes.contains(&led.node)).map(|led| {
            let to_ns = led.to_ns.map_or(span.1, |end_ns| end_ns.min(span.1));
            (*led, (led.from_ns.max(span.0).min(to_ns), to_ns))
        });
        parts.max_by_key(|(_, (from_ns, to_ns))| to_ns - from_ns)
    }

    /// The longest part of a time in which nobody stood for election.
    pub(crate) fn longest_rest(&self, (from_ns, to_ns): (u64, u64)) -> (u64, u64) {
        let stood = self.stood_ns.iter().copied().filter(|at_ns| (from_ns..to_ns).contains(at_ns));
        let mut edges: Vec<u64> = stood.chain([from_ns, to_ns]).collect();
        edges.sort_unstable();
        let rests = edges.windows(2).map(|pair| (pair[0], pair[1]));
        rests.max_by_key(|(from_ns, to_ns)| to_ns - from_ns).unwrap_or((from_ns, to_ns))
    }

    /// Elections begun in this time.
    pub(crate) fn campaigns(&self, (from_ns, to_ns): (u64, u64)) -> usize {
        self.campaigns_ns.iter().filter(|at_ns| (from_ns..to_ns).contains(*at_ns)).count()
    }
}
