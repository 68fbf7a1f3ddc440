//! `bench server`: how much a cluster does, how fast, and what it costs.
//!
//! A round is a fresh cluster, a second of warm-up and a window of closed-loop load on the leader. CPU time
//! is what the kernel counted for the server processes between the window's ends; peak memory is their
//! high-water mark after it. With two contenders rounds alternate, and ratios are taken between the two
//! rounds that ran next to each other.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use super::cluster::Cluster;
use super::counters::{self, Ticks};
use super::harness::Harness;
pub use super::load::Operation;
use super::load::{self, Load, Tally, Window};
use super::machine::{self, Machine};
use super::statistics::{Spread, interleave};
use super::{Clusters, Contender};
use whitewater_processes::Refusal;
use whitewater_server::clock::monotonic_ns;

/// A round in which leadership moved measured something else, and is repeated this often at most.
const ATTEMPTS: usize = 3;

/// What to measure.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// Nodes of the cluster.
    pub nodes: usize,
    /// Closed-loop clients, one connection each.
    pub clients: usize,
    /// The window.
    #[serde(serialize_with = "as_seconds", rename = "time_s")]
    pub time: Duration,
    /// What clients do.
    pub operation: Operation,
    /// Size of a value.
    pub value_bytes: usize,
    /// Rounds of each contender.
    pub rounds: usize,
}

/// What one round came to.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Who ran.
    pub target: Contender,
    /// From 1, for each target.
    pub round: usize,
    /// Tries it took; more than one says that leadership moved.
    pub attempts: usize,
    /// Who led.
    pub leader: String,
    /// Acknowledged operations.
    pub operations: u64,
    /// Operations that failed.
    pub errors: u64,
    /// What the first of them said.
    pub first_error: Option<String>,
    /// Acknowledged operations a second.
    pub operations_per_second: f64,
    /// Median latency.
    pub p50_us: f64,
    /// 99th percentile of latency.
    pub p99_us: f64,
    /// CPU time of all server processes for each operation.
    pub cpu_us_per_operation: f64,
    /// High-water mark of each node's resident set, n1 first.
    pub peak_rss_bytes: Vec<u64>,
    /// CPU time of the load generator for each operation.
    pub generator_cpu_us_per_operation: f64,
    /// Cores the load generator kept busy; near 1 it is the limit, not the server.
    pub generator_cores: f64,
    /// Cores that everything else on the machine kept busy; the round is only as good as this is small.
    pub other_cores: f64,
}

/// A figure of a round that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Acknowledged operations a second.
    OperationsPerSecond,
    /// Median latency.
    P50Us,
    /// 99th percentile of latency.
    P99Us,
    /// CPU time of all server processes for each operation.
    CpuUsPerOperation,
    /// The largest of the nodes' peak resident sets.
    PeakRssBytes,
}

impl Metric {
    pub(super) const ALL: [Metric; 5] = [
        Metric::OperationsPerSecond,
        Metric::P50Us,
        Metric::P99Us,
        Metric::CpuUsPerOperation,
        Metric::PeakRssBytes,
    ];

    fn of(self, round: &Round) -> f64 {
        match self {
            Metric::OperationsPerSecond => round.operations_per_second,
            Metric::P50Us => round.p50_us,
            Metric::P99Us => round.p99_us,
            Metric::CpuUsPerOperation => round.cpu_us_per_operation,
            Metric::PeakRssBytes => round.peak_rss_bytes.iter().copied().max().unwrap_or(0) as f64,
        }
    }
}

/// All rounds of one contender.
#[derive(Clone, Debug, Serialize)]
pub struct TargetSummary {
    /// The build, in its own words.
    pub(super) version: String,
    /// Each figure over the rounds.
    #[serde(flatten)]
    pub(super) metrics: BTreeMap<Metric, Spread>,
}

