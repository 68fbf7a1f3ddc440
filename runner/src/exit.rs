//! Exit codes: the one place that says what the process's end means.
//!
//! CI reads these, so they are stable: a product bug, a call to mend, a machine to mend and a tool
//! bug all look different. Nothing else in the crate names a number.

use std::io;

use whitewater_checker::Verdict;
use whitewater_checker::objectives::Outcomes;
pub(crate) use whitewater_processes::Refusal;

use crate::sentence::is_malformed;

/// What the process says when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything held, and enough happened to say so.
    Pass,
    /// The target broke a promise.
    Violation,
    /// The call or the configuration is wrong.
    Usage,
    /// Too little happened, or a budget ran out.
    Undecided,
    /// The machine does not let the run happen: port, rights, disk, a server that does not start.
    Environment,
    /// A service-level objective was missed.
    Objective,
    /// A bug of this tool.
    Internal,
    /// Stopped by SIGINT; what was recorded is kept.
    Interrupted,
    /// Stopped by SIGTERM; what was recorded is kept.
    Terminated,
}

impl Exit {
    /// Every one, in the order of their codes.
    #[cfg(test)]
    pub(crate) const ALL: [Exit; 9] = [
        Exit::Pass,
        Exit::Violation,
        Exit::Usage,
        Exit::Undecided,
        Exit::Environment,
        Exit::Objective,
        Exit::Internal,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Violation => 1,
            Exit::Usage => 2,
            Exit::Undecided => 3,
            Exit::Environment => 4,
            Exit::Objective => 5,
            Exit::Internal => 70,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }

    /// What a verdict comes to.
    pub(crate) fn of_verdict(verdict: Verdict) -> Exit {
        match verdict {
            Verdict::Pass => Exit::Pass,
            Verdict::Undecided => Exit::Undecided,
            Verdict::Error => Exit::Environment,
            Verdict::Violation => Exit::Violation,
        }
    }

    /// What a verdict and the objectives beside it come to. They count where the verdict is a pass: then a
    /// missed one weighs more than one that nothing could be held against.
    pub(crate) fn of_run(verdict: Verdict, objectives: &Outcomes) -> Exit {
        let missed = !objectives.objectives_missed.is_empty();
        let not_measured = !objectives.objectives_not_measured.is_empty();
        match (Exit::of_verdict(verdict), missed, not_measured) {
            (Exit::Pass, true, _) => Exit::Objective,
            (Exit::Pass, false, true) => Exit::Undecided,
            (exit, _, _) => exit,
        }
    }

    /// What an error comes to: a [`Refusal`] says so itself, trouble with files and sockets is the
    /// machine's, anything else is a bug here.
    pub(crate) fn of_error(error: &anyhow::Error) -> Exit {
        if let Some(refusal) = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>()) {
            return match refusal {
                Refusal::Usage(_) => Exit::Usage,
                Refusal::Environment(_) => Exit::Environment,
            };
        }
        if error.chain().any(is_malformed) {
            return Exit::Usage;
        }
        if error.chain().any(|cause| cause.is::<io::Error>()) {
            return Exit::Environment;
        }
        Exit::Internal
    }
}

/// A violation that is wanted: a positive control in CI. Written `violation` or `violation:CHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// The check that has to find it; `None`: any.
    check: Option<String>,
}

impl std::str::FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "expected `violation` or `violation:CHECK`, such as violation:vote-once".to_owned();
        match text.split_once(':') {
            None if text == "violation" => Ok(Self { check: None }),
            Some(("violation", check)) if !check.is_empty() => {
                let known = whitewater_checker::check_names();
                match known.iter().any(|name| name == check) {
                    true => Ok(Self { check: Some(check.to_owned()) }),
                    false => Err(unknown_check(check, &known)),
                }
            }
            _ => Err(wrong()),
        }
    }
}

/// Names the check that was probably meant, and all that there are.
fn unknown_check(check: &str, known: &[String]) -> String {
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(name, check), name))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| format!(" (did you mean {name}?)"))
        .unwrap_or_default();
    format!("no check is called `{check}`{nearest}; there are {}", known.join(", "))
}

/// Above it one name is taken for a slip of the other; as clap does it for its own names.
const LIKENESS_MIN: f64 = 0.7;

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.check {
            None => f.write_str("violation"),
            Some(check) => write!(f, "violation:{check}"),
        }
    }
}

