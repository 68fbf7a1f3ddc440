//! `bench failover`: how long nobody acknowledges after the leader was killed, and how long a killed node is away.
//!
//! Each kill: all nodes agree on a leader; it gets SIGKILL; from the moment the kernel has reaped it, one put
//! every 10 ms goes to each survivor, until the first is acknowledged. Time counts from before the signal. Then
//! the node is started again on its data, and asked until it answers a linearizable read itself.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::cluster::Cluster;
use super::harness::Harness;
use super::machine::{self, Machine};
use super::statistics::{Distribution, interleave};
use super::{Clusters, Contender, milliseconds};
use crate::direct::{DirectClient, Refused};
use whitewater_processes::Refusal;
use whitewater_server::clock::monotonic_ns;

/// Kills of one cluster before a fresh one takes its place, so that one odd cluster cannot be the result.
const KILLS_PER_CLUSTER: usize = 5;

/// Between two attempts; the resolution of what is measured.
const PUT_INTERVAL: Duration = Duration::from_millis(10);

/// Reads of a restarted node are closer together, as that time is ten times shorter.
const GET_INTERVAL: Duration = Duration::from_millis(5);

/// Each attempt gives up after this: etcd holds a put without a leader for seconds.
const ATTEMPT_DEADLINE: Duration = Duration::from_millis(400);

/// Between two tries to connect to a node that is starting.
const CONNECT_INTERVAL: Duration = Duration::from_millis(1);

/// No cluster that works is away longer than this.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(30);

/// What puts write and reads read.
const KEY: &str = "failover";

/// What to measure.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// Nodes of the cluster.
    pub nodes: usize,
    /// Kills of each contender's leaders.
    pub kills: usize,
}

/// What one kill came to.
#[derive(Clone, Debug, Serialize)]
pub struct Kill {
    /// Who ran.
    pub target: Contender,
    /// From 1, for each target.
    pub kill: usize,
    /// The leader that was killed.
    pub victim: String,
    /// From the kill to the first acknowledged put.
    pub first_put_ms: f64,
    /// From the restart to the first linearizable read that the restarted node answered.
    pub first_get_ms: f64,
}

/// All kills of one contender.
#[derive(Clone, Debug, Serialize)]
pub struct TargetSummary {
    /// The build, in its own words.
    pub(super) version: String,
    /// From the kill to the first acknowledged put.
    pub(super) first_put_ms: Distribution,
    /// From the restart to the first linearizable read.
    pub(super) first_get_ms: Distribution,
}

/// Bundled divided by etcd.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratios {
    /// Of medians.
    pub(super) first_put_p50: f64,
    /// Of 90th percentiles.
    pub(super) first_put_p90: f64,
    /// Of medians.
    pub(super) first_get_p50: f64,
    /// Of 90th percentiles.
    pub(super) first_get_p90: f64,
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
    /// Where both ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratios: Option<Ratios>,
}

/// Strikes all kills; `on_kill` is told of each as it ends.
pub async fn run(
    clusters: Clusters,
    parameters: Parameters,
    mut on_kill: impl FnMut(&Kill) -> Result<()>,
) -> Result<Summary> {
    let harness = Harness::new(clusters)?;
    let contenders = harness.clusters().contenders.clone();
    let batches = batches(parameters.kills);
    let mut kills = Vec::new();
    for (index, target) in interleave(&contenders, batches.len()).into_iter().enumerate() {
        let mut cluster = harness.start(target).await?;
        for kill in batches[index / contenders.len()].clone() {
            let struck = strike(&mut cluster, kill).await;
            let struck =
                struck.with_context(|| format!("kill {kill} of {}: {target}", parameters.kills))?;
            on_kill(&struck)?;
            kills.push(struck);
        }
    }
    let versions = contenders.iter().map(|target| (*target, machine::version(&harness, *target)));
    Ok(summarise(Machine::here(), parameters, versions.collect(), &kills))
}

