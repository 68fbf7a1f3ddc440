//! Mutants around the state machine: sessions that forget, and a cas that is decided too early.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::{BLANK, Bug, Card, Real, SNAPSHOT_ENTRIES};
use crate::command::{Command, Operation, SessionId};
use crate::intake::Intake;
use crate::kv::Effect;
use crate::machine::{Machine, Reply};
use crate::session::{Seen, Session, SessionTable, Sessions};

pub(super) const NO_DEDUPE: Card = Card {
    name: "no-dedupe",
    broken: "a retried command is applied again",
    rule: "thesis 6.3",
    expose: "kill the leader; append with retries",
    leads: &["exactly-once"],
    bug: Bug::Sessions(|| Box::new(NoDedupe(SessionTable::default()))),
    real: Real {
        workload: "append",
        faults: "kill,partition",
        rate: 1_000,
        snapshot_entries: None,
    },
    ..BLANK
};

/// Sessions are kept, and every command counts as new.
#[derive(Debug)]
struct NoDedupe(SessionTable);

impl Sessions for NoDedupe {
    fn seen(&self, id: SessionId, sequence: u64) -> Seen {
        match self.0.seen(id, sequence) {
            Seen::Unknown => Seen::Unknown,
            _ => Seen::Fresh,
        }
    }
    fn open(&mut self, id: SessionId, session: Session) {
        self.0.open(id, session);
    }
    fn record(&mut self, id: SessionId, sequence: u64, effect: &Effect, time_ms: u64) {
        self.0.record(id, sequence, effect, time_ms);
    }
    fn expire(&mut self, time_ms: u64) {
        self.0.expire(time_ms);
    }
    fn hash(&self) -> u64 {
        self.0.hash()
    }
    fn save(&self) -> BTreeMap<SessionId, Session> {
        self.0.save()
    }
    fn load(&mut self, sessions: BTreeMap<SessionId, Session>) {
        self.0.load(sessions);
    }
}

pub(super) const SNAPSHOT_DROPS_SESSIONS: Card = Card {
    name: "snapshot-drops-sessions",
    broken: "a snapshot forgets what clients were answered",
    rule: "thesis 6.3",
    expose: "frequent snapshots; restart between try and retry",
    leads: &["state-machine-safety"],
    bug: Bug::Sessions(|| Box::new(SnapshotDropsSessions(SessionTable::default()))),
    real: Real {
        workload: "append",
        faults: "kill,partition",
        rate: 1_000,
        snapshot_entries: Some(SNAPSHOT_ENTRIES),
    },
    ..BLANK
};

/// Sessions survive a snapshot, and what they were answered does not.
#[derive(Debug)]
struct SnapshotDropsSessions(SessionTable);

impl Sessions for SnapshotDropsSessions {
    fn save(&self) -> BTreeMap<SessionId, Session> {
        let mut sessions = self.0.save();
        for session in sessions.values_mut() {
            (session.sequence, session.effect) = (0, None);
        }
        sessions
    }
    fn open(&mut self, id: SessionId, session: Session) {
        self.0.open(id, session);
    }
    fn seen(&self, id: SessionId, sequence: u64) -> Seen {
        self.0.seen(id, sequence)
    }
    fn record(&mut self, id: SessionId, sequence: u64, effect: &Effect, time_ms: u64) {
        self.0.record(id, sequence, effect, time_ms);
    }
    fn expire(&mut self, time_ms: u64) {
        self.0.expire(time_ms);
    }
    fn hash(&self) -> u64 {
        self.0.hash()
    }
    fn load(&mut self, sessions: BTreeMap<SessionId, Session>) {
        self.0.load(sessions);
    }
}

pub(super) const APPLIED_OFF_BY_ONE: Card = Card {
    name: "applied-off-by-one",
    broken: "after a restart the first command behind the snapshot counts as applied",
    rule: "thesis 5.1",
    expose: "kill -9 any node once it has a snapshot",
    leads: &["exactly-once"],
    bug: Bug::Sessions(|| Box::<AppliedOffByOne>::default()),
    real: Real {
        workload: "append",
        faults: "kill,partition",
        rate: 1_000,
        snapshot_entries: Some(SNAPSHOT_ENTRIES),
    },
    ..BLANK
};

/// Takes the applied index that a restart finds for one more than it is: the first command of a session
/// behind the snapshot counts as applied before, and is left out. Other nodes apply it.
#[derive(Debug, Default)]
struct AppliedOffByOne {
    table: SessionTable,
    /// Something was applied in this life, so that a snapshot that is loaded now is a leader's.
    is_running: bool,
    leaves_out: Cell<bool>,
}

