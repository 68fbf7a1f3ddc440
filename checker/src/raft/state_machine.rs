//! State Machine Safety (paper section 5.4.3): at an index, every node applies the same entry, and has
//! the same state afterwards.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use whitewater_raft::event::Event;
use whitewater_raft::{Chain, Index, Term};

use super::Check;
use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use crate::run::grouped;

/// What a node has after applying an index.
#[derive(Clone, Copy, Debug)]
struct Applied {
    /// 0: not told.
    term: Term,
    chain: Option<Chain>,
    state_hash: Option<Chain>,
}

/// The first one who told.
#[derive(Clone, Copy, Debug)]
struct Known {
    applied: Applied,
    place: Place,
    node: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct StateMachineSafety {
    known: HashMap<Index, Known>,
    compared: u64,
}

impl Check for StateMachineSafety {
    fn name(&self) -> &'static str {
        "state-machine-safety"
    }

    fn title(&self) -> &'static str {
        "every node applies the same entries and reaches the same state"
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        let Some((index, applied)) = told(&line.record.event) else { return };
        let node = u32::try_from(line.record.node).unwrap_or(u32::MAX);
        let known = match self.known.entry(index) {
            Entry::Vacant(vacant) => {
                vacant.insert(Known { applied, place: line.place, node });
                return;
            }
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        self.compared += 1;
        let Some(difference) = known.applied.difference(&applied) else {
            known.applied.complete(&applied);
            return;
        };
        let known = *known;
        found.add(|| Draft {
            anomaly: "states-diverge",
            headline: "Two nodes that applied the same index are not in the same state.",
            explanation: format!(
                "After applying index {index}, {} and {} have {difference}.",
                name(known.node.into()),
                name(line.record.node),
            ),
            nodes: vec![known.node.into(), line.record.node],
            at_ns: line.record.time_ns,
            places: vec![known.place, line.place],
        });
    }

    fn summary(&self) -> String {
        format!(
            "{} applied indexes, {} of them compared",
            grouped(self.known.len() as u64),
            grouped(self.compared)
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
