//! Conformance of a run: its nodes' journals, replayed by the rules of the paper.
//!
//! The replay is `whitewater-server`'s; this finds a run's journals and makes one check of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use whitewater_checker::analysis::{Analysis, CheckResult, CheckState, Finding};
use whitewater_server::journal::{
    Divergence, EXTENSION, JournalError, Replayed, UnderRules, replay,
};

/// The folder of a run in which the journals are.
pub(crate) const FOLDER: &str = "journal";

/// A run's journals, by node and boot.
pub(crate) fn journals(run: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(run.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            found.push(path);
        }
    }
    found.sort_by_key(|path| numbers(&name(path)));
    Ok(found)
}

/// The file's name, for people.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The numbers in a name: n2-boot10 comes after n2-boot9.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Replays all of a run's journals and says whether its nodes did what the paper's rules do.
fn check(run: &Path) -> CheckResult {
    let mut check = CheckResult {
        name: "conformance".into(),
        title: "every node's core did what the reference core does with the same inputs".into(),
        state: CheckState::Holds,
        exercise: None,
        summary: String::new(),
        findings: Vec::new(),
    };
    let paths = match journals(run) {
        Ok(paths) => paths,
        Err(error) => {
            problem(&mut check, CheckState::Error, format!("list the journals: {error}"));
            Vec::new()
        }
    };
    let (mut steps, mut entries, mut cut_short) = (0, 0, 0);
    for path in &paths {
        match replay(path, UnderRules::Of(None)) {
            Ok(replayed) => {
                steps += replayed.steps;
                entries += replayed.entries;
                cut_short += u64::from(replayed.torn.is_some());
                if let Some(divergence) = &replayed.divergence {
                    check.state = CheckState::Broken;
                    check.findings.push(finding(path, &replayed, divergence));
                }
            }
            // There was no time for a single step.
            Err(JournalError::NoHeader { .. }) => cut_short += 1,
            Err(error) => problem(&mut check, CheckState::Error, error.to_string()),
        }
    }
    if steps == 0 && check.state == CheckState::Holds {
        problem(&mut check, CheckState::Undecided, "no journal holds a step".into());
    }
    check.summary = format!(
        "{steps} steps and {entries} entries of {} journals replayed, {cut_short} of them cut short by a kill",
        paths.len()
    );
    check
}

/// Whether a run's nodes kept journals.
pub(crate) fn has_journals(run: &Path) -> bool {
    run.join(FOLDER).is_dir()
}

/// Adds the check to what else was found about a run.
pub(crate) fn add(analysis: &mut Analysis, run: &Path) {
    let check = check(run);
    analysis.verdict = analysis.verdict.merge(check.state.verdict());
    analysis.checks.push(check);
}

fn problem(check: &mut CheckResult, state: CheckState, explanation: String) {
    check.state = check.state.max(state);
    check.findings.push(Finding {
        anomaly: "unreadable-journal".into(),
        headline: "A journal could not be replayed.".into(),
        explanation,
        ..Finding::default()
    });
}

fn finding(path: &Path, replayed: &Replayed, divergence: &Divergence) -> Finding {
    let node = format!("n{}", replayed.header.settings.id);
    let boot = replayed.header.boot;
    let mut evidence = vec![format!("{}, step {}", name(path), divergence.step)];
    evidence.extend(lines(divergence));
    Finding {
        anomaly: "nonconformance".into(),
        headline: format!("{node} did what the reference core does not."),
        explanation: format!(
            "At step {} of its boot {boot}, {}. Up to there both did the same, byte for byte.",
            divergence.step, divergence.headline
        ),
        nodes: vec![node],
        evidence,
        ..Finding::default()
    }
}

/// A difference, one line for each input and each thing that only one of the two did.
pub(crate) fn lines(divergence: &Divergence) -> Vec<String> {
    let mut lines: Vec<String> =
        divergence.inputs.iter().map(|input| format!("input     {input}")).collect();
    lines.extend(divergence.recorded.iter().map(|line| format!("recorded  {line}")));
    lines.extend(divergence.replayed.iter().map(|line| format!("replayed  {line}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_stand_in_the_order_of_nodes_and_boots() {
        let run = tempfile::tempdir().unwrap();
        assert!(journals(run.path()).unwrap().is_empty());
        fs::create_dir(run.path().join(FOLDER)).unwrap();
        for name in ["n10-boot1.journal", "n2-boot10.journal", "n2-boot9.journal", "notes.txt"] {
            fs::write(run.path().join(FOLDER).join(name), "").unwrap();
        }
        let names: Vec<_> = journals(run.path()).unwrap().iter().map(|path| name(path)).collect();
        assert_eq!(names, ["n2-boot9.journal", "n2-boot10.journal", "n10-boot1.journal"]);
    }

    #[test]
    fn a_run_without_a_step_is_undecided_and_a_damaged_journal_an_error() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(check(run.path()).state, CheckState::Undecided);
        fs::create_dir(run.path().join(FOLDER)).unwrap();
        let path = run.path().join(FOLDER).join("n1-boot1.journal");
        fs::write(&path, "WWJOURNL\x01\0\0\0").unwrap();
        assert_eq!(check(run.path()).state, CheckState::Undecided);
        fs::write(&path, "WWJOURNL\x01\0\0\0damaged beyond a doubt").unwrap();
        let found = check(run.path());
        assert_eq!(found.state, CheckState::Error);
        assert!(found.findings[0].explanation.contains("damaged at byte 12"), "{found:?}");
    }
}
