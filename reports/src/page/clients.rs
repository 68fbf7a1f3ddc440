//! What clients saw, where the servers' own account leads: a sentence, a picture and the operations in it.

use askama::Template;
use whitewater_checker::run_folder::WITNESS;

use super::section::{Drawn, View, drawn};
use crate::clock::{Clock, duration};
use crate::load::Run;
use crate::story::{Command, Story};
use crate::timeline;

/// The block below the banner; none where a client's account leads anyway.
pub(super) fn section(view: &View<'_>) -> Drawn {
    match Clients::of(view.run, view.story) {
        Some(clients) => drawn(&clients, &[("clients", "Clients")]),
        None => Ok(None),
    }
}

#[derive(Template)]
#[template(path = "parts/clients.html")]
struct Clients {
    headline: String,
    explanation: String,
    /// How it hangs together with what leads.
    relation: String,
    note: String,
    picture: Option<String>,
    operations: Vec<Row>,
    /// Judges the operations alone.
    command: Option<Command>,
}

/// One operation of the picture.
struct Row {
    label: String,
    client: u64,
    node: String,
    text: String,
    begin: String,
    took: String,
    /// Shown beside the proof.
    is_context: bool,
    is_blocked: bool,
}

impl Clients {
    fn of(run: &Run, story: &Story<'_>) -> Option<Clients> {
        let seen = story.seen.as_ref()?;
        let finding = seen.finding;
        let clock = Clock::new(run.record.origin_ns);
        let witness = finding.witness.as_ref();
        let operations = witness.map_or(&[][..], |witness| &witness.operations).iter();
        let blocked = witness.and_then(|witness| witness.blocked.as_deref());
        let mut note =
            if seen.is_linked { "what came of it" } else { "in the same run" }.to_owned();
        note.push_str(&format!(" · {}", crate::story::words(&finding.anomaly)));
        note.extend(finding.key.as_ref().map(|key| format!(" · key {key}")));
        let own = |command: &&Command| command.line.ends_with(&WITNESS.to_string());
        Some(Clients {
            headline: seen.headline.clone(),
            explanation: finding.explanation.clone(),
            relation: seen.relation.clone(),
            note,
            picture: witness.and_then(|_| timeline::draw_as("clients-picture", run, finding)),
            operations: operations
                .map(|one| Row {
                    label: one.label.clone(),
                    client: one.process,
                    node: one.node.clone().unwrap_or_default(),
                    text: one.text.clone(),
                    begin: clock.bare(one.invoked_at_ns),
                    took: match one.completed_at_ns {
                        Some(end) => duration(end.saturating_sub(one.invoked_at_ns)),
                        None => "never answered".to_owned(),
                    },
                    is_context: !one.essential,
                    is_blocked: blocked == Some(one.label.as_str()),
                })
                .collect(),
            command: story.commands.iter().find(own).filter(|_| witness.is_some()).cloned(),
        })
    }
}
