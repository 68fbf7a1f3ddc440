//! Reads at an index (thesis 6.4): the leader has committed in its own term, a majority confirmed a
//! heartbeat round that began after the read, and the state machine has got there.
//!
//! A read also misses no commit of another leader. Let a leader of term T give a read its index, and let
//! some node have told before of a committed entry of a later term. A majority had gone on to that term by
//! then, so no majority can confirm a round of T that begins afterwards: whoever serves the read at an index
//! before that entry answers from the past. Commits of T itself are the leader's own, and those of earlier
//! terms are behind its first commit. Reads that a follower serves for its leader are not followed that far.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use whitewater_raft::event::{Event, Role};
use whitewater_raft::{Index, NodeId, Position, Term};

use super::finding::{Findings, Place, name};
use super::node::{Line, Node, Nodes};
use super::votes::{is_quorum, list, voters};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// The highest round of a boot that reads were served at, and at which indexes.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    /// How many boot lines there had been: a boot's number begins again with an emptied disk.
    boots: u64,
    round: u64,
    low: Index,
    high: Index,
    place: Place,
}

/// Rounds of a node that reads may wait for at a time; older ones are forgotten.
const ROUNDS_MAX: usize = 64;

/// The committed entry of the latest term, and who told of it first.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    at: Position,
    node: NodeId,
    time_ns: u64,
    place: Place,
}

/// Where a node's reads began, in one boot.
#[derive(Clone, Debug, Default)]
struct Begun {
    /// Starts of the node so far: a replaced node's boots are counted anew.
    boots: u64,
    /// By round and index: the leader's term, the line, and what was committed by then.
    rounds: BTreeMap<(u64, Index), (Term, Place, Newest)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ReadIndex {
    latest: HashMap<NodeId, Latest>,
    newest: Newest,
    begun: HashMap<NodeId, Begun>,
    reads: u64,
}

/// What a read line says.
struct Read<'a> {
    round: u64,
    index: Index,
    applied: Index,
    confirmed: &'a [NodeId],
}

impl ReadIndex {
    /// Somebody tells of a commit.
    fn committed(&mut self, line: &Line<'_>, at: Position) {
        if (at.term, at.index) > (self.newest.at.term, self.newest.at.index) {
            let Line { record, place } = *line;
            self.newest = Newest { at, node: record.node, time_ns: record.time_ns, place };
        }
    }

    /// A leader gives reads their index.
    fn begins(&mut self, line: &Line<'_>, boots: u64, round: u64, index: Index) {
        let Line { record, place } = *line;
        let begun = self.begun.entry(record.node).or_default();
        if begun.boots != boots {
            *begun = Begun { boots, ..Begun::default() };
        }
        if begun.rounds.len() == ROUNDS_MAX {
            begun.rounds.pop_first();
        }
        // Of reads that share both, the last one has the most to know of. At equal times nothing is certain.
        if self.newest.time_ns < record.time_ns {
            begun.rounds.insert((round, index), (record.term, place, self.newest));
        }
    }

    /// What was committed in a later term before the read began is before the read.
    fn knows_all(&self, line: &Line<'_>, boots: u64, read: &Read<'_>, found: &mut Findings) {
        let Some(begun) = self.begun.get(&line.record.node) else { return };
        if begun.boots != boots {
            return;
        }
        let Some((term, place, newest)) = begun.rounds.get(&(read.round, read.index)) else {
            return;
        };
        if newest.at.term <= *term || newest.at.index <= read.index {
            return;
        }
        let what = format!(
            "served a read that began in term {term} at index {}; before it began, {} had told that \
             {}/{} is committed",
            read.index,
            name(newest.node),
            newest.at.index,
            newest.at.term
        );
        let headline = "A read was served at an index that another leader had already gone beyond.";
        add(line, "read-missed-commit", headline, &what, &[newest.place, *place], found);
    }

