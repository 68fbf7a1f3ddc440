//! A simulated run from its first moment to its last: the same phases as a real one.

use whitewater_checker::fact::Fact;
use whitewater_checker::run_folder::SCHEMA_VERSION;

use super::world::World;
use crate::workload::{Action, Operation, Tally, Work, kinds};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
/// How long a cluster may take to elect its first leader, and to serve the first operations.
const START_DEADLINE_NS: u64 = 20 * SECOND;
/// How long the cluster may take to serve again after the last fault.
const RECOVERY_DEADLINE_NS: u64 = 10 * SECOND;
/// How long everything after that may take.
const END_DEADLINE_NS: u64 = 30 * SECOND;
/// How much longer than planned the faults may take.
const OVERRUN_NS: u64 = 20 * SECOND;
/// One operation of the final list may take longer than usual.
const FINAL_DEADLINE_NS: u64 = 3 * SECOND;

impl<'a> World<'a> {
    /// Lives through the whole run.
    pub(super) fn live(&mut self) {
        let recording = Fact::Recording { schema_version: SCHEMA_VERSION, canary: false };
        self.recording.fact(self.now_ns, &recording);
        self.recording.phase(self.now_ns, "start", None);
        self.start();
        self.run(self.now_ns + START_DEADLINE_NS, World::is_healthy);
        self.recording.phase(self.now_ns, "warm-up", None);
        self.start_clients();
        let before = self.least(|minimum| minimum.before);
        self.run(self.now_ns + START_DEADLINE_NS, |world| {
            world.has_served(&Tally::default(), before)
        });
        self.recording.phase(self.now_ns, "faults", None);
        self.unleash();
        let end_ns = self.now_ns + self.plan.time_ms * MILLISECOND;
        let is_over = |world: &World<'a>| world.now_ns >= end_ns && world.nemesis.is_over();
        self.run(end_ns + OVERRUN_NS, is_over);
        if !self.nemesis.is_over() {
            let reason = "the faults took too long and were cut short".to_owned();
            self.recording.fact(self.now_ns, &Fact::Incomplete { reason });
        }
        self.recover();
        self.finish();
        self.quiesce();
        self.recording.phase(self.now_ns, "end", None);
        if self.leader().is_some() && !self.is_complete() {
            let trouble = "not every node is a voter again at the end".to_owned();
            self.recording.fact(self.now_ns, &Fact::Unhealed { trouble });
        }
        self.recording.fact(self.now_ns, &Fact::End {});
    }

    fn recover(&mut self) {
        let deadline_ms = RECOVERY_DEADLINE_NS / MILLISECOND;
        self.recording.phase(self.now_ns, "recovery", Some(deadline_ms));
        self.heal_everything();
        let (since, after) = (self.shared.tally.clone(), self.least(|minimum| minimum.after));
        self.run(self.now_ns + RECOVERY_DEADLINE_NS, |world| {
            world.is_healthy() && world.has_served(&since, after)
        });
    }

    /// Changes every key in use once more, then reads every key there ever was.
    fn finish(&mut self) {
        self.set_work(Work::Nothing, FINAL_DEADLINE_NS);
        self.run(self.now_ns + END_DEADLINE_NS, World::is_idle);
        self.recording.phase(self.now_ns, "final", None);
        let operations = self.shared.generator.final_operations();
        let (reads, changes): (Vec<_>, Vec<_>) =
            operations.into_iter().partition(|operation| operation.action == Action::Read);
        for list in [changes, reads] {
            self.sweep(list);
        }
    }

    fn sweep(&mut self, list: Vec<Operation>) {
        self.set_work(Work::list(list), FINAL_DEADLINE_NS);
        self.run(self.now_ns + END_DEADLINE_NS, World::is_idle);
    }

    fn quiesce(&mut self) {
        self.recording.phase(self.now_ns, "quiesce", None);
        // Long enough to tell a follower that never catches up from one that is late.
        let within_ms = self.plan.promises.and_then(|promises| promises.leader_within_ms);
        let stuck_ns = within_ms.map_or(0, |within_ms| within_ms * MILLISECOND + SECOND);
        self.run(self.now_ns + RECOVERY_DEADLINE_NS.max(stuck_ns), World::is_settled);
        for host in 0..self.hosts.len() {
            if let Some(poll) = self.status_poll(host, true) {
                self.recording.status.push(poll);
            }
        }
    }

    /// Whether all nodes follow one leader, and belong.
    fn is_healthy(&self) -> bool {
        let Some((leader, term)) = self.leader() else { return false };
        self.is_complete()
            && self.present().all(|host| {
                self.status(host).is_some_and(|status| {
                    status.hard_state.term == term && status.leader == Some(leader.into())
                })
            })
    }

    /// Whether all nodes have applied the same, which is all there is.
    fn is_settled(&self) -> bool {
        let applied = |host| {
            let status = self.status(host)?;
            (status.applied == status.commit).then_some(status.applied)
        };
        let mut hosts = self.present().map(applied);
        let first = hosts.next().flatten();
        first.is_some() && hosts.all(|applied| applied == first)
    }

    /// The most that the plan asks of any kind of operation.
    fn least(&self, minimum: impl Fn(&whitewater_checker::strength::PhaseMinimum) -> u64) -> u64 {
        self.plan.requirements.operations_ok_min.values().map(minimum).max().unwrap_or(0)
    }

    fn has_served(&self, since: &Tally, least: u64) -> bool {
        self.shared.tally.has_served(kinds(&self.plan.workload.name), since, least)
    }
}
