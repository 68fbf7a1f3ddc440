//! The cluster serves again within a deadline once the last fault is healed.
//!
//! The runner says in the history when it lifted everything and how long recovery may take. An
//! operation that began after that and succeeded in time is the proof. A record that ends before the
//! deadline proves nothing either way.

use super::Phases;
use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::fault::{FaultRecord, FaultStatus};
use crate::history::{History, Outcome};
use crate::run_folder::HISTORY;

const HEADING: Heading = Heading::new("recovery", "serves again in time after the last fault");

/// Judges the time after the faults. Serving on proves no recovery where nothing had struck.
pub(crate) fn recovery(history: Option<&History>, faults: &[FaultRecord]) -> CheckResult {
    let check = served_again(history);
    let is_struck = |fault: &FaultRecord| !matches!(fault.status, FaultStatus::Skipped { .. });
    if check.state == CheckState::Holds && !faults.iter().any(is_struck) {
        let exercise = "a run with --faults";
        return HEADING.not_exercised("no fault was injected", exercise);
    }
    check
}

fn served_again(history: Option<&History>) -> CheckResult {
    let Some(history) = history else {
        return HEADING.not_exercised(
            &format!("no {HISTORY}"),
            "a run of this tool, which records what clients saw",
        );
    };
    let phases = Phases::of(history);
    let Some(phase) = phases.find("recovery") else {
        return HEADING.not_exercised(
            "the run has no recovery phase",
            "a run that is not cut short before its phase recovery",
        );
    };
    let Some(deadline_ms) = phase.deadline_ms else {
        return HEADING.not_exercised(
            "the recovery phase has no deadline",
            "a run of this tool, which sets one",
        );
    };
    let allowed_ns = deadline_ms.saturating_mul(1_000_000);
    let first = history
        .operations
        .iter()
        .filter(|operation| operation.invoked_at_ns >= phase.at_ns)
        .filter(|operation| matches!(operation.outcome, Outcome::Ok | Outcome::Rejected))
        .map(|operation| operation.completed_at_ns - phase.at_ns)
        .min();
    if let Some(after_ns) = first
        && after_ns <= allowed_ns
    {
        let summary =
            format!("first success {} after the heal, {} allowed", ms(after_ns), ms(allowed_ns));
        return HEADING.result(CheckState::Broken, summary, Vec::new());
    }
    let recorded_ns = last_ns(history).saturating_sub(phase.at_ns);
    if recorded_ns < allowed_ns {
        return HEADING.not_exercised(
            &format!("the record ends {} after the last heal", ms(recorded_ns)),
            "a run that is not cut short in its phase recovery",
        );
    }
    let finding = not_served(history, phase.at_ns, (allowed_ns, recorded_ns), first);
    HEADING.result(CheckState::Broken, format!("{} allowed", ms(allowed_ns)), vec![finding])
}

/// What is wrong where nothing succeeded in time: from the last success on, to the next or the end of the record.
/// The pair is what was allowed and what was recorded.
fn not_served(
    history: &History,
    healed_ns: u64,
    (allowed_ns, recorded_ns): (u64, u64),
    first: Option<u64>,
) -> Finding {
    let found = match first {
        Some(after_ns) => format!("The first operation to succeed did so after {}.", ms(after_ns)),
        None => format!("No operation succeeded in the {} that were recorded.", ms(recorded_ns)),
    };
    let ended_ns = history
        .operations
        .iter()
        .filter(|operation| matches!(operation.outcome, Outcome::Ok | Outcome::Rejected))
        .map(|operation| operation.completed_at_ns)
        .filter(|at_ns| *at_ns < healed_ns + first.unwrap_or(u64::MAX - healed_ns))
        .max();
    let ended = match ended_ns {
        None => "Nothing had succeeded before.".to_owned(),
        Some(at_ns) if at_ns <= healed_ns => {
            format!(
                "The last one before that had succeeded {} before the faults were lifted.",
                ms(healed_ns - at_ns)
            )
        }
        Some(at_ns) => format!(
            "The last one before that, begun under the faults, succeeded {} after they were lifted.",
            ms(at_ns - healed_ns)
        ),
    };
    Finding {
        anomaly: "no-recovery".to_owned(),
        headline: "The cluster did not serve in time after the last fault was healed.".to_owned(),
        explanation: format!(
            "All faults were lifted and {} allowed. {found} {ended}",
            ms(allowed_ns)
        ),
        at_ns: Some(ended_ns.unwrap_or(healed_ns)),
        until_ns: Some(healed_ns.saturating_add(first.unwrap_or(recorded_ns))),
        ..Finding::default()
    }
}

