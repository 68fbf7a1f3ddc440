//! A node's snapshots: taking them, taking over a leader's, and sending them to peers.

use whitewater_raft::event::Event;
use whitewater_raft::{NodeId, Position, SnapshotMeta};

use super::{Effects, Node};
use crate::answer::{Failure, FailureKind};

impl<E: Effects> Node<E> {
    pub(super) fn snapshot_if_due(&mut self) {
        let since = self.snapshot.as_ref().map_or(0, |(meta, _)| meta.last.index);
        let entries = self.machine.applied() - since.min(self.machine.applied());
        let due = |limit: u64, count: u64| limit != 0 && count >= limit;
        if due(self.snapshots.entries, entries)
            || due(self.snapshots.bytes, self.bytes_since_snapshot)
        {
            self.take_snapshot();
        }
    }

    /// Begins a snapshot of the state as it is, unless one is being written.
    pub fn take_snapshot(&mut self) {
        let index = self.machine.applied();
        let (Some(term), Some(chain)) = (self.raft.term_at(index), self.raft.chain_at(index))
        else {
            return;
        };
        if self.saving.is_some() || index == 0 {
            return;
        }
        self.bytes_since_snapshot = 0;
        let membership = self.membership.clone();
        let meta = SnapshotMeta { last: Position { index, term }, chain, membership };
        let data = self.machine.save();
        self.saving = Some((data.clone(), self.machine.state_hash()));
        self.effects.save_snapshot(meta, data);
    }

    /// A snapshot of the own state is durable.
    pub fn snapshot_saved(&mut self, meta: SnapshotMeta) {
        let Some((data, state_hash)) = self.saving.take() else { return };
        if self.snapshot.as_ref().is_some_and(|(newer, _)| newer.last.index > meta.last.index) {
            return;
        }
        let written = Event::SnapshotWritten { last: meta.last, chain: meta.chain, state_hash };
        self.tell(vec![written]);
        self.snapshot = Some((meta.clone(), data));
        self.effects.compact(meta.last.index);
        self.raft.compacted(meta);
    }

    /// A leader's snapshot is durable: the state becomes what it says.
    pub(super) fn install(&mut self, meta: SnapshotMeta) {
        let data = self.received.remove(&meta.last.index).unwrap_or_default();
        let applied_before = self.machine.applied();
        self.machine.load(&data).expect("a snapshot is decoded once before it is stepped");
        self.learn_addresses();
        self.raft.applied(meta.last.index);
        self.uncommitted.applied(meta.last.index);
        let (last, chain) = (meta.last, meta.chain);
        let state_hash = self.machine.state_hash();
        self.tell(vec![Event::SnapshotInstalled { last, chain, state_hash, applied_before }]);
        self.received.retain(|index, _| *index > last.index);
        self.membership.clone_from(&meta.membership);
        self.snapshot = Some((meta, data));
        self.bytes_since_snapshot = 0;
        let passed = self.pending.extract_if(..=last.index, |_, _| true).collect::<Vec<_>>();
        for (_, pending) in passed {
            let text = "the leader's snapshot passed over this command: it may have been applied";
            self.fail(pending.client, Failure::indefinite(FailureKind::TimedOut, text));
        }
        self.effects.compact(last.index);
    }

    pub(super) fn send_snapshots(&mut self, wanted: &[NodeId]) {
        for peer in wanted {
            let Some((meta, data)) = self.snapshot.clone() else {
                self.raft.snapshot_sent(*peer, false);
                continue;
            };
            if let Some(message) = self.raft.snapshot_message(*peer, meta) {
                self.effects.send_snapshot(message, data);
            }
        }
    }

    /// A snapshot arrived at a peer, or did not.
    pub fn snapshot_sent(&mut self, peer: NodeId, delivered: bool) {
        self.raft.snapshot_sent(peer, delivered);
    }
}
