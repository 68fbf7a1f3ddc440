//! Elections: asking for votes, giving them, counting them (paper section 5.2, thesis 9.6).

use std::collections::BTreeMap;

use crate::event::Event;
use crate::message::{Body, HardState, Message, NodeId, Position};
use crate::raft::{Candidate, Raft, State};
use crate::rules::Ballot;

impl Raft {
    /// The election timeout passed, or the driver says it did. A node without a vote waits on.
    ///
    /// A node that its own latest membership leaves out campaigns all the same until that is committed:
    /// it may be the only one whose log is good enough (thesis 4.2.2). Its own vote does not count.
    pub fn campaign(&mut self) {
        self.reset_election_timer();
        let is_needed = self.memberships.may_need_voter(self.config.id, self.commit);
        if is_needed && !matches!(self.state, State::Leader(_)) {
            if self.rules().pre_votes(self.config.pre_vote) {
                self.start_trial();
            } else {
                self.start_election(false);
            }
        }
    }

    /// The leader wants this node to take over: no trial, no waiting.
    pub(crate) fn campaign_for_transfer(&mut self) {
        if self.membership().is_voter(self.config.id) {
            self.reset_election_timer();
            self.start_election(true);
        }
    }

    /// Asks whether an election could be won, without disturbing anyone (thesis 9.6).
    fn start_trial(&mut self) {
        self.fail_reads();
        let votes = BTreeMap::from([(self.config.id, true)]);
        self.state = State::Candidate(Candidate { pre_vote: true, votes });
        self.emit(Event::Campaign { pre_vote: true, transfer: false });
        self.ask_for_votes(true, false);
        self.count_votes();
    }

    /// Begins a new term and votes for itself; both are durable before anyone is asked (5.2).
    fn start_election(&mut self, transfer: bool) {
        self.fail_reads();
        let (id, old) = (self.config.id, self.hard_state.term);
        let own_last = self.log.last();
        self.set_hard_state(HardState { term: old + 1, vote: Some(id) });
        self.state = State::Candidate(Candidate { pre_vote: false, votes: BTreeMap::new() });
        self.emit_after(Event::Term { old });
        self.emit_after(Event::Vote { candidate: id, candidate_last: own_last, own_last });
        self.emit_after(Event::Campaign { pre_vote: false, transfer });
        self.ask_for_votes(false, transfer);
    }

    fn ask_for_votes(&mut self, pre_vote: bool, transfer: bool) {
        let last = self.log.last();
        let term = self.hard_state.term + u64::from(pre_vote);
        for voter in self.membership().all_voters() {
            if voter != self.config.id {
                let body = Body::Vote { last, pre_vote, transfer };
                let message = self.request(voter, term, body);
                self.outbox.send(message);
            }
        }
    }

    /// The own vote counts once it is durable.
    pub(crate) fn count_own_vote(&mut self) {
        let id = self.config.id;
        if let State::Candidate(candidate) = &mut self.state
            && self.outbox.is_settled()
            && candidate.votes.insert(id, true).is_none()
        {
            self.count_votes();
        }
    }

    /// RequestVote, or its trial.
    ///
    /// A node answers by its term and log alone, whatever it takes itself or the candidate for: its
    /// own membership may be old, and only the candidate's decides whose vote counts (thesis 4.1).
    pub(crate) fn on_vote(&mut self, message: &Message) {
        let Body::Vote { last, pre_vote, transfer } = message.body else { return };
        if !transfer && self.rules().refuses_vote_within_lease() && self.is_within_lease() {
            return self.refuse_vote(message, pre_vote);
        }
        if pre_vote {
            return self.on_pre_vote(message, last);
        }
        if self.rules().adopts_term(self.hard_state.term, message.term) {
            self.become_follower(message.term, "a candidate has a higher term");
        }
        let ballot = self.ballot(message.from, last, self.hard_state.vote);
        if message.term != self.hard_state.term || !self.rules().grants_vote(&ballot) {
            return self.refuse_vote(message, false);
        }
        if self.hard_state.vote != Some(message.from) {
            self.set_hard_state(HardState { vote: Some(message.from), ..self.hard_state });
            self.emit_after(Event::Vote {
                candidate: message.from,
                candidate_last: last,
                own_last: ballot.own_last,
            });
        }
        self.reset_election_timer();
        let reply = self.reply(message, Body::VoteReply { granted: true, pre_vote: false });
        self.outbox.send_after(reply);
    }

    /// A trial gets the answer a vote would get, and leaves no mark.
    fn on_pre_vote(&mut self, message: &Message, last: Position) {
        let is_new_term = message.term > self.hard_state.term;
        let voted_for = if is_new_term { None } else { self.hard_state.vote };
        let ballot = self.ballot(message.from, last, voted_for);
        if message.term < self.hard_state.term || !self.rules().grants_vote(&ballot) {
            return self.refuse_vote(message, true);
        }
        let mut reply = self.reply(message, Body::VoteReply { granted: true, pre_vote: true });
        reply.term = message.term;
        self.outbox.send(reply);
    }

    fn ballot(&self, candidate: NodeId, last: Position, voted_for: Option<NodeId>) -> Ballot {
        Ballot { candidate, candidate_last: last, voted_for, own_last: self.log.last() }
    }

    fn refuse_vote(&mut self, message: &Message, pre_vote: bool) {
        let reply = self.reply(message, Body::VoteReply { granted: false, pre_vote });
        self.outbox.send(reply);
    }

    /// A vote, or the answer to a trial.
    pub(crate) fn on_vote_reply(&mut self, message: &Message, granted: bool, pre_vote: bool) {
        let rules = self.rules_handle();
        let State::Candidate(candidate) = &mut self.state else { return };
        let own_term = self.hard_state.term;
        let is_for_this_election = if pre_vote && granted {
            message.term == own_term + 1
        } else if pre_vote {
            message.term <= own_term
        } else {
            rules.counts_vote(own_term, message.term)
        };
        if candidate.pre_vote == pre_vote && is_for_this_election {
            candidate.votes.insert(message.from, granted);
            self.count_votes();
        }
    }

    /// Wins, loses or waits on.
    fn count_votes(&mut self) {
        let State::Candidate(candidate) = &self.state else { return };
        let membership = self.membership();
        let says = |id| candidate.votes.get(&id).copied();
        let has_won = membership.has_quorum(self.rules(), |id| says(id) == Some(true));
        let may_win = membership.has_quorum(self.rules(), |id| says(id) != Some(false));
        let pre_vote = candidate.pre_vote;
        if has_won && pre_vote {
            self.reset_election_timer();
            self.start_election(false);
        } else if has_won {
            let votes = candidate.votes.iter().filter(|(_, granted)| **granted);
            let votes = votes.map(|(id, _)| *id).filter(|id| membership.is_voter(*id)).collect();
            self.become_leader(votes);
        } else if !may_win {
            let cause = if pre_vote { "lost the trial election" } else { "lost the election" };
            self.become_follower(self.hard_state.term, cause);
        }
    }
}
