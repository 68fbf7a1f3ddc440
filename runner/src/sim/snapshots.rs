//! Snapshots on their way between simulated machines, chunk by chunk: the server's own code cuts them apart and puts
//! them together, and the network between loses, doubles and delays each chunk and each answer.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;
use whitewater_raft::{Body, Entry, Message, NodeId, Payload};
use whitewater_server::chunks::{Chunk, Incoming, Outgoing};

use super::host::Process;
use super::world::{Arrival, Happening, World};

const MILLISECOND: u64 = 1_000_000;
/// How long a chunk's answer is waited for, which for the last one comes from the disk.
const CHUNK_DEADLINE_NS: u64 = 600 * MILLISECOND;
/// What everything weighs beside its payload.
const HEAD_BYTES: u64 = 64;

/// A chunk on its way.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// The message that the whole snapshot belongs to.
    message: Message,
    chunk: Chunk,
    /// Numbers the chunks that this process has sent, so that a late answer is not taken for another one.
    attempt: u64,
    /// The sender's process.
    boot: u64,
}

/// The answer to a chunk that was not the last one.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    from: NodeId,
    to: NodeId,
    attempt: u64,
    /// The process that asked: another one does not know of it.
    boot: u64,
    is_in_order: bool,
    next_offset: u64,
}

/// A process's snapshots: those on their way to peers, at most one to each, and those that come in.
#[derive(Debug, Default)]
pub(super) struct Mail {
    boot: u64,
    sent: BTreeMap<NodeId, Sent>,
    attempts: u64,
    incoming: Incoming,
    parcels: Vec<Parcel>,
    receipts: Vec<Receipt>,
}

#[derive(Debug)]
struct Sent {
    message: Message,
    outgoing: Outgoing,
    attempt: u64,
}

impl Mail {
    /// Nothing is on its way.
    pub(super) fn new(boot: u64) -> Self {
        Self { boot, ..Self::default() }
    }

    /// A snapshot leaves for a peer, instead of one that was on its way there.
    fn begin(&mut self, message: Message, data: Bytes, chunk_bytes: usize) {
        let peer = message.to;
        let outgoing = Outgoing::new(data, chunk_bytes);
        self.sent.insert(peer, Sent { message, outgoing, attempt: 0 });
        self.send(peer);
    }

    /// The next chunk for a peer.
    fn send(&mut self, peer: NodeId) {
        let Some(sent) = self.sent.get_mut(&peer) else { return };
        self.attempts += 1;
        sent.attempt = self.attempts;
        let (message, chunk) = (sent.message.clone(), sent.outgoing.chunk());
        self.parcels.push(Parcel { message, chunk, attempt: self.attempts, boot: self.boot });
    }
}

impl Process {
    /// A snapshot arrived at a peer, or was given up. Only the one on its way there now can.
    pub(super) fn snapshot_ended(&mut self, peer: NodeId, request: u64, is_delivered: bool) {
        if self.mail.sent.get(&peer).is_some_and(|sent| sent.message.request == request) {
            self.mail.sent.remove(&peer);
            self.node.snapshot_sent(peer, is_delivered);
        }
    }

    /// A chunk came in. The last one makes the message that the core is told.
    pub(super) fn take_parcel(&mut self, parcel: Parcel) {
        let Parcel { message, chunk, attempt, boot } = parcel;
        let Body::Snapshot { meta, .. } = &message.body else { return };
        let (from, term) = (message.from, message.term);
        // What is refused is not answered here: its sender finds out by waiting.
        let Ok(received) = self.mail.incoming.receive(from, term, meta, &chunk) else { return };
        let (is_in_order, next_offset) = (received.is_in_order, received.next_offset);
        match received.complete {
            Some(data) => self.node.step(message, Some(data)),
            None => {
                let (to, from) = (message.from, message.to);
                let receipt = Receipt { from, to, attempt, boot, is_in_order, next_offset };
                self.mail.receipts.push(receipt);
            }
        }
    }

