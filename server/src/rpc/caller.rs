//! A client for people: finds the leader, follows redirects, retries within a session.
//!
//! A write opens a session first and repeats its sequence number with every try, so that a retry cannot
//! apply it twice. What is left when the time is over is told honestly: a definite failure if no try can
//! have reached a log, and otherwise that nobody knows. The chaos clients of the runner are others: they
//! must record every try by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};
use whitewater_proto::{admin, kv};
use whitewater_raft::{Chain, MembershipChange};

use super::tls::{self, Tls, TlsFiles};
use super::{MESSAGE_BYTES_MAX, root_cause};
use crate::ServeError;
use crate::command::Operation;
use crate::kv::Effect;

/// Longest time for a connection, and for a try before the next node is asked.
const TRY_TIME: Duration = Duration::from_millis(1_500);
/// Between two tries at a cluster without a leader.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It was refused, and trying again is no use. It did not take effect.
    #[error("{0}")]
    Refused(String),
    /// No node could take it. It did not and will not take effect.
    #[error("no node could take it within {within:?}: {last}")]
    Unreachable {
        /// How long it was tried.
        within: Duration,
        /// What the last try said.
        last: String,
    },
    /// It may have taken effect, or may still.
    #[error("outcome unknown, it may have taken effect: {0}")]
    Unknown(String),
}

/// One failed try.
struct Trouble {
    is_indefinite: bool,
    next: Next,
    message: String,
}

/// What to do after a failed try.
enum Next {
    /// Ask this address.
    Redirect(String),
    /// Ask another node.
    Elsewhere,
    /// Give up.
    Nobody,
}

/// What a node says of itself.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "admin.proto describes each field of a status")]
pub struct NodeReport {
    pub endpoint: String,
    pub node_id: u64,
    pub cluster_id: String,
    pub role: String,
    pub term: u64,
    pub voted_for: u64,
    pub leader_id: u64,
    pub leader_address: String,
    pub commit: u64,
    pub applied: u64,
    pub last_index: u64,
    pub last_term: u64,
    pub snapshot_index: u64,
    pub state_hash: Chain,
    pub chain: Chain,
    pub mutant: String,
    pub boot: u64,
    pub version: String,
    pub peers: Vec<PeerReport>,
    pub voters: Vec<u64>,
    pub learners: Vec<u64>,
}

/// What a leader knows of a peer.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "admin.proto describes each field of a status")]
pub struct PeerReport {
    pub node_id: u64,
    pub match_index: u64,
    pub next_index: u64,
    pub active: bool,
    pub mode: String,
}

/// A client of a whole cluster.
#[derive(Debug)]
pub struct Caller {
    endpoints: Vec<String>,
    channels: BTreeMap<String, Channel>,
    /// Whom to ask next.
    current: String,
    patience: Duration,
    tls: Option<Tls>,
}

impl Caller {
    /// A client that knows these nodes (`host:port`) and gives up after `patience`.
    pub fn new(endpoints: Vec<String>, patience: Duration) -> Caller {
        let current = endpoints.first().cloned().unwrap_or_default();
        Caller { endpoints, channels: BTreeMap::new(), current, patience, tls: None }
    }

    /// The same, over TLS.
    ///
    /// # Errors
    /// Where a file cannot be read, or is not what it should be.
    pub fn with_tls(self, files: &TlsFiles) -> Result<Caller, ServeError> {
        Ok(Caller { tls: Some(Tls::load(files)?), ..self })
    }

    /// A linearizable read.
    pub async fn get(&mut self, key: &str) -> Result<Option<Bytes>, CallError> {
        self.persist(async |channel, time| {
            let request = kv::GetRequest {
                key: key.to_owned(),
                deadline_ms: millis(time),
                leader_only: false,
            };
            let reply =
                kv_client(channel).get(request).await.map_err(|status| lost(&status, false));
            match reply?.into_inner().outcome {
                Some(kv::get_reply::Outcome::Value(value)) => Ok(value.data),
                Some(kv::get_reply::Outcome::Failure(failure)) => Err(failed(failure)),
                None => Err(empty_reply()),
            }
        })
        .await
    }

    /// Changes a key, once.
    pub async fn write(&mut self, key: &str, operation: Operation) -> Result<Effect, CallError> {
        let session_id = self.open_session().await?;
        let operation = operation_to_wire(operation);
        self.persist(async |channel, time| {
            let request = kv::WriteRequest {
                key: key.to_owned(),
                session_id,
                sequence: 1,
                deadline_ms: millis(time),
                operation: Some(operation.clone()),
            };
            let reply =
                kv_client(channel).write(request).await.map_err(|status| lost(&status, true));
            match reply?.into_inner().outcome {
                Some(kv::write_reply::Outcome::Written(written)) => Ok(match written.previous {
                    Some(previous) => Effect::Written { previous: previous.data },
                    None => Effect::Done,
                }),
                Some(kv::write_reply::Outcome::Mismatch(mismatch)) => {
                    Ok(Effect::Mismatch { seen: mismatch.seen.and_then(|seen| seen.data) })
                }
                Some(kv::write_reply::Outcome::Failure(failure)) => Err(failed(failure)),
                None => Err(empty_reply()),
            }
        })
        .await
    }

