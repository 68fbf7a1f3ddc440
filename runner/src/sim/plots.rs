//! Plots: short stories in a few acts that bring a cluster where a certain kind of bug shows.
//!
//! An ambush strikes once; some bugs need two or three things to happen in the right order within
//! milliseconds, which chance brings about once in a thousand runs. A plot begins at a leader's append and
//! waits for what the cluster does about it. Each kind is laid in some seeds, so that a bug shows within
//! a hundred seeds, while most seeds stay as chance has them. To a correct server a plot is weather.

use serde::Serialize;
use whitewater_raft::event::{Event, Role};

use super::ambush::{cut, sudden};
use super::chance::Chance;
use super::host::node_of;
use super::nemesis;
use super::world::{Happening, World};
use crate::nemesis::{Act, Family, Lasts, kill, partition, pause};

const MILLISECOND: u64 = 1_000_000;
/// A plot that comes to nothing is given up after this.
const PATIENCE_NS: u64 = 3_000 * MILLISECOND;
/// How long a killed rival stays away: long enough for another election.
const AWAY_NS: (u64, u64) = (1_000 * MILLISECOND, 2_000 * MILLISECOND);
/// How long a new leader works before the old one wakes up.
const SLEEP_ON_NS: (u64, u64) = (40 * MILLISECOND, 250 * MILLISECOND);
/// How long a deposed leader does not hear of it.
const UNAWARE_NS: (u64, u64) = (100 * MILLISECOND, 400 * MILLISECOND);
/// Between two plots.
const GAP_NS: (u64, u64) = (200 * MILLISECOND, 1_500 * MILLISECOND);
/// So many of a leader's appends in a million begin a plot, in the seeds that have them.
const ODDS_IN_A_MILLION: u32 = 10_000;

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Kind {
    /// A leader is cut off with entries of its own; its successor is killed at its first commit while the
    /// old one comes back: the longest log is not the latest.
    Revenant,
    /// A leader is stopped and cut off until another one has worked for a while, and wakes up unaware.
    Sleeper,
    /// A follower does not hear the leader and campaigns; then nobody does.
    Usurper,
}

const KINDS: [Kind; 3] = [Kind::Revenant, Kind::Sleeper, Kind::Usurper];

/// Which plots a seed has.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Plots {
    laid: [bool; KINDS.len()],
}

impl Plots {
    /// Each kind in half of the seeds.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        Self { laid: KINDS.map(|_| chance.below(2) == 0) }
    }
}

/// The next act of a plot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scene {
    /// The revenant's rival is killed, and the cut ends.
    Fall { rival: u32 },
    /// The sleeper wakes up.
    Wake,
    /// It is over.
    End,
}

/// A plot under way.
#[derive(Debug)]
struct Plot {
    kind: Kind,
    number: u32,
    victim: u32,
    rival: Option<u32>,
    /// The faults that it has in force, by which they are ended.
    faults: Vec<u32>,
    /// What comes next is scheduled.
    is_decided: bool,
}

/// The plot under way, and when the next may begin.
#[derive(Debug)]
pub(super) struct Plotter {
    plots: Plots,
    under_way: Option<Plot>,
    free_from_ns: u64,
    chance: Chance,
    count: u32,
}

impl Plotter {
    /// Nothing under way.
    pub(super) fn new(plots: Plots, chance: Chance) -> Self {
        Self { plots, under_way: None, free_from_ns: 0, chance, count: 0 }
    }
}

