//! Thousands of small random schedules: messages lost, doubled and reordered, nodes crashed with what
//! their disks had not completed, members changed, logs compacted.
//!
//! Each schedule follows from its seed. The published rules must survive all of them and recover at the
//! end of each. That the checks can fail is shown in `mutants`.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use whitewater_raft::event::Role;
use whitewater_raft::{
    Body, Index, MembershipChange, Message, NodeId, Paper, Position, Raft, ReadMode, Ready, Rules,
};

use crate::invariants::{Invariants, Seen};
use crate::network::Cluster;

/// What a schedule is made of.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) rules: Arc<dyn Rules>,
    pub(crate) forgets_votes: bool,
    pub(crate) read_mode: ReadMode,
    pub(crate) steps: u32,
    /// Ticks come to all nodes together, and no timeout strikes early: what leases rest on.
    pub(crate) keeps_time: bool,
}

impl Plan {
    /// Runs the schedule of a seed; `Err` names the invariant that broke.
    pub(crate) fn run(&self, seed: u64) -> Result<(), String> {
        Run::new(self, seed).run(self.steps)
    }

    pub(crate) fn of(rules: impl Rules + 'static) -> Self {
        Self {
            rules: Arc::new(rules),
            forgets_votes: false,
            read_mode: ReadMode::Index,
            steps: 400,
            keeps_time: false,
        }
    }
}

/// A seeded generator of its own: the schedules must not change when the core's does.
struct Dice(u64);

impl Dice {
    /// One of `count` places.
    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.roll(count as u64)).expect("smaller than a length")
    }

    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*; the low bits are the weak ones.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % sides
    }
}

/// One schedule under way.
struct Run {
    cluster: Cluster,
    invariants: Invariants,
    dice: Dice,
    size: u64,
    keeps_time: bool,
    contexts: u64,
    commands: u64,
}

impl Run {
    fn new(plan: &Plan, seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        dice.roll(2);
        let size = if dice.roll(3) == 0 { 5 } else { 3 };
        let mut cluster = Cluster::new(seed, Arc::clone(&plan.rules));
        cluster.pre_vote = dice.roll(2) == 0;
        cluster.log_tail = dice.roll(2) * 3;
        cluster.append_entries_min = 1 + 2 * (seed % 2) as usize;
        cluster.read_mode = plan.read_mode;
        cluster.forgets_votes = plan.forgets_votes;
        cluster.start_voters(size);
        let (invariants, keeps_time) = (Invariants::default(), plan.keeps_time);
        Self { cluster, invariants, dice, size, keeps_time, contexts: 0, commands: 0 }
    }

    /// The whole schedule; `Err` names the invariant that broke.
    fn run(&mut self, steps: u32) -> Result<(), String> {
        for _ in 0..steps {
            self.step();
            self.invariants.check(&mut self.cluster)?;
        }
        self.heal()
    }

    fn node(&mut self) -> NodeId {
        1 + self.dice.roll(self.cluster.nodes.len() as u64)
    }

    fn step(&mut self) {
        let id = self.node();
        match self.dice.roll(1000) {
            0..670 => self.deliver_or_tick(id),
            670..690 => drop(self.take_message()),
            690..710 => {
                if let Some(message) = self.pick().map(|at| self.cluster.network[at].clone()) {
                    self.cluster.network.push(message);
                }
            }
            710..770 => self.tick(id),
            770..780 => self.campaign(id),
            780..870 => self.complete_a_write(),
            870..925 => self.propose_somewhere(id),
            925..955 => self.read(id),
            955..965 => self.toggle_disk(id),
            965..975 => self.crash_or_start(id),
            975..987 => self.toggle_isolation(id),
            987..992 => self.cluster.snapshot(id),
            992..997 => self.change_membership(id),
            _ => {
                self.cluster.input(id, |raft| raft.transfer_leadership(None));
            }
        }
    }

    /// Mostly one of the oldest messages, sometimes any.
    fn pick(&mut self) -> Option<usize> {
        let length = self.cluster.network.len();
        let among = if self.dice.roll(4) == 0 { length } else { length.min(4) };
        (length > 0).then(|| self.dice.pick(among))
    }

    fn take_message(&mut self) -> Option<whitewater_raft::Message> {
        self.pick().map(|at| self.cluster.network.remove(at))
    }

    fn tick(&mut self, id: NodeId) {
        let ids: Vec<NodeId> = self.cluster.nodes.keys().copied().collect();
        for other in ids {
            if other == id || self.keeps_time {
                self.cluster.input(other, Raft::tick);
            }
        }
    }

