//! The replicated state machine: keys, sessions and log time, driven by entries alone.
//!
//! Everything here is deterministic and does no I/O. The same machine runs in the server and in the
//! simulator. It does not know terms or roles; [`crate::node`] feeds it committed entries in order.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use whitewater_raft::{Chain, Index, NodeId};

use crate::command::{Command, SessionId};
use crate::kv::{Effect, Kv};
use crate::session::{Seen, Session, SessionTable, Sessions};

/// The snapshot encoding this build writes and reads.
const SNAPSHOT_VERSION: u8 = 1;

/// The state machine's answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The session is open.
    Opened(SessionId),
    /// The operation was decided.
    Effect(Effect),
    /// The address is known.
    Noted,
    /// The session is unknown, or expired; nothing was done.
    UnknownSession,
    /// The session has gone past this number; nothing was done.
    StaleSequence,
    /// The entry is no command of this build; nothing was done.
    Unreadable(String),
}

/// An applied command: its answer, and who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer.
    pub reply: Reply,
    /// For a session's command: session, number, and whether it was applied now for the first time.
    pub command: Option<(SessionId, u64, bool)>,
}

/// Bytes that are no snapshot of this build.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotDataError {
    /// Written by a newer build.
    #[error("decode a snapshot of version {0}: this build knows version {SNAPSHOT_VERSION} only")]
    Version(u8),
    /// Not even that.
    #[error("decode a snapshot: {0}")]
    Malformed(#[from] postcard::Error),
    /// Nothing at all.
    #[error("decode a snapshot: it is empty")]
    Empty,
}

/// The state machine.
#[derive(Debug)]
pub struct Machine {
    kv: Kv,
    sessions: Box<dyn Sessions>,
    addresses: BTreeMap<NodeId, String>,
    /// The highest time any entry carried; never goes back, whatever leaders' clocks do.
    time_ms: u64,
    applied: Index,
}

/// What a snapshot holds.
#[derive(Serialize, Deserialize)]
struct Image {
    applied: Index,
    time_ms: u64,
    pairs: BTreeMap<String, Bytes>,
    sessions: BTreeMap<SessionId, Session>,
    addresses: BTreeMap<NodeId, String>,
}

impl Default for Machine {
    fn default() -> Self {
        Machine::new(Box::new(SessionTable::default()))
    }
}

impl Machine {
    /// An empty machine on this session table.
    pub fn new(sessions: Box<dyn Sessions>) -> Machine {
        let kv = Kv::default();
        Machine { kv, sessions, addresses: BTreeMap::new(), time_ms: 0, applied: 0 }
    }

    /// The last entry applied.
    pub fn applied(&self) -> Index {
        self.applied
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.kv.get(key)
    }

    /// Where members are reached, as the log tells.
    pub fn addresses(&self) -> &BTreeMap<NodeId, String> {
        &self.addresses
    }

    /// Hash of keys, values and sessions.
    pub fn state_hash(&self) -> Chain {
        Chain(self.kv.hash().wrapping_add(self.sessions.hash()))
    }

    /// Applies the command at `index`. Entries without a command go to [`Machine::skip`].
    pub fn apply(&mut self, index: Index, payload: &[u8]) -> Applied {
        self.skip(index);
        let command = match Command::decode(payload) {
            Ok(command) => command,
            Err(error) => {
                return Applied { reply: Reply::Unreadable(error.to_string()), command: None };
            }
        };
        match command {
            Command::OpenSession { time_ms, expiry_ms } => {
                self.advance_time(time_ms);
                let used_ms = self.time_ms;
                let session = Session { expiry_ms, used_ms, sequence: 0, effect: None };
                self.sessions.open(index, session);
                Applied { reply: Reply::Opened(index), command: None }
            }
            Command::Write { time_ms, session, sequence, key, operation } => {
                self.advance_time(time_ms);
                if session == 0 {
                    let effect = self.kv.apply(&key, &operation);
                    return Applied { reply: Reply::Effect(effect), command: None };
                }
                let seen = self.sessions.seen(session, sequence);
                let fresh = seen == Seen::Fresh;
                let reply = match seen {
                    Seen::Fresh => {
                        let effect = self.kv.apply(&key, &operation);
                        self.sessions.record(session, sequence, &effect, self.time_ms);
                        Reply::Effect(effect)
                    }
                    other => reply_without_applying(other),
                };
                Applied { reply, command: Some((session, sequence, fresh)) }
            }
            Command::Address { node, address } => {
                self.addresses.insert(node, address);
                Applied { reply: Reply::Noted, command: None }
            }
        }
    }

    /// Counts an entry that carries no command.
    pub fn skip(&mut self, index: Index) {
        assert_eq!(index, self.applied + 1, "entries are applied in order and once");
        self.applied = index;
    }

    /// What `command` would be answered if it were applied now. Only a mutant answers with this.
    pub fn preview(&self, command: &Command, index: Index) -> Reply {
        match command {
            Command::OpenSession { .. } => Reply::Opened(index),
            Command::Address { .. } => Reply::Noted,
            Command::Write { session, sequence, key, operation, .. } => {
                let seen = match session {
                    0 => Seen::Fresh,
                    session => self.sessions.seen(*session, *sequence),
                };
                match seen {
                    Seen::Fresh => Reply::Effect(self.kv.preview(key, operation)),
                    other => reply_without_applying(other),
                }
            }
        }
    }

