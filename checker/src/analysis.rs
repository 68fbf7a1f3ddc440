//! What the checks found, in the form that reports draw.

use serde::{Deserialize, Serialize};

use crate::object::ModelKind;
use crate::verdict::Verdict;

/// The nemesis event of a witness file that says which operations are the proof.
pub(crate) const NOTE: &str = "witness";

/// Everything that is known about a run after checking it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// The worst verdict of all checks.
    pub verdict: Verdict,
    /// One result per check, in the order a reader wants them.
    pub checks: Vec<CheckResult>,
}

impl Analysis {
    /// Merges the checks' verdicts.
    pub fn of(checks: Vec<CheckResult>) -> Analysis {
        let verdicts = checks.iter().map(|check| check.state.verdict());
        let verdict = verdicts.fold(Verdict::Pass, Verdict::merge);
        Analysis { verdict, checks }
    }

    /// The names of the checks that are broken.
    pub fn broken(&self) -> Vec<String> {
        let broken = self.checks.iter().filter(|check| check.state == CheckState::Broken);
        broken.map(|check| check.name.clone()).collect()
    }

    /// How much was found: what is listed, and what is counted only. Every output takes its number from here.
    pub fn findings_total(&self) -> u64 {
        self.checks.iter().map(|check| check.findings.len() as u64 + check.unlisted).sum()
    }

    /// The number of checks in a state.
    pub fn count(&self, state: CheckState) -> u64 {
        self.checks.iter().filter(|check| check.state == state).count() as u64
    }
}

/// What a check came to. Only what was looked at can hold.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// What the check watches happened, and nothing was wrong.
    #[serde(alias = "pass")]
    Holds,
    /// Nothing happened that could have broken the promise, or its record is not there. Grey, never
    /// green; it takes nothing away from the verdict and adds nothing to it.
    #[default]
    NotExercised,
    /// A budget ran out, or too little happened.
    Undecided,
    /// The record could not be judged: the environment or the tool failed.
    Error,
    /// The promise was broken; there is a finding that proves it.
    #[serde(alias = "violation")]
    Broken,
}

impl CheckState {
    /// What it adds to the verdict of the whole.
    pub fn verdict(self) -> Verdict {
        match self {
            CheckState::Holds | CheckState::NotExercised => Verdict::Pass,
            CheckState::Undecided => Verdict::Undecided,
            CheckState::Error => Verdict::Error,
            CheckState::Broken => Verdict::Violation,
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            CheckState::Holds => "holds",
            CheckState::NotExercised => "not exercised",
            CheckState::Undecided => "undecided",
            CheckState::Error => "error",
            CheckState::Broken => "broken",
        }
    }
}

/// The state of a check that looked, by the verdict on what it looked at.
impl From<Verdict> for CheckState {
    fn from(verdict: Verdict) -> CheckState {
        match verdict {
            Verdict::Pass => CheckState::Holds,
            Verdict::Undecided => CheckState::Undecided,
            Verdict::Error => CheckState::Error,
            Verdict::Violation => CheckState::Broken,
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What one check came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// A stable slug: `linearizability`, `leader-per-term`, `vote-once`, `strength`, ….
    pub name: String,
    /// The promise in words: `one leader per term`.
    pub title: String,
    /// What it came to. Files of version 1 call it `verdict`.
    #[serde(alias = "verdict")]
    pub state: CheckState,
    /// What was looked at: `1,204 keys, 61,233 operations, 0 undecided, 12 ms`. Where the check was not
    /// exercised: why.
    pub summary: String,
    /// What would exercise the check, where it was not: `a run with --faults kill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<String>,
    /// What is wrong, worst first; empty where the check holds or was not exercised.
    pub findings: Vec<Finding>,
    /// Findings of the same kinds that are counted only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u64,
}

impl CheckResult {
    /// A check that had nothing to look at: why, and what would exercise it.
    pub fn not_exercised(name: &str, title: &str, why: &str, exercise: &str) -> CheckResult {
        CheckResult {
            name: name.to_owned(),
            title: title.to_owned(),
            state: CheckState::NotExercised,
            summary: why.to_owned(),
            exercise: Some(exercise.to_owned()),
            ..CheckResult::default()
        }
    }
}

/// What stands over the result of a check: its slug, and the promise in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading {
    pub(crate) name: &'static str,
    title: &'static str,
}

impl Heading {
    pub(crate) const fn new(name: &'static str, title: &'static str) -> Heading {
        Heading { name, title }
    }

    /// A check that had nothing to look at: why, and what would exercise it.
    pub(crate) fn not_exercised(self, why: &str, exercise: &str) -> CheckResult {
        CheckResult::not_exercised(self.name, self.title, why, exercise)
    }

    /// A check that looked: `state` is what it comes to where there are findings.
    pub(crate) fn result(
        self,
        state: CheckState,
        summary: String,
        findings: Vec<Finding>,
    ) -> CheckResult {
        CheckResult {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            state: if findings.is_empty() { CheckState::Holds } else { state },
            summary,
            findings,
            ..CheckResult::default()
        }
    }
}

/// One thing that is wrong, or that could not be decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The class as a slug: `stale-read`, `lost-write`, `two-leaders`, `panic`, `no-recovery`,
    /// `too-weak`, ….
    pub anomaly: String,
    /// One sentence for the top of a report, without values.
    pub headline: String,
    /// Two or three sentences with values, clients and the gap in milliseconds. Proof only: what
    /// follows from the record.
    pub explanation: String,
    /// The key concerned.
    pub key: Option<String>,
    /// The moment the violation became certain, CLOCK_MONOTONIC nanoseconds; of an outage, the moment service ended.
    pub at_ns: Option<u64>,
    /// Where it is about a time and not a moment: when that ended, CLOCK_MONOTONIC nanoseconds; it began `at_ns`. Of an
    /// outage it is the next success, or where there was none the end of what clients asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ns: Option<u64>,
    /// Nodes concerned, as `n1`.
    pub nodes: Vec<String>,
    /// The raw lines that contradict each other, where that is the evidence.
    pub evidence: Vec<String>,
    /// The smallest failing set of operations.
    pub witness: Option<Witness>,
    /// Operations of clients that a finding of the servers speaks of, where the record tells which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationId>,
    /// The first and the last log entry that it speaks of, by index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<(u64, u64)>,
}

