//! `run.json`: what a run was, and what came of it. Written last, by rename; absent means incomplete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use whitewater_checker::Verdict;
use whitewater_checker::analysis::Analysis;
use whitewater_checker::objectives::Outcomes;

/// The version of the run folder's format. A reader refuses a higher one.
///
/// Version 2 has `judged`, and checks with a `state` in place of a `verdict`.
pub const SCHEMA_VERSION: u32 = 2;

/// The content of `run.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The run folder's name.
    pub id: String,
    /// The verdict of `analysis`, repeated for readers that look for nothing else.
    pub verdict: Verdict,
    /// The seed of the plan.
    pub seed: u64,
    /// How it was asked for.
    pub settings: Settings,
    /// Where and with what it ran.
    pub environment: Environment,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// CLOCK_MONOTONIC at the zero of every time shown, nanoseconds.
    pub origin_ns: u64,
    /// How long the whole run took, milliseconds.
    pub duration_ms: u64,
    /// The phases with their beginnings: (`start`, `warm-up`, `faults`, `recovery`, `final reads`,
    /// `quiesce`, `end`), CLOCK_MONOTONIC nanoseconds.
    pub phases: Vec<(String, u64)>,
    /// Set when the run was cut short (`SIGINT`), with the reason.
    pub interrupted: Option<String>,
    /// What each node's status said at the end, by node name.
    pub final_status: BTreeMap<String, FinalStatus>,
    /// Groups failures with the same cause ([`whitewater_checker::ranking::signature`]); absent where no
    /// promise was broken, and in files of older builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What the checks found.
    pub analysis: Analysis,
    /// What judged it, and how long it was allowed to; `None` in records of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// What became of the plan's objectives; empty where it has none. They leave the verdict alone.
    #[serde(flatten)]
    pub objectives: Outcomes,
}

impl RunRecord {
    /// The seed, where anybody knows it: of a history alone, and of a run whose runner was killed before it wrote its
    /// plan, nobody does. A plan has nodes.
    pub fn known_seed(&self) -> Option<u64> {
        (self.settings.nodes > 0).then_some(self.seed)
    }
}

/// The build and the budget of a verdict. Another build may judge more, and a longer search may decide more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The version of the tool that judged.
    pub tool_version: String,
    /// The git commit it was built from, with `-dirty`; empty where unknown.
    pub tool_commit: String,
    /// Time that the linearizability check could take, milliseconds.
    pub budget_ms: u64,
    /// Memory that its searches could take, bytes.
    pub memory_bytes: u64,
}

/// How a run was asked for: enough to print the command that repeats it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// `bundled`, `etcd`, ….
    pub target: String,
    /// The run was simulated: its times are of a virtual clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// The server's executable, where one was given.
    pub server: Option<String>,
    /// The seeded bug, if any.
    pub mutant: Option<String>,
    /// Number of nodes.
    pub nodes: u32,
    /// Length of the fault phase, milliseconds.
    pub time_ms: u64,
    /// `register`, `append`, ….
    pub workload: String,
    /// Fault families asked for.
    pub faults: Vec<String>,
    /// Concurrent clients.
    pub clients: u32,
    /// Keys in use at a time.
    pub keys: u32,
    /// Operations a second asked for; 0: as fast as they are answered.
    pub rate: u32,
    /// Entries after which a node takes a snapshot; `None`: what is usual for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_entries: Option<u64>,
    /// The command line that repeats the run, ready to paste.
    pub command: String,
}

impl Settings {
    /// Whether the run was simulated; records of earlier builds say so in the name of their target alone.
    pub fn is_simulated(&self) -> bool {
        self.simulated || self.target.ends_with("(simulated)")
    }
}

/// Where and with what a run ran.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Environment {
    /// The tool's version.
    pub tool_version: String,
    /// The git commit it was built from, with `-dirty`; empty where unknown.
    pub tool_commit: String,
    /// The server's version as it says itself.
    pub server_version: String,
    /// FNV-1a or better of the server's executable, as hex: tells builds apart.
    pub server_digest: String,
    /// Host name.
    pub host: String,
    /// `Linux 6.18.44 x86_64`.
    pub system: String,
    /// Number of cores.
    pub cores: u32,
    /// Main memory in MiB.
    pub memory_mib: u64,
    /// File system type of the run folder.
    pub file_system: String,
    /// `proxy` or `namespaces`, and why.
    pub fault_tier: String,
    /// The CI system and job link, where known.
    pub ci: Option<String>,
    /// How busy the machine was beside the run: load average at start and end.
    pub load_average: (f64, f64),
}

/// A node's own account after the final phase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FinalStatus {
    /// Its role.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// The index it had applied.
    pub applied: u64,
    /// Its state hash at that index, as 16 hex digits.
    pub state_hash: String,
    /// The chain hash at that index.
    pub chain: String,
}
