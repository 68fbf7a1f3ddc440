//! A simulated run from its first moment to its last: does in the world what the phases of a run say.

use std::mem;
use std::path::PathBuf;

use whitewater_checker::fact::Fact;
use whitewater_checker::run_folder::{LOGS, SCHEMA_VERSION};

use super::host::host_of;
use super::world::World;
use crate::nemesis::Ground;
use crate::observe::{View, poll_of};
use crate::phases::{Ending, Log, Order, Phases, Sight, Step};
use crate::record::HistoryWriter;
use whitewater_target::Tells;

impl World<'_> {
    /// Lives through the whole run.
    pub(super) fn live(&mut self) -> (Ending, Log) {
        let recording = Fact::Recording { schema_version: SCHEMA_VERSION, canary: false };
        self.recording.at(self.now_ns).fact(&recording);
        let mut phases = Phases::new(self.plan, PathBuf::from(LOGS), Tells::ALL, 0);
        let ending = loop {
            let sight = self.sight(phases.awaits_nodes());
            let mut history = self.recording.at(self.now_ns);
            match phases.step(sight, &mut self.shared, &mut history) {
                Step::Do(order) => self.carry_out(order, &mut phases.log),
                Step::Look { until_ns } => self.run(until_ns),
                Step::Over(ending) => break ending,
            }
        };
        let (mut log, mut history) = (phases.log, self.recording.at(self.now_ns));
        log.begin("end", None, &mut history);
        log.note(&ending, &mut history);
        (ending, log)
    }

    fn sight(&mut self, awaits_nodes: bool) -> Sight {
        Sight {
            now_ns: self.now_ns,
            nodes: Ground::nodes(self),
            view: if awaits_nodes { Ground::view(self) } else { View::default() },
            obituary: None,
            is_idle: self.is_idle(),
            is_calm: self.nemesis.is_over(),
            mended: mem::take(&mut self.nemesis.mended),
        }
    }

    fn carry_out(&mut self, order: Order, log: &mut Log) {
        match order {
            Order::Start => self.start(),
            Order::Work(each_ns) => self.work(each_ns),
            Order::Dismiss => self.dismiss(),
            Order::Unleash => self.unleash(),
            Order::Mend => self.heal_everything(),
            Order::Poll => {
                let view = Ground::view(self);
                for node in view.belonging(1..=self.plan.nodes, self.now_ns) {
                    let host = host_of(node);
                    if let Some(status) = self.node_status(host) {
                        self.recording.status.push(poll_of(node, self.now_ns, &status, true));
                        log.final_status.insert(node, status);
                    }
                }
            }
        }
    }
}
