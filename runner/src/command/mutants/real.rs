//! Mutants on real clusters: one `whitewater run` after the other, each with the workload and the
//! faults that its bug needs.
//!
//! Every run is a process of its own, so that whatever a bug does to it ends with it. Ctrl-C goes to the
//! run that is under way, which heals what it broke and stops its servers; then this ends too. A run that
//! lasts longer than it can is ended.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use whitewater_checker::ranking;
use whitewater_checker::run_folder::RunRecord;
use whitewater_server::Mutant;
use whitewater_server::mutants::Real;

use crate::exit::Exit;
use crate::long_work::LongWork;
use whitewater_processes::OWN_PROGRAM;

/// Start, recovery, final reads, checking and the report of one run: what it may take beyond its faults.
const BEYOND_FAULTS: Duration = Duration::from_secs(240);
/// A run that was asked to end heals and stops its servers within this.
const ENDING: Duration = Duration::from_secs(60);

/// How real runs are made.
#[derive(Clone, Debug)]
pub(super) struct RealRuns {
    pub(super) seeds: std::ops::RangeInclusive<u64>,
    /// Length of each fault phase.
    pub(super) time: Duration,
    pub(super) runs_dir: PathBuf,
}

/// What became of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RealRun {
    pub(super) seed: u64,
    /// Which check fired first, and how many seconds into the run; `None`: none.
    pub(super) found: Option<(String, f64)>,
    /// It could not be carried out or judged: its exit code in words.
    pub(super) failed: Option<String>,
}

/// What became of a bug's runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RealSummary {
    pub(super) runs: Vec<RealRun>,
}

impl RealSummary {
    /// How many found it.
    pub(super) fn found(&self) -> usize {
        self.runs.iter().filter(|run| run.found.is_some()).count()
    }

    /// How long it took: the median of those that found it.
    pub(super) fn median_s(&self) -> Option<f64> {
        let found = self.runs.iter().filter_map(|run| run.found.as_ref());
        let mut times: Vec<f64> = found.map(|(_, after_s)| *after_s).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }

    /// `2 of 2, 6.1 s`.
    pub(super) fn cell(&self) -> String {
        let median = self.median_s().map(|it| format!(", {it:.1} s")).unwrap_or_default();
        let failed = self.runs.iter().filter(|run| run.failed.is_some()).count();
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        format!("{} of {}{median}{failed}", self.found(), self.runs.len())
    }
}

/// What ended a bug's runs.
#[derive(Debug)]
pub(super) enum RealEnd {
    /// All were made.
    Done(RealSummary),
    /// A signal.
    Interrupted(Exit),
}

