//! `whitewater run`: from the command line, or a stored plan, to an order.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use anyhow::Context;

use crate::cli::{CANARY, NO_FAULTS, RunArguments};
use crate::exit::{Exit, Refusal};
use crate::plan::{Plan, PlanSettings, WorkloadPlan};
use crate::progress::Loudness;
use crate::run::{Order, execute};
use crate::store::Store;
use crate::target::{BUNDLED, Build};

/// A key of our workloads is checked in microseconds up to here, and a report can still show it.
const OPERATIONS_PER_KEY: u32 = 300;
/// The general search doubles with each; the path for unique values does not mind.
const UNKNOWN_PER_KEY: u32 = 20;

/// Carries out `run`.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<Exit> {
    let order = order(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let result = runtime.block_on(execute(order));
    // Whatever still hangs must not hold the process: the servers are stopped, and die with it.
    runtime.shutdown_background();
    result
}

fn order(arguments: RunArguments) -> anyhow::Result<Order> {
    let plan = match &arguments.plan {
        Some(path) => read_plan(path)?,
        None => draw_plan(&arguments)?,
    };
    if let Some(server) = &arguments.server {
        check_executable(server)?;
    }
    if arguments.journal && arguments.target != BUNDLED {
        let text = format!("--journal needs --target {BUNDLED}: no other server writes journals");
        return Err(Refusal::Usage(text).into());
    }
    let command = command_line(&arguments, plan.seed);
    let canary = arguments.mutant.as_deref() == Some(CANARY);
    Ok(Order {
        plan,
        target: arguments.target,
        build: Build {
            program: arguments.server,
            mutant: arguments.mutant.filter(|_| !canary),
            arguments: arguments.server_arg.into_iter().map(Into::into).collect(),
        },
        canary,
        journal: arguments.journal,
        store: Store::new(arguments.store.runs_dir),
        keep_data: arguments.keep_data,
        address_block: arguments.address_block,
        port: arguments.port,
        check_budget: arguments.check_budget,
        loudness: Loudness { json: arguments.json, quiet: arguments.quiet },
        command,
    })
}

fn draw_plan(arguments: &RunArguments) -> anyhow::Result<Plan> {
    let mut families: Vec<String> =
        arguments.faults.iter().filter(|family| *family != NO_FAULTS).cloned().collect();
    families.sort_unstable();
    families.dedup();
    if families.len() < arguments.faults.len()
        && arguments.faults.iter().any(|name| name == NO_FAULTS)
        && !families.is_empty()
    {
        return Err(Refusal::Usage(format!("--faults {NO_FAULTS} stands alone")).into());
    }
    let plan = Plan::new(PlanSettings {
        seed: arguments.seed.unwrap_or_else(drawn_seed),
        nodes: arguments.nodes,
        time_ms: u64::try_from(arguments.time.as_millis()).context("--time is too long")?,
        workload: WorkloadPlan {
            name: arguments.workload.clone(),
            clients: arguments.clients,
            keys: arguments.keys,
            rate: arguments.rate,
            operation_deadline_ms: u64::try_from(arguments.operation_deadline.as_millis())
                .context("--operation-deadline is too long")?,
            operations_per_key: OPERATIONS_PER_KEY,
            unknown_per_key: UNKNOWN_PER_KEY,
        },
        families,
    });
    Ok(plan.map_err(Refusal::Usage)?)
}

/// A seed short enough to be typed again.
fn drawn_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

fn read_plan(path: &Path) -> anyhow::Result<Plan> {
    let wrong = |error: String| Refusal::Usage(format!("plan {}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    plan.validate().map_err(wrong)?;
    Ok(plan)
}

fn check_executable(server: &Path) -> Result<(), Refusal> {
    let wrong = |why: &str| Err(Refusal::Usage(format!("--server {}: {why}", server.display())));
    match fs::metadata(server) {
        Err(error) => wrong(&error.to_string()),
        Ok(metadata) if !metadata.is_file() => wrong("not a file"),
        Ok(_) => match nix::unistd::access(server, nix::unistd::AccessFlags::X_OK) {
            Ok(()) => Ok(()),
            Err(_) => wrong("not executable; try `chmod +x`"),
        },
    }
}

/// The command line that repeats the run: what was given, and the seed in any case.
fn command_line(arguments: &RunArguments, seed: u64) -> String {
    let mut words = vec!["whitewater".to_owned(), "run".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), quoted(&value)]);
    if let Some(plan) = &arguments.plan {
        flag("plan", plan.display().to_string());
    } else {
        flag("nodes", arguments.nodes.to_string());
        flag(
            "time",
            format!("{:#}", jiff::SignedDuration::try_from(arguments.time).unwrap_or_default())
                .replace(' ', ""),
        );
        flag("seed", seed.to_string());
        flag("workload", arguments.workload.clone());
        flag("faults", arguments.faults.join(","));
        flag("clients", arguments.clients.to_string());
        flag("keys", arguments.keys.to_string());
        flag("rate", arguments.rate.to_string());
    }
    if let Some(mutant) = &arguments.mutant {
        flag("mutant", mutant.clone());
    }
    if let Some(server) = &arguments.server {
        flag("server", server.display().to_string());
    }
    if arguments.journal {
        words.push("--journal".into());
    }
    for argument in &arguments.server_arg {
        words.push(quoted(&format!("--server-arg={argument}")));
    }
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(line: &str) -> RunArguments {
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Run(arguments) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_printed_command_repeats_the_plan() {
        let arguments =
            parse("whitewater run --time 20s --seed 7 --faults kill --clients 4 --journal");
        let command = command_line(&arguments, 7);
        let again = parse(&command);
        assert!(again.journal, "{command}");
        assert_eq!(draw_plan(&arguments).unwrap(), draw_plan(&again).unwrap(), "{command}");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("kill,pause"), "kill,pause");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
    }

    #[test]
    fn none_means_no_faults_and_stands_alone() {
        assert!(draw_plan(&parse("whitewater run --faults none")).unwrap().faults.is_empty());
        let mixed = draw_plan(&parse("whitewater run --faults none,kill")).unwrap_err();
        assert!(mixed.to_string().contains("stands alone"), "{mixed}");
    }
}
