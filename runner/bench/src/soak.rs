//! `bench soak`: whether a cluster under steady load stays as it is, in memory, disk and speed.
//!
//! Clients send operations at given times, half of them writes, whatever became of those before, and
//! latency counts from the time an operation was due: a server that stalls does not make the load wait.
//! If asked for, one follower after the other is stopped with SIGSTOP for the first half of every
//! interval, which is what makes logs and queues grow. At the end of each interval every node is weighed; at
//! the end of all, the figures are held against objectives.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::cluster::Cluster;
use super::counters;
use super::harness::Harness;
use super::load::Tally;
use super::machine::Machine;
use super::statistics::Spread;
use super::{Clusters, Contender};
use crate::direct::{DirectClient, LogExtent};
use whitewater_processes::Refusal;

/// Keys that operations choose from, in turn.
const KEYS: u64 = 1000;
/// An operation that took longer has failed.
const OPERATION_DEADLINE: Duration = Duration::from_secs(2);
/// A client whose operation failed waits this long before it connects again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// A node answers for itself; one that does not within this is in trouble.
const STATUS_DEADLINE: Duration = Duration::from_secs(5);

/// How often it is looked who leads.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What to do.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// Nodes of the cluster.
    pub nodes: usize,
    /// Clients, each with a connection of its own.
    pub clients: usize,
    /// Operations a second, all clients together.
    pub rate: u64,
    /// For how long.
    #[serde(serialize_with = "as_seconds", rename = "time_s")]
    pub time: Duration,
    /// Time between two weighings.
    #[serde(serialize_with = "as_seconds", rename = "interval_s")]
    pub interval: Duration,
    /// Size of a value.
    pub value_bytes: usize,
    /// Whether a follower is stopped for the first half of every interval.
    pub pauses_follower: bool,
}

/// What must hold.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Objectives {
    /// The largest resident set any node may ever have.
    pub rss_bytes_max: u64,
    /// The most that any node's log may take on disk when it is weighed.
    pub wal_bytes_max: u64,
    /// The least that the worst interval may serve, as a share of the median one.
    pub worst_share_min: f64,
}

/// One node at the end of an interval.
#[derive(Clone, Debug, Serialize)]
pub struct Weight {
    /// `n1`, ….
    pub node: String,
    /// Its resident set now.
    pub rss_bytes: u64,
    /// The largest it ever was.
    pub rss_peak_bytes: u64,
    /// Its log on disk.
    pub wal_bytes: u64,
    /// The last entry that its snapshot covers.
    pub snapshot_index: u64,
    /// Its last entry.
    pub last_index: u64,
}

/// One interval.
#[derive(Clone, Debug, Serialize)]
pub struct Interval {
    /// From 1.
    pub interval: usize,
    /// How long it was.
    #[serde(serialize_with = "as_seconds", rename = "time_s")]
    pub time: Duration,
    /// Acknowledged operations a second.
    pub operations_per_second: f64,
    /// Median latency, from when an operation was due.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Operations that failed.
    pub errors: u64,
    /// What the first of them said.
    pub first_error: Option<String>,
    /// The follower that was stopped.
    pub paused: Option<String>,
    /// Every node at its end.
    pub nodes: Vec<Weight>,
}

/// An objective, held against the figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What it is about.
    pub objective: &'static str,
    /// What was seen.
    pub seen: f64,
    /// What is allowed: at most, or for `worst_share` at least.
    pub limit: f64,
    /// Whether it was met.
    pub is_met: bool,
}

/// The whole soak.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    parameters: Parameters,
    machine: Machine,
    /// Acknowledged operations a second, over the intervals.
    operations_per_second: Spread,
    /// The objectives.
    pub outcomes: Vec<Outcome>,
}

impl Summary {
    /// Whether every objective was met.
    pub fn is_met(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.is_met)
    }
}

