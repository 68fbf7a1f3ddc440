//! Metrics in Prometheus' text form, on a port of their own.
//!
//! Counters are kept where things happen, as atomics; what the node knows of itself (term, indexes,
//! peers) is asked of it when somebody scrapes. The port is for machines that watch: there is nothing on
//! it that changes a node, and no TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use whitewater_raft::event::Role;
use whitewater_raft::{Index, Persist, SnapshotMeta};

use crate::ServeError;
use crate::answer::{FailureKind, Outcome};
use crate::inbox::{ClientRequest, NodeView};
use crate::storage::{Disk, Recovered, StorageError};

/// Seconds: from a write to a fast device's cache up to a disk in trouble.
const FLUSH_BUCKETS: [f64; 10] =
    [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0];
/// Longest wait for the node's own view.
const VIEW_TIME: Duration = Duration::from_secs(2);

/// The counters of one node. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    answers: Family<AnswerLabels, Counter>,
    flush_seconds: Histogram,
    messages_sent: Counter,
    elections_won: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    outcome: AnswerOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum AnswerOutcome {
    Done,
    CasMismatch,
    NotLeader,
    NoLeader,
    TimedOut,
    LostLeadership,
    Session,
    Overloaded,
    Invalid,
    Stopping,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        Metrics {
            answers: Family::default(),
            flush_seconds: Histogram::new(FLUSH_BUCKETS),
            messages_sent: Counter::default(),
            elections_won: Counter::default(),
        }
    }

    pub(crate) fn answered(&self, outcome: &Outcome) {
        use crate::kv::Effect;
        use crate::machine::Reply;
        let outcome = match outcome {
            Outcome::Reply(Reply::Effect(Effect::Mismatch { .. })) => AnswerOutcome::CasMismatch,
            Outcome::Reply(_) | Outcome::Value(_) | Outcome::Changed => AnswerOutcome::Done,
            Outcome::Failure(failure) => match failure.kind {
                FailureKind::NotLeader => AnswerOutcome::NotLeader,
                FailureKind::NoLeader => AnswerOutcome::NoLeader,
                FailureKind::TimedOut => AnswerOutcome::TimedOut,
                FailureKind::LostLeadership => AnswerOutcome::LostLeadership,
                FailureKind::UnknownSession | FailureKind::StaleSequence => AnswerOutcome::Session,
                FailureKind::Overloaded => AnswerOutcome::Overloaded,
                FailureKind::Invalid => AnswerOutcome::Invalid,
                FailureKind::Stopping => AnswerOutcome::Stopping,
            },
        };
        self.answers.get_or_create(&AnswerLabels { outcome }).inc();
    }

    pub(crate) fn sent(&self) {
        self.messages_sent.inc();
    }

    pub(crate) fn won_election(&self) {
        self.elections_won.inc();
    }

    fn registry(&self, view: &NodeView) -> Registry {
        let mut registry = Registry::with_prefix("whitewater");
        registry.register("answers", "Answers to clients by outcome", self.answers.clone());
        registry.register_with_unit(
            "flush",
            "Time to make a batch of the log durable",
            Unit::Seconds,
            self.flush_seconds.clone(),
        );
        let sent = self.messages_sent.clone();
        registry.register("messages_sent", "Requests and replies to peers", sent);
        let won = self.elections_won.clone();
        registry.register("elections_won", "Elections this node has won since its start", won);
        for (name, help, value) in gauges(view) {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            registry.register(name, help, ConstGauge::new(value));
        }
        registry
    }
}

fn gauges(view: &NodeView) -> [(&'static str, &'static str, u64); 10] {
    let status = &view.status;
    [
        ("term", "The node's term", status.hard_state.term),
        ("is_leader", "Whether the node leads", u64::from(status.role == Role::Leader)),
        ("knows_leader", "Whether the node knows a leader", u64::from(status.leader.is_some())),
        ("commit_index", "The last entry known to be committed", status.commit),
        ("applied_index", "The last entry applied", status.applied),
        ("last_index", "The last entry of the log", status.last.index),
        ("snapshot_index", "The last entry that a snapshot covers", status.snapshot.index),
        ("voters", "Voting members", status.membership.voters.len() as u64),
        ("boot", "Starts of this node", view.boot),
        ("waiting_requests", "Requests that wait to be answered", view.waiting as u64),
    ]
}

/// A disk whose flushes are timed.
pub(crate) struct TimedDisk {
    disk: Box<dyn Disk>,
    metrics: Metrics,
}

impl TimedDisk {
    pub(crate) fn new(disk: Box<dyn Disk>, metrics: Metrics) -> TimedDisk {
        TimedDisk { disk, metrics }
    }
}

impl Disk for TimedDisk {
    fn flush(&mut self) -> Result<(), StorageError> {
        let begun = Instant::now();
        let flushed = self.disk.flush();
        self.metrics.flush_seconds.observe(begun.elapsed().as_secs_f64());
        flushed
    }
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        self.disk.recover()
    }
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        self.disk.append(persist)
    }
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        self.disk.save_snapshot(meta, data)
    }
    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.disk.compact(index)
    }
}

struct Scraped {
    metrics: Metrics,
    clients: mpsc::Sender<ClientRequest>,
}

/// Serves the metrics until the task is dropped.
pub(crate) async fn serve(
    address: SocketAddr,
    metrics: Metrics,
    clients: mpsc::Sender<ClientRequest>,
) -> Result<tokio::task::JoinHandle<()>, ServeError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| ServeError::Listen { address, source })?;
    let scraped = Arc::new(Scraped { metrics, clients });
    let router = Router::new().route("/metrics", get(scrape)).with_state(scraped);
    Ok(tokio::spawn(async move {
        // axum's server goes on over errors of single connections, and ends with its task.
        let _ = axum::serve(listener, router).await;
    }))
}

async fn scrape(State(scraped): State<Arc<Scraped>>) -> Response {
    let (reply, view) = oneshot::channel();
    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, "the node does not answer\n");
    if scraped.clients.send(ClientRequest::Status(reply)).await.is_err() {
        return unavailable.into_response();
    }
    let Ok(Ok(view)) = tokio::time::timeout(VIEW_TIME, view).await else {
        return unavailable.into_response();
    };
    let mut text = String::new();
    match encode(&mut text, &scraped.metrics.registry(&view)) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
