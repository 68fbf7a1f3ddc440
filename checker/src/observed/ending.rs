//! How a run ended, from the facts its runner noted in the history: the checks `run` and `healing`.
//!
//! A runner that was killed noted no end, so a history without one tells of a run that was cut short. A
//! history of before the facts (no `recording`) is complete where its phase `end` began and its run has a
//! record, which knows the rest.

use super::Phases;
use crate::analysis::{Analysis, CheckResult, CheckState, Finding, Heading};
use crate::fact::Fact;
use crate::fault::{FaultRecord, FaultStatus};
use crate::history::History;
use crate::numbers::grouped;

const RUN: Heading = Heading::new("run", "the run was carried out to its end");
const HEALING: Heading = Heading::new("healing", "every fault was undone");

/// What a runner noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    facts: Vec<Fact>,
    /// Whether there is anything that could tell: facts, or phases.
    is_told: bool,
    has_ended: bool,
    /// Whether clients were ever let loose.
    has_served: bool,
}

impl Ending {
    /// From the history. Where that is from before the facts: also from what the run's record knows;
    /// `None`: there is no record.
    pub(crate) fn of(history: Option<&History>, record: Option<&[Fact]>) -> Ending {
        let Some(history) = history else { return Ending::default() };
        let told = history.nemesis.iter().filter_map(|(_, event)| Fact::of(event));
        let mut facts: Vec<Fact> = told.collect();
        let phases = Phases::of(history);
        let is_recording = facts.iter().any(|fact| matches!(fact, Fact::Recording { .. }));
        let has_ended = match is_recording {
            true => facts.contains(&Fact::End {}),
            false => phases.find("end").is_some() && record.is_some(),
        };
        if !is_recording {
            facts.extend(record.into_iter().flatten().cloned());
        }
        Ending {
            is_told: !facts.is_empty() || !phases.is_empty(),
            has_ended,
            has_served: phases.find("warm-up").is_some(),
            facts,
        }
    }

    /// Whether the positive control was asked for.
    pub(crate) fn is_canary(&self) -> bool {
        self.facts.iter().any(|fact| matches!(fact, Fact::Recording { canary: true, .. }))
    }

