//! A leader in contact with a quorum is left in peace: no node that comes back from a partition or a pause
//! deposes it (pre-vote, thesis 9.6; no vote within a leader's lease, 4.2.3). A promise of the settings,
//! so only judged where the plan makes it.
//!
//! What shows contact is the leader's own trace: a commit tells whose acknowledgements are new, a read who
//! confirmed. A leader is in contact while a quorum showed that within a third of the shortest election
//! timeout. An election into a higher term breaks the promise where it began, its trial included, while
//! the leader had been in contact without a gap of another third since one such timeout before: any quorum
//! that lets a candidate pass has a node in it that heard of the leader too lately. No clock
//! of the machine comes into this, so a machine that starves its processes breaks no promise: the leader's
//! trace has a gap then. Hand-overs are no disturbance. It is told when the leader steps down for it.

use std::collections::BTreeMap;

use whitewater_raft::event::{Event, Record, Role};
use whitewater_raft::{Index, Membership, NodeId, Term};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

const MILLISECOND: u64 = 1_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Undisturbed {
    /// The shortest election timeout; `None`: nothing is promised.
    promised_ns: Option<u64>,
    leaders: BTreeMap<NodeId, Leading>,
    /// By node: the first trial in its present term.
    trials: BTreeMap<NodeId, (Term, u64)>,
    /// The highest term that anyone campaigned for.
    campaigned: Term,
    reigns: u64,
}

/// A leader as far as its trace told.
#[derive(Clone, Debug)]
struct Leading {
    term: Term,
    /// By peer: the highest index it was told to have matched, and when it last showed anything new.
    shown: BTreeMap<NodeId, (Index, u64)>,
    elected_ns: u64,
    /// Without a gap in contact since then.
    steady_ns: u64,
    /// The last contact.
    contact_ns: u64,
    /// The first campaign for a higher term.
    rival: Option<Rival>,
}

#[derive(Clone, Copy, Debug)]
struct Rival {
    node: NodeId,
    term: Term,
    at_ns: u64,
    /// How long before that the leader was last in contact with a quorum.
    contact_before_ns: u64,
    place: Place,
    /// It should not have come to that.
    is_wrong: bool,
}

impl Undisturbed {
    /// Nothing seen yet.
    pub(crate) fn new(promised_ms: Option<u64>) -> Undisturbed {
        Undisturbed {
            promised_ns: promised_ms.map(|it| it.saturating_mul(MILLISECOND)),
            leaders: BTreeMap::new(),
            trials: BTreeMap::new(),
            campaigned: 0,
            reigns: 0,
        }
    }

    fn elected(&mut self, record: &Record, place: Place) {
        self.reigns += 1;
        let (term, at_ns) = (record.term, record.time_ns);
        // Whoever is ahead already was there before this leader.
        let rival = (self.campaigned > term).then_some(Rival {
            node: record.node,
            term: self.campaigned,
            at_ns,
            contact_before_ns: 0,
            place,
            is_wrong: false,
        });
        let (elected_ns, steady_ns, contact_ns) = (at_ns, at_ns, at_ns);
        let shown = BTreeMap::new();
        let leading = Leading { term, shown, elected_ns, steady_ns, contact_ns, rival };
        self.leaders.insert(record.node, leading);
    }

    /// Peers showed something: with whoever did so lately, that may be a quorum.
    fn contact(&mut self, record: &Record, membership: &Membership, promised_ns: u64) {
        let Some(leading) = self.leaders.get_mut(&record.node) else { return };
        let now_ns = record.time_ns;
        match &record.event {
            Event::Commit { matched, .. } => {
                for (node, index) in matched {
                    let shown = leading.shown.entry(*node).or_default();
                    if *index > shown.0 {
                        *shown = (*index, now_ns);
                    }
                }
            }
            Event::Read { confirmed, .. } => {
                for node in confirmed {
                    leading.shown.entry(*node).or_default().1 = now_ns;
                }
            }
            _ => return,
        }
        let is_lately = |id: NodeId| {
            let shown = leading.shown.get(&id);
            id == record.node || shown.is_some_and(|(_, at_ns)| at_ns + promised_ns / 3 >= now_ns)
        };
        if !has_quorum(membership, is_lately) {
            return;
        }
        if now_ns.saturating_sub(leading.contact_ns) > promised_ns / 3 {
            leading.steady_ns = now_ns;
        }
        leading.contact_ns = now_ns;
    }

