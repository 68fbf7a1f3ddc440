//! Ambushes: an adversary that strikes a node at a chosen event.
//!
//! Right after its vote, right after it was elected, right after it appended as a leader, in the middle of writing
//! a snapshot or of sending one. Real faults hit such moments once in a thousand tries. A plan's fault with a trigger
//! strikes at a moment too, by role; an ambush is laid by chance, and for whoever told of the event.

use serde::Serialize;
use whitewater_raft::event::{Event, Role};

use super::chance::Chance;
use super::host::{host_of, node_of};
use super::nemesis;
use super::world::{Happening, World};
use crate::nemesis::{Act, Family, Improvised, Lasts, Moment, Strike, What, kill, partition};
use crate::proxy::Party;

const MILLISECOND: u64 = 1_000_000;
/// At least this much between two ambushes, and at most.
const GAP_NS: (u64, u64) = (100 * MILLISECOND, 2_000 * MILLISECOND);
/// How long a killed node is away.
const AWAY_NS: (u64, u64) = (MILLISECOND, 150 * MILLISECOND);
/// How long a node is cut off.
const CUT_NS: (u64, u64) = (200 * MILLISECOND, 1_500 * MILLISECOND);
/// For how long one end of a snapshot's way does not hear the other: the chunk is given up, or sent again.
const CHUNK_CUT_NS: (u64, u64) = (300 * MILLISECOND, 1_500 * MILLISECOND);
/// How long a deposed leader does not hear of it.
const UNAWARE_NS: (u64, u64) = (100 * MILLISECOND, 600 * MILLISECOND);

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

/// What an ambush does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trap {
    /// Kills the node and starts it again this much later.
    Kill { after_ns: u64 },
    /// Cuts the node off from others for so long.
    Cut { for_ns: u64, from: Whom },
}

/// Whom a node is cut off from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Every other node.
    All,
    /// Every other node but this one.
    AllBut(u32),
    /// This node only.
    Only(u32),
}

impl Whom {
    fn includes(self, node: u32) -> bool {
        match self {
            Whom::All => true,
            Whom::AllBut(spared) => node != spared,
            Whom::Only(struck) => node == struck,
        }
    }

    fn told(self) -> String {
        match self {
            Whom::All => "everybody".to_owned(),
            Whom::AllBut(other) => format!("all but n{other}"),
            Whom::Only(other) => format!("n{other}"),
        }
    }
}

/// Whoever lays ambushes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ambusher {
    odds: Ambush,
    free_from_ns: u64,
}

impl Ambusher {
    /// Ready at once.
    pub(super) fn new(odds: Ambush) -> Self {
        Self { odds, free_from_ns: 0 }
    }

    /// So many of these events in a million are ambushed.
    fn odds_of(&self, event: &Event, role: Role) -> u32 {
        match event {
            Event::Vote { .. } => self.odds.vote,
            Event::Leader { .. } => self.odds.elected,
            Event::Append { .. } if role == Role::Leader => self.odds.append,
            Event::Commit { .. } if role == Role::Leader => self.odds.commit,
            _ => 0,
        }
    }

    fn chance_strikes(&self, now_ns: u64, odds: u32, chance: &mut Chance) -> bool {
        now_ns >= self.free_from_ns && chance.in_a_million(odds)
    }
}

