//! The checks in the order a reader wants them, and what a run left untested.

use whitewater_checker::analysis::{Analysis, CheckResult, CheckState};
use whitewater_checker::ranking;

use crate::load::Run;
use crate::story::Story;

/// Broken ones first, then what could not be judged, what held, and what had nothing to look at.
pub(crate) fn sorted(analysis: &Analysis) -> Vec<&CheckResult> {
    let rank = |check: &&CheckResult| match check.state {
        CheckState::Broken => 0,
        CheckState::Error => 1,
        CheckState::Undecided => 2,
        CheckState::Holds => 3,
        CheckState::NotExercised => 4,
    };
    // Those with findings in the order in which these are told, so that every output names the same one first.
    let told = ranking::told(analysis);
    let place = |check: &CheckResult| {
        let own = told.iter().position(|(of, _)| std::ptr::eq(*of, check));
        own.unwrap_or(told.len())
    };
    let mut checks: Vec<&CheckResult> = analysis.checks.iter().collect();
    checks.sort_by_key(|check| (rank(check), place(check)));
    checks
}

/// The tone a check is shown in: only what was looked at and held is green.
pub(crate) fn state_class(state: CheckState) -> &'static str {
    match state {
        CheckState::Holds => "good",
        CheckState::NotExercised => "idle",
        CheckState::Undecided => "warn",
        CheckState::Error => "error",
        CheckState::Broken => "bad",
    }
}

/// Something that a verdict says nothing about.
pub(crate) struct Untested {
    /// More than one, where all have the same reason.
    pub(crate) what: Vec<String>,
    pub(crate) why: String,
    /// What would test it; empty where nobody knows.
    pub(crate) how: String,
}

/// The checks that had nothing to look at, the fault families that were not asked for, and the
/// weaknesses.
pub(crate) fn untested(run: &Run, story: &Story<'_>) -> Vec<Untested> {
    let checks = run.record.analysis.checks.iter();
    let idle = checks.filter(|check| check.state == CheckState::NotExercised);
    let mut list: Vec<Untested> = Vec::new();
    for check in idle {
        let (why, how) = (&check.summary, check.exercise.clone().unwrap_or_default());
        match list.iter_mut().find(|other| other.why == *why && other.how == how) {
            Some(same) => same.what.push(check.title.clone()),
            None => list.push(Untested { what: vec![check.title.clone()], why: why.clone(), how }),
        }
    }
    list.extend(story.weaknesses.iter().map(|weakness| Untested {
        what: vec!["weakness".to_owned()],
        why: weakness.clone(),
        how: String::new(),
    }));
    if run.is_history() {
        list.push(Untested {
            what: vec!["everything but the answers to clients".to_owned()],
            why: "a history alone says nothing of the servers".to_owned(),
            how: "whitewater run".to_owned(),
        });
    }
    // A record without settings does not tell what was asked for.
    if !run.is_history() && run.record.settings.nodes > 0 {
        let settings = &run.record.settings;
        let missing =
            settings.families().filter(|family| !settings.faults.iter().any(|it| it == family));
        list.extend(missing.map(|family| Untested {
            what: vec![format!("faults: {family}")],
            why: "not asked for".to_owned(),
            how: format!("a run with --faults {family}"),
        }));
    }
    list
}
