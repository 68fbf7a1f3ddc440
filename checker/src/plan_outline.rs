//! What a reader wants of plan.json who does not carry the plan out.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The settings in a plan. Every field may be missing: an older or newer plan is read as far as it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanOutline {
    /// Where everything random comes from.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: u32,
    /// Length of the fault phase, milliseconds.
    pub time_ms: u64,
    /// What clients do.
    pub workload: WorkloadOutline,
    /// The fault families asked for.
    pub families: Vec<String>,
    /// Entries after which a node takes a snapshot; `None`: what is usual for the server.
    pub snapshot_entries: Option<u64>,
}

/// What clients do, by a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkloadOutline {
    /// `register`, `append`.
    pub name: String,
    /// Concurrent clients.
    pub clients: u32,
    /// Keys in use at a time.
    pub keys: u32,
    /// Operations a second, all clients together; 0: as fast as they are answered.
    pub rate: u32,
}

impl PlanOutline {
    /// The plan of a run folder; `None` where there is none, or it cannot be read.
    pub fn read(folder: &Path) -> Option<PlanOutline> {
        serde_json::from_slice(&std::fs::read(folder.join("plan.json")).ok()?).ok()
    }
}