/// What the benchmark found.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Where.
    pub(super) machine: Machine,
    /// What was asked.
    pub(super) parameters: Parameters,
    /// Each contender.
    pub(super) targets: BTreeMap<Contender, TargetSummary>,
    /// Bundled divided by etcd, where both ran.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ratios: BTreeMap<Metric, Spread>,
    /// What makes the figures worth less.
    pub(super) warnings: Vec<String>,
}

/// Runs all rounds; `on_round` is told of each as it ends.
pub async fn run(
    clusters: Clusters,
    parameters: Parameters,
    mut on_round: impl FnMut(&Round) -> Result<()>,
) -> Result<Summary> {
    let harness = Harness::new(clusters)?;
    let contenders = harness.clusters().contenders.clone();
    let mut rounds = Vec::new();
    for (index, contender) in interleave(&contenders, parameters.rounds).into_iter().enumerate() {
        let round =
            steady_round(&harness, &parameters, contender, index / contenders.len() + 1).await?;
        on_round(&round)?;
        rounds.push(round);
    }
    let versions =
        contenders.iter().map(|contender| (*contender, machine::version(&harness, *contender)));
    Ok(summarise(Machine::here(), parameters, versions.collect(), &rounds))
}

/// A round with one leader from beginning to end.
async fn steady_round(
    harness: &Harness,
    parameters: &Parameters,
    target: Contender,
    round: usize,
) -> Result<Round> {
    for attempts in 1..=ATTEMPTS {
        let cluster = harness.start(target).await?;
        let before = cluster.wait_ready().await?;
        let measured = measure(&cluster, parameters, before.0).await;
        // A node that ended explains a failure best, leadership that moved second.
        if cluster.wait_ready().await? == before {
            let leader = cluster.name(before.0);
            let round = measured?.into_round(target, round, leader, parameters.time);
            return Ok(Round { attempts, ..round });
        }
    }
    bail!(Refusal::Environment(format!(
        "{target} changed its leader in each of {ATTEMPTS} tries of round {round}: the machine is too busy to measure on"
    )))
}

/// Counters of the kernel at one end of the window.
#[derive(Clone, Copy, Debug)]
struct Reading {
    servers: Ticks,
    generator: Ticks,
    machine: Ticks,
}

impl Reading {
    fn take(cluster: &Cluster) -> Result<Reading> {
        let servers = cluster.pids().into_iter().map(Ticks::of_process).sum::<Result<Ticks>>()?;
        let generator = Ticks::of_process(std::process::id())?;
        Ok(Reading { servers, generator, machine: Ticks::of_machine()? })
    }

    fn since(self, earlier: Reading) -> Reading {
        Reading {
            servers: self.servers.since(earlier.servers),
            generator: self.generator.since(earlier.generator),
            machine: self.machine.since(earlier.machine),
        }
    }
}

/// Everything read in a window, before arithmetic.
#[derive(Clone, Debug)]
struct Measured {
    tally: Tally,
    used: Reading,
    peak_rss_bytes: Vec<u64>,
}

async fn measure(cluster: &Cluster, parameters: &Parameters, leader: usize) -> Result<Measured> {
    let mut running = load::start(Load {
        protocol: cluster.contender().protocol(),
        address: cluster.address(leader),
        clients: parameters.clients,
        operation: parameters.operation,
        value_bytes: parameters.value_bytes,
        time: parameters.time,
    })?;
    let Some(Window { begin_ns, end_ns }) = running.window().await else {
        // The tally holds the reason; a node that ended is the better one.
        cluster.refuse_if_ended()?;
        running.tally().await?;
        bail!("the load generator ended before its window and gave no reason");
    };
    sleep_until(begin_ns).await;
    let before = Reading::take(cluster)?;
    sleep_until(end_ns).await;
    cluster.refuse_if_ended()?;
    let used = Reading::take(cluster)?.since(before);
    let peak_rss_bytes =
        cluster.pids().into_iter().map(counters::peak_rss_bytes).collect::<Result<_>>()?;
    Ok(Measured { tally: running.tally().await?, used, peak_rss_bytes })
}

