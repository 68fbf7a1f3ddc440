//! A plain client of one node, for benchmarks: one connection, one request, one answer.
//!
//! No session, retry, redirect or clock, so that nothing but the server's own work and one gRPC call is
//! measured, and the same call is made of every server. Chaos runs use the target's full client.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use whitewater_proto::admin::StatusRequest;
use whitewater_proto::admin::admin_client::AdminClient;
use whitewater_proto::kv::kv_client::KvClient;
use whitewater_proto::kv::write_request::Operation;
use whitewater_proto::kv::{Failure, GetRequest, Put, WriteRequest, get_reply, write_reply};

use super::channel::Channel;
use super::etcd::EtcdClient;
use super::standing::Standing;

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
    /// The call failed on its way, or etcd refused it.
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[from] tonic::Status),
    /// The bundled server refused it.
    #[error("{kind}: {message}")]
    Failure {
        /// `NOT_LEADER`, `TIMED_OUT`, ….
        kind: &'static str,
        /// The server's words.
        message: String,
    },
    /// The reply holds neither an answer nor a failure.
    #[error("the reply is empty")]
    Empty,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused::Failure { kind: failure.kind().as_str_name(), message: failure.message }
    }
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
    Bundled(KvClient<Channel>, AdminClient<Channel>),
    /// To an etcd member.
    Etcd(EtcdClient),
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
            Protocol::Bundled => Self::Bundled(
                KvClient::with_origin(channel.clone(), origin.clone()),
                AdminClient::with_origin(channel, origin),
            ),
            Protocol::Etcd => Self::Etcd(EtcdClient::new(channel, origin)),
        })
    }

    /// Sets `key`. An Ok is an acknowledgement: a quorum has it on disk.
    pub(crate) async fn put(&mut self, key: &str, value: Bytes) -> Result<(), Refused> {
        let kv = match self {
            Self::Bundled(kv, _) => kv,
            Self::Etcd(client) => return Ok(client.put(key.to_owned().into(), value).await?),
        };
        let operation = Some(Operation::Put(Put { value }));
        let request = WriteRequest { key: key.to_owned(), operation, ..WriteRequest::default() };
        match kv.write(request).await?.into_inner().outcome {
            Some(write_reply::Outcome::Written(_)) => Ok(()),
            Some(write_reply::Outcome::Failure(failure)) => Err(failure.into()),
            Some(write_reply::Outcome::Mismatch(_)) | None => Err(Refused::Empty),
        }
    }

    /// A linearizable read through ReadIndex; None where the key is absent.
    pub(crate) async fn get(&mut self, key: &str) -> Result<Option<Bytes>, Refused> {
        let kv = match self {
            Self::Bundled(kv, _) => kv,
            Self::Etcd(client) => return Ok(client.get(key.to_owned().into()).await?),
        };
        let request = GetRequest { key: key.to_owned(), ..GetRequest::default() };
        match kv.get(request).await?.into_inner().outcome {
            Some(get_reply::Outcome::Value(value)) => Ok(value.data),
            Some(get_reply::Outcome::Failure(failure)) => Err(failure.into()),
            None => Err(Refused::Empty),
        }
    }

    /// Asks the node alone; no quorum is needed.
    pub(crate) async fn status(&mut self) -> Result<Standing, Refused> {
        match self {
            Self::Bundled(_, admin) => {
                let status = admin.status(StatusRequest {}).await?.into_inner();
                let is_leader = status.role == "leader";
                Ok(Standing { is_leader, has_leader: status.leader_id != 0, term: status.term })
            }
            Self::Etcd(client) => Ok(client.status().await?),
        }
    }

    /// Where the node's log begins and ends, by its own word; etcd does not tell.
    pub(crate) async fn log_extent(&mut self) -> Result<LogExtent, Refused> {
        let Self::Bundled(_, admin) = self else {
            return Err(tonic::Status::unimplemented("only the bundled server tells").into());
        };
        let status = admin.status(StatusRequest {}).await?.into_inner();
        Ok(LogExtent { snapshot_index: status.snapshot_index, last_index: status.last_index })
    }
}
