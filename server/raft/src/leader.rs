//! What a leader does: append, replicate, commit, and notice when it no longer leads (paper 5.3, 5.4).

use std::collections::{BTreeMap, VecDeque};

use crate::event::Event;
use crate::message::{Body, Conflict, Entry, Index, Message, NodeId, Payload, Position};
use crate::outbox::Outbox;
use crate::progress::{Mode, Progress};
use crate::raft::{Raft, State};
use crate::status::Refused;

/// What only a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Leader {
    pub(crate) peers: BTreeMap<NodeId, Progress>,
    pub(crate) heartbeat_elapsed: u32,
    pub(crate) transfer: Option<Transfer>,
    /// A leadership transfer was tried in this term. Its target may campaign at any time from then
    /// on, within everyone's lease, so this leader's lease means nothing more (thesis 6.4.1).
    pub(crate) has_transferred: bool,
    /// Heartbeat rounds that still matter to a lease, oldest first, and ticks since each began.
    pub(crate) rounds: VecDeque<(u64, u32)>,
}

/// A leadership transfer under way (thesis 3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transfer {
    pub(crate) target: NodeId,
    pub(crate) elapsed_ticks: u32,
    /// The target was told to campaign.
    pub(crate) is_told: bool,
}

impl Raft {
    /// Appends a command, if this node leads. It is not committed, nor durable, when this returns.
    ///
    /// # Errors
    /// Where the node does not lead or is handing over; nothing of the command stays.
    pub fn propose(&mut self, command: std::sync::Arc<[u8]>) -> Result<Position, Refused> {
        self.check_may_append()?;
        Ok(self.append_as_leader(Payload::Command(command)))
    }

    /// Whether this node leads and is not handing over.
    pub(crate) fn check_may_append(&self) -> Result<(), Refused> {
        match &self.state {
            State::Leader(leader) if leader.transfer.is_some() => Err(Refused::Transferring),
            State::Leader(_) => Ok(()),
            State::Follower(_) | State::Candidate(_) => Err(Refused::NotLeader(self.leader())),
        }
    }

    pub(crate) fn append_as_leader(&mut self, payload: Payload) -> Position {
        let position = Position { index: self.log.last().index + 1, term: self.hard_state.term };
        self.append_entry(Entry { index: position.index, term: position.term, payload });
        self.appended_from.get_or_insert(position);
        self.is_dirty = true;
        position
    }

    /// The election is won (5.2). The no-op commits what earlier terms left (section 8).
    pub(crate) fn become_leader(&mut self, votes: Vec<NodeId>) {
        let last = self.log.last();
        self.state = State::Leader(Leader {
            peers: BTreeMap::new(),
            heartbeat_elapsed: 0,
            transfer: None,
            has_transferred: false,
            rounds: VecDeque::new(),
        });
        self.update_peers();
        let chain = self.log.chain_at(last.index).unwrap_or_default();
        self.emit(Event::Leader { votes, last, chain });
        if self.rules().appends_noop() {
            self.append_as_leader(Payload::Noop);
        }
        self.begin_round();
    }

    /// Makes the peers those of the membership in force.
    pub(crate) fn update_peers(&mut self) {
        let (id, next) = (self.config.id, self.log.last().index + 1);
        let members = self.membership().all();
        if let State::Leader(leader) = &mut self.state {
            leader.peers.retain(|peer, _| members.contains(peer));
            for peer in members.into_iter().filter(|peer| *peer != id) {
                leader.peers.entry(peer).or_insert_with(|| Progress::new(next));
            }
        }
    }

    pub(crate) fn tick_leader(&mut self) {
        let retry_ticks = self.config.election_timeout_ticks_min;
        let lost_ticks = self.config.election_timeout_ticks_max;
        let State::Leader(leader) = &mut self.state else { return };
        for progress in leader.peers.values_mut() {
            progress.tick(retry_ticks);
        }
        for (_, age_ticks) in &mut leader.rounds {
            *age_ticks += 1;
        }
        leader.rounds.retain(|(_, age_ticks)| *age_ticks < lost_ticks);
        if let Some(transfer) = &mut leader.transfer {
            transfer.elapsed_ticks += 1;
            // The target did not take over: lead on (thesis 3.10).
            leader.transfer.take_if(|transfer| transfer.elapsed_ticks >= lost_ticks);
        }
        leader.heartbeat_elapsed += 1;
        let is_heartbeat = leader.heartbeat_elapsed >= self.config.heartbeat_ticks;
        if self.rules().checks_quorum(self.config.check_quorum) && !self.hears_quorum(lost_ticks) {
            self.become_follower(self.hard_state.term, "heard no quorum for an election timeout");
        } else if is_heartbeat {
            self.begin_round();
        }
    }

