//! The way to one peer: a bounded queue, one connection, several requests on their way at once.
//!
//! Raft tolerates loss and must not wait: when the queue is full its oldest message goes. Every request
//! has a deadline, and one that stalls holds up no other. After a few failures in a row the connection
//! is given up and a new one begun, so that TCP's own retransmission back-off does not delay a peer
//! that has come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use whitewater_proto::raft as wire;
use whitewater_raft::{Body, Message, NodeId};
use wire::raft_client::RaftClient;

use super::tls::{self, Tls};
use super::{MESSAGE_BYTES_MAX, convert, install, root_cause};
use crate::inbox::PeerInput;
use crate::log::Log;

/// Most messages that wait for a peer. The core keeps far fewer appends on their way; what fills the
/// queue is a peer that does not answer, and its old messages are worth nothing.
const QUEUE_MAX: usize = 256;
/// Most requests on their way to a peer at once.
const IN_FLIGHT_MAX: usize = 64;
/// So many failures in a row, and the connection is given up.
const FAILURES_MAX: u32 = 3;

/// What a link is told once.
#[derive(Clone, Debug)]
pub(crate) struct LinkSettings {
    /// The cluster's name, for every header.
    pub(crate) cluster_id: String,
    /// This node.
    pub(crate) own: NodeId,
    /// The peer.
    pub(crate) peer: NodeId,
    /// `host:port` of the peer.
    pub(crate) address: String,
    /// Longest time for a request; also for connecting.
    pub(crate) deadline: Duration,
    /// Bytes of a snapshot's chunk.
    pub(crate) chunk_bytes: usize,
    /// Certificates, where TLS is wanted.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// The sending end. Its task ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    address: String,
    queue: Arc<Queue>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
enum Outgoing {
    Message(Message),
    Snapshot(Message, Bytes),
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// Never dropped, because the core waits to hear of its fate before it asks for another one.
    snapshot: Option<(Message, Bytes)>,
}

impl Queue {
    fn push(&self, outgoing: Outgoing) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match outgoing {
            Outgoing::Snapshot(message, data) => waiting.snapshot = Some((message, data)),
            Outgoing::Message(message) => {
                if waiting.messages.len() >= QUEUE_MAX {
                    waiting.messages.pop_front();
                }
                waiting.messages.push_back(message);
            }
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    fn pop(&self) -> Option<Outgoing> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = waiting.messages.pop_front() {
            return Some(Outgoing::Message(message));
        }
        waiting.snapshot.take().map(|(message, data)| Outgoing::Snapshot(message, data))
    }
}

impl Link {
    /// A link whose replies go to `inputs`. Connects when there is something to say.
    pub(crate) fn start(
        settings: LinkSettings,
        inputs: mpsc::Sender<PeerInput>,
        log: Log,
    ) -> Result<Link, tonic::transport::Error> {
        let endpoint = tls::endpoint(&settings.address, settings.tls.as_deref())?
            .tcp_nodelay(true)
            .connect_timeout(settings.deadline.min(Duration::from_millis(300)))
            .http2_keep_alive_interval(Duration::from_secs(1))
            .keep_alive_timeout(Duration::from_secs(1));
        let queue = Arc::<Queue>::default();
        let address = settings.address.clone();
        let state = LinkState {
            settings: Arc::new(settings),
            channel: endpoint.connect_lazy(),
            endpoint,
            inputs,
            log,
            failures: 0,
            generation: 0,
        };
        let task = tokio::spawn(state.run(Arc::clone(&queue)));
        Ok(Link { address, queue, task })
    }

    /// Where the peer is looked for.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request, some time, perhaps.
    pub(crate) fn send(&self, message: Message) {
        self.queue.push(Outgoing::Message(message));
    }