async fn sleep_until(time_ns: u64) {
    tokio::time::sleep(Duration::from_nanos(time_ns.saturating_sub(monotonic_ns()))).await;
}

impl Measured {
    fn into_round(self, target: Contender, round: usize, leader: &str, time: Duration) -> Round {
        let Measured { tally, used, peak_rss_bytes } = self;
        let operations = tally.latencies_us.len();
        let cores = |ticks: Ticks| ticks.as_micros() / time.as_micros() as f64;
        Round {
            target,
            round,
            attempts: 1,
            leader: leader.to_owned(),
            operations,
            errors: tally.errors,
            first_error: tally.first_error,
            operations_per_second: operations as f64 / time.as_secs_f64(),
            p50_us: tally.latencies_us.value_at_quantile(0.5) as f64,
            p99_us: tally.latencies_us.value_at_quantile(0.99) as f64,
            cpu_us_per_operation: used.servers.as_micros() / operations as f64,
            peak_rss_bytes,
            generator_cpu_us_per_operation: used.generator.as_micros() / operations as f64,
            generator_cores: cores(used.generator),
            other_cores: cores(used.machine.since(used.servers).since(used.generator)),
        }
    }
}

/// More of a core than this used by others, and two rounds cannot be compared.
const OTHER_CORES_MAX: f64 = 0.15;

/// A generator thread this busy is likely what clients wait for.
const GENERATOR_CORES_MAX: f64 = 0.9;

fn summarise(
    machine: Machine,
    parameters: Parameters,
    versions: BTreeMap<Contender, String>,
    rounds: &[Round],
) -> Summary {
    let figures = |target: Contender, metric: Metric| -> Vec<f64> {
        rounds.iter().filter(|round| round.target == target).map(|round| metric.of(round)).collect()
    };
    let over_metrics = |spread: &dyn Fn(Metric) -> Option<Spread>| {
        Metric::ALL.into_iter().filter_map(|metric| Some((metric, spread(metric)?))).collect()
    };
    let target_summary = |(target, version)| {
        let metrics = over_metrics(&|metric| Spread::of(figures(target, metric)));
        (target, TargetSummary { version, metrics })
    };
    let ratios = over_metrics(&|metric| {
        Spread::of_ratios(&figures(Contender::Bundled, metric), &figures(Contender::Etcd, metric))
    });
    let warnings = rounds.iter().flat_map(warnings).collect();
    Summary {
        machine,
        parameters,
        targets: versions.into_iter().map(target_summary).collect(),
        ratios,
        warnings,
    }
}

