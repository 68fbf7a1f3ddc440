//! Snapshots over gRPC: [`crate::chunks`] says which chunk is next and what came together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tonic::Status;
use tonic::transport::Channel;
use whitewater_proto::raft as wire;
use whitewater_raft::{NodeId, SnapshotMeta};

use super::convert;
use crate::chunks::{self, Chunk, Outgoing, Received};

/// Longest time for one chunk, its fsync at the end included.
const CHUNK_DEADLINE: Duration = Duration::from_secs(2);

/// Snapshots on their way to this node.
#[derive(Debug, Default)]
pub(super) struct Incoming(Mutex<chunks::Incoming>);

impl Incoming {
    /// Takes a chunk.
    pub(super) fn receive(
        &self,
        from: NodeId,
        meta: &SnapshotMeta,
        request: &wire::SnapshotRequest,
    ) -> Result<Received, Status> {
        let term = request.header.as_ref().map_or(0, |header| header.term);
        let chunk = Chunk {
            offset: request.offset,
            data: request.data.clone(),
            crc: request.crc,
            is_last: request.done,
        };
        let mut incoming = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        incoming
            .receive(from, term, meta, &chunk)
            .map_err(|error| Status::data_loss(error.to_string()))
    }
}

/// Sends a snapshot, and returns the receiver's last reply. `header` says who speaks to whom.
pub(super) async fn send(
    channel: Channel,
    header: Option<wire::Header>,
    meta: &SnapshotMeta,
    round: u64,
    data: &Bytes,
    chunk_bytes: usize,
) -> Result<wire::SnapshotReply, Status> {
    let mut client = wire::raft_client::RaftClient::new(channel);
    let mut outgoing = Outgoing::new(data.clone(), chunk_bytes);
    loop {
        let Chunk { offset, data, crc, is_last } = outgoing.chunk();
        let request = wire::SnapshotRequest {
            header: header.clone(),
            last_index: meta.last.index,
            last_term: meta.last.term,
            chain: meta.chain.0,
            membership: convert::membership_to_wire(&meta.membership),
            offset,
            crc,
            data,
            done: is_last,
            round,
        };
        let sent = tokio::time::timeout(CHUNK_DEADLINE, client.install_snapshot(request)).await;
        let goes_on = match sent {
            Ok(Ok(reply)) => {
                let reply = reply.into_inner();
                if is_last && reply.success {
                    return Ok(reply);
                }
                outgoing.answered(reply.success, reply.next_offset)
            }
            Ok(Err(status)) if status.code() == tonic::Code::PermissionDenied => {
                return Err(status);
            }
            Ok(Err(_)) | Err(_) => outgoing.failed(),
        };
        if !goes_on {
            return Err(Status::unavailable(format!("gave up at byte {}", outgoing.offset())));
        }
    }
}
