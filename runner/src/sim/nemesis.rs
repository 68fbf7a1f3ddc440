//! What befalls a simulated cluster: the plan's faults, and adversaries that see everything and strike at events.
//!
//! All of them act through the same [`Injector`] as on real clusters. What is here is when they do.

use std::collections::BTreeSet;

use whitewater_raft::event::{Event, Record};

use super::ambush::sudden;
use super::ambush::{Ambusher, Trap};
use super::chance::Chance;
use super::ground::{Contact, Mind};
use super::host::node_of;
use super::plots::Scene;
use super::queue::Queue;
use super::volume::Crash;
use super::weather::Weather;
use super::world::{Happening, World};
use crate::nemesis::{
    Act, Ground, Improvised, Injector, Lasts, Mender, Moment, Moments, Request, Wanted, What,
    transfer,
};
use crate::plan::Plan;
use whitewater_target::Wish;

const MILLISECOND: u64 = 1_000_000;
/// A supervisor starts a failed server again after this.
const RESTART_NS: (u64, u64) = (50 * MILLISECOND, 500 * MILLISECOND);

/// Something that happens by the nemesis's doing.
#[derive(Debug)]
pub(super) enum Due {
    /// It looks, and does what is due.
    Think,
    /// A question reaches a node.
    Ask { question: u64, node: u32, wish: Wish },
    /// A supervisor starts a machine's server, if it does not run.
    Restart(usize),
    /// An ambush springs on this process.
    Spring { host: usize, boot: u64, trap: Trap },
    /// The leader is asked to hand over.
    Transfer,
    /// A node leaves, for so long or for good.
    Leave { for_ns: Option<u64> },
    /// The next act of a plot.
    Play { number: u32, scene: Scene },
}

/// The nemesis.
#[derive(Debug)]
pub(super) struct Nemesis {
    pub(super) mind: Mind,
    pub(super) contact: Contact,
    /// What could not be lifted, in words, when all was that could be.
    pub(super) mended: Option<Vec<String>>,
    moments: Moments,
    has_triggers: bool,
    pub(super) ambusher: Ambusher,
    pub(super) chance: Chance,
    pub(super) is_active: bool,
    /// Nodes that left for good: their servers ended, and nobody starts them again.
    pub(super) left: BTreeSet<u32>,
}

impl Nemesis {
    /// A nemesis that waits for its phase.
    pub(super) fn new(plan: &Plan, weather: &Weather) -> Self {
        Self {
            mind: Mind::default(),
            contact: Contact::default(),
            mended: None,
            moments: Moments::default(),
            has_triggers: plan.faults.iter().any(|planned| planned.trigger.is_some()),
            ambusher: Ambusher::new(weather.ambush),
            chance: Chance::new(plan.seed, 3),
            is_active: false,
            left: BTreeSet::new(),
        }
    }

    /// Whether every planned fault is over.
    pub(super) fn is_over(&self) -> bool {
        self.mind.injector.is_over()
    }

    /// A server that ended by itself is started again.
    pub(super) fn restart_later(&mut self, host: usize, now_ns: u64, queue: &mut Queue<Happening>) {
        let at_ns = now_ns + self.chance.between(RESTART_NS);
        queue.push(at_ns, Happening::Nemesis(Due::Restart(host)));
    }
}

impl World<'_> {
    /// The fault phase begins.
    pub(super) fn unleash(&mut self) {
        let (plan, now_ns) = (self.plan, self.now_ns);
        self.nemesis.mind.injector = Injector::new(&plan.faults, plan.workload.clients, now_ns);
        self.nemesis.is_active = true;
        self.think();
        self.schedule_transfer();
        self.schedule_leave();
    }

    /// The fault phase is over: everything is healed, and the weather clears up.
    pub(super) fn heal_everything(&mut self) {
        self.nemesis.is_active = false;
        self.end_plot();
        self.nemesis.mind.injector.stop();
        self.network.calm_down();
        for machine in &self.hosts {
            machine.volume.calm_down();
        }
        self.think();
        let mut mind = std::mem::take(&mut self.nemesis.mind);
        mind.mender = Some(Mender::new(self, &mut mind.in_force));
        self.nemesis.mind = mind;
        self.think();
    }

    /// Does what is due.
    pub(super) fn act(&mut self, act: Due) {
        match act {
            Due::Think => self.think_again(),
            Due::Ask { question, node, wish } => self.hear(question, node, wish),
            Due::Restart(host) => self.restart(host),
            Due::Spring { host, boot, trap } => self.spring(host, boot, trap),
            Due::Transfer => self.transfer(),
            Due::Leave { for_ns } => self.leave(for_ns),
            Due::Play { number, scene } => self.play(number, scene),
        }
    }

    /// A fault that is in no plan strikes now. Its number, by which it is ended.
    pub(super) fn improvise(&mut self, fault: Improvised) -> u32 {
        let mut mind = std::mem::take(&mut self.nemesis.mind);
        let number = mind.injector.improvise(fault, self);
        self.nemesis.mind = mind;
        self.think();
        number
    }

    /// A supervisor looks after its server, unless a fault keeps that down.
    fn restart(&mut self, host: usize) {
        let node = node_of(host);
        if self.nemesis.mind.in_force.wanted(node) != Wanted::Down {
            // A simulated start cannot fail at once.
            let _ = Ground::start(self, node);
        }
    }

    pub(super) fn draw_crash(&mut self) -> Crash {
        let is_power = self.nemesis.chance.in_a_million(self.build.weather.power_in_a_million);
        if is_power { Crash::Power } else { Crash::Process }
    }

    /// A node told of something: perhaps somebody waited for it.
    pub(super) fn lie_in_wait(&mut self, host: usize, record: &Record) {
        if let Event::Leader { .. } = record.event {
            self.nemesis.contact.led(self.now_ns, node_of(host), record.term);
        }
        if !self.nemesis.is_active {
            return;
        }
        if self.nemesis.has_triggers {
            let told = self.nemesis.moments.of(record);
            // That a snapshot is sent is told where it is sent.
            let is_told = |it: &Moment| !matches!(it.what, What::SnapshotSent { .. });
            told.into_iter().flatten().filter(is_told).for_each(|moment| self.notice(&moment));
        }
        self.plot(host, &record.event, record.role);
        self.ambush(host, &record.event, record.role);
    }

    /// A moment that a planned fault may have waited for.
    pub(super) fn notice(&mut self, moment: &Moment) {
        if self.nemesis.has_triggers && self.nemesis.mind.injector.notice(self.now_ns, moment) {
            self.think();
        }
    }

    fn schedule_transfer(&mut self) {
        let most_ns = self.build.weather.ambush.transfer_ns;
        if most_ns > 0 {
            let at_ns = self.now_ns + self.nemesis.chance.between((most_ns / 4, most_ns));
            self.queue.push(at_ns, Happening::Nemesis(Due::Transfer));
        }
    }

    fn transfer(&mut self) {
        if !self.nemesis.is_active {
            return;
        }
        if let Some((leader, term)) = self.leader() {
            let acts = vec![Act::Ask(Request::Transfer(None))];
            let strike = self.strike_of(leader, format!("n{leader} (leader, term {term})"), acts);
            let name = "transfer leadership unasked".to_owned();
            self.improvise(sudden(&transfer::FAMILY, name, strike, Lasts::For(0)));
        }
        self.schedule_transfer();
    }
}
