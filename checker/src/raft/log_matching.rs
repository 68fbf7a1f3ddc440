//! Log Matching (paper section 5.3): logs that have the same entry have the same entries before it.
//!
//! A chain hash stands for a whole prefix, so the property is one comparison: the same index and term
//! always come with the same chain, whoever tells it and in whatever event. A follower that reports an entry as
//! matching says the same of its leader's log, so what it reports is compared at once: a log that went wrong may not
//! name the same entry as another one for a long time.

use whitewater_raft::event::Event;
use whitewater_raft::{Chain, Index, NodeId, Position, Term};

use super::finding::{Draft, Findings, Place, name};
use super::first_told::FirstTold;
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// Two logs that a follower says match, and do not.
const UNMATCHED: &str = "unmatched-entry";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LogMatching {
    chains: FirstTold<Position, Chain>,
    acks: u64,
    /// Entries that were reported as matching and that the leader has not told of.
    unknown: Vec<Unknown>,
}

/// An entry that a follower reported as matching when its leader's trace did not reach so far. The leader tells of an
/// entry before it sends it, so it never had it; unless it was killed, and its last lines are missing. Whether
/// it was is seen by its next line.
#[derive(Clone, Copy, Debug)]
struct Unknown {
    follower: NodeId,
    leader: NodeId,
    /// The leader's boot.
    boot: u64,
    term: Term,
    matched: Index,
    at_ns: u64,
    place: Place,
}

impl LogMatching {
    /// A follower reports an entry as matching, and the terms at its index are known of both logs. Within its term a
    /// leader's log only grows, so what its trace has told by now is what it sent.
    fn ack(
        &mut self,
        line: &Line<'_>,
        (leader, matched): (NodeId, Index),
        nodes: &Nodes,
        found: &mut Findings,
    ) {
        let (follower, term) = (line.record.node, line.record.term);
        let (own, leading) = (nodes.get(follower), nodes.get(leader));
        if leading.reign.as_ref().is_none_or(|reign| reign.term != term) || follower == leader {
            return;
        }
        if leading.log.last().index < matched {
            let Line { record, place } = *line;
            let (boot, at_ns) = (leading.boot, record.time_ns);
            self.unknown.push(Unknown { follower, leader, boot, term, matched, at_ns, place });
            return;
        }
        let terms = own.log.term_at(matched).zip(leading.log.term_at(matched));
        let Some((own_term, leading_term)) = terms else { return };
        self.acks += 1;
        if own_term == leading_term {
            return;
        }
        let (durable, told) = (own.durable.place, leading.durable.place);
        found.add(|| Draft {
            anomaly: UNMATCHED,
            headline: "A follower reported an entry as matching that is another one in its log.",
            explanation: format!(
                "{} reported to {}, the leader of term {term}, that their logs match up to index {matched}. There \
                 {} has an entry of term {own_term}, and the leader one of term {leading_term}.",
                name(follower),
                name(leader),
                name(follower),
            ),
            nodes: vec![follower, leader],
            at_ns: line.record.time_ns,
            places: vec![durable, told, line.place],
            entries: Some((matched, matched)),
            ..Draft::default()
        });
    }

    /// The leader tells on: what it had not told of by then it did not have.
    fn goes_on(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let record = line.record;
        self.unknown.retain(|unknown| {
            if unknown.leader != record.node || record.time_ns <= unknown.at_ns {
                return true;
            }
            let leading = nodes.get(unknown.leader);
            if record.boot == unknown.boot && leading.log.last().index < unknown.matched {
                found.add(|| {
                    unknown.draft(leading.log.last().index, leading.durable.place, line.place)
                });
            }
            false
        });
    }

    /// A follower takes entries behind one that is another one in the log of the leader that has them too: of two
    /// logs with the same entry one has another before it.
    fn appended(
        &self,
        line: &Line<'_>,
        (first, last): (Position, Position),
        nodes: &Nodes,
        found: &mut Findings,
    ) {
        let (follower, term) = (line.record.node, line.record.term);
        let Some(leader) = nodes.leader_of(term).filter(|leader| *leader != follower) else {
            return;
        };
        let (own, leading) = (nodes.get(follower), nodes.get(leader));
        let before = first.index.saturating_sub(1);
        let terms = own.log.term_at(before).zip(leading.log.term_at(before));
        let Some((own_term, leading_term)) = terms else { return };
        if own_term == leading_term || leading.log.term_at(last.index) != Some(last.term) {
            return;
        }
        found.add(|| Draft {
            anomaly: UNMATCHED,
            headline: "A follower took entries behind one that is another one in its leader's log.",
            explanation: format!(
                "{} took the entries from index {} on from {}, the leader of term {term}. Before them, at index \
                 {before}, it has an entry of term {own_term}, and the leader one of term {leading_term}.",
                name(follower),
                first.index,
                name(leader),
            ),
            nodes: vec![follower, leader],
            at_ns: line.record.time_ns,
            places: vec![own.durable.place, leading.durable.place, line.place],
            entries: Some((before, before)),
            ..Draft::default()
        });
    }
}

impl Unknown {
    fn draft(&self, ended: Index, told: Place, next: Place) -> Draft {
        let (follower, leader) = (name(self.follower), name(self.leader));
        let (term, matched) = (self.term, self.matched);
        Draft {
            anomaly: UNMATCHED,
            headline: "A follower reported entries as matching that its leader does not have.",
            explanation: format!(
                "{follower} reported to {leader}, the leader of term {term}, that their logs match up to index \
                 {matched}; the log of {leader} ended at index {ended}."
            ),
            nodes: vec![self.follower, self.leader],
            at_ns: self.at_ns,
            places: vec![told, self.place, next],
            entries: Some((ended + 1, matched)),
            ..Draft::default()
        }
    }
}

impl Check for LogMatching {
    fn heading(&self) -> Heading {
        Heading::new("log-matching", "logs with the same entry are the same up to it")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        self.goes_on(line, nodes, found);
        match line.record.event {
            Event::Ack { to, matched } => self.ack(line, (to, matched), nodes, found),
            Event::Append { first, last, .. } => self.appended(line, (first, last), nodes, found),
            _ => {}
        }
        let Some((position, chain)) = told(&line.record.event) else { return };
        let Some(&mut known) = self.chains.before(line, position, chain) else { return };
        if known.is == chain {
            return;
        }
        let Position { index, term } = position;
        let (anomaly, headline, explanation) = match known.own(line) {
            Some(own) => {
                let (before, after) = own.words();
                (
                    "log-changed",
                    "One node’s log changed before an entry that it kept.",
                    format!(
                        "On {} the entry at index {index} of term {term} ended chain {} {before}, and \
                         {after}, the chain was {chain}: something up to it changed in its own log.",
                        name(line.record.node),
                        known.is,
                    ),
                )
            }
            None => (
                "logs-diverge",
                "Two logs have the same entry after different ones.",
                format!(
                    "The entry at index {index} of term {term} ends chain {} on {} and chain {chain} on \
                     {}: somewhere up to it their logs differ.",
                    known.is,
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
        let (named, again) = self.chains.counts();
        let (named, again) = (grouped(named), grouped(again));
        let acks = grouped(self.acks);
        format!(
            "{named} entries named with their chain, {again} of them more than once; {acks} reported as matching"
        )
    }

    fn idle(&self) -> Option<Idle> {
        let (_, again) = self.chains.counts();
        Idle::unless(
            again > 0,
            "no entry was named twice with its chain",
            "a run in which clients write",
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