/// The numbers of the kills that each cluster takes.
fn batches(kills: usize) -> Vec<std::ops::RangeInclusive<usize>> {
    let firsts = (1..=kills).step_by(KILLS_PER_CLUSTER);
    firsts.map(|first| first..=kills.min(first + KILLS_PER_CLUSTER - 1)).collect()
}

async fn strike(cluster: &mut Cluster, kill: usize) -> Result<Kill> {
    let (leader, _) = cluster.wait_ready().await?;
    let victim = cluster.name(leader).to_owned();
    // Connections are open before the kill, as a client's would be.
    let mut survivors = Vec::new();
    for node in (0..cluster.len()).filter(|node| *node != leader) {
        let client = cluster.connect(node, ATTEMPT_DEADLINE).await;
        survivors.push(client.with_context(|| format!("connect to {}", cluster.name(node)))?);
    }
    let killed_ns = monotonic_ns();
    cluster.kill(leader).await?;
    let value = Bytes::from(kill.to_string());
    let put = |mut client: DirectClient| {
        let value = value.clone();
        async move { client.put(KEY, value).await }
    };
    let acknowledged_ns = first_success(&survivors, PUT_INTERVAL, put).await;
    let acknowledged_ns =
        acknowledged_ns.with_context(|| format!("put to the survivors of {victim}"))?;

    let restarted_ns = monotonic_ns();
    cluster.restart(leader)?;
    let restarted = connect_when_up(cluster, leader).await?;
    let get = |mut client: DirectClient| async move {
        // Linearizable: an answer without the acknowledged put would be a stale read.
        client.get(KEY).await?.map(drop).ok_or(Refused::Empty)
    };
    let served_ns = first_success(&[restarted], GET_INTERVAL, get).await;
    let served_ns = served_ns.with_context(|| format!("get from the restarted {victim}"))?;
    let since =
        |from_ns, to_ns: u64| milliseconds(Duration::from_nanos(to_ns.saturating_sub(from_ns)));
    Ok(Kill {
        target: cluster.contender(),
        kill,
        victim,
        first_put_ms: since(killed_ns, acknowledged_ns),
        first_get_ms: since(restarted_ns, served_ns),
    })
}

async fn connect_when_up(cluster: &Cluster, node: usize) -> Result<DirectClient> {
    let end = Instant::now() + RECOVERY_DEADLINE;
    loop {
        let refused = match cluster.connect(node, ATTEMPT_DEADLINE).await {
            Ok(client) => return Ok(client),
            Err(refused) => refused,
        };
        cluster.refuse_if_ended()?;
        if Instant::now() >= end {
            let name = cluster.name(node);
            bail!(Refusal::Environment(format!(
                "{name} took no connection {RECOVERY_DEADLINE:?} after its restart: {refused}"
            )));
        }
        tokio::time::sleep(CONNECT_INTERVAL).await;
    }
}

/// Calls `attempt` on every client each `pace`, without waiting for earlier attempts, until one succeeds;
/// returns when that was.
async fn first_success<C, F, A>(clients: &[C], pace: Duration, attempt: F) -> Result<u64>
where
    C: Clone,
    F: Fn(C) -> A,
    A: Future<Output = Result<(), Refused>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_refusal = "no attempt was answered".to_owned();
    let end = Instant::now() + RECOVERY_DEADLINE;
    while Instant::now() < end {
        tokio::select! {
            _ = ticks.tick() => {
                for client in clients {
                    let attempt = timeout(ATTEMPT_DEADLINE, attempt(client.clone()));
                    attempts.spawn(async move { (attempt.await, monotonic_ns()) });
                }
            }
            Some(ended) = attempts.join_next() => match ended.context("attempt an operation")? {
                (Ok(Ok(())), answered_ns) => return Ok(answered_ns),
                (Ok(Err(refused)), _) => last_refusal = refused.to_string(),
                (Err(_), _) => last_refusal = format!("no answer within {ATTEMPT_DEADLINE:?}"),
            },
        }
    }
    bail!(Refusal::Environment(format!(
        "nothing succeeded within {RECOVERY_DEADLINE:?}; lastly: {last_refusal}"
    )))
}

