//! One line of `faults.jsonl`: what was planned, what was done, and what was seen to happen.

use serde::{Deserialize, Serialize};

/// What became of a planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum FaultStatus {
    /// It was put in place.
    Installed,
    /// It was not put in place.
    Skipped {
        /// Why, in words.
        reason: String,
    },
    /// It may have been put in place.
    Indeterminate {
        /// Why, in words.
        reason: String,
    },
}

/// What a fault acts on, and so whom it strikes: what checks and reports go by, in place of a family's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The named nodes have no process.
    ProcessDown,
    /// The named nodes' processes stand still.
    ProcessPaused,
    /// Links that have one of the named nodes at an end carry nothing.
    LinksCut,
    /// Links that have one of the named nodes at an end carry late, slowly, or with broken connections.
    LinksDegraded,
    /// The cluster is asked for another leader.
    Leadership,
    /// The cluster is asked for other members.
    Members,
    /// What the named nodes write or read.
    Disk,
    /// What the named nodes take for the time.
    Clock,
    /// Something that this build does not know: it counts for every node.
    #[default]
    #[serde(other)]
    Other,
}

impl Scope {
    /// Every one.
    pub const ALL: [Scope; 9] = [
        Scope::ProcessDown,
        Scope::ProcessPaused,
        Scope::LinksCut,
        Scope::LinksDegraded,
        Scope::Leadership,
        Scope::Members,
        Scope::Disk,
        Scope::Clock,
        Scope::Other,
    ];

    /// Whether the nodes that its record does not name can go on without those that it names. A leader that is
    /// down, paused or cut off is replaced; one with slow links or a slow disk still leads, and all wait for it.
    pub fn frees_the_others(self) -> bool {
        match self {
            Scope::ProcessDown | Scope::ProcessPaused | Scope::LinksCut => true,
            Scope::LinksDegraded
            | Scope::Leadership
            | Scope::Members
            | Scope::Disk
            | Scope::Clock
            | Scope::Other => false,
        }
    }

    /// The scope of a family, for records of builds that did not write it.
    fn of_family(kind: &str) -> Scope {
        let known = FAMILIES_BEFORE.iter().find(|(name, _)| *name == kind);
        known.map_or(Scope::Other, |(_, scope)| *scope)
    }
}

/// The families of builds whose records name neither scopes nor the families that there are.
pub const FAMILIES_BEFORE: [(&str, Scope); 6] = [
    ("kill", Scope::ProcessDown),
    ("pause", Scope::ProcessPaused),
    ("partition", Scope::LinksCut),
    ("link", Scope::LinksDegraded),
    ("membership", Scope::Members),
    ("transfer", Scope::Leadership),
];

/// One fault of a run. Times are CLOCK_MONOTONIC in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its number in the plan, from 1.
    pub id: u32,
    /// The family a user asks for: `kill`, `pause`, `partition`, ….
    pub kind: String,
    /// What it acts on; `None` in records of builds before there were scopes: see [`FaultRecord::scope`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What exactly, in words: `isolate leader`, `SIGSTOP leader`, `kill -9 a follower`.
    pub name: String,
    /// The target as planned: `leader`, `a follower`, `minority`, `n2`.
    pub target: String,
    /// The nodes struck, once resolved: `["n3"]`.
    pub nodes: Vec<String>,
    /// The resolution in words: `n1 | n2 n3 n4 n5`, `n3 (leader, term 7)`.
    pub detail: String,
    /// When the plan wanted it.
    pub planned_at_ns: u64,
    /// When the injector began.
    pub started_at_ns: Option<u64>,
    /// When it was seen to be in force (process in state T, exit seen, first byte blocked, …).
    pub effective_at_ns: Option<u64>,
    /// When it was lifted and seen to be lifted.
    pub healed_at_ns: Option<u64>,
    /// What became of it.
    #[serde(flatten)]
    pub status: FaultStatus,
    /// What was observed, one fact each: `state T in /proc after 0.7 ms`, `312 bytes blocked on 8
    /// links`, `exit by signal 9`, `leader changed n3 → n1 in 0.61 s`.
    pub effects: Vec<String>,
    /// Whether any effect was observed. A requested fault without one weakens the run.
    pub effective: bool,
    /// Whether the leader of the moment was among the struck; `None` where nobody led.
    pub leader_hit: Option<bool>,
}

impl FaultRecord {
    /// What it acts on.
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or_else(|| Scope::of_family(&self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_written_and_from_the_family_where_it_is_not() {
        let record = |scope: &str, kind: &str| -> FaultRecord {
            let text = format!(
                r#"{{"id":1,"kind":"{kind}",{scope}"name":"","target":"","nodes":[],"detail":"","planned_at_ns":0,
                    "status":"installed","effects":[],"effective":true}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        for (scope, kind, wanted) in [
            (r#""scope":"disk","#, "anything", Scope::Disk),
            (r#""scope":"links-cut","#, "kill", Scope::LinksCut),
            (r#""scope":"of a later build","#, "kill", Scope::Other),
            ("", "kill", Scope::ProcessDown),
            ("", "pause", Scope::ProcessPaused),
            ("", "partition", Scope::LinksCut),
            ("", "link", Scope::LinksDegraded),
            ("", "transfer", Scope::Leadership),
            ("", "membership", Scope::Members),
            ("", "anything", Scope::Other),
        ] {
            assert_eq!(record(scope, kind).scope(), wanted, "{scope}{kind}");
        }
    }
}
