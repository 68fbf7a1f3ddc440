//! Faults on virtual time: the plan's, one after the other as in a real run, and ambushes, which only a
//! simulator can lay.
//!
//! An ambush strikes a node at a chosen event: right after its vote, right after it was elected, right
//! after it appended as a leader, in the middle of writing a snapshot. Real faults hit such moments once
//! in a thousand tries.

use serde::Serialize;
use serde_json::json;
use whitewater_checker::fault::{FaultRecord, FaultStatus, Scope};
use whitewater_raft::event::{Event, Role};
use whitewater_server::node::Node;

use super::chance::Chance;
use super::deck::Deck;
use super::operate::Operator;
use super::plots::Scene;
use super::queue::Queue;
use super::volume::Crash;
use super::world::{Happening, NOBODY, World};
use crate::cluster::node_name;
use crate::dice::Dice;
use crate::nemesis::{Act as Deed, Fault, Roster, Strike, find};
use crate::plan::Plan;
use crate::proxy::Party;

const MILLISECOND: u64 = 1_000_000;
/// How long a fault waits for somebody to lead before it is skipped.
const LEADER_DEADLINE_NS: u64 = 8_000 * MILLISECOND;
/// How often it looks.
const LEADER_CHECK_NS: u64 = 10 * MILLISECOND;
/// A supervisor starts a failed server again after this.
const RESTART_NS: (u64, u64) = (50 * MILLISECOND, 500 * MILLISECOND);
/// At least this much between two ambushes, and at most.
const AMBUSH_GAP_NS: (u64, u64) = (100 * MILLISECOND, 2_000 * MILLISECOND);

/// Something the nemesis does at its time.
#[derive(Debug)]
pub(super) enum Act {
    /// The plan's next fault is due.
    Strike,
    /// The fault in force ends.
    Heal,
    /// A machine's server is started, if it does not run.
    Restart(usize),
    /// An ambush springs on this process.
    Ambush { host: usize, boot: u64, trap: Trap },
    /// The end of an ambush: these directions pass again.
    Unblock(Vec<(Party, Party)>),
    /// The leader is asked to hand over.
    Transfer,
    /// Requests under way are looked after.
    Errands,
    /// A node leaves, for so long or for good.
    Leave { for_ns: Option<u64> },
    /// A node that left is to come back.
    Return(u32),
    /// The next act of a plot.
    Play { number: u32, scene: Scene },
}

/// What an ambush does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    /// Kills the node and starts it again this much later.
    Kill { after_ns: u64 },
    /// Cuts the node off from others for so long.
    Cut { for_ns: u64, from: Whom },
}

impl Trap {
    /// What it does to a node, in words.
    fn told(self, node: u64) -> String {
        let seconds = |ns: u64| ns as f64 / 1e9;
        match self {
            Trap::Kill { after_ns } => format!("n{node}, back after {:.3} s", seconds(after_ns)),
            Trap::Cut { for_ns, from } => {
                let from = match from {
                    Whom::All => "everybody".to_owned(),
                    Whom::AllBut(other) => format!("all but n{other}"),
                    Whom::Only(other) => format!("n{other}"),
                };
                format!("n{node} from {from}, for {:.3} s", seconds(for_ns))
            }
        }
    }
}

/// Whom a node is cut off from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Every other node.
    All,
    /// Every other node but this one.
    AllBut(u64),
    /// This node only.
    Only(u64),
}

impl Whom {
    fn includes(self, node: u64) -> bool {
        match self {
            Whom::All => true,
            Whom::AllBut(spared) => node != spared,
            Whom::Only(struck) => node == struck,
        }
    }
}

/// How often events are ambushed, so many times in a million, and how often the lead is handed over.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Ambush {
    /// A vote was given.
    pub(super) vote: u32,
    /// A node was elected.
    pub(super) elected: u32,
    /// A leader appended.
    pub(super) append: u32,
    /// A leader committed.
    pub(super) commit: u32,
    /// A snapshot is being written.
    pub(super) snapshot: u32,
    /// A chunk of a snapshot is on its way, and it is not the first one.
    pub(super) chunk: u32,
    /// Longest time between two hand-overs; 0: there are none.
    pub(super) transfer_ns: u64,
    /// Longest time between a node's coming back and the next one's leaving; 0: nobody leaves.
    pub(super) members_ns: u64,
    /// So many of those that leave do so for good.
    pub(super) for_good: u32,
}