    fn campaign(&mut self, id: NodeId) {
        if self.keeps_time {
            self.tick(id);
        } else {
            self.cluster.input(id, Raft::campaign);
        }
    }

    /// Where nothing is on its way, time passes instead.
    fn deliver_or_tick(&mut self, id: NodeId) {
        match self.take_message() {
            Some(message) => self.cluster.deliver(message),
            None => self.tick(id),
        }
    }

    fn complete_a_write(&mut self) {
        let ids = self.cluster.nodes.keys().copied();
        let waiting: Vec<NodeId> = ids.filter(|id| self.cluster.has_writes(*id)).collect();
        if !waiting.is_empty() {
            let at = self.dice.pick(waiting.len());
            self.cluster.complete_write(waiting[at]);
        }
    }

    /// Proposes at a leader, if there is one: mostly the latest, sometimes a deposed one.
    fn propose_somewhere(&mut self, id: NodeId) {
        let leads =
            |id: &NodeId| self.cluster.raft(*id).is_some_and(|raft| raft.leader() == Some(*id));
        let leaders: Vec<NodeId> = self.cluster.nodes.keys().copied().filter(leads).collect();
        let id = if leaders.is_empty() { id } else { leaders[self.dice.pick(leaders.len())] };
        self.propose(id);
    }

    fn propose(&mut self, id: NodeId) {
        self.commands += 1;
        let command: Arc<[u8]> = Arc::from(self.commands.to_le_bytes().as_slice());
        self.cluster.input(id, |raft| raft.propose(command));
    }

    fn read(&mut self, id: NodeId) {
        self.contexts += 1;
        self.invariants.read_begins(self.contexts);
        let context = self.contexts;
        self.cluster.input(id, |raft| raft.read(context));
    }

    fn toggle_disk(&mut self, id: NodeId) {
        let node = self.cluster.node_mut(id);
        node.is_disk_slow = !node.is_disk_slow;
    }

    /// One node at most is cut off; a second try heals.
    fn toggle_isolation(&mut self, id: NodeId) {
        let isolated = std::mem::take(&mut self.cluster.isolated);
        if isolated.is_empty() {
            self.cluster.isolated.insert(id);
        }
    }

    fn crash_or_start(&mut self, id: NodeId) {
        if self.cluster.raft(id).is_some() {
            self.cluster.crash(id);
        } else {
            self.cluster.start(id);
        }
    }

    fn change_membership(&mut self, leader: NodeId) {
        let id = 1 + self.dice.roll(self.size + 1);
        if !self.cluster.nodes.contains_key(&id) {
            self.cluster.add(id);
        }
        let change = match self.dice.roll(3) {
            0 => MembershipChange::AddLearner(id),
            1 => MembershipChange::Promote(id),
            _ => MembershipChange::Remove(id),
        };
        self.cluster.input(leader, |raft| raft.change_membership(change));
    }

    /// Everything works from here on: the cluster must elect a leader and commit, everywhere.
    fn heal(&mut self) -> Result<(), String> {
        let ids: Vec<NodeId> = self.cluster.nodes.keys().copied().collect();
        for id in &ids {
            if self.cluster.raft(*id).is_none() {
                self.cluster.start(*id);
            }
            self.cluster.node_mut(*id).is_disk_slow = false;
            while self.cluster.has_writes(*id) {
                self.cluster.complete_write(*id);
            }
        }
        self.cluster.isolated.clear();
        let before = self.invariants.committed();
        for _ in 0..400 {
            for id in &ids {
                self.cluster.input(*id, Raft::tick);
                self.propose(*id);
            }
            for message in std::mem::take(&mut self.cluster.network) {
                self.cluster.deliver(message);
            }
            self.invariants.check(&mut self.cluster)?;
            if self.has_recovered(before + 3) {
                return Ok(());
            }
        }
        let statuses = ids.iter().filter_map(|id| self.cluster.raft(*id).map(Raft::status));
        let lines: Vec<String> = statuses.map(|status| format!("{status:?}")).collect();
        Err(format!("liveness: the healed cluster does not commit:\n{}", lines.join("\n")))
    }

