//! The simulated world as the ground on which the nemesis acts: the same machines as on real clusters decide what is
//! done and when it has been seen.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use whitewater_raft::event::Role;
use whitewater_raft::{MembershipChange, NodeId, Status};
use whitewater_server::answer::{Answer, Outcome};
use whitewater_server::node::Node;

use super::deck::{Call, Deck};
use super::host::host_of;
use super::nemesis::Due;
use super::world::{Happening, OPERATOR, World};
use crate::nemesis::{Ground, InForce, Injector, Mender, Note, ProcessState, Touched, Way};
use crate::observe::{Led, View};
use crate::proxy::Rule;
use crate::record::HistoryWriter;
use whitewater_target::{Members, NodeStatus, Wish};

const MILLISECOND: u64 = 1_000_000;
/// How long an operator's question may be answered.
const ANSWER_DEADLINE_NS: u64 = 500 * MILLISECOND;

/// What decides, and what it holds in force.
#[derive(Debug, Default)]
pub(super) struct Mind {
    pub(super) injector: Injector,
    pub(super) in_force: InForce,
    pub(super) mender: Option<Mender>,
}

/// What passes between a mind and the world.
#[derive(Debug, Default)]
pub(super) struct Contact {
    /// When it looks again.
    again_ns: Option<u64>,
    /// Who led, in order of time.
    leaders: Vec<Led>,
    asked: u64,
    answers: BTreeMap<u64, Result<(), String>>,
}

impl Contact {
    /// A node was elected.
    pub(super) fn led(&mut self, at_ns: u64, node: u32, term: u64) {
        if self.leaders.last().is_none_or(|last| term > last.term) {
            self.leaders.push(Led { at_ns, node, term });
        }
    }

    /// An operator's question is answered.
    pub(super) fn answered(&mut self, question: u64, answer: &Answer) {
        let said = match &answer.outcome {
            Outcome::Failure(failure) => Err(failure.message.clone()),
            Outcome::Changed | Outcome::Reply(_) | Outcome::Value(_) => Ok(()),
        };
        self.answers.insert(question, said);
    }
}

impl World<'_> {
    /// The mind looks and does what is due.
    pub(super) fn think(&mut self) {
        let mut mind = mem::take(&mut self.nemesis.mind);
        let mut again_ns = mind.injector.step(self, &mut mind.in_force);
        if let Some(mut mender) = mind.mender.take() {
            let then_ns = mender.step(self, &mut mind.in_force);
            again_ns = again_ns.into_iter().chain(then_ns).min();
            match then_ns {
                Some(_) => mind.mender = Some(mender),
                None => self.nemesis.mended = Some(mender.trouble),
            }
        }
        let notes = mind.injector.take_notes();
        self.nemesis.mind = mind;
        for note in notes {
            if let Some(event) = note.event() {
                self.recording.at(self.now_ns).event(event);
            }
            match note {
                Note::Over(record) => self.recording.faults.push(record),
                Note::Gone(node) => self.bid_farewell(node),
                Note::Begins(_) | Note::Struck(_) => {}
            }
        }
        let known_ns = self.nemesis.contact.again_ns.filter(|at_ns| *at_ns > self.now_ns);
        if let Some(again_ns) = again_ns.map(|at_ns| at_ns.max(self.now_ns + 1))
            && known_ns.is_none_or(|known_ns| again_ns < known_ns)
        {
            self.nemesis.contact.again_ns = Some(again_ns);
            self.queue.push(again_ns, Happening::Nemesis(Due::Think));
        }
    }

    /// It is time for the mind to look again, unless it did meanwhile.
    pub(super) fn think_again(&mut self) {
        if self.nemesis.contact.again_ns == Some(self.now_ns) {
            self.think();
        }
    }

    /// An operator's question reaches a node, past every link.
    pub(super) fn hear(&mut self, question: u64, node: u32, wish: Wish) {
        let host = host_of(node);
        if self.status(host).is_none() {
            return;
        }
        let deadline_ns = self.now_ns + ANSWER_DEADLINE_NS;
        let call = Call { client: OPERATOR, number: question, deadline_ns };
        let change = match wish {
            Wish::Transfer(target) => {
                let hand_over = |node: &mut Node<Deck>| {
                    node.transfer_leadership(target.map(NodeId::from), call);
                };
                return self.prompt(host, hand_over);
            }
            Wish::AddLearner(node) => MembershipChange::AddLearner(node.into()),
            Wish::Promote(node) => MembershipChange::Promote(node.into()),
            Wish::Remove(node) => MembershipChange::Remove(node.into()),
        };
        self.prompt(host, |node: &mut Node<Deck>| node.change_membership(change, None, call));
    }

    /// The voters by the leader's word; all nodes where nobody leads.
    pub(super) fn voters(&self) -> Vec<u32> {
        let led = self.leader().and_then(|(leader, _)| self.status(host_of(leader)));
        match led {
            Some(status) => members_of(&status).voters.into_iter().collect(),
            None => self.nodes(),
        }
    }

    /// What a node answers to a status request.
    pub(super) fn node_status(&self, host: usize) -> Option<NodeStatus> {
        let status = node_status(&self.status(host)?);
        let node = &self.hosts[host].process.as_ref()?.node;
        Some(NodeStatus {
            state_hash: Some(node.machine().state_hash().to_string()),
            chain: Some(node.applied_chain().to_string()),
            ..status
        })
    }
}

