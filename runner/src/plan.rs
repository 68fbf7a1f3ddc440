//! Everything random about a run, decided from its seed before it starts, and written to `plan.json`.
//!
//! A run executes a plan. The same seed and settings give the same plan, on any machine, for ever; a
//! plan file can be executed again. Real processes are not deterministic: two runs of one plan suffer
//! the same faults at the same times, and interleave differently.
//!
//! Pure: no clock, no file, no process.

pub(crate) mod requirements;
mod schedule;
#[cfg(test)]
mod tests;
pub(crate) mod workload_plan;

use serde::{Deserialize, Serialize};
use whitewater_checker::Promises;
use whitewater_checker::objectives::Objective;
use whitewater_checker::run_folder::plan::SCHEMA_VERSION;
use whitewater_checker::strength::Requirements;
use whitewater_checker::target::TargetOutline;
use whitewater_checker::version::Newer;

use crate::nemesis::{PlannedFault, find};
pub(crate) use workload_plan::WorkloadPlan;

/// A whole run, decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// [`SCHEMA_VERSION`]; plans from before versions have none.
    #[serde(default)]
    pub(crate) schema_version: u32,
    /// Where everything random comes from.
    pub(crate) seed: u64,
    /// Number of nodes.
    pub(crate) nodes: u32,
    /// Length of the fault phase, milliseconds.
    pub(crate) time_ms: u64,
    /// What clients do.
    pub(crate) workload: WorkloadPlan,
    /// The fault families asked for.
    pub(crate) families: Vec<String>,
    /// What is done to the cluster, in order of time.
    pub(crate) faults: Vec<PlannedFault>,
    /// What must have happened for a pass to count.
    pub(crate) requirements: Requirements,
    /// Entries after which a node takes a snapshot; `None`: what is usual for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot_entries: Option<u64>,
    /// The server under test; `None`: the bundled one, which makes no difference to what is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<TargetOutline>,
    /// Within which times the target is to work; `None`: it is not judged by that.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "promises")]
    pub(crate) bounds: Option<Promises>,
    /// What the run is to come to beside being right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) objectives: Vec<Objective>,
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub(crate) struct PlanSettings {
    /// Where everything random comes from.
    pub(crate) seed: u64,
    /// Number of nodes.
    pub(crate) nodes: u32,
    /// Length of the fault phase, milliseconds.
    pub(crate) time_ms: u64,
    /// What clients do.
    pub(crate) workload: WorkloadPlan,
    /// The fault families asked for.
    pub(crate) families: Vec<String>,
    /// Entries after which a node takes a snapshot; `None`: what is usual for the server.
    pub(crate) snapshot_entries: Option<u64>,
    /// Whether it is known who leads, so that faults can be aimed at the leader and past it.
    pub(crate) is_led: bool,
}

impl Plan {
    /// Decides a run. Refuses what cannot come to a pass: a time too short for every family asked for,
    /// and a workload too small for what must succeed.
    pub(crate) fn new(settings: PlanSettings) -> Result<Self, String> {
        let PlanSettings { seed, nodes, time_ms, workload, families, snapshot_entries, is_led } =
            settings;
        let cluster = Known { nodes, is_led };
        let least_ms = schedule::least_ms(cluster, &families)?;
        if time_ms < least_ms {
            return Err(too_short(time_ms, least_ms, nodes, &families));
        }
        let faults = schedule::faults(seed, cluster, time_ms, &families)?;
        let requirements = requirements::of(&families, cluster, &workload, time_ms)?;
        requirements::reachable(&requirements, &workload, time_ms)?;
        let schema_version = SCHEMA_VERSION;
        let plan = Self {
            schema_version,
            seed,
            nodes,
            time_ms,
            workload,
            families,
            faults,
            requirements,
            snapshot_entries,
            target: None,
            bounds: None,
            objectives: Vec::new(),
        };
        plan.validate()?;
        Ok(plan)
    }

    /// A plan of a file, judged by the families that it names: what these require is added where the file
    /// does not say it itself.
    pub(crate) fn judged_by_its_families(mut self) -> Result<Self, String> {
        let cluster = Known { nodes: self.nodes, is_led: self.is_led() };
        requirements::complete(&mut self.requirements, &self.families, cluster)?;
        Ok(self)
    }

    /// The same plan, for a target that is to work within these times.
    pub(crate) fn within(self, bounds: Option<Promises>) -> Self {
        Self { bounds, ..self }
    }

    /// The same plan, for this target.
    pub(crate) fn against(self, target: TargetOutline) -> Self {
        Self { target: Some(target), ..self }
    }

