//! The protocol as a value: inputs go in, a [`crate::Ready`] comes out, and nothing happens by itself.
//!
//! This file holds the state and takes the inputs apart; the roles' answers are in `follower`,
//! `candidate` and `leader`, reads in `read`, and the output side in `output`.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::config::{Config, ReadMode, Restored};
use crate::event::{Event, Role, Traced};
use crate::leader::Leader;
use crate::log::Log;
use crate::membership::Memberships;
use crate::message::{
    Body, Chain, Entry, HardState, Index, Membership, Message, NodeId, Payload, Position,
    SnapshotMeta, Term,
};
use crate::outbox::Outbox;
use crate::read::Reads;
use crate::rng::Rng;
use crate::rules::Rules;
use crate::status::{PeerStatus, Status};

/// One node of a Raft cluster. See the crate's documentation for the tour.
#[derive(Clone, Debug)]
pub struct Raft {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    /// Term and vote as they are now; the outbox knows what of it is durable.
    pub(crate) hard_state: HardState,
    pub(crate) log: Log,
    pub(crate) memberships: Memberships,
    pub(crate) state: State,
    pub(crate) commit: Index,
    /// The commit index of the last `Commit` event.
    commit_told: Index,
    /// Committed entries are handed out up to here.
    pub(crate) given: Index,
    pub(crate) applied: Index,
    /// The latest durable snapshot's last entry.
    pub(crate) snapshot: Position,
    /// Entries to keep in the log behind a snapshot, for followers that are a little late.
    pub(crate) log_tail: u64,
    /// Ticks since the election timer was last set back.
    pub(crate) election_elapsed: u32,
    pub(crate) election_timeout: u32,
    /// The last request number given. Numbers begin at a random place so that a reply to an earlier
    /// life of this node is not taken for one to this life.
    pub(crate) request: u64,
    /// The last heartbeat round begun. Rises over all terms, so that no reply is counted twice.
    pub(crate) round: u64,
    pub(crate) reads: Reads,
    pub(crate) outbox: Outbox,
    /// First entry appended as a leader whose `Append` event is not written yet: one event tells a
    /// whole batch.
    pub(crate) appended_from: Option<Position>,
    /// The next `ready` has something to decide (send, confirm a read).
    pub(crate) is_dirty: bool,
}

/// What a node is, and what only that role knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Follower(Follower),
    Candidate(Candidate),
    Leader(Leader),
}

/// Waits for a leader, or follows one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Follower {
    pub(crate) leader: Option<NodeId>,
    /// Ticks since the leader was last heard of.
    pub(crate) silent_ticks: u32,
    /// This node may have promised a leader a lease in its last life, and does not remember.
    pub(crate) may_have_promised: bool,
    /// The highest index acknowledged to this leader; repetitions are not told again.
    pub(crate) acked: Option<Index>,
}

/// Asks for votes, or whether it would get them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Candidate {
    pub(crate) pre_vote: bool,
    pub(crate) votes: BTreeMap<NodeId, bool>,
}

impl Raft {
    /// A node that knows what its disk knew. It begins as a follower.
    ///
    /// # Panics
    /// Where the restored entries do not follow the snapshot without gaps.
    pub fn new(config: Config, restored: Restored) -> Raft {
        let (base, chain, membership) = match restored.snapshot {
            Some(meta) => (meta.last, meta.chain, meta.membership),
            None => (Position::default(), Chain::default(), restored.bootstrap),
        };
        let mut log = Log::new(base, chain);
        let mut memberships = Memberships::new(base.index, membership);
        for entry in restored.entries {
            if let Payload::Membership(membership) = &entry.payload {
                memberships.push(entry.index, membership.clone());
            }
            log.append(entry);
        }
        let mut rng = Rng::new(config.seed);
        let request = rng.next() >> 16;
        let may_have_promised = config.read_mode == ReadMode::Lease && restored.hard_state.term > 0;
        let mut raft = Raft {
            hard_state: restored.hard_state,
            outbox: Outbox::new(log.last().index),
            log,
            memberships,
            state: State::Follower(Follower { may_have_promised, ..Follower::default() }),
            commit: base.index,
            commit_told: base.index,
            given: base.index,
            applied: base.index,
            snapshot: base,
            log_tail: 0,
            election_elapsed: 0,
            election_timeout: 0,
            request,
            round: 0,
            reads: Reads::default(),
            appended_from: None,
            is_dirty: false,
            config,
            rng,
        };
        raft.reset_election_timer();
        raft
    }

    /// A unit of time passed. Never call it several times to make up for a pause: a node that slept
    /// does not know what it missed, and must not conclude that it heard nothing.
    pub fn tick(&mut self) {
        self.expire_reads();
        if matches!(self.state, State::Leader(_)) {
            self.tick_leader();
            return;
        }
        if let State::Follower(follower) = &mut self.state {
            follower.silent_ticks = follower.silent_ticks.saturating_add(1);
        }
        self.election_elapsed = self.election_elapsed.saturating_add(1);
        if self.election_elapsed >= self.election_timeout {
            self.campaign();
        }
    }

