//! Benchmarks: the bundled server beside etcd, on one machine, under one load generator.
//!
//! [`server`] measures throughput, latency, CPU and memory under a closed loop; [`failover`] measures how
//! long a cluster is without a leader that acknowledges, and how long a killed node is away; [`soak`] watches
//! memory, disk and speed under a steady load. All start
//! fresh clusters of real processes (`harness`, `cluster`) with fsync on and without proxies. `load` is the
//! generator, `counters` reads the kernel's counters, `statistics` is the arithmetic, [`table`] and
//! the serialised structs are what comes out.
//!
//! Nothing but [`soak`], which has objectives, judges: docs/benchmarks.md says how figures are to be read. No
//! fault is injected but the kills of [`failover`] and the stopped followers of [`soak`], and no history is recorded: whether answers were right is the checker's trade.

pub mod failover;
pub mod server;
pub mod soak;

mod channel;
mod cluster;
mod counters;
mod direct;
mod etcd;
mod harness;
mod load;
mod machine;
mod standing;
mod statistics;
pub mod table;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::direct::Protocol;

/// A server that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// Whitewater's own.
    Bundled,
    /// etcd, found on PATH.
    Etcd,
}

impl Contender {
    fn protocol(self) -> Protocol {
        match self {
            Contender::Bundled => Protocol::Bundled,
            Contender::Etcd => Protocol::Etcd,
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Contender::Bundled => "bundled",
            Contender::Etcd => "etcd",
        })
    }
}

/// What both benchmarks are told of clusters.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// Who is measured, in the order of the first round.
    pub contenders: Vec<Contender>,
    /// Nodes of a cluster.
    pub nodes: usize,
    /// Another build of the bundled server.
    pub server: Option<PathBuf>,
    /// Where data folders are made, and removed again.
    pub folder: PathBuf,
}

/// How long a fresh cluster may take to agree on a leader. Ten times the slowest boot seen of etcd.
const READY_DEADLINE: Duration = Duration::from_secs(45);

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// `n1`, `n2`, …: nodes count from 1.
fn node_name(number: usize) -> String {
    format!("n{number}")
}
