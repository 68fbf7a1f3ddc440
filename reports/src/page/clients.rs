//! What clients saw, where the servers' own account leads: a sentence, a picture and the operations in it.

use whitewater_checker::run_folder::WITNESS;

use crate::clock::{Clock, duration};
use crate::load::Run;
use crate::story::{Command, Story};
use crate::timeline;

/// The block below the banner.
pub(super) struct Clients {
    pub(super) headline: String,
    pub(super) explanation: String,
    /// How it hangs together with what leads.
    pub(super) relation: String,
    pub(super) note: String,
    pub(super) picture: Option<String>,
    pub(super) operations: Vec<Row>,
    /// Judges the operations alone.
    pub(super) command: Option<Command>,
}

/// One operation of the picture.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) client: u64,
    pub(super) node: String,
    pub(super) text: String,
    pub(super) begin: String,
    pub(super) took: String,
    /// Shown beside the proof.
    pub(super) is_context: bool,
    pub(super) is_blocked: bool,
}

impl Clients {
    pub(super) fn of(run: &Run, story: &Story<'_>) -> Option<Clients> {
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
