//! The long checks of a release, one after the other: failure runs of mutants, clean runs, thousands of
//! simulated clusters, the exhaustive oracle. What has run is noted, so that it can be ended at any time and
//! goes on where it stopped; a table tells what has run and what came of it.
//!
//! ```text
//! cargo build --release && cargo run --release --example acceptance -- --list
//! cargo run --release --example acceptance -- simulated clean
//! cargo run --release --example acceptance -- --blind 7
//! ```
//!
//! Steps are noted with the digest of the program that they ran: after a change of it they are run again.

mod blind;
mod ended;
mod failure;
mod ledger;
mod steps;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;

use ledger::{Ledger, Line};
use steps::{Group, Step};

/// What is asked for.
#[derive(Debug, Parser)]
#[command(about = "Run the long checks of a release, and tell what has run")]
struct Arguments {
    /// Run only these groups
    groups: Vec<Group>,
    /// Print what has run, and run nothing
    #[arg(long)]
    list: bool,
    /// Run also what has run
    #[arg(long)]
    again: bool,
    /// Draw ten pages of failures whose bug is not named, from this seed, and run nothing else
    #[arg(long, value_name = "SEED")]
    blind: Option<u64>,
    /// The program under test
    #[arg(long, default_value = "target/release/whitewater", value_name = "FILE")]
    program: PathBuf,
    /// Where runs are kept and what has run is noted
    #[arg(long, default_value = "target/acceptance", value_name = "DIR")]
    folder: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let program = arguments.program.canonicalize().with_context(|| {
        format!("{} is not there: cargo build --release", arguments.program.display())
    })?;
    std::fs::create_dir_all(&arguments.folder)
        .with_context(|| format!("{} cannot be made", arguments.folder.display()))?;
    let folder = arguments.folder.canonicalize()?;
    if let Some(seed) = arguments.blind {
        blind::draw(&program, &folder.join("blind"), seed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut ledger = Ledger::open(&folder.join("steps.jsonl"), &program)?;
    let wanted =
        |step: &&Step| arguments.groups.is_empty() || arguments.groups.contains(&step.group);
    let steps = steps::all();
    for step in steps.iter().filter(wanted).filter(|_| !arguments.list) {
        if ledger.has(&step.name) && !arguments.again {
            continue;
        }
        anstream::eprintln!("{} {}: {}", step.group.name(), step.name, step.line());
        let began = Instant::now();
        let ended = step.run(&program, &folder)?;
        let line = Line::of(step, ended, began.elapsed());
        anstream::eprintln!(
            "  {} {} ({} s)",
            if line.is_good { "good" } else { "BAD " },
            line.told,
            line.took_s
        );
        ledger.note(line)?;
    }
    let shown: Vec<&Step> = steps.iter().filter(wanted).collect();
    anstream::print!("{}", ledger.table(&shown));
    let lines = ledger.lines(&shown);
    anstream::print!("{}", failure::told(lines.iter().filter_map(|line| line.read.as_ref())));
    Ok(match ledger.is_good(&shown) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
