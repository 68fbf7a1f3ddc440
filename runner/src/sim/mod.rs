//! The simulator: whole runs on a virtual clock, network and disk, bit for bit the same for a seed.
//!
//! What runs is what ships: the protocol core, the node around it, the state machine and its sessions,
//! the log and its recovery. The plan, the workload, the formats, the checker and the report are those
//! of real runs. What is not here is gRPC, and the threads and processes of a real machine.
//!
//! [`World`] holds everything; [`Weather`] is what a seed adds to its
//! plan: how bad links, disks and clocks are, and which moments are ambushed.

mod ambush;
mod batch;
mod chance;
mod clients;
mod deck;
mod departures;
mod folder;
mod ground;
mod host;
mod journals;
mod judge;
mod nemesis;
mod network;
mod panics;
mod phases;
mod plots;
mod queue;
mod record;
mod snapshots;
mod volume;
mod weather;
mod world;

use whitewater_server::Mutant;

use crate::phases::{Ending, Log};
use crate::plan::Plan;
pub(crate) use batch::{Batch, Found, SeedOutcome, Summary};
pub(crate) use folder::{Origin, keep};
use host::Build;
use journals::Journals;
pub(crate) use judge::judge;
use record::Recording;
use weather::Weather;
use world::World;

/// A run that was simulated.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// What it left behind.
    recording: Recording,
    ending: Ending,
    log: Log,
    /// What the cores were told and answered, where it was wanted.
    pub(crate) journals: Option<Journals>,
    /// How much time passed in it.
    pub(crate) simulated_ns: u64,
    /// How many things happened in it.
    pub(crate) happened: u64,
}

impl Simulated {
    /// Stands for the whole history: two runs with the same hash were the same.
    pub(crate) fn hash(&self) -> u64 {
        self.recording.hash()
    }
}

/// Lives through a plan.
pub(crate) fn simulate(plan: &Plan, mutant: Option<Mutant>) -> Simulated {
    live(plan, mutant, None)
}

/// Lives through a plan, with every core's journal.
pub(crate) fn simulate_with_journals(plan: &Plan, mutant: Option<Mutant>) -> Simulated {
    live(plan, mutant, Some(Journals::default()))
}

fn live(plan: &Plan, mutant: Option<Mutant>, journals: Option<Journals>) -> Simulated {
    let weather = Weather::of(plan.seed);
    let (nodes, seed) = (plan.nodes.into(), plan.seed);
    let build = Build { nodes, mutant, seed, weather, journals: journals.clone() };
    let mut world = World::new(plan, build);
    let (ending, log) = world.live();
    let (simulated_ns, happened) = (world.now_ns, world.happened);
    let recording = std::mem::take(&mut world.recording);
    // Processes that still run write the rest of their journals as they end.
    drop(world);
    Simulated { recording, ending, log, journals, simulated_ns, happened }
}

#[cfg(test)]
mod tests;
