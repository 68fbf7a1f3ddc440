//! Puts a simulated run into a run folder, as a real run would have left it, with its report.

use anyhow::Context;
use whitewater_checker::run_folder::{
    DATA, FAULTS, HISTORY, PLAN, PROCESSES, STATUS, WEATHER, log, trace, write_whole,
};
use whitewater_checker::{Options, check_run};
use whitewater_server::log::line;

use super::Simulated;
use super::weather::Weather;
use crate::account::Account;
use crate::cluster::node_name;
use crate::conformance;
use crate::environment;
use crate::long_work::LongWork;
use crate::plan::Plan;
use crate::progress::Loudness;
use crate::store::{RunFolder, Store};

/// How much a simulated server's log tells: elections too, for they are what one looks for here.
const LOG_VERBOSITY: u8 = 1;

const TIER: &str =
    "simulator: virtual clock, network and disk; the same seed is the same run, bit for bit";

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
    let mut environment = environment::collect(&folder.path, None);
    environment.fault_tier = TIER.into();
    let account = Account {
        folder: &folder,
        plan,
        target: "bundled (simulated)".into(),
        is_simulated: true,
        server: None,
        mutant: origin.mutant.clone(),
        command: &origin.command,
        environment,
        started,
        time_ns: (0, run.simulated_ns),
        log: run.log.clone(),
        ending: &run.ending,
        options: &options,
    };
    let record = account.record(analysis);
    store.complete(&folder, &record)?;
    whitewater_reports::write_all(&folder.path).context("write the report")?;
    Ok(folder)
}
