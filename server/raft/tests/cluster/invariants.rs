//! What must hold in any cluster at any time (paper Figure 3), checked while a schedule runs.
//!
//! Everything is taken from the traces and the state machines, as the real checker does; the state of
//! a node is looked at only where a leader is elected.

use std::collections::BTreeMap;

use whitewater_raft::event::{Event, Role};
use whitewater_raft::{Chain, Entry, Index, NodeId, Position, Term};

use crate::network::Cluster;

/// What was seen so far, over all nodes and boots.
#[derive(Default)]
pub(crate) struct Invariants {
    leaders: BTreeMap<Term, NodeId>,
    votes: BTreeMap<(NodeId, Term), NodeId>,
    chains: BTreeMap<Position, Chain>,
    committed: BTreeMap<Index, Chain>,
    /// The highest entry that a leader of a term committed.
    committed_by_term: BTreeMap<Term, (Index, Chain)>,
    /// A node's commit index, in its present boot.
    commits: BTreeMap<(NodeId, u64), Index>,
    applied: BTreeMap<Index, Entry>,
    checked: BTreeMap<(NodeId, u64), usize>,
    /// The commit index that anybody may know of when a read begins.
    read_floors: BTreeMap<u64, Index>,
    pub(crate) seen: Seen,
}

/// How often things happened: schedules in which nothing happens prove nothing.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    pub(crate) fn times(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Seen) {
        for (kind, times) in &other.0 {
            *self.0.entry(kind).or_default() += times;
        }
    }

    fn note(&mut self, event: &Event) {
        let kind = match event {
            Event::Leader { .. } => "leader",
            Event::Stepdown { .. } => "stepdown",
            Event::Truncate { .. } => "truncate",
            Event::Commit { .. } => "commit",
            Event::Purge { .. } => "purge",
            Event::Read { .. } => "read",
            Event::Campaign { transfer: true, .. } => "transfer",
            Event::Config { membership, .. } if membership.is_joint() => "joint",
            Event::Config { .. } => "config",
            Event::SnapshotInstalled { .. } => "snapshot",
            _ => return,
        };
        *self.0.entry(kind).or_default() += 1;
    }
}

impl Invariants {
    /// The highest index that any leader committed.
    pub(crate) fn committed(&self) -> Index {
        self.committed.keys().next_back().copied().unwrap_or(0)
    }

    /// A read begins.
    pub(crate) fn read_begins(&mut self, context: u64) {
        self.read_floors.insert(context, self.committed());
    }

    /// Takes in what the nodes told and applied since the last call.
    pub(crate) fn check(&mut self, cluster: &mut Cluster) -> Result<(), String> {
        let ids: Vec<NodeId> = cluster.nodes.keys().copied().collect();
        for id in ids {
            let node = cluster.nodes.get_mut(&id).ok_or("no such node")?;
            let boot = node.boot;
            for traced in std::mem::take(&mut node.trace) {
                self.seen.note(&traced.event);
                let happened = format!("n{id} term {} {:?}", traced.term, traced.event);
                let is_leader = traced.role == Role::Leader;
                let broken = match traced.event {
                    Event::Leader { .. } => self.leader(cluster, id, traced.term),
                    Event::Vote { candidate, .. } => self.vote(id, traced.term, candidate),
                    Event::Append { last, chain, .. } | Event::Durable { last, chain } => {
                        self.log_matching(last, chain)
                    }
                    Event::Commit { to, chain, .. } => {
                        self.commit((id, boot), traced.term, is_leader, to, chain)
                    }
                    _ => Ok(()),
                };
                broken.map_err(|what| format!("{what}: {happened}"))?;
            }
            self.applied(cluster, id, boot)?;
            self.reads(cluster, id)?;
        }
        Ok(())
    }

    /// Election Safety, and Leader Completeness for what earlier terms committed.
    fn leader(&mut self, cluster: &Cluster, id: NodeId, term: Term) -> Result<(), String> {
        let other = *self.leaders.entry(term).or_insert(id);
        if other != id {
            return Err(format!("election safety: n{other} leads term {term} already"));
        }
        let Some(raft) = cluster.raft(id) else { return Ok(()) };
        for (earlier, (index, chain)) in self.committed_by_term.range(..term) {
            let is_held = index < &raft.log_base().index || raft.chain_at(*index) == Some(*chain);
            if !is_held {
                return Err(format!("leader completeness: lacks {index} committed in {earlier}"));
            }
        }
        Ok(())
    }

    /// One vote a term, over all boots (5.2).
    fn vote(&mut self, id: NodeId, term: Term, candidate: NodeId) -> Result<(), String> {
        let earlier = *self.votes.entry((id, term)).or_insert(candidate);
        if earlier == candidate { Ok(()) } else { Err(format!("voted for n{earlier} before")) }
    }

    /// Log Matching: one chain for each index and term.
    fn log_matching(&mut self, last: Position, chain: Chain) -> Result<(), String> {
        let known = *self.chains.entry(last).or_insert(chain);
        if known == chain { Ok(()) } else { Err(format!("log matching: {known} was here")) }
    }

    /// A commit index never falls, and what is committed stays.
    fn commit(
        &mut self,
        boot: (NodeId, u64),
        term: Term,
        is_leader: bool,
        to: Position,
        chain: Chain,
    ) -> Result<(), String> {
        self.log_matching(to, chain)?;
        let before = self.commits.insert(boot, to.index).unwrap_or(0);
        if before > to.index {
            return Err(format!("commit index falls from {before}"));
        }
        let known = *self.committed.entry(to.index).or_insert(chain);
        if known != chain {
            return Err(format!("committed entry replaced: {known} was here"));
        }
        if is_leader {
            let highest = self.committed_by_term.entry(term).or_default();
            *highest = (*highest).max((to.index, chain));
        }
        Ok(())
    }

    /// State Machine Safety: every node applies the same entry at the same index, without gaps.
    fn applied(&mut self, cluster: &Cluster, id: NodeId, boot: u64) -> Result<(), String> {
        let applied = &cluster.nodes[&id].applied;
        let checked = self.checked.entry((id, boot)).or_default();
        for (entry, index) in applied.iter().zip(1..).skip((*checked).min(applied.len())) {
            if entry.index != index {
                return Err(format!("n{id} applies {:?} where {index} is due", entry.position()));
            }
            let known = self.applied.entry(index).or_insert_with(|| entry.clone());
            if known != entry {
                return Err(format!(
                    "state machine safety: n{id} applies {entry:?}, not {known:?}"
                ));
            }
        }
        *checked = applied.len();
        Ok(())
    }

    /// A read sees every commit that anybody could know of when it began.
    fn reads(&mut self, cluster: &mut Cluster, id: NodeId) -> Result<(), String> {
        let node = cluster.nodes.get_mut(&id).ok_or("no such node")?;
        for read in std::mem::take(&mut node.reads) {
            let Some(index) = read.index else { continue };
            let floor = self.read_floors.get(&read.context).copied().unwrap_or(0);
            let applied = node.applied.len() as u64;
            if index < floor || applied < index {
                return Err(format!(
                    "stale read: n{id} reads at {index} having applied {applied}; \
                     {floor} was committed when the read began"
                ));
            }
        }
        Ok(())
    }
}