impl Sessions for AppliedOffByOne {
    fn load(&mut self, sessions: BTreeMap<SessionId, Session>) {
        self.leaves_out.set(!self.is_running);
        self.table.load(sessions);
    }
    fn seen(&self, id: SessionId, sequence: u64) -> Seen {
        match self.leaves_out.take() {
            true => Seen::Repeated(Effect::Done),
            false => self.table.seen(id, sequence),
        }
    }
    fn open(&mut self, id: SessionId, session: Session) {
        self.is_running = true;
        self.table.open(id, session);
    }
    fn record(&mut self, id: SessionId, sequence: u64, effect: &Effect, time_ms: u64) {
        self.is_running = true;
        self.table.record(id, sequence, effect, time_ms);
    }
    fn expire(&mut self, time_ms: u64) {
        self.table.expire(time_ms);
    }
    fn hash(&self) -> u64 {
        self.table.hash()
    }
    fn save(&self) -> BTreeMap<SessionId, Session> {
        self.table.save()
    }
}

pub(super) const CAS_AT_PROPOSE: Card = Card {
    name: "cas-at-propose",
    broken: "a cas is decided when it is proposed, not when it is applied",
    rule: "8",
    expose: "several clients on one key, no fault",
    leads: &["linearizability"],
    bug: Bug::Intake(|| Box::new(CasAtPropose)),
    real: Real {
        workload: "register",
        faults: "kill,pause,partition",
        rate: 1_000,
        snapshot_entries: None,
    },
    ..BLANK
};

/// Compares when the command comes in, and proposes the outcome.
#[derive(Debug)]
struct CasAtPropose;

impl Intake for CasAtPropose {
    fn admit(&self, command: Command, machine: &Machine) -> Result<Command, Reply> {
        let preview = machine.preview(&command, 0);
        match command {
            Command::Write {
                time_ms,
                session,
                sequence,
                key,
                operation: Operation::Cas { new, .. },
            } => {
                if !matches!(preview, Reply::Effect(Effect::Written { .. })) {
                    return Err(preview);
                }
                let operation = new.map_or(Operation::Delete, Operation::Put);
                Ok(Command::Write { time_ms, session, sequence, key, operation })
            }
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn run(machine: &mut Machine, command: &Command) -> Reply {
        machine.apply(machine.applied() + 1, &command.encode()).reply
    }

    fn append(sequence: u64) -> Command {
        let operation = Operation::Append(Bytes::from_static(b"x"));
        Command::Write { time_ms: 0, session: 1, sequence, key: "k".into(), operation }
    }

    #[test]
    fn no_dedupe_applies_a_retry_again() {
        let mut machine = Machine::new(Box::new(NoDedupe(SessionTable::default())));
        run(&mut machine, &Command::OpenSession { time_ms: 0, expiry_ms: 1 });
        run(&mut machine, &append(1));
        run(&mut machine, &append(1));
        assert_eq!(machine.get("k").unwrap(), "xx");
    }

    #[test]
    fn a_retry_after_a_snapshot_that_dropped_the_answers_is_applied_again() {
        let sessions = || Box::new(SnapshotDropsSessions(SessionTable::default()));
        let mut machine = Machine::new(sessions());
        run(&mut machine, &Command::OpenSession { time_ms: 0, expiry_ms: 1 });
        run(&mut machine, &append(1));
        let mut restored = Machine::new(sessions());
        restored.load(&machine.save()).unwrap();
        run(&mut restored, &append(1));
        assert_eq!(restored.get("k").unwrap(), "xx");
    }

    #[test]
    fn off_by_one_leaves_out_the_first_command_after_a_restart_and_no_other() {
        let mut machine = Machine::new(Box::<AppliedOffByOne>::default());
        run(&mut machine, &Command::OpenSession { time_ms: 0, expiry_ms: 1 });
        run(&mut machine, &append(1));
        // A leader's snapshot is loaded in a running node as it should be.
        let image = machine.save();
        machine.load(&image).unwrap();
        run(&mut machine, &append(2));
        assert_eq!(machine.get("k").unwrap(), "xx");
        let mut restarted = Machine::new(Box::<AppliedOffByOne>::default());
        restarted.load(&machine.save()).unwrap();
        run(&mut restarted, &append(3));
        run(&mut restarted, &append(4));
        assert_eq!(restarted.get("k").unwrap(), "xxx");
    }

    #[test]
    fn two_cas_decided_at_once_both_succeed() {
        let mut machine = Machine::default();
        let cas = |new: &'static str| {
            let operation =
                Operation::Cas { expected: None, new: Some(Bytes::from_static(new.as_bytes())) };
            Command::Write { time_ms: 0, session: 0, sequence: 0, key: "k".into(), operation }
        };
        let admitted = ["a", "b"].map(|new| CasAtPropose.admit(cas(new), &machine).unwrap());
        for command in &admitted {
            assert_eq!(run(&mut machine, command), Reply::Effect(Effect::Done));
        }
        assert!(CasAtPropose.admit(cas("c"), &machine).is_err());
    }
}
