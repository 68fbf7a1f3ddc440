//! Checks of what anyone can see from outside: exits, recovery, and what is there at the end.
//!
//! They need no trace, so they hold for every target. Each looks at one of the runner's files and at
//! the phases in the history; where its file is missing it says that it did not look.

mod acknowledged;
mod final_state;
mod liveness;
mod phases;
mod processes;
mod recovery;

pub(crate) use acknowledged::acknowledged;
pub(crate) use final_state::final_state;
pub(crate) use liveness::{MembershipTold, Observed, liveness};
pub(crate) use phases::Phases;
pub(crate) use processes::processes;
pub(crate) use recovery::recovery;

use crate::analysis::{CheckResult, Finding};
use crate::verdict::Verdict;

/// A result without findings: nothing wrong, or nothing looked at.
fn nothing(name: &str, title: &str, summary: impl Into<String>) -> CheckResult {
    CheckResult {
        name: name.to_owned(),
        title: title.to_owned(),
        summary: summary.into(),
        ..CheckResult::default()
    }
}

/// A result with findings.
fn result(
    name: &str,
    title: &str,
    verdict: Verdict,
    summary: String,
    findings: Vec<Finding>,
) -> CheckResult {
    let verdict = if findings.is_empty() { Verdict::Pass } else { verdict };
    CheckResult { name: name.to_owned(), title: title.to_owned(), verdict, summary, findings }
}
