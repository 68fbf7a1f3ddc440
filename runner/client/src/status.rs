//! What a node says of itself.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

/// What a node says of itself, in the words that are recorded. `whitewater kv status --json` prints it, so that
/// names are added and never changed. What a server does not tell is empty, 0 or `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its number.
    #[serde(rename = "node_id")]
    pub node: u32,
    /// The cluster it belongs to.
    pub cluster_id: String,
    /// `follower`, `pre_candidate`, `candidate`, `leader`, `learner`.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// For whom it voted in that term; 0: for nobody.
    pub voted_for: u64,
    /// The leader it knows.
    #[serde(rename = "leader_id", serialize_with = "or_zero")]
    pub leader: Option<u32>,
    /// Where that one is reached.
    pub leader_address: String,
    /// Its commit index.
    pub commit: u64,
    /// Its applied index.
    pub applied: u64,
    /// The last entry of its log.
    pub last_index: u64,
    /// That entry's term.
    pub last_term: u64,
    /// The last entry that its snapshot covers.
    pub snapshot_index: u64,
    /// Hash of its state, 16 hex digits.
    pub state_hash: Option<String>,
    /// Chain hash of its log at `applied`, 16 hex digits.
    pub chain: Option<String>,
    /// The bug that is seeded into it.
    pub mutant: String,
    /// How often it started.
    pub boot: u64,
    /// Its version.
    pub version: String,
    /// On a leader: what it knows of each peer.
    pub peers: Vec<Peer>,
    /// Who belongs to the cluster.
    #[serde(flatten)]
    pub members: Members,
    /// On a leader that is handing over: to whom.
    #[serde(rename = "transfer_target", serialize_with = "or_zero")]
    pub transfer: Option<u32>,
}

/// What a leader knows of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its number.
    pub node_id: u64,
    /// The last entry that it is known to have.
    pub match_index: u64,
    /// The next entry that is sent to it.
    pub next_index: u64,
    /// Whether it answered of late.
    pub active: bool,
    /// `probe`, `replicate`, `snapshot`.
    pub mode: String,
}

/// Who belongs to a cluster, as a node has it in its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Members {
    /// Those who vote; empty where the server does not tell.
    pub voters: BTreeSet<u32>,
    /// Those who vote beside them until a joint membership ends.
    #[serde(rename = "voters_outgoing")]
    pub outgoing: BTreeSet<u32>,
    /// Those who only receive the log.
    pub learners: BTreeSet<u32>,
    /// The entry that made it so.
    #[serde(rename = "membership_index")]
    pub index: u64,
}

impl NodeStatus {
    /// Whether it leads.
    pub fn is_leader(&self) -> bool {
        self.role == "leader"
    }
}

impl Members {
    /// Whether no change is under way.
    pub fn is_settled(&self, commit: u64) -> bool {
        self.outgoing.is_empty() && self.index <= commit
    }

    /// Whether a node belongs, in whatever way.
    pub fn contains(&self, node: u32) -> bool {
        [&self.voters, &self.outgoing, &self.learners].iter().any(|set| set.contains(&node))
    }

    /// `n1 n2 n3`.
    pub fn voters_words(&self) -> String {
        let names: Vec<String> = self.voters.iter().map(|node| format!("n{node}")).collect();
        names.join(" ")
    }
}

#[expect(clippy::ref_option, reason = "serde's form")]
fn or_zero<S: Serializer>(node: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(node.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_printed_status_stay() {
        let status = serde_json::to_value(NodeStatus::default()).unwrap();
        let names: Vec<&str> = status.as_object().unwrap().keys().map(String::as_str).collect();
        let promised = [
            "applied",
            "boot",
            "chain",
            "cluster_id",
            "commit",
            "last_index",
            "last_term",
            "leader_address",
            "leader_id",
            "learners",
            "membership_index",
            "mutant",
            "node_id",
            "peers",
            "role",
            "snapshot_index",
            "state_hash",
            "term",
            "transfer_target",
            "version",
            "voted_for",
            "voters",
            "voters_outgoing",
        ];
        assert_eq!(names, promised);
    }
}
