//! Golden scripts: stories of a few nodes, told in commands and their outcome.
//!
//! A script starts with `cluster SIZE`. Election timeouts are 10 to 30 ticks, heartbeats 1. Nothing moves but by a command; each prints the messages that
//! arrive and what the nodes tell. `UPDATE_GOLDENFILES=1` writes the outcomes anew, for review.

use std::error::Error;
use std::sync::Arc;

use whitewater_raft::{MembershipChange, Message, NodeId, Paper, Raft, ReadMode, Refused, Rules};

use crate::invariants::Invariants;
use crate::network::{Cluster, Node};
use crate::{mutants, words};

/// What a script can say.
#[derive(Debug, goldenscript::Command)]
enum Step {
    /// Voters 1 to SIZE, with empty disks.
    Cluster {
        size: u64,
        #[arg(key, optional)]
        reads: String,
        #[arg(key)]
        pre_vote: Option<bool>,
        /// Fewest entries of an append that leaves while another one is unanswered.
        #[arg(key)]
        gathers: Option<usize>,
        /// A mutant of `mutants`.
        #[arg(key, optional)]
        rules: String,
    },
    /// Another node with an empty disk.
    Add(NodeId),
    /// The node's election timeout passes.
    Campaign(NodeId),
    /// Time passes at the node.
    Tick {
        id: NodeId,
        count: u32,
    },
    Propose {
        id: NodeId,
        commands: Vec<String>,
    },
    Read {
        id: NodeId,
        contexts: Vec<u64>,
    },
    /// The messages on their way from or to a node arrive, or the first COUNT of them.
    Deliver {
        #[arg(key)]
        from: Option<NodeId>,
        #[arg(key)]
        to: Option<NodeId>,
        #[arg(key)]
        count: Option<usize>,
    },
    /// They are lost.
    Lose {
        #[arg(key)]
        from: Option<NodeId>,
        #[arg(key)]
        to: Option<NodeId>,
    },
    /// They will arrive twice.
    Double {
        #[arg(key)]
        from: Option<NodeId>,
        #[arg(key)]
        to: Option<NodeId>,
    },
    /// Messages between these nodes (all: none named) arrive until there are none; not shown.
    Settle(#[arg(many, optional)] Vec<NodeId>),
    /// The messages on their way, not moved.
    Network,
    Crash(NodeId),
    Start(NodeId),
    /// Writes wait for `disk`.
    SlowDisk(NodeId),
    /// All waiting writes complete.
    Disk(NodeId),
    /// Compacts the node's log behind a snapshot.
    Snapshot(NodeId),
    Learner {
        leader: NodeId,
        id: NodeId,
    },
    Promote {
        leader: NodeId,
        id: NodeId,
    },
    Remove {
        leader: NodeId,
        id: NodeId,
    },
    Transfer {
        leader: NodeId,
        to: Option<NodeId>,
    },
    /// Role, term and log of every node.
    Status,
}

/// Runs one script.
struct Script {
    cluster: Cluster,
    invariants: Invariants,
}

impl goldenscript::Runner for Script {
    type Command = Step;

    fn run(
        &mut self,
        step: &Step,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn Error>> {
        let mut output = self.act(step)?;
        output.extend(self.told()?);
        Ok(output.join("\n"))
    }
}

impl Script {
    fn new(rules: Arc<dyn Rules>) -> Self {
        let mut cluster = Cluster::new(1, rules);
        cluster.election_ticks = (10, 30);
        Self { cluster, invariants: Invariants::default() }
    }

