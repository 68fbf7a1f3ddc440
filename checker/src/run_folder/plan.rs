//! What a reader wants of `plan.json` who does not carry the plan out.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PLAN;
use crate::error::CheckError;
use crate::file;
use crate::objectives::Objective;
use crate::promises::Promises;
use crate::strength::Requirements;
use crate::target::TargetOutline;
use crate::version::Newer;

/// The version of a plan's format. A plan that says none is from before versions, and read as the first.
pub const SCHEMA_VERSION: u32 = 2;

/// The settings in a plan, and what it is judged by. Every field may be missing: an older plan is read as far as
/// it goes.
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
    /// What must have happened for a pass to mean something; `None`: nothing.
    pub requirements: Option<Requirements>,
    /// The server under test; `None`, in a plan of version 1: the bundled one.
    pub target: Option<TargetOutline>,
    /// Within which times the target is to work; `None`: it is not judged by that. Version 1 called it `promises`.
    #[serde(alias = "promises")]
    pub bounds: Option<Promises>,
    /// What the run is to come to beside being right.
    pub objectives: Vec<Objective>,
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
    /// The plan of a run's folder; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read, is newer than this build, or is not what it should be.
    pub fn read(folder: &Path) -> Result<Option<PlanOutline>, CheckError> {
        let path = folder.join(PLAN);
        if !path.exists() {
            return Ok(None);
        }
        let text = std::io::read_to_string(file::open(&path)?).map_err(CheckError::read(&path))?;
        // The version first: a newer form need not be one that this build can read.
        if let Some(newer) = Newer::in_json(SCHEMA_VERSION, text.as_bytes()) {
            return Err(CheckError::newer(&path)(newer));
        }
        let plan: PlanOutline = serde_json::from_str(&text)
            .map_err(CheckError::malformed(&path, Some("a plan was expected")))?;
        Ok(Some(plan.with_all_that_is_required()))
    }

    /// What was asked for is required, also by a plan of an older version, which required what it held.
    fn with_all_that_is_required(mut self) -> PlanOutline {
        if let Some(requirements) = &mut self.requirements {
            requirements.fault_kinds.extend(self.families.iter().cloned());
            requirements.fault_kinds.sort_unstable();
            requirements.fault_kinds.dedup();
        }
        self
    }
}