    /// Whether every member of the leader's membership has applied up to an index.
    fn has_recovered(&self, index: Index) -> bool {
        let leaders = self.cluster.nodes.values().filter_map(|node| node.raft.as_ref());
        let Some(leader) = leaders
            .filter(|raft| raft.role() == Role::Leader)
            .max_by_key(|raft| raft.status().hard_state.term)
        else {
            return false;
        };
        let has_applied = |id: &NodeId| self.cluster.nodes[id].applied.len() as u64 >= index;
        leader.membership().all().iter().all(has_applied)
    }
}

/// Runs schedules until an invariant breaks; the seed and what broke.
fn hunt(plan: &Plan, seeds: std::ops::Range<u64>, seen: &mut Seen) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| {
        let mut run = Run::new(plan, seed);
        let broken = run.run(plan.steps).err();
        seen.add(&run.invariants.seen);
        Some((seed, broken?))
    })
}

/// `SEED=n` runs that schedule alone, `SEEDS=n` as many as that.
#[expect(clippy::disallowed_methods, reason = "the core reads no environment; its tests may")]
fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(count),
    }
}

/// The schedules must break nothing, and must have tried what could break: an event of each of these
/// kinds in every hundred schedules at least.
#[track_caller]
fn survives(plan: &Plan, test: &str, kinds: &[&str]) {
    let (seeds, mut seen) = (seeds(1000), Seen::default());
    if let Some((seed, broken)) = hunt(plan, seeds.clone(), &mut seen) {
        panic!("{broken}\nrepeat: SEED={seed} cargo test -p whitewater-raft --test cluster {test}");
    }
    let count = seeds.end - seeds.start;
    for kind in kinds {
        let times = seen.times(kind);
        assert!(times >= count / 100, "only {times} of {kind} in {count} schedules: {seen:?}");
    }
}

#[test]
fn the_published_rules_survive_random_schedules() {
    let kinds = [
        "leader", "stepdown", "truncate", "commit", "purge", "read", "config", "joint", "snapshot",
        "transfer",
    ];
    survives(&Plan::of(Paper), "the_published_rules", &kinds);
}

#[test]
fn reads_through_the_log_survive_random_schedules() {
    let plan = Plan { read_mode: ReadMode::Log, steps: 150, ..Plan::of(Paper) };
    survives(&plan, "reads_through_the_log", &["leader", "truncate", "read"]);
}

#[test]
fn lease_reads_survive_while_all_clocks_agree() {
    let plan = Plan { read_mode: ReadMode::Lease, keeps_time: true, ..Plan::of(Paper) };
    survives(&plan, "lease_reads", &["leader", "truncate", "read", "transfer"]);
}

#[test]
fn the_same_schedule_ends_in_the_same_state() {
    // What a simulator and a replay build on: no clock, no thread, no iteration order leaks in.
    for seed in 0..20 {
        let end = || {
            let mut run = Run::new(&Plan::of(Paper), seed);
            (0..300).for_each(|_| run.step());
            let rafts = run.cluster.nodes.values().map(|node| node.raft.as_ref());
            let hashes: Vec<u64> = rafts
                .map(|raft| BuildHasherDefault::<DefaultHasher>::default().hash_one(raft))
                .collect();
            (hashes, run.cluster.network)
        };
        assert_eq!(end(), end(), "schedule {seed}");
    }
}

#[test]
fn a_node_that_has_nothing_ready_hands_out_nothing() {
    for seed in 0..20 {
        let mut run = Run::new(&Plan::of(Paper), seed);
        for step in 0..300 {
            run.step();
            for raft in run.cluster.nodes.values().filter_map(|node| node.raft.clone()) {
                assert!(!raft.has_ready(), "the harness carries everything out");
                let ready = raft.clone().ready();
                assert_eq!(ready, Ready::default(), "schedule {seed}, step {step}");
            }
        }
    }
}

#[test]
fn garbled_numbers_and_foreign_messages_change_nothing() {
    let mut run = Run::new(&Plan::of(Paper), 1);
    let before = run.cluster.raft(1).map(Raft::status);
    let prev = Position { index: u64::MAX, term: 1 };
    let append = Body::Append { prev, entries: Vec::new(), commit: 0, round: 1 };
    for (to, term, body) in
        [(1, u64::MAX, Body::TimeoutNow), (1, 1, append), (2, 1, Body::ReadIndex { context: 1 })]
    {
        run.cluster.input(1, |raft| raft.step(Message { from: 3, to, term, request: 1, body }));
    }
    assert_eq!(run.cluster.raft(1).map(Raft::status), before);
    assert_eq!(run.cluster.network, []);
}
