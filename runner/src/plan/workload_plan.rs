//! What clients do, as a plan says it. Workloads are made from this, and plans of workloads.

use serde::{Deserialize, Serialize};

/// What clients do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkloadPlan {
    /// `register`, `append`.
    pub(crate) name: String,
    /// Concurrent clients.
    pub(crate) clients: u32,
    /// Keys in use at a time.
    pub(crate) keys: u32,
    /// Operations a second, all clients together; 0: as fast as they are answered.
    pub(crate) rate: u32,
    /// How long one operation may take, milliseconds.
    pub(crate) operation_deadline_ms: u64,
    /// A key is left for a new one after this many operations, so that each stays cheap to check.
    pub(crate) operations_per_key: u32,
    /// A key is left for a new one after this many operations with an unknown outcome, which are what
    /// makes checking dear.
    pub(crate) unknown_per_key: u32,
    /// Kinds of operation of the workload that the target does not offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) without: Vec<String>,
    /// At the end every key is read through every node, where nothing else tells whether they hold the same.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) reads_at_every_node: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(flag: &bool) -> bool {
    !flag
}
