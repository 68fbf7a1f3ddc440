//! A running cluster of real processes, for one round: who leads, kill, restart, process ids.
//!
//! Dropping a [`Cluster`] kills its nodes, waits for their end and removes their data; should the
//! benchmark itself be killed, the nodes die with it (see `process.rs`).

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Contender, READY_DEADLINE, node_name};
use crate::direct::{DirectClient, Refused};
use crate::standing::Standing;
use whitewater_processes::Refusal;
use whitewater_processes::Reservation;
use whitewater_processes::{Child, Launch, Spawner};

/// Between two questions about who leads. A round starts at most this much late.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long one status call may take before the node counts as not ready.
const STATUS_DEADLINE: Duration = Duration::from_secs(1);

/// How long a killed process may take to be gone. SIGKILL waits only for the kernel: a process in the
/// middle of an fsync ends when the disk answers.
const DEATH_DEADLINE: Duration = Duration::from_secs(20);

/// The kernel stops and continues processes within milliseconds; a loaded machine may take longer.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(5);

/// Lines of a node's log that go into the message when it ends by itself.
const LOG_TAIL_LINES: usize = 5;

/// A running cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    contender: Contender,
    nodes: Vec<Node>,
    spawner: Arc<Spawner>,
    // Last, so that it is given back after the nodes' end.
    reserved: Reserved,
}

/// What a cluster holds as long as it runs: its addresses, and its folder, which is removed with it.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) _addresses: [Reservation; 2],
    pub(super) folder: TempDir,
}

#[derive(Debug)]
struct Node {
    name: String,
    address: SocketAddr,
    launch: Launch,
    child: Child,
}

fn spawn(spawner: &Spawner, launch: &Launch) -> Result<Child> {
    let child = spawner.spawn(launch, |_, _| {});
    child.with_context(|| format!("start {}", launch.program.display()))
}