/// The nemesis.
#[derive(Debug)]
pub(super) struct Nemesis {
    next: usize,
    origin_ns: u64,
    waiting_since_ns: Option<u64>,
    pub(super) in_force: Option<(Strike, FaultRecord, u64)>,
    pub(super) operator: Operator,
    /// The fault in force was lifted, and its members are not yet back.
    pub(super) is_healing: bool,
    pub(super) ambush: Ambush,
    ambush_from_ns: u64,
    pub(super) chance: Chance,
    pub(super) is_active: bool,
    pub(super) planned: usize,
    ambushes: u32,
}

impl Nemesis {
    /// A nemesis that waits for its phase.
    pub(super) fn new(plan: &Plan, ambush: Ambush, chance: Chance) -> Self {
        Self {
            next: 0,
            origin_ns: 0,
            waiting_since_ns: None,
            in_force: None,
            operator: Operator::new(plan),
            is_healing: false,
            ambush,
            ambush_from_ns: 0,
            chance,
            is_active: false,
            planned: plan.faults.len(),
            ambushes: 0,
        }
    }

    /// Whether every planned fault is over.
    pub(super) fn is_over(&self) -> bool {
        self.next >= self.planned && self.in_force.is_none()
    }

    /// Whether an ambush may be laid now.
    pub(super) fn may_ambush(&self, now_ns: u64) -> bool {
        self.is_active && now_ns >= self.ambush_from_ns
    }

    /// The number of a fault that is in no plan.
    pub(super) fn next_unplanned(&mut self) -> u32 {
        self.ambushes += 1;
        u32::try_from(self.planned).unwrap_or(0) + self.ambushes
    }

    /// A server that ended by itself is started again.
    pub(super) fn restart_later(&mut self, host: usize, now_ns: u64, queue: &mut Queue<Happening>) {
        let at_ns = now_ns + self.chance.between(RESTART_NS);
        queue.push(at_ns, Happening::Nemesis(Act::Restart(host)));
    }
}

