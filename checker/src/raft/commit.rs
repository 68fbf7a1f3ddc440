//! What is committed stays, and a leader commits by the rule (paper sections 5.3 and 5.4.2).

use std::collections::BTreeMap;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use whitewater_raft::event::{Event, Role};
use whitewater_raft::{Chain, Index, NodeId, Position, Term};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::votes::{is_quorum, lacking, voters};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// What somebody committed at an index.
#[derive(Clone, Copy, Debug)]
struct Committed {
    term: Term,
    chain: Chain,
    place: Place,
    node: u32,
}

/// One entry at every committed index, on all nodes and for ever; and no node removes one.
#[derive(Debug, Default)]
pub(crate) struct CommitImmutable {
    known: HashMap<Index, Committed>,
    compared: u64,
    highest: Index,
}

impl CommitImmutable {
    fn committed(&mut self, line: &Line<'_>, at: Position, chain: Chain, found: &mut Findings) {
        self.highest = self.highest.max(at.index);
        let node = u32::try_from(line.record.node).unwrap_or(u32::MAX);
        let known = match self.known.entry(at.index) {
            Entry::Vacant(vacant) => {
                vacant.insert(Committed { term: at.term, chain, place: line.place, node });
                return;
            }
            Entry::Occupied(occupied) => *occupied.get(),
        };
        self.compared += 1;
        if known.term == at.term && known.chain == chain {
            return;
        }
        found.add(|| Draft {
            anomaly: "commit-replaced",
            headline: "Two different entries were committed at one index.",
            explanation: format!(
                "At index {} {} committed an entry of term {} (chain {}), and {} one of term {} \
                 (chain {chain}). One of the two is lost to whoever was told that it is done.",
                at.index,
                name(known.node.into()),
                known.term,
                known.chain,
                name(line.record.node),
                at.term,
            ),
            nodes: vec![known.node.into(), line.record.node],
            at_ns: line.record.time_ns,
            places: vec![known.place, line.place],
            entries: Some((at.index, at.index)),
            ..Draft::default()
        });
    }
}

impl Check for CommitImmutable {
    fn heading(&self) -> Heading {
        Heading::new("commit-immutable", "what is committed is never replaced or removed")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        match &line.record.event {
            Event::Commit { to, chain, .. } => self.committed(line, *to, *chain, found),
            Event::Truncate { from, .. } => {
                let node = nodes.get(line.record.node);
                let kept = [node.commit, node.applied_ever];
                let Some(lost) = kept.into_iter().find(|told| told.is >= *from) else { return };
                found.add(|| Draft {
                    anomaly: "commit-removed",
                    headline: "A node removed entries that it had committed.",
                    explanation: format!(
                        "{} removed its log from index {from} on, having committed up to {}.",
                        name(line.record.node),
                        lost.is,
                    ),
                    nodes: vec![line.record.node],
                    at_ns: line.record.time_ns,
                    places: vec![lost.place, line.place],
                    entries: Some((*from, lost.is)),
                    ..Draft::default()
                });
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        format!(
            "committed up to index {}, {} commit points compared",
            grouped(self.highest),
            grouped(self.compared)
        )
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.compared > 0,
            "no commit point was told twice",
            "a run in which several nodes commit",
        )
    }
}

/// What a leader counted of another voter.
#[derive(Clone, Copy, Debug)]
struct Counted {
    matched: Index,
    leader: NodeId,
    at_ns: u64,
    place: Place,
}

/// A leader commits entries of its own term that a majority has on disk.
///
/// An entry of the leader's term is the last kind a voter can hold in that term, so a voter has it on
/// disk exactly if it told that an entry of that term is durable, at that index or a later one. That
/// was told before the voter answered the leader; whether it was is looked at when the trace is
/// over, so that no clock is trusted.
#[derive(Debug, Default)]
pub(crate) struct CommitRule {
    /// The highest entry of a term that a node told to be durable.
    durable: HashMap<(NodeId, Term), Index>,
    counted: BTreeMap<(Term, NodeId), Counted>,
    commits: u64,
}

impl CommitRule {
    fn durable(&mut self, node: NodeId, last: Position) {
        let highest = self.durable.entry((node, last.term)).or_default();
        *highest = last.index.max(*highest);
    }

