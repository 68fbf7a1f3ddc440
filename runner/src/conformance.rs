//! Conformance of a run: its nodes' journals, replayed by the rules of the paper.
//!
//! The replay is `whitewater-server`'s; this finds a run's journals and leaves what came of each as a fact,
//! which the checker judges.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::long_work::LongWork;
use anyhow::Context;
use whitewater_checker::conformance::{self, JournalDivergence, JournalReplay};
use whitewater_checker::run_folder::{CONFORMANCE, JOURNALS};
use whitewater_server::journal::{Divergence, EXTENSION, JournalError, UnderRules, replay};

/// A run's journals, by node and boot.
pub(crate) fn journals(run: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(run.join(JOURNALS)) {
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

/// Replays all of a run's journals by the paper's rules.
pub(crate) fn replay_all(run: &Path, work: &LongWork) -> Vec<JournalReplay> {
    match journals(run) {
        Ok(paths) => {
            let one = |(done, path): (usize, &PathBuf)| {
                work.at("replaying", done as u64, paths.len() as u64, "journals");
                replay_one(path)
            };
            paths.iter().enumerate().map(one).collect()
        }
        Err(error) => {
            vec![JournalReplay {
                error: Some(format!("list the journals: {error}")),
                ..blank(JOURNALS)
            }]
        }
    }
}

fn blank(journal: &str) -> JournalReplay {
    let schema_version = conformance::SCHEMA_VERSION;
    JournalReplay { schema_version, journal: journal.to_owned(), ..JournalReplay::default() }
}

fn replay_one(path: &Path) -> JournalReplay {
    let blank = blank(&name(path));
    match replay(path, UnderRules::Of(None)) {
        Ok(replayed) => JournalReplay {
            node: Some(format!("n{}", replayed.header.settings.id)),
            boot: Some(replayed.header.boot),
            steps: replayed.steps,
            entries: replayed.entries,
            torn: replayed.torn.is_some(),
            divergence: replayed.divergence.as_ref().map(|divergence| JournalDivergence {
                step: divergence.step,
                headline: divergence.headline.clone(),
                lines: lines(divergence),
            }),
            ..blank
        },
        // There was no time for a single step.
        Err(JournalError::NoHeader { .. }) => JournalReplay { torn: true, ..blank },
        // The run folder may be moved: the journal is named in it, not where it lay.
        Err(error) => {
            let text = error.to_string().replace(&path.display().to_string(), &name(path));
            JournalReplay { error: Some(text), ..blank }
        }
    }
}

/// Leaves what the replay found in the run's folder, for the checker.
pub(crate) fn write(run: &Path, replays: &[JournalReplay]) -> anyhow::Result<()> {
    CONFORMANCE.write(run, replays).context("write what the replay found")
}

/// Whether a run's nodes kept journals.
pub(crate) fn has_journals(run: &Path) -> bool {
    run.join(JOURNALS).is_dir()
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
    use crate::progress::Loudness;

    #[test]
    fn journals_stand_in_the_order_of_nodes_and_boots() {
        let run = tempfile::tempdir().unwrap();
        assert!(journals(run.path()).unwrap().is_empty());
        fs::create_dir(run.path().join(JOURNALS)).unwrap();
        for name in ["n10-boot1.journal", "n2-boot10.journal", "n2-boot9.journal", "notes.txt"] {
            fs::write(run.path().join(JOURNALS).join(name), "").unwrap();
        }
        let names: Vec<_> = journals(run.path()).unwrap().iter().map(|path| name(path)).collect();
        assert_eq!(names, ["n2-boot9.journal", "n2-boot10.journal", "n10-boot1.journal"]);
    }

    #[test]
    fn a_journal_without_a_step_and_a_damaged_one_are_facts_on_disk() {
        let run = tempfile::tempdir().unwrap();
        let work = LongWork::begin("replaying", Loudness { json: false, quiet: true });
        assert_eq!(replay_all(run.path(), &work), []);
        fs::create_dir(run.path().join(JOURNALS)).unwrap();
        let path = |boot| run.path().join(JOURNALS).join(format!("n1-boot{boot}.journal"));
        fs::write(path(1), "WWJOURNL\x01\0\0\0").unwrap();
        fs::write(path(2), "WWJOURNL\x01\0\0\0damaged beyond a doubt").unwrap();
        let replays = replay_all(run.path(), &work);
        assert!(replays[0].torn && replays[0].error.is_none(), "{replays:?}");
        let error = replays[1].error.as_deref().unwrap();
        assert!(error.contains("damaged at byte 12"), "{error}");
        assert!(!error.contains('/'), "{error}");
        write(run.path(), &replays).unwrap();
        let analysis =
            whitewater_checker::check_run(run.path(), &whitewater_checker::Options::default());
        // Without anything else there is nothing to judge.
        assert!(analysis.is_err());
        fs::write(run.path().join("history.jsonl"), "").unwrap();
        let analysis =
            whitewater_checker::check_run(run.path(), &whitewater_checker::Options::default())
                .unwrap();
        let check = analysis.checks.iter().find(|check| check.name == "conformance").unwrap();
        assert_eq!(check.state, whitewater_checker::analysis::CheckState::Error);
    }
}
