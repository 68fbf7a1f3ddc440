//! What every output says in the same words: the verdict, the headline, what to do next.

use whitewater_checker::Verdict;
use whitewater_checker::analysis::{Analysis, CheckResult, CheckState, Finding};
use whitewater_checker::fault::FaultStatus;
use whitewater_checker::ranking;
use whitewater_checker::run_folder::{PLAN, RunRecord, WITNESS};
use whitewater_checker::statistics::Statistics;

use crate::clock::{Clock, counted, duration, thousands};
use crate::correlation::{self, Correlation};
use crate::load::Run;
use crate::plain::clean;

/// A run in words.
#[derive(Debug)]
pub(crate) struct Story<'a> {
    pub(crate) verdict: Verdict,
    /// `broken: linearizable · stale read · key k17`.
    pub(crate) tagline: String,
    pub(crate) headline: String,
    pub(crate) explanation: String,
    /// The finding that the report is about.
    pub(crate) finding: Option<&'a Finding>,
    /// What clients saw, where the servers' own account leads.
    pub(crate) seen: Option<Seen<'a>>,
    /// Findings beside these, each with its check, in the order of [`whitewater_checker::ranking`].
    pub(crate) others: Vec<(&'a CheckResult, &'a Finding)>,
    pub(crate) correlation: Correlation,
    /// Groups failures with the same cause: no values, times or node numbers.
    pub(crate) signature: Option<String>,
    pub(crate) commands: Vec<Command>,
    /// Why the run counts for less than it looks: faults without effect, missing files.
    pub(crate) weaknesses: Vec<String>,
}

/// What clients saw of a run in which the servers' own account leads: the consequence, as far as is known.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) finding: &'a Finding,
    /// One sentence.
    pub(crate) headline: String,
    /// How it hangs together with the finding that leads: what shows it, or that nothing does.
    pub(crate) relation: String,
    pub(crate) is_linked: bool,
}

impl<'a> Seen<'a> {
    pub(crate) fn of(analysis: &'a Analysis) -> Option<Seen<'a>> {
        let (_, leading) = ranking::leading(analysis)?;
        let (check, finding) = ranking::seen_by_clients(analysis)?;
        let link = ranking::link(leading, finding);
        let headline = match finding.headline.trim_end_matches('.') {
            "" => format!("{}: {}.", check.title, words(&finding.anomaly)),
            text => format!("{text}."),
        };
        Some(Seen {
            finding,
            headline,
            is_linked: link.is_some(),
            relation: link.unwrap_or_else(|| {
                "Nothing recorded shows whether it came of the broken rule.".to_owned()
            }),
        })
    }

    /// The words before its sentence: `Clients, in the same run:`.
    pub(crate) fn lead(&self) -> &'static str {
        if self.is_linked { "Clients saw it:" } else { "Clients, in the same run:" }
    }
}

/// A command line for the reader to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) title: &'static str,
    pub(crate) line: String,
}

impl<'a> Story<'a> {
    pub(crate) fn of(run: &'a Run) -> Story<'a> {
        let record = &run.record;
        let main = main_finding(&record.analysis);
        let clock = Clock::new(record.origin_ns);
        let correlation = main
            .map(|(_, finding)| correlation::of_finding(&run.statistics, clock, finding))
            .unwrap_or_default();
        let signature = record.signature.clone().or_else(|| ranking::signature(&record.analysis));
        let seen = Seen::of(&record.analysis);
        let shown = [main.map(|(_, finding)| finding), seen.as_ref().map(|seen| seen.finding)];
        let is_shown =
            |finding: &Finding| shown.iter().flatten().any(|shown| std::ptr::eq(*shown, finding));
        let mut others = ranking::ranked(&record.analysis);
        others.retain(|(_, finding)| !is_shown(finding));
        Story {
            verdict: record.verdict,
            tagline: tagline(record),
            headline: headline(record, &run.statistics),
            explanation: explanation(record, &run.statistics),
            finding: main.map(|(_, finding)| finding),
            seen,
            others,
            correlation,
            signature,
            commands: commands(record, &run.path_shown()),
            weaknesses: weaknesses(run),
        }
    }

    /// The finding whose operations are drawn, proven and kept as a history of their own, whichever leads.
    pub(crate) fn witnessed(&self) -> Option<&'a Finding> {
        let seen = self.seen.as_ref().map(|seen| seen.finding);
        [self.finding, seen].into_iter().flatten().find(|finding| finding.witness.is_some())
    }