    /// A message arrived. Every request gets exactly one reply, now or later; a message for another
    /// node, or a garbled one ([`Message::is_garbled`]), gets none. Whoever lets a peer wait for
    /// the reply must look for both first.
    pub fn step(&mut self, message: Message) {
        if message.to != self.config.id || message.is_garbled() {
            return;
        }
        // Votes look at the term themselves: a voter within a leader's lease does not even take the
        // candidate's term (thesis 4.2.3), and trials change no term (thesis 9.6).
        match message.body {
            Body::Vote { .. } => return self.on_vote(&message),
            Body::VoteReply { granted: true, pre_vote: true } => {
                return self.on_vote_reply(&message, true, true);
            }
            _ => {}
        }
        if self.rules().adopts_term(self.hard_state.term, message.term) {
            self.become_follower(message.term, "saw a higher term");
        }
        match message.body {
            Body::VoteReply { granted, pre_vote } => {
                self.on_vote_reply(&message, granted, pre_vote);
            }
            Body::AppendReply { result, round } => self.on_append_reply(&message, result, round),
            Body::SnapshotReply { matched, round } => {
                self.on_snapshot_reply(&message, matched, round);
            }
            Body::ReadIndex { context } => self.on_read_index(&message, context),
            Body::ReadIndexReply { context, index } => {
                self.on_read_index_reply(&message, context, index);
            }
            Body::Append { .. } => self.on_append(message),
            Body::Snapshot { .. } => self.on_snapshot(message),
            Body::TimeoutNow => self.on_timeout_now(&message),
            Body::Vote { .. } | Body::TimeoutNowReply => {}
        }
    }

    /// The driver's state machine has applied everything up to `index`.
    pub fn applied(&mut self, index: Index) {
        self.applied = self.applied.max(index);
    }

