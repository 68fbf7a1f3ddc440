//! What `whitewater check` says to a person: what is broken first, a block for each finding, the verdict last.

use serde_json::Value;
use whitewater_checker::analysis::{Analysis, CheckResult, CheckState, Finding, WitnessOperation};
use whitewater_checker::objectives::Outcomes;
use whitewater_checker::{Verdict, ranking};

use super::rejudge;

/// Kinds of finding told in full; of the others the headline. A broken rule is broken over and over: the first
/// finding of a kind tells most, and ten of one kind must not hide the only one of another.
const KINDS_MAX: usize = 5;

/// Keys named of the findings that are only counted.
const KEYS_MAX: usize = 12;

/// What there is to say.
pub(super) struct Told<'a> {
    pub(super) analysis: &'a Analysis,
    /// The figures of `--json`.
    pub(super) figures: &'a Value,
    pub(super) objectives: &'a Outcomes,
    /// Every check, every finding, and the lines that prove it.
    pub(super) is_verbose: bool,
}

impl Told<'_> {
    /// All of it.
    pub(super) fn text(&self) -> String {
        let mut text = self.findings();
        text += &self.checks();
        for note in self.figures["notes"].as_array().into_iter().flatten() {
            text += &format!("note: {}\n", note.as_str().unwrap_or_default());
        }
        for line in self.objectives.lines() {
            text += &format!("{line}\n");
        }
        text += &rejudge::difference(self.figures);
        let verdict = match self.analysis.verdict {
            Verdict::Pass => "PASS",
            Verdict::Undecided => "UNDECIDED",
            Verdict::Error => "ERROR",
            Verdict::Violation => "VIOLATION",
        };
        let counted = |name: &str, one: &str, many: &str| {
            let number = &self.figures[name];
            format!("{number} {}", if number == 1 { one } else { many })
        };
        let operations = counted("operations", "operation", "operations");
        let keys = counted("keys", "key", "keys");
        text + &format!("{verdict}  {operations}, {keys}\n")
    }

    fn findings(&self) -> String {
        let kinds = kinds(ranking::told(self.analysis));
        let mut text = String::new();
        let mut hidden = 0;
        for (place, (check, findings)) in kinds.iter().enumerate() {
            match self.is_verbose {
                true => {
                    text.extend(findings.iter().map(|finding| self.finding(check, finding) + "\n"))
                }
                false if place < KINDS_MAX => {
                    text += &self.finding(check, findings[0]);
                    text += &alike(&findings[1..]);
                    text += "\n";
                    hidden += findings.len() - 1;
                }
                false => {
                    text += &headline(check, findings[0]);
                    text += &alike(&findings[1..]);
                    text += "\n";
                    hidden += findings.len();
                }
            }
        }
        let listed: usize = kinds.iter().map(|(_, all)| all.len()).sum();
        match self.analysis.findings_total() - listed as u64 {
            0 => {}
            1 => text += "1 more finding was counted and is not listed\n",
            unlisted => {
                text += &format!("{unlisted} more findings were counted and are not listed\n");
            }
        }
        let evidence = kinds.iter().flat_map(|(_, all)| all).any(|all| !all.evidence.is_empty());
        match (hidden, evidence && !self.is_verbose) {
            (0, false) => text,
            (0, true) => text + "-v shows the lines that prove it\n",
            (1, _) => text + "1 more finding: -v shows it, and the lines that prove each\n",
            _ => {
                text + &format!(
                    "{hidden} more findings: -v shows them, and the lines that prove each\n"
                )
            }
        }
    }

    fn finding(&self, check: &CheckResult, finding: &Finding) -> String {
        let mut text = headline(check, finding);
        let evidence = finding.evidence.iter().filter(|_| self.is_verbose).map(String::as_str);
        for line in finding.explanation.lines().chain(evidence) {
            text += &format!("  {line}\n");
        }
        for operation in finding.witness.iter().flat_map(|witness| &witness.operations) {
            let place = place(finding, operation);
            text += &format!("    {}  {}{place}\n", operation.label, operation.text);
        }
        text
    }

    /// The checks without a finding: by their number, unless they are few or all is asked for.
    fn checks(&self) -> String {
        const FEW: usize = 2;
        let silent: Vec<&CheckResult> =
            self.analysis.checks.iter().filter(|check| check.findings.is_empty()).collect();
        if self.is_verbose || silent.len() <= FEW {
            return silent.into_iter().map(line).collect();
        }
        let is_odd = |state| !matches!(state, CheckState::Holds | CheckState::NotExercised);
        let odd: String =
            silent.iter().filter(|check| is_odd(check.state)).map(|check| line(check)).collect();
        let held = self.analysis.count(CheckState::Holds);
        let checks = if held == 1 { "check" } else { "checks" };
        let idle = self.analysis.count(CheckState::NotExercised);
        odd + &format!("{held} {checks} held, {idle} not exercised (-v lists them)\n")
    }
}

