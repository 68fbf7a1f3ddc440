//! Watches the nodes from outside: polls every status, past every proxy, and remembers who led.
//!
//! The newest answers are a [`View`]; whoever waits for something (a healthy cluster, a leader to
//! strike, equal states) waits for the view to change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use whitewater_checker::observation::{ProcessChange, StatusPoll};

use crate::cluster::{Cluster, node_name};
use crate::record::Recorder;
use whitewater_server::clock::monotonic_ns;
use whitewater_target::{LeaderSeen, NodeStatus, Probe, Tells};

/// A node that has not answered by then is paused, dead or overloaded.
const POLL_DEADLINE: Duration = Duration::from_millis(300);

/// How often nodes are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Pause between two polls of one node.
    every: Duration,
    /// An answer older than this says nothing about the present.
    fresh_ns: u64,
}

impl Pace {
    /// That often.
    pub(crate) fn every(every: Duration) -> Self {
        let fresh = 2 * every + POLL_DEADLINE;
        Self { every, fresh_ns: u64::try_from(fresh.as_nanos()).unwrap_or(u64::MAX) }
    }
}

impl Default for Pace {
    /// Elections of the bundled server take 300 ms and more, so none is missed.
    fn default() -> Self {
        Self::every(Duration::from_millis(75))
    }
}

/// The newest answer of each node.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// How often they are asked.
    pub(crate) pace: Pace,
    /// By node: when it answered, and what.
    pub(crate) answers: BTreeMap<u32, (u64, NodeStatus)>,
}

impl View {
    /// The node that leads, by its own word: of those that say so now, the one of the newest term.
    pub(crate) fn leader(&self, now_ns: u64) -> Option<(u32, u64)> {
        self.fresh(now_ns)
            .filter(|(_, status)| status.is_leader())
            .max_by_key(|(_, status)| status.term)
            .map(|(node, status)| (node, status.term))
    }

    /// Answers that say something about the present.
    pub(crate) fn fresh(&self, now_ns: u64) -> impl Iterator<Item = (u32, &NodeStatus)> {
        let oldest = now_ns.saturating_sub(self.pace.fresh_ns);
        self.answers
            .iter()
            .filter(move |(_, (time_ns, _))| *time_ns >= oldest)
            .map(|(node, (_, status))| (*node, status))
    }

    /// Whether all `nodes` answer, and follow the same leader in the same term, as far as they tell.
    pub(crate) fn is_healthy(&self, nodes: usize, tells: Tells, now_ns: u64) -> bool {
        let Some((leader, term)) = self.leader(now_ns) else { return false };
        let follow = |status: &NodeStatus| {
            (!tells.term || status.term == term) && (!tells.leader || status.leader == Some(leader))
        };
        self.fresh(now_ns).filter(|(_, status)| follow(status)).count() == nodes
    }

    /// Those of these nodes that belong to the cluster, by the leader's word; all where nobody tells. One that does not
    /// belong is sent nothing, and has nothing in common with the others.
    pub(crate) fn belonging(&self, nodes: impl Iterator<Item = u32>, now_ns: u64) -> Vec<u32> {
        let led = self.leader(now_ns).and_then(|(leader, _)| self.answers.get(&leader));
        let members = led.map(|(_, status)| &status.members).filter(|it| !it.voters.is_empty());
        nodes.filter(|node| members.is_none_or(|members| members.contains(*node))).collect()
    }

