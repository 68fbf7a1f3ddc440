//! What is known of every node at a moment of the merged trace: the state that all checks share.
//!
//! Checks look at the nodes as they are *before* a line, and the line is taken in afterwards.
//! Lines of a killed node may be missing before its next boot line; whatever such lines could have
//! said is not taken for granted.

use std::collections::BTreeMap;

use whitewater_raft::event::{Event, Record};
use whitewater_raft::{Chain, HardState, Index, Membership, NodeId, Position, Term};

use super::finding::{Draft, Place};
use super::runs::Runs;

/// A line of the trace and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) record: &'a Record,
    pub(crate) place: Place,
}

impl Line<'_> {
    /// A finding about the node of this line; `before` are the lines that this one contradicts.
    pub(crate) fn draft(
        &self,
        anomaly: &'static str,
        headline: &'static str,
        explanation: String,
        before: &[Place],
    ) -> Draft {
        Draft {
            anomaly,
            headline,
            explanation,
            nodes: vec![self.record.node],
            at_ns: self.record.time_ns,
            places: [before, &[self.place]].concat(),
            ..Draft::default()
        }
    }
}

/// Something that was told, and where.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<T> {
    pub(crate) is: T,
    pub(crate) place: Place,
}

/// A reign that a node's trace told of and that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Reign {
    pub(crate) term: Term,
    /// The leader's last entry when it was elected.
    pub(crate) elected_at: Position,
    pub(crate) place: Place,
    /// Reads that an earlier reign confirmed may still be told.
    pub(crate) may_owe_reads: bool,
    /// What it had applied when it was elected.
    pub(crate) applied: Index,
}

/// One node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// The present boot's number; 0: none was told.
    pub(crate) boot: u64,
    /// How many boot lines there were.
    pub(crate) boots: u64,
    /// The latest term told, over all boots.
    pub(crate) term: Told<Term>,
    /// Term and vote as the trace last told that they are durable.
    pub(crate) vote: Told<HardState>,
    /// The commit index told in this boot.
    pub(crate) commit: Told<Index>,
    /// The last entry applied in this boot.
    pub(crate) applied: Told<Index>,
    /// The last entry ever applied, over all boots.
    pub(crate) applied_ever: Told<Index>,
    /// The last durable entry, and its chain.
    pub(crate) durable: Told<(Position, Chain)>,
    /// The last entry of the latest durable snapshot.
    pub(crate) snapshot: Told<Index>,
    /// The log.
    pub(crate) log: Runs,
    /// The membership in force.
    pub(crate) membership: Membership,
    /// Its reign, where it leads.
    pub(crate) reign: Option<Reign>,
    /// Every membership in force while it led in this boot.
    pub(crate) memberships_led: Vec<Membership>,
}

/// All nodes that told anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes {
    nodes: BTreeMap<NodeId, Node>,
    nobody: Node,
}

impl Nodes {
    /// What is known of a node; of one that said nothing yet, nothing.
    pub(crate) fn get(&self, id: NodeId) -> &Node {
        self.nodes.get(&id).unwrap_or(&self.nobody)
    }

    /// Whether a node's trace is there.
    pub(crate) fn tells(&self, id: NodeId) -> bool {
        self.nodes.contains_key(&id)
    }

    /// How many nodes told anything.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node that leads a term, where exactly one does now.
    pub(crate) fn leader_of(&self, term: Term) -> Option<NodeId> {
        let leads = |node: &Node| node.reign.as_ref().is_some_and(|reign| reign.term == term);
        let mut leaders = self.nodes.iter().filter(|(_, node)| leads(node)).map(|(id, _)| *id);
        leaders.next().filter(|_| leaders.next().is_none())
    }

    /// Takes a line in.
    pub(crate) fn take(&mut self, line: &Line<'_>) {
        self.nodes.entry(line.record.node).or_default().take(line);
    }
}

