//! The way to nodes that speak on their standard input and output, which is not an address.

use std::time::Duration;

use serde_json::Value;

use super::Pending;

/// Carries the bodies of Maelstrom's messages between a client and nodes.
pub trait Wire: Send {
    /// Sends a body to a node and waits for the one that answers it. `msg_id` and `in_reply_to` are not the caller's
    /// business.
    fn ask(
        &mut self,
        node: u32,
        body: Value,
        deadline: Duration,
    ) -> Pending<'_, Result<Value, Unanswered>>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Whether the node may have read what was sent.
    pub is_sent: bool,
    /// In words.
    pub reason: String,
}
