//! Mutants of the disk: what is forgotten, promised too early, or written in the wrong order.

use std::time::Duration;

use whitewater_raft::{HardState, Index, Persist, SnapshotMeta};

use crate::storage::{Disk, FileDisk, Recovered, StorageError, snapshot};

/// How long a window of a disk mutant stays open: long enough for a kill to fall into it.
const WINDOW: Duration = Duration::from_millis(300);

/// Writes terms and leaves the votes out.
pub(super) struct VoteVolatile(pub(super) FileDisk);

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

/// Takes the last entry's term for the own one.
pub(super) struct TermVolatile(pub(super) FileDisk);

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

/// Says that a flush is done and does it with a later one.
pub(super) struct AckBeforeFlush {
    disk: FileDisk,
    flushed: Duration,
}

impl AckBeforeFlush {
    pub(super) fn new(disk: FileDisk) -> AckBeforeFlush {
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

/// Drops the log first, and writes the snapshot that should replace it a moment later.
pub(super) struct PurgeBeforeDurable(pub(super) FileDisk);

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

/// Writes half of a snapshot under its final name, and the rest a moment later.
pub(super) struct SnapshotInPlace(pub(super) FileDisk);

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

/// Takes a torn tail for corruption, and leaves it there.
pub(super) struct TornTailFatal(pub(super) FileDisk);

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
