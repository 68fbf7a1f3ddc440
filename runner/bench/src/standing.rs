//! What a node says of the cluster, whatever server it is.

/// What a node says of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether the node itself leads.
    pub(crate) is_leader: bool,
    /// Whether it knows a leader.
    pub(crate) has_leader: bool,
    /// Its Raft term.
    pub(crate) term: u64,
}
