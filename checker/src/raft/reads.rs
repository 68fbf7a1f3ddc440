//! Reads at an index (thesis 6.4): the leader has committed in its own term, a majority confirmed a
//! heartbeat round that began after the read, and the state machine has got there.
//!
//! When a round began is not told, so that a read misses a commit of another leader does not show here;
//! it shows in the clients' history.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use whitewater_raft::event::{Event, Role};
use whitewater_raft::{Index, NodeId};

use super::Check;
use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Node, Nodes};
use super::votes::{is_quorum, list, voters};
use crate::run::grouped;

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

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ReadIndex {
    latest: HashMap<NodeId, Latest>,
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
    fn name(&self) -> &'static str {
        "read-index"
    }

    fn title(&self) -> &'static str {
        "reads are confirmed by a majority and served at a committed index"
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let Event::Read { round, index, applied, confirmed } = &line.record.event else { return };
        let read = Read { round: *round, index: *index, applied: *applied, confirmed };
        self.reads += 1;
        let node = nodes.get(line.record.node);
        is_applied(line, &read, node, found);
        is_confirmed(line, &read, node, found);
        is_of_own_term(line, &read, node, found);
        self.in_order(line, nodes.get(line.record.node).boots, &read, found);
    }

    fn summary(&self) -> String {
        format!("{} batches of reads", grouped(self.reads))
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
    found.add(|| Draft {
        anomaly,
        headline,
        explanation: format!("{} in term {} {what}.", name(record.node), record.term),
        nodes: vec![record.node],
        at_ns: record.time_ns,
        places: before.iter().copied().chain([line.place]).collect(),
    });
}
