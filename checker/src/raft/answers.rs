//! A command is answered after it is committed (paper section 5.3: a leader returns the result of an entry
//! that a majority stores), and one that was reported as failed never takes effect.
//!
//! A node tells that an entry is committed before it answers the client who waits for it, and the client
//! notes the answer after it came. So an answer that is older than the first line of any node that has the
//! entry committed was given too early. The times of histories and traces are of one clock.
//!
//! A command is judged only where the node that answered it went on telling, in the same boot, after the
//! answer: of a node that was killed then, the last lines may be missing. The entry's index is known from
//! whoever told the command; a command that nobody told was never committed.

use std::collections::BTreeMap;

use whitewater_raft::event::Event;
use whitewater_raft::{Index, NodeId};

use super::exactly_once::{Answered, Fate, Told};
use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// A line from which on an index is known to be committed, with everything before it.
#[derive(Clone, Copy, Debug)]
struct Committed {
    index: Index,
    node: NodeId,
    at_ns: u64,
    place: Place,
}

/// From the first to the last line of one boot.
#[derive(Clone, Copy, Debug)]
struct Boot {
    first_ns: u64,
    last_ns: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AnsweredAfterCommit {
    /// Whatever was the first to tell of its index or told of it earlier than that; by rising index.
    commits: Vec<Committed>,
    boots: BTreeMap<NodeId, Vec<Boot>>,
    /// What clients were told is done.
    answers: u64,
    judged: u64,
}

impl AnsweredAfterCommit {
    /// Nothing more is traced: from here on, each commit is the earliest that covers its index.
    pub(crate) fn settle(&mut self) {
        self.commits.sort_by_key(|commit| (commit.index, commit.at_ns));
        let mut earliest: Option<Committed> = None;
        for commit in self.commits.iter_mut().rev() {
            match earliest {
                Some(other) if other.at_ns <= commit.at_ns => {
                    *commit = Committed { index: commit.index, ..other };
                }
                _ => earliest = Some(*commit),
            }
        }
    }

    /// Compares an answer with the commits; called when the trace is [settled](Self::settle).
    pub(crate) fn answered(&mut self, answered: &Answered, fate: Fate, found: &mut Findings) {
        if answered.told != Told::Done {
            return;
        }
        self.answers += 1;
        let index = match fate {
            Fate::TookEffect(effect) => Some(effect.index),
            Fate::Untold => None,
            // When it took effect is not known.
            Fate::Repeated => return,
        };
        let (node, at_ns) = (answered.node, answered.at_ns);
        if !self.goes_on(node, at_ns) {
            return;
        }
        self.judged += 1;
        let commit = index.and_then(|index| self.covers(index));
        if commit.is_some_and(|commit| commit.at_ns <= at_ns) {
            return;
        }
        let (session, sequence) = answered.command;
        let then = match (index, commit) {
            (Some(index), Some(commit)) => format!(
                "its entry, index {index}, was told to be committed {:.1} ms later, first by {}",
                commit.at_ns.saturating_sub(at_ns) as f64 / 1e6,
                name(commit.node),
            ),
            (Some(index), None) => format!("no trace has its entry, index {index}, committed"),
            (None, _) => "no trace has its entry committed, then or later".to_owned(),
        };
        found.add(|| Draft {
            anomaly: "answered-before-commit",
            headline: "A client was told that a command is done before any node had committed it.",
            explanation: format!(
                "{} answered command {sequence} of session {session} with success; {then}. Until a \
                 majority has it on disk, a crash or another leader may still take it back.",
                name(node)
            ),
            nodes: vec![node],
            at_ns,
            places: [answered.place].into_iter().chain(commit.map(|commit| commit.place)).collect(),
            commands: vec![answered.command],
            entries: index.map(|index| (index, index)),
        });
    }

    /// Whether a node told anything in the same boot, before this time and not before it.
    fn goes_on(&self, node: NodeId, at_ns: u64) -> bool {
        let boots = self.boots.get(&node).map(Vec::as_slice).unwrap_or_default();
        boots.iter().any(|boot| (boot.first_ns..=boot.last_ns).contains(&at_ns))
    }

    fn covers(&self, index: Index) -> Option<Committed> {
        let at = self.commits.partition_point(|commit| commit.index < index);
        self.commits.get(at).copied()
    }

    fn committed(&mut self, line: &Line<'_>, index: Index) {
        let Line { record, place } = *line;
        let (node, at_ns) = (record.node, record.time_ns);
        let is_news = |last: &Committed| index > last.index || at_ns < last.at_ns;
        if index > 0 && self.commits.last().is_none_or(is_news) {
            self.commits.push(Committed { index, node, at_ns, place });
        }
    }
}

impl Check for AnsweredAfterCommit {
    fn heading(&self) -> Heading {
        Heading::new(
            "answered-after-commit",
            "clients are told that a command is done after it is committed",
        )
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, _found: &mut Findings) {
        let record = line.record;
        let boots = self.boots.entry(record.node).or_default();
        match boots.last_mut() {
            Some(boot) if !matches!(record.event, Event::Boot { .. }) => {
                boot.last_ns = boot.last_ns.max(record.time_ns);
            }
            _ => boots.push(Boot { first_ns: record.time_ns, last_ns: record.time_ns }),
        }
        match &record.event {
            Event::Commit { to, .. } | Event::Apply { to, .. } => self.committed(line, to.index),
            Event::Boot { applied, .. } => self.committed(line, *applied),
            Event::SnapshotWritten { last, .. } | Event::SnapshotInstalled { last, .. } => {
                self.committed(line, last.index);
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        let (judged, answers) = (grouped(self.judged), grouped(self.answers));
        format!(
            "{judged} of {answers} commands that clients were told are done, compared with commits"
        )
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.answers > 0,
            "no client was told that a command of a session is done",
            "a run in which clients write, with the command of each write in the history",
        )
        .or(Idle::unless(
            self.judged > 0,
            "no node that answered told anything after its answers",
            "traces of all nodes that answer, in times of the history's clock",
        ))
    }
}
