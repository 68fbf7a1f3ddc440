//! A fault as a plan has it.

use serde::{Deserialize, Serialize};

use super::trigger::Trigger;

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedFault {
    /// Its number, from 1.
    pub(crate) id: u32,
    /// The catalogue's slug: `kill-leader`.
    pub(crate) fault: String,
    /// When, after the fault phase began; with a trigger: from when on its moment is waited for.
    pub(crate) at_ms: u64,
    /// For how long.
    pub(crate) duration_ms: u64,
    /// Decides what the role leaves open: which follower, which side.
    pub(crate) pick: u64,
    /// What it waits for in place of its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trigger: Option<Trigger>,
}

impl PlannedFault {
    /// When it is over at the latest, if all goes by the plan. Faults that begin later than that wait for it; others
    /// are meant to overlap.
    pub(crate) fn end_ms(&self) -> u64 {
        let waits_ms = self.trigger.map_or(0, |it| it.within_ms.saturating_add(it.after_ms));
        self.at_ms.saturating_add(waits_ms).saturating_add(self.duration_ms.max(1))
    }
}
