//! etcd's own protocol, version 3, as far as it is needed: one connection to one member.
//!
//! Generated types end here. Nothing here retries or redirects: a member passes on to the leader what only that can do.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use tokio::time::timeout;
use tonic::{Code, Status};
use whitewater_proto::etcd::compare::{CompareResult, CompareTarget, TargetUnion};
use whitewater_proto::etcd::kv_client::KvClient;
use whitewater_proto::etcd::maintenance_client::MaintenanceClient;
use whitewater_proto::etcd::{
    Compare, PutRequest, RangeRequest, RequestOp, ResponseHeader, StatusRequest, TxnRequest,
    request_op, response_op,
};

use crate::node::has_connect_error;
use crate::{Answer, Answered, Change, Next, Request, Setback, Transport};

/// A connection to a member. Clones share it.
#[derive(Clone, Debug)]
pub struct EtcdMember<T> {
    kv: KvClient<T>,
    maintenance: MaintenanceClient<T>,
}

/// What a member says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtcdStatus {
    /// Whether it leads.
    pub is_leader: bool,
    /// Whether it knows a leader.
    pub has_leader: bool,
    /// Its term.
    pub term: u64,
    /// Its last index that is committed, and that it has applied.
    pub commit: u64,
    /// The same, of what it has applied.
    pub applied: u64,
}

impl<T: Transport> EtcdMember<T> {
    /// Over this transport.
    pub fn new(transport: T) -> Self {
        Self::with_origin(transport, Uri::default())
    }

    /// The same, where the transport wants to be told scheme and authority.
    pub fn with_origin(transport: T, origin: Uri) -> Self {
        Self {
            kv: KvClient::with_origin(transport.clone(), origin.clone()),
            maintenance: MaintenanceClient::with_origin(transport, origin),
        }
    }

    /// Asks, and waits so long for the answer, or with `None` for as long as it takes. `serializable`: what this member has, which may be behind.
    ///
    /// # Errors
    /// Where there is no definite answer.
    pub async fn ask(
        &mut self,
        request: Request,
        serializable: bool,
        time: Option<Duration>,
    ) -> Result<Answer, Setback> {
        let is_change = matches!(request, Request::Write { .. });
        let call = self.call(request, serializable);
        let result = match time {
            None => call.await,
            Some(time) => match timeout(time, call).await {
                Ok(result) => result,
                Err(_) => return Err(Setback::silence(is_change, time)),
            },
        };
        result.map_err(|status| lost(&status, is_change))
    }

    async fn call(&mut self, request: Request, serializable: bool) -> Result<Answer, Status> {
        match request {
            Request::OpenSession => Err(Status::unimplemented("etcd has no sessions")),
            Request::Get { key, .. } => {
                let key = Bytes::from(key);
                let reply =
                    self.kv.range(RangeRequest { key, limit: 0, serializable }).await?.into_inner();
                let value = reply.kvs.into_iter().next().map(|pair| pair.value);
                Ok(answer(Answered::Value(value), reply.header.as_ref()))
            }
            Request::Write { key, change, .. } => {
                let key = Bytes::from(key);
                match change {
                    Change::Put(value) => {
                        let reply = self.kv.put(PutRequest { key, value, prev_kv: false }).await?;
                        Ok(answer(Answered::Written, reply.into_inner().header.as_ref()))
                    }
                    Change::Cas { expected, new } => self.swap(key, expected, new).await,
                    Change::Append(_) | Change::Delete => {
                        Err(Status::unimplemented("etcd is not asked for this"))
                    }
                }
            }
        }
    }

    /// One transaction: where the key holds `expected`, `new` is put, else it is read.
    async fn swap(
        &mut self,
        key: Bytes,
        expected: Option<Bytes>,
        new: Bytes,
    ) -> Result<Answer, Status> {
        let (target, held) = match expected {
            Some(value) => (CompareTarget::Value, TargetUnion::Value(value)),
            None => (CompareTarget::Version, TargetUnion::Version(0)),
        };
        let compare = Compare {
            result: CompareResult::Equal.into(),
            target: target.into(),
            key: key.clone(),
            target_union: Some(held),
        };
        let put = PutRequest { key: key.clone(), value: new, prev_kv: false };
        let range = RangeRequest { key, limit: 0, serializable: false };
        let request = TxnRequest {
            compare: vec![compare],
            success: vec![RequestOp { request: Some(request_op::Request::RequestPut(put)) }],
            failure: vec![RequestOp { request: Some(request_op::Request::RequestRange(range)) }],
        };
        let reply = self.kv.txn(request).await?.into_inner();
        if reply.succeeded {
            return Ok(answer(Answered::Written, reply.header.as_ref()));
        }
        let seen = reply.responses.into_iter().find_map(|it| match it.response {
            Some(response_op::Response::ResponseRange(range)) => {
                range.kvs.into_iter().next().map(|pair| pair.value)
            }
            _ => None,
        });
        Ok(answer(Answered::Mismatch(seen), reply.header.as_ref()))
    }

    /// Asks the member alone; no quorum is needed.
    ///
    /// # Errors
    /// Where it says nothing.
    pub async fn status(&mut self) -> Result<EtcdStatus, Status> {
        let status = self.maintenance.status(StatusRequest {}).await?.into_inner();
        let own_id = status.header.as_ref().map_or(0, |header| header.member_id);
        Ok(EtcdStatus {
            is_leader: status.leader != 0 && status.leader == own_id,
            has_leader: status.leader != 0,
            term: status.raft_term,
            commit: status.raft_index,
            applied: status.raft_applied_index,
        })
    }
}

fn answer(result: Answered, header: Option<&ResponseHeader>) -> Answer {
    Answer { result, node: 0, term: header.map(|header| header.raft_term).filter(|term| *term > 0) }
}

/// A change is certain to have no effect where it was never sent, and where it was refused before it was proposed.
fn lost(status: &Status, is_change: bool) -> Setback {
    let reason = format!("{:?}: {}", status.code(), status.message());
    let next = match status.code() {
        Code::Unimplemented
        | Code::InvalidArgument
        | Code::PermissionDenied
        | Code::Unauthenticated => {
            return Setback { is_indefinite: false, next: Next::GiveUp, reason };
        }
        Code::ResourceExhausted => Next::Later,
        Code::Unavailable if has_connect_error(status) => Next::Elsewhere,
        _ if status.message().contains("proposal dropped") => Next::Elsewhere,
        _ => return Setback::unreachable(is_change, reason),
    };
    Setback { is_indefinite: false, next, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_proposed_is_definite() {
        let changes = |code, message| lost(&Status::new(code, message), true).is_indefinite;
        assert!(changes(Code::Unavailable, "etcdserver: request timed out"));
        assert!(changes(Code::Unavailable, "etcdserver: leader changed"));
        assert!(changes(Code::Unknown, "context canceled"));
        assert!(!changes(Code::ResourceExhausted, "etcdserver: too many requests"));
        assert!(!changes(Code::Unavailable, "raft proposal dropped"));
        assert!(
            !lost(&Status::new(Code::Unavailable, "etcdserver: request timed out"), false)
                .is_indefinite
        );
    }
}
