//! Election Safety (paper section 5.2): at most one leader in a term, over all boots.
//!
//! Taken from traces and from status polls, so that it holds for targets without a trace too. A node
//! that says it leads has counted a durable vote of its own, so neither source can be wrong about it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use whitewater_raft::event::Event;
use whitewater_raft::{NodeId, Term};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;
use crate::observation::StatusPoll;

/// Who leads a term, and how that is known.
#[derive(Clone, Copy, Debug)]
struct Claim {
    node: NodeId,
    place: Place,
    at_ns: u64,
    is_poll: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Elections {
    leaders: BTreeMap<Term, Claim>,
    lines: u64,
    nodes: usize,
    polls: u64,
}

impl Elections {
    /// A status answer.
    pub(crate) fn poll(&mut self, poll: &StatusPoll, place: Place, found: &mut Findings) {
        self.polls += 1;
        let number = poll.node.strip_prefix('n').and_then(|number| number.parse().ok());
        let Some(node) = number.filter(|_| poll.role == "leader") else { return };
        let claim = Claim { node, place, at_ns: poll.time_ns, is_poll: true };
        self.claim(poll.term, claim, found);
    }

    fn claim(&mut self, term: Term, claim: Claim, found: &mut Findings) {
        let known = match self.leaders.entry(term) {
            Entry::Vacant(vacant) => {
                vacant.insert(claim);
                return;
            }
            Entry::Occupied(occupied) => *occupied.get(),
        };
        if known.node == claim.node {
            return;
        }
        let (first, second) =
            if known.at_ns <= claim.at_ns { (known, claim) } else { (claim, known) };
        found.add(|| Draft {
            anomaly: "two-leaders",
            headline: "Two nodes led in the same term.",
            explanation: format!(
                "In term {term} {} {}, and {:.1} ms later {} {}. Two leaders of one term can \
                 both commit, and each other's entries overwrite.",
                name(first.node),
                first.words(),
                (second.at_ns - first.at_ns) as f64 / 1e6,
                name(second.node),
                second.words(),
            ),
            nodes: vec![first.node, second.node],
            at_ns: second.at_ns,
            places: vec![first.place, second.place],
            ..Draft::default()
        });
    }
}

impl Claim {
    fn words(self) -> &'static str {
        if self.is_poll { "answered a status request as leader" } else { "became leader" }
    }
}

impl Check for Elections {
    fn heading(&self) -> Heading {
        Heading::new("leader-per-term", "one leader per term")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        self.lines += 1;
        self.nodes = nodes.len();
        if let Event::Leader { .. } = line.record.event {
            let Line { record, place } = *line;
            let (node, at_ns) = (record.node, record.time_ns);
            self.claim(record.term, Claim { node, place, at_ns, is_poll: false }, found);
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} terms with a leader, {} trace lines of {} nodes, {} status polls",
            grouped(self.leaders.len() as u64),
            grouped(self.lines),
            self.nodes,
            grouped(self.polls)
        )
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            !self.leaders.is_empty(),
            "no node told in which term it leads",
            "a run that elects a leader, with traces or status polls",
        )
    }
}
