//! What was tested, the key figures, the checks, and the environment, as lists of facts.

use whitewater_checker::analysis::{Analysis, CheckState};
use whitewater_checker::objectives::Seen;
use whitewater_checker::statistics::{AVAILABILITY_GAP_NS, Outcome, Statistics};

use super::Fact;
use crate::clock::{Clock, counted, duration, thousands};
use crate::load::Run;
use crate::role_lanes::{Claim, with_claims};
use crate::story::state_sign;

/// A number worth a box of its own.
pub(super) struct Figure {
    pub(super) value: String,
    pub(super) caption: String,
    pub(super) title: String,
}

/// A check as a row.
pub(super) struct CheckRow {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    pub(super) title: String,
    pub(super) summary: String,
}

/// The tone a check is shown in: only what was looked at and held is green.
pub(super) fn state_class(state: CheckState) -> &'static str {
    match state {
        CheckState::Holds => "good",
        CheckState::NotExercised => "idle",
        CheckState::Undecided => "warn",
        CheckState::Error => "error",
        CheckState::Broken => "bad",
    }
}

pub(super) fn checks(analysis: &Analysis) -> Vec<CheckRow> {
    crate::checks::sorted(analysis)
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

pub(super) fn tested(run: &Run) -> Vec<Fact> {
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
        "{} client processes, {}, {:.0} ok operations a second",
        thousands(statistics.processes),
        counted(statistics.keys, "key"),
        statistics.rate_per_s
    );
    facts.push(Fact::new("load", load));
    if !statistics.phases.is_empty() {
        facts.push(Fact::new("ok by phase", by_phase(statistics)));
    }
    if run.is_history() {
        return facts;
    }
    let faults = run.recording.faults.len() as u64;
    let effective = statistics.effective_faults();
    facts.push(Fact::new(
        "faults",
        format!("{} planned, {effective} with an observed effect", thousands(faults)),
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
    facts.push(Fact::new("clocks", "one host, CLOCK_MONOTONIC for clients, nodes and faults"));
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

pub(super) fn figures(run: &Run) -> Vec<Figure> {
    let statistics = &run.statistics;
    let clock = Clock::new(run.record.origin_ns);
    let figure = |value: String, caption: String, title: &str| Figure {
        value,
        caption,
        title: title.to_owned(),
    };
    let mut figures = Vec::new();
    // Times of a foreign history may be anything, and served time means nothing without a run.
    if run.is_history() {
        return figures;
    }
    if let Some(availability) = statistics.availability {
        let limit = duration(AVAILABILITY_GAP_NS);
        let caption = format!("of the time served (no gap > {limit})");
        figures.push(figure(format!("{:.2} %", availability.share * 100.0), caption, ""));
    }
    if let Some(outage) = &statistics.longest_outage {
        let cause = match outage.faults.as_slice() {
            [] => "no fault in force".to_owned(),
            ids => {
                let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
                format!("fault {}", ids.join(", "))
            }
        };
        // What is short enough to count as served is no outage.
        let is_outage = outage.end_ns - outage.start_ns > AVAILABILITY_GAP_NS;
        let what = if is_outage { "longest outage" } else { "longest gap between ok replies" };
        let caption = format!("{what}, at {} ({cause})", clock.moment(outage.start_ns));
        figures.push(figure(duration(outage.end_ns - outage.start_ns), caption, ""));
    }
    if let Some(median) = median_failover(statistics) {
        let losses = statistics.failovers.len() as u64;
        let noun = if losses == 1 { "leader lost" } else { "leaders lost" };
        let title = "From the loss of a leader to the election of the next one";
        figures.push(figure(duration(median), format!("median failover ({losses} {noun})"), title));
    }
    let latency = statistics.latency;
    if latency.count > 0 {
        let quiet = duration(statistics.latency_without_fault.p99_ns);
        figures.push(figure(duration(latency.p50_ns), "p50 latency, ok operations".to_owned(), ""));
        let caption = format!("p99 latency, ok operations ({quiet} without faults)");
        figures.push(figure(duration(latency.p99_ns), caption, ""));
    }
    figures.push(figure(
        thousands(statistics.operations.info),
        "△ unknown outcomes".to_owned(),
        "",
    ));
    figures
}

/// The median time from losing a leader to electing the next.
pub(crate) fn median_failover(statistics: &Statistics) -> Option<u64> {
    let mut times: Vec<u64> =
        statistics.failovers.iter().map(|failover| failover.elected_after_ns).collect();
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? / 2).copied()
}

/// What "served" means, printed because the share is worth nothing without it.
pub(super) fn availability_note(run: &Run) -> String {
    let clock = Clock::new(run.record.origin_ns);
    run.statistics
        .availability
        .filter(|_| !run.is_history())
        .map(|availability| {
            format!(
                "Served: between {} and {}, every time without a gap longer than {} between two ok \
                 completions; a longer gap counts in full as not served.",
                clock.moment(availability.from_ns),
                clock.moment(availability.to_ns),
                duration(availability.gap_limit_ns)
            )
        })
        .unwrap_or_default()
}

pub(super) fn environment(run: &Run) -> Vec<Fact> {
    let (record, environment) = (&run.record, &run.record.environment);
    let settings = &record.settings;
    let joined = |parts: &[&str]| {
        let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    };
    let digest = match environment.server_digest.as_str() {
        "" => String::new(),
        digest => format!("(digest {digest})"),
    };
    let snapshots = match settings.snapshot_entries {
        Some(entries) => format!(", a snapshot every {} entries", thousands(entries)),
        None => String::new(),
    };
    let cluster = format!(
        "{}, {}, {}, workload {}{snapshots}",
        counted(u64::from(settings.nodes), "node"),
        counted(u64::from(settings.clients), "client"),
        counted(u64::from(settings.keys), "key"),
        settings.workload
    );
    let host = format!(
        "{} {}, {}, {} MiB, {}",
        environment.host,
        environment.system,
        counted(u64::from(environment.cores), "core"),
        thousands(environment.memory_mib),
        environment.file_system
    );
    let load = format!(
        "{:.2} at the start, {:.2} at the end",
        environment.load_average.0, environment.load_average.1
    );
    let tool = match environment.tool_version.as_str() {
        "" => String::new(),
        version => joined(&["whitewater", version, &environment.tool_commit]),
    };
    let facts = [
        ("server", joined(&[&environment.server_version, &digest])),
        ("executable", settings.server.clone().unwrap_or_default()),
        ("planted bug", settings.mutant.clone().unwrap_or_default()),
        ("tool", tool),
        ("seed", record.known_seed().map(|seed| seed.to_string()).unwrap_or_default()),
        ("target", settings.target.clone()),
        ("cluster", if settings.nodes > 0 { cluster } else { String::new() }),
        ("faults", settings.faults.join(", ")),
        ("fault tier", environment.fault_tier.clone()),
        ("host", if environment.host.is_empty() { String::new() } else { host }),
        ("load average", if environment.host.is_empty() { String::new() } else { load }),
        ("CI", environment.ci.clone().unwrap_or_default()),
        ("began", record.started_at.clone()),
        ("state hashes", state_hashes(run)),
    ];
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| Fact::new(name, value)).collect()
}

/// The nodes' final states in a line: one hash when all agree.
fn state_hashes(run: &Run) -> String {
    let nodes = &run.record.final_status;
    let Some(first) = nodes.values().next() else { return String::new() };
    if nodes
        .values()
        .all(|node| (node.applied, &node.state_hash) == (first.applied, &first.state_hash))
    {
        return format!(
            "{} on {} at index {}",
            first.state_hash,
            counted(nodes.len() as u64, "node"),
            first.applied
        );
    }
    let parts: Vec<String> = nodes
        .iter()
        .map(|(name, node)| format!("{name} {} at index {}", node.state_hash, node.applied))
        .collect();
    parts.join("; ")
}
