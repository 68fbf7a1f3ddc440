//! What a follower does with its leader's entries (paper, Figure 2, AppendEntries): it removes its own only where they
//! conflict with the leader's, and commits no further than it was sent.
//!
//! Within its term a leader's log only grows, so what its trace has told by now it has, to the end of the term. An
//! entry that a follower removed had no conflict where the leader has the same one. An entry that a follower committed
//! and then removed, when the leader has another one there, was never sent to it: had it been, it would have been
//! removed first. A follower that keeps such an entry has a log that is not the leader's, which Log Matching tells.

use hashbrown::HashMap;
use whitewater_raft::event::{Event, Role};
use whitewater_raft::{Index, NodeId, Position, Term};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// A commit of an entry that the leader does not have there, until the follower removes it.
#[derive(Clone, Copy, Debug)]
struct Beyond {
    boot: u64,
    term: Term,
    leader: NodeId,
    at: Position,
    leading_term: Term,
    at_ns: u64,
    place: Place,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AppendEntries {
    beyond: HashMap<NodeId, Beyond>,
    removals: u64,
    commits: u64,
}

impl AppendEntries {
    fn removed(
        &mut self,
        line: &Line<'_>,
        (from, old_last): (Index, Position),
        nodes: &Nodes,
        found: &mut Findings,
    ) {
        let Line { record, place } = *line;
        let follower = record.node;
        if let Some(beyond) = self.beyond.remove(&follower)
            && (beyond.boot, beyond.term) == (record.boot, record.term)
            && from <= beyond.at.index
        {
            found.add(|| beyond.draft(follower, place));
        }
        let Some(leader) = nodes.leader_of(record.term).filter(|leader| *leader != follower) else {
            return;
        };
        self.removals += 1;
        let log = &nodes.get(follower).log;
        // What is known of its log must be a beginning of what it removed from.
        let known = log.last();
        if old_last.index < known.index || old_last.term < known.term {
            return;
        }
        let own = log.term_at(from);
        let leading = nodes.get(leader);
        if own.is_none() || own != leading.log.term_at(from) {
            return;
        }
        let entry_term = own.unwrap_or_default();
        found.add(|| Draft {
            anomaly: "needless-truncate",
            headline: "A follower removed entries that do not conflict with its leader's.",
            explanation: format!(
                "{} removed its log from index {from} on, where it had an entry of term {entry_term}; so has {}, the \
                 leader of term {}. What it removed may be committed, and counted as being on its disk.",
                name(follower),
                name(leader),
                record.term,
            ),
            nodes: vec![follower, leader],
            at_ns: record.time_ns,
            places: vec![leading.durable.place, place],
            entries: Some((from, old_last.index)),
            ..Draft::default()
        });
    }

    fn committed(&mut self, line: &Line<'_>, at: Position, nodes: &Nodes) {
        let Line { record, place } = *line;
        let (follower, term) = (record.node, record.term);
        let Some(leader) = nodes.leader_of(term).filter(|leader| *leader != follower) else {
            return;
        };
        let Some(leading_term) = nodes.get(leader).log.term_at(at.index) else { return };
        self.commits += 1;
        if leading_term != at.term {
            let (boot, at_ns) = (record.boot, record.time_ns);
            let beyond = Beyond { boot, term, leader, at, leading_term, at_ns, place };
            self.beyond.entry(follower).or_insert(beyond);
        }
    }
}

impl Beyond {
    fn draft(&self, follower: NodeId, removed: Place) -> Draft {
        let index = self.at.index;
        Draft {
            anomaly: "commit-beyond-match",
            headline: "A follower committed entries of its own that its leader had not sent.",
            explanation: format!(
                "{} committed up to index {index}, where it had an entry of term {}. {}, the leader of term {}, has one \
                 of term {} there, and {} removed its own later.",
                name(follower),
                self.at.term,
                name(self.leader),
                self.term,
                self.leading_term,
                name(follower),
            ),
            nodes: vec![follower, self.leader],
            at_ns: self.at_ns,
            places: vec![self.place, removed],
            entries: Some((index, index)),
            ..Draft::default()
        }
    }
}

impl Check for AppendEntries {
    fn heading(&self) -> Heading {
        Heading::new(
            "append-entries",
            "followers remove and commit entries as their leader's log has them",
        )
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        match &line.record.event {
            Event::Truncate { from, old_last } => {
                self.removed(line, (*from, *old_last), nodes, found);
            }
            // It went on behind the entry: it keeps it.
            Event::Append { first, .. } => {
                self.beyond
                    .retain(|node, it| *node != line.record.node || first.index <= it.at.index);
            }
            Event::Commit { to, .. } if line.record.role != Role::Leader => {
                self.committed(line, *to, nodes);
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        let (removals, commits) = (grouped(self.removals), grouped(self.commits));
        format!(
            "{commits} commits and {removals} removals of followers, compared with the leader's log"
        )
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.removals + self.commits > 0,
            "no follower's commit or removal could be compared with its leader's log",
            "a run in which clients write, with traces of all nodes",
        )
    }
}
