//! Snapshots in chunks (paper section 7): cut apart for a peer, and put together from one.
//!
//! A sender has one chunk on its way at a time. Chunks are kept in memory until the last one; a chunk that does not
//! follow is answered with the offset that is wanted, so a sender can go on after a lost reply. What was put
//! together is decoded once before the core hears of it: nothing damaged can replace a state. The same code
//! sends and receives for gRPC and for the simulator.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use whitewater_raft::{NodeId, SnapshotMeta, Term};

use crate::machine::{Machine, SnapshotDataError};

/// Most chunks sent again before giving up; the leader's core then asks anew.
const RETRIES_MAX: u32 = 1;

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it belongs, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub data: Bytes,
    /// CRC-32 of its bytes.
    pub crc: u32,
    /// It is the last one.
    pub is_last: bool,
}

/// Why a chunk was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// Its bytes are not those that were sent.
    #[error("the chunk at {0} is damaged")]
    Damaged(u64),
    /// The chunks were put together, and are no snapshot.
    #[error(transparent)]
    Unreadable(#[from] SnapshotDataError),
}

/// What a chunk led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// False: the chunk was not the one that is wanted.
    pub is_in_order: bool,
    /// What is wanted next.
    pub next_offset: u64,
    /// The whole snapshot, after its last chunk.
    pub complete: Option<Bytes>,
}

/// Snapshots on their way to this node: at most one from each peer.
#[derive(Debug, Default)]
pub struct Incoming {
    partial: BTreeMap<NodeId, Partial>,
}

#[derive(Debug)]
struct Partial {
    meta: SnapshotMeta,
    term: Term,
    data: BytesMut,
}

impl Incoming {
    /// Takes a chunk that `from` sent as the leader of `term`. What came of another snapshot, or in another term, is
    /// dropped.
    pub fn receive(
        &mut self,
        from: NodeId,
        term: Term,
        meta: &SnapshotMeta,
        chunk: &Chunk,
    ) -> Result<Received, ChunkError> {
        if crc32fast::hash(&chunk.data) != chunk.crc {
            return Err(ChunkError::Damaged(chunk.offset));
        }
        let partial = self.partial.entry(from).or_insert_with(|| Partial::new(meta, term));
        if partial.meta != *meta || partial.term != term {
            *partial = Partial::new(meta, term);
        }
        let next_offset = partial.data.len() as u64;
        if chunk.offset != next_offset {
            return Ok(Received { is_in_order: false, next_offset, complete: None });
        }
        partial.data.extend_from_slice(&chunk.data);
        let next_offset = partial.data.len() as u64;
        if !chunk.is_last {
            return Ok(Received { is_in_order: true, next_offset, complete: None });
        }
        let whole = self.partial.remove(&from).map(|partial| partial.data.freeze());
        let whole = whole.unwrap_or_default();
        Machine::default().load(&whole)?;
        Ok(Received { is_in_order: true, next_offset, complete: Some(whole) })
    }
}

impl Partial {
    fn new(meta: &SnapshotMeta, term: Term) -> Partial {
        Partial { meta: meta.clone(), term, data: BytesMut::new() }
    }
}

/// A snapshot on its way to a peer.
#[derive(Clone, Debug)]
pub struct Outgoing {
    data: Bytes,
    chunk_bytes: usize,
    offset: usize,
    retries: u32,
}

impl Outgoing {
    /// A snapshot of which nothing has been sent.
    pub fn new(data: Bytes, chunk_bytes: usize) -> Outgoing {
        Outgoing { data, chunk_bytes, offset: 0, retries: 0 }
    }

    /// What to send next.
    pub fn chunk(&self) -> Chunk {
        let end = self.data.len().min(self.offset + self.chunk_bytes);
        let data = self.data.slice(self.offset..end);
        let crc = crc32fast::hash(&data);
        Chunk { offset: self.offset as u64, data, crc, is_last: end == self.data.len() }
    }

    /// The receiver has told whether it took the chunk, and where it wants to go on. False: it is given up.
    #[must_use]
    pub fn answered(&mut self, is_in_order: bool, next_offset: u64) -> bool {
        self.offset = usize::try_from(next_offset).unwrap_or(0).min(self.data.len());
        if is_in_order { true } else { self.failed() }
    }

    /// No answer came to the chunk. False: the snapshot is given up.
    #[must_use]
    pub fn failed(&mut self) -> bool {
        self.retries += 1;
        self.retries <= RETRIES_MAX
    }

    /// How many bytes the receiver has, as far as it told.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use whitewater_raft::{Chain, Membership, Position};

    use super::*;

    fn meta(index: u64) -> SnapshotMeta {
        let last = Position { index, term: 1 };
        SnapshotMeta { last, chain: Chain(1), membership: Membership::default() }
    }

