//! Linearizable reads (thesis 6.4).
//!
//! A read goes through these places, and leaves through `Ready::reads` from any of them:
//!
//! 1. *unread*: it has no index yet. On a leader it waits for the first commit of the term; on a
//!    follower it is about to be asked about.
//! 2. *confirming* (leader): it has the commit index, and waits for a quorum to answer a heartbeat
//!    round that began after it arrived. One round is on its way at a time; reads that arrive
//!    meanwhile share the next one. *forwarded* (follower): the leader was asked to do the same.
//! 3. *applying*: confirmed; it waits for the state machine to reach its index.
//!
//! Whatever a read waits for, an election timeout ends the wait.

use std::collections::{BTreeMap, VecDeque};

use crate::config::ReadMode;
use crate::event::Event;
use crate::message::{Body, Index, Message, NodeId, Payload};
use crate::raft::{Raft, State};
use crate::ready::ReadOutcome;

/// Ticks that a lease is shorter than the shortest election timeout: the two nodes' ticks do not
/// fall together, and each side can be off by one.
const LEASE_MARGIN_TICKS: u32 = 2;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin {
    /// This node's driver.
    Local(u64),
    /// Another node, by this request; the answer's body is filled in later.
    Remote(Message, u64),
}

/// What confirms a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Confirmation {
    /// A quorum's answers to this heartbeat round.
    Round(u64),
    /// The commit of the entry at the read's index.
    Commit,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Unread {
    origin: Origin,
    age_ticks: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Confirming {
    origin: Origin,
    index: Index,
    by: Confirmation,
    age_ticks: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Forwarded {
    contexts: Vec<u64>,
    age_ticks: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Applying {
    context: u64,
    round: u64,
    confirmed: Vec<NodeId>,
    age_ticks: u32,
}

/// All reads under way at a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reads {
    unread: Vec<Unread>,
    confirming: VecDeque<Confirming>,
    forwarded: BTreeMap<u64, Forwarded>,
    /// By index, and by arrival where that is equal.
    applying: BTreeMap<(Index, u64), Applying>,
    arrivals: u64,
    failed: Vec<u64>,
}

impl Raft {
    /// Begins a linearizable read on any node. It settles through [`crate::Ready::reads`], always.
    pub fn read(&mut self, context: u64) {
        if self.leader().is_none() {
            self.reads.failed.push(context);
            return;
        }
        self.reads.unread.push(Unread { origin: Origin::Local(context), age_ticks: 0 });
        self.is_dirty = true;
    }

    /// A follower asks on behalf of its readers.
    pub(crate) fn on_read_index(&mut self, message: &Message, context: u64) {
        if matches!(self.state, State::Leader(_)) {
            let origin = Origin::Remote(message.clone(), context);
            self.reads.unread.push(Unread { origin, age_ticks: 0 });
            self.is_dirty = true;
        } else {
            self.refuse_read_index(message, context);
        }
    }

    fn refuse_read_index(&mut self, message: &Message, context: u64) {
        let reply = self.reply(message, Body::ReadIndexReply { context, index: None });
        self.outbox.send(reply);
    }

    /// The leader's answer.
    pub(crate) fn on_read_index_reply(
        &mut self,
        message: &Message,
        context: u64,
        index: Option<Index>,
    ) {
        let Some(forwarded) = self.reads.forwarded.remove(&context) else { return };
        let index = index.filter(|_| message.term == self.hard_state.term);
        for context in forwarded.contexts {
            match index {
                Some(index) => self.reads.confirm(index, context, 0, Vec::new()),
                None => self.reads.failed.push(context),
            }
        }
    }

    /// Moves reads on as far as they get; called once per `Ready`, so that they share rounds.
    pub(crate) fn advance_reads(&mut self) {
        if matches!(self.state, State::Leader(_)) {
            self.index_reads();
            self.confirm_reads();
        } else {
            self.forward_reads();
        }
    }

    /// Gives unread reads an index, where the leader can tell one.
    fn index_reads(&mut self) {
        if self.reads.unread.is_empty() {
            return;
        }
        let commit_term = self.log.term_at(self.commit).unwrap_or(0);
        let may_read = self.rules().may_read(commit_term, self.hard_state.term);
        let (index, by) = match self.config.read_mode {
            ReadMode::Log if self.check_may_append().is_ok() => {
                (self.append_as_leader(Payload::Noop).index, Confirmation::Commit)
            }
            ReadMode::Index | ReadMode::Lease if may_read => {
                (self.commit, Confirmation::Round(self.rules().read_round(self.round)))
            }
            _ => return,
        };
        let has_lease = self.config.read_mode == ReadMode::Lease && self.has_lease();
        // Told too late, it would claim too much: the round may be on its way while a disk is waited for.
        if let Confirmation::Round(round) = by
            && !has_lease
            && self.outbox.is_settled()
        {
            self.emit(Event::ReadBegun { round, index });
        }
        for read in std::mem::take(&mut self.reads.unread) {
            if has_lease {
                self.serve(read.origin, index, 0, &[]);
            } else {
                let (origin, age_ticks) = (read.origin, read.age_ticks);
                self.reads.confirming.push_back(Confirming { origin, index, by, age_ticks });
            }
        }
    }

    /// Serves the reads whose round is confirmed, and begins the next round if one is waited for.
    fn confirm_reads(&mut self) {
        let waits_for_new = |reads: &Reads, round| {
            let latest = reads.confirming.back().map(|read| read.by);
            matches!(latest, Some(Confirmation::Round(awaited)) if awaited > round)
        };
        if waits_for_new(&self.reads, self.round) && self.confirmed_round() >= self.round {
            self.begin_round();
        }
        let confirmed_round = self.confirmed_round();
        let mut confirmed = (0, Vec::new());
        while let Some(read) = self.reads.confirming.front() {
            let (is_confirmed, round) = match read.by {
                Confirmation::Round(round) => (round <= confirmed_round, round),
                Confirmation::Commit => (read.index <= self.commit, 0),
            };
            if !self.rules().serves_read(is_confirmed) {
                break;
            }
            let Some(read) = self.reads.confirming.pop_front() else { break };
            if confirmed.0 != round {
                confirmed = (round, self.confirmers(round));
            }
            self.serve(read.origin, read.index, round, &confirmed.1);
        }
    }

    /// The latest heartbeat round that a quorum answered; the leader itself always has.
    fn confirmed_round(&self) -> u64 {
        let State::Leader(leader) = &self.state else { return 0 };
        self.membership().quorum_number(self.rules(), |id| {
            let of_peer = || leader.peers.get(&id).map_or(0, |progress| progress.round);
            if id == self.config.id { self.round } else { of_peer() }
        })
    }

    /// Who answered a round.
    fn confirmers(&self, round: u64) -> Vec<NodeId> {
        let State::Leader(leader) = &self.state else { return Vec::new() };
        if round == 0 {
            return Vec::new();
        }
        let has_answered = |id: &NodeId| {
            *id == self.config.id || leader.peers.get(id).is_some_and(|peer| peer.round >= round)
        };
        self.membership().all_voters().into_iter().filter(has_answered).collect()
    }

    fn has_lease(&self) -> bool {
        let State::Leader(leader) = &self.state else { return false };
        let confirmed = self.confirmed_round();
        let lease = self.config.election_timeout_ticks_min.saturating_sub(LEASE_MARGIN_TICKS);
        let latest = leader.rounds.iter().rev().find(|(round, _)| *round <= confirmed);
        latest.is_some_and(|(_, age)| self.rules().lease_holds(*age, lease, leader.has_transferred))
    }

    fn serve(&mut self, origin: Origin, index: Index, round: u64, confirmed: &[NodeId]) {
        match origin {
            Origin::Local(context) => {
                self.reads.confirm(index, context, round, confirmed.to_vec());
            }
            Origin::Remote(request, context) => {
                // Without a round nothing else tells the reader's node of the commit soon.
                if let State::Leader(leader) = &mut self.state
                    && let Some(progress) = leader.peers.get_mut(&request.from)
                    && progress.commit_sent < index
                {
                    progress.heartbeat_due = true;
                }
                let body = Body::ReadIndexReply { context, index: Some(index) };
                let reply = self.reply(&request, body);
                self.outbox.send(reply);
            }
        }
    }

    /// Asks the leader for all reads that arrived since the last `Ready`, with one request.
    fn forward_reads(&mut self) {
        let unread = std::mem::take(&mut self.reads.unread);
        let contexts: Vec<u64> = unread
            .into_iter()
            .filter_map(|read| match read.origin {
                Origin::Local(context) => Some(context),
                Origin::Remote(..) => None,
            })
            .collect();
        let Some(leader) = self.known_leader().filter(|_| !contexts.is_empty()) else {
            self.reads.failed.extend(contexts);
            return;
        };
        let context = self.request + 1;
        let message = self.request(leader, self.hard_state.term, Body::ReadIndex { context });
        self.outbox.send(message);
        self.reads.forwarded.insert(context, Forwarded { contexts, age_ticks: 0 });
    }

    /// The node's role or leader changes: what is not confirmed by now never will be.
    pub(crate) fn fail_reads(&mut self) {
        let unread = std::mem::take(&mut self.reads.unread).into_iter().map(|read| read.origin);
        let confirming = std::mem::take(&mut self.reads.confirming);
        let origins: Vec<_> =
            unread.chain(confirming.into_iter().map(|read| read.origin)).collect();
        for origin in origins {
            self.fail_read(origin);
        }
        for (_, forwarded) in std::mem::take(&mut self.reads.forwarded) {
            self.reads.failed.extend(forwarded.contexts);
        }
    }

    fn fail_read(&mut self, origin: Origin) {
        match origin {
            Origin::Local(context) => self.reads.failed.push(context),
            Origin::Remote(request, context) => self.refuse_read_index(&request, context),
        }
    }

    /// A tick passed for every read; those that wait for an election timeout fail.
    pub(crate) fn expire_reads(&mut self) {
        let limit = self.config.election_timeout_ticks_max;
        for origin in self.reads.tick(limit) {
            self.fail_read(origin);
        }
    }

    pub(crate) fn has_settled_reads(&self) -> bool {
        !self.reads.failed.is_empty()
            || self.outbox.is_settled()
                && self
                    .reads
                    .applying
                    .keys()
                    .next()
                    .is_some_and(|(index, _)| *index <= self.applied)
    }

    /// Hands out the reads that failed, and those that the state machine has caught up with. Reads
    /// that share round and index share one event.
    pub(crate) fn take_settled_reads(&mut self) -> Vec<ReadOutcome> {
        let failed = std::mem::take(&mut self.reads.failed).into_iter();
        let mut outcomes: Vec<_> =
            failed.map(|context| ReadOutcome { context, index: None }).collect();
        if !self.outbox.is_settled() {
            return outcomes;
        }
        let mut told = None;
        while let Some(first) = self.reads.applying.first_entry() {
            let (index, _) = *first.key();
            if index > self.applied {
                break;
            }
            let Applying { context, round, confirmed, .. } = first.remove();
            if told != Some((index, round)) {
                told = Some((index, round));
                self.emit(Event::Read { round, index, applied: self.applied, confirmed });
            }
            outcomes.push(ReadOutcome { context, index: Some(index) });
        }
        outcomes
    }
}

impl Reads {
    fn confirm(&mut self, index: Index, context: u64, round: u64, confirmed: Vec<NodeId>) {
        self.arrivals += 1;
        let read = Applying { context, round, confirmed, age_ticks: 0 };
        self.applying.insert((index, self.arrivals), read);
    }

    /// Ages every read; returns those of a leader's that are too old, and fails the rest.
    fn tick(&mut self, limit: u32) -> Vec<Origin> {
        let is_old = |age_ticks: &mut u32| {
            *age_ticks += 1;
            *age_ticks >= limit
        };
        let unread = self.unread.extract_if(.., |read| is_old(&mut read.age_ticks));
        let mut origins: Vec<Origin> = unread.map(|read| read.origin).collect();
        self.confirming.retain_mut(|read| {
            let is_old = is_old(&mut read.age_ticks);
            if is_old {
                origins.push(read.origin.clone());
            }
            !is_old
        });
        let forwarded = self.forwarded.extract_if(.., |_, read| is_old(&mut read.age_ticks));
        self.failed.extend(forwarded.flat_map(|(_, read)| read.contexts));
        let applying = self.applying.extract_if(.., |_, read| is_old(&mut read.age_ticks));
        self.failed.extend(applying.map(|(_, read)| read.context));
        origins
    }
}
