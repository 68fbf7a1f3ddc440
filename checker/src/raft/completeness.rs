//! Leader Completeness (paper section 5.4): a leader has every entry that was committed in an earlier
//! term.
//!
//! A node that tells a commit in a term has heard of it in that term or an earlier one, so every leader
//! of a later term must have the entry. Only the highest commit of earlier terms is compared: those
//! below it are its prefix, which is the business of `commit-immutable` and `log-matching`. A deposed
//! leader may learn of a commit after its successor was elected, so commits are compared with later
//! terms' leaders too, whichever is told first.

use std::collections::BTreeMap;

use whitewater_raft::event::Event;
use whitewater_raft::{NodeId, Position, Term};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::runs::Runs;
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// An entry that somebody knew to be committed.
#[derive(Clone, Copy, Debug)]
struct Committed {
    at: Position,
    node: NodeId,
    at_ns: u64,
    place: Place,
}

/// A leader at its election.
#[derive(Clone, Debug)]
struct Elected {
    node: NodeId,
    log: Runs,
    at_ns: u64,
    place: Place,
    /// The highest commit of an earlier term that it was compared with.
    compared: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LeaderCompleteness {
    /// The highest commit told in each term.
    commits: BTreeMap<Term, Committed>,
    leaders: BTreeMap<(Term, NodeId), Elected>,
    compared: u64,
}

impl LeaderCompleteness {
    fn elected(&mut self, line: &Line<'_>, mut elected: Elected, found: &mut Findings) {
        let term = line.record.term;
        let earlier = self.commits.range(..term).map(|(_, commit)| *commit);
        if let Some(highest) = earlier.max_by_key(|commit| commit.at.index) {
            self.compared += 1;
            elected.compare(term, &highest, found);
        }
        self.leaders.insert((term, line.record.node), elected);
    }

    fn committed(&mut self, line: &Line<'_>, at: Position, found: &mut Findings) {
        let (term, node) = (line.record.term, line.record.node);
        let commit = Committed { at, node, at_ns: line.record.time_ns, place: line.place };
        let highest = self.commits.entry(term).or_insert(commit);
        if highest.at.index < at.index {
            *highest = commit;
        }
        for (&(later, _), elected) in self.leaders.range_mut((term + 1, 0)..) {
            if elected.compared < at.index {
                self.compared += 1;
                elected.compare(later, &commit, found);
            }
        }
    }
}

impl Elected {
    fn compare(&mut self, term: Term, commit: &Committed, found: &mut Findings) {
        let Position { index, term: entry_term } = commit.at;
        self.compared = self.compared.max(index);
        let last = self.log.last();
        let lacks = if last.index < index {
            format!("its log ended at index {}", last.index)
        } else {
            match self.log.term_at(index) {
                Some(own) if own != entry_term => format!("it had an entry of term {own} there"),
                _ => return,
            }
        };
        found.add(|| Draft {
            anomaly: "leader-lacks-commit",
            headline: "A node was elected leader without an entry that was committed before.",
            explanation: format!(
                "{} told that index {index} of term {entry_term} was committed. When {} was elected \
                 leader of term {term}, {lacks}.",
                name(commit.node),
                name(self.node),
            ),
            nodes: vec![commit.node, self.node],
            // A deposed leader may commit long after; until then nothing is wrong.
            at_ns: self.at_ns.max(commit.at_ns),
            places: vec![commit.place, self.place],
entries: Some((index.min(last.index + 1), index)),
..Draft::default()
});
    }
}

impl Check for LeaderCompleteness {
    fn heading(&self) -> Heading {
        Heading::new("leader-completeness", "a leader has everything committed before its term")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        match &line.record.event {
            Event::Commit { to, .. } => self.committed(line, *to, found),
            Event::Leader { last, .. } => {
                let node = nodes.get(line.record.node);
                let mut log = node.log.clone();
                log.ends(*last, node.applied_ever.is);
                let (at_ns, place) = (line.record.time_ns, line.place);
                let elected = Elected { node: line.record.node, log, at_ns, place, compared: 0 };
                self.elected(line, elected, found);
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} leaders, {} comparisons with commits of earlier terms",
            grouped(self.leaders.len() as u64),
            grouped(self.compared)
        )
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.compared > 0,
            "no leader was elected after an entry of an earlier term was committed",
            "faults that strike the leader: --faults kill",
        )
    }
}
