//! Which states are alike to a model without ticks.
//!
//! A model checker visits each state once, so states that can only lead to the same things should count
//! as one. Two things tell states apart that are alike: timers, which mean nothing where elections begin
//! whenever the model says so, and numbers of requests and persists, of which only the distance to the
//! latest one means anything. [`std::hash::Hash`] of [`Raft`] keeps both; this leaves them out.

use std::hash::{Hash, Hasher};

use crate::raft::{Raft, State};

impl Raft {
    /// Feeds what decides how this node acts if no tick ever comes. Events and their bookkeeping are
    /// left out, and so is `Config`, which does not change.
    pub fn fingerprint<H: Hasher>(&self, state: &mut H) {
        (self.hard_state, &self.log, &self.memberships).hash(state);
        (self.commit, self.given, self.applied, self.snapshot).hash(state);
        (self.round, self.is_dirty, &self.reads).hash(state);
        self.outbox.fingerprint(state);
        match &self.state {
            State::Leader(leader) => {
                (&leader.transfer, leader.has_transferred).hash(state);
                for (id, progress) in &leader.peers {
                    id.hash(state);
                    progress.fingerprint(self.request, state);
                }
            }
            State::Follower(_) | State::Candidate(_) => self.state.hash(state),
        }
    }

    /// The number of the latest request. A model counts the numbers in messages from here, so that
    /// they stay small and states that differ in nothing else are one.
    pub fn last_request(&self) -> u64 {
        self.request
    }
}
