//! Everything that the core takes, and what it says to each, as values.
//!
//! The methods of [`Raft`] of the same names are for those who call it; this is for those who note what is called,
//! and do it again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::message::{Index, Message, NodeId, Position, SnapshotMeta};
use crate::raft::Raft;
use crate::ready::Ready;
use crate::status::{MembershipChange, Refused};

/// A call of the core: everything that changes it, or decides what others are told.
///
/// The order of the variants, and of their fields, is the format of journals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// [`Raft::tick`]
    Tick,
    /// [`Raft::step`]
    Step(Message),
    /// [`Raft::propose`]
    Propose(Arc<[u8]>),
    /// [`Raft::acknowledges`]
    Acknowledges(Index),
    /// [`Raft::read`]
    Read(u64),
    /// [`Raft::persisted`]
    Persisted(u64),
    /// [`Raft::applied`]
    Applied(Index),
    /// [`Raft::compacted`]
    Compacted(SnapshotMeta),
    /// [`Raft::set_log_tail`]
    LogTail(u64),
    /// [`Raft::transfer_leadership`]
    Transfer(Option<NodeId>),
    /// [`Raft::change_membership`]
    ChangeMembership(MembershipChange),
    /// [`Raft::snapshot_message`]
    SnapshotMessage {
        /// Who is to have it.
        peer: NodeId,
        /// The snapshot.
        meta: SnapshotMeta,
    },
    /// [`Raft::snapshot_sent`]
    SnapshotSent {
        /// Who was to have it.
        peer: NodeId,
        /// Whether it got there.
        delivered: bool,
    },
    /// [`Raft::ready`]
    Ready,
}

/// What the core says to an [`Input`], with a [`Ready`] or an account of it.
///
/// The order of the variants, and of their fields, is the format of journals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output<R = Ready> {
    /// The call returns nothing; what follows from it is in the next `Ready`.
    Nothing,
    /// Of [`Input::Propose`]: where the command stands in the log.
    Proposed(Result<Position, Refused>),
    /// Of [`Input::Acknowledges`]
    Acknowledges(bool),
    /// Of [`Input::Transfer`]: who is to lead.
    Transferring(Result<NodeId, Refused>),
    /// Of [`Input::ChangeMembership`]: where the change stands in the log.
    ChangesMembership(Result<Position, Refused>),
    /// Of [`Input::SnapshotMessage`]; `None`: it is not wanted any more.
    SnapshotMessage(Option<Message>),
    /// Of [`Input::Ready`]
    Ready(R),
}

impl<R> Output<R> {
    /// The same with another account of a `Ready`.
    pub fn account<S>(&self, of: impl FnOnce(&R) -> S) -> Output<S> {
        match self {
            Output::Nothing => Output::Nothing,
            Output::Proposed(proposed) => Output::Proposed(*proposed),
            Output::Acknowledges(acknowledges) => Output::Acknowledges(*acknowledges),
            Output::Transferring(transferring) => Output::Transferring(*transferring),
            Output::ChangesMembership(changes) => Output::ChangesMembership(*changes),
            Output::SnapshotMessage(message) => Output::SnapshotMessage(message.clone()),
            Output::Ready(ready) => Output::Ready(of(ready)),
        }
    }
}

impl Raft {
    /// Does what the input says. Two cores that began alike and took the same inputs have said the same.
    pub fn take(&mut self, input: Input) -> Output {
        match input {
            Input::Tick => self.tick(),
            Input::Step(message) => self.step(message),
            Input::Propose(command) => return Output::Proposed(self.propose(command)),
            Input::Acknowledges(index) => return Output::Acknowledges(self.acknowledges(index)),
            Input::Read(context) => self.read(context),
            Input::Persisted(number) => self.persisted(number),
            Input::Applied(index) => self.applied(index),
            Input::Compacted(meta) => self.compacted(meta),
            Input::LogTail(entries) => self.set_log_tail(entries),
            Input::Transfer(target) => {
                return Output::Transferring(self.transfer_leadership(target));
            }
            Input::ChangeMembership(change) => {
                return Output::ChangesMembership(self.change_membership(change));
            }
            Input::SnapshotMessage { peer, meta } => {
                return Output::SnapshotMessage(self.snapshot_message(peer, meta));
            }
            Input::SnapshotSent { peer, delivered } => self.snapshot_sent(peer, delivered),
            Input::Ready => return Output::Ready(self.ready()),
        }
        Output::Nothing
    }
}
