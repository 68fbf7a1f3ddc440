//! One run: start, warm-up, faults, recovery, final reads, quiesce, stop, check, report.
//!
//! [`setup`] makes the folder, addresses, proxies and servers; [`live`] lives through the run;
//! [`conclude`] judges and writes what is left of it. Whatever ends a run early (a signal, a full disk,
//! a deadline) ends [`live`] only: faults are lifted, servers are stopped, and what was recorded is
//! judged all the same.

mod conclude;
mod interrupt;
mod live;
mod setup;
mod trial;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::exit::{Exit, Expectation};
use crate::phases::{Ending, Phases};
use crate::plan::Plan;
use crate::progress::{Loudness, Progress};
use crate::store::Store;
use crate::tier::Tier;
pub(crate) use conclude::footer;
use interrupt::Interrupt;
use setup::Stage;
pub(crate) use trial::{Facts, Trial, try_out};
use whitewater_checker::run_folder::{LOGS, RUNNER_LOG};
use whitewater_processes::Block;
use whitewater_target::{Build, Reads, Target};

/// Where the run is that is going on, for the last words of a panic.
pub(crate) static CURRENT_RUN: OnceLock<PathBuf> = OnceLock::new();

/// When to keep the nodes' data folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeepData {
    /// Where the run did not pass.
    Failed,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Everything that makes a run.
pub(crate) struct Order {
    /// What happens.
    pub(crate) plan: Plan,
    /// The kind of server under test.
    pub(crate) target: Arc<dyn Target>,
    /// Which build of it, and how it is started.
    pub(crate) build: Build,
    /// Make the checker report a violation.
    pub(crate) canary: bool,
    /// Have the nodes keep journals, and replay them at the end.
    pub(crate) journal: bool,
    /// Where runs are stored.
    pub(crate) store: Store,
    /// When to keep data.
    pub(crate) keep_data: KeepData,
    /// Addresses asked for.
    pub(crate) address_block: Option<Block>,
    /// Port of every node.
    pub(crate) port: u16,
    /// How nodes' connections are to come to their proxies.
    pub(crate) tier: Tier,
    /// How long the checker may search.
    pub(crate) check_budget: Duration,
    /// The violation that is wanted, where one is.
    pub(crate) expect: Option<Expectation>,
    /// How much is told.
    pub(crate) loudness: Loudness,
    /// The command line that repeats the run.
    pub(crate) command: String,
}

/// A path as a person would type it: from the current folder where it is inside.
pub(crate) fn seen_from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}

/// Executes a run to its end and says what it came to.
pub(crate) async fn execute(order: Order) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::listen(limit(&order))?;
    let mut progress = Progress::new(order.loudness, Duration::from_millis(order.plan.time_ms));
    let mut stage = Stage::set(&order).await?;
    progress
        .log_to(&stage.folder.join(RUNNER_LOG))
        .with_context(|| format!("create {RUNNER_LOG}"))?;
    progress.say(&format!(
        "{} nodes, {} clients, seed {}, {} faults planned: {}",
        order.plan.nodes,
        order.plan.workload.clients,
        order.plan.seed,
        order.plan.faults.len(),
        seen_from_here(&stage.folder.path).display()
    ));
    progress.say(&stage.environment.fault_tier);
    progress.event(&json!({
        "event": "start", "run": stage.folder.path, "seed": order.plan.seed,
        "nodes": order.plan.nodes, "faults_planned": order.plan.faults.len(),
    }));
    let (tells, ready_within) = (stage.profile.tells, stage.profile.manner.ready_within);
    let ready_within_ns = u64::try_from(ready_within.as_nanos()).unwrap_or(u64::MAX);
    let rest = match stage.profile.promised.reads {
        Reads::Stale => stage.profile.manner.election,
        Reads::Linearizable => Duration::ZERO,
    };
    let mut phases = Phases::new(&order.plan, stage.folder.join(LOGS), tells, ready_within_ns)
        .resting(u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX));
    let ending = tokio::select! {
        ending = live::live(&order.plan, &stage, &mut progress, &mut phases) => ending,
        signal = interrupt.wait() => Ending::Interrupted(signal),
        failure = stage.recorder.failed() => Ending::Environment(failure),
    };
    let mut log = phases.log;
    live::tear_down(&stage, &mut log).await;
    if let Some(dialled) = &stage.dialled {
        let summary = dialled.summary(order.plan.nodes as usize);
        progress.say(&summary);
        stage.environment.fault_tier += &format!("; {summary}");
    }
    log.notes.extend(stage.router.iter().flat_map(|router| router.notes()));
    log.note(&ending, &mut stage.recorder.clone());
    let noted = stage.recorder.flush();
    progress.finish();
    conclude::conclude(&order, &stage, ending, log, noted).await
}

/// No run lasts longer than this, whatever goes wrong: every phase has a deadline of its own, so this
/// is only reached by a bug.
fn limit(order: &Order) -> Duration {
    const PHASES: Duration = Duration::from_secs(300);
    Duration::from_millis(order.plan.time_ms) + order.check_budget + PHASES
}
