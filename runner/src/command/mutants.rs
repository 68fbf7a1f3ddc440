//! `whitewater mutants`: the mutants, and which of them the simulator and real runs find, how often and
//! how soon.

mod real;

use std::num::NonZero;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use whitewater_checker::Verdict;
use whitewater_server::Mutant;
use whitewater_server::mutants::{CATALOGUE, Card};

use super::sim::{seeds, workload_of};
use crate::exit::{Exit, Refusal};
use crate::flags::StoreArguments;
use crate::long_work::LongWork;
use crate::progress::{Loudness, print, print_error, print_json};
use crate::sim::{Batch, Summary};
use real::{RealEnd, RealRuns, RealSummary};

/// `whitewater mutants`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MutantsArguments {
    /// Simulate each mutant under these seeds, and tell what was found; without, only the list
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: Option<RangeInclusive<u64>>,
    /// Length of each seed's fault phase, in simulated time
    #[arg(long, default_value = "60s", value_parser = crate::flags::duration, value_name = "DURATION")]
    pub(crate) time: Duration,
    /// Run a real cluster with each mutant under these seeds, one after the other, with the faults and the
    /// workload that it needs
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) real: Option<RangeInclusive<u64>>,
    /// Length of each real run's fault phase
    #[arg(long, default_value = "40s", value_parser = crate::flags::duration, value_name = "DURATION")]
    pub(crate) real_time: Duration,
    /// Only these mutants, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) only: Vec<Mutant>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Worker threads; 0: one per core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Print the table of docs/mutants.md
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  whitewater mutants                                   what can be seeded, and what it breaks
  whitewater mutants --seeds 1..100                    which of them the simulator finds, and how soon
  whitewater mutants --real 1..2 --only no-dedupe      the same of real clusters, for one of them
  whitewater mutants --seeds 1..100 --real 1..2 --markdown   the table in docs/mutants.md";

/// Carries out `mutants`.
pub(crate) fn run(arguments: &MutantsArguments) -> anyhow::Result<Exit> {
    if arguments.markdown {
        print(HEAD);
    }
    let wanted = |card: &&Card| arguments.only.is_empty() || arguments.only.contains(&card.mutant);
    let work = LongWork::begin("looking", Loudness { json: arguments.json, quiet: false });
    let cards: Vec<&Card> = CATALOGUE.iter().filter(wanted).collect();
    let runs_each =
        arguments.seeds.iter().chain(&arguments.real).map(|it| it.end() - it.start() + 1);
    let runs = runs_each.sum::<u64>() * cards.len() as u64;
    work.at("looking", 0, runs, "runs");
    let mut failed: Option<String> = None;
    for card in cards {
        let simulated = match &arguments.seeds {
            None => None,
            Some(seeds) => Some(simulate(arguments, seeds, card.mutant, &work)?),
        };
        let real = match real_runs(arguments) {
            None => None,
            Some(runs) => match runs.make(card.mutant, &work)? {
                RealEnd::Done(summary) => Some(summary),
                RealEnd::Interrupted(exit) => return Ok(exit),
            },
        };
        let mut failures =
            real.iter().flat_map(|it| &it.runs).filter_map(|run| run.failed.as_ref());
        failed = failed.or_else(|| failures.next().cloned());
        let found = Outcome { simulated: simulated.as_ref(), real: real.as_ref() };
        work.aside(|| match (arguments.json, arguments.markdown) {
            (true, _) => print_json(&row_json(card, found)),
            (false, true) => print(&row_markdown(card, found)),
            (false, false) => print(&row(card, found)),
        });
    }
    drop(work);
    // A run that could not be carried out says nothing about its bug.
    match failed {
        None => Ok(Exit::Pass),
        Some(why) => {
            print_error(&format!("error: not every real run could be carried out: {why}"));
            Ok(Exit::Environment)
        }
    }
}

/// What was found of one mutant; `None`: nobody looked.
#[derive(Clone, Copy, Default)]
struct Outcome<'a> {
    simulated: Option<&'a Summary>,
    real: Option<&'a RealSummary>,
}

fn real_runs(arguments: &MutantsArguments) -> Option<RealRuns> {
    let seeds = arguments.real.clone()?;
    let runs_dir = arguments.store.runs_dir.clone();
    Some(RealRuns { seeds, time: arguments.real_time, runs_dir })
}