    fn count(&mut self, line: &Line<'_>, matched: &[(NodeId, Index)], elected_at: Index) {
        let (term, leader, at_ns) = (line.record.term, line.record.node, line.record.time_ns);
        for &(voter, matched) in matched {
            // Entries of earlier terms say nothing: the voter may have had them before.
            if voter == leader || matched <= elected_at {
                continue;
            }
            let counted = Counted { matched, leader, at_ns, place: line.place };
            let highest = self.counted.entry((term, voter)).or_insert(counted);
            if highest.matched < matched {
                *highest = counted;
            }
        }
    }

    fn leader_commits(
        &mut self,
        line: &Line<'_>,
        to: Position,
        matched: &[(NodeId, Index)],
        nodes: &Nodes,
        found: &mut Findings,
    ) {
        self.commits += 1;
        let record = line.record;
        let leader = nodes.get(record.node);
        let of = |id| matched.iter().find(|(voter, _)| *voter == id).map_or(0, |(_, at)| *at);
        if to.term != record.term {
            let index = to.index;
            let what = format!(
                "{} committed index {index} of term {} by counting, as leader of term {}. A later \
                 leader may still replace such an entry (paper, Figure 8)",
                name(record.node),
                to.term,
                record.term
            );
            add(line, "old-term-committed", "A leader committed an old term's entry.", what, found);
        }
        let knows_all = leader.membership.voters.union(&leader.membership.voters_outgoing);
        let is_current = knows_all.eq(matched.iter().map(|(voter, _)| voter));
        if is_current && !is_quorum(&leader.membership, |id| of(id) >= to.index) {
            let counts: Vec<String> =
                matched.iter().map(|(id, at)| format!("{} {at}", name(*id))).collect();
            let what = format!(
                "{} committed index {} with matches {}; voters were {}{}",
                name(record.node),
                to.index,
                counts.join(", "),
                voters(&leader.membership),
                lacking(&leader.membership, |id| of(id) >= to.index),
            );
            let headline = "A leader committed what no majority had.";
            add(line, "minority-commit", headline, what, found);
        }
        let durable = leader.durable.is.0.index;
        if of(record.node) >= to.index && durable < to.index {
            let what = format!(
                "{} counted itself for index {} and was durable only up to {durable}",
                name(record.node),
                to.index
            );
            let headline = "A leader counted itself before its disk had the entry.";
            add(line, "undurable-commit", headline, what, found);
        }
    }
}

impl Check for CommitRule {
    fn heading(&self) -> Heading {
        Heading::new(
            "commit-rule",
            "leaders commit entries of their term that a majority has on disk",
        )
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let record = line.record;
        match &record.event {
            Event::Boot { last, .. }
            | Event::Durable { last, .. }
            | Event::SnapshotInstalled { last, .. } => self.durable(record.node, *last),
            Event::Append { last, .. } if record.role != Role::Leader => {
                self.durable(record.node, *last);
            }
            Event::Commit { to, matched, .. } if !matched.is_empty() => {
                self.leader_commits(line, *to, matched, nodes, found);
                if let Some(reign) = &nodes.get(record.node).reign {
                    self.count(line, matched, reign.elected_at.index);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, nodes: &Nodes, found: &mut Findings) {
        for (&(term, voter), counted) in &self.counted {
            let durable = self.durable.get(&(voter, term)).copied().unwrap_or(0);
            if durable >= counted.matched || !nodes.tells(voter) {
                continue;
            }
            found.add(|| Draft {
                anomaly: "undurable-commit",
                headline: "A leader counted entries that a voter does not have on disk.",
                explanation: format!(
                    "{} counted {} for entries up to index {} of term {term}; the trace of {} has \
                     no entry of that term durable beyond {durable}.",
                    name(counted.leader),
                    name(voter),
                    counted.matched,
                    name(voter),
                ),
                nodes: vec![counted.leader, voter],
                at_ns: counted.at_ns,
                places: vec![counted.place],
                ..Draft::default()
            });
        }
    }

    fn summary(&self) -> String {
        format!("{} commits of leaders", grouped(self.commits))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.commits > 0,
            "no leader committed an entry",
            "a run in which clients write",
        )
    }
}

fn add(
    line: &Line<'_>,
    anomaly: &'static str,
    headline: &'static str,
    what: String,
    found: &mut Findings,
) {
    let explanation = format!("{what}.");
    found.add(|| line.draft(anomaly, headline, explanation, &[]));
}