    fn chunk(data: &[u8], range: std::ops::Range<usize>) -> Chunk {
        let piece = Bytes::copy_from_slice(&data[range.clone()]);
        Chunk {
            offset: range.start as u64,
            crc: crc32fast::hash(&piece),
            data: piece,
            is_last: range.end == data.len(),
        }
    }

    fn in_order(next_offset: u64) -> Received {
        Received { is_in_order: true, next_offset, complete: None }
    }

    #[test]
    fn chunks_are_put_together_in_order() {
        let data = Machine::default().save();
        let mut incoming = Incoming::default();
        let first = incoming.receive(1, 1, &meta(5), &chunk(&data, 0..2)).unwrap();
        assert_eq!(first, in_order(2));
        let repeated = incoming.receive(1, 1, &meta(5), &chunk(&data, 0..2)).unwrap();
        assert_eq!(repeated, Received { is_in_order: false, ..in_order(2) });
        let last = incoming.receive(1, 1, &meta(5), &chunk(&data, 2..data.len())).unwrap();
        assert_eq!(last.complete, Some(data));
    }

    #[test]
    fn another_snapshot_another_term_and_another_sender_begin_anew_and_damage_is_refused() {
        let data = Machine::default().save();
        let mut incoming = Incoming::default();
        incoming.receive(1, 1, &meta(5), &chunk(&data, 0..2)).unwrap();
        let later_part = chunk(&data, 2..3);
        let nothing_yet = Received { is_in_order: false, ..in_order(0) };
        assert_eq!(incoming.receive(2, 1, &meta(5), &later_part).unwrap(), nothing_yet);
        assert_eq!(incoming.receive(1, 2, &meta(5), &later_part).unwrap(), nothing_yet);
        assert_eq!(incoming.receive(1, 2, &meta(6), &later_part).unwrap(), nothing_yet);
        assert_eq!(incoming.receive(1, 2, &meta(6), &chunk(&data, 0..1)).unwrap(), in_order(1));
        let mut damaged = chunk(&data, 1..2);
        damaged.crc ^= 1;
        assert!(incoming.receive(1, 2, &meta(6), &damaged).is_err());
        assert!(incoming.receive(3, 2, &meta(6), &chunk(b"\x09", 0..1)).is_err());
    }

    /// What a network may do to a chunk and its answer.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fate {
        Arrives,
        ArrivesTwice,
        IsLost,
        AnswerIsLost,
        ReceiverRestarts,
    }

    /// Every fate of every chunk: what arrives whole is the snapshot, and nothing else ever arrives.
    #[test]
    fn whatever_happens_on_the_way_a_snapshot_arrives_whole_or_is_given_up() {
        use Fate::{AnswerIsLost, Arrives, ArrivesTwice, IsLost, ReceiverRestarts};
        const FATES: [Fate; 5] = [Arrives, ArrivesTwice, IsLost, AnswerIsLost, ReceiverRestarts];
        let data = Machine::default().save();
        let chunk_bytes = data.len().div_ceil(3);
        let (mut arrived, mut given_up) = (0, 0);
        for case in 0..FATES.len().pow(5) {
            let fate_of = |number: u32| FATES[case / FATES.len().pow(number) % FATES.len()];
            let (mut outgoing, mut incoming) =
                (Outgoing::new(data.clone(), chunk_bytes), Incoming::default());
            let mut is_whole = false;
            for number in 0.. {
                let fate = if number < 5 { fate_of(number) } else { Arrives };
                if fate == ReceiverRestarts {
                    incoming = Incoming::default();
                }
                let mut answer = None;
                let deliveries = [0, 1, 2][match fate {
                    IsLost => 0,
                    ArrivesTwice => 2,
                    _ => 1,
                }];
                let chunk = outgoing.chunk();
                for _ in 0..deliveries {
                    let received = incoming.receive(1, 1, &meta(5), &chunk).unwrap();
                    if let Some(whole) = &received.complete {
                        assert_eq!(*whole, data, "case {case}");
                        is_whole = true;
                    }
                    answer = answer.or(Some(received));
                }
                let answer = answer.filter(|_| fate != AnswerIsLost);
                if answer.as_ref().is_some_and(|answer| answer.complete.is_some()) {
                    arrived += 1;
                    break;
                }
                let goes_on = match answer {
                    Some(answer) => outgoing.answered(answer.is_in_order, answer.next_offset),
                    None => outgoing.failed(),
                };
                if !goes_on {
                    given_up += 1;
                    break;
                }
                assert!(number < 20, "case {case} does not end");
            }
            let is_calm = (0..5).all(|number| matches!(fate_of(number), Arrives | ArrivesTwice));
            assert!(is_whole || !is_calm, "case {case}");
        }
        assert!(arrived > 100 && given_up > 100, "{arrived} arrived, {given_up} were given up");
    }
}
