//! Snapshots in chunks (paper section 7): putting them together here, and sending them to a peer.
//!
//! Chunks are kept in memory until the last one; a chunk that does not follow is answered with the
//! offset that is wanted, so a sender can go on after a lost reply. What was put together is decoded
//! once before the core hears of it: nothing damaged can replace a state.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tonic::Status;
use tonic::transport::Channel;
use whitewater_proto::raft as wire;
use whitewater_raft::{NodeId, SnapshotMeta, Term};

use super::convert;
use crate::machine::Machine;

/// Longest time for one chunk, its fsync at the end included.
const CHUNK_DEADLINE: Duration = Duration::from_secs(2);
/// Most chunks sent again before giving up; the leader's core then asks anew, on a new connection.
const RETRIES_MAX: u32 = 1;

/// Snapshots on their way to this node: at most one from each peer.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    partial: Mutex<HashMap<NodeId, Partial>>,
}

#[derive(Debug)]
struct Partial {
    meta: SnapshotMeta,
    term: Term,
    data: BytesMut,
}

/// What a chunk led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// False: the chunk was not the one that is wanted.
    pub(super) is_in_order: bool,
    /// What is wanted next.
    pub(super) next_offset: u64,
    /// The whole snapshot, after its last chunk.
    pub(super) complete: Option<Bytes>,
}

impl Incoming {
    /// Takes a chunk.
    pub(super) fn receive(
        &self,
        from: NodeId,
        meta: &SnapshotMeta,
        chunk: &wire::SnapshotRequest,
    ) -> Result<Received, Status> {
        if crc32fast::hash(&chunk.data) != chunk.crc {
            return Err(Status::data_loss(format!("the chunk at {} is damaged", chunk.offset)));
        }
        let term = chunk.header.as_ref().map_or(0, |header| header.term);
        let mut partials = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        let partial = partials.entry(from).or_insert_with(|| Partial::new(meta, term));
        if partial.meta != *meta || partial.term != term {
            *partial = Partial::new(meta, term);
        }
        let next_offset = partial.data.len() as u64;
        if chunk.offset != next_offset {
            return Ok(Received { is_in_order: false, next_offset, complete: None });
        }
        partial.data.extend_from_slice(&chunk.data);
        let next_offset = partial.data.len() as u64;
        if !chunk.done {
            return Ok(Received { is_in_order: true, next_offset, complete: None });
        }
        let whole = partials.remove(&from).map(|partial| partial.data.freeze());
        let whole = whole.unwrap_or_default();
        if let Err(error) = Machine::default().load(&whole) {
            return Err(Status::data_loss(error.to_string()));
        }
        Ok(Received { is_in_order: true, next_offset, complete: Some(whole) })
    }
}

impl Partial {
    fn new(meta: &SnapshotMeta, term: Term) -> Partial {
        Partial { meta: meta.clone(), term, data: BytesMut::new() }
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
    let (mut offset, mut retries) = (0, 0);
    loop {
        let end = data.len().min(offset + chunk_bytes);
        let chunk = data.slice(offset..end);
        let done = end == data.len();
        let request = wire::SnapshotRequest {
            header: header.clone(),
            last_index: meta.last.index,
            last_term: meta.last.term,
            chain: meta.chain.0,
            membership: convert::membership_to_wire(&meta.membership),
            offset: offset as u64,
            crc: crc32fast::hash(&chunk),
            data: chunk,
            done,
            round,
        };
        let sent = tokio::time::timeout(CHUNK_DEADLINE, client.install_snapshot(request)).await;
        match sent {
            Ok(Ok(reply)) => {
                let reply = reply.into_inner();
                if done && reply.success {
                    return Ok(reply);
                }
                if !reply.success {
                    retries += 1;
                }
                offset = usize::try_from(reply.next_offset).unwrap_or(0).min(data.len());
            }
            Ok(Err(status)) if status.code() == tonic::Code::PermissionDenied => {
                return Err(status);
            }
            Ok(Err(_)) | Err(_) => retries += 1,
        }
        if retries > RETRIES_MAX {
            return Err(Status::unavailable(format!("gave up at byte {offset}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_raft::{Chain, Membership, Position};

    fn meta(index: u64) -> SnapshotMeta {
        let last = Position { index, term: 1 };
        SnapshotMeta { last, chain: Chain(1), membership: Membership::default() }
    }

    fn chunk(data: &[u8], range: std::ops::Range<usize>) -> wire::SnapshotRequest {
        let piece = Bytes::copy_from_slice(&data[range.clone()]);
        wire::SnapshotRequest {
            offset: range.start as u64,
            crc: crc32fast::hash(&piece),
            data: piece,
            done: range.end == data.len(),
            ..wire::SnapshotRequest::default()
        }
    }

    #[test]
    fn chunks_are_put_together_in_order() {
        let data = Machine::default().save();
        let incoming = Incoming::default();
        let first = incoming.receive(1, &meta(5), &chunk(&data, 0..2)).unwrap();
        assert_eq!(first, Received { is_in_order: true, next_offset: 2, complete: None });
        let repeated = incoming.receive(1, &meta(5), &chunk(&data, 0..2)).unwrap();
        assert_eq!(repeated, Received { is_in_order: false, next_offset: 2, complete: None });
        let last = incoming.receive(1, &meta(5), &chunk(&data, 2..data.len())).unwrap();
        assert_eq!(last.complete, Some(data));
    }

    #[test]
    fn another_snapshot_begins_anew_and_damage_is_refused() {
        let data = Machine::default().save();
        let incoming = Incoming::default();
        incoming.receive(1, &meta(5), &chunk(&data, 0..2)).unwrap();
        let other = incoming.receive(1, &meta(6), &chunk(&data, 0..1)).unwrap();
        assert_eq!(other.next_offset, 1);
        let mut damaged = chunk(&data, 1..2);
        damaged.crc ^= 1;
        assert!(incoming.receive(1, &meta(6), &damaged).is_err());
        assert!(incoming.receive(2, &meta(6), &chunk(b"\x09", 0..1)).is_err());
    }
}