impl World<'_> {
    /// A node told of an event while the nemesis is at work: a plot may begin, or go on.
    pub(super) fn plot(&mut self, host: usize, event: &Event, role: Role) {
        match &self.plotter.under_way {
            Some(_) => self.go_on(node_of(host), event, role),
            None if role == Role::Leader && matches!(event, Event::Append { .. }) => {
                self.begin_plot(node_of(host));
            }
            None => {}
        }
    }

    fn begin_plot(&mut self, victim: u32) {
        let plotter = &mut self.plotter;
        let kinds: Vec<Kind> =
            KINDS.into_iter().zip(plotter.plots.laid).filter(|it| it.1).map(|it| it.0).collect();
        if kinds.is_empty() || self.now_ns < plotter.free_from_ns || self.hosts.len() < 3 {
            return;
        }
        if !plotter.chance.in_a_million(ODDS_IN_A_MILLION) {
            return;
        }
        let at = plotter.chance.below(kinds.len() as u64) as usize;
        let kind = kinds[at];
        let others: Vec<u32> = (1..=self.plan.nodes).filter(|node| *node != victim).collect();
        let rival = others[plotter.chance.below(others.len() as u64) as usize];
        plotter.count += 1;
        let number = plotter.count;
        let (rival, others) = match kind {
            Kind::Usurper => (Some(rival), vec![rival]),
            Kind::Revenant | Kind::Sleeper => (None, others),
        };
        let (faults, is_decided) = (Vec::new(), false);
        self.plotter.under_way = Some(Plot { kind, number, victim, rival, faults, is_decided });
        self.cut_off(victim, others);
        self.schedule(self.now_ns + PATIENCE_NS, Scene::End);
        if kind == Kind::Sleeper {
            // The line that gave the signal is being told: it stops right after it.
            self.keep_up(&pause::FAMILY, victim, Act::Pause(victim));
        }
    }

    fn go_on(&mut self, node: u32, event: &Event, role: Role) {
        let now_ns = self.now_ns;
        let Some(plot) = &mut self.plotter.under_way else { return };
        if plot.is_decided {
            return;
        }
        let victim = plot.victim;
        match (plot.kind, event) {
            (Kind::Revenant, Event::Leader { .. }) if node != victim => plot.rival = Some(node),
            (Kind::Revenant, Event::Commit { .. })
                if plot.rival == Some(node) && role == Role::Leader =>
            {
                plot.is_decided = true;
                self.schedule(now_ns, Scene::Fall { rival: node });
            }
            (Kind::Sleeper, Event::Leader { .. }) if node != victim => {
                plot.is_decided = true;
                let wake_ns = now_ns + self.plotter.chance.between(SLEEP_ON_NS);
                self.schedule(wake_ns, Scene::Wake);
            }
            (Kind::Usurper, Event::Campaign { pre_vote: false, .. })
                if plot.rival == Some(node) =>
            {
                plot.is_decided = true;
                let others = (1..=self.plan.nodes).filter(|it| *it != victim && *it != node);
                self.cut_off(victim, others.collect());
                let end_ns = now_ns + self.plotter.chance.between(UNAWARE_NS);
                self.schedule(end_ns, Scene::End);
            }
            _ => {}
        }
    }

    /// The next act of a plot, if that one is still under way.
    pub(super) fn play(&mut self, number: u32, scene: Scene) {
        let Some(plot) = self.plotter.under_way.as_mut().filter(|it| it.number == number) else {
            return;
        };
        match scene {
            Scene::End => self.end_plot(),
            Scene::Wake => {
                // What was put in force last is the pause.
                let pause = plot.faults.pop();
                self.end_faults(pause);
                let end_ns = self.now_ns + self.plotter.chance.between(UNAWARE_NS);
                self.schedule(end_ns, Scene::End);
            }
            Scene::Fall { rival } => {
                let away_ns = self.plotter.chance.between(AWAY_NS);
                let strike = self.strike_of(rival, format!("n{rival}"), vec![Act::Kill(rival)]);
                let name = in_a_plot(&kill::FAMILY);
                self.improvise(sudden(&kill::FAMILY, name, strike, Lasts::For(away_ns)));
                self.end_plot();
            }
        }
    }

    /// Lifts whatever the plot under way did.
    pub(super) fn end_plot(&mut self) {
        let Some(plot) = self.plotter.under_way.take() else { return };
        self.end_faults(plot.faults);
        self.plotter.free_from_ns = self.now_ns + self.plotter.chance.between(GAP_NS);
    }

    fn end_faults(&mut self, faults: impl IntoIterator<Item = u32>) {
        faults.into_iter().for_each(|fault| self.nemesis.mind.injector.end(fault));
        self.think();
    }

    fn schedule(&mut self, at_ns: u64, scene: Scene) {
        let number = self.plotter.count;
        self.queue.push(at_ns, Happening::Nemesis(nemesis::Due::Play { number, scene }));
    }

    fn cut_off(&mut self, victim: u32, others: Vec<u32>) {
        self.keep_up(&partition::FAMILY, victim, cut(victim, others.into_iter()));
    }

    /// A fault of the plot under way, in force until that ends it.
    fn keep_up(&mut self, family: &'static Family, victim: u32, act: Act) {
        let strike = self.strike_of(victim, format!("n{victim}"), vec![act]);
        let name = in_a_plot(family);
        let fault = self.improvise(sudden(family, name, strike, Lasts::UntilTold));
        if let Some(plot) = &mut self.plotter.under_way {
            plot.faults.push(fault);
        }
    }
}

fn in_a_plot(family: &Family) -> String {
    format!("{} in a plot", family.name)
}