    /// A heartbeat round: everyone is asked whether this is still the leader (thesis 6.4).
    pub(crate) fn begin_round(&mut self) {
        self.round += 1;
        self.is_dirty = true;
        if let State::Leader(leader) = &mut self.state {
            leader.heartbeat_elapsed = 0;
            leader.rounds.push_back((self.round, 0));
            for progress in leader.peers.values_mut() {
                progress.begin_round();
            }
        }
    }

    fn hears_quorum(&self, lost_ticks: u32) -> bool {
        let State::Leader(leader) = &self.state else { return false };
        self.membership().has_quorum(self.rules(), |id| {
            let is_heard = |peer: &Progress| peer.silent_ticks < lost_ticks;
            id == self.config.id || leader.peers.get(&id).is_some_and(is_heard)
        })
    }

    /// Sends what is new to whoever can take it: called once per `Ready`, so that appends hold
    /// everything proposed since the last one.
    pub(crate) fn send_appends(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        let (last, base) = (self.log.last().index, self.log.base().index);
        let (entries_max, bytes_max) =
            (self.config.append_entries_max.max(1), self.config.append_bytes_max);
        let in_flight_max = self.config.appends_in_flight_max;
        for (&to, progress) in &mut leader.peers {
            let mut append =
                |progress: &mut Progress, outbox: &mut Outbox, prev, entries: Vec<_>| {
                    self.request += 1;
                    progress.sent(self.request, prev, entries.len());
                    progress.commit_sent = progress.commit_sent.max(self.commit);
                    let (commit, round) = (self.commit, self.round);
                    outbox.send(Message {
                        from: self.config.id,
                        to,
                        term: self.hard_state.term,
                        request: self.request,
                        body: Body::Append { prev, entries, commit, round },
                    });
                };
            while progress.next <= last {
                let waiting = usize::try_from(last + 1 - progress.next).unwrap_or(usize::MAX);
                let gathers = waiting < self.config.append_entries_min;
                if !progress.may_send(if gathers { 1 } else { in_flight_max }) {
                    break;
                }
                let Some(prev) = self.log.position_at(progress.next - 1) else {
                    // Compacted away. A peer that is not there gets heartbeats only.
                    if progress.silent_ticks < self.config.election_timeout_ticks_max {
                        progress.wait_for_snapshot();
                        self.outbox.snapshots_wanted.push(to);
                    }
                    break;
                };
                let entries = self.log.read(progress.next, entries_max, bytes_max);
                append(progress, &mut self.outbox, prev, entries);
            }
            if progress.heartbeat_due {
                let index = (progress.next - 1).max(base);
                let prev = self.log.position_at(index).unwrap_or(self.log.base());
                append(progress, &mut self.outbox, prev, Vec::new());
            }
        }
    }

    /// The answer to an append.
    pub(crate) fn on_append_reply(
        &mut self,
        message: &Message,
        result: Result<Index, Conflict>,
        round: u64,
    ) {
        let rules = self.rules_handle();
        let last = self.log.last().index;
        let State::Leader(leader) = &mut self.state else { return };
        let Some(progress) = leader.peers.get_mut(&message.from) else { return };
        if message.term != self.hard_state.term || round == 0 {
            return;
        }
        progress.heard(round);
        self.is_dirty = true;
        match result {
            Ok(matched) => {
                let matched = matched.min(last);
                let is_news = progress.accepted(message.request, matched);
                if progress.mode == Mode::Snapshot && matched >= self.log.base().index {
                    progress.probe_from(matched + 1);
                }
                if is_news {
                    self.advance_commit();
                    self.advance_transfer();
                }
            }
            Err(conflict) if progress.mode != Mode::Snapshot => {
                let Some(prev) = progress.refused_prev(message.request) else { return };
                // The last entry of the follower's term here, if there is one, else the follower's
                // first of that term: whole terms are skipped, not single entries (end of 5.3).
                let own = conflict.term.and_then(|term| self.log.last_of_term(term));
                let hint = own.map_or(conflict.first_index, |index| index + 1).min(prev);
                let next = rules.next_after_conflict(progress.next, hint);
                progress.refused(next.clamp(1, last + 1));
            }
            Err(_) => {}
        }
    }

    /// Commits what a quorum has, if the rule of the current term lets it (5.3, 5.4.2).
    pub(crate) fn advance_commit(&mut self) {
        let State::Leader(leader) = &self.state else { return };
        let (rules, membership) = (self.rules(), self.membership());
        let own = rules.leader_match(self.outbox.durable, self.log.last().index);
        let matched = |id| {
            let of_peer = || leader.peers.get(&id).map_or(0, |progress| progress.matched);
            if id == self.config.id { own } else { of_peer() }
        };
        let index = membership.quorum_number(rules, matched);
        let Some(term) = self.log.term_at(index) else { return };
        if index <= self.commit || !rules.commits(term, self.hard_state.term) {
            return;
        }
        let known = membership.all_voters().into_iter().map(|id| (id, matched(id))).collect();
        self.set_commit(index, known);
        self.advance_membership();
    }
}
