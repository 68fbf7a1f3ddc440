//! `whitewater sim`: simulates seeds, judges them, and says what was found and how fast.

use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use whitewater_checker::Verdict;
use whitewater_checker::objectives::Outcomes;
use whitewater_checker::run_folder::REPORT;
use whitewater_server::Mutant;

use super::run::{in_words, read_plan};
use crate::exit::{Exit, Expectation, Refusal, expected};
use crate::flags::StoreArguments;
use crate::invocation::program;
use crate::long_work::LongWork;
use crate::nemesis::{default_argument, family_names};
use crate::plan::WorkloadPlan;
use crate::progress::{Loudness, print, print_error, print_json};
use crate::sim::{
    Batch, Found, Origin, SeedOutcome, Summary, keep, simulate, simulate_with_journals,
};
use crate::store::Store;

/// A key of our workloads is checked in microseconds up to here.
const OPERATIONS_PER_KEY: u32 = 300;
/// A key is left after so many operations with an unknown outcome.
const UNKNOWN_PER_KEY: u32 = 20;
/// Seeds that are told one by one; the rest is counted.
const TOLD_MAX: usize = 10;

/// `whitewater sim`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimArguments {
    /// Seeds to simulate: 1..200 (both included), or one [default: 1..200, with --plan its own]
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: Option<RangeInclusive<u64>>,
    /// Carry out this plan.json, in the weather of each seed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["time", "nodes", "workload", "faults", "rate", "clients"])]
    pub(crate) plan: Option<PathBuf>,
    /// Simulate a mutant, servers with a bug put in on purpose: a positive control
    #[arg(long, value_name = "NAME")]
    pub(crate) mutant: Option<Mutant>,
    /// Length of each seed's fault phase, in simulated time
    #[arg(long, default_value = "60s", value_parser = crate::flags::duration, value_name = "DURATION")]
    pub(crate) time: Duration,
    /// Number of nodes; each seed draws 3 to 6 of its own where it is not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=15))]
    pub(crate) nodes: Option<u32>,
    /// What clients do
    #[arg(long, default_value = "register", value_parser = clap::builder::PossibleValuesParser::new(crate::workload::NAMES))]
    pub(crate) workload: String,
    /// Fault families, separated by commas
    #[arg(long, value_delimiter = ',', default_value = default_argument(), value_parser = clap::builder::PossibleValuesParser::new(family_names()), value_name = "FAMILIES")]
    pub(crate) faults: Vec<String>,
    /// Operations a simulated second, all clients together
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) rate: u32,
    /// Concurrent clients
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) clients: u32,
    /// Worker threads; 0: one per core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Keep the run folder of the first seed also where it passed
    #[arg(long)]
    pub(crate) keep: bool,
    /// Put the nodes' journals into the run folder that is kept, for `replay-journal`
    #[arg(long)]
    pub(crate) journal: bool,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Expect a violation, of this check if one is named (a positive control): exit 0 where it is found, 3
    /// where it is not
    #[arg(long, value_name = "violation[:CHECK]")]
    pub(crate) expect: Option<Expectation>,
    /// Print one JSON object a line on stdout, one for each seed; the last one sums up
    #[arg(long)]
    pub(crate) json: bool,
}

/// The seeds of who names none.
const SEEDS: RangeInclusive<u64> = 1..=200;

const EXAMPLES: &str = "\
Examples:
  whitewater sim --seeds 1..1000                       a thousand runs of the correct server
  whitewater sim --mutant commit-old-term              does the simulator find this bug, and how soon
  whitewater sim --seeds 17 --keep                     one run, with its folder and report

The same seed, settings and build give the same run, bit for bit; its hash is printed.";

/// Carries out `sim`.
pub(crate) fn run(arguments: &SimArguments) -> anyhow::Result<Exit> {
    let batch = batch(arguments)?;
    let loudness = Loudness { json: arguments.json, quiet: false };
    let work = LongWork::begin("simulating", loudness);
    work.at("simulating", 0, batch.seeds.end() - batch.seeds.start() + 1, "seeds");
    let failed = AtomicU64::new(0);
    let tell = |outcome: &SeedOutcome| {
        let more = u64::from(outcome.verdict != Verdict::Pass);
        let failed = failed.fetch_add(more, Ordering::Relaxed) + more;
        work.aside(|| tell_seed(arguments, outcome));
        work.step(&format!("{failed} did not pass"));
    };
    let summary = batch.run(tell).map_err(Refusal::Usage)?;
    drop(work);
    let kept = keep_first(arguments, &batch, &summary)?;
    if arguments.json {
        print_json(&summary_json(arguments, &summary, kept.as_deref()));
    } else {
        print(&text(arguments, &summary, kept.as_deref()));
    }
    let broken = summary.broken();
    let (exit, line) =
        expected(arguments.expect.as_ref(), summary.verdict(), &broken, &Outcomes::default());
    line.into_iter().for_each(|line| print_error(&line));
    Ok(exit)
}

