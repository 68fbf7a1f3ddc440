//! What a leader knows of one peer, and how fast it may send.
//!
//! Three modes. *Probe*: the place where the logs agree is not known, one append at a time. *Replicate*:
//! it is known, appends are pipelined up to a window without waiting for answers. *Snapshot*: the peer
//! needs entries that are compacted away; nothing is sent until it has the snapshot.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use crate::message::{Index, Position};

/// So many snapshots of its own a leader takes before it drops entries that a peer with an older one still
/// needs: the log it keeps is bounded by what the driver lets gather between two snapshots.
const SNAPSHOTS_HELD_MAX: u32 = 8;

/// How to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    Probe,
    Replicate,
    Snapshot,
}

impl Mode {
    /// The mode's name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Probe => "probe",
            Mode::Replicate => "replicate",
            Mode::Snapshot => "snapshot",
        }
    }
}

/// An append that is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct InFlight {
    request: u64,
    prev: Index,
    last: Index,
    age_ticks: u32,
}

/// A snapshot that was sent to a peer: the entries behind it are the peer's way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sent {
    last: Index,
    /// Newer snapshots that this node has taken since.
    newer: u32,
}

/// See the module.
///
/// Invariants:
/// - `matched < next`;
/// - the window holds appends with entries only, oldest first, never more than the limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Progress {
    pub(crate) matched: Index,
    pub(crate) next: Index,
    pub(crate) mode: Mode,
    /// The latest heartbeat round the peer answered.
    pub(crate) round: u64,
    /// Ticks since the peer answered anything in this term.
    pub(crate) silent_ticks: u32,
    /// An append must go out even if it holds no entry.
    pub(crate) heartbeat_due: bool,
    /// The highest commit index sent.
    pub(crate) commit_sent: Index,
    window: VecDeque<InFlight>,
    /// The latest append without entries; of those only its refusal counts.
    heartbeat: Option<InFlight>,
    /// The latest snapshot sent, until the peer has all that it and newer ones cover.
    snapshot: Option<Sent>,
    /// A refusal that led nowhere: wait for the next heartbeat before sending entries again.
    is_stuck: bool,
}

impl Progress {
    /// A peer of which nothing is known; sending begins at `next`.
    pub(crate) fn new(next: Index) -> Self {
        Self {
            matched: 0,
            next,
            mode: Mode::Probe,
            round: 0,
            silent_ticks: 0,
            heartbeat_due: true,
            commit_sent: 0,
            window: VecDeque::new(),
            heartbeat: None,
            snapshot: None,
            is_stuck: false,
        }
    }

    /// Whether an append with entries may leave now.
    pub(crate) fn may_send(&self, in_flight_max: usize) -> bool {
        match self.mode {
            Mode::Probe => self.window.is_empty() && !self.is_stuck,
            Mode::Replicate => self.window.len() < in_flight_max.max(1),
            Mode::Snapshot => false,
        }
    }

    /// An append left. In `Replicate` the next one follows it without waiting.
    pub(crate) fn sent(&mut self, request: u64, prev: Position, entries: usize) {
        let last = prev.index + entries as u64;
        let in_flight = InFlight { request, prev: prev.index, last, age_ticks: 0 };
        self.heartbeat_due = false;
        if entries == 0 {
            self.heartbeat = Some(in_flight);
            return;
        }
        self.window.push_back(in_flight);
        if self.mode == Mode::Replicate {
            self.next = last + 1;
        }
    }

    /// A time unit passed. Answers overdue by `retry_ticks` are given up: back to probing.
    pub(crate) fn tick(&mut self, retry_ticks: u32) {
        self.silent_ticks = self.silent_ticks.saturating_add(1);
        for in_flight in &mut self.window {
            in_flight.age_ticks += 1;
        }
        if self.window.front().is_some_and(|oldest| oldest.age_ticks >= retry_ticks) {
            self.probe_from(self.matched + 1);
        }
    }

    /// A heartbeat round begins.
    pub(crate) fn begin_round(&mut self) {
        self.heartbeat_due = true;
        self.is_stuck = false;
    }

    /// The peer answered something in this term.
    pub(crate) fn heard(&mut self, round: u64) {
        self.silent_ticks = 0;
        self.round = self.round.max(round);
    }

    /// The peer's log matches up to an index. True where that is news.
    pub(crate) fn accepted(&mut self, request: u64, matched: Index) -> bool {
        self.window.retain(|in_flight| in_flight.request != request && in_flight.last > matched);
        if self.mode == Mode::Probe && matched + 1 >= self.next {
            self.mode = Mode::Replicate;
            self.is_stuck = false;
            // Its entries are sent again from here; a probe that was lost must not hold them up.
            self.window.clear();
        }
        self.next = self.next.max(matched + 1);
        let is_news = matched > self.matched;
        self.matched = self.matched.max(matched);
        is_news
    }

    /// The append before which the peer refused, if it is one whose refusal still counts.
    pub(crate) fn refused_prev(&self, request: u64) -> Option<Index> {
        let known = self.window.iter().chain(&self.heartbeat);
        let prev = known.into_iter().find(|in_flight| in_flight.request == request)?.prev;
        (prev > self.matched).then_some(prev)
    }

    /// The peer refused; probing goes on at `next`.
    pub(crate) fn refused(&mut self, next: Index) {
        let is_step = next < self.next;
        self.probe_from(next);
        self.is_stuck = !is_step;
    }

    /// Nothing is known to be on its way; find out where the logs agree.
    pub(crate) fn probe_from(&mut self, next: Index) {
        self.mode = Mode::Probe;
        self.next = next.max(self.matched + 1);
        self.window.clear();
        self.heartbeat = None;
        self.is_stuck = false;
    }

    /// Nothing but heartbeats until the next one.
    pub(crate) fn pause(&mut self) {
        self.is_stuck = true;
    }

    /// The peer needs a snapshot; nothing else helps.
    pub(crate) fn wait_for_snapshot(&mut self) {
        self.probe_from(self.matched + 1);
        self.mode = Mode::Snapshot;
    }

    /// A snapshot up to here is on its way.
    pub(crate) fn snapshot_left(&mut self, last: Index) {
        self.snapshot = Some(Sent { last, newer: 0 });
    }

    /// The snapshot did not arrive.
    pub(crate) fn snapshot_lost(&mut self) {
        self.snapshot = None;
    }

    /// This node has a newer snapshot than the one up to `latest`, and could drop its log. Up to where, for
    /// this peer's sake? A peer that was sent a snapshot would need the next one, and then the one after
    /// that, if the entries behind the one on its way were dropped each time before it arrives.
    pub(crate) fn needs_log_after(&mut self, latest: Index) -> Option<Index> {
        let sent = self.snapshot.as_mut()?;
        sent.newer += 1;
        if self.matched >= latest || sent.newer > SNAPSHOTS_HELD_MAX {
            self.snapshot = None;
            return None;
        }
        Some(sent.last.max(self.matched))
    }

    /// See [`crate::Raft::fingerprint`]: numbers of requests are counted from the latest one.
    pub(crate) fn fingerprint<H: Hasher>(&self, latest: u64, state: &mut H) {
        (self.matched, self.next, self.mode, self.round).hash(state);
        (self.heartbeat_due, self.commit_sent, self.is_stuck, self.snapshot).hash(state);
        (self.window.len(), self.heartbeat.is_some()).hash(state);
        for in_flight in self.window.iter().chain(&self.heartbeat) {
            (latest - in_flight.request, in_flight.prev, in_flight.last).hash(state);
        }
    }
}
