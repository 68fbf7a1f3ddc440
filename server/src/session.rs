//! Exactly once: what each client session's last command was answered (thesis 6.3).
//!
//! The table is part of the replicated state: it changes only while an entry is applied, goes into
//! every snapshot, and counts in the state hash. Sessions expire by log time, which leaders write
//! into their entries; no node's own clock is asked. The [`Sessions`] trait is the seam at which a
//! mutant forgets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::command::SessionId;
use crate::kv::Effect;

/// Most sessions kept; the longest idle one makes way. A session takes some 200 bytes, 20 MB for all of
/// them, and its last answer with it. After a cas, delete or append that answer holds the value before, up to
/// [`crate::kv::VALUE_BYTES_MAX`], in memory and in snapshots: this bounds the number, and the bytes
/// only where values are small.
pub const SESSIONS_MAX: usize = 100_000;

/// What the table knows of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never applied: apply it.
    Fresh,
    /// Applied before: give the same answer again.
    Repeated(Effect),
    /// Older than the session's last command: its answer is gone.
    Stale,
    /// No such session, or expired.
    Unknown,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// How long it may lie idle, in log time.
    pub expiry_ms: u64,
    /// Log time of its last command.
    pub used_ms: u64,
    /// The number of its last command; 0: none yet.
    pub sequence: u64,
    /// The answer to that command.
    pub effect: Option<Effect>,
}

/// The table as the state machine sees it.
pub trait Sessions: Debug + Send {
    /// Opens a session.
    fn open(&mut self, id: SessionId, session: Session);
    /// What is known of a command.
    fn seen(&self, id: SessionId, sequence: u64) -> Seen;
    /// Remembers a command's answer.
    fn record(&mut self, id: SessionId, sequence: u64, effect: &Effect, time_ms: u64);
    /// Drops the sessions that lay idle too long at this log time.
    fn expire(&mut self, time_ms: u64);
    /// Hash of the table.
    fn hash(&self) -> u64;
    /// What goes into a snapshot.
    fn save(&self) -> BTreeMap<SessionId, Session>;
    /// Takes over what a snapshot held.
    fn load(&mut self, sessions: BTreeMap<SessionId, Session>);
}

/// The table. `by_expiry` holds `(used + expiry, id)` of exactly the sessions in `sessions`, and
/// `hash` is the wrapping sum of their `session_hash`es.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionTable {
    sessions: BTreeMap<SessionId, Session>,
    by_expiry: BTreeSet<(u64, SessionId)>,
    hash: u64,
}

impl SessionTable {
    fn insert(&mut self, id: SessionId, session: Session) {
        self.remove(id);
        self.by_expiry.insert((session.used_ms.saturating_add(session.expiry_ms), id));
        self.hash = self.hash.wrapping_add(session_hash(id, &session));
        self.sessions.insert(id, session);
    }

    fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.by_expiry.remove(&(session.used_ms.saturating_add(session.expiry_ms), id));
        self.hash = self.hash.wrapping_sub(session_hash(id, &session));
        Some(session)
    }
}

impl Sessions for SessionTable {
    fn open(&mut self, id: SessionId, session: Session) {
        if self.sessions.len() >= SESSIONS_MAX
            && let Some(&(_, oldest)) = self.by_expiry.first()
        {
            self.remove(oldest);
        }
        self.insert(id, session);
    }

    fn seen(&self, id: SessionId, sequence: u64) -> Seen {
        match self.sessions.get(&id) {
            None => Seen::Unknown,
            Some(session) if sequence > session.sequence => Seen::Fresh,
            Some(session) if sequence == session.sequence => match &session.effect {
                Some(effect) => Seen::Repeated(effect.clone()),
                None => Seen::Stale,
            },
            Some(_) => Seen::Stale,
        }
    }

    fn record(&mut self, id: SessionId, sequence: u64, effect: &Effect, time_ms: u64) {
        if let Some(mut session) = self.remove(id) {
            session.sequence = sequence;
            session.effect = Some(effect.clone());
            session.used_ms = time_ms;
            self.insert(id, session);
        }
    }

    fn expire(&mut self, time_ms: u64) {
        while let Some(&(due, id)) = self.by_expiry.first()
            && due < time_ms
        {
            self.remove(id);
        }
    }

    fn hash(&self) -> u64 {
        self.hash
    }

    fn save(&self) -> BTreeMap<SessionId, Session> {
        self.sessions.clone()
    }

    fn load(&mut self, sessions: BTreeMap<SessionId, Session>) {
        *self = SessionTable::default();
        for (id, session) in sessions {
            self.insert(id, session);
        }
    }
}

fn session_hash(id: SessionId, session: &Session) -> u64 {
    let bytes = postcard::to_stdvec(session).expect("a vector takes any session");
    xxh3_64_with_seed(&bytes, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Effect = Effect::Written { previous: None };

    fn opened(id: SessionId, used_ms: u64) -> SessionTable {
        let mut table = SessionTable::default();
        table.open(id, Session { expiry_ms: 100, used_ms, sequence: 0, effect: None });
        table
    }

    #[test]
    fn a_command_is_fresh_once_then_repeated_then_stale() {
        let mut table = opened(5, 0);
        assert_eq!(table.seen(5, 1), Seen::Fresh);
        table.record(5, 1, &DONE, 1);
        assert_eq!(table.seen(5, 1), Seen::Repeated(DONE));
        table.record(5, 2, &DONE, 2);
        assert_eq!(table.seen(5, 1), Seen::Stale);
        assert_eq!(table.seen(5, 0), Seen::Stale);
        assert_eq!(table.seen(6, 1), Seen::Unknown);
    }

    #[test]
    fn an_idle_session_expires_and_a_used_one_does_not() {
        let mut table = opened(5, 0);
        table.open(6, Session { expiry_ms: 100, used_ms: 0, sequence: 0, effect: None });
        table.record(6, 1, &DONE, 50);
        table.expire(100);
        assert_eq!(table.seen(5, 1), Seen::Fresh);
        table.expire(101);
        assert_eq!(table.seen(5, 1), Seen::Unknown);
        assert_eq!(table.seen(6, 2), Seen::Fresh);
    }

    #[test]
    fn save_and_load_keep_table_and_hash() {
        let mut table = opened(5, 0);
        let empty = SessionTable::default();
        assert_ne!(table.hash(), empty.hash());
        table.record(5, 1, &DONE, 50);
        let mut other = opened(9, 3);
        other.load(table.save());
        assert_eq!(other, table);
        table.expire(1_000);
        assert_eq!(table, empty);
    }
}
