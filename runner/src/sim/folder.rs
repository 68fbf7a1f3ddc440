//! Puts a simulated run into a run folder, as a real run would have left it, with its report.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use whitewater_checker::analysis::Analysis;
use whitewater_checker::objectives::Outcomes;
use whitewater_checker::observation::StatusPoll;
use whitewater_checker::{Options, check_run, ranking};
use whitewater_reports::run::{FinalStatus, RunRecord, SCHEMA_VERSION, Settings};
use whitewater_server::log::line;

use super::Simulated;
use super::weather::Weather;
use crate::conformance;
use crate::environment;
use crate::long_work::LongWork;
use crate::plan::Plan;
use crate::progress::Loudness;
use crate::store::{RunFolder, Store, write_json};

/// How much a simulated server's log tells: elections too, for they are what one looks for here.
const LOG_VERBOSITY: u8 = 1;

/// How the run was asked for, for the record.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The command line that repeats it.
    pub(crate) command: String,
    /// The seeded bug.
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
    std::fs::remove_dir_all(folder.join("data")).context("remove the data folder")?;
    let recording = &run.recording;
    write_json(&folder.join("plan.json"), plan)?;
    write_json(&folder.join("weather.json"), &Weather::of(plan.seed))?;
    lines(&folder.join("history.jsonl"), &recording.history)?;
    lines(&folder.join("faults.jsonl"), &recording.faults)?;
    lines(&folder.join("status.jsonl"), &recording.status)?;
    lines(&folder.join("processes.jsonl"), &recording.processes)?;
    for node in 1..=u64::from(plan.nodes) {
        let own = recording.trace.iter().filter(|record| record.node == node);
        lines(&folder.join(format!("trace/n{node}.jsonl")), own.clone())?;
        let told = own.filter_map(|record| line(record, LOG_VERBOSITY));
        let log: String = told.map(|line| line + "\n").collect();
        let path = folder.join(format!("logs/n{node}.log"));
        std::fs::write(&path, log).with_context(|| format!("write {}", path.display()))?;
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

fn lines<'a, T: Serialize + 'a>(
    path: &Path,
    items: impl IntoIterator<Item = &'a T>,
) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for item in items {
            serde_json::to_writer(&mut file, item)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    write().with_context(|| format!("write {}", path.display()))
}
