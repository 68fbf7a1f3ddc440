//! What a node does to the world, as a seam: the server's world has sockets and a disk, the simulator's
//! has virtual ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use whitewater_raft::event::{Record, Traced};
use whitewater_raft::{Index, Message, NodeId, Persist, SnapshotMeta};

use crate::answer::Answer;

/// What a node does to the world.
pub trait Effects {
    /// The way back to one waiting client.
    type Client;

    /// CLOCK_MONOTONIC, or the simulator's clock.
    fn now_ns(&self) -> u64;
    /// Writes trace lines. They are out before anything that comes after.
    fn trace(&mut self, records: &[Record]);
    /// Tells a person of an event.
    fn log(&mut self, event: &Traced);
    /// Sends a request or reply to a peer. May be lost.
    fn send(&mut self, message: Message);
    /// Begins to make this durable; the snapshot's data comes with it. [`super::Node::persisted`] tells the end.
    fn persist(&mut self, persist: Persist, snapshot: Option<Bytes>);
    /// Begins to make a snapshot of the own state durable. [`super::Node::snapshot_saved`] tells the end.
    fn save_snapshot(&mut self, meta: SnapshotMeta, data: Bytes);
    /// The log may be dropped up to here.
    fn compact(&mut self, index: Index);
    /// Begins to send a peer a snapshot: the message that says so, and its data.
    /// [`super::Node::snapshot_sent`] tells the end.
    fn send_snapshot(&mut self, message: Message, data: Bytes);
    /// Where members are reached has changed.
    fn learn_addresses(&mut self, addresses: &BTreeMap<NodeId, String>);
    /// Answers a client.
    fn answer(&mut self, client: Self::Client, answer: Answer);
    /// Whether the client still waits.
    fn waits(&self, client: &Self::Client) -> bool;
}