/// The last moment that the history tells of.
fn last_ns(history: &History) -> u64 {
    let told = history.nemesis.iter().map(|(_, event)| event.time_ns);
    let begun = history.operations.iter().map(|operation| operation.invoked_at_ns);
    told.chain(begun).max().unwrap_or(0)
}

fn ms(nanoseconds: u64) -> String {
    match nanoseconds as f64 / 1e6 {
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history;
    use crate::options::Options;

    /// A recovery phase at 1 s with a deadline of 10 s, then a read that begins and ends at these
    /// milliseconds, then the phase after it.
    fn check(began_ms: u64, read_ms: (u64, u64), outcome: &str, end_ms: u64) -> CheckResult {
        let phase = |name: &str, at_ms: u64, more: &str| {
            format!(
                r#"{{"process":"nemesis","type":"info","f":"phase","value":{{"name":"{name}"{more}}},"time_ns":{}}}"#,
                at_ms * 1_000_000
            )
        };
        let read = |kind: &str, at_ms: u64| {
            format!(
                r#"{{"process":1,"type":"{kind}","f":"read","key":"k","value":null,"time_ns":{}}}"#,
                at_ms * 1_000_000
            )
        };
        let recovery = phase("recovery", began_ms, r#","deadline_ms":10000"#);
        let mut lines = vec![
            (began_ms, recovery),
            (read_ms.0, read("invoke", read_ms.0)),
            (read_ms.1, read(outcome, read_ms.1)),
            (end_ms, phase("end", end_ms, "")),
        ];
        lines.sort_by_key(|(at_ms, _)| *at_ms);
        let text: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        let input = std::io::Cursor::new(text.join("\n").into_bytes());
        let source = history::read_from("test", Box::new(input), &Options::default()).unwrap();
        super::served_again(Some(&source.history))
    }

    #[test]
    fn an_outage_is_told_from_the_last_success_on() {
        let late = check(1_000, (12_000, 12_500), "ok", 20_000);
        let finding = &late.findings[0];
        assert_eq!(finding.at_ns, Some(1_000_000_000), "nothing had succeeded before");
        assert_eq!(finding.until_ns, Some(12_500_000_000));
        assert!(finding.explanation.ends_with("Nothing had succeeded before."), "{finding:?}");
        // The read succeeds under the faults, and nothing does after.
        let never = check(1_000, (200, 700), "ok", 20_000);
        let finding = &never.findings[0];
        assert_eq!((finding.at_ns, finding.until_ns), (Some(700_000_000), Some(20_000_000_000)));
        let told = "The last one before that had succeeded 300 ms before the faults were lifted.";
        assert!(finding.explanation.ends_with(told), "{finding:?}");
    }

    #[test]
    fn a_success_in_time_is_a_recovery() {
        let check = check(1_000, (1_500, 1_700), "ok", 20_000);
        assert_eq!(check.state, CheckState::Holds);
        assert_eq!(check.summary, "first success 700 ms after the heal, 10.0 s allowed");
    }

    #[test]
    fn one_that_came_too_late_or_never_is_none() {
        let late = check(1_000, (1_500, 13_500), "ok", 20_000);
        assert_eq!(late.state, CheckState::Broken);
        assert!(late.findings[0].explanation.contains("did so after 12.5 s"), "{late:?}");
        let never = check(1_000, (1_500, 1_700), "info", 20_000);
        assert_eq!(never.findings[0].anomaly, "no-recovery");
        assert!(never.findings[0].explanation.contains("in the 19.0 s that were recorded"));
    }

    #[test]
    fn what_began_before_the_heal_proves_nothing_and_a_short_record_neither() {
        assert_eq!(check(1_000, (900, 1_100), "ok", 20_000).state, CheckState::Broken);
        let short = check(1_000, (1_500, 1_700), "info", 3_000);
        assert_eq!((short.state, short.findings.len()), (CheckState::NotExercised, 0));
        assert_eq!(short.summary, "the record ends 2.0 s after the last heal");
        assert_eq!(served_again(None).summary, "no history.jsonl");
    }
}
