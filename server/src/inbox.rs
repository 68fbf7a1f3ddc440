//! What the loop that owns a node is asked and told: by clients, by operators, by peers.

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use whitewater_raft::{Chain, MembershipChange, Message, NodeId, Status};

use crate::answer::Answer;
use crate::command::Command;

/// A client that waits for its answer.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) reply: oneshot::Sender<Answer>,
    pub(crate) deadline: Instant,
}

/// What clients and operators ask of the loop.
#[derive(Debug)]
pub(crate) enum ClientRequest {
    Write { command: Command, client: Client },
    Read { key: String, leader_only: bool, client: Client },
    Transfer { target: Option<NodeId>, client: Client },
    Membership { change: MembershipChange, address: Option<String>, client: Client },
    Compact(Client),
    Status(oneshot::Sender<NodeView>),
}

/// What peers, and the links to them, tell the loop.
#[derive(Debug)]
pub(crate) enum PeerInput {
    /// A peer asks, and waits.
    Request { message: Message, snapshot: Option<Bytes>, reply: oneshot::Sender<Message> },
    /// A peer answered.
    Reply(Message),
    /// A snapshot was delivered, or not.
    SnapshotSent { peer: NodeId, delivered: bool },
}

/// What `status` tells.
#[derive(Debug)]
pub(crate) struct NodeView {
    pub(crate) status: Status,
    pub(crate) state_hash: Chain,
    pub(crate) chain: Chain,
    pub(crate) boot: u64,
    pub(crate) waiting: usize,
}