fn batch(arguments: &SimArguments) -> anyhow::Result<Batch> {
    let threads = match arguments.threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let given = arguments.plan.as_deref().map(read_plan).transpose()?;
    let own = given.as_ref().map(|plan| plan.seed..=plan.seed);
    Ok(Batch {
        seeds: arguments.seeds.clone().or(own).unwrap_or(SEEDS),
        given,
        nodes: arguments.nodes,
        time_ms: u64::try_from(arguments.time.as_millis()).context("--time is too long")?,
        workload: workload_of(&arguments.workload, arguments.clients, arguments.rate),
        families: arguments.faults.clone(),
        mutant: arguments.mutant,
        threads,
    })
}

/// What simulated clients do.
pub(super) fn workload_of(name: &str, clients: u32, rate: u32) -> WorkloadPlan {
    WorkloadPlan {
        name: name.into(),
        clients,
        keys: 20,
        rate,
        operation_deadline_ms: 1_000,
        operations_per_key: OPERATIONS_PER_KEY,
        unknown_per_key: UNKNOWN_PER_KEY,
        without: Vec::new(),
        reads_at_every_node: false,
    }
}

fn tell_seed(arguments: &SimArguments, outcome: &SeedOutcome) {
    if arguments.json {
        print_json(&json!({
            "event": "seed", "seed": outcome.seed, "nodes": outcome.nodes, "verdict": outcome.verdict,
            "hash": format!("{:016x}", outcome.hash),
            "simulated_s": outcome.simulated.as_secs_f64(), "happened": outcome.happened,
            "check": outcome.finding.as_ref().map(|it| &it.check),
            "anomaly": outcome.finding.as_ref().map(|it| &it.anomaly),
            "after_s": outcome.finding.as_ref().and_then(|it| it.after).map(|it| it.as_secs_f64()),
        }));
    }
}

/// Leaves the folder of the first seed that did not pass, or of the first one where that is wanted.
fn keep_first(
    arguments: &SimArguments,
    batch: &Batch,
    summary: &Summary,
) -> anyhow::Result<Option<String>> {
    let worst = summary.verdict();
    let failed = summary.of(worst).next().filter(|_| worst != Verdict::Pass);
    let wanted = failed.or(summary.seeds.first().filter(|_| arguments.keep));
    let Some(outcome) = wanted else { return Ok(None) };
    let plan = batch.plan(outcome.seed).map_err(Refusal::Usage)?;
    let simulate = if arguments.journal { simulate_with_journals } else { simulate };
    let run = simulate(&plan, batch.mutant);
    let mutant = batch.mutant.map(|mutant| mutant.to_string());
    let origin = Origin { command: command_line(arguments, outcome.seed), mutant };
    let store = Store::new(arguments.store.runs_dir.clone());
    let folder = keep(&store, &plan, &run, &origin)?;
    Ok(Some(folder.path.display().to_string()))
}

fn text(arguments: &SimArguments, summary: &Summary, kept: Option<&str>) -> String {
    let mut text = format!(
        "simulated {} seeds of {} nodes: {:.0} s in {:.1} s, {:.0} simulated seconds a second of one core\n",
        summary.seeds.len(),
        nodes_in_words(summary),
        summary.simulated().as_secs_f64(),
        summary.wall.as_secs_f64(),
        summary.speed(),
    );
    if let [only] = summary.seeds.as_slice() {
        text += &format!("history {:016x}\n", only.hash);
    }
    let worst = summary.verdict();
    let failed: Vec<&SeedOutcome> = summary.of(worst).filter(|_| worst != Verdict::Pass).collect();
    for outcome in failed.iter().take(TOLD_MAX) {
        let seed = outcome.seed;
        if let Some(Found { check, headline, after, .. }) = &outcome.finding {
            let after =
                after.map_or("at the end".into(), |it| format!("after {:.1} s", it.as_secs_f64()));
            text += &format!("  seed {seed}: {check} {after}: {headline}\n");
        }
    }
    if failed.len() > TOLD_MAX {
        text += &format!("  and {} more seeds\n", failed.len() - TOLD_MAX);
    }
    let undecided = summary.of(Verdict::Undecided).count();
    if undecided > 0 && worst != Verdict::Undecided {
        text += &format!("  {undecided} more seeds are undecided\n");
    }
    if let Some(kept) = kept {
        text += &format!("report: {kept}/{REPORT}\n");
    }
    let violations = summary.of(Verdict::Violation).count();
    if let Some(mutant) = arguments.mutant {
        let median =
            summary.median_detection().map(|it| format!(", median {:.1} s", it.as_secs_f64()));
        let checks: Vec<String> =
            summary.checks().iter().map(|(check, count)| format!("{check} {count}")).collect();
        text += &format!(
            "{mutant}: found in {violations} of {} seeds{}{}\n",
            summary.seeds.len(),
            median.unwrap_or_default(),
            if checks.is_empty() { String::new() } else { format!(" ({})", checks.join(", ")) },
        );
    }
    match failed.first() {
        None => text += "PASS  no violation\n",
        Some(first) => {
            text += &format!(
                "{}  {} of {} seeds\nrepeat it: {}\n",
                worst.word().to_uppercase(),
                failed.len(),
                summary.seeds.len(),
                command_line(arguments, first.seed)
            );
        }
    }
    text
}