    fn act(&mut self, step: &Step) -> Result<Vec<String>, Box<dyn Error>> {
        let cluster = &mut self.cluster;
        match step {
            Step::Cluster { size, reads, pre_vote, gathers, rules } => {
                self.begin(reads, rules)?;
                self.cluster.pre_vote = pre_vote.unwrap_or(true);
                self.cluster.append_entries_min = gathers.unwrap_or(1);
                self.cluster.start_voters(*size);
            }
            Step::Add(id) => cluster.add(*id),
            Step::Campaign(id) => drop(cluster.input(*id, Raft::campaign)),
            Step::Tick { id, count } => {
                for _ in 0..*count {
                    cluster.input(*id, Raft::tick);
                }
            }
            Step::Propose { id, commands } => return self.propose(*id, commands),
            Step::Read { id, contexts } => self.read(*id, contexts),
            Step::Deliver { from, to, count } => return self.deliver(*from, *to, *count),
            Step::Lose { from, to } => drop(self.take(*from, *to, None)),
            Step::Double { from, to } => {
                let again = cluster.network.iter().filter(|message| {
                    from.is_none_or(|id| id == message.from) && to.is_none_or(|id| id == message.to)
                });
                let again: Vec<_> = again.cloned().collect();
                cluster.network.extend(again);
            }
            Step::Settle(ids) => return self.settle(ids),
            Step::Network => return Ok(cluster.network.iter().map(words::message).collect()),
            Step::Crash(id) => cluster.crash(*id),
            Step::Start(id) => cluster.start(*id),
            Step::SlowDisk(id) => cluster.node_mut(*id).is_disk_slow = true,
            Step::Disk(id) => {
                while cluster.has_writes(*id) {
                    cluster.complete_write(*id);
                }
            }
            Step::Snapshot(id) => cluster.snapshot(*id),
            Step::Learner { leader, id } => {
                return self.change(*leader, MembershipChange::AddLearner(*id));
            }
            Step::Promote { leader, id } => {
                return self.change(*leader, MembershipChange::Promote(*id));
            }
            Step::Remove { leader, id } => {
                return self.change(*leader, MembershipChange::Remove(*id));
            }
            Step::Transfer { leader, to } => {
                let target = cluster.input(*leader, |raft| raft.transfer_leadership(*to));
                return accepted(target).map(|target| vec![format!("hands over to n{target}")]);
            }
            Step::Status => return Ok(self.status()),
        }
        Ok(Vec::new())
    }

    fn begin(&mut self, reads: &str, rules: &str) -> Result<(), String> {
        let rules = mutants::by_name(rules).ok_or_else(|| format!("no such rules: {rules}"))?;
        *self = Self::new(rules);
        self.cluster.read_mode = match reads {
            "" | "index" => ReadMode::Index,
            "log" => ReadMode::Log,
            "lease" => ReadMode::Lease,
            other => return Err(format!("no such read mode: {other}")),
        };
        Ok(())
    }

    fn propose(&mut self, id: NodeId, commands: &[String]) -> Result<Vec<String>, Box<dyn Error>> {
        for command in commands {
            let command: Arc<[u8]> = Arc::from(command.as_bytes());
            accepted(self.cluster.input(id, |raft| raft.propose(command)))?;
        }
        Ok(Vec::new())
    }

    fn read(&mut self, id: NodeId, contexts: &[u64]) {
        for context in contexts {
            self.invariants.read_begins(*context);
            self.cluster.input(id, |raft| raft.read(*context));
        }
    }

    fn change(
        &mut self,
        leader: NodeId,
        change: MembershipChange,
    ) -> Result<Vec<String>, Box<dyn Error>> {
        accepted(self.cluster.input(leader, |raft| raft.change_membership(change)))?;
        Ok(Vec::new())
    }

    fn take(
        &mut self,
        from: Option<NodeId>,
        to: Option<NodeId>,
        count: Option<usize>,
    ) -> Vec<Message> {
        let is_meant = |message: &mut Message| {
            from.is_none_or(|id| id == message.from) && to.is_none_or(|id| id == message.to)
        };
        let count = count.unwrap_or(usize::MAX);
        self.cluster.network.extract_if(.., is_meant).take(count).collect()
    }

    fn deliver(
        &mut self,
        from: Option<NodeId>,
        to: Option<NodeId>,
        count: Option<usize>,
    ) -> Result<Vec<String>, Box<dyn Error>> {
        let mut output = Vec::new();
        for message in self.take(from, to, count) {
            output.push(words::message(&message));
            self.cluster.deliver(message);
            output.extend(self.told()?.into_iter().map(|line| format!("  {line}")));
        }
        Ok(output)
    }