fn as_seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// Soaks. `tell` hears of every interval as it ends.
pub async fn run(
    clusters: Clusters,
    parameters: Parameters,
    objectives: Objectives,
    mut tell: impl FnMut(&Interval) -> Result<()>,
) -> Result<Summary> {
    let harness = Harness::new(clusters)?;
    let machine = Machine::here();
    let cluster = harness.start(Contender::Bundled).await?;
    let (leader, _) = cluster.wait_ready().await?;
    let (lead, watch_lead) = watch::channel(cluster.address(leader));
    let tally = Arc::new(Mutex::new(Tally::new()));
    let mut clients = JoinSet::new();
    let start = Instant::now();
    for number in 0..parameters.clients as u64 {
        let script = Script::new(number, start, &parameters);
        clients.spawn(script.go_on(watch_lead.clone(), tally.clone()));
    }
    let mut intervals: Vec<Interval> = Vec::new();
    let end = start + parameters.time;
    while Instant::now() < end {
        let begin = Instant::now();
        let until = (begin + parameters.interval).min(end);
        let number = intervals.len() + 1;
        let paused = go_through(&cluster, &lead, &parameters, number, until).await?;
        let done = {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *tally, Tally::new())
        };
        let time = begin.elapsed();
        let interval = Interval {
            interval: number,
            time,
            operations_per_second: done.latencies_us.len() as f64 / time.as_secs_f64(),
            p50_us: done.latencies_us.value_at_quantile(0.5) as f64,
            p99_us: done.latencies_us.value_at_quantile(0.99) as f64,
            errors: done.errors,
            first_error: done.first_error,
            paused: paused.map(|node| cluster.name(node).to_owned()),
            nodes: weigh(&cluster).await?,
        };
        tell(&interval)?;
        intervals.push(interval);
    }
    clients.shutdown().await;
    let speeds = intervals.iter().map(|interval| interval.operations_per_second);
    let Some(operations_per_second) = Spread::of(speeds) else {
        bail!(Refusal::Usage("--time is too short for one interval".into()));
    };
    let outcomes = judge(&intervals, operations_per_second, objectives);
    Ok(Summary { parameters, machine, operations_per_second, outcomes })
}

/// Lives through one interval; returns the follower that was stopped in its first half.
async fn go_through(
    cluster: &Cluster,
    lead: &watch::Sender<SocketAddr>,
    parameters: &Parameters,
    number: usize,
    until: Instant,
) -> Result<Option<usize>> {
    cluster.refuse_if_ended()?;
    let half = Instant::now() + (until - Instant::now()) / 2;
    let (leader, _) = cluster.wait_ready().await?;
    lead.send_replace(cluster.address(leader));
    let followers: Vec<usize> = (0..cluster.len()).filter(|node| *node != leader).collect();
    let stopped = (parameters.pauses_follower && !followers.is_empty())
        .then(|| followers[number % followers.len()]);
    if let Some(node) = stopped {
        cluster.pause(node).await?;
    }
    follow(cluster, lead, stopped, half).await;
    if let Some(node) = stopped {
        cluster.resume(node).await?;
    }
    follow(cluster, lead, None, until).await;
    Ok(stopped)
}

/// Until then, clients are told of a new leader. A stopped node is not asked.
async fn follow(
    cluster: &Cluster,
    lead: &watch::Sender<SocketAddr>,
    stopped: Option<usize>,
    until: Instant,
) {
    while Instant::now() < until {
        if let Some(leader) = cluster.leading(stopped).await {
            let address = cluster.address(leader);
            lead.send_if_modified(|known| std::mem::replace(known, address) != address);
        }
        sleep_until(until.min(Instant::now() + LOOK_INTERVAL)).await;
    }
}

async fn weigh(cluster: &Cluster) -> Result<Vec<Weight>> {
    let mut weights = Vec::new();
    for (node, pid) in cluster.pids().into_iter().enumerate() {
        let name = cluster.name(node).to_owned();
        let mut client = cluster.connect(node, STATUS_DEADLINE).await?;
        let extent = timeout(STATUS_DEADLINE, client.log_extent()).await;
        let extent = extent.with_context(|| format!("ask {name} for its status"))??;
        let LogExtent { snapshot_index, last_index } = extent;
        weights.push(Weight {
            rss_bytes: counters::rss_bytes(pid)?,
            rss_peak_bytes: counters::peak_rss_bytes(pid)?,
            wal_bytes: wal_bytes(&cluster.data_dir(node))?,
            snapshot_index,
            last_index,
            node: name,
        });
    }
    Ok(weights)
}

/// Size of all segments. One that is dropped while it is looked at counts as nothing.
fn wal_bytes(folder: &std::path::Path) -> Result<u64> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let segments = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "wal"));
    Ok(segments.filter_map(|segment| Some(segment.metadata().ok()?.len())).sum())
}

/// Holds the figures against the objectives.
fn judge(intervals: &[Interval], speed: Spread, objectives: Objectives) -> Vec<Outcome> {
    let weights = || intervals.iter().flat_map(|interval| &interval.nodes);
    let rss = weights().map(|weight| weight.rss_peak_bytes).max().unwrap_or(0);
    let wal = weights().map(|weight| weight.wal_bytes).max().unwrap_or(0);
    let at_most = |objective, seen: u64, limit: u64| Outcome {
        objective,
        seen: seen as f64,
        limit: limit as f64,
        is_met: seen <= limit,
    };
    let share = if speed.median > 0.0 { speed.min / speed.median } else { 0.0 };
    vec![
        at_most("rss_peak_bytes", rss, objectives.rss_bytes_max),
        at_most("wal_bytes", wal, objectives.wal_bytes_max),
        Outcome {
            objective: "worst_share",
            seen: share,
            limit: objectives.worst_share_min,
            is_met: share >= objectives.worst_share_min,
        },
    ]
}