/// `5`, `3 to 6`.
fn nodes_in_words(summary: &Summary) -> String {
    let nodes = || summary.seeds.iter().map(|outcome| outcome.nodes);
    let (least, most) = (nodes().min().unwrap_or(0), nodes().max().unwrap_or(0));
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

fn summary_json(
    arguments: &SimArguments,
    summary: &Summary,
    kept: Option<&str>,
) -> serde_json::Value {
    let worst = summary.verdict();
    let first = summary.of(worst).next().filter(|_| worst != Verdict::Pass);
    json!({
        "event": "summary",
        "verdict": worst,
        "mutant": arguments.mutant.map(|mutant| mutant.to_string()),
        "seeds": summary.seeds.len(),
        "violations": summary.of(Verdict::Violation).count(),
        "undecided": summary.of(Verdict::Undecided).count(),
        "simulated_s": summary.simulated().as_secs_f64(),
        "wall_s": summary.wall.as_secs_f64(),
        "cpu_s": summary.cpu.as_secs_f64(),
        "threads": summary.threads,
        "speed": summary.speed(),
        "median_detection_s": summary.median_detection().map(|it| it.as_secs_f64()),
        "checks": summary.checks().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "run": kept,
        "repeat": first.map(|outcome| command_line(arguments, outcome.seed)),
    })
}

/// The line that repeats one seed.
fn command_line(arguments: &SimArguments, seed: u64) -> String {
    let mut line = format!("{} sim --seeds {seed}..{seed}", program());
    let mut flag = |name: &str, value: String| line += &format!(" --{name} {value}");
    if let Some(mutant) = arguments.mutant {
        flag("mutant", mutant.to_string());
    }
    if let Some(plan) = &arguments.plan {
        flag("plan", plan.display().to_string());
        return line;
    }
    flag("time", in_words(arguments.time));
    if let Some(nodes) = arguments.nodes {
        flag("nodes", nodes.to_string());
    }
    flag("workload", arguments.workload.clone());
    flag("faults", arguments.faults.join(","));
    flag("rate", arguments.rate.to_string());
    flag("clients", arguments.clients.to_string());
    line
}

/// One seed, or a range.
pub(super) fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let wrong = |_| "expected a seed such as 17, or a range such as 1..200".to_owned();
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (from.parse().map_err(wrong)?, to.parse().map_err(wrong)?);
    if from > to {
        return Err(format!("the range {text} is empty: the lower seed comes first"));
    }
    Ok(from..=to)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(line: &str) -> SimArguments {
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Sim(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_printed_line_repeats_the_seed() {
        let arguments = parse(
            "whitewater sim --seeds 3..9 --mutant no-dedupe --time 90s --rate 80 --faults transfer",
        );
        let line = command_line(&arguments, 7).replacen(program(), "whitewater", 1);
        let (again, first) = (batch(&parse(&line)).unwrap(), batch(&arguments).unwrap());
        assert_eq!(again.seeds, 7..=7, "{line}");
        assert_eq!(again.mutant, first.mutant);
        assert_eq!(again.plan(7), first.plan(7), "{line}");
    }

    #[test]
    fn seeds_are_one_or_a_range() {
        assert_eq!(seeds("17"), Ok(17..=17));
        assert_eq!(seeds("1..3"), Ok(1..=3));
        for wrong in ["", "a", "1..", "3..1", "1...3"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }
}
