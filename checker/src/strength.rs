//! A pass must be earned: what has to have happened for "nothing wrong" to mean something.
//!
//! The plan states the requirements; this check compares them with the record. What falls short
//! makes the run undecided, never a violation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a run must have seen. Part of `plan.json`, field `requirements`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// Least number of ok operations of each kind (`read`, `write`, `cas`, …) in each of the three
    /// phases: before, during and after the faults.
    pub operations_ok_min: BTreeMap<String, PhaseMinimum>,
    /// Fault kinds asked for; each must have had an observed effect at least once.
    pub fault_kinds: Vec<String>,
    /// At least one effective fault must have struck the leader of the moment.
    pub leader_hit: bool,
    /// At least one effective fault must have spared the leader of the moment.
    pub leader_spared: bool,
}

/// Least numbers for one kind of operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseMinimum {
    /// Before the first fault (phases `start` and `warm-up`).
    pub before: u64,
    /// In phase `faults`.
    pub during: u64,
    /// From phase `recovery` on.
    pub after: u64,
}