    /// The whole state as bytes.
    pub fn save(&self) -> Bytes {
        let image = Image {
            applied: self.applied,
            time_ms: self.time_ms,
            pairs: self.kv.pairs().clone(),
            sessions: self.sessions.save(),
            addresses: self.addresses.clone(),
        };
        let bytes = postcard::to_extend(&image, vec![SNAPSHOT_VERSION]);
        bytes.expect("a vector takes any image").into()
    }

    /// Replaces the whole state by [`Machine::save`]'s bytes.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotDataError> {
        let image: Image = match bytes.split_first() {
            None => return Err(SnapshotDataError::Empty),
            Some((&SNAPSHOT_VERSION, rest)) => postcard::from_bytes(rest)?,
            Some((&version, _)) => return Err(SnapshotDataError::Version(version)),
        };
        self.kv = Kv::from_pairs(image.pairs);
        self.sessions.load(image.sessions);
        self.addresses = image.addresses;
        self.time_ms = image.time_ms;
        self.applied = image.applied;
        Ok(())
    }

    fn advance_time(&mut self, time_ms: u64) {
        self.time_ms = self.time_ms.max(time_ms);
        self.sessions.expire(self.time_ms);
    }
}

fn reply_without_applying(seen: Seen) -> Reply {
    match seen {
        Seen::Fresh => unreachable!("a fresh command is applied"),
        Seen::Repeated(effect) => Reply::Effect(effect),
        Seen::Stale => Reply::StaleSequence,
        Seen::Unknown => Reply::UnknownSession,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Operation;

    fn append(session: SessionId, sequence: u64, time_ms: u64) -> Command {
        let operation = Operation::Append(Bytes::from_static(b"x"));
        Command::Write { time_ms, session, sequence, key: "k".into(), operation }
    }

    fn run(machine: &mut Machine, command: &Command) -> Applied {
        machine.apply(machine.applied() + 1, &command.encode())
    }

    #[test]
    fn a_retried_command_is_applied_once_and_answered_alike() {
        let mut machine = Machine::default();
        let open = Command::OpenSession { time_ms: 0, expiry_ms: 1_000 };
        assert_eq!(run(&mut machine, &open).reply, Reply::Opened(1));
        let first = run(&mut machine, &append(1, 1, 1));
        let again = run(&mut machine, &append(1, 1, 2));
        assert_eq!(first.reply, again.reply);
        assert_eq!(first.command, Some((1, 1, true)));
        assert_eq!(again.command, Some((1, 1, false)));
        assert_eq!(machine.get("k").unwrap(), "x");
    }

    #[test]
    fn an_expired_or_unheard_of_session_is_refused() {
        let mut machine = Machine::default();
        run(&mut machine, &Command::OpenSession { time_ms: 0, expiry_ms: 1_000 });
        assert_eq!(run(&mut machine, &append(7, 1, 1)).reply, Reply::UnknownSession);
        assert_eq!(run(&mut machine, &append(1, 1, 1_001)).reply, Reply::UnknownSession);
        assert_eq!(machine.get("k"), None);
    }

    #[test]
    fn a_leader_with_a_slow_clock_does_not_turn_log_time_back() {
        let mut machine = Machine::default();
        run(&mut machine, &append(0, 0, 5_000));
        run(&mut machine, &Command::OpenSession { time_ms: 10, expiry_ms: 100 });
        assert!(matches!(run(&mut machine, &append(2, 1, 20)).reply, Reply::Effect(_)));
    }

    #[test]
    fn a_snapshot_carries_keys_sessions_and_hash() {
        let mut machine = Machine::default();
        run(&mut machine, &Command::OpenSession { time_ms: 0, expiry_ms: 1_000 });
        run(&mut machine, &append(1, 1, 1));
        run(&mut machine, &Command::Address { node: 4, address: "h:4".into() });
        let mut other = Machine::default();
        other.load(&machine.save()).unwrap();
        assert_eq!(other.state_hash(), machine.state_hash());
        assert_eq!(other.applied(), 3);
        assert_eq!(other.addresses()[&4], "h:4");
        assert_eq!(run(&mut other, &append(1, 1, 2)).command, Some((1, 1, false)));
        assert!(other.load(&[]).is_err());
        assert!(other.load(&[9, 9]).is_err());
    }

    #[test]
    fn bytes_that_are_no_command_change_nothing() {
        let mut machine = Machine::default();
        let hash = machine.state_hash();
        assert!(matches!(machine.apply(1, &[200]).reply, Reply::Unreadable(_)));
        assert_eq!((machine.applied(), machine.state_hash()), (1, hash));
    }

    #[test]
    fn a_preview_answers_without_changing_anything() {
        let mut machine = Machine::default();
        let command = append(0, 0, 1);
        let preview = machine.preview(&command, 1);
        assert_eq!(machine.get("k"), None);
        assert_eq!(run(&mut machine, &command).reply, preview);
    }
}
