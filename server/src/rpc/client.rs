//! What clients ask: checked, queued for the loop, and answered within a deadline.
//!
//! A request that the loop has taken and that is not answered in time is indefinite if it is a write;
//! everything that fails before is definite.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};
use whitewater_proto::kv as wire;

use super::{Doors, KEY_BYTES_MAX};
use crate::answer::{Answer, Failure, FailureKind, Outcome};
use crate::clock;
use crate::command::{Command, Operation};
use crate::inbox::{Client, ClientRequest};
use crate::kv::{Effect, VALUE_BYTES_MAX};
use crate::machine::Reply;

/// Longest deadline a request may ask for.
const DEADLINE_MAX: Duration = Duration::from_secs(60);

/// The service.
#[derive(Debug)]
pub(super) struct KvService(pub(super) Doors);

impl KvService {
    /// Gives a request to the loop and waits for its answer.
    async fn ask(
        &self,
        deadline_ms: u32,
        is_write: bool,
        request: impl FnOnce(Client) -> ClientRequest,
    ) -> Answer {
        let wished = match deadline_ms {
            0 => self.0.config.request_deadline,
            some => Duration::from_millis(some.into()).min(DEADLINE_MAX),
        };
        let deadline = Instant::now() + wished;
        let (reply, answer) = oneshot::channel();
        let sent = self.0.clients.try_send(request(Client { reply, deadline }));
        let failure = match sent {
            Ok(()) => match timeout_at(deadline, answer).await {
                Ok(Ok(answer)) => return answer,
                // The loop ended or the time is over with the request somewhere inside.
                Ok(Err(_)) => Failure {
                    is_indefinite: is_write,
                    ..Failure::definite(FailureKind::Stopping, "the node stopped")
                },
                Err(_) => Failure {
                    is_indefinite: is_write,
                    ..Failure::definite(FailureKind::TimedOut, format!("no answer in {wished:?}"))
                },
            },
            Err(TrySendError::Full(_)) => {
                Failure::definite(FailureKind::Overloaded, "too many requests wait on this node")
            }
            Err(TrySendError::Closed(_)) => {
                Failure::definite(FailureKind::Stopping, "the node stops")
            }
        };
        Answer { outcome: Outcome::Failure(failure), term: 0, index: 0 }
    }

    fn failure(&self, failure: Failure, term: u64) -> wire::Failure {
        use wire::failure::Kind;
        let kind = match failure.kind {
            FailureKind::NotLeader => Kind::NotLeader,
            FailureKind::NoLeader => Kind::NoLeader,
            FailureKind::TimedOut => Kind::TimedOut,
            FailureKind::LostLeadership => Kind::LostLeadership,
            FailureKind::UnknownSession => Kind::UnknownSession,
            FailureKind::StaleSequence => Kind::StaleSequence,
            FailureKind::Overloaded => Kind::Overloaded,
            FailureKind::Invalid => Kind::Invalid,
            FailureKind::Stopping => Kind::Stopping,
        };
        let leader = failure.leader.map(|node_id| {
            let address = self.0.addresses.of(node_id);
            wire::Leader { node_id, address, term }
        });
        wire::Failure {
            kind: kind.into(),
            indefinite: failure.is_indefinite,
            message: failure.message,
            leader,
        }
    }

    fn invalid(&self, why: &str) -> wire::Failure {
        self.failure(Failure::definite(FailureKind::Invalid, why), 0)
    }

    fn origin(&self, answer: &Answer) -> Option<wire::Origin> {
        let node_id = self.0.config.node_id;
        Some(wire::Origin { node_id, term: answer.term, index: answer.index })
    }
}

#[tonic::async_trait]
impl wire::kv_server::Kv for KvService {
    async fn open_session(
        &self,
        _request: Request<wire::OpenSessionRequest>,
    ) -> Result<Response<wire::OpenSessionReply>, Status> {
        use wire::open_session_reply::Outcome as Wire;
        let expiry_ms = u64::try_from(self.0.config.session_expiry.as_millis()).unwrap_or(u64::MAX);
        let command = Command::OpenSession { time_ms: clock::wall_ms(), expiry_ms };
        let answer = self.ask(0, true, |client| ClientRequest::Write { command, client }).await;
        let outcome = match answer.outcome {
            Outcome::Reply(Reply::Opened(session_id)) => Wire::SessionId(session_id),
            Outcome::Failure(failure) => Wire::Failure(self.failure(failure, answer.term)),
            other => return Err(odd(&other)),
        };
        Ok(Response::new(wire::OpenSessionReply { outcome: Some(outcome) }))
    }

