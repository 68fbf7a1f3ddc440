//! State Machine Safety (paper section 5.4.3): at an index, every node applies the same entry, and has
//! the same state afterwards.

use whitewater_raft::event::Event;
use whitewater_raft::{Chain, Index, Term};

use super::finding::{Draft, Findings, name};
use super::first_told::FirstTold;
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// What a node has after applying an index.
#[derive(Clone, Copy, Debug)]
struct Applied {
    /// 0: not told.
    term: Term,
    chain: Option<Chain>,
    state_hash: Option<Chain>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct StateMachineSafety {
    states: FirstTold<Index, Applied>,
}

impl Check for StateMachineSafety {
    fn heading(&self) -> Heading {
        Heading::new(
            "state-machine-safety",
            "every node applies the same entries and reaches the same state",
        )
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        let Some((index, applied)) = told(&line.record.event) else { return };
        let Some(known) = self.states.before(line, index, applied) else { return };
        let Some(difference) = known.is.difference(&applied) else {
            known.is.complete(&applied);
            return;
        };
        let known = *known;
        let (anomaly, headline, explanation) = match known.own(line) {
            Some(own) => {
                let (before, after) = own.words();
                (
                    "state-changed",
                    "One node told two different states of the same index.",
                    format!(
                        "Of what {} had after applying index {index} it told, {before} and {after}: \
                         {difference}.",
                        name(line.record.node),
                    ),
                )
            }
            None => (
                "states-diverge",
                "Two nodes that applied the same index are not in the same state.",
                format!(
                    "After applying index {index}, {} and {} have {difference}.",
                    name(known.node()),
                    name(line.record.node),
                ),
            ),
        };
        found.add(|| Draft {
            anomaly,
            headline,
            explanation,
            nodes: vec![known.node(), line.record.node],
            at_ns: line.record.time_ns,
            places: vec![known.place, line.place],
            ..Draft::default()
        });
    }

    fn summary(&self) -> String {
        let (applied, again) = self.states.counts();
        let (applied, again) = (grouped(applied), grouped(again));
        format!("{applied} applied indexes, {again} of them compared")
    }

    fn idle(&self) -> Option<Idle> {
        let (_, again) = self.states.counts();
        Idle::unless(
            again > 0,
            "no applied index was told twice",
            "a run in which several nodes apply",
        )
    }
}

impl Applied {
    /// How two states differ, in words.
    fn difference(&self, other: &Applied) -> Option<String> {
        if self.term != 0 && other.term != 0 && self.term != other.term {
            return Some(format!("entries of terms {} and {} there", self.term, other.term));
        }
        if let (Some(own), Some(other)) = (self.chain, other.chain)
            && own != other
        {
            return Some(format!("logs with chains {own} and {other}"));
        }
        match (self.state_hash, other.state_hash) {
            (Some(own), Some(other)) if own != other => {
                Some(format!("the same log, and states with hashes {own} and {other}"))
            }
            _ => None,
        }
    }

    fn complete(&mut self, other: &Applied) {
        self.term = self.term.max(other.term);
        self.chain = self.chain.or(other.chain);
        self.state_hash = self.state_hash.or(other.state_hash);
    }
}

fn told(event: &Event) -> Option<(Index, Applied)> {
    let (index, applied) = match event {
        Event::Boot { applied, state_hash, .. } => {
            (*applied, Applied { term: 0, chain: None, state_hash: Some(*state_hash) })
        }
        Event::Apply { to, chain, state_hash, .. } => {
            (to.index, Applied { term: to.term, chain: Some(*chain), state_hash: *state_hash })
        }
        Event::SnapshotWritten { last, chain, state_hash }
        | Event::SnapshotInstalled { last, chain, state_hash, .. } => {
            let (chain, state_hash) = (Some(*chain), Some(*state_hash));
            (last.index, Applied { term: last.term, chain, state_hash })
        }
        _ => return None,
    };
    let chain = applied.chain.filter(|chain| *chain != Chain::default());
    (index > 0).then_some((index, Applied { chain, ..applied }))
}
