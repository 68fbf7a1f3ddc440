//! One connection to one node: requests into the protocol's words, and its replies out of them.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body::Body;
use tokio::time::timeout;
use tonic::body::Body as RequestBody;
use tonic::client::GrpcService;
use tonic::{Code, Response, Status};
use whitewater_proto::admin::admin_client::AdminClient;
use whitewater_proto::admin::change_membership_request::Change as MemberChange;
use whitewater_proto::admin::{
    ChangeMembershipRequest, ChangeReply, StatusReply, StatusRequest, TransferLeadershipRequest,
};
use whitewater_proto::kv::kv_client::KvClient;
use whitewater_proto::kv::{self, get_reply, open_session_reply, write_reply, write_request};

use crate::{Answer, Answered, Change, Members, Next, NodeStatus, Peer, Request, Setback, Wish};

/// A node answers at a request's deadline with what it knows; this is the way back.
pub const ANSWER_GRACE: Duration = Duration::from_millis(30);
/// Largest reply: a value has at most 4 MiB; the rest is room.
const REPLY_BYTES_MAX: usize = 16 << 20;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// What carries requests: tonic's channel, or another one.
pub trait Transport:
    GrpcService<
        RequestBody,
        Error: Into<AnyError>,
        ResponseBody: Body<Data = Bytes, Error: Into<AnyError> + Send> + Send + 'static,
    > + Clone
{
}

impl<T> Transport for T where
    T: GrpcService<
            RequestBody,
            Error: Into<AnyError>,
            ResponseBody: Body<Data = Bytes, Error: Into<AnyError> + Send> + Send + 'static,
        > + Clone
{
}

/// A connection to a node. Clones share it.
#[derive(Clone, Debug)]
pub struct Node<T> {
    kv: KvClient<T>,
    admin: AdminClient<T>,
}

impl<T: Transport> Node<T> {
    /// Over this transport.
    pub fn new(transport: T) -> Self {
        Self::with_origin(transport, Uri::default())
    }

    /// The same, where the transport wants to be told scheme and authority.
    pub fn with_origin(transport: T, origin: Uri) -> Self {
        let kv = KvClient::with_origin(transport.clone(), origin.clone());
        Self {
            kv: kv.max_decoding_message_size(REPLY_BYTES_MAX),
            admin: AdminClient::with_origin(transport, origin),
        }
    }

    /// Asks, and waits for the answer: so long and a moment, or with `None` for as long as it takes.
    ///
    /// # Errors
    /// Where there is no definite answer.
    pub async fn ask(
        &mut self,
        request: Request,
        time: Option<Duration>,
    ) -> Result<Answer, Setback> {
        let is_change = matches!(request, Request::Write { .. });
        let deadline_ms = time.map_or(0, millis);
        let patience = time.map(|time| time + ANSWER_GRACE);
        let failed = match request {
            Request::OpenSession => {
                let call = self.kv.open_session(kv::OpenSessionRequest {});
                match within(patience, false, call).await?.outcome {
                    Some(open_session_reply::Outcome::SessionId(id)) => {
                        return Ok(answer(Answered::Opened(id), None));
                    }
                    Some(open_session_reply::Outcome::Failure(failure)) => Some(failure),
                    None => None,
                }
            }
            Request::Get { key, leader_only } => {
                let call = self.kv.get(kv::GetRequest { key, deadline_ms, leader_only });
                let reply = within(patience, false, call).await?;
                match reply.outcome {
                    Some(get_reply::Outcome::Value(value)) => {
                        return Ok(answer(Answered::Value(value.data), reply.origin));
                    }
                    Some(get_reply::Outcome::Failure(failure)) => Some(failure),
                    None => None,
                }
            }
            Request::Write { key, change, command: (session_id, sequence) } => {
                let operation = Some(operation(change));
                let request =
                    kv::WriteRequest { key, session_id, sequence, deadline_ms, operation };
                let reply = within(patience, true, self.kv.write(request)).await?;
                match reply.outcome {
                    Some(write_reply::Outcome::Written(_)) => {
                        return Ok(answer(Answered::Written, reply.origin));
                    }
                    Some(write_reply::Outcome::Mismatch(mismatch)) => {
                        let seen = mismatch.seen.and_then(|seen| seen.data);
                        return Ok(answer(Answered::Mismatch(seen), reply.origin));
                    }
                    Some(write_reply::Outcome::Failure(failure)) => Some(failure),
                    None => None,
                }
            }
        };
        Err(failed.map_or_else(|| empty(is_change), |failure| setback(failure, is_change)))
    }

