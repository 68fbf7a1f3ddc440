//! Nodes that leave the cluster without a planned fault, for a while or for good.

use whitewater_checker::fact::Fact;

use super::host::host_of;
use super::nemesis;
use super::volume::Crash;
use super::world::{Happening, World};
use crate::cluster::node_name;
use crate::nemesis::{Act, Improvised, Lasts, Request, membership};

const MILLISECOND: u64 = 1_000_000;

impl World<'_> {
    /// Whether this machine's node left for good.
    pub(super) fn has_left(&self, host: usize) -> bool {
        let left = &self.nemesis.left;
        !left.is_empty() && u32::try_from(self.hosts[host].id).is_ok_and(|id| left.contains(&id))
    }

    /// The machines whose nodes did not leave for good.
    pub(super) fn present(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|host| !self.has_left(*host))
    }

    /// The next departure is drawn, where this seed has such and the plan has none of its own.
    pub(super) fn schedule_leave(&mut self) {
        let ambush = self.build.weather.ambush;
        let most_ns = ambush.members_ns;
        let is_planned = self.plan.families.iter().any(|family| family == membership::FAMILY.name);
        if most_ns > 0 && !is_planned && self.nemesis.is_active {
            let at_ns = self.now_ns + self.nemesis.chance.between((most_ns / 4, most_ns));
            let for_ns = self.nemesis.chance.between((100 * MILLISECOND, 3_000 * MILLISECOND));
            let is_for_good = self.nemesis.chance.in_a_million(ambush.for_good);
            let for_ns = (!is_for_good).then_some(for_ns);
            self.queue.push(at_ns, Happening::Nemesis(nemesis::Due::Leave { for_ns }));
        }
    }

    /// A node that may lead or not leaves the cluster.
    pub(super) fn leave(&mut self, for_ns: Option<u64>) {
        let voters = self.voters();
        // Three stay, or else the rest of the run would have nothing left to lose.
        let may_leave = voters.len() >= 3 && (for_ns.is_some() || self.present().count() > 3);
        // Who votes is known by a leader's word only: without one a cluster of two would be taken for a whole one.
        let is_led = self.leader().is_some();
        if self.nemesis.is_active && is_led && may_leave {
            let place = self.nemesis.chance.below(voters.len() as u64);
            let node = voters[usize::try_from(place).unwrap_or(0)];
            let acts = vec![Act::Ask(Request::Remove(node))];
            let (name, lasts) = match for_ns {
                Some(for_ns) => ("remove a node, and add it again", Lasts::For(for_ns)),
                None => ("remove a node for good", Lasts::ForGood),
            };
            self.improvise(Improvised {
                family: &membership::FAMILY,
                name: name.into(),
                target: "any",
                strike: self.strike_of(node, node_name(node), acts),
                lasts,
            });
        }
        self.schedule_leave();
    }

    /// A node is out of the cluster for good: its server is ended.
    pub(super) fn bid_farewell(&mut self, node: u32) {
        self.nemesis.left.insert(node);
        self.recording.fact(self.now_ns, &Fact::Left { node: node_name(node) });
        self.crash_host(host_of(node), "signal 15", Crash::Process);
        self.forget_home(node);
    }
}
