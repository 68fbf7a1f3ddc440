//! What a seed is like beside its planned faults: how links, disks and clocks behave.
//!
//! Every seed draws its own weather, from calm to foul, so that a thousand seeds are not a thousand
//! times the same afternoon.

use serde::Serialize;
use whitewater_checker::Promises;
use whitewater_checker::promises::ElectionSettings;

use super::ambush::Ambush;
use super::chance::Chance;
use super::network::LinkHabits;
use super::plots::Plots;
use super::volume::DiskHabits;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
/// The server's tick.
pub(super) const TICK_NS: u64 = 10 * MILLISECOND;
/// How long a session may lie idle where that is not drawn: longer than any run.
const SESSION_EXPIRY_MS: u64 = 3_600_000;
/// A client finds the leader within an operation's deadline and is answered within another.
const CLIENT_MS: u64 = 2_000;

/// The weather of a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Weather {
    /// Links between nodes.
    pub(super) links: LinkHabits,
    /// Disks.
    pub(super) disks: DiskHabits,
    /// So many crashes in a million take what was not synced; the others are of the process alone.
    pub(super) power_in_a_million: u32,
    /// Entries between snapshots.
    pub(super) snapshot_entries: u64,
    /// Size of a snapshot's chunk: from a few values to more than there are.
    pub(super) chunk_bytes: usize,
    /// Size of a log segment.
    pub(super) segment_bytes: usize,
    /// Shortest and longest election timeout, and time between heartbeats, in ticks.
    pub(super) election_ticks: (u32, u32),
    /// See `election_ticks`.
    pub(super) heartbeat_ticks: u32,
    /// Whether elections are tried before they are held.
    pub(super) pre_vote: bool,
    /// How many times slower than the fastest disk the slowest one is.
    pub(super) disk_spread: u64,
    /// How much faster or slower than the others a node's clock may run, in a thousand.
    pub(super) drift_in_a_thousand: u64,
    /// Events that are lain in wait for.
    pub(super) ambush: Ambush,
    /// How long a session may lie idle, in log time.
    pub(super) session_expiry_ms: u64,
    /// So many rests of a client in a million outlast its session.
    pub(super) doze_in_a_million: u32,
    /// All clocks tick at the same moments and at the same rate.
    pub(super) is_in_step: bool,
    /// Plots that are laid in this seed.
    pub(super) plots: Plots,
}

