//! Every node's core did what the paper's rules do: what a replay of the journals found.

use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::conformance::{JournalDivergence, JournalReplay};

const HEADING: Heading = Heading::new(
    "conformance",
    "every node's core did what the reference core does with the same inputs",
);

/// What there is of a run's journals.
#[derive(Clone, Debug, Default)]
pub(crate) enum Journals {
    /// None were kept.
    #[default]
    Absent,
    /// They are there, and nobody replayed them.
    Unread,
    /// Each was replayed.
    Replayed(Vec<JournalReplay>),
}

/// Judges what the replay found.
pub(crate) fn conformance(journals: &Journals) -> CheckResult {
    let replays = match journals {
        Journals::Absent => {
            return HEADING.not_exercised("no journals were kept", "--journal");
        }
        Journals::Unread => {
            let why = "the journals were not replayed";
            return HEADING.not_exercised(why, "whitewater check RUN");
        }
        Journals::Replayed(replays) => replays,
    };
    let (mut steps, mut entries, mut cut_short, mut findings) = (0, 0, 0, Vec::new());
    let mut state = CheckState::Holds;
    for replay in replays {
        steps += replay.steps;
        entries += replay.entries;
        cut_short += u64::from(replay.torn);
        if let Some(divergence) = &replay.divergence {
            state = state.max(CheckState::Broken);
            findings.push(nonconformance(replay, divergence));
        }
        if let Some(error) = &replay.error {
            state = state.max(CheckState::Error);
            findings.push(unreadable(error));
        }
    }
    if steps == 0 && findings.is_empty() {
        state = CheckState::Undecided;
        findings.push(unreadable("no journal holds a step"));
    }
    // What is worst comes first.
    findings.sort_by_key(|finding| finding.anomaly != "nonconformance");
    let summary = format!(
        "{steps} steps and {entries} entries of {} journals replayed, {cut_short} of them cut short by a kill",
        replays.len()
    );
    HEADING.result(state, summary, findings)
}

fn unreadable(explanation: &str) -> Finding {
    Finding::new("unreadable-journal", "A journal could not be replayed.", explanation.to_owned())
}

fn nonconformance(replay: &JournalReplay, divergence: &JournalDivergence) -> Finding {
    let node = replay.node.clone().unwrap_or_else(|| "a node".to_owned());
    let mut evidence = vec![format!("{}, step {}", replay.journal, divergence.step)];
    evidence.extend(divergence.lines.iter().cloned());
    Finding {
        anomaly: "nonconformance".to_owned(),
        headline: format!("{node} did what the reference core does not."),
        explanation: format!(
            "At step {} of its boot {}, {}. Up to there both did the same, byte for byte.",
            divergence.step,
            replay.boot.unwrap_or_default(),
            divergence.headline
        ),
        nodes: replay.node.iter().cloned().collect(),
        evidence,
        ..Finding::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(steps: u64) -> JournalReplay {
        JournalReplay {
            schema_version: 1,
            journal: "n1-boot2.journal".to_owned(),
            node: Some("n1".to_owned()),
            boot: Some(2),
            steps,
            ..JournalReplay::default()
        }
    }

    #[test]
    fn a_difference_is_broken_damage_an_error_and_nothing_is_undecided() {
        let divergence = JournalDivergence {
            step: 7,
            headline: "the recorded node says no vote".to_owned(),
            lines: vec!["input     a vote request".to_owned()],
        };
        let differs = JournalReplay { divergence: Some(divergence), ..replay(7) };
        let damaged = JournalReplay { error: Some("damaged at byte 12".to_owned()), ..replay(0) };
        let check = |replays: &[JournalReplay]| conformance(&Journals::Replayed(replays.to_vec()));
        assert_eq!(check(&[replay(5), replay(0)]).state, CheckState::Holds);
        assert_eq!(check(&[]).state, CheckState::Undecided);
        assert_eq!(check(&[replay(0)]).state, CheckState::Undecided);
        let found = check(&[replay(5), damaged.clone()]);
        assert_eq!(found.state, CheckState::Error);
        assert_eq!(found.findings[0].explanation, "damaged at byte 12");
        let found = check(&[damaged, differs]);
        assert_eq!(found.state, CheckState::Broken);
        assert_eq!(found.findings[0].headline, "n1 did what the reference core does not.");
        assert_eq!(found.findings[0].evidence[0], "n1-boot2.journal, step 7");
        assert!(found.findings[0].explanation.contains("step 7 of its boot 2"));
        for idle in [Journals::Absent, Journals::Unread] {
            let check = conformance(&idle);
            assert_eq!(check.state, CheckState::NotExercised);
            assert!(check.exercise.is_some());
        }
    }
}
