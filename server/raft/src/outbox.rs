//! What waits to be handed out in the next [`crate::Ready`], and what is on its way to the disk.
//!
//! Two queues of events and messages: those that may be told at once, and those that must wait until
//! the disk has what they speak of. While a term or vote is on its way to the disk *everything* waits,
//! so that a node never says anything of a term it could forget; and once an event waits, those after
//! it do, so that a trace is in order.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use crate::event::{Event, Traced};
use crate::message::{Body, HardState, Index, Message, NodeId, SnapshotMeta};
use crate::ready::Persist;

/// A persist that the driver has and has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Outstanding {
    number: u64,
    /// The log is durable up to here once this one is done.
    last: Index,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    pub(crate) events: Vec<Traced>,
    pub(crate) messages: Vec<Message>,
    pub(crate) events_after: Vec<Traced>,
    /// Acknowledgements come after the `Durable` event that covers them.
    pub(crate) acks_after: Vec<Traced>,
    pub(crate) messages_after: Vec<Message>,
    pub(crate) snapshots_wanted: Vec<NodeId>,
    /// Term and vote, where they changed since the last persist.
    hard_state: Option<HardState>,
    /// A snapshot to install with the next persist.
    snapshot: Option<SnapshotMeta>,
    /// An event waits only because the node is not settled.
    has_deferred: bool,
    /// The persist that settles term, vote and deferred events.
    settled_by: u64,
    /// The last persist given out, and the last one confirmed.
    given: u64,
    done: u64,
    outstanding: VecDeque<Outstanding>,
    /// The log is given to the disk up to here.
    pub(crate) handed: Index,
    /// The log is durable up to here.
    pub(crate) durable: Index,
}

impl Outbox {
    /// Nothing to say; the log is durable up to `durable`.
    pub(crate) fn new(durable: Index) -> Self {
        Self {
            events: Vec::new(),
            messages: Vec::new(),
            events_after: Vec::new(),
            acks_after: Vec::new(),
            messages_after: Vec::new(),
            snapshots_wanted: Vec::new(),
            hard_state: None,
            snapshot: None,
            has_deferred: false,
            settled_by: 0,
            given: 0,
            done: 0,
            outstanding: VecDeque::new(),
            handed: durable,
            durable,
        }
    }

    /// Whether term and vote are durable, and nothing that waited for them still waits.
    pub(crate) fn is_settled(&self) -> bool {
        self.hard_state.is_none() && !self.has_deferred && self.settled_by <= self.done
    }

    /// An event that needs no write of its own.
    pub(crate) fn tell(&mut self, traced: Traced) {
        if self.is_settled() {
            self.events.push(traced);
        } else {
            self.events_after.push(traced);
            self.has_deferred = true;
        }
    }

    /// What waits is handed out now, with the latest persist.
    pub(crate) fn take_after(&mut self) -> (Vec<Traced>, Vec<Message>) {
        if std::mem::take(&mut self.has_deferred) {
            self.settled_by = self.given;
        }
        let mut events = std::mem::take(&mut self.events_after);
        events.append(&mut self.acks_after);
        (events, std::mem::take(&mut self.messages_after))
    }

    /// Whether something waits to be handed out, the log and reads not counted.
    pub(crate) fn is_waiting(&self) -> bool {
        let told =
            self.events.is_empty() && self.events_after.is_empty() && self.acks_after.is_empty();
        let sent = self.messages.is_empty() && self.messages_after.is_empty();
        let written = self.hard_state.is_none() && self.snapshot.is_none();
        !(told && sent && written && self.snapshots_wanted.is_empty())
    }

    /// Term and vote changed.
    pub(crate) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = Some(hard_state);
    }

    /// A message that needs no write of its own.
    pub(crate) fn send(&mut self, message: Message) {
        if self.is_settled() {
            self.messages.push(message);
        } else {
            self.messages_after.push(message);
        }
    }

    /// A message that says something is durable.
    pub(crate) fn send_after(&mut self, message: Message) {
        self.messages_after.push(message);
    }

    /// The log was cut at `from`: what is removed was never durable, whatever is still on its way.
    ///
    /// Acknowledgements that wait are lowered. The node did accept those entries and then replaced
    /// them, which is as good as never having had them: the leader that sent them is deposed.
    pub(crate) fn truncate(&mut self, from: Index) {
        let kept = from.saturating_sub(1);
        self.handed = self.handed.min(kept);
        self.durable = self.durable.min(kept);
        for persist in &mut self.outstanding {
            persist.last = persist.last.min(kept);
        }
        for message in &mut self.messages_after {
            if let Body::AppendReply { result: Ok(matched), .. }
            | Body::SnapshotReply { matched, .. } = &mut message.body
            {
                *matched = kept.min(*matched);
            }
        }
        for traced in &mut self.acks_after {
            if let Event::Ack { matched, .. } = &mut traced.event {
                *matched = kept.min(*matched);
            }
        }
    }

    /// A snapshot replaces the whole log, of which the prefix up to `committed` still stands.
    pub(crate) fn install(&mut self, snapshot: SnapshotMeta, committed: Index) {
        self.truncate(committed + 1);
        self.handed = snapshot.last.index;
        self.snapshot = Some(snapshot);
    }

    /// Whether a persist is due, `last` being the log's last index.
    pub(crate) fn must_persist(&self, last: Index) -> bool {
        self.hard_state.is_some() || self.snapshot.is_some() || self.handed < last
    }

    /// The next persist, for the caller to put the entries from `handed + 1` to `last` in.
    pub(crate) fn next_persist(&mut self, last: Index) -> Persist {
        self.given += 1;
        if self.hard_state.is_some() {
            self.settled_by = self.given;
        }
        self.handed = last;
        self.outstanding.push_back(Outstanding { number: self.given, last });
        Persist {
            number: self.given,
            hard_state: self.hard_state.take(),
            entries: Vec::new(),
            snapshot: self.snapshot.take(),
        }
    }

    /// Everything up to a persist is durable.
    pub(crate) fn persisted(&mut self, number: u64) {
        assert!(
            number <= self.given,
            "persist {number} was never asked for; the last is {}",
            self.given
        );
        while self.outstanding.front().is_some_and(|persist| persist.number <= number) {
            if let Some(persist) = self.outstanding.pop_front() {
                self.durable = self.durable.max(persist.last);
            }
        }
        self.done = self.done.max(number);
    }
}

impl Outbox {
    /// See [`crate::Raft::fingerprint`]: numbers of persists are counted from the last one done.
    pub(crate) fn fingerprint<H: Hasher>(&self, state: &mut H) {
        (&self.messages, &self.messages_after, &self.snapshots_wanted).hash(state);
        (&self.hard_state, &self.snapshot, self.has_deferred).hash(state);
        (self.settled_by.saturating_sub(self.done), self.given - self.done).hash(state);
        for persist in &self.outstanding {
            (persist.number - self.done, persist.last).hash(state);
        }
        (self.handed, self.durable).hash(state);
    }
}

/// Events are left out; see [`crate::Raft`]'s.
impl Hash for Outbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.messages, &self.messages_after, &self.snapshots_wanted).hash(state);
        (&self.hard_state, &self.snapshot, &self.outstanding).hash(state);
        (self.has_deferred, self.settled_by, self.given, self.done).hash(state);
        (self.handed, self.durable).hash(state);
    }
}
