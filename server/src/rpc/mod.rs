//! gRPC: the only place with generated types.
//!
//! One port serves clients ([`client`]), peers ([`peer`]) and operators ([`admin`]). [`link`] is the other
//! direction, a connection to each peer. All of them only turn requests into inputs of the loop in
//! [`crate::run`] and its answers into replies. Clients of this protocol are a crate of their own.

mod admin;
mod client;
mod convert;
mod install;
mod link;
mod peer;
mod tls;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use whitewater_proto::{admin as admin_proto, kv as kv_proto, raft as raft_proto};
use whitewater_raft::NodeId;

use crate::ServeError;
use crate::config::Config;
use crate::inbox::{ClientRequest, PeerInput};

pub(crate) use convert::is_reply;
pub(crate) use link::{Link, LinkSettings};
pub use tls::Tls;

/// Largest request or reply. An append to a peer holds at most its byte limit or one entry, and a value has
/// at most [`crate::kv::VALUE_BYTES_MAX`]; the rest is room for headers.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Longest key.
pub(crate) const KEY_BYTES_MAX: usize = 4 << 10;

/// What every service needs.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    pub(crate) config: Arc<Config>,
    pub(crate) addresses: Addresses,
    pub(crate) clients: mpsc::Sender<ClientRequest>,
    pub(crate) peers: mpsc::Sender<PeerInput>,
}

/// Where clients reach the nodes: what this node was told for clients, then what the log tells, then where
/// this node was told to look for its peers.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    config: Arc<Config>,
    learned: Arc<RwLock<BTreeMap<NodeId, String>>>,
}

impl Addresses {
    pub(crate) fn new(config: Arc<Config>) -> Addresses {
        Addresses { config, learned: Arc::default() }
    }

    pub(crate) fn learn(&self, addresses: &BTreeMap<NodeId, String>) {
        let mut learned = self.learned.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        learned.clone_from(addresses);
    }

    pub(crate) fn of(&self, node: NodeId) -> String {
        let learned = self.learned.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let told = self.config.client_addresses.get(&node).or_else(|| learned.get(&node));
        told.cloned().or_else(|| self.config.client_address(node)).unwrap_or_default()
    }
}

/// Serves all three services until `stop` is ready, and then for as long as a second.
pub(crate) async fn serve(
    doors: Doors,
    tls: Option<Arc<Tls>>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let internal = |error: String| ServeError::Internal(error);
    listener.set_nonblocking(true).map_err(|error| internal(error.to_string()))?;
    let listener =
        tokio::net::TcpListener::from_std(listener).map_err(|error| internal(error.to_string()))?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let kv = kv_proto::kv_server::KvServer::new(client::KvService(doors.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let raft = raft_proto::raft_server::RaftServer::new(peer::RaftService::new(doors.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let admin = admin_proto::admin_server::AdminServer::new(admin::AdminService(doors));
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls.server()).map_err(|error| {
            ServeError::Config(format!("use the TLS certificate: {}", root_cause(&error)))
        })?;
    }
    server
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_service(kv)
        .add_service(raft)
        .add_service(admin)
        .serve_with_incoming_shutdown(incoming, stop)
        .await
        .map_err(|error| internal(error.to_string()))
}

/// What lies behind an error of the transport, which itself says only that there was one.
fn root_cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_came_back_elsewhere_is_named_there() {
        let mut config = Config::new(1, "c", "127.0.0.1:7101".parse().unwrap(), "data".into());
        config.peers = [(2, "h:2".to_owned()), (3, "h:3".to_owned())].into();
        config.client_addresses = [(3, "public:3".to_owned())].into();
        let addresses = Addresses::new(Arc::new(config));
        addresses.learn(&[(2, "new:2".to_owned()), (3, "new:3".to_owned())].into());
        let of = |node| addresses.of(node);
        assert_eq!([1, 2, 3, 4].map(of), ["127.0.0.1:7101", "new:2", "public:3", ""]);
    }
}