impl RealRuns {
    /// Makes a bug's runs.
    pub(super) fn make(&self, mutant: Mutant, work: &LongWork) -> anyhow::Result<RealEnd> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut summary = RealSummary::default();
            for seed in self.seeds.clone() {
                match self.one(mutant, seed).await? {
                    Ok(run) => {
                        summary.runs.push(run);
                        work.step(mutant.card().name);
                    }
                    Err(exit) => return Ok(RealEnd::Interrupted(exit)),
                }
            }
            Ok(RealEnd::Done(summary))
        })
    }

    async fn one(&self, mutant: Mutant, seed: u64) -> anyhow::Result<Result<RealRun, Exit>> {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let child = self.command(mutant, seed).spawn().context("start a run")?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let output = child.wait_with_output();
        tokio::pin!(output);
        let mut interrupted = None;
        let mut limit = self.time + BEYOND_FAULTS;
        let output = loop {
            let asked = tokio::select! {
                output = &mut output => break output.context("wait for a run")?,
                _ = interrupts.recv() => Some(Exit::Interrupted),
                _ = terminations.recv() => Some(Exit::Terminated),
                () = tokio::time::sleep(limit) => None,
            };
            let asked_for = match asked {
                Some(exit) => {
                    interrupted = Some(exit);
                    Signal::SIGINT
                }
                None if limit == ENDING => Signal::SIGKILL,
                None => Signal::SIGTERM,
            };
            // Where that fails it has ended already.
            let _ = id.map(|id| kill(id, asked_for));
            limit = ENDING;
        };
        if let Some(exit) = interrupted {
            return Ok(Err(exit));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        Ok(Ok(outcome(seed, output.status, &text, &errors)))
    }

    fn command(&self, mutant: Mutant, seed: u64) -> tokio::process::Command {
        let Real { workload, faults, rate, snapshot_entries } = mutant.card().real;
        let mut command = tokio::process::Command::new(OWN_PROGRAM);
        command
            .args(["run", "--json", "--quiet", "--workload", workload, "--faults", faults])
            .args(["--rate", &rate.to_string(), "--seed", &seed.to_string()])
            .args(["--time", &format!("{}ms", self.time.as_millis())])
            .args(["--mutant", mutant.card().name, "--keep-data", "never", "--runs-dir"])
            .arg(&self.runs_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's Ctrl-C comes here only, and is passed on once.
            .process_group(0);
        if let Some(entries) = snapshot_entries {
            command.args(["--snapshot-entries", &entries.to_string()]);
        }
        command
    }
}

/// What a run's exit, its last line and what it said to people say.
fn outcome(seed: u64, status: std::process::ExitStatus, output: &str, errors: &str) -> RealRun {
    let how = match (status.code(), status.signal()) {
        (Some(0 | 1 | 3), _) => None,
        (Some(code), _) => Some(format!("exit code {code}")),
        (None, signal) => Some(format!("signal {}", signal.unwrap_or(0))),
    };
    let error = errors.lines().find_map(|line| line.strip_prefix("error: "));
    let failed = how.map(|how| match error {
        Some(error) => format!("{how}: {error}"),
        None => how,
    });
    let is_found = status.code() == Some(1);
    let found = is_found.then(|| {
        let verdict: Option<Value> =
            output.lines().last().and_then(|it| serde_json::from_str(it).ok());
        let folder = verdict.as_ref().and_then(|it| it["run"].as_str()).unwrap_or_default();
        let record = RunRecord::read(Path::new(folder)).ok().flatten();
        leading_check(&record.unwrap_or_default())
    });
    RealRun { seed, found, failed }
}

/// The check that leads the report, and how many seconds into the run its finding was certain; at its end
/// where that is not told.
fn leading_check(record: &RunRecord) -> (String, f64) {
    let Some((check, finding)) = ranking::leading(&record.analysis) else {
        return Default::default();
    };
    let end_s = record.duration_ms as f64 / 1e3;
    let after_s = |at_ns: u64| at_ns.saturating_sub(record.origin_ns) as f64 / 1e9;
    (check.name.clone(), finding.at_ns.map_or(end_s, after_s))
}

#[cfg(test)]
mod tests {
    use whitewater_checker::analysis::{Analysis, CheckResult, CheckState, Finding};
    use whitewater_server::mutants::CATALOGUE;

    use super::*;
    use crate::nemesis::family_names;
    use crate::workload;

    #[test]
    fn every_card_names_what_a_run_can_do() {
        for card in &CATALOGUE {
            let real = card.real;
            assert!(workload::NAMES.contains(&real.workload), "{}: {real:?}", card.name);
            for family in real.faults.split(',') {
                assert!(family_names().contains(&family), "{}: {family}", card.name);
            }
        }
    }

    #[test]
    fn a_bug_is_found_by_the_check_that_leads_the_report() {
        let check = |name: &str, at_ns| CheckResult {
            name: name.to_owned(),
            state: CheckState::Broken,
            findings: vec![Finding { at_ns, ..Finding::default() }],
            ..CheckResult::default()
        };
        let checks = vec![
            check("linearizability", Some(2_000_000_000)),
            check("log-matching", Some(7_000_000_000)),
            check("commit-rule", Some(4_500_000_000)),
        ];
        let record = RunRecord {
            origin_ns: 1_000_000_000,
            duration_ms: 9_000,
            analysis: Analysis::of(checks),
            ..RunRecord::default()
        };
        // As it comes from the file.
        let record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(leading_check(&record), ("commit-rule".to_owned(), 3.5));
        let checks = vec![check("recovery", None)];
        let record = RunRecord { analysis: Analysis::of(checks), ..record };
        assert_eq!(leading_check(&record), ("recovery".to_owned(), 9.0));
    }

    #[test]
    fn exits_are_told_apart() {
        let run = |code: i32| {
            outcome(1, std::process::ExitStatus::from_raw(code << 8), "", "error: no room\n")
        };
        assert!(run(1).found.is_some() && run(1).failed.is_none());
        assert!(run(0).found.is_none() && run(0).failed.is_none());
        assert_eq!(run(4).failed.as_deref(), Some("exit code 4: no room"));
        let summary = RealSummary { runs: vec![run(1), run(0), run(4)] };
        assert_eq!(summary.cell(), "1 of 3, 0.0 s, 1 failed");
    }
}
