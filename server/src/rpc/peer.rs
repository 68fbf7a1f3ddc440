//! What peers ask of this node: each request becomes one message to the core, and waits for its reply.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};
use whitewater_proto::raft as wire;
use whitewater_raft::{Body, Message, Position};

use super::Doors;
use super::convert;
use super::install::Incoming;
use crate::inbox::PeerInput;

/// The service, and the snapshots that are on their way to this node.
#[derive(Debug)]
pub(super) struct RaftService {
    doors: Doors,
    incoming: Incoming,
    /// Numbers the requests that wait here. The wire ties a reply to its request by itself, so the
    /// number a sender gave need not travel.
    requests: AtomicU64,
}

impl RaftService {
    pub(super) fn new(doors: Doors) -> RaftService {
        RaftService { doors, incoming: Incoming::default(), requests: AtomicU64::new(0) }
    }

    fn check(&self, header: Option<&wire::Header>) -> Result<u64, Status> {
        let config = &self.doors.config;
        convert::check_header(header, &config.cluster_id, config.node_id)
    }

    /// Steps the core with a request and waits for its reply, which may wait for the disk.
    async fn ask(
        &self,
        header: Option<wire::Header>,
        body: Body,
        snapshot: Option<Bytes>,
    ) -> Result<Message, Status> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let message = convert::message(header, request, body)?;
        if message.is_garbled() {
            // The core would not answer, and the peer would wait here for ever.
            return Err(Status::invalid_argument(
                "the message names a term or index beyond any log",
            ));
        }
        let (reply, replied) = oneshot::channel();
        let input = PeerInput::Request { message, snapshot, reply };
        let gone = || Status::unavailable("the node stops");
        self.doors.peers.send(input).await.map_err(|_| gone())?;
        replied.await.map_err(|_| gone())
    }

    fn header(&self, reply: &Message) -> Option<wire::Header> {
        convert::header(&self.doors.config.cluster_id, reply)
    }
}

fn odd(reply: &Message) -> Status {
    Status::internal(format!("the core answered with something else: {:?}", reply.body))
}

#[tonic::async_trait]
impl wire::raft_server::Raft for RaftService {
    async fn request_vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteReply>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let last = Position { index: request.last_index, term: request.last_term };
        let body = Body::Vote { last, pre_vote: request.pre_vote, transfer: request.transfer };
        let reply = self.ask(request.header, body, None).await?;
        match reply.body {
            Body::VoteReply { granted, pre_vote } => {
                let header = self.header(&reply);
                Ok(Response::new(wire::VoteReply { header, granted, pre_vote }))
            }
            _ => Err(odd(&reply)),
        }
    }

    async fn append_entries(
        &self,
        request: Request<wire::AppendRequest>,
    ) -> Result<Response<wire::AppendReply>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let body = convert::append_from_wire(&request)?;
        let reply = self.ask(request.header, body, None).await?;
        match reply.body {
            Body::AppendReply { result, round } => {
                let header = self.header(&reply);
                Ok(Response::new(convert::append_reply_to_wire(header, result, round)))
            }
            _ => Err(odd(&reply)),
        }
    }

    async fn install_snapshot(
        &self,
        request: Request<wire::SnapshotRequest>,
    ) -> Result<Response<wire::SnapshotReply>, Status> {
        let request = request.into_inner();
        let from = self.check(request.header.as_ref())?;
        let meta = convert::meta_from_wire(&request)?;
        let (header, round) = (request.header.clone(), request.round);
        let received = self.incoming.receive(from, &meta, &request)?;
        let Some(data) = received.complete else {
            let next_offset = received.next_offset;
            let reply = wire::SnapshotReply {
                header: header.map(|header| wire::Header { from: header.to, to: from, ..header }),
                success: received.is_in_order,
                next_offset,
                match_index: 0,
                round,
            };
            return Ok(Response::new(reply));
        };
        let reply = self.ask(header, Body::Snapshot { meta, round }, Some(data)).await?;
        match reply.body {
            Body::SnapshotReply { matched, round } => Ok(Response::new(wire::SnapshotReply {
                header: self.header(&reply),
                success: true,
                next_offset: received.next_offset,
                match_index: matched,
                round,
            })),
            _ => Err(odd(&reply)),
        }
    }

    async fn timeout_now(
        &self,
        request: Request<wire::TimeoutNowRequest>,
    ) -> Result<Response<wire::TimeoutNowReply>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let reply = self.ask(request.header, Body::TimeoutNow, None).await?;
        Ok(Response::new(wire::TimeoutNowReply { header: self.header(&reply) }))
    }

    async fn read_index(
        &self,
        request: Request<wire::ReadIndexRequest>,
    ) -> Result<Response<wire::ReadIndexReply>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let body = Body::ReadIndex { context: request.context };
        let reply = self.ask(request.header, body, None).await?;
        match reply.body {
            Body::ReadIndexReply { context, index } => Ok(Response::new(wire::ReadIndexReply {
                header: self.header(&reply),
                context,
                success: index.is_some(),
                read_index: index.unwrap_or(0),
            })),
            _ => Err(odd(&reply)),
        }
    }
}