    fn campaign(&mut self, record: &Record, place: Place, transfer: bool, promised_ns: u64) {
        let (node, term, at_ns) = (record.node, record.term, record.time_ns);
        let trial = self.trials.get(&node).filter(|(tried, _)| tried + 1 == term);
        // Without a trial, the decision came before the vote was on disk: allow for that.
        let began_ns = trial.map_or(at_ns.saturating_sub(2 * promised_ns), |(_, at_ns)| *at_ns);
        self.campaigned = self.campaigned.max(term);
        for (leader, leading) in &mut self.leaders {
            if leading.term >= term || leading.rival.is_some() || *leader == node {
                continue;
            }
            let contact_before_ns = at_ns.saturating_sub(leading.contact_ns);
            let is_steady = leading.steady_ns.max(leading.elected_ns) + promised_ns <= began_ns
                && contact_before_ns <= promised_ns / 3;
            let is_wrong = is_steady && !transfer;
            leading.rival = Some(Rival { node, term, at_ns, contact_before_ns, place, is_wrong });
        }
    }

    fn stepdown(&mut self, line: &Line<'_>, cause: &str, found: &mut Findings) {
        let record = line.record;
        let Some(leading) = self.leaders.remove(&record.node) else { return };
        let Some(rival) = leading.rival.filter(|rival| rival.is_wrong) else { return };
        if record.role != Role::Leader || !cause.contains("higher term") {
            return;
        }
        found.add(|| Draft {
            anomaly: "disturbed-leader",
            headline: "A leader in contact with a quorum was deposed by a node that was not.",
            explanation: format!(
                "{} led term {} and had heard from a quorum {:.0} ms before {} began an election for term \
                 {}, and all the time before. {:.1} s later it stepped down ({cause}). Pre-vote and leases \
                 promise that it does not come to such an election.",
                name(record.node),
                leading.term,
                rival.contact_before_ns as f64 / 1e6,
                name(rival.node),
                rival.term,
                record.time_ns.saturating_sub(rival.at_ns) as f64 / 1e9,
            ),
            nodes: vec![record.node, rival.node],
            at_ns: record.time_ns,
            places: vec![rival.place, line.place],
..Draft::default()
});
    }
}

impl Check for Undisturbed {
    fn heading(&self) -> Heading {
        Heading::new(
            "undisturbed-leader",
            "no leader in contact with a quorum is deposed by a node that comes back",
        )
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let Some(promised_ns) = self.promised_ns else { return };
        let record = line.record;
        match &record.event {
            Event::Leader { .. } => self.elected(record, line.place),
            Event::Commit { .. } | Event::Read { round: 1.., .. } => {
                self.contact(record, &nodes.get(record.node).membership, promised_ns);
            }
            Event::Campaign { pre_vote: true, .. } => {
                let trial = self.trials.entry(record.node).or_default();
                if trial.0 != record.term {
                    *trial = (record.term, record.time_ns);
                }
            }
            Event::Campaign { pre_vote: false, transfer } => {
                self.campaign(record, line.place, *transfer, promised_ns);
            }
            Event::Stepdown { cause } => self.stepdown(line, cause, found),
            Event::Boot { .. } => {
                self.leaders.remove(&record.node);
                self.trials.remove(&record.node);
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        format!("{} reigns", grouped(self.reigns))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.promised_ns.is_some(),
            "the target does not promise it",
            "a target that promises undisturbed leaders, such as the bundled server",
        )
        .or(Idle::unless(self.reigns > 0, "nobody led", "a run that elects a leader"))
    }
}

/// Whether a node is in a majority of the voters, of both sets while a joint change is in force.
fn has_quorum(membership: &Membership, holds: impl Fn(NodeId) -> bool) -> bool {
    let sets = [&membership.voters, &membership.voters_outgoing];
    let is_majority = |set: &std::collections::BTreeSet<NodeId>| {
        2 * set.iter().filter(|id| holds(**id)).count() > set.len()
    };
    !membership.voters.is_empty() && sets.into_iter().filter(|set| !set.is_empty()).all(is_majority)
}
