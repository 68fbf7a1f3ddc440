//! Mutants of the disk: what is forgotten, promised too early, or written in the wrong order.

use std::time::Duration;

use whitewater_raft::{HardState, Index, Persist, SnapshotMeta};

use super::{BLANK, Bug, Card, Real, SNAPSHOT_ENTRIES};
use crate::storage::{Disk, FileDisk, Recovered, StorageError, snapshot};

/// How long a window of a disk mutant stays open: long enough for a kill to fall into it.
const WINDOW: Duration = Duration::from_millis(300);

pub(super) const VOTE_VOLATILE: Card = Card {
    name: "vote-volatile",
    broken: "a vote is not written to disk",
    rule: "thesis 3.8",
    expose: "kill -9 and restart voters at once during elections",
    leads: &["boot-equals-disk", "vote-once"],
    bug: Bug::Disk(|disk| Box::new(VoteVolatile(disk))),
    real: Real { workload: "register", faults: "kill", rate: 1_000, snapshot_entries: None },
    is_model_checked: true,
    ..BLANK
};

/// Writes terms and leaves the votes out.
struct VoteVolatile(FileDisk);

impl Disk for VoteVolatile {
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        let hard_state = persist.hard_state.map(|state| HardState { vote: None, ..state });
        self.0.append(&Persist { hard_state, ..persist.clone() })
    }
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        self.0.recover()
    }
    fn flush(&mut self) -> Result<(), StorageError> {
        self.0.flush()
    }
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        self.0.save_snapshot(meta, data)
    }
    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.0.compact(index)
    }
}

pub(super) const TERM_VOLATILE: Card = Card {
    name: "term-volatile",
    broken: "after a restart the term is the last entry's",
    rule: "thesis 3.8",
    expose: "kill -9 after an election without a new entry",
    leads: &["boot-equals-disk"],
    bug: Bug::Disk(|disk| Box::new(TermVolatile(disk))),
    real: Real { workload: "register", faults: "kill", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

/// Takes the last entry's term for the own one.
struct TermVolatile(FileDisk);

impl Disk for TermVolatile {
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        let mut recovered = self.0.recover()?;
        let snapshot = recovered.snapshot.as_ref().map_or(0, |(meta, _)| meta.last.term);
        let term = recovered.entries.last().map_or(snapshot, |entry| entry.term);
        recovered.hard_state = HardState { term, vote: None };
        Ok(recovered)
    }
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        self.0.append(persist)
    }
    fn flush(&mut self) -> Result<(), StorageError> {
        self.0.flush()
    }
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        self.0.save_snapshot(meta, data)
    }
    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.0.compact(index)
    }
}

pub(super) const ACK_BEFORE_FLUSH: Card = Card {
    name: "ack-before-flush",
    broken: "entries are acknowledged before they are on disk",
    rule: "thesis 3.8",
    expose: "kill -9 a majority at once",
    leads: &["boot-equals-disk"],
    bug: Bug::Disk(|disk| Box::new(AckBeforeFlush::new(disk))),
    real: Real { workload: "register", faults: "kill", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

/// Says that a flush is done and does it with a later one.
struct AckBeforeFlush {
    disk: FileDisk,
    flushed: Duration,
}

impl AckBeforeFlush {
    fn new(disk: FileDisk) -> AckBeforeFlush {
        AckBeforeFlush { flushed: disk.volume().elapsed(), disk }
    }
}

impl Disk for AckBeforeFlush {
    fn flush(&mut self) -> Result<(), StorageError> {
        let now = self.disk.volume().elapsed();
        if now.saturating_sub(self.flushed) < 3 * WINDOW {
            return Ok(());
        }
        self.flushed = now;
        self.disk.flush()
    }
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        self.disk.recover()
    }
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        self.disk.append(persist)
    }
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        self.disk.save_snapshot(meta, data)
    }
    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.disk.compact(index)
    }
}

pub(super) const PURGE_BEFORE_DURABLE: Card = Card {
    name: "purge-before-durable",
    broken: "the log is dropped before the snapshot is on disk",
    rule: "7",
    expose: "kill -9 while a snapshot is written",
    leads: &["processes"],
    bug: Bug::Disk(|disk| Box::new(PurgeBeforeDurable(disk))),
    real: Real {
        workload: "register",
        faults: "kill",
        rate: 1_000,
        snapshot_entries: Some(SNAPSHOT_ENTRIES),
    },
    ..BLANK
};

/// Drops the log first, and writes the snapshot that should replace it a moment later.
struct PurgeBeforeDurable(FileDisk);

impl Disk for PurgeBeforeDurable {
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        self.0.compact(meta.last.index)?;
        self.0.volume().wait(WINDOW);
        self.0.save_snapshot(meta, data)
    }
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        self.0.recover()
    }
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        self.0.append(persist)
    }
    fn flush(&mut self) -> Result<(), StorageError> {
        self.0.flush()
    }
    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.0.compact(index)
    }
}

pub(super) const SNAPSHOT_IN_PLACE: Card = Card {
    name: "snapshot-in-place",
    broken: "a snapshot is written under its final name",
    rule: "7",
    expose: "kill -9 while a snapshot is written",
    leads: &["processes"],
    bug: Bug::Disk(|disk| Box::new(SnapshotInPlace(disk))),
    real: Real {
        workload: "register",
        faults: "kill",
        rate: 1_000,
        snapshot_entries: Some(SNAPSHOT_ENTRIES),
    },
    ..BLANK
};

/// Writes half of a snapshot under its final name, and the rest a moment later.
struct SnapshotInPlace(FileDisk);

impl Disk for SnapshotInPlace {
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        let volume = self.0.volume();
        let name = snapshot::name_of(meta);
        let write = || {
            let header = snapshot::header(meta, data);
            let (first, rest) = data.split_at(data.len() / 2);
            let mut file = volume.create(&name)?;
            file.write_at(&header, 0)?;
            file.write_at(first, header.len() as u64)?;
            volume.wait(WINDOW);
            file.write_at(rest, (header.len() + first.len()) as u64)
        };
        write().map_err(|e| StorageError::io("write snapshot", &volume.path(&name), e))
    }
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        self.0.recover()
    }
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        self.0.append(persist)
    }
    fn flush(&mut self) -> Result<(), StorageError> {
        self.0.flush()
    }
    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.0.compact(index)
    }
}

pub(super) const TORN_TAIL_FATAL: Card = Card {
    name: "torn-tail-fatal",
    broken: "a half-written last frame stops the start for good",
    rule: "thesis 3.8",
    expose: "kill -9, cut the last bytes of the log",
    leads: &["processes"],
    bug: Bug::Disk(|disk| Box::new(TornTailFatal(disk))),
    real: Real { workload: "register", faults: "kill", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

/// Takes a torn tail for corruption, and leaves it there.
struct TornTailFatal(FileDisk);

impl Disk for TornTailFatal {
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        let recovered = self.0.recover()?;
        let Some(torn) = recovered.torn else { return Ok(recovered) };
        // The disk has cut it already; a real one of this kind would fail again at the next start.
        let name = torn.segment.file_name().unwrap_or_default().to_string_lossy();
        let again = || self.0.volume().open(&name)?.write_at(b"torn", torn.offset);
        again().map_err(|error| StorageError::io("write", &torn.segment, error))?;
        Err(StorageError::corrupt(&torn.segment, torn.offset, "the tail is torn"))
    }
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        self.0.append(persist)
    }
    fn flush(&mut self) -> Result<(), StorageError> {
        self.0.flush()
    }
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        self.0.save_snapshot(meta, data)
    }
    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.0.compact(index)
    }
}
