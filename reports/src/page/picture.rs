//! The violation, or the moment that was found, as a drawing.

use askama::Template;
use whitewater_checker::Verdict;
use whitewater_checker::analysis::Finding;

use super::section::{Drawn, View, drawn};
use crate::clock::{counted, thousands};
use crate::timeline;

#[derive(Template)]
#[template(path = "parts/picture.html")]
struct Picture {
    is_violation: bool,
    note: String,
    picture: String,
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    let (run, finding) = (view.run, view.story.finding);
    let Some(picture) = finding.and_then(|finding| timeline::draw(run, finding)) else {
        return Ok(None);
    };
    let operations = run.statistics.operations.total();
    let faults = (!run.is_history()).then_some(run.statistics.faults.len());
    let is_violation = run.record.verdict == Verdict::Violation;
    let picture = Picture { is_violation, note: note(finding, operations, faults), picture };
    drawn(&picture, &[("witness", if is_violation { "Violation" } else { "Moment" })])
}

/// The line beside the picture's title.
fn note(finding: Option<&Finding>, operations: u64, faults: Option<usize>) -> String {
    let Some(finding) = finding else { return String::new() };
    let Some(witness) = &finding.witness else {
        return "the nodes around the moment, times to scale".to_owned();
    };
    let count = witness.operations.len();
    let context = witness.operations.iter().filter(|operation| !operation.essential).count();
    let mut clients: Vec<u64> =
        witness.operations.iter().map(|operation| operation.process).collect();
    clients.sort_unstable();
    clients.dedup();
    let mut text =
        format!("smallest failing set: {}", counted((count - context) as u64, "operation"));
    if context > 0 {
        text.push_str(&format!(" + {context} for context"));
    }
    text.push_str(&format!(
        " of {}, by {}",
        thousands(operations),
        counted(clients.len() as u64, "client"),
    ));
    text.push_str(&faults.map_or(String::new(), |faults| {
        format!(" · {} in the run", counted(faults as u64, "fault"))
    }));
    text.push_str(" · times to scale");
    text
}
