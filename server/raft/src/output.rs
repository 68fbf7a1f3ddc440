//! The output side of the core: what a [`Ready`] is made of, and what comes back about it.

use crate::event::Event;
use crate::message::{Entry, Index, SnapshotMeta};
use crate::progress::Progress;
use crate::raft::{Raft, State};
use crate::ready::{Persist, Ready};

/// Most committed entries of one `Ready`. A restarted node has its whole log to apply; the driver
/// should get to its messages in between.
const COMMITTED_ENTRIES_MAX: usize = 4096;

impl Raft {
    /// Whether [`Raft::ready`] would have anything to say.
    pub fn has_ready(&self) -> bool {
        self.is_dirty
            || self.outbox.is_waiting()
            || self.outbox.must_persist(self.log.last().index)
            || self.has_committed()
            || self.has_settled_reads()
    }

    /// Everything there is to do now. Each thing is handed out once.
    pub fn ready(&mut self) -> Ready {
        self.advance_reads();
        self.send_appends();
        self.is_dirty = false;
        self.tell_appended();
        self.tell_commit();
        let persist = self.take_persist();
        let committed = self.take_committed();
        let reads = self.take_settled_reads();
        let (events_after_persist, messages_after_persist) = self.outbox.take_after();
        Ready {
            events: std::mem::take(&mut self.outbox.events),
            messages: std::mem::take(&mut self.outbox.messages),
            persist,
            events_after_persist,
            messages_after_persist,
            committed,
            reads,
            snapshots_wanted: std::mem::take(&mut self.outbox.snapshots_wanted),
        }
    }

    /// A persist and all before it are durable.
    pub fn persisted(&mut self, number: u64) {
        self.outbox.persisted(number);
        // An installed snapshot is the state machine now.
        if self.outbox.durable >= self.log.base().index {
            self.applied = self.applied.max(self.log.base().index);
        }
        match self.state {
            State::Leader(_) => self.advance_commit(),
            State::Candidate(_) => self.count_own_vote(),
            State::Follower(_) => {}
        }
    }

    /// A snapshot of the own state is durable: the log before it can go, but for the tail set with
    /// [`Raft::set_log_tail`], and what peers need that were sent an earlier snapshot.
    pub fn compacted(&mut self, snapshot: SnapshotMeta) {
        if snapshot.last.index <= self.snapshot.index {
            return;
        }
        let before = std::mem::replace(&mut self.snapshot, snapshot.last);
        let mut to = snapshot.last.index.saturating_sub(self.log_tail).min(self.given);
        if let State::Leader(leader) = &mut self.state {
            let needs = |progress: &mut Progress| progress.needs_log_after(before.index);
            to = leader.peers.values_mut().filter_map(needs).fold(to, Index::min);
        }
        if to <= self.log.base().index {
            return;
        }
        self.log.compact(to);
        self.memberships.compact(to);
        self.emit(Event::Purge { to });
    }

    /// How many entries to keep in memory behind a snapshot, so that a follower that is a little late
    /// gets entries and not the whole state.
    pub fn set_log_tail(&mut self, entries: u64) {
        self.log_tail = entries;
    }

    fn take_persist(&mut self) -> Option<Persist> {
        let last = self.log.last();
        if !self.outbox.must_persist(last.index) {
            return None;
        }
        let from = self.outbox.handed + 1;
        let mut persist = self.outbox.next_persist(last.index);
        if from <= last.index {
            persist.entries = self.log.read(from, usize::MAX, usize::MAX);
            let chain = self.log.chain_at(last.index).unwrap_or_default();
            self.emit_after(Event::Durable { last, chain });
        }
        Some(persist)
    }

    /// Entries are given out only where they are locally durable too: a state machine that is ahead
    /// of its log cannot be rebuilt after a crash.
    pub(crate) fn committed_to(&self) -> Index {
        self.commit.min(self.outbox.durable)
    }

    fn has_committed(&self) -> bool {
        self.outbox.is_settled() && self.given < self.committed_to()
    }

    fn take_committed(&mut self) -> Vec<Entry> {
        if !self.has_committed() {
            return Vec::new();
        }
        let count = usize::try_from(self.committed_to() - self.given).unwrap_or(usize::MAX);
        let committed = self.log.read(self.given + 1, count.min(COMMITTED_ENTRIES_MAX), usize::MAX);
        self.given += committed.len() as u64;
        committed
    }
}