    async fn get(
        &self,
        request: Request<wire::GetRequest>,
    ) -> Result<Response<wire::GetReply>, Status> {
        use wire::get_reply::Outcome as Wire;
        let wire::GetRequest { key, deadline_ms, leader_only } = request.into_inner();
        if let Err(why) = check_key(&key) {
            let outcome = Some(Wire::Failure(self.invalid(why)));
            return Ok(Response::new(wire::GetReply { outcome, origin: None }));
        }
        let answer = self
            .ask(deadline_ms, false, |client| ClientRequest::Read { key, leader_only, client })
            .await;
        let origin = self.origin(&answer);
        let outcome = match answer.outcome {
            Outcome::Value(data) => Wire::Value(wire::Value { data }),
            Outcome::Failure(failure) => Wire::Failure(self.failure(failure, answer.term)),
            other => return Err(odd(&other)),
        };
        Ok(Response::new(wire::GetReply { outcome: Some(outcome), origin }))
    }

    async fn write(
        &self,
        request: Request<wire::WriteRequest>,
    ) -> Result<Response<wire::WriteReply>, Status> {
        use wire::write_reply::Outcome as Wire;
        let request = request.into_inner();
        let deadline_ms = request.deadline_ms;
        let command = match command(request) {
            Ok(command) => command,
            Err(why) => {
                let outcome = Some(Wire::Failure(self.invalid(why)));
                return Ok(Response::new(wire::WriteReply { outcome, origin: None }));
            }
        };
        let answer =
            self.ask(deadline_ms, true, |client| ClientRequest::Write { command, client }).await;
        let origin = self.origin(&answer);
        let outcome = match answer.outcome {
            Outcome::Reply(Reply::Effect(effect)) => match effect {
                // The node has made a failure of it.
                Effect::TooLong { .. } => return Err(odd(&Outcome::Reply(Reply::Effect(effect)))),
                Effect::Done => Wire::Written(wire::Written { previous: None }),
                Effect::Written { previous } => {
                    Wire::Written(wire::Written { previous: Some(wire::Value { data: previous }) })
                }
                Effect::Mismatch { seen } => {
                    Wire::Mismatch(wire::CasMismatch { seen: Some(wire::Value { data: seen }) })
                }
            },
            Outcome::Failure(failure) => Wire::Failure(self.failure(failure, answer.term)),
            other => return Err(odd(&other)),
        };
        Ok(Response::new(wire::WriteReply { outcome: Some(outcome), origin }))
    }
}

fn odd(outcome: &Outcome) -> Status {
    Status::internal(format!("the node answered with something else: {outcome:?}"))
}

/// The command a request asks for, or why it asks for none.
fn command(request: wire::WriteRequest) -> Result<Command, &'static str> {
    use wire::write_request::Operation as Wire;
    let wire::WriteRequest { key, session_id: session, sequence, operation, .. } = request;
    check_key(&key)?;
    if session != 0 && sequence == 0 {
        return Err("a session's sequence numbers begin at 1");
    }
    let operation = match operation.ok_or("the request names no operation")? {
        Wire::Put(put) => Operation::Put(put.value),
        Wire::Delete(wire::Delete {}) => Operation::Delete,
        Wire::Cas(wire::Cas { expected, new }) => Operation::Cas { expected, new },
        Wire::Append(append) => Operation::Append(append.suffix),
    };
    let bytes = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
    let size = match &operation {
        Operation::Put(value) | Operation::Append(value) => value.len(),
        Operation::Cas { expected, new } => bytes(expected) + bytes(new),
        Operation::Delete => 0,
    };
    if size > VALUE_BYTES_MAX {
        return Err("the value is longer than 4 MiB");
    }
    Ok(Command::Write { time_ms: clock::wall_ms(), session, sequence, key, operation })
}

fn check_key(key: &str) -> Result<(), &'static str> {
    match key.len() {
        0 => Err("the key is empty"),
        length if length > KEY_BYTES_MAX => Err("the key is longer than 4 KiB"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_requests_are_named() {
        let request = |key: &str, session_id, put: Option<usize>| wire::WriteRequest {
            key: key.into(),
            session_id,
            sequence: 0,
            deadline_ms: 0,
            operation: put.map(|bytes| {
                wire::write_request::Operation::Put(wire::Put { value: vec![0; bytes].into() })
            }),
        };
        let why = |request| command(request).unwrap_err();
        assert!(why(request("", 0, Some(1))).contains("empty"));
        assert!(why(request("k", 0, None)).contains("no operation"));
        assert!(why(request("k", 1, Some(1))).contains("begin at 1"));
        assert!(why(request("k", 0, Some(VALUE_BYTES_MAX + 1))).contains("4 MiB"));
        assert!(why(request(&"k".repeat(KEY_BYTES_MAX + 1), 0, Some(1))).contains("4 KiB"));
        assert!(command(request("k", 0, Some(VALUE_BYTES_MAX))).is_ok());
    }
}