fn simulate(
    arguments: &MutantsArguments,
    seeds: &RangeInclusive<u64>,
    mutant: Mutant,
    work: &LongWork,
) -> anyhow::Result<Summary> {
    let threads = match arguments.threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let batch = Batch {
        seeds: seeds.clone(),
        nodes: Some(5),
        time_ms: u64::try_from(arguments.time.as_millis()).context("--time is too long")?,
        workload: workload_of("register", 10, 200),
        families: crate::nemesis::default_families(),
        given: None,
        mutant: Some(mutant),
        threads,
    };
    Ok(batch.run(|_| work.step(mutant.card().name)).map_err(Refusal::Usage)?)
}

fn row(card: &Card, outcome: Outcome<'_>) -> String {
    let found = outcome.simulated.map_or(String::new(), |it| format!("  {}", found(it)));
    let real = outcome.real.map_or(String::new(), |it| format!("  real runs: {}", it.cell()));
    format!("{:26} {}{found}{real}\n", card.name, card.broken)
}

/// `found in 40 of 100 seeds, median 8.4 s (state-machine-safety 36, leader-per-term 4)`.
fn found(summary: &Summary) -> String {
    let count = summary.of(Verdict::Violation).count();
    let of = summary.seeds.len();
    if count == 0 {
        return format!("not found in {of} seeds");
    }
    let median = summary.median_detection().unwrap_or_default().as_secs_f64();
    let checks: Vec<String> =
        summary.checks().iter().map(|(check, count)| format!("{check} {count}")).collect();
    format!("found in {count} of {of} seeds, median {median:.1} s ({})", checks.join(", "))
}

const HEAD: &str = "\
| mutant | what is wrong | rule | seam | makes it show | simulator: seeds, median | first check to fire | real runs: seeds, median | model checker |
|---|---|---|---|---|---|---|---|---|
";

fn row_markdown(card: &Card, outcome: Outcome<'_>) -> String {
    let (simulator, check) = match outcome.simulated {
        None => ("not run".to_owned(), String::new()),
        Some(summary) => {
            let count = summary.of(Verdict::Violation).count();
            let median =
                summary.median_detection().map(|it| format!(", {:.1} s", it.as_secs_f64()));
            let checks: Vec<String> =
                summary.checks().into_iter().take(2).map(|(check, _)| check).collect();
            let share = format!("{count} of {}", summary.seeds.len());
            (share + &median.unwrap_or_default(), checks.join(", "))
        }
    };
    let real = outcome.real.map_or("not run".to_owned(), RealSummary::cell);
    let model = if card.is_model_checked { "found" } else { "" };
    format!(
        "| `{}` | {} | {} | {} | {} | {simulator} | {check} | {real} | {model} |\n",
        card.name,
        card.broken,
        card.rule,
        card.bug.seam(),
        card.expose
    )
}

fn row_json(card: &Card, outcome: Outcome<'_>) -> serde_json::Value {
    let summary = outcome.simulated;
    json!({
        "mutant": card.name,
        "broken": card.broken,
        "rule": card.rule,
        "seeds": summary.map(|it| it.seeds.len()),
        "found": summary.map(|it| it.of(Verdict::Violation).count()),
        "median_detection_s": summary
            .and_then(Summary::median_detection)
            .map(|it| it.as_secs_f64()),
        "checks": summary.map(|it| it.checks().into_iter().collect::<std::collections::BTreeMap<_, _>>()),
        "real_runs": outcome.real.map(|it| it.runs.len()),
        "real_found": outcome.real.map(RealSummary::found),
        "real_median_s": outcome.real.and_then(RealSummary::median_s),
        "real": outcome.real.map(|it| it.runs.iter().map(|run| json!({
            "seed": run.seed, "check": run.found.as_ref().map(|it| &it.0),
            "after_s": run.found.as_ref().map(|it| it.1), "failed": run.failed,
        })).collect::<Vec<_>>()),
        "model_checked": card.is_model_checked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_has_a_row_with_nine_cells() {
        for card in &CATALOGUE {
            let row = row_markdown(card, Outcome::default());
            assert_eq!(row.matches('|').count(), 10, "{row}");
            assert!(row.starts_with(&format!("| `{}` |", card.name)), "{row}");
        }
    }

    #[test]
    fn the_page_names_every_mutant() {
        let page = include_str!("../../../docs/mutants.md");
        for card in &CATALOGUE {
            let cell = format!("| `{}` | {} |", card.name, card.broken);
            let hint = "run: whitewater mutants --seeds 1..100 --markdown";
            assert!(page.contains(&cell), "{} is not in docs/mutants.md; {hint}", card.name);
        }
    }
}
