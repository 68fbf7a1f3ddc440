//! What the trace checks find, before the lines that prove it are fetched.

use std::collections::{BTreeMap, BTreeSet};

use whitewater_raft::{Index, NodeId};

use crate::analysis::{CheckResult, CheckState, Finding, Heading, OperationId};
use crate::numbers::grouped;

/// A command's session, and its number there.
pub(crate) type CommandId = (u64, u64);

/// Findings shown of one check. A broken rule is broken over and over; the first ones tell most.
const SHOWN_MAX: usize = 8;

/// Where a line stands: the number of its file, and the line in it, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) file: u32,
    pub(crate) line: u32,
}

/// A finding whose evidence is still only named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) anomaly: &'static str,
    pub(crate) headline: &'static str,
    pub(crate) explanation: String,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) at_ns: u64,
    /// The lines that contradict each other, the earlier one first.
    pub(crate) places: Vec<Place>,
    /// The commands that it speaks of.
    pub(crate) commands: Vec<CommandId>,
    /// The first and the last entry that it speaks of.
    pub(crate) entries: Option<(Index, Index)>,
}

/// What findings only name until all of them are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// The text of each line that proves something.
    pub(crate) lines: BTreeMap<Place, String>,
    /// The operation of each command that a finding speaks of.
    pub(crate) operations: BTreeMap<CommandId, OperationId>,
}

/// What one check found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    shown: Vec<Draft>,
    count: u64,
}

impl Findings {
    /// One more. The draft is made only where it will be shown.
    pub(crate) fn add(&mut self, draft: impl FnOnce() -> Draft) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(draft());
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lines that are needed as evidence.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        self.shown.iter().flat_map(|draft| draft.places.iter().copied())
    }

    /// The commands whose operations a reader wants to know.
    pub(crate) fn commands(&self) -> impl Iterator<Item = CommandId> {
        self.shown.iter().flat_map(|draft| draft.commands.iter().copied())
    }

    /// The check's result; `texts` holds what its findings only name.
    pub(crate) fn result(self, heading: Heading, summary: String, texts: &Texts) -> CheckResult {
        let hidden = self.count - self.shown.len() as u64;
        let summary = match hidden {
            0 => summary,
            _ => format!("{summary}; {} more findings of the same kind", grouped(hidden)),
        };
        let finding = |draft: Draft| Finding {
            anomaly: draft.anomaly.to_owned(),
            headline: draft.headline.to_owned(),
            explanation: draft.explanation,
            at_ns: Some(draft.at_ns),
            nodes: names(&draft.nodes),
            evidence: draft.places.iter().filter_map(|at| texts.lines.get(at).cloned()).collect(),
            operations: draft
                .commands
                .iter()
                .filter_map(|command| texts.operations.get(command).cloned())
                .collect(),
            entries: draft.entries,
            ..Finding::default()
        };
        let findings = self.shown.into_iter().map(finding).collect();
        let result = heading.result(CheckState::Broken, summary, findings);
        CheckResult { unlisted: hidden, ..result }
    }
}

/// A node's name in files and reports.
pub(crate) fn name(node: NodeId) -> String {
    format!("n{node}")
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().collect::<BTreeSet<_>>().into_iter().map(|node| name(*node)).collect()
}