/// What one client does, and when.
struct Script {
    number: u64,
    next: Instant,
    period: Duration,
    value: Bytes,
}

impl Script {
    fn new(number: u64, start: Instant, parameters: &Parameters) -> Self {
        let clients = parameters.clients as u32;
        let period = Duration::from_secs(1) * clients / u32::try_from(parameters.rate).unwrap_or(1);
        let next = start + period * u32::try_from(number).unwrap_or(0) / clients;
        Self { number, next, period, value: Bytes::from(vec![b'x'; parameters.value_bytes]) }
    }

    /// Goes on until the end; whoever started it ends it.
    async fn go_on(mut self, lead: watch::Receiver<SocketAddr>, tally: Arc<Mutex<Tally>>) {
        let mut connections: BTreeMap<SocketAddr, DirectClient> = BTreeMap::new();
        for count in 0_u64.. {
            sleep_until(self.next).await;
            let due = self.next;
            self.next += self.period;
            let address = *lead.borrow();
            let outcome = self.operate(&mut connections, address, count).await;
            let latency_ns = u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let has_failed = outcome.is_err();
            tally.lock().unwrap_or_else(PoisonError::into_inner).count(latency_ns, outcome);
            if has_failed {
                connections.clear();
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        }
    }

    async fn operate(
        &self,
        connections: &mut BTreeMap<SocketAddr, DirectClient>,
        address: SocketAddr,
        count: u64,
    ) -> Result<(), String> {
        let key = format!("key-{:04}", (self.number.wrapping_mul(31) + count / 2) % KEYS);
        let call = async {
            let client = match connections.entry(address) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(place) => {
                    let protocol = Contender::Bundled.protocol();
                    let client = DirectClient::connect(protocol, address, OPERATION_DEADLINE).await;
                    place.insert(client.map_err(|error| error.to_string())?)
                }
            };
            match count % 2 {
                0 => client.put(&key, self.value.clone()).await,
                _ => client.get(&key).await.map(drop),
            }
            .map_err(|error| error.to_string())
        };
        let answered = timeout(OPERATION_DEADLINE, call).await;
        answered.unwrap_or_else(|_| Err(format!("no answer within {OPERATION_DEADLINE:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(operations_per_second: f64, rss_peak_bytes: u64, wal_bytes: u64) -> Interval {
        let node = Weight {
            node: "n1".into(),
            rss_bytes: rss_peak_bytes / 2,
            rss_peak_bytes,
            wal_bytes,
            snapshot_index: 0,
            last_index: 0,
        };
        Interval {
            interval: 1,
            time: Duration::from_mins(1),
            operations_per_second,
            p50_us: 0.0,
            p99_us: 0.0,
            errors: 0,
            first_error: None,
            paused: None,
            nodes: vec![node],
        }
    }

    #[test]
    fn every_objective_is_seen_to_be_missed() {
        let intervals = [interval(1000.0, 50, 10), interval(400.0, 64, 20), interval(990.0, 60, 9)];
        let met = |rss_bytes_max, wal_bytes_max, worst_share_min| {
            let objectives = Objectives { rss_bytes_max, wal_bytes_max, worst_share_min };
            let speeds = intervals.iter().map(|interval| interval.operations_per_second);
            let outcomes = judge(&intervals, Spread::of(speeds).unwrap(), objectives);
            outcomes.iter().map(|outcome| outcome.is_met).collect::<Vec<_>>()
        };
        assert_eq!(met(64, 20, 0.4), [true, true, true]);
        assert_eq!(met(63, 20, 0.4), [false, true, true]);
        assert_eq!(met(64, 19, 0.4), [true, false, true]);
        assert_eq!(met(64, 20, 0.5), [true, true, false], "400 of 990");
    }

    #[test]
    fn clients_share_the_rate_and_begin_one_after_the_other() {
        let parameters = Parameters {
            nodes: 3,
            clients: 4,
            rate: 1000,
            time: Duration::from_secs(1),
            interval: Duration::from_secs(1),
            value_bytes: 8,
            pauses_follower: false,
        };
        let start = Instant::now();
        let third = Script::new(2, start, &parameters);
        assert_eq!(third.period, Duration::from_millis(4));
        assert_eq!(third.next - start, Duration::from_millis(2));
    }
}