impl Weather {
    /// The weather of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut weather = Self::new(&mut Chance::new(seed, 0));
        // A stream of their own: what older seeds drew from the first one stays as it was.
        weather.add_sessions_and_aims(&mut Chance::new(seed, 4));
        weather.add_frequent_snapshots(&mut Chance::new(seed, 6));
        weather.add_departures_for_good(&mut Chance::new(seed, 8));
        weather.add_chunks(&mut Chance::new(seed, 7));
        weather.add_failing_disks(&mut Chance::new(seed, 10));
        weather
    }

    /// Sessions that expire, clients' links that lose, and the aims of this seed.
    fn add_sessions_and_aims(&mut self, chance: &mut Chance) {
        if chance.below(4) == 0 {
            self.session_expiry_ms = chance.between((300, 2_000));
            self.doze_in_a_million = 10_000;
        }
        if chance.below(3) == 0 {
            self.links.client_lost_in_a_million =
                u32::try_from(chance.between((500, 5_000))).expect("below a million");
        }
        self.is_in_step = chance.below(6) == 0;
        if self.is_in_step {
            self.drift_in_a_thousand = 0;
        }
        self.plots = Plots::draw(chance);
    }

    /// Snapshots every few entries in some seeds, down to every one: each is taken, sent and installed while
    /// the log around it moves.
    fn add_frequent_snapshots(&mut self, chance: &mut Chance) {
        if chance.below(8) == 0 {
            self.snapshot_entries = chance.between((1, 12));
        }
    }

    /// Chunks from a few values to whole snapshots, and moments between two of them that are lain in wait for.
    fn add_chunks(&mut self, chance: &mut Chance) {
        self.chunk_bytes = 64 << chance.below(8);
        self.ambush.chunk = match chance.below(3) {
            0 => 0,
            _ => u32::try_from(chance.between((10_000, 200_000))).expect("below a million"),
        };
    }

    /// Disks that fail a sync now and then, in one seed of four.
    fn add_failing_disks(&mut self, chance: &mut Chance) {
        if chance.below(4) == 0 {
            self.disks.failing_in_a_million =
                u32::try_from(chance.between((200, 2_000))).expect("below a million");
        }
    }

    /// In half of the seeds in which nodes leave some do so for good: memberships become smaller, even and odd.
    fn add_departures_for_good(&mut self, chance: &mut Chance) {
        if self.ambush.members_ns > 0 && chance.below(2) == 0 {
            self.ambush.for_good = 300_000;
        }
    }

    /// How many nodes the cluster of a seed has where nobody says: mostly five.
    pub(super) fn nodes(seed: u64) -> u32 {
        match Chance::new(seed, 9).below(8) {
            0 => 3,
            1 => 4,
            2 => 6,
            _ => 5,
        }
    }

    /// What a correct server promises in this weather.
    pub(super) fn promises(&self, nodes: u32) -> Promises {
        let tick_ms = TICK_NS / MILLISECOND;
        let (shortest, longest) = self.election_ticks;
        // A clock may run slow; whole milliseconds err to the longer side.
        let slowest = |ticks: u32| {
            (u64::from(ticks) * tick_ms * (1_000 + self.drift_in_a_thousand)).div_ceil(1_000)
        };
        let votes_ns = 2 * self.links.delay_ns.1 + self.disks.sync_ns.1 * self.disk_spread;
        let stall_ns = self.disks.slow_ns.1 * self.disk_spread;
        let settings = ElectionSettings {
            nodes,
            timeout_ms: (u64::from(shortest) * tick_ms, slowest(longest)),
            tick_ms,
            window_ms: votes_ns.div_ceil(MILLISECOND),
            load: 1,
            client_ms: CLIENT_MS + stall_ns / MILLISECOND,
            pre_vote: self.pre_vote,
        };
        Promises::of(&settings).allowing(&settings)
    }

    fn new(chance: &mut Chance) -> Self {
        let foul = chance.below(4);
        let rarely = |chance: &mut Chance, most: u64| {
            u32::try_from(chance.below(most * foul + 1)).expect("below a million")
        };
        let shortest = chance.between((50 * MICROSECOND, 500 * MICROSECOND));
        let longest = shortest + chance.between((100 * MICROSECOND, 2 * MILLISECOND));
        let (shortest_ticks, heartbeat_ticks) = match chance.below(3) {
            0 => (10, 3),
            1 => (16, 4),
            _ => (30, 5),
        };
        let spread_ticks = if chance.below(3) == 0 { 2 } else { shortest_ticks };
        Self {
            links: LinkHabits {
                delay_ns: (shortest, longest),
                late_in_a_million: rarely(chance, 4_000),
                late_ns: (10 * MILLISECOND, 200 * MILLISECOND * (foul + 1)),
                lost_in_a_million: rarely(chance, 4_000),
                doubled_in_a_million: rarely(chance, 8_000),
                client_lost_in_a_million: 0,
            },
            disks: DiskHabits {
                sync_ns: (80 * MICROSECOND, chance.between((200 * MICROSECOND, 3 * MILLISECOND))),
                slow_in_a_million: rarely(chance, 2_000),
                slow_ns: (5 * MILLISECOND, 400 * MILLISECOND),
                failing_in_a_million: rarely(chance, 20),
            },
            power_in_a_million: 500_000,
            snapshot_entries: chance.between((20, 400)),
            chunk_bytes: 1 << 20,
            segment_bytes: 4_096 << chance.below(4),
            election_ticks: (shortest_ticks, shortest_ticks + spread_ticks),
            heartbeat_ticks,
            pre_vote: chance.below(4) > 0,
            disk_spread: 1 + chance.below(3) * chance.below(8),
            drift_in_a_thousand: chance.below(4) * 10,
            ambush: ambush(chance),
            session_expiry_ms: SESSION_EXPIRY_MS,
            doze_in_a_million: 0,
            is_in_step: false,
            plots: Plots::default(),
        }
    }
}

/// Each kind of ambush in some seeds, and seldom all of them.
fn ambush(chance: &mut Chance) -> Ambush {
    let odds = |chance: &mut Chance, most: u64| match chance.below(3) {
        0 => 0,
        _ => u32::try_from(chance.below(most)).expect("below a million"),
    };
    Ambush {
        vote: odds(chance, 300_000),
        elected: odds(chance, 300_000),
        append: odds(chance, 10_000),
        commit: odds(chance, 20_000),
        snapshot: odds(chance, 300_000),
        chunk: 0,
        transfer_ns: chance.below(3) * 3_000 * MILLISECOND,
        // Most seeds keep their members.
        members_ns: if chance.below(4) == 0 { 8_000 * MILLISECOND } else { 0 },
        for_good: 0,
    }
}
