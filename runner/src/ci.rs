//! Tells a CI system what came of a run, in the ways that it offers: GitHub's step summary and
//! annotations.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use whitewater_checker::Verdict;
use whitewater_checker::run_folder::{RunRecord, SUMMARY};

/// What GitHub Actions tells its steps.
#[derive(Debug, Default)]
pub(crate) struct Github {
    /// `GITHUB_STEP_SUMMARY`: the file that collects the step's summary.
    summary: Option<PathBuf>,
    /// `GITHUB_ACTIONS` is `true`: lines of the log may be annotations.
    annotates: bool,
}

impl Github {
    pub(crate) fn of_environment() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self::new(set("GITHUB_STEP_SUMMARY"), set("GITHUB_ACTIONS"))
    }

    fn new(summary: Option<OsString>, actions: Option<OsString>) -> Self {
        Self { summary: summary.map(Into::into), annotates: actions.is_some_and(|on| on == "true") }
    }

    /// Adds the run's summary to the step's summary. A step may make many runs.
    pub(crate) fn summarise(&self, folder: &Path) -> io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let text = fs::read_to_string(folder.join(SUMMARY))?;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{text}")
    }

    /// The line that makes GitHub mark the step; none for a pass that met its objectives.
    pub(crate) fn annotation(&self, record: &RunRecord, report: &Path) -> Option<String> {
        if !self.annotates {
            return None;
        }
        let objectives = record.objectives.lines();
        let (command, word) = match record.verdict {
            Verdict::Pass if objectives.is_empty() => return None,
            Verdict::Pass if record.objectives.objectives_missed.is_empty() => {
                ("warning", "objective not measured")
            }
            Verdict::Pass => ("error", "objective missed"),
            Verdict::Violation => ("error", "violation"),
            Verdict::Error => ("error", "error"),
            Verdict::Undecided => ("warning", "undecided"),
        };
        let (headline, explanation) = whitewater_reports::sentences(record);
        let objectives: String = objectives.iter().map(|line| format!("{line}. ")).collect();
        let text = format!(
            "{headline}. {explanation} {objectives}Seed {}, report {}",
            record.seed,
            report.display()
        );
        let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        Some(format!("::{command} title=whitewater%3A {word}::{text}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(verdict: Verdict) -> RunRecord {
        RunRecord {
            verdict,
            seed: 7,
            interrupted: Some("50 %\nof it".into()),
            ..RunRecord::default()
        }
    }

    #[test]
    fn an_annotation_is_one_line_whatever_is_in_it() {
        let github = Github::new(None, Some("true".into()));
        let line = |verdict| github.annotation(&record(verdict), Path::new("runs/x/report.html"));
        assert_eq!(line(Verdict::Pass), None);
        let undecided = line(Verdict::Undecided).unwrap();
        assert!(undecided.starts_with("::warning title=whitewater%3A undecided::"), "{undecided}");
        assert!(
            undecided.contains("50 %25%0Aof it") && undecided.lines().count() == 1,
            "{undecided}"
        );
        assert!(line(Verdict::Violation).unwrap().starts_with("::error "));
        assert!(line(Verdict::Error).unwrap().contains("Seed 7, report runs/x/report.html"));
        let mut missed = record(Verdict::Pass);
        missed.objectives.objectives_missed.push(whitewater_checker::objectives::Seen {
            objective: "served>=99%".to_owned(),
            seen: "97.1%".to_owned(),
        });
        let told = github.annotation(&missed, Path::new("x")).unwrap();
        assert!(told.starts_with("::error title=whitewater%3A objective missed::"), "{told}");
        assert!(told.contains("objective missed: served>=99%25, seen 97.1%25. Seed 7"), "{told}");
        let outside = Github::new(None, None);
        assert_eq!(outside.annotation(&record(Verdict::Error), Path::new("x")), None);
    }

    #[test]
    fn every_run_of_a_step_adds_its_summary() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("summary.md"), "## one").unwrap();
        let all = folder.path().join("step.md");
        let github = Github::new(Some(all.clone().into()), None);
        github.summarise(folder.path()).unwrap();
        github.summarise(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(all).unwrap(), "## one\n## one\n");
        Github::default().summarise(Path::new("/nonexistent")).unwrap();
    }
}
