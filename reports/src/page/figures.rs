//! The key figures.

use askama::Template;
use whitewater_checker::statistics::AVAILABILITY_GAP_NS;

use super::section::{Drawn, View, drawn};
use crate::clock::{Clock, duration, thousands};
use crate::load::Run;

#[derive(Template)]
#[template(path = "parts/figures.html")]
struct Figures {
    figures: Vec<Figure>,
    availability_note: String,
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    let (figures, availability_note) = (figures(view.run), availability_note(view.run));
    drawn(&Figures { figures, availability_note }, &[])
}

/// A number worth a box of its own.
struct Figure {
    value: String,
    caption: String,
    title: String,
}

fn figures(run: &Run) -> Vec<Figure> {
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
    if let Some(median) = statistics.median_failover_ns() {
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

/// What "served" means, printed because the share is worth nothing without it.
fn availability_note(run: &Run) -> String {
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
