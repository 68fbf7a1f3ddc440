//! `whitewater sim`: simulates seeds, judges them, and says what was found and how fast.

use std::num::NonZero;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use whitewater_checker::Verdict;
use whitewater_server::Mutant;

use crate::exit::Exit;
use crate::plan::WorkloadPlan;
use crate::progress::print;
use crate::sim::Batch;

/// `whitewater sim`.
#[derive(Debug, Args)]
pub(crate) struct SimArguments {
    /// Seeds to simulate: 1..200 (both included), or one
    #[arg(long, value_name = "A..B", default_value = "1..200", value_parser = seeds)]
    pub(crate) seeds: RangeInclusive<u64>,
    /// Seed a bug into the simulated servers
    #[arg(long, value_name = "NAME")]
    pub(crate) mutant: Option<Mutant>,
    /// Length of each seed's fault phase, such as 20s or 5m, in simulated time
    #[arg(long, default_value = "60s", value_parser = crate::cli::duration, value_name = "DURATION")]
    pub(crate) time: Duration,
    /// Number of nodes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=15))]
    pub(crate) nodes: u32,
    /// Operations a simulated second, all clients together
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) rate: u32,
    /// Worker threads; 0: one per core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
}

/// Carries out `sim`.
pub(crate) fn run(arguments: &SimArguments) -> anyhow::Result<Exit> {
    let threads = match arguments.threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let batch = Batch {
        seeds: arguments.seeds.clone(),
        nodes: arguments.nodes,
        time_ms: u64::try_from(arguments.time.as_millis()).context("--time is too long")?,
        workload: WorkloadPlan {
            name: "register".into(),
            clients: 10,
            keys: 20,
            rate: arguments.rate,
            operation_deadline_ms: 1_000,
            operations_per_key: 300,
            unknown_per_key: 20,
        },
        families: ["kill", "partition", "pause"].map(String::from).to_vec(),
        mutant: arguments.mutant,
        threads,
    };
    let summary = batch
        .run(|outcome| {
            if let Some(found) = &outcome.finding {
                print(&format!("seed {} {} {:?}\n", outcome.seed, outcome.verdict, found));
            }
        })
        .map_err(crate::exit::Refusal::Usage)?;
    print(&format!(
        "{} seeds, {} violations, {:.0} simulated s in {:.1} s: {:.0} per second and core; median {:?}; {:?} first hash {:x}\n",
        summary.seeds.len(),
        summary.of(Verdict::Violation).count(),
        summary.simulated().as_secs_f64(),
        summary.wall.as_secs_f64(),
        summary.speed(),
        summary.median_detection(),
        summary.checks(),
        summary.seeds[0].hash,
    ));
    Ok(Exit::of_verdict(summary.verdict()))
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let wrong = || "expected a seed such as 17, or a range such as 1..200".to_owned();
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
    if from > to {
        return Err(format!("the range {text} is empty: the first seed comes first"));
    }
    Ok(from..=to)
}
