//! One direction between two parties: the rule in force and what it did.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use whitewater_server::clock::monotonic_ns;

use super::rule::Rule;

/// The rule for bytes from one party to another, on whichever connection they travel, and what was
/// seen to happen to them.
///
/// - A writer hands bytes to the kernel only while it holds a look at the rule (`rule.borrow()`),
///   and changing the rule waits for such looks to end. So after [`Direction::set`] returned, no
///   byte crosses against the new rule.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    pub(super) rule: watch::Sender<Rule>,
    bytes_passed: AtomicU64,
    bytes_blocked: AtomicU64,
    bytes_slowed: AtomicU64,
    connections_blocked: AtomicU64,
    connections_reset: AtomicU64,
    last_effect_ns: AtomicU64,
}

/// What a direction's counters say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Bytes handed on.
    pub(crate) bytes_passed: u64,
    /// Bytes that did not arrive.
    pub(crate) bytes_blocked: u64,
    /// Bytes that arrived later than they would have.
    pub(crate) bytes_slowed: u64,
    /// Connections that stood open against a block, and attempts to make one: each SYN that was lost.
    pub(crate) connections_blocked: u64,
    /// Connections reset because of a rule.
    pub(crate) connections_reset: u64,
    /// CLOCK_MONOTONIC of the newest byte or connection that a rule touched; 0: none.
    pub(crate) last_effect_ns: u64,
}

impl Direction {
    /// Puts a rule in force. When this returns, nothing crosses that the rule stops.
    pub(crate) fn set(&self, rule: Rule) {
        self.rule.send_replace(rule);
    }

    pub(crate) fn current(&self) -> Rule {
        *self.rule.borrow()
    }

    pub(crate) fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            bytes_passed: read(&self.bytes_passed),
            bytes_blocked: read(&self.bytes_blocked),
            bytes_slowed: read(&self.bytes_slowed),
            connections_blocked: read(&self.connections_blocked),
            connections_reset: read(&self.connections_reset),
            last_effect_ns: read(&self.last_effect_ns),
        }
    }

    /// Hands one message of so many bytes over while it is sure that no rule stops it, and counts it once that is done; `None`: it
    /// is lost, and counted so.
    pub(super) fn pass<T>(
        &self,
        bytes: usize,
        hand_over: impl FnOnce() -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let look = self.rule.borrow();
        if matches!(*look, Rule::Block | Rule::Reset) {
            self.count_lost(*look, bytes);
            return None;
        }
        let handed = hand_over();
        if handed.is_ok() {
            self.count_passed(bytes);
        }
        Some(handed)
    }

    /// Counts a message that was lost under this rule.
    pub(super) fn count_lost(&self, rule: Rule, bytes: usize) {
        self.count_blocked(bytes);
        if rule == Rule::Reset {
            self.count_reset();
        }
    }

    pub(super) fn count_passed(&self, bytes: usize) {
        self.bytes_passed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_blocked(&self, bytes: usize) {
        self.bytes_blocked.fetch_add(bytes as u64, Ordering::Relaxed);
        self.note_effect();
    }

    pub(super) fn count_slowed(&self, bytes: usize) {
        self.bytes_slowed.fetch_add(bytes as u64, Ordering::Relaxed);
        self.note_effect();
    }

    /// Waits until the rule is such a one.
    pub(super) async fn obeys(&self, is_such: impl Fn(Rule) -> bool) {
        // The sender lives in `self`, so this does not end early.
        let _ = self.rule.subscribe().wait_for(|rule| is_such(*rule)).await;
    }

    pub(super) fn count_blocked_connections(&self, count: u64) {
        if count > 0 {
            self.connections_blocked.fetch_add(count, Ordering::Relaxed);
            self.note_effect();
        }
    }

    pub(super) fn count_reset(&self) {
        self.connections_reset.fetch_add(1, Ordering::Relaxed);
        self.note_effect();
    }

    fn note_effect(&self) {
        self.last_effect_ns.store(monotonic_ns(), Ordering::Relaxed);
    }
}
