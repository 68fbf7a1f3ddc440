//! Small line charts over the runs: failover, latency, and whether as much was tested as before.

use super::entries::Entry;
use crate::clock::{duration, thousands};
use crate::svg::{Anchor, Svg};
use whitewater_checker::run_folder::Figures;

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 92.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 330.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 68.0;
/// Runs of a chart at most.
const RUNS_MAX: usize = 60;

/// One chart.
pub(super) struct Trend {
    pub(super) title: String,
    pub(super) drawing: String,
}

/// What a chart shows, and how its values are written.
struct Chart {
    title: &'static str,
    id: &'static str,
    value: fn(&Figures) -> Option<u64>,
    words: fn(u64) -> String,
}

/// The charts of the newest run's scenario and length, oldest first; none for fewer than two runs.
/// Another scenario, or a longer run, has other figures by its nature, and a mutant proves nothing.
pub(super) fn trends(entries: &[Entry]) -> Vec<Trend> {
    let charts = [
        Chart {
            title: "median failover",
            id: "failover",
            value: |figures| figures.failover_p50_ns,
            words: duration,
        },
        Chart {
            title: "p99 latency, no fault in force",
            id: "latency",
            value: |figures| Some(figures.latency_p99_without_fault_ns).filter(|ns| *ns > 0),
            words: duration,
        },
        Chart {
            title: "ok operations (was as much tested?)",
            id: "operations",
            value: |figures| Some(figures.ok),
            words: thousands,
        },
    ];
    let comparable = |entry: &&Entry| !entry.is_canary() && !entry.is_incomplete;
    let Some(newest) = entries.iter().rfind(comparable) else { return Vec::new() };
    let own: Vec<&Figures> = entries
        .iter()
        .filter(comparable)
        .filter(|entry| entry.scenario == newest.scenario && entry.time_ms == newest.time_ms)
        .filter_map(|entry| entry.figures.as_ref())
        .collect();
    let own = &own[own.len().saturating_sub(RUNS_MAX)..];
    charts
        .into_iter()
        .filter_map(|chart| {
            let values: Vec<u64> =
                own.iter().filter_map(|figures| (chart.value)(figures)).collect();
            (values.len() >= 2).then(|| Trend {
                title: format!("{} · {}", chart.title, newest.scenario),
                drawing: draw(&chart, &values),
            })
        })
        .collect()
}

fn draw(chart: &Chart, values: &[u64]) -> String {
    let words = chart.words;
    let low = values.iter().min().copied().unwrap_or(0);
    let high = values.iter().max().copied().unwrap_or(1);
    // A flat line belongs in the middle, and small noise must not fill the chart.
    let margin = ((high - low) as f64 * 0.15).max(high as f64 * 0.1).max(1.0);
    let (bottom, top) = ((low as f64 - margin).max(0.0), high as f64 + margin);
    let x = |index: usize| LEFT + (RIGHT - LEFT) * index as f64 / (values.len() - 1) as f64;
    let y = |value: u64| BOTTOM - (value as f64 - bottom) / (top - bottom) * (BOTTOM - TOP);
    let mut svg = Svg::default();
    svg.line("base", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    let mut data = String::new();
    for (index, value) in values.iter().enumerate() {
        let step = if index == 0 { 'M' } else { 'L' };
        data.push_str(&format!("{step}{:.1} {:.1}", x(index), y(*value)));
    }
    svg.path("trend", &data);
    if let Some(last) = values.last() {
        svg.rounded("newest", x(values.len() - 1) - 3.0, y(*last) - 3.0, 6.0, 6.0);
    }
    svg.text("axis", LEFT - 8.0, y(high) + 4.0, Anchor::End, &words(high));
    if y(low) - y(high) > 12.0 {
        svg.text("axis", LEFT - 8.0, y(low) + 4.0, Anchor::End, &words(low));
    }
    svg.text("axis", LEFT, HEIGHT - 6.0, Anchor::Start, &format!("{} runs ago", values.len() - 1));
    svg.text("axis", RIGHT, HEIGHT - 6.0, Anchor::End, "newest");
    let newest = values.last().map(|value| words(*value)).unwrap_or_default();
    let description = format!("From {} to {}; the newest is {newest}.", words(low), words(high));
    svg.finish(&format!("trend-{}", chart.id), (WIDTH, HEIGHT), chart.title, &description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(scenario: &str, time_ms: u64, ok: u64) -> Entry {
        Entry {
            scenario: scenario.to_owned(),
            time_ms,
            figures: Some(Figures { ok, ..Figures::default() }),
            ..Entry::default()
        }
    }

    #[test]
    fn a_trend_has_runs_of_one_scenario_and_one_length() {
        let own = [run("register", 20_000, 1_000), run("register", 20_000, 1_200)];
        let mut others = vec![run("append", 20_000, 5), run("register", 2_000, 7)];
        let mut canary = run("register", 20_000, 9);
        canary.mutant = Some("vote-volatile".to_owned());
        let mut killed = run("register", 20_000, 11);
        killed.is_incomplete = true;
        others.extend([canary, killed]);
        let all = [&others[..], &own[..]].concat();
        let drawn = trends(&all);
        let operations = drawn.iter().find(|it| it.title.starts_with("ok operations")).unwrap();
        assert!(operations.title.ends_with("register"), "{}", operations.title);
        assert!(operations.drawing.contains("From 1,000 to 1,200"), "{}", operations.drawing);
        // The newest decides of which scenario and length; one run is no trend.
        let drawn = trends(&[&own[..], &others[..2]].concat());
        assert!(drawn.is_empty());
    }
}
