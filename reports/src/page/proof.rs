//! Why the blocked operation fits nowhere, and what else was found.

use whitewater_checker::analysis::{CheckResult, Finding, Witness};

use super::facts::state_class;
use crate::clock::{Clock, counted, listed, thousands};
use crate::story::{Story, short_title, state_sign, words};

/// The proof in the form of the page.
pub(super) struct Proof {
    pub(super) blocked: String,
    pub(super) blocked_text: String,
    pub(super) key: Option<String>,
    pub(super) initial: String,
    pub(super) order_head: String,
    pub(super) steps: Vec<Step>,
    pub(super) slots: Vec<SlotRow>,
    pub(super) notes: Vec<String>,
}

/// One operation of the valid order.
pub(super) struct Step {
    pub(super) label: String,
    pub(super) text: String,
    pub(super) state: String,
    /// Whether the state is another one than before.
    pub(super) changes: bool,
}

/// One place the blocked operation was tried at.
pub(super) struct SlotRow {
    pub(super) place: String,
    pub(super) state: String,
    pub(super) reason: String,
}

/// Findings of one kind beside the main one.
pub(super) struct Other {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) headline: String,
    /// The check, how often, and on which keys.
    pub(super) about: String,
    pub(super) explanations: Vec<String>,
    /// The evidence of the first one.
    pub(super) lines: Vec<String>,
    pub(super) open: bool,
    /// Seconds on the run's clock, for jumping to the chart; empty where it has no moment.
    pub(super) at: String,
}

/// More kinds than this are counted by the checks table and shown no further.
const OTHERS_MAX: usize = 20;
/// Findings of one kind that are told in full.
const ALIKE_MAX: usize = 3;
/// Findings beyond this start folded.
const OTHERS_OPEN: usize = 3;

impl Proof {
    pub(super) fn of(finding: &Finding) -> Option<Proof> {
        let witness = finding.witness.as_ref()?;
        let blocked = witness.blocked.clone()?;
        let text = |label: &str| {
            let found = witness.operations.iter().find(|operation| operation.label == label);
            found.map(|operation| operation.text.clone()).unwrap_or_default()
        };
        let mut state = witness.initial.clone();
        let steps = witness.order.iter().map(|step| {
            let changes = step.state != state;
            state.clone_from(&step.state);
            Step {
                label: step.label.clone(),
                text: text(&step.label),
                state: step.state.clone(),
                changes,
            }
        });
        let steps: Vec<Step> = steps.collect();
        let (placed, all) = (steps.len(), witness.operations.len());
        Some(Proof {
            blocked_text: text(&blocked),
            blocked,
            key: finding.key.clone(),
            initial: witness.initial.clone(),
            order_head: match placed {
                0 => "No operation can come before it:".to_owned(),
                placed => format!("The longest valid order takes {placed} of {all} operations:"),
            },
            slots: witness
                .slots
                .iter()
                .map(|slot| SlotRow {
                    place: slot.place.clone(),
                    state: slot.state.clone(),
                    reason: slot.reason.clone(),
                })
                .collect(),
            steps,
            notes: notes(witness),
        })
    }
}

fn notes(witness: &Witness) -> Vec<String> {
    let labels = |essential: bool| -> Vec<&str> {
        let own = witness.operations.iter().filter(|operation| operation.essential == essential);
        own.map(|operation| operation.label.as_str()).collect()
    };
    let (essential, context) = (labels(true), labels(false));
    // Only what the second checker has confirmed.
    let needed = witness.operations.iter().filter(|operation| operation.is_needed);
    let needed: Vec<&str> = needed.map(|operation| operation.label.as_str()).collect();
    let mut notes = Vec::new();
    if !essential.is_empty() {
        let mut text = match (essential.as_slice(), needed.as_slice()) {
            ([alone], _) => format!("{alone} fits nowhere all by itself."),
            (_, []) => String::new(),
            (_, [alone]) => format!("Leave out {alone} and the rest has a valid order."),
            (_, several) => {
                format!("Leave out any one of {} and the rest has a valid order.", listed(several))
            }
        };
        if !context.is_empty() {
            text.push_str(&format!(" {} shown for context.", are(&context)));
        }
        notes.extend(Some(text.trim().to_owned()).filter(|text| !text.is_empty()));
    }
    if let Some(weaker) = &witness.weaker {
        notes.push(format!("What still holds: {}.", weaker.trim_end_matches('.')));
    }
    notes
}

fn are(labels: &[&str]) -> String {
    format!("{} {}", listed(labels), if labels.len() == 1 { "is" } else { "are" })
}

/// The line beside the picture's title.
pub(super) fn picture_note(
    finding: Option<&Finding>,
    operations: u64,
    faults: Option<usize>,
) -> String {
    let Some(finding) = finding else { return String::new() };
    let Some(witness) = &finding.witness else {
        return "the nodes around the moment, on a real time axis".to_owned();
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
    text.push_str(" · real time axis");
    text
}

/// The other findings, those of one kind together: forty of one kind are one problem.
pub(super) fn others(story: &Story<'_>, clock: Clock) -> Vec<Other> {
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
