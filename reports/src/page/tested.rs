//! What was tested, what was not, and what every check came to.

use askama::Template;
use whitewater_checker::analysis::Analysis;
use whitewater_checker::objectives::Seen;
use whitewater_checker::statistics::{Outcome, Statistics};

use super::section::{Drawn, Fact, View, drawn};
use crate::checks::{Untested, sorted, state_class, untested};
use crate::clock::{counted, duration, thousands};
use crate::load::Run;
use crate::role_lanes::{Claim, with_claims};
use crate::story::state_sign;

#[derive(Template)]
#[template(path = "parts/tested.html")]
struct Tested {
    tested: Vec<Fact>,
    untested: Vec<Untested>,
    checks: Vec<CheckRow>,
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    let tested = Tested {
        tested: tested(view.run),
        untested: untested(view.run, view.story),
        checks: checks(&view.run.record.analysis),
    };
    drawn(&tested, &[("tested", "Tested"), ("untested", "Not tested")])
}

/// A check as a row.
struct CheckRow {
    class: &'static str,
    sign: &'static str,
    word: &'static str,
    title: String,
    summary: String,
}

fn checks(analysis: &Analysis) -> Vec<CheckRow> {
    sorted(analysis)
        .into_iter()
        .map(|check| CheckRow {
            class: state_class(check.state),
            sign: state_sign(check.state),
            word: check.state.word(),
            title: check.title.clone(),
            summary: check.summary.clone(),
        })
        .collect()
}

fn tested(run: &Run) -> Vec<Fact> {
    let statistics = &run.statistics;
    let counts = statistics.operations;
    let mut facts = vec![Fact::new(
        "operations",
        format!(
            "{}: {} ok, {} rejected, {} with an unknown outcome",
            thousands(counts.total()),
            thousands(counts.ok),
            thousands(counts.fail),
            thousands(counts.info)
        ),
    )];
    if !statistics.functions.is_empty() {
        facts.push(Fact::new("by kind", by_kind(statistics)));
    }
    let load = format!(
        "{} client processes, {}, {} ok operations a second",
        thousands(statistics.processes),
        counted(statistics.keys, "key"),
        thousands(statistics.rate_per_s.round() as u64)
    );
    facts.push(Fact::new("load", load));
    if !statistics.phases.is_empty() {
        facts.push(Fact::new("ok by phase", by_phase(statistics)));
    }
    if run.is_history() {
        return facts;
    }
    let faults = statistics.faults.len() as u64;
    let effective = statistics.effective_faults();
    facts.push(Fact::new(
        "faults",
        format!("{} recorded, {effective} with an observed effect", thousands(faults)),
    ));
    let elections = statistics.elections;
    facts.push(Fact::new(
        "elections",
        format!(
            "{} won, {} failed; highest term {}",
            elections.won, elections.failed, elections.highest_term
        ),
    ));
    if let Some(count) = stale_answers(run) {
        let text = format!("{} ok, while another node led a higher term", thousands(count));
        facts.push(Fact::new("by a stale leader", text));
    }
    facts.extend(objectives(run));
    let clocks = match run.record.settings.is_simulated() {
        true => "virtual time: one clock for clients and faults, and each node's own beside it",
        false => "one host, CLOCK_MONOTONIC for clients, nodes and faults",
    };
    facts.push(Fact::new("clocks", clocks));
    facts
}

/// The plan's objectives, one by one.
fn objectives(run: &Run) -> impl Iterator<Item = Fact> {
    let outcomes = &run.record.objectives;
    let of_seen = |name, list: &[Seen]| {
        list.iter().map(|it| Fact::new(name, it.to_string())).collect::<Vec<_>>()
    };
    let missed = of_seen("objective missed", &outcomes.objectives_missed);
    let not_measured = outcomes.objectives_not_measured.iter();
    let not_measured =
        not_measured.map(|it| Fact::new("objective not measured", it.to_string())).collect();
    let met = of_seen("objective met", &outcomes.objectives_met);
    [missed, not_measured, met].into_iter().flatten()
}

/// Ok operations that began on a node while it led and another one led a higher term already: where
/// stale answers come from. `None` where no trace tells.
fn stale_answers(run: &Run) -> Option<u64> {
    let nodes = &run.statistics.nodes;
    if !nodes.iter().any(|node| node.from_trace) {
        return None;
    }
    let operations = &run.recording.operations;
    let count = nodes.iter().flat_map(|roles| {
        let stale =
            with_claims(roles, nodes).into_iter().filter(|(_, claim)| *claim == Claim::Stale);
        stale.map(|(span, _)| {
            let from = operations.partition_point(|one| one.invoked_at_ns < span.start_ns);
            let to = operations.partition_point(|one| one.invoked_at_ns < span.end_ns);
            let own = operations[from..to].iter().filter(|one| {
                one.outcome == Outcome::Ok && run.recording.node_of(one) == Some(&roles.node)
            });
            own.count() as u64
        })
    });
    Some(count.sum())
}

fn by_kind(statistics: &Statistics) -> String {
    let parts = statistics.functions.iter().map(|function| {
        format!(
            "{} {} (p99 {})",
            thousands(function.counts.total()),
            function.function,
            duration(function.latency.p99_ns)
        )
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn by_phase(statistics: &Statistics) -> String {
    let phases = statistics.phases.iter().filter(|phase| phase.counts.total() > 0);
    let parts = phases.map(|phase| format!("{} {}", phase.name, thousands(phase.counts.ok)));
    parts.collect::<Vec<_>>().join(", ")
}