    async fn open_session(&mut self) -> Result<u64, CallError> {
        self.persist(async |channel, _| {
            let request = kv::OpenSessionRequest {};
            // A session that was opened in vain expires by itself: nothing is indefinite about it.
            let reply = kv_client(channel).open_session(request).await;
            match reply.map_err(|status| lost(&status, false))?.into_inner().outcome {
                Some(kv::open_session_reply::Outcome::SessionId(id)) => Ok(id),
                Some(kv::open_session_reply::Outcome::Failure(failure)) => {
                    Err(Trouble { is_indefinite: false, ..failed(failure) })
                }
                None => Err(empty_reply()),
            }
        })
        .await
    }

    /// Asks a leader to hand over to `target`, or to the best peer.
    pub async fn transfer_leadership(&mut self, target: Option<u64>) -> Result<(), CallError> {
        let request = admin::TransferLeadershipRequest { target: target.unwrap_or(0) };
        self.change(async |mut client| client.transfer_leadership(request).await).await
    }

    /// Changes the members. `address` is where a new one is reached.
    pub async fn change_membership(
        &mut self,
        change: MembershipChange,
        address: Option<String>,
    ) -> Result<(), CallError> {
        use admin::change_membership_request::Change;
        let (kind, node_id) = match change {
            MembershipChange::AddLearner(node) => (Change::AddLearner, node),
            MembershipChange::Promote(node) => (Change::Promote, node),
            MembershipChange::Remove(node) => (Change::Remove, node),
        };
        let request = admin::ChangeMembershipRequest {
            change: kind.into(),
            node_id,
            address: address.unwrap_or_default(),
        };
        self.change(async |mut client| client.change_membership(request.clone()).await).await
    }

    async fn change(
        &mut self,
        ask: impl AsyncFn(
            admin::admin_client::AdminClient<Channel>,
        ) -> Result<tonic::Response<admin::ChangeReply>, Status>,
    ) -> Result<(), CallError> {
        // The reply names the leader by number alone: its address is in its status.
        let leaders: BTreeMap<u64, String> = self
            .statuses()
            .await
            .into_iter()
            .filter_map(|(endpoint, report)| Some((report.ok()?.node_id, endpoint)))
            .collect();
        self.persist(async |channel, _| {
            let client = admin::admin_client::AdminClient::new(channel);
            let reply = ask(client).await.map_err(|status| lost(&status, true))?.into_inner();
            if reply.done {
                return Ok(());
            }
            let next = match (leaders.get(&reply.leader_id), reply.leader_id) {
                (Some(address), _) => Next::Redirect(address.clone()),
                (None, 0) if !reply.message.contains("try again") => Next::Nobody,
                _ => Next::Elsewhere,
            };
            Err(Trouble { is_indefinite: reply.indefinite, next, message: reply.message })
        })
        .await
    }

    /// What each known node says of itself, or why it says nothing.
    pub async fn statuses(&mut self) -> Vec<(String, Result<NodeReport, String>)> {
        let mut found = Vec::new();
        for endpoint in self.endpoints.clone() {
            let report = self.status(&endpoint).await;
            found.push((endpoint, report));
        }
        found
    }

    async fn status(&mut self, endpoint: &str) -> Result<NodeReport, String> {
        let channel = self.channel(endpoint).await.map_err(|trouble| trouble.message)?;
        let mut client = admin::admin_client::AdminClient::new(channel);
        match timeout(TRY_TIME, client.status(admin::StatusRequest {})).await {
            Ok(Ok(reply)) => Ok(report(endpoint, reply.into_inner())),
            Ok(Err(status)) => {
                self.channels.remove(endpoint);
                Err(status.message().to_owned())
            }
            Err(_) => Err(format!("no answer within {TRY_TIME:?}")),
        }
    }