impl Ground for World<'_> {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn nodes(&self) -> Vec<u32> {
        let left = &self.nemesis.left;
        (1..=self.plan.nodes).filter(|node| !left.contains(node)).collect()
    }

    fn view(&self) -> View {
        let answer = |node: u32| {
            let status = self.status(host_of(node))?;
            Some((node, (self.now_ns, node_status(&status))))
        };
        View { answers: (1..=self.plan.nodes).filter_map(answer).collect(), ..View::default() }
    }

    fn leaders_since(&self, since_ns: u64) -> Vec<Led> {
        let leaders = &self.nemesis.contact.leaders;
        leaders.iter().copied().filter(|led| led.at_ns >= since_ns).collect()
    }

    fn process(&self, node: u32) -> ProcessState {
        let machine = &self.hosts[host_of(node)];
        match &machine.process {
            Some(process) if process.is_paused => ProcessState::Stopped,
            None if !machine.is_up() => ProcessState::Down(machine.ended.clone()),
            Some(_) | None => ProcessState::Runs('S'),
        }
    }

    fn kill(&mut self, node: u32) -> Result<(), String> {
        let crash = self.draw_crash();
        self.crash_host(host_of(node), "signal 9", crash);
        Ok(())
    }

    fn start(&mut self, node: u32) -> Result<(), String> {
        let host = host_of(node);
        if !self.hosts[host].is_up() && !self.has_left(host) {
            self.start_host(host);
        }
        Ok(())
    }

    fn pause(&mut self, node: u32) -> Result<(), String> {
        match self.pause_host(host_of(node), true) {
            true => Ok(()),
            false => Err("it is only being started".into()),
        }
    }

    fn resume(&mut self, node: u32) -> Result<(), String> {
        self.pause_host(host_of(node), false);
        Ok(())
    }

    fn wipe(&mut self, node: u32) -> Result<(), String> {
        let machine = &mut self.hosts[host_of(node)];
        machine.volume.wipe();
        machine.joins = true;
        Ok(())
    }

    fn set_rule(&mut self, way: Way, rule: Rule) {
        self.network.set_rule(way, rule);
    }

    fn touched(&self, way: Way) -> Touched {
        self.network.touched(way)
    }

    fn unit(&self) -> &'static str {
        "messages"
    }

    fn ask(&mut self, node: u32, wish: Wish) -> u64 {
        let contact = &mut self.nemesis.contact;
        contact.asked += 1;
        let question = contact.asked;
        // It is heard when what is happening now has happened.
        self.queue.push(self.now_ns, Happening::Nemesis(Due::Ask { question, node, wish }));
        question
    }

    fn answer(&mut self, question: u64) -> Option<Result<(), String>> {
        self.nemesis.contact.answers.remove(&question)
    }
}

fn node_status(status: &Status) -> NodeStatus {
    NodeStatus {
        role: role_name(status.role).into(),
        term: status.hard_state.term,
        leader: status.leader.and_then(|leader| u32::try_from(leader).ok()),
        commit: status.commit,
        applied: status.applied,
        members: members_of(status),
        transfer: status.transfer.and_then(|target| u32::try_from(target).ok()),
        version: env!("CARGO_PKG_VERSION").into(),
        ..NodeStatus::default()
    }
}

/// A role in files.
fn role_name(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre_candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Learner => "learner",
    }
}

fn members_of(status: &Status) -> Members {
    let numbers =
        |ids: &BTreeSet<NodeId>| ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect();
    Members {
        voters: numbers(&status.membership.voters),
        outgoing: numbers(&status.membership.voters_outgoing),
        learners: numbers(&status.membership.learners),
        index: status.membership_index,
    }
}
