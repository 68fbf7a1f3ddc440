//! Summaries as text for a person: one row a figure, one column a contender, the ratio last.

use std::fmt::Write;

use super::statistics::{Distribution, Spread};
use super::{Contender, failover, server, soak};
use crate::server::Metric;

/// Wide enough for `1274 / 1315 / 12714 / 12714`.
const COLUMN: usize = 30;

const NAME_COLUMN: usize = 34;

/// Bytes of a mebibyte.
const MIB: f64 = 1_048_576.0;

/// The table of `bench server`.
pub fn of_server(summary: &server::Summary) -> String {
    let server::Parameters { nodes, clients, time, operation, value_bytes, rounds } =
        &summary.parameters;
    let operation = format!("{operation:?}").to_lowercase();
    let rounds = if *rounds == 1 {
        format!("a round of {time:?}")
    } else {
        format!("{rounds} rounds of {time:?}: median (min-max)")
    };
    let clients = plural(*clients, "client");
    let nodes = plural(*nodes, "node");
    let mut table =
        format!("{operation}, {nodes}, {clients}, {value_bytes}-byte values, {rounds}\n");
    header(
        &mut table,
        summary.targets.iter().map(|(target, of)| (*target, of.version.as_str())),
        !summary.ratios.is_empty(),
    );
    for metric in Metric::ALL {
        let _ = write!(table, "{:NAME_COLUMN$}", metric_name(metric));
        for target in summary.targets.values() {
            let cell = target.metrics.get(&metric).map(|spread| spread_cell(metric, *spread));
            let _ = write!(table, "{:COLUMN$}", cell.unwrap_or_default());
        }
        if let Some(ratio) = summary.ratios.get(&metric) {
            table.push_str(&range(*ratio, "x", 2));
        }
        end_line(&mut table);
    }
    for warning in &summary.warnings {
        let _ = writeln!(table, "warning: {warning}");
    }
    table
}

/// An interval of `bench soak`: speed, then a line a node.
pub fn of_interval(interval: &soak::Interval) -> String {
    let soak::Interval { interval: number, operations_per_second, p50_us, p99_us, errors, .. } =
        interval;
    let mut text = format!(
        "interval {number}: {operations_per_second:.0} op/s, p50 {p50_us:.0} us, p99 {p99_us:.0} us"
    );
    if let Some(node) = &interval.paused {
        let _ = write!(text, ", {node} stopped for half of it");
    }
    if *errors > 0 {
        let first = interval.first_error.as_deref().unwrap_or_default();
        let _ = write!(text, ", {errors} errors, the first: {first}");
    }
    for node in &interval.nodes {
        let _ = write!(
            text,
            "\n  {}: {:.1} MiB of memory, {:.1} at its peak; log {:.1} MiB on disk, behind a \
             snapshot up to {}, last entry {}",
            node.node,
            mebibytes(node.rss_bytes),
            mebibytes(node.rss_peak_bytes),
            mebibytes(node.wal_bytes),
            node.snapshot_index,
            node.last_index
        );
    }
    text
}

/// The end of `bench soak`: every objective, and whether all were met.
pub fn of_soak(summary: &soak::Summary) -> String {
    let mut text = String::new();
    for outcome in &summary.outcomes {
        let word = if outcome.is_met { "met" } else { "MISSED" };
        let (what, bound, scale, unit) = match outcome.objective {
            "rss_peak_bytes" => ("peak memory of a node", "at most", MIB, " MiB"),
            "wal_bytes" => ("log of a node on disk", "at most", MIB, " MiB"),
            _ => ("worst interval's share of the median one", "at least", 1.0, ""),
        };
        let (seen, limit) = (outcome.seen / scale, outcome.limit / scale);
        let _ = writeln!(text, "{word:7} {what}: {seen:.2}{unit}, {bound} {limit}{unit}");
    }
    text += match summary.is_met() {
        true => "every objective was met\n",
        false => "an objective was missed\n",
    };
    text
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// The table of `bench failover`.
pub fn of_failover(summary: &failover::Summary) -> String {
    let failover::Parameters { nodes, kills } = summary.parameters;
    let mut table =
        format!("{kills} leaders of {nodes} nodes killed: min / p50 / p90 / max in ms\n");
    header(
        &mut table,
        summary.targets.iter().map(|(target, of)| (*target, of.version.as_str())),
        summary.ratios.is_some(),
    );
    let put_ratio = summary.ratios.map(|ratios| (ratios.first_put_p50, ratios.first_put_p90));
    let get_ratio = summary.ratios.map(|ratios| (ratios.first_get_p50, ratios.first_get_p90));
    let puts = summary.targets.values().map(|target| target.first_put_ms);
    distribution_row(&mut table, "kill -9 to first acknowledged put", puts, put_ratio);
    let gets = summary.targets.values().map(|target| target.first_get_ms);
    distribution_row(&mut table, "restart to linearizable get", gets, get_ratio);
    table
}

fn header<'a>(
    table: &mut String,
    targets: impl Iterator<Item = (Contender, &'a str)>,
    has_ratios: bool,
) {
    let _ = write!(table, "{:NAME_COLUMN$}", "");
    for (target, version) in targets {
        let title =
            if version.starts_with("etcd") { version.to_owned() } else { target.to_string() };
        let _ = write!(table, "{title:COLUMN$}");
    }
    table.push_str(if has_ratios { "bundled / etcd" } else { "" });
    end_line(table);
}

fn distribution_row(
    table: &mut String,
    name: &str,
    distributions: impl Iterator<Item = Distribution>,
    ratio: Option<(f64, f64)>,
) {
    let _ = write!(table, "{name:NAME_COLUMN$}");
    for Distribution { min, p50, p90, max, .. } in distributions {
        let cell = format!("{min:.0} / {p50:.0} / {p90:.0} / {max:.0}");
        let _ = write!(table, "{cell:COLUMN$}");
    }
    if let Some((p50, p90)) = ratio {
        let _ = write!(table, "p50 {p50:.2} x, p90 {p90:.2} x");
    }
    end_line(table);
}

fn end_line(table: &mut String) {
    table.truncate(table.trim_end_matches(' ').len());
    table.push('\n');
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::OperationsPerSecond => "throughput",
        Metric::P50Us => "latency p50",
        Metric::P99Us => "latency p99",
        Metric::CpuUsPerOperation => "CPU of all nodes per operation",
        Metric::PeakRssBytes => "peak RSS of the largest node",
    }
}