    /// Whether all `nodes` answer, and have applied the same, which is all there is.
    pub(crate) fn is_settled(&self, nodes: usize, now_ns: u64) -> bool {
        let mut applied: Vec<u64> = Vec::new();
        for (_, status) in self.fresh(now_ns) {
            if status.applied != status.commit {
                return false;
            }
            applied.push(status.applied);
        }
        applied.len() == nodes && applied.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// A node's answer as it is recorded.
pub(crate) fn poll_of(node: u32, time_ns: u64, status: &NodeStatus, is_final: bool) -> StatusPoll {
    StatusPoll {
        node: node_name(node),
        time_ns,
        role: status.role.clone(),
        term: status.term,
        leader: status.leader.map(node_name),
        commit: status.commit,
        applied: status.applied,
        state_hash: status.state_hash.clone(),
        chain: status.chain.clone(),
        is_final,
    }
}

/// A change of leadership that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Led {
    /// When.
    pub(crate) at_ns: u64,
    /// Who leads from then on.
    pub(crate) node: u32,
    /// Its term.
    pub(crate) term: u64,
}

/// The running watch; ends when dropped.
pub(crate) struct Observer {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// How a cluster is watched.
pub(crate) struct Watch {
    /// Who is asked; `None`: nodes do not tell.
    pub(crate) probe: Option<Arc<dyn Probe>>,
    /// How often.
    pub(crate) pace: Pace,
    /// Who wants to know who leads.
    pub(crate) leader: LeaderSeen,
}

struct Shared {
    cluster: Arc<Cluster>,
    watch: Watch,
    recorder: Recorder,
    view: watch::Sender<View>,
    leaders: Mutex<Vec<Led>>,
}

impl Observer {
    /// Starts to watch.
    pub(crate) fn start(cluster: Arc<Cluster>, watch: Watch, recorder: Recorder) -> Self {
        let view = View { pace: watch.pace, ..View::default() };
        let shared = Arc::new(Shared {
            cluster,
            watch,
            recorder,
            view: watch::Sender::new(view),
            leaders: Mutex::default(),
        });
        let watch = |node| tokio::spawn(watch_node(shared.clone(), node));
        let tasks = shared.cluster.numbers().map(watch).collect();
        Self { shared, tasks }
    }

    /// The newest answers.
    pub(crate) fn view(&self) -> View {
        self.shared.view.borrow().clone()
    }

    /// Changes of leadership seen since a time.
    pub(crate) fn leaders_since(&self, since_ns: u64) -> Vec<Led> {
        let leaders = self.shared.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        leaders.iter().copied().filter(|led| led.at_ns >= since_ns).collect()
    }