    fn settle(&mut self, ids: &[NodeId]) -> Result<Vec<String>, Box<dyn Error>> {
        let is_among = |id: &NodeId| ids.is_empty() || ids.contains(id);
        let mut output = Vec::new();
        for _ in 0..1000 {
            let network = &mut self.cluster.network;
            let next =
                network.iter().position(|message| is_among(&message.from) && is_among(&message.to));
            let Some(at) = next else { return Ok(output) };
            let message = network.remove(at);
            self.cluster.deliver(message);
            output.extend(self.told()?);
        }
        Err("the nodes still talk after 1000 messages".into())
    }

    /// What the nodes told since they were last asked, and the reads that settled.
    fn told(&mut self) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for (id, node) in &self.cluster.nodes {
            lines.extend(node.trace.iter().map(|traced| words::event(*id, traced)));
            lines.extend(node.reads.iter().map(|read| words::read(*id, read)));
        }
        self.invariants.check(&mut self.cluster)?;
        Ok(lines)
    }

    fn status(&self) -> Vec<String> {
        let describe = |(id, node): (&NodeId, &Node)| {
            let Some(raft) = &node.raft else { return format!("n{id} is down") };
            let status = raft.status();
            let snapshot = node.disk.snapshot.iter().map(words::snapshot);
            let log: Vec<String> =
                snapshot.chain(node.disk.entries.iter().map(words::entry)).collect();
            format!(
                "n{id} {} term {} commit {}: {}",
                words::role(status.role),
                status.hard_state.term,
                status.commit,
                log.join(", ")
            )
        };
        self.cluster.nodes.iter().map(describe).collect()
    }
}

/// What a node said to a request of its driver.
fn accepted<T>(answer: Option<Result<T, Refused>>) -> Result<T, Box<dyn Error>> {
    answer.ok_or("the node is down")?.map_err(|refused| format!("{refused:?}").into())
}

/// One test for each script, and one that no script is forgotten.
macro_rules! scripts {
    ($($name:ident)*) => {
        const LISTED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                let path = std::path::Path::new(FOLDER).join(stringify!($name));
                goldenscript::run(&mut Script::new(Arc::new(Paper)), path).unwrap();
            }
        )*
    };
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/scripts");

#[test]
fn every_script_in_the_folder_is_run() {
    let names = std::fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, LISTED, "the list is in alphabetical order");
}

scripts! {
    a_candidate_wins_with_a_majority
    a_committed_entry_of_an_old_term_waits_for_one_of_the_new
    a_deposed_leader_answers_no_read
    a_divergent_log_is_replaced_from_the_first_difference
    a_follower_reads_by_asking_the_leader
    a_late_follower_gets_a_snapshot
    a_leader_without_a_quorum_steps_down
    a_learner_becomes_a_voter
    a_lease_is_worth_nothing_after_a_transfer
    a_log_is_kept_behind_a_snapshot_on_its_way
    a_lost_append_is_sent_again
    a_lost_probe_does_not_hold_up_what_follows
    a_new_leader_reads_only_after_its_first_commit
    a_node_alone_commits_what_its_disk_has
    a_node_that_its_own_entry_leaves_out_still_campaigns
    a_read_through_the_log_needs_no_round
    a_removed_leader_steps_down_and_names_an_heir
    a_restarted_voter_keeps_the_lease_of_its_last_life
    a_split_vote_is_decided_in_another_term
    a_transfer_that_fails_is_given_up
    a_trial_disturbs_no_living_leader
    a_vote_leaves_only_when_the_disk_has_it
    acknowledgements_wait_for_the_disk
    bug_a_follower_acks_its_own_tail
    bug_a_lease_outlives_a_transfer
    bug_a_read_waits_for_a_round_under_way
    bug_a_vote_is_erased_by_an_append
    bug_an_entry_of_an_old_term_is_committed_by_counting
    bug_voters_do_not_keep_the_lease
    doubled_and_late_messages_change_nothing
    few_entries_gather_while_an_append_is_unanswered
    leadership_passes_without_a_timeout
    reads_share_a_heartbeat_round
    whole_terms_are_skipped_when_logs_differ
}
