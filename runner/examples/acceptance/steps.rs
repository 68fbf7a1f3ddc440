//! The steps: what is called, and what must come of it.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::Context;
use clap::ValueEnum;

use crate::ended::Ended;
use crate::failure;

/// The ten bugs whose reports are read; the first six on real clusters too.
const MUTANTS: [&str; 10] = [
    "ack-on-append",
    "vote-volatile",
    "quorum-off-by-one",
    "no-log-check",
    "commit-old-term",
    "no-truncate",
    "snapshot-drops-sessions",
    "leader-local-read",
    "snapshot-in-place",
    "joint-one-majority",
];
const REAL: usize = 6;
/// What a bug of joint memberships needs.
const MEMBERSHIP: &str = "--faults kill,partition,membership";
const SEEDS: std::ops::RangeInclusive<u64> = 1..=4;
const CLEAN_SEEDS: std::ops::RangeInclusive<u64> = 1..=30;

/// Steps that are asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Failure runs of ten mutants in the simulator
    Simulated,
    /// Failure runs of six mutants on real clusters
    Real,
    /// Clean runs of real clusters
    Clean,
    /// Runs that are too short, or disturbed by hand
    Edges,
    /// Thousands of simulated clusters, clean and with every mutant
    Sim,
    /// The checker against brute force
    Oracle,
    /// The model checker at its large bounds
    Model,
}

impl Group {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Simulated => "simulated",
            Group::Real => "real",
            Group::Clean => "clean",
            Group::Edges => "edges",
            Group::Sim => "sim",
            Group::Oracle => "oracle",
            Group::Model => "model",
        }
    }
}

/// What must come of a step.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// This exit code.
    Exit(i32),
    /// Exit code 0, and every line of JSON tells that its bug was found.
    AllFound,
    /// A report that leads with what the bug breaks.
    Report(&'static str),
}

/// Something to run.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) group: Group,
    pub(crate) name: String,
    environment: Option<(&'static str, &'static str)>,
    /// The program under test where it is empty.
    program: &'static str,
    words: Vec<String>,
    wanted: Wanted,
}

impl Step {
    fn new(group: Group, name: impl Into<String>, words: &str, wanted: Wanted) -> Self {
        let words = words.split_whitespace().map(String::from).collect();
        Self { group, name: name.into(), environment: None, program: "", words, wanted }
    }

    fn cargo(group: Group, name: &str, words: &str) -> Self {
        Self { program: "cargo", ..Self::new(group, name, words, Wanted::Exit(0)) }
    }

    fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { environment: Some((name, value)), ..self }
    }

    /// What is called, to be pasted.
    pub(crate) fn line(&self) -> String {
        let environment = self.environment.map(|(name, value)| format!("{name}={value} "));
        let program = if self.program.is_empty() { "whitewater" } else { self.program };
        format!("{}{program} {}", environment.unwrap_or_default(), self.words.join(" "))
    }

    /// Runs it, its runs in a folder of its own.
    pub(crate) fn run(&self, program: &Path, folder: &Path) -> anyhow::Result<Ended> {
        let runs = folder.join("runs").join(self.name.replace(' ', "-"));
        if runs.exists() {
            std::fs::remove_dir_all(&runs)?;
        }
        std::fs::create_dir_all(&runs)?;
        let mut command = match self.program {
            "" => Command::new(program),
            other => Command::new(other),
        };
        command.args(&self.words).envs(self.environment).env("WHITEWATER_RUNS_DIR", &runs);
        let output = command.output().with_context(|| self.line())?;
        std::fs::write(runs.join("stdout"), &output.stdout)?;
        std::fs::write(runs.join("stderr"), &output.stderr)?;
        match self.wanted {
            Wanted::Report(mutant) => failure::read(program, &runs, mutant),
            Wanted::Exit(wanted) => {
                let is_good = output.status.code() == Some(wanted);
                Ok(Ended { is_good, told: told(&output, wanted), read: None })
            }
            Wanted::AllFound => Ok(all_found(&output)),
        }
    }
}

/// The last line that says something.
fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().rev().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

fn told(output: &Output, wanted: i32) -> String {
    let says = match last_line(&output.stdout) {
        line if line.is_empty() => last_line(&output.stderr),
        line => line,
    };
    match output.status.code() {
        Some(code) if code == wanted => format!("exit {code}: {says}"),
        code => format!("exit {code:?}, wanted {wanted}: {says}"),
    }
}

/// `mutants --json`: a line for each bug.
fn all_found(output: &Output) -> Ended {
    let text = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<serde_json::Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let is_found = |row: &&serde_json::Value| row["found"].as_u64().unwrap_or(0) > 0;
    let missed: Vec<String> = rows
        .iter()
        .filter(|row| !is_found(row))
        .map(|row| row["mutant"].as_str().unwrap_or("?").to_owned())
        .collect();
    let medians: f64 = rows.iter().filter_map(|row| row["median_detection_s"].as_f64()).sum();
    let all = whitewater_server::mutants::CATALOGUE.len();
    Ended {
        is_good: output.status.success() && rows.len() == all && missed.is_empty(),
        told: format!(
            "{} of {all} found, medians {medians:.1} s together{}",
            rows.len() - missed.len(),
            if missed.is_empty() {
                String::new()
            } else {
                format!("; missed: {}", missed.join(", "))
            }
        ),
        read: None,
    }
}

/// All of them, in the order in which they are run.
pub(crate) fn all() -> Vec<Step> {
    let mut steps = Vec::new();
    for mutant in MUTANTS {
        steps.extend(SEEDS.map(|seed| {
            let faults = if mutant == "joint-one-majority" { MEMBERSHIP } else { "" };
            let words = format!("sim --seeds {seed}..{seed} --mutant {mutant} {faults}");
            Step::new(Group::Simulated, format!("{mutant} {seed}"), &words, Wanted::Report(mutant))
        }));
    }
    for mutant in &MUTANTS[..REAL] {
        steps.extend(SEEDS.map(|seed| {
            let words =
                format!("mutants --only {mutant} --real {seed}..{seed} --real-time 20s --json");
            let name = format!("{mutant} {seed} real");
            Step::new(Group::Real, name, &words, Wanted::Report(mutant))
        }));
    }
    steps.extend(CLEAN_SEEDS.map(|seed| {
        let words = format!("run --time 20s --seed {seed}");
        Step::new(Group::Clean, format!("clean {seed}"), &words, Wanted::Exit(0))
    }));
    for (time, exit) in [("2s", 2), ("5s", 2), ("10s", 0)] {
        let words = format!("run --time {time} --seed 7");
        steps.push(Step::new(Group::Edges, format!("run of {time}"), &words, Wanted::Exit(exit)));
    }
    steps.extend([
        Step::cargo(
            Group::Edges,
            "disturbed by hand",
            "test --locked -p whitewater --test processes -- by_hand keeps_alive",
        ),
        Step::new(Group::Sim, "clean clusters", "sim --seeds 1..2000", Wanted::Exit(0)),
        Step::new(Group::Sim, "every bug", "mutants --seeds 1..100 --json", Wanted::AllFound),
        Step::cargo(
            Group::Oracle,
            "5 operations",
            "test --release --locked -p whitewater-checker --lib all_small",
        )
        .with("WHITEWATER_EXHAUSTIVE", "5"),
        Step::cargo(
            Group::Model,
            "large bounds",
            "test --release --locked -p whitewater-raft --test model -- --ignored",
        ),
    ]);
    steps
}