impl World<'_> {
    /// A node told of an event: perhaps somebody lay in wait for it.
    pub(super) fn ambush(&mut self, host: usize, event: &Event, role: Role) {
        let nemesis = &mut self.nemesis;
        let odds = nemesis.ambusher.odds_of(event, role);
        if !nemesis.ambusher.chance_strikes(self.now_ns, odds, &mut nemesis.chance) {
            return;
        }
        if matches!(event, Event::Leader { .. }) && nemesis.chance.below(2) == 0 {
            return self.cut_off_the_deposed(host);
        }
        let nemesis = &mut self.nemesis;
        let is_sudden = matches!(event, Event::Vote { .. } | Event::Commit { .. });
        let trap = if is_sudden || nemesis.chance.below(2) == 0 {
            Trap::Kill { after_ns: nemesis.chance.between(AWAY_NS) }
        } else {
            let for_ns = nemesis.chance.between(CUT_NS);
            let other = nemesis.chance.between((1, u64::from(self.plan.nodes)));
            let other = u32::try_from(other).expect("a small cluster");
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
            let for_ns = self.nemesis.chance.between(UNAWARE_NS);
            self.lay(deposed, self.now_ns, Trap::Cut { for_ns, from: Whom::All });
        }
    }

    /// A snapshot is being written until then: perhaps somebody waited for that.
    pub(super) fn lie_in_wait_for_snapshot(&mut self, host: usize, done_ns: u64) {
        let nemesis = &mut self.nemesis;
        let odds = nemesis.ambusher.odds.snapshot;
        if nemesis.is_active
            && nemesis.ambusher.chance_strikes(self.now_ns, odds, &mut nemesis.chance)
        {
            let at_ns = nemesis.chance.between((self.now_ns, done_ns.saturating_sub(1)));
            let after_ns = nemesis.chance.between(AWAY_NS);
            self.lay(host, at_ns, Trap::Kill { after_ns });
        }
    }

    /// A chunk of a snapshot is on its way. Where part of it has arrived, perhaps somebody waited for that, and one of
    /// the two ends or does not hear the other for a while.
    pub(super) fn lie_in_wait_for_chunk(&mut self, (from, to): (u32, u32), is_first: bool) {
        if !self.nemesis.is_active {
            return;
        }
        self.notice(&Moment { at_ns: self.now_ns, node: to, what: What::SnapshotSent { from } });
        let nemesis = &mut self.nemesis;
        let odds = nemesis.ambusher.odds.chunk;
        if is_first || !nemesis.ambusher.chance_strikes(self.now_ns, odds, &mut nemesis.chance) {
            return;
        }
        let (struck, other) = if nemesis.chance.below(2) == 0 { (from, to) } else { (to, from) };
        let trap = if nemesis.chance.below(2) == 0 {
            Trap::Kill { after_ns: nemesis.chance.between(AWAY_NS) }
        } else {
            Trap::Cut { for_ns: nemesis.chance.between(CHUNK_CUT_NS), from: Whom::Only(other) }
        };
        self.lay(host_of(struck), self.now_ns, trap);
    }

    fn lay(&mut self, host: usize, at_ns: u64, trap: Trap) {
        self.nemesis.ambusher.free_from_ns = at_ns + self.nemesis.chance.between(GAP_NS);
        let boot = self.hosts[host].boot;
        self.queue.push(at_ns, Happening::Nemesis(nemesis::Due::Spring { host, boot, trap }));
    }

    /// An ambush strikes, where the process is still the one that it was laid for.
    pub(super) fn spring(&mut self, host: usize, boot: u64, trap: Trap) {
        let machine = &self.hosts[host];
        if !self.nemesis.is_active || machine.boot != boot || machine.process.is_none() {
            return;
        }
        let node = node_of(host);
        let seconds = |ns: u64| ns as f64 / 1e9;
        let fault = match trap {
            Trap::Kill { after_ns } => {
                let detail = format!("n{node}, back after {:.3} s", seconds(after_ns));
                let strike = self.strike_of(node, detail, vec![Act::Kill(node)]);
                let (name, lasts) = ("kill -9 in ambush".into(), Lasts::For(after_ns));
                sudden(&kill::FAMILY, name, strike, lasts)
            }
            Trap::Cut { for_ns, from } => {
                let told = from.told();
                let detail = format!("n{node} from {told}, for {:.3} s", seconds(for_ns));
                let others = (1..=self.plan.nodes).filter(|it| *it != node && from.includes(*it));
                let strike = self.strike_of(node, detail, vec![cut(node, others)]);
                let (name, lasts) = ("cut off in ambush".into(), Lasts::For(for_ns));
                sudden(&partition::FAMILY, name, strike, lasts)
            }
        };
        self.improvise(fault);
    }

    /// What an adversary does to one node.
    pub(super) fn strike_of(&self, node: u32, detail: String, acts: Vec<Act>) -> Strike {
        let leader_hit = self.leader().map(|(leader, _)| leader == node);
        Strike { nodes: vec![node], detail, leader_hit, acts }
    }
}

/// A fault that strikes at an event.
pub(super) fn sudden(
    family: &'static Family,
    name: String,
    strike: Strike,
    lasts: Lasts,
) -> Improvised {
    Improvised { family, name, target: "at an event", strike, lasts }
}

/// A node and others hear nothing of each other.
pub(super) fn cut(node: u32, others: impl Iterator<Item = u32>) -> Act {
    let own = Party::Node(node);
    Act::block(others.map(Party::Node).flat_map(|other| [(own, other), (other, own)]).collect())
}
