//! The simulator: whole runs on a virtual clock, network and disk, bit for bit the same for a seed.
//!
//! What runs is what ships: the protocol core, the node around it, the state machine and its sessions,
//! the log and its recovery. The plan, the workload, the formats, the checker and the report are those
//! of real runs. What is not here is gRPC, and the threads and processes of a real machine.
//!
//! [`World`](world::World) holds everything; [`Weather`](weather::Weather) is what a seed adds to its
//! plan: how bad links, disks and clocks are, and which moments are ambushed.

mod batch;
mod chance;
mod client;
mod deck;
mod host;
mod judge;
mod nemesis;
mod network;
mod panics;
mod phases;
mod queue;
mod record;
mod volume;
mod weather;
mod world;

use whitewater_server::Mutant;

use crate::plan::Plan;
pub(crate) use batch::{Batch, SeedOutcome, Summary};
use chance::Chance;
use host::Build;
pub(crate) use judge::judge;
use record::Recording;
use weather::Weather;
use world::World;

/// A run that was simulated.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// What it left behind.
    recording: Recording,
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
    let weather = Weather::new(&mut Chance::new(plan.seed, 0));
    let build = Build { nodes: plan.nodes.into(), mutant, seed: plan.seed, weather };
    let mut world = World::new(plan, build);
    world.live();
    let (simulated_ns, happened) = (world.now_ns, world.happened);
    Simulated { recording: world.recording, simulated_ns, happened }
}

#[cfg(test)]
mod probe {
    use super::*;
    use crate::plan::{PlanSettings, WorkloadPlan};

    #[test]
    fn probe() {
        let from: u64 = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
        let n: u64 = std::env::var("N").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
        let mutant = std::env::var("MUTANT").ok().map(|m| m.parse::<Mutant>().unwrap());
        for seed in from..from + n {
            let workload = WorkloadPlan {
                name: "register".into(),
                clients: 10,
                keys: 20,
                rate: 200,
                operation_deadline_ms: 1000,
                operations_per_key: 300,
                unknown_per_key: 20,
            };
            let families = ["kill", "pause", "partition"].map(String::from).to_vec();
            let plan =
                Plan::new(PlanSettings { seed, nodes: 5, time_ms: 60_000, workload, families })
                    .unwrap();
            let start = std::time::Instant::now();
            let done = simulate(&plan, mutant);
            let r = &done.recording;
            println!(
                "seed {seed} {:?} sim {}s happened {} history {} trace {} faults {} status {} hash {:x} phases {:?}",
                start.elapsed(),
                done.simulated_ns / 1_000_000_000,
                done.happened,
                r.history.len(),
                r.trace.len(),
                r.faults.len(),
                r.status.len(),
                r.hash(),
                r.phases.iter().map(|(n, t)| format!("{n}@{}", t / 1_000_000)).collect::<Vec<_>>()
            );
            if n == 1 {
                let mut k = std::collections::BTreeMap::new();
                for e in &r.history {
                    *k.entry(format!("{} {:?}", e.f, e.kind)).or_insert(0) += 1;
                }
                println!("{k:?}");
                let mut k = std::collections::BTreeMap::new();
                for e in &r.trace {
                    let d = format!("{:?}", e.event);
                    *k.entry(d.split([' ', '{']).next().unwrap().to_string()).or_insert(0) += 1;
                }
                println!("{k:?}");
                for p in &r.processes {
                    if let whitewater_checker::observation::ProcessChange::Exited {
                        how,
                        expected,
                        last_words,
                    } = &p.change
                    {
                        if !*expected || how.contains("4") {
                            println!("{} {how} {last_words:?}", p.node)
                        }
                    }
                }
                for e in &r.history {
                    if let Some(x) = &e.error {
                        *errs().lock().unwrap().entry(x.clone()).or_insert(0u32) += 1;
                    }
                }
                println!("{:?}", errs().lock().unwrap());
            }
        }
    }
    fn errs() -> &'static std::sync::Mutex<std::collections::BTreeMap<String, u32>> {
        static E: std::sync::LazyLock<std::sync::Mutex<std::collections::BTreeMap<String, u32>>> =
            std::sync::LazyLock::new(Default::default);
        &E
    }
}
