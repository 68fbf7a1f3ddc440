//! The election restriction (paper section 5.4.1): a vote goes only to a candidate whose log is at
//! least as up to date as the voter's: a later last term, or the same and no shorter.

use whitewater_raft::Position;
use whitewater_raft::event::Event;

use super::finding::{Draft, Findings, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ElectionRestriction {
    votes: u64,
}

impl Check for ElectionRestriction {
    fn heading(&self) -> Heading {
        Heading::new("election-restriction", "votes go only to candidates whose log is up to date")
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        let record = line.record;
        let Event::Vote { candidate, candidate_last, own_last } = &record.event else { return };
        self.votes += 1;
        let order = |last: &Position| (last.term, last.index);
        if order(candidate_last) >= order(own_last) {
            return;
        }
        found.add(|| Draft {
            anomaly: "vote-for-old-log",
            headline: "A node voted for a candidate that may lack committed entries.",
            explanation: format!(
                "{} voted for {} in term {}, whose log ended at index {} of term {}; its own ended at \
                 index {} of term {}.",
                name(record.node),
                name(*candidate),
                record.term,
                candidate_last.index,
                candidate_last.term,
                own_last.index,
                own_last.term,
            ),
            nodes: vec![record.node, *candidate],
            at_ns: record.time_ns,
            places: vec![line.place],
            // The candidate cannot have what is of a later term than its last entry, or behind it.
            entries: Some((own_last.index.min(candidate_last.index + 1), own_last.index)),
..Draft::default()
});
    }

    fn summary(&self) -> String {
        format!("{} votes", grouped(self.votes))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(self.votes > 0, "no vote was given", "a run that elects a leader")
    }
}
