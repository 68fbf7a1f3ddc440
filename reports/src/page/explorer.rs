//! What the script needs beside the operations: names, faults, roles and marks, as one JSON island.

use askama::Template;
use serde_json::{Value, json};
use whitewater_checker::statistics::{NodeRoles, fault_span};

use super::columns::{Columns, GRID_COLUMNS, GRID_FASTEST_US, GRID_ROWS, GRID_ROWS_PER_DECADE};
use super::section::{Drawn, View, drawn};
use super::{details, overview};
use crate::clock::Clock;
use crate::correlation::blocked_operation;
use crate::load::Run;
use crate::palette::look;
use crate::role_lanes::{Claim, kind, with_claims};
use crate::story::{Story, words};

pub(super) fn section(view: &View<'_>) -> Drawn {
    let explorer = Explorer {
        note: &view.columns.note,
        overview: overview::draw(view.run, view.story.finding),
        has_moment: view.story.finding.is_some_and(|finding| finding.at_ns.is_some()),
        is_history: view.run.is_history(),
    };
    drawn(&explorer, &[("run", "Whole run")])
}

#[derive(Template)]
#[template(path = "parts/explorer.html")]
struct Explorer<'a> {
    note: &'a str,
    overview: String,
    has_moment: bool,
    is_history: bool,
}

/// The island's text. Safe inside a script element: every `<` is escaped.
pub(super) fn meta(run: &Run, story: &Story<'_>, columns: &Columns) -> String {
    let recording = &run.recording;
    let clock = Clock::new(run.record.origin_ns);
    let seconds = |time_ns: u64| round(clock.seconds(time_ns));
    let faults: Vec<Value> = recording
        .faults
        .iter()
        .filter_map(|fault| {
            let (from, to) = fault_span(fault, recording.last_ns)?;
            Some(json!({
                "id": fault.id, "kind": fault.kind, "class": look(fault.scope()).class,
                "name": fault.name, "nodes": fault.nodes, "from": seconds(from), "to": seconds(to),
            }))
        })
        .collect();
    let nodes = &run.statistics.nodes;
    let lanes: Vec<Value> = nodes
        .iter()
        .map(|roles| json!({ "node": roles.node, "spans": spans(roles, nodes, seconds) }))
        .collect();
    let marks = story.finding.and_then(|finding| {
        let blocked = blocked_operation(finding);
        let took = blocked.and_then(|one| {
            Some(one.completed_at_ns? - one.invoked_at_ns.min(one.completed_at_ns?))
        });
        Some(json!({
            "at": seconds(finding.at_ns?), "name": words(&finding.anomaly),
            "until": finding.until_ns.map(seconds),
            "from": blocked.map(|one| seconds(one.invoked_at_ns)),
            "latency": took.map(|ns| ns as f64 / 1e6),
        }))
    });
    let witness: Vec<Value> = story
        .witnessed()
        .and_then(|finding| finding.witness.as_ref())
        .map(|witness| {
            let operations = witness.operations.iter();
            operations
                .map(|one| json!([one.process, seconds(one.invoked_at_ns), one.label, one.text]))
                .collect()
        })
        .unwrap_or_default();
    let details: Vec<Value> = details::near(run, story.witnessed().or(story.finding))
        .into_iter()
        .map(|one| json!([one.process, seconds(one.invoked_at_ns), one.text]))
        .collect();
    let grid = columns.has_grid.then(|| {
        json!({ "columns": GRID_COLUMNS, "rows": GRID_ROWS, "fastest": GRID_FASTEST_US,
            "perDecade": GRID_ROWS_PER_DECADE })
    });
    let phases: Vec<Value> =
        run.record.phases.iter().map(|(name, begin)| json!([name, seconds(*begin)])).collect();
    let meta = json!({
        "count": columns.count,
        "first": clock.seconds(recording.first_ns),
        "from": seconds(recording.first_ns).min(0.0),
        "to": seconds(recording.last_ns),
        "functions": recording.functions,
        "keys": recording.keys,
        "nodes": recording.nodes,
        "faults": faults,
        "lanes": lanes,
        "mark": marks,
        "witness": witness,
        "details": details,
        "phases": phases,
        "grid": grid,
    });
    // Inside a script element `<` could end it or open a comment; in JSON text `<` occurs in
    // strings only, where the escape means the same.
    meta.to_string().replace('<', "\\u003c")
}

/// Each span as `[from, to, kind, term]`.
fn spans(roles: &NodeRoles, all: &[NodeRoles], seconds: impl Fn(u64) -> f64) -> Vec<Value> {
    with_claims(roles, all)
        .into_iter()
        .map(|(span, claim)| {
            let kind = match (kind(&span), claim) {
                ("leader", Claim::Stale) => "stale",
                ("leader", Claim::Rival) => "rival",
                (kind, _) => kind,
            };
            json!([seconds(span.start_ns), seconds(span.end_ns), kind, span.term])
        })
        .collect()
}

/// To the microsecond: more would be bytes without meaning.
fn round(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}