    /// Asks for a change of who leads or who belongs. `address` is where a node that is added is reached; empty
    /// where every node was told at its start.
    ///
    /// # Errors
    /// Where the node does not say that it is done.
    pub async fn wish(
        &mut self,
        wish: Wish,
        address: &str,
        time: Option<Duration>,
    ) -> Result<(), Setback> {
        let (change, node) = match wish {
            Wish::Transfer(target) => {
                let target = target.unwrap_or(0).into();
                let call = self.admin.transfer_leadership(TransferLeadershipRequest { target });
                return done(within(time, true, call).await?);
            }
            Wish::AddLearner(node) => (MemberChange::AddLearner, node),
            Wish::Promote(node) => (MemberChange::Promote, node),
            Wish::Remove(node) => (MemberChange::Remove, node),
        };
        let (change, node_id, address) = (change.into(), node.into(), address.to_owned());
        let request = ChangeMembershipRequest { change, node_id, address };
        done(within(time, true, self.admin.change_membership(request)).await?)
    }

    /// What the node says of itself, alone.
    ///
    /// # Errors
    /// Where it says nothing.
    pub async fn status(&mut self, time: Option<Duration>) -> Result<NodeStatus, Setback> {
        within(time, false, self.admin.status(StatusRequest {})).await.map(status)
    }
}

async fn within<T>(
    time: Option<Duration>,
    is_change: bool,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Setback> {
    let result = match time {
        None => call.await,
        Some(time) => match timeout(time, call).await {
            Ok(result) => result,
            Err(_) => return Err(Setback::silence(is_change, time)),
        },
    };
    result.map(Response::into_inner).map_err(|status| lost(&status, is_change))
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1)
}

fn operation(change: Change) -> write_request::Operation {
    use write_request::Operation;
    match change {
        Change::Put(value) => Operation::Put(kv::Put { value }),
        Change::Delete => Operation::Delete(kv::Delete {}),
        Change::Cas { expected, new } => Operation::Cas(kv::Cas { expected, new: Some(new) }),
        Change::Append(suffix) => Operation::Append(kv::Append { suffix }),
    }
}

fn answer(result: Answered, origin: Option<kv::Origin>) -> Answer {
    let origin = origin.unwrap_or_default();
    let term = (origin.term > 0).then_some(origin.term);
    Answer { result, node: number(origin.node_id).unwrap_or(0), term }
}

/// A status other than OK comes from the transport. A change was certainly not sent only where no connection was
/// made.
fn lost(status: &Status, is_change: bool) -> Setback {
    let was_never_sent = status.code() == Code::Unavailable && has_connect_error(status);
    let reason = match std::error::Error::source(status) {
        Some(source) => format!("{}: {source}", status.message()),
        None => format!("{}: {}", status.code(), status.message()),
    };
    let next = match status.code() {
        Code::InvalidArgument | Code::Unimplemented => Next::GiveUp,
        _ => Next::Elsewhere,
    };
    Setback { is_indefinite: is_change && !was_never_sent, next, reason }
}

pub(crate) fn has_connect_error(status: &Status) -> bool {
    let first = std::error::Error::source(status);
    let mut causes = std::iter::successors(first, |error| error.source());
    causes.any(|error| {
        // The connector's errors are private types; their text is all there is to tell them by.
        let text = error.to_string();
        text.contains("tcp connect error") || text.contains("error trying to connect")
    })
}