/// The findings of one check and class together, in the order of the best of each.
fn kinds<'a>(ranked: Vec<ranking::Found<'a>>) -> Vec<(&'a CheckResult, Vec<&'a Finding>)> {
    let mut kinds: Vec<(&CheckResult, Vec<&Finding>)> = Vec::new();
    for (check, finding) in ranked {
        let kind = kinds
            .iter_mut()
            .find(|(of, all)| of.name == check.name && all[0].anomaly == finding.anomaly);
        match kind {
            Some((_, findings)) => findings.push(finding),
            None => kinds.push((check, vec![finding])),
        }
    }
    kinds
}

/// How many more there are of a kind, and on which keys: every violating key is named or counted.
fn alike(more: &[&Finding]) -> String {
    if more.is_empty() {
        return String::new();
    }
    let mut keys: Vec<&str> = more.iter().filter_map(|finding| finding.key.as_deref()).collect();
    keys.sort_unstable();
    keys.dedup();
    let named = keys.iter().take(KEYS_MAX).map(|key| format!("{key:?}")).collect::<Vec<_>>();
    let on = match (keys.len(), keys.len().saturating_sub(KEYS_MAX)) {
        (0, _) => String::new(),
        (1, _) => format!(", on key {}", named[0]),
        (_, 0) => format!(", on keys {}", named.join(", ")),
        (_, rest) => format!(", on keys {} and {rest} more", named.join(", ")),
    };
    format!("  {} more of this kind{on}\n", more.len())
}

fn headline(check: &CheckResult, finding: &Finding) -> String {
    let (word, title) = (check.state.word(), &check.title);
    format!("{word:9} {title} ({})\n  {}\n", check.name, finding.headline)
}

fn line(check: &CheckResult) -> String {
    let mut line = format!("{:13} {}", check.state.word(), check.title);
    if !check.summary.is_empty() {
        line += &format!(": {}", check.summary);
    }
    line + "\n"
}