fn warnings(round: &Round) -> Vec<String> {
    let name = format!("round {} of {}", round.round, round.target);
    let mut warnings = Vec::new();
    if round.attempts > 1 {
        let moved = round.attempts - 1;
        warnings.push(format!("{name}: repeated, as leadership moved in {moved} earlier tries"));
    }
    if round.errors > 0 {
        let first = round.first_error.as_deref().unwrap_or("");
        warnings
            .push(format!("{name}: {} operations failed, the first with: {first}", round.errors));
    }
    if round.other_cores > OTHER_CORES_MAX {
        warnings.push(format!(
            "{name}: other processes used {:.2} cores; repeat it on a quiet machine",
            round.other_cores
        ));
    }
    if round.generator_cores > GENERATOR_CORES_MAX {
        warnings.push(format!(
            "{name}: the load generator used {:.2} cores of its one; the server may be faster than measured",
            round.generator_cores
        ));
    }
    warnings
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(target: Contender, number: usize, operations_per_second: f64) -> Round {
        Round {
            target,
            round: number,
            attempts: 1,
            leader: "n1".into(),
            operations: 1,
            errors: 0,
            first_error: None,
            operations_per_second,
            p50_us: 100.0,
            p99_us: 200.0,
            cpu_us_per_operation: 50.0,
            peak_rss_bytes: vec![1, 7, 3],
            generator_cpu_us_per_operation: 20.0,
            generator_cores: 0.5,
            other_cores: 0.01,
        }
    }

    fn parameters() -> Parameters {
        let time = Duration::from_millis(1500);
        Parameters {
            nodes: 3,
            clients: 64,
            time,
            operation: Operation::Put,
            value_bytes: 64,
            rounds: 2,
        }
    }

    fn machine() -> Machine {
        Machine { cores: 2, processor: "p".into(), kernel: "k".into() }
    }

    #[test]
    fn ratios_are_taken_between_rounds_of_one_number() {
        use Contender::{Bundled, Etcd};
        let rounds = [
            round(Bundled, 1, 20.0),
            round(Etcd, 1, 10.0),
            round(Etcd, 2, 10.0),
            round(Bundled, 2, 40.0),
        ];
        let versions = BTreeMap::from([(Bundled, "b".to_owned()), (Etcd, "e".to_owned())]);
        let summary = summarise(machine(), parameters(), versions, &rounds);
        let ratio = summary.ratios[&Metric::OperationsPerSecond];
        assert_eq!(ratio, Spread { median: 3.0, min: 2.0, max: 4.0 });
        let peak = summary.targets[&Etcd].metrics[&Metric::PeakRssBytes];
        assert_eq!(peak.max, 7.0, "a cluster is as large as its largest node");
        assert_eq!(summary.warnings, Vec::<String>::new());
    }

    #[test]
    fn one_target_alone_has_no_ratios() {
        let versions = BTreeMap::from([(Contender::Etcd, "e".to_owned())]);
        let summary =
            summarise(machine(), parameters(), versions, &[round(Contender::Etcd, 1, 10.0)]);
        assert!(summary.ratios.is_empty());
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["targets"]["etcd"]["operations_per_second"]["median"], 10.0);
        assert_eq!(json["parameters"]["time_s"], 1.5);
        assert_eq!(json.get("ratios"), None);
    }

    #[test]
    fn what_spoils_a_round_is_said() {
        let clean = round(Contender::Etcd, 2, 1.0);
        assert!(warnings(&clean).is_empty());
        let repeated = Round { attempts: 3, ..clean.clone() };
        assert!(warnings(&repeated)[0].contains("leadership moved in 2 earlier tries"));
        let failing = Round { errors: 3, first_error: Some("Unavailable".into()), ..clean.clone() };
        assert!(
            warnings(&failing)[0]
                .contains("round 2 of etcd: 3 operations failed, the first with: Unavailable")
        );
        assert!(
            warnings(&Round { other_cores: 0.2, ..clean.clone() })[0].contains("quiet machine")
        );
        assert!(warnings(&Round { generator_cores: 0.95, ..clean })[0].contains("load generator"));
    }

    #[test]
    fn a_round_divides_what_was_counted_by_acknowledged_operations() {
        let mut tally = Tally::new();
        for latency_us in [100, 200, 300, 400] {
            tally.count(latency_us * 1000, Ok(()));
        }
        tally.count(1, Err("refused".into()));
        let used = Reading { servers: Ticks(40), generator: Ticks(8), machine: Ticks(50) };
        let tick_us = Ticks(1).as_micros();
        let measured = Measured { tally, used, peak_rss_bytes: vec![5] };
        let round = measured.into_round(Contender::Bundled, 1, "n2", Duration::from_secs(2));
        assert_eq!((round.operations, round.errors), (4, 1));
        assert_eq!((round.operations_per_second, round.p50_us, round.p99_us), (2.0, 200.0, 400.0));
        assert_eq!(
            (round.cpu_us_per_operation, round.generator_cpu_us_per_operation),
            (10.0 * tick_us, 2.0 * tick_us)
        );
        assert_eq!(
            round.other_cores,
            2.0 * tick_us / 2e6,
            "of 50 ticks 40 were the servers' and 8 the generator's"
        );
    }
}