fn setback(failure: kv::Failure, is_change: bool) -> Setback {
    use kv::failure::Kind;
    let (kind, leader) = (failure.kind(), failure.leader.unwrap_or_default());
    let next = match (kind, number(leader.node_id)) {
        (Kind::NotLeader, Some(node)) => Next::Leader { node, address: leader.address },
        (Kind::TimedOut | Kind::Stopping, _) => Next::Elsewhere,
        (Kind::UnknownSession | Kind::StaleSequence, _) => Next::NewSession,
        (Kind::Invalid, _) => Next::GiveUp,
        // No leader, or too much to do. An unknown kind is a newer server's.
        _ => Next::Later,
    };
    let name = kind.as_str_name().to_lowercase().replace('_', " ");
    let reason =
        if failure.message.is_empty() { name } else { format!("{name}: {}", failure.message) };
    Setback { is_indefinite: is_change && failure.indefinite, next, reason }
}

fn empty(is_change: bool) -> Setback {
    let reason = "the reply holds neither an answer nor a failure".into();
    Setback { is_indefinite: is_change, next: Next::Later, reason }
}

fn done(reply: ChangeReply) -> Result<(), Setback> {
    let ChangeReply { done, indefinite, message, leader_id } = reply;
    let next = match number(leader_id) {
        Some(node) => Next::Leader { node, address: String::new() },
        None if message.contains("try again") => Next::Later,
        None => Next::GiveUp,
    };
    if done { Ok(()) } else { Err(Setback { is_indefinite: indefinite, next, reason: message }) }
}

fn status(reply: StatusReply) -> NodeStatus {
    let peer = |peer: whitewater_proto::admin::Peer| Peer {
        node_id: peer.node_id,
        match_index: peer.match_index,
        next_index: peer.next_index,
        active: peer.active,
        mode: peer.mode,
    };
    let numbers = |ids: &[u64]| ids.iter().filter_map(|id| number(*id)).collect();
    NodeStatus {
        node: number(reply.node_id).unwrap_or(0),
        cluster_id: reply.cluster_id,
        role: reply.role.replace('-', "_"),
        term: reply.term,
        voted_for: reply.voted_for,
        leader: number(reply.leader_id),
        leader_address: reply.leader_address,
        commit: reply.commit,
        applied: reply.applied,
        last_index: reply.last_index,
        last_term: reply.last_term,
        snapshot_index: reply.snapshot_index,
        state_hash: Some(format!("{:016x}", reply.state_hash)),
        chain: Some(format!("{:016x}", reply.chain)),
        mutant: reply.mutant,
        boot: reply.boot,
        version: reply.version,
        peers: reply.peers.into_iter().map(peer).collect(),
        members: Members {
            voters: numbers(&reply.voters),
            outgoing: numbers(&reply.voters_outgoing),
            learners: numbers(&reply.learners),
            index: reply.membership_index,
        },
        transfer: number(reply.transfer_target),
    }
}

/// A node's number; 0 stands for none.
fn number(id: u64) -> Option<u32> {
    u32::try_from(id).ok().filter(|node| *node > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: kv::failure::Kind, indefinite: bool, leader: u64) -> kv::Failure {
        let leader = (leader > 0).then(|| kv::Leader { node_id: leader, ..Default::default() });
        kv::Failure { kind: kind.into(), indefinite, message: String::new(), leader }
    }

    #[test]
    fn a_redirect_names_the_leader_and_a_change_that_may_commit_is_indefinite() {
        let redirect = setback(failure(kv::failure::Kind::NotLeader, false, 3), true);
        assert_eq!(redirect.next, Next::Leader { node: 3, address: String::new() });
        assert!(!redirect.is_indefinite);
        let timed_out = setback(failure(kv::failure::Kind::TimedOut, true, 0), true);
        assert!(timed_out.is_indefinite);
        assert_eq!(timed_out.reason, "timed out");
        assert!(!setback(failure(kv::failure::Kind::TimedOut, true, 0), false).is_indefinite);
    }

    #[test]
    fn what_the_transport_loses_is_definite_for_reads_alone() {
        let status = Status::unavailable("connection reset");
        assert!(lost(&status, true).is_indefinite);
        assert!(!lost(&status, false).is_indefinite);
        assert_eq!(lost(&Status::unimplemented("no such call"), true).next, Next::GiveUp);
    }
}
