//! `whitewater try`: starts a target once and tries everything that its description may have wrong.
//!
//! The exit code is 0 where a run would be sound, 2 where the description is wrong, 4 where the cluster does not start.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use whitewater_processes::{Block, PORT_DEFAULT};
use whitewater_target::Build;

use crate::exit::{Exit, Refusal};
use crate::invocation::command;
use crate::plan::{NODES_MAX, Plan, PlanSettings, WorkloadPlan};
use crate::progress::{Loudness, print, print_error, print_json};
use crate::run::{Facts, KeepData, Order, Trial, try_out};
use crate::store::Store;
use crate::tier::Tier;
use crate::workload;

/// `whitewater try`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TryArguments {
    /// A description, FILE.toml, or the name of a target that comes with us
    #[arg(value_name = "TARGET")]
    target: String,
    /// Number of nodes
    #[arg(long, env = "WHITEWATER_NODES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=NODES_MAX as i64))]
    nodes: u32,
    /// Another build of the server, instead of the program that its description names
    #[arg(long, env = "WHITEWATER_SERVER", value_name = "PATH")]
    server: Option<PathBuf>,
    /// How partitions reach what nodes dial
    #[arg(long, env = "WHITEWATER_TIER", default_value = "auto", value_name = "TIER")]
    tier: Tier,
    /// First three numbers of the loopback addresses to use, such as 127.7.1
    #[arg(long, env = "WHITEWATER_ADDRESS_BLOCK", value_name = "127.X.Y")]
    address_block: Option<Block>,
    /// The first port of the nodes
    #[arg(long, env = "WHITEWATER_PORT", default_value_t = PORT_DEFAULT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  whitewater try my-server.toml             what a description has wrong, and what to write
  whitewater try etcd --server ./etcd       a target that comes with us
  whitewater run --target my-server.toml    the run that it is for";

/// Carries out `try`.
pub(crate) fn run(arguments: &TryArguments) -> anyhow::Result<Exit> {
    let folder = tempfile::Builder::new().prefix("whitewater-try-").tempdir();
    let folder = folder.context("make a folder for the trial")?;
    let order = order(arguments, Store::new(folder.path().to_owned()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let trial = runtime.block_on(try_out(&order));
    runtime.shutdown_background();
    let (facts, trouble) = match trial? {
        Trial::Done(facts) => (facts, None),
        Trial::NotStarted(facts, trouble) => (facts, Some(trouble)),
    };
    let place_of = |key: &str| order.target.place_of(key);
    tell(arguments, &facts, &place_of, trouble.as_deref());
    let exit = match (&trouble, facts.is_sound()) {
        (Some(_), _) => Exit::Environment,
        (None, false) => Exit::Usage,
        (None, true) => Exit::Pass,
    };
    if exit != Exit::Pass {
        let kept = folder.keep();
        print_error(&format!("the nodes' logs and data are in {}", kept.display()));
    }
    Ok(exit)
}

fn order(arguments: &TryArguments, store: Store) -> anyhow::Result<Order> {
    let build = Build { program: arguments.server.clone(), ..Build::default() };
    let target = super::run::target_of(&arguments.target, &build)?;
    let workload = WorkloadPlan {
        name: workload::NAMES[0].to_owned(),
        clients: 1,
        keys: 1,
        rate: 0,
        operation_deadline_ms: 1_000,
        operations_per_key: 1,
        unknown_per_key: 1,
        without: Vec::new(),
        reads_at_every_node: false,
    };
    let plan = Plan::new(PlanSettings {
        seed: 0,
        nodes: arguments.nodes,
        time_ms: 1_000,
        workload: workload::offered(workload, target.profile().offers).map_err(Refusal::Usage)?,
        families: Vec::new(),
        snapshot_entries: None,
        is_led: target.profile().tells.leads,
    });
    Ok(Order {
        plan: plan.map_err(Refusal::Usage)?,
        target,
        build,
        canary: false,
        journal: false,
        store,
        keep_data: KeepData::Always,
        address_block: arguments.address_block,
        port: arguments.port,
        tier: arguments.tier,
        check_budget: Duration::ZERO,
        expect: None,
        loudness: Loudness { json: arguments.json, quiet: true },
        command: command(["try", &arguments.target]),
    })
}

fn tell(
    arguments: &TryArguments,
    facts: &Facts,
    place_of: &dyn Fn(&str) -> Option<String>,
    trouble: Option<&str>,
) {
    if arguments.json {
        for tried in &facts.tried {
            let place = tried.advice.as_deref().and_then(|advice| place_of(key_of(advice)));
            print_json(&json!({
                "tried": tried.what, "result": tried.standing.word(), "text": tried.seen, "advice": tried.advice, "place": place,
            }));
        }
        if let Some(trouble) = trouble {
            print_json(
                &json!({ "tried": "the cluster starts", "result": "wrong", "text": trouble }),
            );
        }
        return;
    }
    for tried in &facts.tried {
        print(&format!("{}\n", tried.line()));
    }
    if let Some(trouble) = trouble {
        print(&format!("WRONG    the cluster starts: {trouble}\n"));
    }
    let advice = facts.advice();
    if !advice.is_empty() {
        print(&format!("\nTo change in {}, or to know:\n", arguments.target));
        for advice in advice {
            let place = place_of(key_of(advice)).map(|place| format!("{place}, "));
            print(&format!("  - {}{advice}\n", place.unwrap_or_default()));
        }
    }
    if trouble.is_none() && facts.is_sound() {
        let again = command(["run", "--target", &arguments.target, "--time", "20s"]);
        print(&format!("\nA run would be sound: {again}\n"));
    }
}

/// The key that an advice begins with: `write: …`, `[times] restart …`, `stop = …`.
fn key_of(advice: &str) -> &str {
    let advice = advice.trim_start_matches('[');
    advice
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advice_begins_with_its_key() {
        let keys =
            ["write: the request", "[[errors]] means", "[client.…] cas", "stop = \"KILL\"", "…"];
        assert_eq!(keys.map(key_of), ["write", "errors", "client", "stop", ""]);
    }
}