    /// The leader of the term, as far as known.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.state {
            State::Follower(follower) => follower.leader,
            State::Candidate(_) => None,
            State::Leader(_) => Some(self.config.id),
        }
    }

    /// What the node is now.
    pub fn role(&self) -> Role {
        match &self.state {
            State::Follower(_) if !self.membership().is_voter(self.config.id) => Role::Learner,
            State::Follower(_) => Role::Follower,
            State::Candidate(candidate) if candidate.pre_vote => Role::PreCandidate,
            State::Candidate(_) => Role::Candidate,
            State::Leader(_) => Role::Leader,
        }
    }

    /// The node's view of itself.
    pub fn status(&self) -> Status {
        let lost_ticks = self.config.election_timeout_ticks_max;
        let peers = match &self.state {
            State::Leader(leader) => leader
                .peers
                .iter()
                .map(|(id, progress)| PeerStatus {
                    id: *id,
                    matched: progress.matched,
                    next: progress.next,
                    active: progress.silent_ticks < lost_ticks,
                    mode: progress.mode.name(),
                })
                .collect(),
            _ => Vec::new(),
        };
        Status {
            role: self.role(),
            hard_state: self.hard_state,
            leader: self.leader(),
            commit: self.commit,
            applied: self.applied,
            last: self.log.last(),
            snapshot: self.snapshot,
            membership: self.membership().clone(),
            membership_index: self.memberships.current_index(),
            transfer: match &self.state {
                State::Leader(leader) => leader.transfer.as_ref().map(|transfer| transfer.target),
                State::Follower(_) | State::Candidate(_) => None,
            },
            peers,
        }
    }

    /// The chain hash at an index the log still knows.
    pub fn chain_at(&self, index: Index) -> Option<Chain> {
        self.log.chain_at(index)
    }

    /// The term at an index the log still knows.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term_at(index)
    }

    /// Whether a client may be told that its command at `index` is done. The driver asks right after
    /// `propose` and whenever the commit index moves.
    pub fn acknowledges(&self, index: Index) -> bool {
        self.rules().acknowledges(index, self.commit)
    }

    /// The membership in force.
    pub fn membership(&self) -> &Membership {
        self.memberships.current()
    }

    /// Where the log now begins: entries up to here are compacted away.
    pub fn log_base(&self) -> Position {
        self.log.base()
    }

    pub(crate) fn rules(&self) -> &dyn Rules {
        &*self.config.rules
    }

    /// A second handle on the rules, for use beside borrowed state.
    pub(crate) fn rules_handle(&self) -> Arc<dyn Rules> {
        Arc::clone(&self.config.rules)
    }

    /// Gives up whatever the node was. In a new term there is no vote yet, and no leader is known.
    pub(crate) fn become_follower(&mut self, term: Term, cause: &str) {
        let is_follower = matches!(self.state, State::Follower(_));
        if !is_follower {
            self.emit(Event::Stepdown { cause: cause.to_owned() });
        }
        self.fail_reads();
        if !is_follower {
            // A leader's timer stood still and a candidate's belongs to its election.
            self.reset_election_timer();
        }
        let old = self.hard_state.term;
        self.state = State::Follower(Follower::default());
        if term != old {
            self.set_hard_state(HardState { term, vote: None });
            self.emit_after(Event::Term { old });
        }
    }

    pub(crate) fn set_hard_state(&mut self, hard_state: HardState) {
        self.tell_appended();
        self.hard_state = hard_state;
        self.outbox.set_hard_state(hard_state);
    }

    pub(crate) fn reset_election_timer(&mut self) {
        let (min, max) =
            (self.config.election_timeout_ticks_min, self.config.election_timeout_ticks_max);
        let random = self.rng.next();
        self.election_elapsed = 0;
        self.election_timeout =
            self.rules().election_timeout_ticks(min, max.max(min), random).max(1);
    }

    /// Tells an event that is true now, or, while a term or vote is not durable, with it.
    pub(crate) fn emit(&mut self, event: Event) {
        self.tell_appended();
        let traced = self.traced(event);
        self.outbox.tell(traced);
    }

    /// Tells an event once everything so far is durable.
    pub(crate) fn emit_after(&mut self, event: Event) {
        let traced = self.traced(event);
        self.outbox.events_after.push(traced);
    }

    pub(crate) fn traced(&self, event: Event) -> Traced {
        Traced { term: self.hard_state.term, role: self.role(), event }
    }

    /// Tells the batch that a leader has appended, before anything that comes after it.
    pub(crate) fn tell_appended(&mut self) {
        let Some(first) = self.appended_from.take() else { return };
        let last = self.log.last();
        let chain = self.log.chain_at(last.index).unwrap_or_default();
        let traced = self.traced(Event::Append { first, last, chain });
        self.outbox.tell(traced);
    }

    /// A new request of this node.
    pub(crate) fn request(&mut self, to: NodeId, term: Term, body: Body) -> Message {
        self.request += 1;
        Message { from: self.config.id, to, term, request: self.request, body }
    }

    /// The reply to a request.
    pub(crate) fn reply(&self, to: &Message, body: Body) -> Message {
        Message {
            from: self.config.id,
            to: to.from,
            term: self.hard_state.term,
            request: to.request,
            body,
        }
    }

    /// Puts an entry into the log, and its membership in force.
    pub(crate) fn append_entry(&mut self, entry: Entry) {
        let membership = match &entry.payload {
            Payload::Membership(membership) => Some(membership.clone()),
            Payload::Noop | Payload::Command(_) => None,
        };
        let index = entry.index;
        self.log.append(entry);
        if let Some(membership) = membership {
            self.memberships.push(index, membership);
        }
    }

    /// Moves the commit index. A leader tells it now, with what it knew of the voters; others tell it
    /// when the entries are durable too.
    pub(crate) fn set_commit(&mut self, commit: Index, matched: Vec<(NodeId, Index)>) {
        let commit = commit.min(self.log.last().index);
        if commit == self.commit {
            return;
        }
        self.commit = commit;
        self.is_dirty = true;
        if !matched.is_empty() {
            self.tell_commit_at(commit, matched);
        }
    }

    /// Tells how far the log is committed and durable, if that is news.
    pub(crate) fn tell_commit(&mut self) {
        let to = self.committed_to();
        if self.outbox.is_settled() && (to > self.commit_told || self.commit < self.commit_told) {
            self.tell_commit_at(to, Vec::new());
        }
    }

    fn tell_commit_at(&mut self, index: Index, matched: Vec<(NodeId, Index)>) {
        self.commit_told = index;
        // Only a mutant brings the commit index back behind the base.
        if let (Some(to), Some(chain)) = (self.log.position_at(index), self.log.chain_at(index)) {
            self.emit(Event::Commit { to, chain, matched });
        }
    }

    /// The log now begins with a received snapshot.
    pub(crate) fn install_snapshot(&mut self, meta: &SnapshotMeta) {
        self.outbox.install(meta.clone(), self.commit);
        self.log = Log::new(meta.last, meta.chain);
        self.memberships = Memberships::new(meta.last.index, meta.membership.clone());
        self.commit = meta.last.index;
        self.commit_told = meta.last.index;
        self.given = meta.last.index;
        self.snapshot = meta.last;
    }
}

/// Everything that the future depends on, but for the rules: two nodes that hash alike behave alike.
/// What waits to be traced is left out, for nothing follows from it.
impl Hash for Raft {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.config.id.hash(state);
        self.rng.hash(state);
        self.hard_state.hash(state);
        self.log.hash(state);
        self.memberships.hash(state);
        self.state.hash(state);
        (self.commit, self.commit_told, self.given, self.applied).hash(state);
        (self.snapshot, self.log_tail).hash(state);
        (self.election_elapsed, self.election_timeout).hash(state);
        (self.request, self.round, self.is_dirty).hash(state);
        self.reads.hash(state);
        self.outbox.hash(state);
    }
}