    /// How many findings there are beside the told ones, those that are counted only included.
    pub(crate) fn others_total(&self, analysis: &Analysis) -> u64 {
        let told = u64::from(self.finding.is_some()) + u64::from(self.seen.is_some());
        analysis.findings_total().saturating_sub(told)
    }

    /// The command to try first.
    pub(crate) fn repeat(&self) -> Option<&Command> {
        self.commands.first()
    }
}

/// The finding a report is about: the checker says which.
pub(crate) fn main_finding(analysis: &Analysis) -> Option<(&CheckResult, &Finding)> {
    ranking::leading(analysis)
}

/// How long a run took: of a simulated one that is the time of its own clock, and said so.
pub(crate) fn lasted(record: &RunRecord) -> String {
    let time = duration(record.duration_ms * 1_000_000);
    match record.settings.is_simulated() {
        true => format!("simulated cluster, {time} of virtual time"),
        false => time,
    }
}

/// The word in the badge.
pub(crate) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Violation => "VIOLATION",
        Verdict::Undecided => "UNDECIDED",
        Verdict::Error => "ERROR",
    }
}

/// The sign beside it: told apart without colour.
pub(crate) fn verdict_sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Violation => "✕",
        Verdict::Undecided => "?",
        Verdict::Error => "!",
    }
}

/// The sign of a check: what was not looked at has none of the verdicts' signs.
pub(crate) fn state_sign(state: CheckState) -> &'static str {
    match state {
        CheckState::NotExercised => "–",
        looked => verdict_sign(looked.verdict()),
    }
}

/// A slug as words: `stale-read` is `stale read`.
pub(crate) fn words(slug: &str) -> String {
    slug.replace('-', " ")
}

/// A check's promise where it is short, otherwise its slug as words: for chips and taglines.
pub(crate) fn short_title(check: &CheckResult) -> String {
    const FITS: usize = 34;
    if check.title.chars().count() <= FITS { check.title.clone() } else { words(&check.name) }
}

pub(crate) fn tagline(record: &RunRecord) -> String {
    let mut parts = Vec::new();
    match main_finding(&record.analysis) {
        Some((check, finding)) => {
            let lead = match record.verdict {
                Verdict::Violation => "broken: ",
                Verdict::Undecided => "open: ",
                Verdict::Error | Verdict::Pass => "",
            };
            parts.push(format!("{lead}{}", short_title(check)));
            parts.push(words(&finding.anomaly));
            parts.extend(finding.key.as_ref().map(|key| format!("key {key}")));
        }
        None => {
            parts.push(checks_in_words(&record.analysis));
        }
    }
    parts.extend(record.interrupted.as_ref().map(|reason| format!("cut short: {reason}")));
    parts.join(" · ")
}

/// `14 checks held, 9 not exercised`.
pub(crate) fn checks_in_words(analysis: &Analysis) -> String {
    let held = format!("{} held", counted(analysis.count(CheckState::Holds), "check"));
    match analysis.count(CheckState::NotExercised) {
        0 => held,
        idle => format!("{held}, {idle} not exercised"),
    }
}

pub(crate) fn headline(record: &RunRecord, statistics: &Statistics) -> String {
    match main_finding(&record.analysis) {
        Some((_, finding)) if !finding.headline.is_empty() => {
            finding.headline.trim_end_matches('.').to_owned()
        }
        Some((check, finding)) => format!("{}: {}", check.title, words(&finding.anomaly)),
        None if record.verdict == Verdict::Pass && record.settings.mutant.is_some() => format!(
            "The mutant was not seen in {} ok operations under {} with an effect",
            thousands(statistics.operations.ok),
            counted(statistics.effective_faults() as u64, "fault")
        ),
        None if record.verdict == Verdict::Pass => format!(
            "Nothing wrong in {} ok operations under {} with an effect",
            thousands(statistics.operations.ok),
            counted(statistics.effective_faults() as u64, "fault")
        ),
        None => match &record.interrupted {
            Some(_) => "The run was cut short; what was recorded holds no violation".to_owned(),
            None => "The run ended without a verdict of its own".to_owned(),
        },
    }
}

pub(crate) fn explanation(record: &RunRecord, statistics: &Statistics) -> String {
    if let Some((_, finding)) = main_finding(&record.analysis) {
        return finding.explanation.clone();
    }
    if record.verdict == Verdict::Pass {
        return format!(
            "{} of {} client processes on {} were judged, across {}. A pass covers the recorded \
             history and nothing else; what was tested stands below.",
            counted(statistics.operations.total(), "operation"),
            thousands(statistics.processes),
            counted(statistics.keys, "key"),
            counted(statistics.elections.won, "won election"),
        );
    }
    record.interrupted.as_ref().map(|reason| format!("Reason: {reason}.")).unwrap_or_default()
}

