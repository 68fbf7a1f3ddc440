//! What an operator asks of a simulated cluster, each request seen through on virtual time.
//!
//! The operator gets no answers: it looks at the nodes, as a real one would after a time-out, and asks
//! for what is still missing. What to ask for is decided where it is decided for real clusters.

use std::collections::BTreeSet;
use std::mem;

use whitewater_raft::{MembershipChange, NodeId, Status};
use whitewater_server::node::Node;

use super::deck::Deck;
use super::departures::Departure;
use super::nemesis::{Act, host_of};
use super::volume::Crash;
use super::world::{Happening, NOBODY, World};
use crate::nemesis::membership::{Goal, Step, next_step};
use crate::nemesis::{Act as Deed, Strike};
use crate::plan::Plan;
use crate::target::{Members, Wish};

const MILLISECOND: u64 = 1_000_000;
/// How often requests under way are looked after.
const ERRAND_NS: u64 = 20 * MILLISECOND;
/// How long an operator keeps asking.
const ERRAND_DEADLINE_NS: u64 = 10_000 * MILLISECOND;
/// How long a hand-over is waited for before it is asked for again.
const PATIENCE_NS: u64 = 800 * MILLISECOND;
/// A machine whose disk was emptied is started after this: no message is on its way that long, so that
/// none reaches the new node that was meant for the one whose promises are forgotten.
const QUIET_NS: u64 = 1_500 * MILLISECOND;

/// A request under way.
#[derive(Debug)]
struct Errand {
    aim: Aim,
    until_ns: u64,
    /// Part of the fault in force, and not of its healing.
    is_fault: bool,
    /// A node that leaves by itself.
    departure: Option<Departure>,
}

#[derive(Debug)]
enum Aim {
    /// Somebody leads a later term.
    Transfer { target: Option<u32>, term: u64, asked_ns: u64 },
    /// A leader gives up handing over, and commits again.
    FailTransfer { leader: u32, term: u64, target: u32, gave_up_at: Option<u64>, is_begun: bool },
    /// Members are as they are to be.
    Reach(Goal),
    /// A node leaves for good and loses its disk.
    Replace(u32),
    /// A leader takes a removal into its log that it cannot commit.
    InVain { leader: u32, node: u32 },
}

/// The operator.
#[derive(Debug)]
pub(super) struct Operator {
    errands: Vec<Errand>,
    nodes: u32,
    /// Nodes that left for good: their servers ended, and nobody starts them again.
    pub(super) left: BTreeSet<u32>,
    is_due: bool,
    /// What came of the requests of the fault in force.
    effective_at_ns: Option<u64>,
    facts: Vec<String>,
}

impl Operator {
    /// An operator with nothing to do.
    pub(super) fn new(plan: &Plan) -> Self {
        let (errands, left, facts) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { errands, nodes: plan.nodes, left, is_due: false, effective_at_ns: None, facts }
    }

    /// What came of a fault's requests; `None` where it made none.
    pub(super) fn take_outcome(&mut self, strike: &Strike) -> Option<(Option<u64>, Vec<String>)> {
        let outcome = (self.effective_at_ns.take(), mem::take(&mut self.facts));
        strike.acts.iter().any(Deed::is_request).then_some(outcome)
    }
}