/// Where an operation is: its process and key, and its line and index in the file.
fn place(finding: &Finding, operation: &WitnessOperation) -> String {
    let mut place = format!("  (client {}", operation.process);
    if let Some(key) = &finding.key {
        place += &format!(", key {key:?}");
    }
    if let Some(line) = operation.line {
        place += &format!(", line {line}");
    }
    if let Some(index) = operation.index {
        place += &format!(", :index {index}");
    }
    place + ")"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(name: &str, state: CheckState, findings: usize) -> CheckResult {
        let finding = Finding {
            headline: format!("{name} is wrong."),
            explanation: "Here is how.".into(),
            evidence: vec![r#"trace/n1.jsonl:7: {"node":1}"#.into()],
            ..Finding::default()
        };
        CheckResult {
            name: name.into(),
            title: format!("the promise of {name}"),
            state,
            summary: "seen".into(),
            findings: vec![finding; findings],
            ..CheckResult::default()
        }
    }

    fn text(checks: Vec<CheckResult>, is_verbose: bool) -> String {
        let analysis = Analysis::of(checks);
        let figures = json!({ "operations": 7, "keys": 2 });
        let objectives = Outcomes::default();
        Told { analysis: &analysis, figures: &figures, objectives: &objectives, is_verbose }.text()
    }

    #[test]
    fn what_is_broken_comes_first_and_the_verdict_last() {
        let mut checks: Vec<_> =
            (0..4).map(|n| check(&format!("held-{n}"), CheckState::Holds, 0)).collect();
        checks.push(check("idle", CheckState::NotExercised, 0));
        checks.push(check("vote-once", CheckState::Broken, 7));
        let short = text(checks.clone(), false);
        assert!(short.starts_with("broken    the promise of vote-once (vote-once)\n"), "{short}");
        assert_eq!(short.matches("vote-once is wrong.").count(), 1, "{short}");
        assert!(short.contains("\n  6 more of this kind\n\n"), "{short}");
        assert!(short.contains("6 more findings: -v shows them"), "{short}");
        assert!(short.contains("4 checks held, 1 not exercised (-v lists them)\n"), "{short}");
        assert!(!short.contains(r#"{"node""#) && !short.contains("held-1"), "{short}");
        assert!(short.ends_with("\nVIOLATION  7 operations, 2 keys\n"), "{short}");
        let long = text(checks, true);
        assert_eq!(long.matches(r#"{"node":1}"#).count(), 7);
        assert!(long.contains("holds         the promise of held-1: seen\n"), "{long}");
        assert!(long.contains("not exercised the promise of idle: seen\n"), "{long}");
        assert!(!long.contains("-v"), "{long}");
    }

    #[test]
    fn what_is_counted_only_is_said_too() {
        let mut many = check("linearizability", CheckState::Broken, 2);
        many.unlisted = 38;
        let text = text(vec![many], false);
        assert!(text.contains("38 more findings were counted and are not listed\n"), "{text}");
    }

    #[test]
    fn a_history_alone_tells_its_few_checks_and_what_is_undecided_is_never_hidden() {
        let one = text(vec![check("linearizability", CheckState::Holds, 0)], false);
        assert_eq!(
            one,
            "holds         the promise of linearizability: seen\nPASS  7 operations, 2 keys\n"
        );
        let mut checks: Vec<_> =
            (0..3).map(|n| check(&format!("held-{n}"), CheckState::Holds, 0)).collect();
        checks.push(check("open", CheckState::Undecided, 0));
        let text = text(checks, false);
        assert!(
            text.starts_with("undecided     the promise of open: seen\n3 checks held"),
            "{text}"
        );
    }

    #[test]
    fn many_findings_of_one_kind_hide_no_other_kind_and_their_keys_are_named() {
        let mut many = check("linearizability", CheckState::Broken, 40);
        for (number, finding) in many.findings.iter_mut().enumerate() {
            finding.anomaly = "stale-read".into();
            finding.key = Some(format!("k{:02}", number / 2));
        }
        many.findings
            .push(Finding { headline: "One write was lost.".into(), ..Finding::default() });
        let mut checks: Vec<_> =
            (0..KINDS_MAX).map(|n| check(&format!("rule-{n}"), CheckState::Broken, 2)).collect();
        checks.extend([many, check("conformance", CheckState::Broken, 1)]);
        let short = text(checks.clone(), false);
        assert!(short.contains("One write was lost."), "{short}");
        assert!(short.contains("conformance is wrong."), "{short}");
        assert!(short.contains("39 more of this kind, on keys \"k00\", \"k01\""), "{short}");
        assert!(short.contains("\"k11\" and 8 more\n"), "{short}");
        // Five of the rules in full, their twins counted; everything else by its headline.
        assert!(short.contains("47 more findings: -v shows them"), "{short}");
        let long = text(checks, true);
        assert_eq!(long.matches("linearizability is wrong.").count(), 40, "{long}");
    }
}