fn summarise(
    machine: Machine,
    parameters: Parameters,
    versions: BTreeMap<Contender, String>,
    kills: &[Kill],
) -> Summary {
    let of = |target: Contender, figure: fn(&Kill) -> f64| {
        Distribution::of(kills.iter().filter(|kill| kill.target == target).map(figure))
    };
    let target_summary = |(target, version)| {
        let first_put_ms = of(target, |kill| kill.first_put_ms)?;
        let first_get_ms = of(target, |kill| kill.first_get_ms)?;
        Some((target, TargetSummary { version, first_put_ms, first_get_ms }))
    };
    let targets: BTreeMap<_, _> = versions.into_iter().filter_map(target_summary).collect();
    let ratios = match (targets.get(&Contender::Bundled), targets.get(&Contender::Etcd)) {
        (Some(bundled), Some(etcd)) => Some(Ratios {
            first_put_p50: bundled.first_put_ms.p50 / etcd.first_put_ms.p50,
            first_put_p90: bundled.first_put_ms.p90 / etcd.first_put_ms.p90,
            first_get_p50: bundled.first_get_ms.p50 / etcd.first_get_ms.p50,
            first_get_p90: bundled.first_get_ms.p90 / etcd.first_get_ms.p90,
        }),
        _ => None,
    };
    Summary { machine, parameters, targets, ratios }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(target: Contender, first_put_ms: f64, first_get_ms: f64) -> Kill {
        Kill { target, kill: 1, victim: "n1".into(), first_put_ms, first_get_ms }
    }

    #[test]
    fn every_fifth_kill_gets_a_fresh_cluster() {
        assert_eq!(batches(12), [1..=5, 6..=10, 11..=12]);
        assert_eq!(batches(5), [1..=5]);
        assert!(batches(0).is_empty());
    }

    #[test]
    fn ratios_are_of_medians_and_of_tails() {
        use Contender::{Bundled, Etcd};
        let kills = [
            kill(Bundled, 400.0, 20.0),
            kill(Etcd, 1000.0, 80.0),
            kill(Bundled, 600.0, 40.0),
            kill(Etcd, 2000.0, 100.0),
        ];
        let versions = BTreeMap::from([(Bundled, "b".to_owned()), (Etcd, "e".to_owned())]);
        let machine = Machine { cores: 2, processor: "p".into(), kernel: "k".into() };
        let summary = summarise(machine, Parameters { nodes: 3, kills: 2 }, versions, &kills);
        let expected = Ratios {
            first_put_p50: 0.4,
            first_put_p90: 0.3,
            first_get_p50: 0.25,
            first_get_p90: 0.4,
        };
        assert_eq!(summary.ratios, Some(expected));
        assert_eq!(summary.targets[&Etcd].first_put_ms.max, 2000.0);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_go_out_in_their_pace_until_one_succeeds() {
        let begun = Instant::now();
        let succeeds_at = begun + Duration::from_millis(95);
        let attempt = |()| async move {
            // The first attempts hang, as they do in etcd; later ones are refused, then answered.
            if Instant::now() < begun + Duration::from_millis(20) {
                std::future::pending::<()>().await;
            }
            if Instant::now() < succeeds_at { Err(Refused::Empty) } else { Ok(()) }
        };
        first_success(&[()], PUT_INTERVAL, attempt).await.unwrap();
        assert_eq!(
            begun.elapsed(),
            Duration::from_millis(100),
            "the attempt at 100 ms is the first after 95"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_never_recovers_is_an_error_with_the_last_refusal() {
        let attempt = |()| async { Err(Refused::Status(tonic::Status::unavailable("gone"))) };
        let error = first_success(&[()], PUT_INTERVAL, attempt).await.unwrap_err().to_string();
        assert!(error.contains("within 30s") && error.contains("gone"), "{error}");
    }
}
