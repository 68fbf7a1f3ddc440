//! The fault table: the plan beside what was observed.

use askama::Template;
use whitewater_checker::fault::{FaultRecord, FaultStatus};
use whitewater_checker::statistics::FaultStatistics;

use super::section::{Drawn, View, drawn};
use crate::clock::{Clock, duration};
use crate::load::Run;
use crate::palette::look;
use crate::story::Story;

#[derive(Template)]
#[template(path = "parts/faults.html")]
struct Faults {
    faults: Vec<Row>,
}

/// None for a history alone, which does not tell of faults.
pub(super) fn section(view: &View<'_>) -> Drawn {
    if view.run.is_history() {
        return Ok(None);
    }
    drawn(&Faults { faults: rows(view.run, view.story) }, &[("faults", "Faults")])
}

/// One fault as a row of texts.
struct Row {
    id: u32,
    kind: String,
    class: &'static str,
    name: String,
    target: String,
    struck: String,
    /// Seconds from and to, for jumping to the chart; empty where it was never in force.
    from: String,
    to: String,
    start: String,
    lasted: String,
    gap: String,
    first_ok: String,
    /// Why it counts for nothing, or empty.
    weak: String,
    effects: String,
    /// The fault nearest to the violation.
    near: bool,
}

fn rows(run: &Run, story: &Story<'_>) -> Vec<Row> {
    let clock = Clock::new(run.record.origin_ns);
    let figures = run.statistics.faults.iter();
    run.recording
        .faults
        .iter()
        .zip(figures)
        .map(|(fault, figures)| row(fault, figures, clock, story))
        .collect()
}

fn row(fault: &FaultRecord, figures: &FaultStatistics, clock: Clock, story: &Story<'_>) -> Row {
    let dash = || "–".to_owned();
    let start = figures.start_ns.map_or_else(dash, |time| clock.bare(time));
    let lasted = figures.start_ns.zip(fault.healed_at_ns.or(figures.end_ns));
    let mut effects = fault.effects.clone();
    if figures.elections_won > 0 {
        let plural = if figures.elections_won == 1 { "" } else { "s" };
        effects.push(format!("{} election{plural}", figures.elections_won));
    }
    let bare = |time: Option<u64>| time.map(|time| clock.bare(time)).unwrap_or_default();
    Row {
        from: bare(figures.start_ns),
        to: bare(figures.end_ns),
        id: fault.id,
        kind: fault.kind.clone(),
        class: look(figures.scope).class,
        name: fault.name.clone(),
        target: fault.target.clone(),
        struck: if fault.detail.is_empty() { fault.nodes.join(" ") } else { fault.detail.clone() },
        start,
        lasted: lasted
            .map_or_else(dash, |(from, to)| format!("{:.2}", to.saturating_sub(from) as f64 / 1e9)),
        gap: figures.longest_gap_ns.map_or_else(dash, duration),
        first_ok: figures.first_ok_after_heal_ns.map_or_else(dash, duration),
        weak: weakness(fault),
        effects: effects.join("; "),
        near: story.signature.is_some() && story.correlation.fault == Some(fault.id),
    }
}

fn weakness(fault: &FaultRecord) -> String {
    match &fault.status {
        FaultStatus::Skipped { reason } => format!("skipped: {reason}"),
        FaultStatus::Indeterminate { reason } => format!("unclear: {reason}"),
        FaultStatus::Installed if !fault.effective => "no effect observed".to_owned(),
        FaultStatus::Installed => String::new(),
    }
}
