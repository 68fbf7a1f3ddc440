//! What a run was and what came of it, put together once for real and for simulated runs.

use std::path::PathBuf;

use whitewater_checker::analysis::Analysis;
use whitewater_checker::run_folder::{
    Environment, FinalStatus, RunRecord, SCHEMA_VERSION, Settings,
};
use whitewater_checker::{Options, objectives_of_run, ranking};

use crate::cluster::node_name;
use crate::environment;
use crate::nemesis::family_names;
use crate::phases::{Ending, Log};
use crate::plan::Plan;
use crate::store::RunFolder;
use whitewater_target::NodeStatus;

/// All that a run's record is made of, but for what the checks found.
pub(crate) struct Account<'a> {
    /// Where the run is.
    pub(crate) folder: &'a RunFolder,
    pub(crate) plan: &'a Plan,
    /// The kind of server, in words.
    pub(crate) target: String,
    pub(crate) is_simulated: bool,
    /// The program that was given.
    pub(crate) server: Option<PathBuf>,
    /// The mutant, or the canary.
    pub(crate) mutant: Option<String>,
    /// The command line that repeats the run.
    pub(crate) command: &'a str,
    /// The machine before the run.
    pub(crate) environment: Environment,
    pub(crate) started: jiff::Timestamp,
    /// Its first and its last moment, on its own clock.
    pub(crate) time_ns: (u64, u64),
    pub(crate) log: Log,
    pub(crate) ending: &'a Ending,
    /// How it was judged.
    pub(crate) options: &'a Options,
}

impl Account<'_> {
    /// The record, with what the checks found.
    pub(crate) fn record(self, analysis: Analysis) -> RunRecord {
        let (from_ns, to_ns) = self.time_ns;
        let final_status = self.log.final_status.iter();
        let mut environment = self.environment;
        environment.load_average.1 = environment::load_average();
        environment.server_version = self.log.server_version;
        let workload = &self.plan.workload;
        RunRecord {
            schema_version: SCHEMA_VERSION,
            id: self.folder.id.clone(),
            verdict: analysis.verdict,
            seed: self.plan.seed,
            settings: Settings {
                target: self.target,
                simulated: self.is_simulated,
                server: self.server.map(|server| server.display().to_string()),
                mutant: self.mutant,
                nodes: self.plan.nodes,
                time_ms: self.plan.time_ms,
                workload: workload.name.clone(),
                faults: self.plan.families.clone(),
                families: family_names().into_iter().map(str::to_owned).collect(),
                clients: workload.clients,
                keys: workload.keys,
                rate: workload.rate,
                snapshot_entries: self.plan.snapshot_entries,
                command: self.command.to_owned(),
            },
            environment,
            started_at: self.started.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            origin_ns: from_ns,
            duration_ms: (to_ns - from_ns) / 1_000_000,
            phases: self.log.phases,
            interrupted: self.ending.signal().map(str::to_owned),
            final_status: final_status.map(|(node, it)| (node_name(*node), final_of(it))).collect(),
            signature: ranking::signature(&analysis),
            analysis,
            judged: Some(environment::judged(self.options)),
            // Why they cannot be read, the judgement says: it reads the same files.
            objectives: objectives_of_run(&self.folder.path).unwrap_or_default(),
        }
    }
}

fn final_of(status: &NodeStatus) -> FinalStatus {
    FinalStatus {
        role: status.role.clone(),
        term: status.term,
        applied: status.applied,
        state_hash: status.state_hash.clone().unwrap_or_default(),
        chain: status.chain.clone().unwrap_or_default(),
    }
}