    /// A read's place among the rounds: whoever waits for a later round arrived later, and the commit
    /// index had not gone back since.
    fn in_order(&mut self, line: &Line<'_>, boots: u64, read: &Read<'_>, found: &mut Findings) {
        let record = line.record;
        if read.round == 0 {
            return;
        }
        let (round, index, place) = (read.round, read.index, line.place);
        let fresh = Latest { boots, round, low: index, high: index, place };
        let latest = self.latest.entry(record.node).or_insert(fresh);
        if latest.boots != boots {
            *latest = fresh;
            return;
        }
        let is_back = round > latest.round && index < latest.high
            || round < latest.round && index > latest.low;
        if is_back {
            let (before, at) = (latest.round, latest.high);
            let what = format!("read at {index} in round {round} and at {at} in round {before}");
            let headline = "A later read was served at an earlier index.";
            add(line, "read-went-back", headline, &what, &[latest.place], found);
        }
        if round > latest.round {
            *latest = fresh;
        } else if round == latest.round {
            (latest.low, latest.high) = (latest.low.min(index), latest.high.max(index));
        }
    }
}

impl Check for ReadIndex {
    fn heading(&self) -> Heading {
        Heading::new(
            "read-index",
            "reads are confirmed by a majority and served at a committed index",
        )
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let boots = nodes.get(line.record.node).boots;
        let (round, index, applied, confirmed) = match &line.record.event {
            Event::Commit { to, .. } => return self.committed(line, *to),
            Event::ReadBegun { round, index } => return self.begins(line, boots, *round, *index),
            Event::Read { round, index, applied, confirmed } => (round, index, applied, confirmed),
            _ => return,
        };
        let read = Read { round: *round, index: *index, applied: *applied, confirmed };
        self.reads += 1;
        let node = nodes.get(line.record.node);
        is_applied(line, &read, node, found);
        is_confirmed(line, &read, node, found);
        is_of_own_term(line, &read, node, found);
        self.in_order(line, boots, &read, found);
        self.knows_all(line, boots, &read, found);
    }

    fn summary(&self) -> String {
        format!("{} batches of reads", grouped(self.reads))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(self.reads > 0, "no read was served", "a run in which clients read")
    }
}

fn is_applied(line: &Line<'_>, read: &Read<'_>, node: &Node, found: &mut Findings) {
    let applied = read.applied.min(node.applied.is);
    if read.index <= applied {
        return;
    }
    let what = format!("read at index {} having applied up to {applied}", read.index);
    let headline = "A read was served before the state machine had got there.";
    add(line, "read-too-early", headline, &what, &[node.applied.place], found);
}

fn is_confirmed(line: &Line<'_>, read: &Read<'_>, node: &Node, found: &mut Findings) {
    if read.round == 0 || node.memberships_led.is_empty() {
        return;
    }
    let has = |id| read.confirmed.contains(&id);
    // The read may be told after the membership that it was confirmed under.
    if node.memberships_led.iter().any(|membership| is_quorum(membership, has)) {
        return;
    }
    let confirmed: BTreeSet<NodeId> = read.confirmed.iter().copied().collect();
    let what = format!(
        "served a read at index {} with round {} confirmed by {}; voters were {}",
        read.index,
        read.round,
        list(&confirmed),
        voters(&node.membership)
    );
    let headline = "A read was served without asking a majority whether the leader still leads.";
    add(line, "read-unconfirmed", headline, &what, &[], found);
}

/// A leader does not know what is committed before it has committed an entry of its own.
///
/// Reads of an earlier reign that were confirmed then may be told in this one, so where there was
/// one and something of it was still to be applied, nothing is said. The same goes for a read that the
/// leader before confirmed for this node while it followed: it has no round, and waited to be applied.
fn is_of_own_term(line: &Line<'_>, read: &Read<'_>, node: &Node, found: &mut Findings) {
    let Some(reign) = node.reign.as_ref().filter(|_| line.record.role == Role::Leader) else {
        return;
    };
    let is_of_follower = read.round == 0 && read.index > reign.applied;
    if read.index > reign.elected_at.index || reign.may_owe_reads || is_of_follower {
        return;
    }
    let what = format!(
        "read at index {}, an entry of an earlier term: it was elected at {}",
        read.index, reign.elected_at.index
    );
    let headline = "A new leader served a read before it had committed in its term.";
    add(line, "read-before-commit", headline, &what, &[reign.place], found);
}

fn add(
    line: &Line<'_>,
    anomaly: &'static str,
    headline: &'static str,
    what: &str,
    before: &[Place],
    found: &mut Findings,
) {
    let record = line.record;
    let explanation = format!("{} in term {} {what}.", name(record.node), record.term);
    found.add(|| line.draft(anomaly, headline, explanation, before));
}
