//! A plain client of one node, for benchmarks: one connection, one request, one answer.
//!
//! No session, retry, redirect or clock, so that nothing but the server's own work and one gRPC call is
//! measured, and the same call is made of every server. Chaos runs use the target's full client.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use whitewater_client::{
    Answered, Change, EtcdMember, EtcdStatus, Node, NodeStatus, Request, Setback,
};

use super::channel::Channel;
use super::standing::Standing;

/// Nothing is sent twice, so that nothing need be recognised.
const NO_SESSION: (u64, u64) = (0, 0);

/// The protocol a node speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The bundled server's.
    Bundled,
    /// etcd's.
    Etcd,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The connection was not made.
    #[error("connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What was in the way.
        source: io::Error,
    },
    /// The call to etcd failed on its way, or etcd refused it.
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[from] tonic::Status),
    /// The bundled server did not answer.
    #[error(transparent)]
    Setback(#[from] Setback),
    /// The reply is not what was asked for.
    #[error("the reply is empty")]
    Empty,
}

/// From where to where a node's log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogExtent {
    /// The last entry that its snapshot covers.
    pub(crate) snapshot_index: u64,
    /// Its last entry.
    pub(crate) last_index: u64,
}

/// One connection to one node.
#[derive(Clone, Debug)]
pub(crate) enum DirectClient {
    /// To a bundled server.
    Bundled(Node<Channel>),
    /// To an etcd member.
    Etcd(EtcdMember<Channel>),
}

impl DirectClient {
    /// Connects within `deadline`, or says why not.
    pub(crate) async fn connect(
        protocol: Protocol,
        address: SocketAddr,
        deadline: Duration,
    ) -> Result<Self, Refused> {
        let connected = tokio::time::timeout(deadline, Channel::connect(address)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let channel = connected.map_err(|source| Refused::Connect { address, source })?;
        let origin = Channel::origin(address);
        Ok(match protocol {
            Protocol::Bundled => Self::Bundled(Node::with_origin(channel, origin)),
            Protocol::Etcd => Self::Etcd(EtcdMember::with_origin(channel, origin)),
        })
    }

    /// Sets `key`. An Ok is an acknowledgement: a quorum has it on disk.
    pub(crate) async fn put(&mut self, key: &str, value: Bytes) -> Result<(), Refused> {
        let change = Change::Put(value);
        match self.ask(Request::Write { key: key.to_owned(), change, command: NO_SESSION }).await? {
            Answered::Written => Ok(()),
            _ => Err(Refused::Empty),
        }
    }

    /// A linearizable read through ReadIndex; None where the key is absent.
    pub(crate) async fn get(&mut self, key: &str) -> Result<Option<Bytes>, Refused> {
        match self.ask(Request::Get { key: key.to_owned(), leader_only: false }).await? {
            Answered::Value(value) => Ok(value),
            _ => Err(Refused::Empty),
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Answered, Refused> {
        let answer = match self {
            Self::Bundled(node) => node.ask(request, None).await,
            Self::Etcd(member) => member.ask(request, false, None).await,
        };
        Ok(answer?.result)
    }

    /// Asks the node alone; no quorum is needed.
    pub(crate) async fn status(&mut self) -> Result<Standing, Refused> {
        match self {
            Self::Bundled(node) => {
                let status = node.status(None).await?;
                let (is_leader, has_leader) = (status.is_leader(), status.leader.is_some());
                Ok(Standing { is_leader, has_leader, term: status.term })
            }
            Self::Etcd(member) => {
                let EtcdStatus { is_leader, has_leader, term, .. } = member.status().await?;
                Ok(Standing { is_leader, has_leader, term })
            }
        }
    }

    /// Where the node's log begins and ends, by its own word; etcd does not tell.
    pub(crate) async fn log_extent(&mut self) -> Result<LogExtent, Refused> {
        let Self::Bundled(node) = self else {
            return Err(tonic::Status::unimplemented("only the bundled server tells").into());
        };
        let NodeStatus { snapshot_index, last_index, .. } = node.status(None).await?;
        Ok(LogExtent { snapshot_index, last_index })
    }
}