    /// Whether it is known who leads.
    pub(crate) fn is_led(&self) -> bool {
        self.target.as_ref().is_none_or(|target| target.tells_leader)
    }

    /// The same plan with these objectives beside its own.
    pub(crate) fn aiming_at(mut self, objectives: &[Objective]) -> Self {
        for objective in objectives {
            if !self.objectives.contains(objective) {
                self.objectives.push(objective.clone());
            }
        }
        self
    }

    /// The plan of a file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn of_json(bytes: &[u8]) -> Result<Self, String> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err("it is empty".into());
        }
        let text = str::from_utf8(bytes).map_err(|_| "it is no text in UTF-8".to_owned())?;
        let json: serde_json::Value = serde_json::from_str(text).map_err(|error| {
            let what = if error.is_eof() { "it ends too early" } else { "it is not JSON" };
            format!("{what}, at line {} column {}", error.line(), error.column())
        })?;
        if !json.is_object() {
            return Err("it is not one JSON object".into());
        }
        // The version first: a newer form need not be one that this build can read.
        if let Some(newer) = Newer::in_json(SCHEMA_VERSION, bytes) {
            return Err(newer.to_string());
        }
        let plan: Self =
            serde_json::from_str(text).map_err(|error| in_words(&error.to_string()))?;
        // What is older has all of today's fields or their defaults: from here on it is a plan of today.
        Ok(Self { schema_version: SCHEMA_VERSION, ..plan })
    }

    /// Refuses what cannot be executed; says what and where.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let limits = [
            ("nodes", u64::from(self.nodes), 1, NODES_MAX),
            ("workload.clients", u64::from(self.workload.clients), 1, CLIENTS_MAX),
            ("workload.keys", u64::from(self.workload.keys), 1, KEYS_MAX),
        ];
        for (field, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                return Err(format!("{field} is {value}, which must be {least} to {most}"));
            }
        }
        if !crate::workload::NAMES.contains(&self.workload.name.as_str()) {
            return Err(format!(
                "workload.name is `{}`, known are {}",
                self.workload.name,
                crate::workload::NAMES.join(", ")
            ));
        }
        self.faults.iter().enumerate().try_for_each(|(at, planned)| {
            let (family, fault) = find(&planned.fault)
                .ok_or_else(|| format!("faults[{at}].fault `{}` is not known", planned.fault))?;
            if fault.nodes_min > self.nodes {
                return Err(format!(
                    "faults[{at}] `{}` needs {} nodes, the plan has {}",
                    planned.fault, fault.nodes_min, self.nodes
                ));
            }
            if let Some(trigger) = &planned.trigger {
                trigger.validate().map_err(|wrong| format!("faults[{at}].trigger: {wrong}"))?;
            }
            if !self.families.iter().any(|name| name == family.name) {
                return Err(format!(
                    "faults[{at}] `{}` is of the family `{}`, which `families` does not name",
                    planned.fault, family.name
                ));
            }
            Ok(())
        })
    }
}

/// What is known of a cluster when a plan is made for it.
#[derive(Clone, Copy, Debug)]
struct Known {
    nodes: u32,
    /// Whether its nodes will tell who leads.
    is_led: bool,
}

/// serde's words for a value of another kind, without the names of Rust's types.
fn in_words(error: &str) -> String {
    let names = [
        ("expected struct ", "expected an object: "),
        ("expected u32", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected a sequence", "expected an array"),
        ("expected a map", "expected an object"),
        ("invalid type: map", "an object stands there"),
        ("invalid type: sequence", "an array stands there"),
        ("invalid type: ", "a value of another kind stands there: "),
    ];
    names.into_iter().fold(error.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// Why a run of this length is refused, and the least length in hundredths of a second.
fn too_short(time_ms: u64, least_ms: u64, nodes: u32, families: &[String]) -> String {
    let shown = |ms: u64| format!("{}", ms as f64 / 1000.0);
    format!(
        "--time {}s is too short for {} on {nodes} nodes: to strike with each, hitting and sparing the \
         leader where that can be, the least --time is {}s",
        shown(time_ms),
        families.join(", "),
        shown(least_ms.next_multiple_of(10)),
    )
}

/// More nodes than anyone runs on one machine, few enough for the proxies.
pub(crate) const NODES_MAX: u64 = 15;
/// A proxy per client and node: 15 times this many listeners at most.
pub(crate) const CLIENTS_MAX: u64 = 200;
/// Keys in use at a time.
pub(crate) const KEYS_MAX: u64 = 100_000;
