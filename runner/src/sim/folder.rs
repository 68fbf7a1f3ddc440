//! Puts a simulated run into a run folder, as a real run would have left it, with its report.

use std::collections::BTreeMap;

use anyhow::Context;
use whitewater_checker::analysis::Analysis;
use whitewater_checker::objectives::Outcomes;
use whitewater_checker::observation::StatusPoll;
use whitewater_checker::run_folder::{
    DATA, FAULTS, FinalStatus, HISTORY, PLAN, PROCESSES, RunRecord, SCHEMA_VERSION, STATUS,
    Settings, WEATHER, log, trace, write_whole,
};
use whitewater_checker::{Options, check_run, ranking};
use whitewater_server::log::line;

use super::Simulated;
use super::weather::Weather;
use crate::cluster::node_name;
use crate::conformance;
use crate::environment;
use crate::long_work::LongWork;
use crate::nemesis::family_names;
use crate::plan::Plan;
use crate::progress::Loudness;
use crate::store::{RunFolder, Store};

/// How much a simulated server's log tells: elections too, for they are what one looks for here.
const LOG_VERBOSITY: u8 = 1;

/// How the run was asked for, for the record.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The command line that repeats it.
    pub(crate) command: String,
    /// The mutant.
    pub(crate) mutant: Option<String>,
}

/// Writes everything, judges it from there, and writes the report. Returns where it is.
pub(crate) fn keep(
    store: &Store,
    plan: &Plan,
    run: &Simulated,
    origin: &Origin,
) -> anyhow::Result<RunFolder> {
    let work = LongWork::begin("judging the run that is kept", Loudness::default());
    let started = jiff::Timestamp::now();
    let folder = store.create(started, plan.nodes)?;
    // There are no data folders: simulated disks leave nothing behind.
    std::fs::remove_dir_all(folder.join(DATA)).context("remove the data folder")?;
    let recording = &run.recording;
    folder.write_json(PLAN, plan)?;
    folder.write_json(WEATHER, &Weather::of(plan.seed))?;
    HISTORY.write(&folder.path, &recording.history)?;
    FAULTS.write(&folder.path, &recording.faults)?;
    STATUS.write(&folder.path, &recording.status)?;
    PROCESSES.write(&folder.path, &recording.processes)?;
    for node in 1..=plan.nodes {
        let own = recording.trace.iter().filter(|record| record.node == u64::from(node));
        trace(&node_name(node)).write(&folder.path, own.clone())?;
        let told = own.filter_map(|record| line(record, LOG_VERBOSITY));
        let lines: String = told.map(|line| line + "\n").collect();
        let path = folder.join(log(&node_name(node)));
        write_whole(&path, lines.as_bytes())
            .with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(journals) = &run.journals {
        journals.write(&folder.path)?;
        conformance::write(&folder.path, &conformance::replay_all(&folder.path, &work))?;
    }
    let options = Options::default();
    let analysis = check_run(&folder.path, &options).context("check the run")?;
    let record = RunRecord {
        judged: Some(environment::judged(&options)),
        ..record(&folder, plan, run, analysis, origin, started)
    };
    store.complete(&folder, &record)?;
    whitewater_reports::write_all(&folder.path).context("write the report")?;
    Ok(folder)
}

fn record(
    folder: &RunFolder,
    plan: &Plan,
    run: &Simulated,
    analysis: Analysis,
    origin: &Origin,
    started: jiff::Timestamp,
) -> RunRecord {
    let mut environment = environment::collect(&folder.path, None);
    environment.server_version = env!("CARGO_PKG_VERSION").into();
    environment.fault_tier =
        "simulator: virtual clock, network and disk; the same seed is the same \
                              run, bit for bit"
            .into();
    let finals = run.recording.status.iter().filter(|poll| poll.is_final);
    let final_status: BTreeMap<String, FinalStatus> =
        finals.map(|poll| (poll.node.clone(), final_of(poll))).collect();
    RunRecord {
        schema_version: SCHEMA_VERSION,
        id: folder.id.clone(),
        verdict: analysis.verdict,
        seed: plan.seed,
        settings: settings(plan, origin),
        environment,
        started_at: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        origin_ns: 0,
        duration_ms: run.simulated_ns / 1_000_000,
        phases: run.recording.phases.clone(),
        interrupted: None,
        final_status,
        signature: ranking::signature(&analysis),
        analysis,
        judged: None,
        objectives: Outcomes::default(),
    }
}

fn settings(plan: &Plan, origin: &Origin) -> Settings {
    let workload = &plan.workload;
    Settings {
        target: "bundled (simulated)".into(),
        simulated: true,
        server: None,
        mutant: origin.mutant.clone(),
        nodes: plan.nodes,
        time_ms: plan.time_ms,
        workload: workload.name.clone(),
        faults: plan.families.clone(),
        families: family_names().into_iter().map(str::to_owned).collect(),
        clients: workload.clients,
        keys: workload.keys,
        rate: workload.rate,
        snapshot_entries: plan.snapshot_entries,
        command: origin.command.clone(),
    }
}

fn final_of(poll: &StatusPoll) -> FinalStatus {
    FinalStatus {
        role: poll.role.clone(),
        term: poll.term,
        applied: poll.applied,
        state_hash: poll.state_hash.clone().unwrap_or_default(),
        chain: poll.chain.clone().unwrap_or_default(),
    }
}
