//! Between the core's messages and the wire's. No decisions here.

use std::sync::Arc;

use bytes::Bytes;
use whitewater_proto::raft as wire;
use whitewater_raft::{
    Body, Chain, Conflict, Entry, Membership, Message, NodeId, Payload, Position, SnapshotMeta,
};

/// A message that does not say what it must.
#[derive(Debug, thiserror::Error)]
#[error("read a peer's message: {0}")]
pub(crate) struct Malformed(String);

impl From<Malformed> for tonic::Status {
    fn from(malformed: Malformed) -> tonic::Status {
        tonic::Status::invalid_argument(malformed.to_string())
    }
}

/// Whether the message answers a request.
pub(crate) fn is_reply(body: &Body) -> bool {
    matches!(
        body,
        Body::VoteReply { .. }
            | Body::AppendReply { .. }
            | Body::SnapshotReply { .. }
            | Body::TimeoutNowReply
            | Body::ReadIndexReply { .. }
    )
}

pub(super) fn header(cluster_id: &str, message: &Message) -> Option<wire::Header> {
    let cluster_id = cluster_id.to_owned();
    Some(wire::Header { cluster_id, from: message.from, to: message.to, term: message.term })
}

/// A message from its header and body; `request` ties a reply to its request.
pub(super) fn message(
    header: Option<wire::Header>,
    request: u64,
    body: Body,
) -> Result<Message, Malformed> {
    let header = header.ok_or_else(|| Malformed("it has no header".into()))?;
    let wire::Header { from, to, term, .. } = header;
    Ok(Message { from, to, term, request, body })
}

pub(super) fn entry_to_wire(entry: &Entry) -> wire::Entry {
    use wire::entry::Kind;
    let (kind, payload) = match &entry.payload {
        Payload::Noop => (Kind::Noop, Bytes::new()),
        Payload::Command(bytes) => (Kind::Command, Bytes::from_owner(Arc::clone(bytes))),
        Payload::Membership(membership) => (Kind::Membership, membership_to_wire(membership)),
    };
    wire::Entry { index: entry.index, term: entry.term, kind: kind.into(), payload }
}

pub(super) fn entry_from_wire(entry: &wire::Entry) -> Result<Entry, Malformed> {
    use wire::entry::Kind;
    let payload = match Kind::try_from(entry.kind) {
        Ok(Kind::Noop) => Payload::Noop,
        Ok(Kind::Command) => Payload::Command(Arc::from(&*entry.payload)),
        Ok(Kind::Membership) => Payload::Membership(membership_from_wire(&entry.payload)?),
        Err(_) => return Err(Malformed(format!("entry {} is of an unknown kind", entry.index))),
    };
    Ok(Entry { index: entry.index, term: entry.term, payload })
}

pub(super) fn append_from_wire(request: &wire::AppendRequest) -> Result<Body, Malformed> {
    let prev = Position { index: request.prev_index, term: request.prev_term };
    let entries =
        request.entries.iter().map(entry_from_wire).collect::<Result<Vec<_>, Malformed>>()?;
    let first = prev.index.wrapping_add(1);
    if entries.iter().zip(first..).any(|(entry, expected)| entry.index != expected) {
        return Err(Malformed(format!("its entries do not follow entry {}", prev.index)));
    }
    Ok(Body::Append { prev, entries, commit: request.commit, round: request.round })
}

pub(super) fn append_reply_from_wire(reply: &wire::AppendReply) -> Body {
    let result = match reply.success {
        true => Ok(reply.match_index),
        false => Err(Conflict {
            term: Some(reply.conflict_term).filter(|term| *term != 0),
            first_index: reply.conflict_index,
        }),
    };
    Body::AppendReply { result, round: reply.round }
}

pub(super) fn append_reply_to_wire(
    header: Option<wire::Header>,
    result: Result<u64, Conflict>,
    round: u64,
) -> wire::AppendReply {
    let conflict = result.err();
    wire::AppendReply {
        header,
        success: result.is_ok(),
        match_index: result.unwrap_or(0),
        conflict_term: conflict.and_then(|conflict| conflict.term).unwrap_or(0),
        conflict_index: conflict.map_or(0, |conflict| conflict.first_index),
        round,
    }
}

pub(super) fn meta_from_wire(request: &wire::SnapshotRequest) -> Result<SnapshotMeta, Malformed> {
    Ok(SnapshotMeta {
        last: Position { index: request.last_index, term: request.last_term },
        chain: Chain(request.chain),
        membership: membership_from_wire(&request.membership)?,
    })
}

pub(super) fn membership_to_wire(membership: &Membership) -> Bytes {
    postcard::to_stdvec(membership).expect("a vector takes any membership").into()
}

fn membership_from_wire(bytes: &[u8]) -> Result<Membership, Malformed> {
    postcard::from_bytes(bytes).map_err(|error| Malformed(format!("a membership: {error}")))
}

/// The sender named in a request, if the request is meant for this node of this cluster.
pub(super) fn check_header(
    header: Option<&wire::Header>,
    cluster_id: &str,
    own: NodeId,
) -> Result<NodeId, tonic::Status> {
    let header = header.ok_or_else(|| tonic::Status::invalid_argument("the header is missing"))?;
    if header.cluster_id != cluster_id {
        return Err(tonic::Status::permission_denied(format!(
            "this is cluster {cluster_id:?}, and the message is of cluster {:?}",
            header.cluster_id
        )));
    }
    if header.to != own {
        return Err(tonic::Status::permission_denied(format!(
            "this is node {own}, and the message is for node {}",
            header.to
        )));
    }
    Ok(header.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_the_wire() {
        let membership = Membership { voters: [1, 2].into(), ..Membership::default() };
        let payloads = [
            Payload::Noop,
            Payload::Command(Arc::from(&b"abc"[..])),
            Payload::Membership(membership),
        ];
        for payload in payloads {
            let entry = Entry { index: 4, term: 2, payload };
            assert_eq!(entry_from_wire(&entry_to_wire(&entry)).unwrap(), entry);
        }
    }

    #[test]
    fn append_replies_survive_the_wire() {
        let results = [
            Ok(7),
            Err(Conflict { term: None, first_index: 3 }),
            Err(Conflict { term: Some(2), first_index: 1 }),
        ];
        for result in results {
            let wire = append_reply_to_wire(None, result, 9);
            assert_eq!(append_reply_from_wire(&wire), Body::AppendReply { result, round: 9 });
        }
    }

    #[test]
    fn an_append_with_a_gap_is_refused() {
        let noop = Entry { index: 9, term: 1, payload: Payload::Noop };
        let request = wire::AppendRequest {
            prev_index: 3,
            entries: vec![entry_to_wire(&noop)],
            ..wire::AppendRequest::default()
        };
        assert!(append_from_wire(&request).unwrap_err().to_string().contains("follow entry 3"));
    }

    #[test]
    fn another_cluster_and_another_node_are_refused() {
        let header = |cluster: &str, to| {
            Some(wire::Header { cluster_id: cluster.into(), from: 2, to, term: 1 })
        };
        assert_eq!(check_header(header("c", 1).as_ref(), "c", 1).unwrap(), 2);
        assert!(check_header(header("d", 1).as_ref(), "c", 1).is_err());
        assert!(check_header(header("c", 3).as_ref(), "c", 1).is_err());
        assert!(check_header(None, "c", 1).is_err());
    }
}