fn weaknesses(run: &Run) -> Vec<String> {
    let faults = &run.recording.faults;
    let mut found = Vec::new();
    let skipped =
        faults.iter().filter(|fault| matches!(fault.status, FaultStatus::Skipped { .. })).count();
    let idle = faults.iter().filter(|fault| !fault.effective).count() - skipped;
    if idle > 0 {
        found.push(format!("{idle} of {} had no effect", counted(faults.len() as u64, "fault")));
    }
    if skipped > 0 {
        found.push(format!("{} skipped", counted(skipped as u64, "fault")));
    }
    if run.record.settings.mutant.is_some() {
        found.push("the server was a mutant".to_owned());
    }
    found
}

fn commands(record: &RunRecord, path: &str) -> Vec<Command> {
    let settings = &record.settings;
    let path = quoted(path);
    let mut list = Vec::new();
    if settings.command.is_empty() {
        let line = format!("whitewater run --plan {path}/{PLAN}");
        list.push(Command { title: "Run the same plan again", line });
    } else {
        list.push(Command { title: "Run it again", line: settings.command.clone() });
        let mut line = format!("whitewater run --plan {path}/{PLAN}");
        for (flag, value) in [("--mutant", &settings.mutant), ("--server", &settings.server)] {
            if let Some(value) = value {
                line.push_str(&format!(" {flag} {}", quoted(value)));
            }
        }
        list.push(Command { title: "Run exactly this plan", line });
    }
    let told = [ranking::leading(&record.analysis), ranking::seen_by_clients(&record.analysis)];
    if told.into_iter().flatten().any(|(_, finding)| finding.witness.is_some()) {
        let line = format!("whitewater check {path}/{WITNESS}");
        list.push(Command { title: "Judge the smallest failing set alone", line });
    }
    let check = format!("whitewater check {path}");
    list.push(Command {
        title: "Judge the recorded history again, without a cluster",
        line: check,
    });
    let report = format!("whitewater report {path}");
    list.push(Command { title: "Draw this report again", line: report });
    list
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What ran: `register · kill, pause, partition`.
pub(crate) fn scenario(record: &RunRecord) -> String {
    let settings = &record.settings;
    let mut parts = vec![settings.workload.clone()];
    parts.push(settings.faults.join(", "));
    parts.extend(settings.mutant.as_ref().map(|mutant| format!("mutant {mutant}")));
    parts.retain(|part| !part.is_empty());
    clean(&parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_saw_is_told_beside_a_rule_that_leads() {
        let told = |name: &str, text: &str, witness: bool| CheckResult {
            name: name.to_owned(),
            state: Verdict::Violation.into(),
            findings: vec![Finding {
                headline: format!("{text}."),
                explanation: format!("How {text}."),
                witness: witness.then(Default::default),
                ..Finding::default()
            }],
            ..CheckResult::default()
        };
        let rule = told("read-index", "A rule was broken", false);
        let analysis =
            Analysis::of(vec![rule.clone(), told("linearizability", "A read was stale", true)]);
        let run = Run {
            record: RunRecord {
                analysis: analysis.clone(),
                verdict: Verdict::Violation,
                ..RunRecord::default()
            },
            ..Run::default()
        };
        let story = Story::of(&run);
        let seen = story.seen.as_ref().unwrap();
        assert_eq!(
            (story.headline.as_str(), story.explanation.as_str()),
            ("A rule was broken", "How A rule was broken.")
        );
        assert_eq!(
            (seen.lead(), seen.headline.as_str()),
            ("Clients, in the same run:", "A read was stale.")
        );
        assert!(seen.relation.contains("Nothing recorded shows"), "{}", seen.relation);
        assert!(story.others.is_empty());
        // Its operations are drawn, and its history can be judged alone.
        assert!(story.witnessed().unwrap().witness.is_some());
        assert!(story.commands.iter().any(|command| command.line.ends_with(&WITNESS.to_string())));
        let alone = Analysis::of(vec![rule]);
        assert!(Seen::of(&alone).is_none());
    }

    #[test]
    fn commands_survive_a_shell() {
        assert_eq!(quoted("./target/server"), "./target/server");
        assert_eq!(quoted("my server's"), "'my server'\\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_run_without_command_is_repeated_by_its_plan() {
        let list = commands(&RunRecord::default(), "runs/x");
        assert_eq!(list[0].line, "whitewater run --plan runs/x/plan.json");
    }
}