impl World<'_> {
    /// The voters by the leader's word; all nodes where nobody leads.
    pub(super) fn voters(&self) -> Vec<u32> {
        let led = self.leader().and_then(|(leader, _)| self.status(host_of(leader)));
        match led {
            Some(status) => members_of(&status).voters.into_iter().collect(),
            None => {
                let left = &self.nemesis.operator.left;
                (1..=self.plan.nodes).filter(|node| !left.contains(node)).collect()
            }
        }
    }

    /// Whether every node that is to be one is a voter, and no change is under way.
    pub(super) fn is_complete(&self) -> bool {
        let led = self.leader().and_then(|(leader, _)| self.status(host_of(leader)));
        led.is_some_and(|status| {
            let members = members_of(&status);
            members.is_settled(status.commit) && members.voters.len() == self.present().count()
        })
    }

    /// A fault's request is made.
    pub(super) fn send_on_errand(&mut self, deed: &Deed) {
        let Some((leader, term)) = self.leader() else { return };
        let aim = match deed {
            Deed::Transfer(target) => Aim::Transfer {
                target: *target,
                term,
                asked_ns: self.now_ns.saturating_sub(PATIENCE_NS),
            },
            Deed::FailTransfer(target) => {
                let (target, gave_up_at, is_begun) = (*target, None, false);
                Aim::FailTransfer { leader, term, target, gave_up_at, is_begun }
            }
            Deed::Remove(node) => Aim::Reach(Goal::Gone(*node)),
            Deed::Replace(node) => Aim::Replace(*node),
            Deed::RemoveInVain { leader, node } => Aim::InVain { leader: *leader, node: *node },
            Deed::Kill(_) | Deed::Pause(_) | Deed::Block(_) | Deed::Shape(..) => return,
        };
        self.begin_errand(aim, true, None);
    }

    /// A node leaves by itself.
    pub(super) fn send_away(&mut self, node: u32, departure: Departure) {
        self.begin_errand(Aim::Reach(Goal::Gone(node)), false, Some(departure));
    }

    /// A node is to be a voter again.
    pub(super) fn come_back(&mut self, node: u32) {
        self.start_soon(host_of(node));
        self.begin_errand(Aim::Reach(Goal::Voter(node)), false, None);
    }

    /// Everybody is to be a voter again, whatever is under way.
    pub(super) fn restore_members(&mut self) {
        for errand in mem::take(&mut self.nemesis.operator.errands) {
            if let Some(departure) = errand.departure {
                self.recording.faults.push(departure.record);
            }
        }
        if !self.is_complete() {
            let left = self.nemesis.operator.left.clone();
            for node in (1..=self.nemesis.operator.nodes).filter(|node| !left.contains(node)) {
                self.begin_errand(Aim::Reach(Goal::Voter(node)), false, None);
            }
        }
    }

    /// The requests of a fault end with it. Whether those of its healing go on.
    pub(super) fn end_errands(&mut self, strike: &Strike) -> bool {
        self.nemesis.operator.errands.retain(|errand| !errand.is_fault);
        strike.acts.iter().any(|deed| deed.member().is_some())
    }

    fn begin_errand(&mut self, aim: Aim, is_fault: bool, departure: Option<Departure>) {
        let until_ns = self.now_ns + ERRAND_DEADLINE_NS;
        let errand = Errand { aim, until_ns, is_fault, departure };
        let operator = &mut self.nemesis.operator;
        operator.errands.push(errand);
        if !mem::replace(&mut operator.is_due, true) {
            self.queue.push(self.now_ns, Happening::Nemesis(Act::Errands));
        }
    }

    /// Looks after every request under way.
    pub(super) fn run_errands(&mut self) {
        self.nemesis.operator.is_due = false;
        let mut open = Vec::new();
        for mut errand in mem::take(&mut self.nemesis.operator.errands) {
            match self.advance(&mut errand.aim) {
                Some(fact) => self.finished(errand, Some(fact)),
                None if self.now_ns >= errand.until_ns => self.finished(errand, None),
                None => open.push(errand),
            }
        }
        let operator = &mut self.nemesis.operator;
        operator.errands.append(&mut open);
        let is_open = !operator.errands.is_empty();
        if is_open && !mem::replace(&mut operator.is_due, true) {
            self.queue.push(self.now_ns + ERRAND_NS, Happening::Nemesis(Act::Errands));
        }
        self.close_when_back();
    }

    fn finished(&mut self, errand: Errand, fact: Option<String>) {
        if errand.is_fault {
            let operator = &mut self.nemesis.operator;
            operator.effective_at_ns = fact.is_some().then_some(self.now_ns);
            operator.facts.extend(fact);
            return;
        }
        if let Some(Departure { for_ns, mut record }) = errand.departure {
            let is_gone = fact.is_some();
            record.effective = is_gone;
            record.effective_at_ns = is_gone.then_some(self.now_ns);
            record.healed_at_ns = Some(self.now_ns + for_ns.unwrap_or(0));
            record.effects.extend(fact);
            let node = record.nodes.first().and_then(|name| name.strip_prefix('n')?.parse().ok());
            self.recording.faults.push(record);
            match (node, for_ns) {
                (Some(node), None) if is_gone => self.bid_farewell(node),
                (Some(node), _) => {
                    let at_ns = self.now_ns + for_ns.unwrap_or(0);
                    self.queue.push(at_ns, Happening::Nemesis(Act::Return(node)));
                }
                (None, _) => {}
            }
            self.schedule_leave();
        }
    }

    /// A fault that changed members is over once they are back.
    fn close_when_back(&mut self) {
        let operator = &self.nemesis.operator;
        let Some((strike, ..)) = &self.nemesis.in_force else { return };
        let is_member = strike.acts.iter().any(|deed| deed.member().is_some());
        if !is_member || !self.nemesis.is_healing || !operator.errands.is_empty() {
            return;
        }
        if let Some((strike, record, stopped_before)) = self.nemesis.in_force.take() {
            self.close(&strike, record, stopped_before);
        }
    }

    /// Does what is next for an aim. What was seen, where it is reached.
    fn advance(&mut self, aim: &mut Aim) -> Option<String> {
        match aim {
            Aim::Reach(goal) => self.advance_members(*goal),
            Aim::Replace(node) => {
                let node = *node;
                let fact = self.advance_members(Goal::Gone(node))?;
                let host = host_of(node);
                self.crash_host(host, "signal 9", Crash::Process);
                self.hosts[host].volume.wipe();
                self.hosts[host].joins = true;
                self.hosts[host].not_before_ns = self.now_ns + QUIET_NS;
                self.start_soon(host);
                Some(format!("{fact}; n{node} lost its disk"))
            }
            Aim::Transfer { target, term, asked_ns } => {
                let (leader, now_leads) = self.leader()?;
                if now_leads > *term {
                    return Some(format!("n{leader} led term {now_leads}"));
                }
                if self.now_ns >= *asked_ns + PATIENCE_NS {
                    *asked_ns = self.now_ns;
                    self.wish(leader, Wish::Transfer(*target));
                }
                None
            }
            Aim::FailTransfer { leader, term, target, gave_up_at, is_begun } => {
                if !*is_begun {
                    *is_begun = true;
                    self.wish(*leader, Wish::Transfer(Some(*target)));
                }
                let status = self.status(host_of(*leader))?;
                let leads = self.leader() == Some((*leader, *term));
                if !leads || status.transfer.is_some() {
                    return None;
                }
                let since = *gave_up_at.get_or_insert(status.commit);
                (status.commit > since)
                    .then(|| format!("n{leader} gave up, and committed again in term {term}"))
            }
            Aim::InVain { leader, node } => {
                let status = self.status(host_of(*leader))?;
                let members = members_of(&status);
                if !members.voters.contains(node) && members.index > status.commit {
                    return Some(format!("n{leader} holds the removal of n{node}, uncommitted"));
                }
                self.wish(*leader, Wish::Remove(*node));
                None
            }
        }
    }

    fn advance_members(&mut self, goal: Goal) -> Option<String> {
        let (leader, _) = self.leader()?;
        let status = self.status(host_of(leader))?;
        let members = members_of(&status);
        match next_step(goal, &members, status.commit) {
            Step::Reached => Some(format!(
                "voters are {} by index {}, committed at n{leader}",
                members.voters_words(),
                members.index
            )),
            Step::Wait => None,
            Step::Ask(wish) => {
                self.wish(leader, wish);
                None
            }
        }
    }

    fn wish(&mut self, leader: u32, wish: Wish) {
        let change = match wish {
            Wish::Transfer(target) => {
                let hand_over = |node: &mut Node<Deck>| {
                    node.transfer_leadership(target.map(NodeId::from), NOBODY);
                };
                return self.prompt(host_of(leader), hand_over);
            }
            Wish::AddLearner(node) => MembershipChange::AddLearner(node.into()),
            Wish::Promote(node) => MembershipChange::Promote(node.into()),
            Wish::Remove(node) => MembershipChange::Remove(node.into()),
        };
        let change = |node: &mut Node<Deck>| node.change_membership(change, None, NOBODY);
        self.prompt(host_of(leader), change);
    }
}

fn members_of(status: &Status) -> Members {
    let numbers = |ids: &std::collections::BTreeSet<NodeId>| {
        ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect()
    };
    Members {
        voters: numbers(&status.membership.voters),
        outgoing: numbers(&status.membership.voters_outgoing),
        learners: numbers(&status.membership.learners),
        index: status.membership_index,
    }
}