    /// Asks every node once more and records the answers as the run's last word.
    pub(crate) async fn final_poll(&self) -> BTreeMap<u32, NodeStatus> {
        let mut answers = BTreeMap::new();
        for node in self.view().belonging(self.shared.cluster.numbers(), monotonic_ns()) {
            if let Ok(status) = self.shared.status(node, Duration::from_secs(1)).await {
                self.shared.record(node, &status, true);
                answers.insert(node, status);
            }
        }
        answers
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn watch_node(shared: Arc<Shared>, node: u32) {
    let (mut ready_pid, mut ghost_pid, mut stopped_pid) = (None, None, None);
    loop {
        note_stop(&shared, node, &mut stopped_pid);
        // A process that had ended before the question was asked did not answer it.
        let ended = shared.cluster.child(node).filter(|child| !child.is_alive());
        if let Ok(status) = shared.status(node, POLL_DEADLINE).await {
            let pid = shared.cluster.child(node).map(|child| child.pid());
            let ended = ended.map(|child| child.pid()).filter(|ended| pid == Some(*ended));
            if let Some(ended) = ended {
                if ghost_pid.replace(ended) != Some(ended) {
                    let change = ProcessChange::AnsweredWhileDown;
                    shared.recorder.process(&node_name(node), ended, change);
                }
            } else if let Some(pid) = pid.filter(|pid| Some(*pid) != ready_pid) {
                shared.recorder.process(&node_name(node), pid, ProcessChange::Ready);
                ready_pid = Some(pid);
            }
            shared.record(node, &status, false);
            shared.note_leader(node, &status);
            shared.view.send_modify(|view| {
                view.answers.insert(node, (monotonic_ns(), status));
            });
        }
        tokio::time::sleep(shared.watch.pace.every).await;
    }
}

/// Notes where somebody else stopped the node's process, or let it go on.
fn note_stop(shared: &Shared, node: u32, stopped_pid: &mut Option<u32>) {
    let Some(child) = shared.cluster.child(node) else { return };
    let Some(is_stopped) = shared.cluster.is_stopped_from_outside(node) else { return };
    let tell = |change| shared.recorder.process(&node_name(node), child.pid(), change);
    let was_stopped = *stopped_pid == Some(child.pid());
    match (was_stopped, is_stopped) {
        (false, true) => {
            *stopped_pid = Some(child.pid());
            tell(ProcessChange::StoppedFromOutside);
        }
        (true, false) => {
            *stopped_pid = None;
            // One that was killed where it stood does not go on.
            if child.is_alive() {
                tell(ProcessChange::ContinuedFromOutside);
            }
        }
        (true, true) | (false, false) => {}
    }
}

impl Shared {
    async fn status(&self, node: u32, deadline: Duration) -> Result<NodeStatus, String> {
        match &self.watch.probe {
            Some(probe) => probe.status(node, deadline).await,
            None => Err("this target's nodes do not tell".into()),
        }
    }

    fn record(&self, node: u32, status: &NodeStatus, is_final: bool) {
        self.recorder.status(&poll_of(node, monotonic_ns(), status, is_final));
    }

    fn note_leader(&self, node: u32, status: &NodeStatus) {
        if !status.is_leader() {
            return;
        }
        // Nodes that do not tell their term say the same one always.
        let is_other =
            |last: &Led| status.term > last.term || status.term == last.term && node != last.node;
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        if leaders.last().is_none_or(is_other) {
            self.watch.leader.note(node);
            leaders.push(Led { at_ns: monotonic_ns(), node, term: status.term });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(answers: &[(u32, u64, &str, u64, Option<u32>)]) -> View {
        let answer = |&(node, at_ns, role, term, leader): &(u32, u64, &str, u64, Option<u32>)| {
            (node, (at_ns, NodeStatus { role: role.into(), term, leader, ..Default::default() }))
        };
        View { answers: answers.iter().map(answer).collect(), ..View::default() }
    }

    const NOW: u64 = 10_000_000_000;

    #[test]
    fn a_deposed_leader_and_a_silent_one_do_not_lead() {
        let two = view(&[(1, NOW, "leader", 7, Some(1)), (2, NOW, "leader", 8, Some(2))]);
        assert_eq!(two.leader(NOW), Some((2, 8)));
        let silent = view(&[(1, NOW - 2_000_000_000, "leader", 7, Some(1))]);
        assert_eq!(silent.leader(NOW), None);
    }

    #[test]
    fn health_needs_every_node_behind_one_leader() {
        let mut healthy = view(&[(1, NOW, "leader", 7, Some(1)), (2, NOW, "follower", 7, Some(1))]);
        assert!(healthy.is_healthy(2, Tells::ALL, NOW));
        assert!(!healthy.is_healthy(3, Tells::ALL, NOW), "one does not answer");
        healthy.answers.get_mut(&2).unwrap().1.leader = None;
        let leads = Tells { leads: true, ..Tells::default() };
        assert!(healthy.is_healthy(2, leads, NOW), "it does not tell whom it follows");
        assert!(!healthy.is_healthy(2, Tells::ALL, NOW));
    }

    #[test]
    fn a_cluster_is_settled_when_all_applied_all() {
        let mut view = view(&[(1, NOW, "leader", 7, Some(1)), (2, NOW, "follower", 7, Some(1))]);
        assert!(view.is_settled(2, NOW));
        view.answers.get_mut(&2).unwrap().1.commit = 5;
        assert!(!view.is_settled(2, NOW));
        view.answers.get_mut(&2).unwrap().1.applied = 5;
        assert!(!view.is_settled(2, NOW));
    }
}
