//! What a node that does not lead does with a leader's messages (paper section 5.3, section 7).

use crate::event::Event;
use crate::message::{Body, Conflict, Entry, HardState, Index, Message, NodeId, Position};
use crate::raft::{Follower, Raft, State};

impl Raft {
    /// AppendEntries.
    pub(crate) fn on_append(&mut self, message: Message) {
        if !self.follow(&message) {
            let conflict = Conflict { term: None, first_index: self.log.last().index + 1 };
            let body = Body::AppendReply { result: Err(conflict), round: 0 };
            self.outbox.send(self.reply(&message, body));
            return;
        }
        let (to, request) = (message.from, message.request);
        let Body::Append { prev, entries, commit, round } = message.body else { return };
        let is_heartbeat = entries.is_empty();
        let result = self.take_entries(prev, entries);
        if let Ok(last_in_message) = result {
            let commit = self.rules().follower_commit(self.commit, commit, last_in_message);
            self.set_commit(commit, Vec::new());
        }
        let result = result.map(|last| self.rules().acked(last, self.log.last().index));
        let reply = Message {
            from: self.config.id,
            to,
            term: self.hard_state.term,
            request,
            body: Body::AppendReply { result, round },
        };
        self.acknowledge(reply, is_heartbeat);
    }

    /// Sends an answer to an append: a success not before what it speaks of is durable.
    ///
    /// A heartbeat is answered at once with what is durable by now, for reads wait on it; the
    /// entries still on their way to the disk are acknowledged by their own append.
    fn acknowledge(&mut self, mut reply: Message, is_heartbeat: bool) {
        let to = reply.to;
        let durable = self.outbox.durable;
        let Body::AppendReply { result: Ok(matched), .. } = &mut reply.body else {
            self.outbox.send(reply);
            return;
        };
        if is_heartbeat && self.outbox.is_settled() {
            *matched = durable.min(*matched);
        }
        let matched = *matched;
        let is_durable = matched <= durable && self.outbox.is_settled();
        if self.is_new_ack(matched) {
            let ack = Event::Ack { to, matched };
            if is_durable {
                self.emit(ack);
            } else {
                self.outbox.acks_after.push(self.traced(ack));
            }
        }
        if is_durable {
            self.outbox.send(reply);
        } else {
            self.outbox.send_after(reply);
        }
    }

    /// Whether this leader was never told so much; heartbeats only repeat what it was told.
    fn is_new_ack(&mut self, matched: Index) -> bool {
        let State::Follower(follower) = &mut self.state else { return false };
        let is_new = follower.acked.is_none_or(|acked| acked < matched);
        if is_new {
            follower.acked = Some(matched);
        }
        is_new
    }

    /// Accepts the sender as the leader of the term, unless it is deposed.
    fn follow(&mut self, message: &Message) -> bool {
        if message.term != self.hard_state.term || matches!(self.state, State::Leader(_)) {
            return false;
        }
        if matches!(self.state, State::Candidate(_)) {
            self.become_follower(message.term, "another node won the term");
        }
        self.reset_election_timer();
        if let State::Follower(follower) = &mut self.state {
            if follower.leader != Some(message.from) {
                *follower = Follower { leader: Some(message.from), ..Follower::default() };
            }
            follower.silent_ticks = 0;
        }
        let vote = self.rules().vote_after_append(self.hard_state.vote);
        if vote != self.hard_state.vote {
            self.set_hard_state(HardState { vote, ..self.hard_state });
        }
        true
    }

    /// The receiver's half of AppendEntries (Figure 2, steps 2 to 4). The last index that the
    /// message vouches for, or where the logs depart.
    fn take_entries(&mut self, prev: Position, entries: Vec<Entry>) -> Result<Index, Conflict> {
        let base = self.log.base();
        let is_consecutive =
            entries.iter().zip(prev.index + 1..).all(|(entry, index)| entry.index == index);
        // What the own snapshot covers is committed and therefore the same on the leader.
        let covered = usize::try_from(base.index.saturating_sub(prev.index)).unwrap_or(usize::MAX);
        let last_in_message = (prev.index + entries.len() as u64).max(base.index);
        let prev = if covered > 0 { base } else { prev };
        let own = self.log.term_at(prev.index);
        if !is_consecutive || own.is_none() || !self.rules().accepts_append(prev, own) {
            return Err(self.conflict_at(prev.index));
        }
        let mut first_appended = None;
        for entry in entries.into_iter().skip(covered) {
            match self.log.term_at(entry.index) {
                Some(own) if !self.rules().truncates(own, entry.term) => continue,
                Some(_) => self.truncate(entry.index),
                None => {}
            }
            first_appended.get_or_insert(entry.position());
            self.append_entry(entry);
        }
        if let Some(first) = first_appended {
            self.tell_taken(first);
        }
        Ok(last_in_message)
    }

