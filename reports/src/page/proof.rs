//! Why the blocked operation fits nowhere.

use askama::Template;
use whitewater_checker::analysis::{Finding, Witness};

use super::section::{Drawn, View, drawn};
use crate::clock::listed;

pub(super) fn section(view: &View<'_>) -> Drawn {
    match view.story.witnessed().and_then(Proof::of) {
        Some(proof) => drawn(&proof, &[("why", "Why")]),
        None => Ok(None),
    }
}

/// The proof in the form of the page.
#[derive(Template)]
#[template(path = "parts/proof.html")]
struct Proof {
    blocked: String,
    blocked_text: String,
    key: Option<String>,
    initial: String,
    order_head: String,
    steps: Vec<Step>,
    slots: Vec<SlotRow>,
    notes: Vec<String>,
}

/// One operation of the valid order.
struct Step {
    label: String,
    text: String,
    state: String,
    /// Whether the state is another one than before.
    changes: bool,
}

/// One place the blocked operation was tried at.
struct SlotRow {
    place: String,
    state: String,
    reason: String,
}

impl Proof {
    fn of(finding: &Finding) -> Option<Proof> {
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