impl World<'_> {
    /// The fault phase begins.
    pub(super) fn unleash(&mut self) {
        self.nemesis.origin_ns = self.now_ns;
        self.nemesis.is_active = true;
        self.schedule_strike();
        self.schedule_transfer();
        self.schedule_leave();
    }

    /// The fault phase is over: everything is healed, and the weather clears up.
    pub(super) fn heal_everything(&mut self) {
        self.nemesis.is_active = false;
        self.end_plot();
        self.heal();
        self.nemesis.next = self.nemesis.planned;
        self.network.calm_down();
        for host in 0..self.hosts.len() {
            self.hosts[host].volume.calm_down();
            self.start_soon(host);
        }
        self.restore_members();
    }

    /// Does what is due.
    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Strike => self.strike(),
            Act::Heal => self.heal(),
            Act::Restart(host) if self.is_held_down(host) => {}
            Act::Restart(host) => self.start_soon(host),
            Act::Ambush { host, boot, trap } => self.spring(host, boot, trap),
            Act::Unblock(pairs) => {
                for (from, to) in pairs {
                    self.network.unblock(from, to);
                }
            }
            Act::Transfer => self.transfer(),
            Act::Errands => self.run_errands(),
            Act::Leave { for_ns } => self.leave(for_ns),
            Act::Return(node) => self.come_back(node),
            Act::Play { number, scene } => self.play(number, scene),
        }
    }

    /// Starts a server that is down, as soon as it may run.
    pub(super) fn start_soon(&mut self, host: usize) {
        let machine = &self.hosts[host];
        if machine.is_up() || self.has_left(host) {
            return;
        }
        if machine.not_before_ns > self.now_ns {
            let restart = Happening::Nemesis(Act::Restart(host));
            return self.queue.push(machine.not_before_ns, restart);
        }
        self.start_host(host);
    }

    /// Whether the fault in force keeps this machine's server from running.
    fn is_held_down(&self, host: usize) -> bool {
        let id = u32::try_from(self.hosts[host].id).expect("a small cluster");
        let holds = |deed: &Deed| matches!(deed, Deed::Kill(node) if *node == id);
        self.nemesis.in_force.as_ref().is_some_and(|(strike, ..)| strike.acts.iter().any(holds))
    }

    fn schedule_strike(&mut self) {
        if let Some(planned) = self.plan.faults.get(self.nemesis.next) {
            let due_ns = self.nemesis.origin_ns + planned.at_ms * MILLISECOND;
            self.queue.push(due_ns.max(self.now_ns), Happening::Nemesis(Act::Strike));
        }
    }

    fn strike(&mut self) {
        let plan = self.plan;
        let Some(planned) = plan.faults.get(self.nemesis.next) else { return };
        if !self.nemesis.is_active {
            return;
        }
        let leader = self.leader();
        let since_ns = *self.nemesis.waiting_since_ns.get_or_insert(self.now_ns);
        if leader.is_none() && self.now_ns < since_ns + LEADER_DEADLINE_NS {
            self.queue.push(self.now_ns + LEADER_CHECK_NS, Happening::Nemesis(Act::Strike));
            return;
        }
        self.nemesis.waiting_since_ns = None;
        self.nemesis.next += 1;
        let nodes = self.voters();
        let roster = Roster { nodes, clients: self.plan.workload.clients, leader };
        let fault = find(&planned.fault).expect("a plan is validated before it is executed");
        let planned_at_ns = self.nemesis.origin_ns + planned.at_ms * MILLISECOND;
        let mut record = blank(planned.id, fault, planned_at_ns);
        match fault.resolve(&roster, &mut Dice::new(planned.pick, 0)) {
            Err(reason) => {
                record.status = FaultStatus::Skipped { reason };
                self.recording.faults.push(record);
                self.schedule_strike();
            }
            Ok(strike) => {
                record.nodes = strike.nodes.iter().copied().map(node_name).collect();
                record.detail.clone_from(&strike.detail);
                record.leader_hit = strike.leader_hit;
                record.started_at_ns = Some(self.now_ns);
                record.effective_at_ns = Some(self.now_ns);
                self.tell("start", &record);
                let deeds = strike.acts.clone();
                let stopped_before = self.stopped(&strike);
                let missing = deeds.iter().filter(|deed| !self.carry_out(deed)).count();
                record.effective = missing < deeds.len();
                if missing > 0 {
                    let reason = format!("{missing} of {} acts had no effect", deeds.len());
                    record.status = FaultStatus::Indeterminate { reason };
                }
                self.nemesis.in_force = Some((strike, record, stopped_before));
                let end_ns = self.now_ns + planned.duration_ms * MILLISECOND;
                self.queue.push(end_ns, Happening::Nemesis(Act::Heal));
            }
        }
    }

    fn heal(&mut self) {
        let Some((strike, record, stopped_before)) = self.nemesis.in_force.take() else {
            return;
        };
        for deed in &strike.acts {
            self.undo(deed);
        }
        match self.end_errands(&strike) {
            // The fault is over when its members are back.
            true if self.nemesis.is_active => {
                self.nemesis.is_healing = true;
                self.nemesis.in_force = Some((strike, record, stopped_before));
            }
            _ => self.close(&strike, record, stopped_before),
        }
    }

    /// A fault is over.
    pub(super) fn close(&mut self, strike: &Strike, mut record: FaultRecord, stopped_before: u64) {
        self.nemesis.is_healing = false;
        let stopped = self.stopped(strike) - stopped_before;
        let is_block = strike.acts.iter().any(|deed| !deed.pairs().is_empty());
        record.effective = match self.nemesis.operator.take_outcome(strike) {
            Some((effective_at_ns, facts)) => {
                record.effective_at_ns = effective_at_ns;
                record.effects.extend(facts);
                effective_at_ns.is_some()
            }
            None if is_block => stopped > 0,
            None => record.effective,
        };
        if is_block {
            record.effects.push(format!("{stopped} messages blocked"));
        }
        if !record.effective {
            record.effective_at_ns = None;
        }
        record.healed_at_ns = Some(self.now_ns);
        self.tell("heal", &record);
        self.recording.faults.push(record);
        if self.nemesis.is_active {
            self.schedule_strike();
        }
    }

    /// Messages that were stopped where a fault stops them.
    fn stopped(&self, strike: &Strike) -> u64 {
        strike.acts.iter().map(|deed| self.network.stopped(deed.pairs())).sum()
    }

    /// Does it. False: there was nothing to strike, a server that was down already.
    fn carry_out(&mut self, deed: &Deed) -> bool {
        match deed {
            Deed::Kill(node) => {
                let crash = self.draw_crash();
                return self.crash_host(host_of(*node), "signal 9", crash);
            }
            Deed::Pause(node) => return self.pause_host(host_of(*node), true),
            Deed::Block(pairs) => {
                for (from, to) in pairs {
                    self.network.block(*from, *to);
                }
            }
            // Links of a simulation have their own weather.
            Deed::Shape(..) => {}
            Deed::Transfer(_)
            | Deed::FailTransfer(_)
            | Deed::Remove(_)
            | Deed::Replace(_)
            | Deed::RemoveInVain { .. } => self.send_on_errand(deed),
        }
        true
    }

    fn undo(&mut self, deed: &Deed) {
        match deed {
            Deed::Kill(node) => self.start_soon(host_of(*node)),
            Deed::Pause(node) => {
                self.pause_host(host_of(*node), false);
            }
            Deed::Block(pairs) => {
                for (from, to) in pairs {
                    self.network.unblock(*from, *to);
                }
            }
            Deed::Shape(..) | Deed::Transfer(_) | Deed::FailTransfer(_) => {}
            Deed::Remove(node) | Deed::Replace(node) | Deed::RemoveInVain { node, .. } => {
                self.come_back(*node);
            }
        }
    }

    pub(super) fn draw_crash(&mut self) -> Crash {
        let is_power = self.nemesis.chance.in_a_million(self.build.weather.power_in_a_million);
        if is_power { Crash::Power } else { Crash::Process }
    }

    fn tell(&mut self, f: &str, record: &FaultRecord) {
        let value = json!({
            "fault": record.id, "kind": record.kind, "scope": record.scope(), "name": record.name,
            "nodes": record.nodes,
        });
        self.recording.nemesis(self.now_ns, f, value);
    }

    /// A node told of an event: perhaps somebody waited for it.
    pub(super) fn lie_in_wait(&mut self, host: usize, event: &Event, role: Role) {
        if !self.nemesis.is_active {
            return;
        }
        self.plot(host, event, role);
        let nemesis = &mut self.nemesis;
        if self.now_ns < nemesis.ambush_from_ns {
            return;
        }
        let odds = match event {
            Event::Vote { .. } => nemesis.ambush.vote,
            Event::Leader { .. } => nemesis.ambush.elected,
            Event::Append { .. } if role == Role::Leader => nemesis.ambush.append,
            Event::Commit { .. } if role == Role::Leader => nemesis.ambush.commit,
            _ => return,
        };
        if !nemesis.chance.in_a_million(odds) {
            return;
        }
        if matches!(event, Event::Leader { .. }) && nemesis.chance.below(2) == 0 {
            return self.cut_off_the_deposed(host);
        }
        let nemesis = &mut self.nemesis;
        let is_sudden = matches!(event, Event::Vote { .. } | Event::Commit { .. });
        let trap = if is_sudden || nemesis.chance.below(2) == 0 {
            Trap::Kill { after_ns: nemesis.chance.between((MILLISECOND, 150 * MILLISECOND)) }
        } else {
            let nodes = u64::from(self.plan.nodes);
            let for_ns = nemesis.chance.between((200 * MILLISECOND, 1_500 * MILLISECOND));
            let other = nemesis.chance.between((1, nodes));
            let from = match nemesis.chance.below(3) {
                0 => Whom::All,
                1 => Whom::AllBut(other),
                _ => Whom::Only(other),
            };
            Trap::Cut { for_ns, from }
        };
        let delay_ns = nemesis.chance.below(3 * MILLISECOND);
        self.lay(host, self.now_ns + delay_ns, trap);
    }

    /// A node was elected: whoever still takes itself for the leader does not hear of it.
    fn cut_off_the_deposed(&mut self, elected: usize) {
        let is_deposed = |host: &usize| {
            *host != elected && self.status(*host).is_some_and(|it| it.role == Role::Leader)
        };
        if let Some(deposed) = (0..self.hosts.len()).find(is_deposed) {
            let for_ns = self.nemesis.chance.between((100 * MILLISECOND, 600 * MILLISECOND));
            self.lay(deposed, self.now_ns, Trap::Cut { for_ns, from: Whom::All });
        }
    }

    /// A snapshot is being written until then: perhaps somebody waited for that.
    pub(super) fn lie_in_wait_for_snapshot(&mut self, host: usize, done_ns: u64) {
        let nemesis = &mut self.nemesis;
        if nemesis.may_ambush(self.now_ns) && nemesis.chance.in_a_million(nemesis.ambush.snapshot) {
            let at_ns = nemesis.chance.between((self.now_ns, done_ns.saturating_sub(1)));
            let after_ns = nemesis.chance.between((MILLISECOND, 150 * MILLISECOND));
            self.lay(host, at_ns, Trap::Kill { after_ns });
        }
    }

    pub(super) fn lay(&mut self, host: usize, at_ns: u64, trap: Trap) {
        self.nemesis.ambush_from_ns = at_ns + self.nemesis.chance.between(AMBUSH_GAP_NS);
        let boot = self.hosts[host].boot;
        self.queue.push(at_ns, Happening::Nemesis(Act::Ambush { host, boot, trap }));
    }

    fn spring(&mut self, host: usize, boot: u64, trap: Trap) {
        let machine = &self.hosts[host];
        if !self.nemesis.is_active || machine.boot != boot || machine.process.is_none() {
            return;
        }
        let id = machine.id;
        let leader = self.leader();
        let unplanned = self.nemesis.next_unplanned();
        let node = u32::try_from(id).expect("a small cluster");
        let ends_ns = match trap {
            Trap::Kill { after_ns } => after_ns,
            Trap::Cut { for_ns, .. } => for_ns,
        };
        let (kind, scope, name) = match trap {
            Trap::Kill { .. } => ("kill", Scope::ProcessDown, "kill -9 in ambush"),
            Trap::Cut { .. } => ("partition", Scope::LinksCut, "cut off in ambush"),
        };
        let record = FaultRecord {
            id: unplanned,
            kind: kind.into(),
            scope: Some(scope),
            name: name.into(),
            target: "at an event".into(),
            nodes: vec![node_name(node)],
            detail: trap.told(id),
            planned_at_ns: self.now_ns,
            started_at_ns: Some(self.now_ns),
            effective_at_ns: Some(self.now_ns),
            healed_at_ns: Some(self.now_ns + ends_ns),
            status: FaultStatus::Installed,
            effects: Vec::new(),
            effective: true,
            leader_hit: leader.map(|(leader, _)| leader == node),
        };
        self.recording.faults.push(record);
        match trap {
            Trap::Kill { after_ns } => {
                let crash = self.draw_crash();
                self.crash_host(host, "signal 9", crash);
                let restart = Happening::Nemesis(Act::Restart(host));
                self.queue.push(self.now_ns + after_ns, restart);
            }
            Trap::Cut { for_ns, from } => {
                let others = (1..=self.build.nodes).filter(|it| *it != id && from.includes(*it));
                let pairs: Vec<(Party, Party)> = others
                    .map(super::network::node)
                    .flat_map(|other| [(Party::Node(node), other), (other, Party::Node(node))])
                    .collect();
                for (from, to) in &pairs {
                    self.network.block(*from, *to);
                }
                let unblock = Happening::Nemesis(Act::Unblock(pairs));
                self.queue.push(self.now_ns + for_ns, unblock);
            }
        }
    }

    fn schedule_transfer(&mut self) {
        let most_ns = self.nemesis.ambush.transfer_ns;
        if most_ns > 0 {
            let at_ns = self.now_ns + self.nemesis.chance.between((most_ns / 4, most_ns));
            self.queue.push(at_ns, Happening::Nemesis(Act::Transfer));
        }
    }

    fn transfer(&mut self) {
        if !self.nemesis.is_active {
            return;
        }
        if let Some((leader, _)) = self.leader() {
            let hand_over = |node: &mut Node<Deck>| node.transfer_leadership(None, NOBODY);
            self.prompt(host_of(leader), hand_over);
        }
        self.schedule_transfer();
    }
}

pub(super) fn host_of(node: u32) -> usize {
    usize::try_from(node - 1).expect("a small cluster")
}

fn blank(id: u32, fault: &dyn Fault, planned_at_ns: u64) -> FaultRecord {
    FaultRecord {
        id,
        kind: fault.family().into(),
        scope: Some(fault.scope()),
        name: fault.name(),
        target: fault.target().into(),
        nodes: Vec::new(),
        detail: String::new(),
        planned_at_ns,
        started_at_ns: None,
        effective_at_ns: None,
        healed_at_ns: None,
        status: FaultStatus::Installed,
        effects: Vec::new(),
        effective: false,
        leader_hit: None,
    }
}