impl Cluster {
    /// Starts a node for each launch and waits until they agree on a leader.
    pub(super) async fn start(
        contender: Contender,
        launches: Vec<(SocketAddr, Launch)>,
        spawner: Arc<Spawner>,
        reserved: Reserved,
    ) -> Result<Cluster> {
        let nodes = Vec::with_capacity(launches.len());
        let mut cluster = Cluster { contender, nodes, spawner, reserved };
        for (number, (address, launch)) in (1..).zip(launches) {
            let child = spawn(&cluster.spawner, &launch)?;
            cluster.nodes.push(Node { name: node_name(number), address, launch, child });
        }
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    /// Who runs here.
    pub(super) fn contender(&self) -> Contender {
        self.contender
    }

    /// How many nodes it has.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// `n1`, `n2`, ….
    pub(super) fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// Where clients connect.
    pub(super) fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].address
    }

    /// The process ids, in the order of nodes.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.child.pid()).collect()
    }

    /// A connection to one node.
    pub(super) async fn connect(
        &self,
        node: usize,
        deadline: Duration,
    ) -> Result<DirectClient, Refused> {
        DirectClient::connect(self.contender.protocol(), self.nodes[node].address, deadline).await
    }

    /// Waits until every node answers and all agree on one leader; returns it with its term.
    pub(super) async fn wait_ready(&self) -> Result<(usize, u64)> {
        let end = Instant::now() + READY_DEADLINE;
        loop {
            let mut seen = Vec::with_capacity(self.nodes.len());
            for node in &self.nodes {
                node.refuse_if_ended()?;
                seen.push(node.standing(self.contender).await);
            }
            if let Some(agreed) = agreed_leader(&seen) {
                return Ok(agreed);
            }
            if Instant::now() >= end {
                bail!(Refusal::Environment(format!(
                    "the {} nodes of {} did not agree on a leader within {READY_DEADLINE:?}: {}",
                    self.nodes.len(),
                    self.contender,
                    self.describe(&seen)
                )));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn describe(&self, seen: &[Result<Standing, Refused>]) -> String {
        let words = self.nodes.iter().zip(seen).map(|(node, standing)| match standing {
            Ok(Standing { is_leader: true, term, .. }) => {
                format!("{} leads term {term}", node.name)
            }
            Ok(Standing { has_leader: true, term, .. }) => {
                format!("{} follows in term {term}", node.name)
            }
            Ok(Standing { term, .. }) => format!("{} knows no leader in term {term}", node.name),
            Err(refused) => format!("{}: {refused}", node.name),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// Where a node's data lies.
    pub(super) fn data_dir(&self, node: usize) -> PathBuf {
        self.reserved.folder.path().join(&self.nodes[node].name)
    }

    /// The node that says that it leads, in the newest term; `stopped` is not asked.
    pub(super) async fn leading(&self, stopped: Option<usize>) -> Option<usize> {
        let mut newest = None;
        for number in (0..self.nodes.len()).filter(|number| Some(*number) != stopped) {
            let standing = self.nodes[number].standing(self.contender).await;
            if let Ok(Standing { is_leader: true, term, .. }) = standing {
                newest = newest.max(Some((term, number)));
            }
        }
        newest.map(|(_, number)| number)
    }

    /// Stops a node with SIGSTOP and waits until the kernel says so.
    pub(super) async fn pause(&self, node: usize) -> Result<()> {
        self.set_stopped(node, true).await
    }

    /// Lets a stopped node go on.
    pub(super) async fn resume(&self, node: usize) -> Result<()> {
        self.set_stopped(node, false).await
    }

    async fn set_stopped(&self, node: usize, is_stopped: bool) -> Result<()> {
        let Node { name, child, .. } = &self.nodes[node];
        let signal = if is_stopped { Signal::SIGSTOP } else { Signal::SIGCONT };
        child.signal(signal).with_context(|| format!("send {signal} to {name}"))?;
        if !child.wait_stopped(is_stopped, SIGNAL_DEADLINE).await {
            bail!("{name} did not heed {signal} within {SIGNAL_DEADLINE:?}");
        }
        Ok(())
    }

    /// Kills a node with SIGKILL and waits until the kernel has reaped it: from then on it answers nothing.
    pub(super) async fn kill(&self, node: usize) -> Result<()> {
        let Node { name, child, .. } = &self.nodes[node];
        child.expect_exit();
        child.signal(Signal::SIGKILL).with_context(|| format!("kill {name}"))?;
        let ended = child.wait_exit(DEATH_DEADLINE).await;
        ended
            .map(drop)
            .with_context(|| format!("{name} was not gone {DEATH_DEADLINE:?} after SIGKILL"))
    }

    /// Starts a killed node again on its data.
    pub(super) fn restart(&mut self, node: usize) -> Result<()> {
        let child = spawn(&self.spawner, &self.nodes[node].launch)?;
        self.nodes[node].child = child;
        Ok(())
    }

    /// An error with the last words of a node that ended by itself.
    pub(super) fn refuse_if_ended(&self) -> Result<()> {
        self.nodes.iter().try_for_each(Node::refuse_if_ended)
    }
}

impl Node {
    async fn standing(&self, contender: Contender) -> Result<Standing, Refused> {
        let mut client =
            DirectClient::connect(contender.protocol(), self.address, STATUS_DEADLINE).await?;
        let answer = tokio::time::timeout(STATUS_DEADLINE, client.status()).await;
        answer.unwrap_or_else(|_| {
            Err(tonic::Status::deadline_exceeded("no status within 1 s").into())
        })
    }

    fn refuse_if_ended(&self) -> Result<()> {
        let Some(how) = self.child.exit() else { return Ok(()) };
        let log = fs::read_to_string(&self.launch.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n  ");
        bail!(Refusal::Environment(format!(
            "{} ({}) ended by itself with {how}; its last words:\n  {tail}",
            self.name,
            self.launch.program.display()
        )))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.child.expect_exit();
            // A process that cannot be signalled has ended already.
            let _ = node.child.signal(Signal::SIGKILL);
        }
        let end = Instant::now() + DEATH_DEADLINE;
        while self.nodes.iter().any(|node| node.child.is_alive()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The one leader that all nodes follow in one term.
fn agreed_leader<E>(seen: &[Result<Standing, E>]) -> Option<(usize, u64)> {
    let standings: Vec<&Standing> =
        seen.iter().map(|standing| standing.as_ref().ok()).collect::<Option<_>>()?;
    let leader = standings.iter().position(|standing| standing.is_leader)?;
    let term = standings[leader].term;
    let is_agreed = standings.iter().enumerate().all(|(node, standing)| {
        standing.has_leader && standing.term == term && standing.is_leader == (node == leader)
    });
    is_agreed.then_some((leader, term))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(is_leader: bool, has_leader: bool, term: u64) -> Result<Standing, ()> {
        Ok(Standing { is_leader, has_leader, term })
    }

    #[test]
    fn a_leader_counts_only_when_all_nodes_follow_it_in_its_term() {
        let (leads, follows) = (standing(true, true, 3), standing(false, true, 3));
        assert_eq!(agreed_leader(&[follows, leads, follows]), Some((1, 3)));
        assert_eq!(agreed_leader(&[follows, follows, follows]), None);
        assert_eq!(agreed_leader(&[leads, leads, follows]), None);
        assert_eq!(agreed_leader(&[leads, standing(false, true, 2), follows]), None);
        assert_eq!(agreed_leader(&[leads, standing(false, false, 3), follows]), None);
        assert_eq!(agreed_leader(&[leads, Err(()), follows]), None);
    }
}