impl Expectation {
    /// What a verdict comes to where this is expected, and a line for people. `broken` are the checks that
    /// found a violation.
    pub(crate) fn exit(&self, verdict: Verdict, broken: &[String]) -> (Exit, String) {
        let is_found = verdict == Verdict::Violation
            && self.check.as_ref().is_none_or(|wanted| broken.contains(wanted));
        let by = match broken {
            [] => "no check found one".to_owned(),
            _ => format!("found by {}", broken.join(", ")),
        };
        match (is_found, verdict) {
            (true, _) => (Exit::Pass, format!("expected {self}: {by}")),
            (false, Verdict::Error) => (Exit::Environment, format!("expected {self}: {by}")),
            (false, _) => (Exit::Undecided, format!("expected {self}, which was not found: {by}")),
        }
    }
}

/// What a verdict comes to, and a line for people where something is expected.
pub(crate) fn expected(
    expect: Option<&Expectation>,
    verdict: Verdict,
    broken: &[String],
    objectives: &Outcomes,
) -> (Exit, Option<String>) {
    match expect {
        None => (Exit::of_run(verdict, objectives), None),
        Some(expect) => {
            let (exit, line) = expect.exit(verdict, broken);
            (exit, Some(line))
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use whitewater_checker::statistics::{Latency, Statistics};

    use super::*;

    #[test]
    fn an_error_keeps_its_exit_code_under_context() {
        let usage = anyhow::Error::new(Refusal::Usage("no such file".into())).context("read plan");
        assert_eq!(Exit::of_error(&usage), Exit::Usage);
        let disk = Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull)).context("write");
        assert_eq!(Exit::of_error(&disk.unwrap_err()), Exit::Environment);
        assert_eq!(Exit::of_error(&anyhow::anyhow!("impossible")), Exit::Internal);
    }

    #[test]
    fn an_expected_violation_is_found_or_it_is_not() {
        let exit = |wanted: &str, verdict, broken: &[&str]| {
            let broken: Vec<String> = broken.iter().map(|name| (*name).to_owned()).collect();
            wanted.parse::<Expectation>().unwrap().exit(verdict, &broken).0
        };
        let found = ["vote-once"];
        assert_eq!(exit("violation", Verdict::Violation, &found), Exit::Pass);
        assert_eq!(exit("violation:vote-once", Verdict::Violation, &found), Exit::Pass);
        assert_eq!(exit("violation:commit-rule", Verdict::Violation, &found), Exit::Undecided);
        assert_eq!(exit("violation", Verdict::Pass, &[]), Exit::Undecided);
        assert_eq!(exit("violation", Verdict::Undecided, &[]), Exit::Undecided);
        assert_eq!(exit("violation", Verdict::Error, &[]), Exit::Environment);
        for wrong in ["", "pass", "violation:", "violations"] {
            assert!(wrong.parse::<Expectation>().is_err(), "{wrong}");
        }
        let unknown = "violation:vote-onec".parse::<Expectation>().unwrap_err();
        let meant = "no check is called `vote-onec` (did you mean vote-once?); there are \
                     linearizability, ";
        assert!(unknown.starts_with(meant), "{unknown}");
        assert!("violation:zzz".parse::<Expectation>().unwrap_err().contains("`zzz`; there are"));
        // Every check can be asked for.
        for name in whitewater_checker::check_names() {
            assert!(format!("violation:{name}").parse::<Expectation>().is_ok(), "{name}");
        }
    }

    #[test]
    fn objectives_count_where_the_verdict_is_a_pass() {
        let statistics = Statistics::default();
        let unmeasured = Outcomes::of(&["p99<1us".parse().unwrap()], &statistics);
        let statistics = Statistics {
            latency: Latency { count: 1, p99_ns: 2_000, ..Latency::default() },
            ..Statistics::default()
        };
        let met = Outcomes::of(&["p99<3us".parse().unwrap()], &statistics);
        let missed = Outcomes::of(&["p99<1us".parse().unwrap()], &statistics);
        let both = Outcomes::of(
            &["p99<1us".parse().unwrap(), "failover_p50<1s".parse().unwrap()],
            &statistics,
        );
        let codes = |verdict| {
            let outcomes = [&Outcomes::default(), &met, &missed, &both, &unmeasured];
            outcomes.map(|outcomes| expected(None, verdict, &[], outcomes).0.code())
        };
        assert_eq!(codes(Verdict::Pass), [0, 0, 5, 5, 3]);
        assert_eq!(codes(Verdict::Undecided), [3; 5]);
        assert_eq!(codes(Verdict::Error), [4; 5]);
        assert_eq!(codes(Verdict::Violation), [1; 5]);
        // A violation that was expected and not found is told first.
        let wanted = Some("violation".parse().unwrap());
        assert_eq!(expected(wanted.as_ref(), Verdict::Pass, &[], &missed).0, Exit::Undecided);
    }

    #[test]
    fn an_undecided_run_is_never_a_pass() {
        assert_eq!(Exit::of_verdict(Verdict::Undecided).code(), 3);
        assert_eq!(Exit::of_verdict(Verdict::Pass).code(), 0);
    }
}