    /// A peer has told what it wants next.
    pub(super) fn take_receipt(&mut self, receipt: &Receipt) {
        let (peer, next_offset) = (receipt.from, receipt.next_offset);
        self.go_on(peer, receipt.attempt, |outgoing| {
            outgoing.answered(receipt.is_in_order, next_offset)
        });
    }

    /// A chunk's answer has taken too long.
    pub(super) fn chunk_overdue(&mut self, peer: NodeId, attempt: u64) {
        self.go_on(peer, attempt, Outgoing::failed);
    }

    fn go_on(&mut self, peer: NodeId, attempt: u64, next: impl FnOnce(&mut Outgoing) -> bool) {
        let Some(sent) = self.mail.sent.get_mut(&peer).filter(|sent| sent.attempt == attempt)
        else {
            return;
        };
        let request = sent.message.request;
        if next(&mut sent.outgoing) {
            self.mail.send(peer);
        } else {
            self.snapshot_ended(peer, request, false);
        }
    }
}

impl World<'_> {
    /// Carries a process's snapshots: those that its node sends now, and the chunks that follow from what came in.
    pub(super) fn carry_snapshots(&mut self, host: usize, snapshots: Vec<(Message, Bytes)>) {
        let chunk_bytes = self.build.weather.chunk_bytes;
        let Some(process) = &mut self.hosts[host].process else { return };
        for (message, data) in snapshots {
            process.asked(message.request);
            process.mail.begin(message, data, chunk_bytes);
        }
        let parcels = mem::take(&mut process.mail.parcels);
        let receipts = mem::take(&mut process.mail.receipts);
        for parcel in parcels {
            let (peer, attempt) = (parcel.message.to, parcel.attempt);
            let boot = Some(self.hosts[host].boot);
            let arrival = Arrival::ChunkOverdue { peer, attempt };
            self.queue.push(self.now_ns + CHUNK_DEADLINE_NS, Happening::At { host, boot, arrival });
            let (from, to) = (parcel.message.from, parcel.message.to);
            let is_first = parcel.chunk.offset == 0;
            let bytes = HEAD_BYTES + parcel.chunk.data.len() as u64;
            self.carry((from, to), None, (parcel, bytes), Arrival::Chunk);
            let number = |id: NodeId| u32::try_from(id).expect("a small cluster");
            self.lie_in_wait_for_chunk((number(from), number(to)), is_first);
        }
        for receipt in receipts {
            let boot = Some(receipt.boot);
            let ends = (receipt.from, receipt.to);
            self.carry(ends, boot, (receipt, HEAD_BYTES), Arrival::Receipt);
        }
    }

    /// Carries something of so many bytes between two nodes, as often as the network lets it arrive.
    pub(super) fn carry<T: Clone>(
        &mut self,
        (from, to): (NodeId, NodeId),
        boot: Option<u64>,
        (item, bytes): (T, u64),
        arrival: fn(T) -> Arrival,
    ) {
        let host = usize::try_from(to - 1).expect("a small cluster");
        let [first, second] = self.network.peer(self.now_ns, from, to, bytes);
        // The second first: what happens at the same time happens in the order it was queued.
        if let Some(at_ns) = second {
            let arrival = arrival(item.clone());
            self.queue.push(at_ns, Happening::At { host, boot, arrival });
        }
        if let Some(at_ns) = first {
            self.queue.push(at_ns, Happening::At { host, boot, arrival: arrival(item) });
        }
    }
}

/// What a message weighs on a narrow link.
pub(super) fn weight(message: &Message) -> u64 {
    let Body::Append { entries, .. } = &message.body else { return HEAD_BYTES };
    let length = |entry: &Entry| match &entry.payload {
        Payload::Command(command) => HEAD_BYTES + command.len() as u64,
        _ => HEAD_BYTES,
    };
    HEAD_BYTES + entries.iter().map(length).sum::<u64>()
}