    /// Sends a snapshot. Its fate arrives as an input in any case, unless the link is dropped before.
    pub(crate) fn send_snapshot(&self, message: Message, data: Bytes) {
        self.queue.push(Outgoing::Snapshot(message, data));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct LinkState {
    settings: Arc<LinkSettings>,
    endpoint: Endpoint,
    channel: Channel,
    inputs: mpsc::Sender<PeerInput>,
    log: Log,
    failures: u32,
    /// Counts connections, so that a late failure on an old one does not count against the new one.
    generation: u64,
}

impl LinkState {
    async fn run(mut self, queue: Arc<Queue>) {
        let mut in_flight: JoinSet<(u64, Result<(), Status>)> = JoinSet::new();
        loop {
            while in_flight.len() < IN_FLIGHT_MAX
                && let Some(outgoing) = queue.pop()
            {
                self.begin(outgoing, &mut in_flight);
            }
            tokio::select! {
                () = queue.arrived.notified(), if in_flight.len() < IN_FLIGHT_MAX => {}
                Some(done) = in_flight.join_next() => {
                    if let Ok((generation, result)) = done {
                        self.count(generation, result);
                    }
                }
            }
        }
    }

    fn begin(&self, outgoing: Outgoing, in_flight: &mut JoinSet<(u64, Result<(), Status>)>) {
        let (generation, channel) = (self.generation, self.channel.clone());
        let (settings, inputs) = (Arc::clone(&self.settings), self.inputs.clone());
        match outgoing {
            Outgoing::Message(message) => in_flight.spawn(async move {
                let asked =
                    tokio::time::timeout(settings.deadline, ask(channel, &settings, message));
                let reply = match asked.await {
                    Ok(reply) => reply,
                    Err(_) => Err(Status::deadline_exceeded("no reply in time")),
                };
                (generation, deliver(&inputs, reply).await)
            }),
            Outgoing::Snapshot(message, data) => in_flight.spawn(async move {
                (generation, install(channel, &settings, &inputs, &message, &data).await)
            }),
        };
    }

    /// Keeps account of failures, and tells a person when the peer goes or comes back.
    fn count(&mut self, generation: u64, result: Result<(), Status>) {
        let Err(status) = result else {
            if self.failures >= FAILURES_MAX {
                self.log.info(format_args!("reaches n{} again", self.settings.peer));
            }
            self.failures = 0;
            return;
        };
        if generation != self.generation {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let (peer, address) = (self.settings.peer, &self.settings.address);
        if status.code() == Code::PermissionDenied && self.failures == 1 {
            self.log.warn(format_args!("n{peer} at {address} refuses: {}", status.message()));
        }
        if self.failures == FAILURES_MAX {
            self.log
                .info(format_args!("cannot reach n{peer} at {address}: {}", root_cause(&status)));
        }
        if self.failures >= FAILURES_MAX {
            self.channel = self.endpoint.connect_lazy();
            self.generation += 1;
        }
    }
}

async fn deliver(
    inputs: &mpsc::Sender<PeerInput>,
    reply: Result<Message, Status>,
) -> Result<(), Status> {
    // The loop is gone only when the node stops.
    let _ = inputs.send(PeerInput::Reply(reply?)).await;
    Ok(())
}

/// Sends one request and reads its reply.
async fn ask(
    channel: Channel,
    settings: &LinkSettings,
    message: Message,
) -> Result<Message, Status> {
    let mut client = RaftClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let header = convert::header(&settings.cluster_id, &message);
    let request = message.request;
    let (header, body) = match message.body {
        Body::Vote { last, pre_vote, transfer } => {
            let (last_index, last_term) = (last.index, last.term);
            let request = wire::VoteRequest { header, last_index, last_term, pre_vote, transfer };
            let reply = client.request_vote(request).await?.into_inner();
            (reply.header, Body::VoteReply { granted: reply.granted, pre_vote: reply.pre_vote })
        }
        Body::Append { prev, entries, commit, round } => {
            let entries = entries.iter().map(convert::entry_to_wire).collect();
            let (prev_index, prev_term) = (prev.index, prev.term);
            let request =
                wire::AppendRequest { header, prev_index, prev_term, entries, commit, round };
            let mut reply = client.append_entries(request).await?.into_inner();
            let header = reply.header.take();
            (header, convert::append_reply_from_wire(&reply))
        }
        Body::TimeoutNow => {
            let reply = client.timeout_now(wire::TimeoutNowRequest { header }).await?.into_inner();
            (reply.header, Body::TimeoutNowReply)
        }
        Body::ReadIndex { context } => {
            let request = wire::ReadIndexRequest { header, context };
            let reply = client.read_index(request).await?.into_inner();
            let index = reply.success.then_some(reply.read_index);
            (reply.header, Body::ReadIndexReply { context: reply.context, index })
        }
        other => return Err(Status::internal(format!("this is no request: {other:?}"))),
    };
    convert::check_header(header.as_ref(), &settings.cluster_id, settings.own)?;
    Ok(convert::message(header, request, body)?)
}

/// Sends a snapshot, and tells the core in any case how it went.
async fn install(
    channel: Channel,
    settings: &LinkSettings,
    inputs: &mpsc::Sender<PeerInput>,
    message: &Message,
    data: &Bytes,
) -> Result<(), Status> {
    let header = convert::header(&settings.cluster_id, message);
    let sent = match &message.body {
        Body::Snapshot { meta, round } => {
            install::send(channel, header, meta, *round, data, settings.chunk_bytes).await
        }
        other => Err(Status::internal(format!("this is no snapshot: {other:?}"))),
    };
    let delivered = sent.is_ok();
    let result = match sent {
        Ok(reply) => {
            let body = Body::SnapshotReply { matched: reply.match_index, round: reply.round };
            let reply = convert::message(reply.header, message.request, body);
            deliver(inputs, reply.map_err(Status::from)).await
        }
        Err(status) => Err(status),
    };
    let _ = inputs.send(PeerInput::SnapshotSent { peer: settings.peer, delivered }).await;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_its_oldest_message() {
        let queue = Queue::default();
        for request in 0..=QUEUE_MAX as u64 {
            let message = Message { from: 1, to: 2, term: 1, request, body: Body::TimeoutNow };
            queue.push(Outgoing::Message(message));
        }
        let Some(Outgoing::Message(first)) = queue.pop() else { panic!("the queue is empty") };
        assert_eq!(first.request, 1);
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), QUEUE_MAX - 1);
    }
}
