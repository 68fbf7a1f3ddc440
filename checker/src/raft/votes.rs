//! Votes (paper section 5.2): one per node and term over all boots, and a majority of them makes a
//! leader.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use whitewater_raft::event::Event;
use whitewater_raft::{Membership, NodeId, Term};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// A vote that is known.
#[derive(Clone, Copy, Debug)]
struct Cast {
    candidate: NodeId,
    place: Place,
}

/// A vote that a leader counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    leader: NodeId,
    at_ns: u64,
    place: Place,
}

/// One vote per node and term, as voters tell it and as leaders count it.
#[derive(Debug, Default)]
pub(crate) struct VoteOnce {
    cast: HashMap<(NodeId, Term), Cast>,
    counted: BTreeMap<(NodeId, Term), Counted>,
    boots: u64,
}

impl VoteOnce {
    fn cast(&mut self, line: &Line<'_>, term: Term, candidate: NodeId, found: &mut Findings) {
        let (voter, place) = (line.record.node, line.place);
        let known = *self.cast.entry((voter, term)).or_insert(Cast { candidate, place });
        if known.candidate == candidate {
            return;
        }
        found.add(|| Draft {
            anomaly: "double-vote",
            headline: "A node voted twice in one term.",
            explanation: format!(
                "{} voted for {} in term {term}, and later in the same term for {}. With two votes \
                 of one node, two candidates can both have a majority.",
                name(voter),
                name(known.candidate),
                name(candidate),
            ),
            nodes: vec![voter, known.candidate, candidate],
            at_ns: line.record.time_ns,
            places: vec![known.place, place],
            ..Draft::default()
        });
    }

    /// A leader counted a vote that another one counted too.
    fn count(&mut self, line: &Line<'_>, voter: NodeId, found: &mut Findings) {
        let (term, leader, at_ns) = (line.record.term, line.record.node, line.record.time_ns);
        let counted = Counted { leader, at_ns, place: line.place };
        let known = *self.counted.entry((voter, term)).or_insert(counted);
        if known.leader == leader {
            return;
        }
        found.add(|| Draft {
            anomaly: "double-vote",
            headline: "One vote made two leaders.",
            explanation: format!(
                "{} and {} both counted the vote of {} in term {term}.",
                name(known.leader),
                name(leader),
                name(voter),
            ),
            nodes: vec![voter, known.leader, leader],
            at_ns,
            places: vec![known.place, line.place],
            ..Draft::default()
        });
    }
}

impl Check for VoteOnce {
    fn heading(&self) -> Heading {
        Heading::new("vote-once", "one vote per node and term")
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        match &line.record.event {
            Event::Vote { candidate, .. } => self.cast(line, line.record.term, *candidate, found),
            Event::Boot { hard_state, .. } => {
                self.boots += 1;
                if let Some(candidate) = hard_state.vote {
                    self.cast(line, hard_state.term, candidate, found);
                }
            }
            Event::Leader { votes, .. } => {
                for voter in votes {
                    self.count(line, *voter, found);
                }
            }
            _ => {}
        }
    }

    /// A vote is in the voter's trace before its reply leaves, so one that was counted and is not
    /// there was given to somebody else, or in another term.
    fn end(&mut self, nodes: &Nodes, found: &mut Findings) {
        for (&(voter, term), counted) in &self.counted {
            let cast = self.cast.get(&(voter, term));
            if cast.is_some_and(|cast| cast.candidate == counted.leader) || !nodes.tells(voter) {
                continue;
            }
            found.add(|| Draft {
                anomaly: "vote-never-given",
                headline: "A leader counted a vote that it was not given.",
                explanation: format!(
                    "{} counted the vote of {} in term {term}; {}.",
                    name(counted.leader),
                    name(voter),
                    match cast {
                        Some(cast) => format!("{} voted for {}", name(voter), name(cast.candidate)),
                        None => format!("the trace of {} has no vote in that term", name(voter)),
                    }
                ),
                nodes: vec![counted.leader, voter],
                at_ns: counted.at_ns,
                places: cast.map(|cast| cast.place).into_iter().chain([counted.place]).collect(),
                ..Draft::default()
            });
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} votes given, {} of them counted by a leader, over {} starts",
            grouped(self.cast.len() as u64),
            grouped(self.counted.len() as u64),
            grouped(self.boots)
        )
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(!self.cast.is_empty(), "no vote was given", "a run that elects a leader")
    }
}

/// A leader has the votes of a majority of every voter set in force.
#[derive(Debug, Default)]
pub(crate) struct Quorums {
    elections: u64,
}

impl Check for Quorums {
    fn heading(&self) -> Heading {
        Heading::new("election-quorum", "leaders are elected by a majority")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let Event::Leader { votes, .. } = &line.record.event else { return };
        let node = nodes.get(line.record.node);
        if node.membership.voters.is_empty() {
            return;
        }
        self.elections += 1;
        let granted: BTreeSet<NodeId> = votes.iter().copied().collect();
        if is_quorum(&node.membership, |id| granted.contains(&id)) {
            return;
        }
        found.add(|| Draft {
            anomaly: "minority-leader",
            headline: "A node took the lead without a majority of votes.",
            explanation: format!(
                "{} became leader of term {} with the votes of {}; voters were {}{}. Another \
                 candidate can win the same term with the others.",
                name(line.record.node),
                line.record.term,
                list(&granted),
                voters(&node.membership),
                lacking(&node.membership, |id| granted.contains(&id)),
            ),
            nodes: vec![line.record.node],
            at_ns: line.record.time_ns,
            places: vec![line.place],
            ..Draft::default()
        });
    }

    fn summary(&self) -> String {
        format!("{} elections won", grouped(self.elections))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(self.elections > 0, "no election was won", "a run that elects a leader")
    }
}

/// Whether those for whom `has` holds are a majority of every voter set in force.
pub(super) fn is_quorum(membership: &Membership, has: impl Fn(NodeId) -> bool) -> bool {
    let is_majority = |voters: &BTreeSet<NodeId>| {
        let count = voters.iter().filter(|id| has(**id)).count();
        voters.is_empty() || count > voters.len() / 2
    };
    is_majority(&membership.voters) && is_majority(&membership.voters_outgoing)
}

/// Which set of a joint membership has no majority of those for whom `has` holds, to be put after
/// [`voters`]; nothing where there is one set.
pub(super) fn lacking(membership: &Membership, has: impl Fn(NodeId) -> bool) -> String {
    if membership.voters_outgoing.is_empty() {
        return String::new();
    }
    let sets = [("new", &membership.voters), ("old", &membership.voters_outgoing)];
    let mut text = String::new();
    for (which, set) in sets {
        let having: BTreeSet<NodeId> = set.iter().copied().filter(|id| has(*id)).collect();
        if having.len() <= set.len() / 2 {
            text.push_str(&format!("; of the {which} voters {} only {}", list(set), list(&having)));
        }
    }
    text
}

/// `n1, n2 and n3`.
pub(super) fn list(nodes: &BTreeSet<NodeId>) -> String {
    let names: Vec<String> = nodes.iter().map(|node| name(*node)).collect();
    match names.as_slice() {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The voters of a membership in words.
pub(super) fn voters(membership: &Membership) -> String {
    match membership.voters_outgoing.is_empty() {
        true => list(&membership.voters),
        false => {
            format!("{}, and also {}", list(&membership.voters), list(&membership.voters_outgoing))
        }
    }
}