impl Finding {
    /// One of nothing but its class and its words.
    pub(crate) fn new(anomaly: &str, headline: &str, explanation: String) -> Finding {
        let (anomaly, headline) = (anomaly.to_owned(), headline.to_owned());
        Finding { anomaly, headline, explanation, ..Finding::default() }
    }
}

/// A minimal failing sub-history and the reason why it fails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// The value the key holds before the first operation, in words (`absent`, `37`).
    pub initial: String,
    /// The operations by invocation, labelled A, B, C, ….
    pub operations: Vec<WitnessOperation>,
    /// The longest valid order found.
    pub order: Vec<OrderStep>,
    /// The label of the operation that fits nowhere.
    pub blocked: Option<String>,
    /// For each slot of `order`: why the blocked operation does not fit there.
    pub slots: Vec<Slot>,
    /// The real-time gap that decides it: label that ended, label that began later, nanoseconds.
    pub gap: Option<Gap>,
    /// A weaker promise that this sub-history still keeps, in words.
    pub weaker: Option<String>,
    /// What a file of these operations needs to be judged as this was. Empty in files before version 2.
    #[serde(default)]
    pub file: WitnessFile,
}

/// The history of a witness, to be judged by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WitnessFile {
    /// The operations of the file, by invocation: the proof, what the explanation names beside it, and what
    /// explains the values that they found.
    pub operations: Vec<OperationId>,
    /// What the key holds before the first one; `None`: what every key begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<serde_json::Value>,
    /// What the operations cannot say.
    pub note: WitnessNote,
}

impl WitnessFile {
    /// The lines before the operations: what the key begins with, and the note.
    pub fn head(&self, key: Option<&str>) -> String {
        let mut lines = String::new();
        let mut line = |json: serde_json::Value| lines.push_str(&format!("{json}\n"));
        if let Some(initial) = &self.initial {
            line(serde_json::json!({
                "process": "init", "type": "ok", "f": "init", "key": key, "value": initial
            }));
        }
        if self.note.proof.is_empty() {
            return lines;
        }
        let begun = self.operations.iter().map(|operation| operation.invoked_at_ns).min();
        line(serde_json::json!({
            "process": "nemesis", "type": "info", "f": NOTE, "value": self.note,
            "time_ns": begun.unwrap_or(0)
        }));
        lines
    }
}

/// An operation of a history. A client has one at a time, so process and moment tell which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationId {
    /// The client process.
    pub process: u64,
    /// When it began, CLOCK_MONOTONIC nanoseconds.
    pub invoked_at_ns: u64,
    /// Of a drain: which of the elements that it took, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
}

/// What the file of a witness says beside its operations: the value of a nemesis event `witness`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WitnessNote {
    /// The operations that have no order. A reader tries them first, and believes nothing.
    pub proof: Vec<OperationId>,
    /// What the key is: a few operations do not always tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelKind>,
    /// What traces tell of acknowledged operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<WitnessEffect>,
    /// Operations that were left out may have changed the key before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_start_open: bool,
}

/// What traces tell of the command of an acknowledged operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WitnessEffect {
    /// The operation.
    pub operation: OperationId,
    /// The node that applied it, as `n1`; absent: no trace has it take effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The log index at which it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// One operation of a witness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WitnessOperation {
    /// `A`, `B`, ….
    pub label: String,
    /// The client process.
    pub process: u64,
    /// `read`, `write`, `cas`, ….
    pub f: String,
    /// What it did, in words: `read → 37`, `write 41`, `cas 3 → 5`, `cas 3 → 5 rejected, saw 4`.
    pub text: String,
    /// When it began, CLOCK_MONOTONIC nanoseconds.
    pub invoked_at_ns: u64,
    /// When it ended; `None`: never, or nobody knows.
    pub completed_at_ns: Option<u64>,
    /// The line of the file on which it begins, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The `index` that the file gives its begin, where it has indices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// `ok`, `fail`, `info`.
    pub outcome: String,
    /// The node that answered, as `n1`.
    pub node: Option<String>,
    /// The term that node said it was in.
    pub term: Option<u64>,
    /// False: shown for context; the proof does not need it.
    pub essential: bool,
    /// The second checker has found an order of the essential operations without it, and without those that make no
    /// sense when it is left out.
    #[serde(default)]
    pub is_needed: bool,
}

/// One step of a valid order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderStep {
    /// The operation.
    pub label: String,
    /// The key's state after it, in words.
    pub state: String,
}

/// Why the blocked operation cannot stand at one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// `before A`, `between A and B`, `after C`.
    pub place: String,
    /// The state there, in words.
    pub state: String,
    /// The reason: real time, or the wrong value.
    pub reason: String,
}

/// A real-time order that decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The operation that had ended.
    pub before: String,
    /// The operation that began after that.
    pub after: String,
    /// How long after, nanoseconds.
    pub gap_ns: u64,
}
