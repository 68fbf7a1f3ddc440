//! Log Matching (paper section 5.3): logs that have the same entry have the same entries before it.
//!
//! A chain hash stands for a whole prefix, so the property is one comparison: the same index and term
//! always come with the same chain, whoever tells it and in whatever event.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use whitewater_raft::event::Event;
use whitewater_raft::{Chain, Position};

use super::Check;
use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use crate::run::grouped;

/// The chain at an entry, and who told it first.
#[derive(Clone, Copy, Debug)]
struct Known {
    chain: Chain,
    place: Place,
    node: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LogMatching {
    known: HashMap<Position, Known>,
    compared: u64,
}

impl Check for LogMatching {
    fn name(&self) -> &'static str {
        "log-matching"
    }

    fn title(&self) -> &'static str {
        "logs with the same entry are the same up to it"
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        let Some((position, chain)) = told(&line.record.event) else { return };
        let node = u32::try_from(line.record.node).unwrap_or(u32::MAX);
        let known = match self.known.entry(position) {
            Entry::Vacant(vacant) => {
                vacant.insert(Known { chain, place: line.place, node });
                return;
            }
            Entry::Occupied(occupied) => *occupied.get(),
        };
        self.compared += 1;
        if known.chain == chain {
            return;
        }
        let Position { index, term } = position;
        found.add(|| Draft {
            anomaly: "logs-diverge",
            headline: "Two logs have the same entry after different ones.",
            explanation: format!(
                "The entry at index {index} of term {term} ends chain {} on {} and chain {chain} on \
                 {}: somewhere up to it their logs differ.",
                known.chain,
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
            "{} entries named with their chain, {} of them more than once",
            grouped(self.known.len() as u64),
            grouped(self.compared)
        )
    }
}

/// An entry and its chain, where an event tells them. The beginning of the log has none.
pub(super) fn told(event: &Event) -> Option<(Position, Chain)> {
    let (position, chain) = match event {
        Event::Boot { last, chain, .. }
        | Event::Leader { last, chain, .. }
        | Event::Append { last, chain, .. }
        | Event::Durable { last, chain }
        | Event::SnapshotWritten { last, chain, .. }
        | Event::SnapshotInstalled { last, chain, .. } => (*last, *chain),
        Event::Commit { to, chain, .. } | Event::Apply { to, chain, .. } => (*to, *chain),
        _ => return None,
    };
    (position.index > 0 && chain != Chain::default()).then_some((position, chain))
}