    /// Tells what was appended, when it is durable; consecutive batches become one event.
    fn tell_taken(&mut self, first: Position) {
        let last = self.log.last();
        let chain = self.log.chain_at(last.index).unwrap_or_default();
        let mut event = Event::Append { first, last, chain };
        let term = self.hard_state.term;
        if let Some(before) = self.outbox.events_after.last()
            && before.term == term
            && let Event::Append { first: earlier, last: end, .. } = before.event
            && end.index + 1 == first.index
        {
            self.outbox.events_after.pop();
            event = Event::Append { first: earlier, last, chain };
        }
        self.emit_after(event);
        if self.memberships.current_index() >= first.index {
            self.tell_membership(true);
        }
    }

    /// Tells the membership in force, after the entries that brought it.
    pub(crate) fn tell_membership(&mut self, after_persist: bool) {
        let index = self.memberships.current_index();
        let event = Event::Config { index, membership: self.membership().clone() };
        if after_persist {
            self.emit_after(event);
        } else {
            self.emit(event);
        }
    }

    /// Removes a suffix that the leader does not have.
    fn truncate(&mut self, from: Index) {
        let old_last = self.log.last();
        self.emit_after(Event::Truncate { from, old_last });
        self.log.truncate(from);
        self.outbox.truncate(from);
        self.commit = self.commit.min(from - 1);
        if self.memberships.truncate(from) {
            self.tell_membership(true);
        }
    }

    fn conflict_at(&self, index: Index) -> Conflict {
        match self.log.term_at(index) {
            Some(term) if index > self.log.base().index => {
                let first_index = self.log.run_start(index).unwrap_or(index);
                Conflict { term: Some(term), first_index }
            }
            Some(_) => Conflict { term: None, first_index: index },
            None => Conflict { term: None, first_index: self.log.last().index + 1 },
        }
    }

    /// InstallSnapshot (Figure 13), the data having arrived.
    pub(crate) fn on_snapshot(&mut self, message: Message) {
        let Body::Snapshot { meta, round } = &message.body else { return };
        let (meta, round) = (meta.clone(), *round);
        if !self.follow(&message) {
            let body = Body::SnapshotReply { matched: 0, round: 0 };
            self.outbox.send(self.reply(&message, body));
            return;
        }
        let index = meta.last.index;
        let matched = if !self.rules().installs_snapshot(index, self.commit) {
            // Old news; what is committed is the same everywhere.
            self.commit.min(self.outbox.durable)
        } else if index > self.commit && self.log.term_at(index) == Some(meta.last.term) {
            // The log has all of it already: only the commit index was behind.
            self.set_commit(index, Vec::new());
            index
        } else {
            self.install_snapshot(&meta);
            self.tell_membership(true);
            index
        };
        let reply = self.reply(&message, Body::SnapshotReply { matched, round });
        self.outbox.send_after(reply);
    }

    /// TimeoutNow: the leader hands over its leadership (thesis 3.10).
    pub(crate) fn on_timeout_now(&mut self, message: &Message) {
        let reply = self.reply(message, Body::TimeoutNowReply);
        self.outbox.send(reply);
        let is_from_leader = message.term == self.hard_state.term
            && self.leader() == Some(message.from)
            && message.from != self.config.id;
        if is_from_leader {
            self.campaign_for_transfer();
        }
    }

    /// Whether a living leader's lease stands in a candidate's way (thesis 4.2.3): this node leads,
    /// or heard from the leader within the shortest election timeout. Where reads trust leases, a
    /// restarted node keeps the promise that it may have given before.
    pub(crate) fn is_within_lease(&self) -> bool {
        match &self.state {
            State::Follower(follower) => {
                (follower.leader.is_some() || follower.may_have_promised)
                    && follower.silent_ticks < self.config.election_timeout_ticks_min
            }
            State::Candidate(_) => false,
            State::Leader(_) => true,
        }
    }

    /// The node to ask for what only the leader knows.
    pub(crate) fn known_leader(&self) -> Option<NodeId> {
        self.leader().filter(|leader| *leader != self.config.id)
    }
}
