//! A vote goes to a node that campaigns (paper section 5.2): whoever gets a vote in a term began an election
//! for that term, and told so before it asked anyone.
//!
//! A candidate is judged where its trace is whole: one boot of it began in an earlier term, and told something
//! after that term or after the vote. Of a candidate that was killed before it told any more, and of one
//! that was started in the term of the vote, lines may be missing.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use whitewater_raft::event::Event;
use whitewater_raft::{NodeId, Term};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// A vote for another node.
#[derive(Clone, Copy, Debug)]
struct Cast {
    voter: NodeId,
    candidate: NodeId,
    term: Term,
    at_ns: u64,
    place: Place,
}

/// What one boot of a node told of terms.
#[derive(Clone, Copy, Debug)]
struct Boot {
    first_term: Term,
    last_term: Term,
    last_ns: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct VoteForCandidate {
    votes: Vec<Cast>,
    campaigns: HashSet<(NodeId, Term)>,
    boots: BTreeMap<NodeId, Vec<Boot>>,
    judged: u64,
}

impl VoteForCandidate {
    /// Whether a campaign of the candidate in that term would be in its trace.
    fn is_whole(&self, cast: &Cast) -> bool {
        let boots = self.boots.get(&cast.candidate).map(Vec::as_slice).unwrap_or_default();
        boots.iter().any(|boot| {
            let goes_on = boot.last_term > cast.term || boot.last_ns >= cast.at_ns;
            boot.first_term < cast.term && goes_on
        })
    }
}

impl Check for VoteForCandidate {
    fn heading(&self) -> Heading {
        Heading::new("vote-for-candidate", "votes go to nodes that campaign in that term")
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, _found: &mut Findings) {
        let Line { record, place } = *line;
        let (node, term, at_ns) = (record.node, record.term, record.time_ns);
        let boots = self.boots.entry(node).or_default();
        match boots.last_mut() {
            Some(boot) if !matches!(record.event, Event::Boot { .. }) => {
                boot.last_term = boot.last_term.max(term);
                boot.last_ns = boot.last_ns.max(at_ns);
            }
            _ => boots.push(Boot { first_term: term, last_term: term, last_ns: at_ns }),
        }
        match &record.event {
            Event::Vote { candidate, .. } if *candidate != node => {
                self.votes.push(Cast { voter: node, candidate: *candidate, term, at_ns, place });
            }
            Event::Campaign { pre_vote: false, .. } | Event::Leader { .. } => {
                self.campaigns.insert((node, term));
            }
            _ => {}
        }
    }

    /// A campaign may be told after a vote for it, where clocks differ.
    fn end(&mut self, _nodes: &Nodes, found: &mut Findings) {
        for cast in &self.votes {
            let Cast { voter, candidate, term, at_ns, place } = *cast;
            let campaigned = self.campaigns.contains(&(candidate, term));
            if !campaigned && !self.is_whole(cast) {
                continue;
            }
            self.judged += 1;
            if campaigned {
                continue;
            }
            found.add(|| Draft {
                anomaly: "vote-without-campaign",
                headline: "A node voted for one that did not stand for election.",
                explanation: format!(
                    "{} voted for {} in term {term}; the trace of {} goes past that and has no campaign \
                     in that term. Nobody can count such a vote, and the voter cannot give another.",
                    name(voter),
                    name(candidate),
                    name(candidate),
                ),
                nodes: vec![voter, candidate],
                at_ns,
                places: vec![place],
..Draft::default()
});
        }
    }

    fn summary(&self) -> String {
        let (judged, votes) = (grouped(self.judged), grouped(self.votes.len() as u64));
        format!("{judged} of {votes} votes for other nodes, compared with campaigns")
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.judged > 0,
            "no vote for another node could be compared with its campaign",
            "a run of several nodes that elects a leader, with the traces of all",
        )
    }
}
