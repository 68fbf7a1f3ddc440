//! Changes of who leads and of who belongs: leadership transfer (thesis 3.10), membership (paper
//! section 6, thesis chapter 4) and the snapshots that bring a newcomer up to date (section 7).

use crate::leader::Transfer;
use crate::message::{Body, Index, Membership, Message, NodeId, Payload, Position, SnapshotMeta};
use crate::progress::Mode;
use crate::raft::{Raft, State};
use crate::status::{MembershipChange, Refused};

impl Raft {
    /// Hands the leadership to a voter, or to the one that is furthest. Returns whom. Proposals are
    /// refused until it is done, or given up after an election timeout.
    ///
    /// # Errors
    /// Where the node does not lead, is handing over already, or the target is no other voter.
    pub fn transfer_leadership(&mut self, target: Option<NodeId>) -> Result<NodeId, Refused> {
        self.check_may_append()?;
        let target = target.or_else(|| self.furthest_peer()).ok_or(Refused::Membership)?;
        if target == self.config.id || !self.membership().voters.contains(&target) {
            return Err(Refused::Membership);
        }
        if let State::Leader(leader) = &mut self.state {
            leader.has_transferred = true;
            leader.transfer = Some(Transfer { target, elapsed_ticks: 0, is_told: false });
        }
        self.advance_transfer();
        Ok(target)
    }

    /// Tells the target to campaign once it has the whole log.
    pub(crate) fn advance_transfer(&mut self) {
        let last = self.log.last().index;
        let State::Leader(leader) = &mut self.state else { return };
        let Some(transfer) = &mut leader.transfer else { return };
        let target = transfer.target;
        let is_level = leader.peers.get(&target).is_some_and(|peer| peer.matched >= last);
        if is_level && !transfer.is_told {
            transfer.is_told = true;
            let message = self.request(target, self.hard_state.term, Body::TimeoutNow);
            self.outbox.send(message);
        }
    }

    /// The voter whose log is the longest of those that still answer.
    fn furthest_peer(&self) -> Option<NodeId> {
        let State::Leader(leader) = &self.state else { return None };
        let lost_ticks = self.config.election_timeout_ticks_max;
        let voters = &self.membership().voters;
        leader
            .peers
            .iter()
            .filter(|(id, progress)| voters.contains(id) && progress.silent_ticks < lost_ticks)
            .max_by_key(|(id, progress)| (progress.matched, std::cmp::Reverse(**id)))
            .map(|(id, _)| *id)
    }

    /// Changes the members, one change at a time. Where voters change, the old and the new set rule
    /// together until that is committed (joint consensus, section 6); the leader then ends the joint
    /// phase by itself.
    ///
    /// # Errors
    /// Where the node does not lead or is handing over, another change is under way, this leader has
    /// not committed in its term, or the change makes no sense (a learner that is far behind is not
    /// made a voter: thesis 4.2.1).
    pub fn change_membership(&mut self, change: MembershipChange) -> Result<Position, Refused> {
        let next = self.membership_after(change)?;
        Ok(self.append_membership(Payload::Membership(next)))
    }

    /// What [`Raft::change_membership`] would lead to now. Proposals in between change nothing about it.
    ///
    /// # Errors
    /// Where it would refuse.
    pub fn membership_after(&self, change: MembershipChange) -> Result<Membership, Refused> {
        self.check_may_append()?;
        let has_committed = self.log.term_at(self.commit) == Some(self.hard_state.term);
        let is_settled = !self.membership().is_joint()
            && self.rules().changes_membership(self.memberships.current_index(), self.commit);
        if !has_committed || !is_settled || self.is_far_behind(change) {
            return Err(Refused::Membership);
        }
        self.membership().changed(change).ok_or(Refused::Membership)
    }

    /// Whether a learner to be promoted lacks more than one append's entries.
    fn is_far_behind(&self, change: MembershipChange) -> bool {
        let (State::Leader(leader), MembershipChange::Promote(id)) = (&self.state, change) else {
            return false;
        };
        let slack = self.config.append_entries_max as u64;
        leader.peers.get(&id).is_some_and(|peer| peer.matched + slack < self.commit)
    }

    fn append_membership(&mut self, payload: Payload) -> Position {
        let position = self.append_as_leader(payload);
        self.update_peers();
        self.tell_membership(false);
        position
    }

    /// The commit index moved: a joint membership that is committed ends, and a leader that is no
    /// longer a voter steps down (section 6), passing the lead on so that nobody waits for a timeout.
    pub(crate) fn advance_membership(&mut self) {
        if self.memberships.current_index() > self.commit {
            return;
        }
        if self.membership().is_joint() {
            let next = self.membership().without_outgoing();
            self.append_membership(Payload::Membership(next));
        } else if !self.membership().is_voter(self.config.id) {
            if let Some(heir) = self.furthest_peer() {
                let message = self.request(heir, self.hard_state.term, Body::TimeoutNow);
                self.outbox.send(message);
            }
            self.become_follower(self.hard_state.term, "is no voter any more");
        }
    }

    /// The message that goes with a snapshot's data, for the driver to send to a peer it was asked
    /// to send one to. `None` where this node does not lead.
    pub fn snapshot_message(&mut self, peer: NodeId, meta: SnapshotMeta) -> Option<Message> {
        let State::Leader(leader) = &mut self.state else { return None };
        if let Some(progress) = leader.peers.get_mut(&peer) {
            progress.snapshot_left(meta.last.index);
        }
        let (term, round) = (self.hard_state.term, self.round);
        Some(self.request(peer, term, Body::Snapshot { meta, round }))
    }

    /// The driver is done with a snapshot that [`crate::Ready::snapshots_wanted`] asked for. Where it
    /// failed, the next heartbeat begins again.
    pub fn snapshot_sent(&mut self, peer: NodeId, delivered: bool) {
        let base = self.log.base().index;
        let State::Leader(leader) = &mut self.state else { return };
        let Some(progress) = leader.peers.get_mut(&peer) else { return };
        if !delivered {
            progress.snapshot_lost();
        }
        if progress.mode != Mode::Snapshot {
            return;
        }
        self.is_dirty = true;
        if delivered {
            progress.probe_from(base + 1);
        } else {
            progress.probe_from(progress.matched + 1);
            progress.pause();
        }
    }

    /// The receiver has installed a snapshot, or had it already.
    pub(crate) fn on_snapshot_reply(&mut self, message: &Message, matched: Index, round: u64) {
        let matched = matched.min(self.log.last().index);
        let State::Leader(leader) = &mut self.state else { return };
        let Some(progress) = leader.peers.get_mut(&message.from) else { return };
        if message.term != self.hard_state.term || matched == 0 {
            return;
        }
        progress.heard(round);
        progress.accepted(message.request, matched);
        if progress.mode == Mode::Snapshot {
            progress.probe_from(matched + 1);
        }
        self.is_dirty = true;
        self.advance_commit();
        self.advance_transfer();
    }
}
