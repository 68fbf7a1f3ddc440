//! What was found beside what the page tells above.

use askama::Template;
use whitewater_checker::analysis::{CheckResult, Finding};

use super::section::{Drawn, View, drawn};
use crate::checks::state_class;
use crate::clock::{Clock, counted};
use crate::story::{Story, short_title, state_sign, words};

#[derive(Template)]
#[template(path = "parts/others.html")]
struct Others {
    note: String,
    others: Vec<Other>,
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    // Those that are not listed included.
    let total = view.story.others_total(&view.run.record.analysis);
    if total == 0 {
        return Ok(None);
    }
    let others = others(view.story, Clock::new(view.run.record.origin_ns));
    drawn(&Others { note: counted(total, "finding"), others }, &[])
}

/// Findings of one kind beside the main one.
struct Other {
    class: &'static str,
    sign: &'static str,
    headline: String,
    /// The check, how often, and on which keys.
    about: String,
    explanations: Vec<String>,
    /// The evidence of the first one.
    lines: Vec<String>,
    open: bool,
    /// Seconds on the run's clock, for jumping to the chart; empty where it has no moment.
    at: String,
}

/// More kinds than this are counted by the checks table and shown no further.
const OTHERS_MAX: usize = 20;
/// Findings of one kind that are told in full.
const ALIKE_MAX: usize = 3;
/// Findings beyond this start folded.
const OTHERS_OPEN: usize = 3;

/// The other findings, those of one kind together: forty of one kind are one problem.
fn others(story: &Story<'_>, clock: Clock) -> Vec<Other> {
    let mut groups: Vec<Vec<(&CheckResult, &Finding)>> = Vec::new();
    for (check, finding) in &story.others {
        let same = groups.iter_mut().find(|group| {
            let (other, first) = group[0];
            other.name == check.name && first.anomaly == finding.anomaly
        });
        match same {
            Some(group) => group.push((check, finding)),
            None => groups.push(vec![(check, finding)]),
        }
    }
    groups
        .iter()
        .take(OTHERS_MAX)
        .enumerate()
        .map(|(index, group)| other(index, group, clock))
        .collect()
}

fn other(index: usize, group: &[(&CheckResult, &Finding)], clock: Clock) -> Other {
    let (check, first) = group[0];
    let mut keys: Vec<&str> = group.iter().filter_map(|one| one.1.key.as_deref()).collect();
    keys.dedup();
    let mut about = short_title(check);
    if group.len() > 1 {
        about.push_str(&format!(" · {} times", group.len()));
    }
    if let [first, .., last] = keys.as_slice() {
        about.push_str(&format!(" · {} keys from {first} to {last}", keys.len()));
    } else if let [only] = keys.as_slice() {
        about.push_str(&format!(" · key {only}"));
    }
    Other {
        class: state_class(check.state),
        sign: state_sign(check.state),
        headline: match first.headline.as_str() {
            "" => words(&first.anomaly),
            text => text.trim_end_matches('.').to_owned(),
        },
        about,
        explanations: group.iter().take(ALIKE_MAX).map(|one| one.1.explanation.clone()).collect(),
        lines: first.evidence.clone(),
        open: index < OTHERS_OPEN,
        at: first.at_ns.map(|at_ns| clock.bare(at_ns)).unwrap_or_default(),
    }
}