/// Whether a node starts with an empty disk and no members: an operator started it to join a cluster, in
/// place of the node that had its number. Whoever lost a disk without being told so starts with
/// members, and has to remember.
pub(crate) fn joins(event: &Event) -> bool {
    let Event::Boot { hard_state, snapshot, last, membership, .. } = event else { return false };
    let is_empty = *hard_state == HardState::default() && snapshot.index == 0 && last.index == 0;
    is_empty && *membership == Membership::default()
}

impl Node {
    fn take(&mut self, line: &Line<'_>) {
        let (record, place) = (line.record, line.place);
        self.boot = record.boot;
        if record.term >= self.term.is {
            self.term = Told { is: record.term, place };
        }
        if record.term > self.vote.is.term {
            self.vote = Told { is: HardState { term: record.term, vote: None }, place };
        }
        if self.reign.as_ref().is_some_and(|reign| reign.term != record.term) {
            self.reign = None;
        }
        match &record.event {
            Event::Boot { .. } => self.take_boot(record, place),
            Event::Vote { candidate, .. } => {
                self.vote.is = HardState { term: record.term, vote: Some(*candidate) };
                self.vote.place = place;
            }
            Event::Leader { last, .. } => {
                self.log.ends(*last, self.applied.is);
                let (term, elected_at) = (record.term, *last);
                let may_owe_reads = !self.memberships_led.is_empty();
                let applied = self.applied.is;
                self.reign = Some(Reign { term, elected_at, place, may_owe_reads, applied });
                self.lead();
            }
            Event::Stepdown { .. } => self.reign = None,
            Event::Append { first, last, .. } => self.log.append(*first, *last),
            Event::Truncate { from, .. } => self.take_truncate(*from, place),
            Event::Durable { last, chain } => self.take_durable(*last, *chain, place),
            Event::Commit { to, .. } => self.commit = Told { is: to.index, place },
            Event::Apply { to, .. } => self.take_applied(to.index, place),
            Event::SnapshotWritten { last, .. } if last.index >= self.snapshot.is => {
                self.snapshot = Told { is: last.index, place };
            }
            Event::SnapshotInstalled { last, chain, .. } => {
                self.log.reset(*last);
                self.take_durable(*last, *chain, place);
                self.snapshot = Told { is: last.index, place };
                self.commit = Told { is: last.index, place };
                self.take_applied(last.index, place);
            }
            Event::Config { membership, .. } => {
                self.membership.clone_from(membership);
                if self.reign.is_some() {
                    self.lead();
                }
            }
            _ => {}
        }
    }

    fn take_boot(&mut self, record: &Record, place: Place) {
        if joins(&record.event) {
            // What an earlier disk of this number knew was given up.
            *self = Node { boot: self.boot, boots: self.boots, ..Node::default() };
            self.term = Told { is: record.term, place };
        }

        let Event::Boot { hard_state, snapshot, last, chain, applied, membership, .. } =
            &record.event
        else {
            return;
        };
        self.boots += 1;
        self.reign = None;
        self.memberships_led.clear();
        self.vote = Told { is: *hard_state, place };
        self.commit = Told { is: snapshot.index, place };
        self.applied = Told { is: *applied, place };
        self.snapshot = Told { is: snapshot.index, place };
        self.membership.clone_from(membership);
        if self.log.last().index < snapshot.index {
            self.log.reset(*snapshot);
        }
        self.log.ends(*last, self.applied_ever.is);
        self.take_durable(*last, *chain, place);
    }

    fn lead(&mut self) {
        if !self.memberships_led.contains(&self.membership) {
            self.memberships_led.push(self.membership.clone());
        }
    }

    fn take_durable(&mut self, last: Position, chain: Chain, place: Place) {
        self.durable = Told { is: (last, chain), place };
    }

    fn take_truncate(&mut self, from: Index, place: Place) {
        self.log.cut(from);
        if self.durable.is.0.index >= from {
            // What is durable before the cut has a chain that nobody told.
            self.durable = Told { is: (self.log.last(), Chain::default()), place };
        }
    }

    fn take_applied(&mut self, index: Index, place: Place) {
        self.applied = Told { is: index, place };
        if index >= self.applied_ever.is {
            self.applied_ever = Told { is: index, place };
        }
    }
}