fn spread_cell(metric: Metric, Spread { median, min, max }: Spread) -> String {
    let (scale, unit, digits) = match metric {
        Metric::OperationsPerSecond => (1e-3, "k/s", 1),
        Metric::P50Us | Metric::P99Us => (1e-3, "ms", 2),
        Metric::CpuUsPerOperation => (1.0, "us", 0),
        Metric::PeakRssBytes => (1e-6, "MB", 0),
    };
    range(Spread { median: median * scale, min: min * scale, max: max * scale }, unit, digits)
}

/// The median, and the range where there is one.
fn range(Spread { median, min, max }: Spread, unit: &str, digits: usize) -> String {
    if min < max {
        format!("{median:.digits$} {unit} ({min:.digits$}-{max:.digits$})")
    } else {
        format!("{median:.digits$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::load::Operation;
    use super::super::machine::Machine;
    use super::*;

    fn machine() -> Machine {
        Machine { cores: 2, processor: "p".into(), kernel: "k".into() }
    }

    #[test]
    fn a_server_table_has_a_row_for_every_figure_and_the_ratio_last() {
        let spread = |median: f64| Spread { median, min: median * 0.5, max: median * 2.0 };
        let of = |version: &str, scale: f64| server::TargetSummary {
            version: version.into(),
            metrics: Metric::ALL
                .into_iter()
                .map(|metric| (metric, spread(1000.0 * scale)))
                .collect(),
        };
        let time = Duration::from_secs(10);
        let summary = server::Summary {
            machine: machine(),
            parameters: server::Parameters {
                nodes: 3,
                clients: 64,
                time,
                operation: Operation::Put,
                value_bytes: 64,
                rounds: 2,
            },
            targets: BTreeMap::from([
                (Contender::Bundled, of("whitewater 1", 2.0)),
                (Contender::Etcd, of("etcd 3.4.23", 1.0)),
            ]),
            ratios: BTreeMap::from([(Metric::OperationsPerSecond, spread(2.0))]),
            warnings: vec!["round 1 of etcd: noisy".into()],
        };
        let expected = "\
put, 3 nodes, 64 clients, 64-byte values, 2 rounds of 10s: median (min-max)
                                  bundled                       etcd 3.4.23                   bundled / etcd
throughput                        2.0 k/s (1.0-4.0)             1.0 k/s (0.5-2.0)             2.00 x (1.00-4.00)
latency p50                       2.00 ms (1.00-4.00)           1.00 ms (0.50-2.00)
latency p99                       2.00 ms (1.00-4.00)           1.00 ms (0.50-2.00)
CPU of all nodes per operation    2000 us (1000-4000)           1000 us (500-2000)
peak RSS of the largest node      0 MB (0-0)                    0 MB (0-0)
warning: round 1 of etcd: noisy
";
        assert_eq!(of_server(&summary), expected);
    }

    #[test]
    fn one_round_has_no_range() {
        let one = Spread { median: 2.0, min: 2.0, max: 2.0 };
        assert_eq!(spread_cell(Metric::CpuUsPerOperation, one), "2 us");
    }

    #[test]
    fn a_failover_table_without_a_rival_has_no_ratios() {
        let distribution =
            Distribution { samples: 3, min: 300.4, p50: 400.0, p90: 500.0, max: 600.0 };
        let target = failover::TargetSummary {
            version: "whitewater 1".into(),
            first_put_ms: distribution,
            first_get_ms: Distribution { min: 9.0, ..distribution },
        };
        let summary = failover::Summary {
            machine: machine(),
            parameters: failover::Parameters { nodes: 5, kills: 3 },
            targets: BTreeMap::from([(Contender::Bundled, target)]),
            ratios: None,
        };
        let expected = "\
3 leaders of 5 nodes killed: min / p50 / p90 / max in ms
                                  bundled
kill -9 to first acknowledged put 300 / 400 / 500 / 600
restart to linearizable get       9 / 400 / 500 / 600
";
        assert_eq!(of_failover(&summary), expected);
    }
}