    fn all<'a>(&'a self, text: impl Fn(&'a Fact) -> Option<&'a String>) -> Vec<&'a str> {
        self.facts.iter().filter_map(text).map(String::as_str).collect()
    }

    fn environment(&self) -> Option<&str> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Environment { reason } => Some(reason.as_str()),
            _ => None,
        })
    }

    fn signal(&self) -> Option<&str> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Interrupted { signal } => Some(signal.as_str()),
            _ => None,
        })
    }

    /// Whether the run came to its end, and as planned.
    pub(crate) fn run(&self) -> CheckResult {
        if !self.is_told {
            let why = "the record does not tell how the run ended";
            return RUN.not_exercised(why, "a run of this tool");
        }
        let notes = self.all(|fact| match fact {
            Fact::Note { text } => Some(text),
            _ => None,
        });
        let incomplete = self.all(|fact| match fact {
            Fact::Incomplete { reason } => Some(reason),
            _ => None,
        });
        let judged = "What was recorded until then was judged.";
        let (state, summary, anomaly, headline, explanation) =
            if let Some(reason) = self.environment() {
                let headline = "The run could not be carried out.";
                (CheckState::Error, String::new(), "environment", headline, reason.to_owned())
            } else if let Some(signal) = self.signal() {
                let headline = "The run was cut short.";
                let summary = format!("cut short by {signal}");
                (CheckState::Undecided, summary, "interrupted", headline, judged.to_owned())
            } else if !self.has_ended {
                let headline = "The record ends before the run did.";
                let explanation = format!("The runner was killed, or still works. {judged}");
                let summary = "no end was noted".to_owned();
                (CheckState::Undecided, summary, "cut-off", headline, explanation)
            } else if !incomplete.is_empty() {
                let headline = "The plan was not carried out as a whole.";
                let all: Vec<&str> = incomplete.iter().chain(&notes).copied().collect();
                let explanation =
                    format!("What was recorded was judged. But {}.", incomplete.join("; "));
                (CheckState::Undecided, all.join("; "), "incomplete", headline, explanation)
            } else {
                let mut told: Vec<String> = notes.into_iter().map(ToOwned::to_owned).collect();
                told.extend(self.dials());
                let summary = match told.is_empty() {
                    true => "as planned".to_owned(),
                    false => told.join("; "),
                };
                return RUN.result(CheckState::Holds, summary, Vec::new());
            };
        let finding = Finding {
            anomaly: anomaly.to_owned(),
            headline: headline.to_owned(),
            explanation,
            ..Finding::default()
        };
        RUN.result(state, summary, vec![finding])
    }

    /// What was seen of the nodes' dials that a reader has to know.
    fn dials(&self) -> Vec<String> {
        let mut told = Vec::new();
        for fact in &self.facts {
            let Fact::Dials { redirected, trouble, .. } = fact else { continue };
            if redirected.is_empty() {
                told.push("no node was ever seen to dial another, so that no partition could cut anything".into());
            }
            told.extend(trouble.keys().cloned());
        }
        told
    }

    /// Whether the cluster at the end was the one from before the faults. A run that was cut short has faults
    /// in force by its nature.
    pub(crate) fn healing(&self, faults: &[FaultRecord]) -> CheckResult {
        if !self.has_ended || self.signal().is_some() || self.environment().is_some() {
            let why = match self.is_told {
                true => "the run did not come to its end",
                false => "the record does not tell how the run ended",
            };
            return HEALING.not_exercised(why, "a run that is not cut short");
        }
        let trouble = self.all(|fact| match fact {
            Fact::Unhealed { trouble } => Some(trouble),
            _ => None,
        });
        if !trouble.is_empty() {
            // They leave another cluster than the one that was to be judged.
            let headline = "The cluster was not brought back to what it was before the faults.";
            let finding = Finding {
                anomaly: "unhealed".to_owned(),
                headline: headline.to_owned(),
                explanation: trouble.join(". "),
                ..Finding::default()
            };
            return HEALING.result(CheckState::Undecided, trouble.join("; "), vec![finding]);
        }
        let is_done = |fault: &&FaultRecord| !matches!(fault.status, FaultStatus::Skipped { .. });
        match faults.iter().filter(is_done).count() as u64 {
            0 => {
                let why = "no fault was injected";
                HEALING.not_exercised(why, "a run with --faults")
            }
            count => {
                let summary = format!("{} faults", grouped(count));
                HEALING.result(CheckState::Holds, summary, Vec::new())
            }
        }
    }

    /// A run that could not be carried out says nothing about the target: nothing of it holds, and what
    /// came of a cluster that never served (a server that cannot start) is no broken promise. What traces
    /// prove stays proven.
    pub(crate) fn silence(&self, checks: &mut [CheckResult]) {
        if self.environment().is_none() {
            return;
        }
        for check in checks {
            let is_outside = !check.findings.is_empty() && OUTSIDE.contains(&check.name.as_str());
            let is_said = match check.state {
                CheckState::NotExercised | CheckState::Error => true,
                CheckState::Broken => self.has_served || !is_outside,
                CheckState::Holds | CheckState::Undecided => false,
            };
            if !is_said {
                let why = match check.summary.is_empty() {
                    true => "the run could not be carried out".to_owned(),
                    false => format!("the run could not be carried out ({})", check.summary),
                };
                let exercise = "a run that can be carried out";
                *check = CheckResult::not_exercised(&check.name, &check.title, &why, exercise);
            }
        }
    }
}

/// Checks that see a server from outside: one that cannot start breaks them all.
const OUTSIDE: [&str; 3] = ["processes", "recovery", "liveness"];

/// The facts that a record keeps as results of checks. Histories of before the facts have no other source, and
/// a record that was judged anew still has them.
pub(crate) fn facts_of_record(analysis: &Analysis) -> Vec<Fact> {
    let mut facts = Vec::new();
    for check in &analysis.checks {
        for finding in &check.findings {
            let explanation = finding.explanation.clone();
            let signal = || check.summary.trim_start_matches("cut short by ").to_owned();
            let incomplete = || {
                let text = explanation.trim_start_matches("What was recorded was judged. But ");
                text.trim_end_matches('.').to_owned()
            };
            facts.extend(match (check.name.as_str(), finding.anomaly.as_str()) {
                ("healing", "unhealed") => Some(Fact::Unhealed { trouble: explanation.clone() }),
                ("run", "interrupted") => Some(Fact::Interrupted { signal: signal() }),
                ("run", "incomplete") => Some(Fact::Incomplete { reason: incomplete() }),
                ("run", "environment") => Some(Fact::Environment { reason: explanation.clone() }),
                ("canary", _) => Some(Fact::Recording { schema_version: 1, canary: true }),
                _ => None,
            });
        }
    }
    facts
}
