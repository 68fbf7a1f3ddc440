//! A run judged again, beside what its record says.

use anyhow::Context;
use serde_json::{Value, json};
use whitewater_checker::analysis::{Analysis, CheckState};
use whitewater_checker::conformance::JournalReplay;
use whitewater_checker::objectives::Outcomes;
use whitewater_checker::run_folder::{INDEX, Judged, RUN, RunRecord, SCHEMA_VERSION};
use whitewater_checker::{Options, Verdict};

use crate::conformance;
use crate::environment;
use crate::store::{RunFolder, Store, any_record, read_record};

/// What a run comes to here and now.
pub(super) struct Judgement<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) options: &'a Options,
    /// What became of the plan's objectives.
    pub(super) objectives: &'a Outcomes,
    /// A fresh replay of its journals, where it has some.
    pub(super) replayed: Option<Vec<JournalReplay>>,
}

impl Judgement<'_> {
    /// What run.json says where that is something else, with the build and the budget of both; null where
    /// they agree or there is no record.
    pub(super) fn compare(&self, folder: &RunFolder) -> Value {
        // A record that cannot be read is no reason not to judge.
        let Ok(Some(record)) = read_record(folder) else { return Value::Null };
        let (then, now) = (broken(&record.analysis), broken(self.analysis));
        let as_then = record.verdict == self.analysis.verdict && then == now;
        if as_then && record.objectives == *self.objectives {
            return Value::Null;
        }
        json!({
            "verdict": record.verdict, "broken": then, "judged": record.judged,
            "objectives": record.objectives,
            "now": {
                "verdict": self.analysis.verdict, "broken": now,
                "judged": environment::judged(self.options), "objectives": self.objectives,
            },
        })
    }

    /// Makes this the run's verdict, and draws what shows it.
    pub(super) fn write(&self, store: &Store, folder: &RunFolder) -> anyhow::Result<()> {
        if let Some(replayed) = &self.replayed {
            conformance::write(&folder.path, replayed)?;
        }
        let record = RunRecord {
            schema_version: SCHEMA_VERSION,
            verdict: self.analysis.verdict,
            analysis: self.analysis.clone(),
            judged: Some(environment::judged(self.options)),
            objectives: self.objectives.clone(),
            ..any_record(folder)?
        };
        folder.write_json(RUN, &record)?;
        whitewater_reports::write_all(&folder.path).context("write the reports")?;
        if folder.path.parent().is_some_and(|parent| parent.join(INDEX).exists()) {
            let runs = folder.path.parent().unwrap_or(store.root());
            whitewater_reports::write_index(runs).context("write the index")?;
        }
        Ok(())
    }
}

/// The names of the checks that broke.
fn broken(analysis: &Analysis) -> Vec<&str> {
    let is_broken =
        |check: &&whitewater_checker::analysis::CheckResult| check.state == CheckState::Broken;
    analysis.checks.iter().filter(is_broken).map(|check| check.name.as_str()).collect()
}

/// The lines for people: both verdicts with their build and budget.
pub(super) fn difference(figures: &Value) -> String {
    let recorded = &figures["recorded"];
    if recorded.is_null() {
        return String::new();
    }
    let line = |what: &str, side: &Value| {
        let judged: Option<Judged> = serde_json::from_value(side["judged"].clone()).ok().flatten();
        let verdict: Verdict = serde_json::from_value(side["verdict"].clone()).unwrap_or_default();
        let broken: Vec<&str> =
            side["broken"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let broken = match broken.is_empty() {
            true => String::new(),
            false => format!(" ({})", broken.join(", ")),
        };
        format!("  {what}  {verdict}{broken}, {}\n", described(judged.as_ref()))
    };
    format!(
        "The record of this run says something else (--write replaces it):\n{}{}",
        line(RUN, recorded),
        line("now     ", &recorded["now"])
    )
}

fn described(judged: Option<&Judged>) -> String {
    let Some(judged) = judged else { return "by a build that did not note itself".to_owned() };
    let commit = match judged.tool_commit.is_empty() {
        true => String::new(),
        false => format!(" ({})", judged.tool_commit),
    };
    format!(
        "by whitewater {}{commit}, budget {:.1} s and {} MiB",
        judged.tool_version,
        judged.budget_ms as f64 / 1e3,
        judged.memory_bytes >> 20
    )
}