    /// Tries until there is an answer, or the patience is over.
    async fn persist<T>(
        &mut self,
        mut ask: impl AsyncFnMut(Channel, Duration) -> Result<T, Trouble>,
    ) -> Result<T, CallError> {
        let until = Instant::now() + self.patience;
        let mut unknown: Option<String> = None;
        loop {
            let time = until.saturating_duration_since(Instant::now()).min(TRY_TIME);
            let address = self.current.clone();
            let tried = match self.channel(&address).await {
                Err(trouble) => Err(trouble),
                Ok(channel) => match timeout(time + PAUSE, ask(channel, time)).await {
                    Ok(result) => result,
                    Err(_) => Err(lost(&Status::deadline_exceeded("no answer in time"), true)),
                },
            };
            let trouble = match tried {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            if trouble.is_indefinite {
                unknown.get_or_insert_with(|| trouble.message.clone());
            }
            let is_over = Instant::now() + PAUSE >= until;
            match trouble.next {
                Next::Redirect(address) if !is_over => self.current = address,
                Next::Elsewhere if !is_over => self.turn(&address).await,
                Next::Nobody if unknown.is_none() => {
                    return Err(CallError::Refused(trouble.message));
                }
                _ => {
                    let (within, last) = (self.patience, trouble.message);
                    return Err(match unknown {
                        Some(message) => CallError::Unknown(message),
                        None => CallError::Unreachable { within, last },
                    });
                }
            }
        }
    }

    /// Goes on to the node after this one.
    async fn turn(&mut self, address: &str) {
        self.channels.remove(address);
        let place = self.endpoints.iter().position(|endpoint| endpoint == address);
        let next = place.map_or(0, |place| (place + 1) % self.endpoints.len());
        if let Some(endpoint) = self.endpoints.get(next) {
            self.current.clone_from(endpoint);
        }
        sleep(PAUSE).await;
    }

    async fn channel(&mut self, address: &str) -> Result<Channel, Trouble> {
        if let Some(channel) = self.channels.get(address) {
            return Ok(channel.clone());
        }
        let unreachable = |error: &dyn std::error::Error| {
            let message = format!("connect to {address}: {}", root_cause(error));
            Trouble { is_indefinite: false, next: Next::Elsewhere, message }
        };
        let endpoint = tls::endpoint(address, self.tls.as_ref())
            .map_err(|error| Trouble { next: Next::Nobody, ..unreachable(&error) })?
            .connect_timeout(TRY_TIME)
            .tcp_nodelay(true);
        let channel = endpoint.connect().await.map_err(|error| unreachable(&error))?;
        self.channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}

fn kv_client(channel: Channel) -> kv::kv_client::KvClient<Channel> {
    kv::kv_client::KvClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// A status of the transport: after the connection was made nobody knows what became of a write.
fn lost(status: &Status, is_write: bool) -> Trouble {
    let next = match status.code() {
        Code::InvalidArgument | Code::Unimplemented => Next::Nobody,
        _ => Next::Elsewhere,
    };
    Trouble { is_indefinite: is_write, next, message: status.message().to_owned() }
}

fn failed(failure: kv::Failure) -> Trouble {
    use kv::failure::Kind;
    let address = failure.leader.as_ref().map(|leader| leader.address.clone());
    let next = match failure.kind() {
        Kind::NotLeader => match address.filter(|address| !address.is_empty()) {
            Some(address) => Next::Redirect(address),
            None => Next::Elsewhere,
        },
        Kind::Invalid | Kind::UnknownSession | Kind::StaleSequence => Next::Nobody,
        _ => Next::Elsewhere,
    };
    Trouble { is_indefinite: failure.indefinite, next, message: failure.message }
}

fn empty_reply() -> Trouble {
    let message = "the reply holds neither an answer nor a failure".to_owned();
    Trouble { is_indefinite: true, next: Next::Elsewhere, message }
}

fn operation_to_wire(operation: Operation) -> kv::write_request::Operation {
    use kv::write_request::Operation as Wire;
    match operation {
        Operation::Put(value) => Wire::Put(kv::Put { value }),
        Operation::Delete => Wire::Delete(kv::Delete {}),
        Operation::Cas { expected, new } => Wire::Cas(kv::Cas { expected, new }),
        Operation::Append(suffix) => Wire::Append(kv::Append { suffix }),
    }
}

fn report(endpoint: &str, status: admin::StatusReply) -> NodeReport {
    let peer = |peer: admin::Peer| PeerReport {
        node_id: peer.node_id,
        match_index: peer.match_index,
        next_index: peer.next_index,
        active: peer.active,
        mode: peer.mode,
    };
    NodeReport {
        endpoint: endpoint.to_owned(),
        node_id: status.node_id,
        cluster_id: status.cluster_id,
        role: status.role,
        term: status.term,
        voted_for: status.voted_for,
        leader_id: status.leader_id,
        leader_address: status.leader_address,
        commit: status.commit,
        applied: status.applied,
        last_index: status.last_index,
        last_term: status.last_term,
        snapshot_index: status.snapshot_index,
        state_hash: Chain(status.state_hash),
        chain: Chain(status.chain),
        mutant: status.mutant,
        boot: status.boot,
        version: status.version,
        peers: status.peers.into_iter().map(peer).collect(),
        voters: status.voters,
        learners: status.learners,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cluster_that_is_not_there_is_a_definite_failure() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut caller = Caller::new(vec![address], Duration::from_millis(200));
        let error = caller.write("k", Operation::Delete).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        let mut caller = Caller::new(vec!["not an address".into()], Duration::from_millis(200));
        assert!(matches!(caller.get("k").await, Err(CallError::Refused(_))));
    }
}
