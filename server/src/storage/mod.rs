//! What survives a crash: the write-ahead log, snapshots, and who this directory belongs to.
//!
//! Two seams. [`Disk`] is what a node writes to: the one there is is [`FileDisk`], and mutants wrap it.
//! [`Volume`] is what that one lies on: a [`Directory`], or the simulator's memory. [`Writer`] is the thread that owns a disk. Nothing here knows roles or elections.

mod directory;
mod record;
mod segment;
pub(crate) mod snapshot;
mod volume;
mod wal;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use whitewater_raft::{Entry, HardState, Index, Persist, SnapshotMeta};

pub use directory::{DataDirectory, Identity};
pub(crate) use record::encode_entry;
pub use volume::{Directory, Volume, VolumeFile};
pub use wal::{Wal, WalContents, WalOptions};
pub use writer::{Job, Report, Writer, carry_out};

/// Why the disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system said no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Bytes that were acknowledged once are not there any more.
    #[error(
        "{} is damaged at byte {offset}: {why}. This node will not start, because it may have \
         promised what it can no longer keep. Remove the data directory and let the node rejoin \
         as a new member, or restore the file", path.display()
    )]
    Corrupt {
        /// The file: a WAL segment or a snapshot.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// Another process uses the directory.
    #[error("data directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The directory is another node's.
    #[error("data directory {} belongs to {found}, not to {expected}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
}

impl StorageError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> StorageError {
        StorageError::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, why: impl Into<String>) -> StorageError {
        StorageError::Corrupt { path: path.to_owned(), offset, why: why.into() }
    }
}

/// The end of the log that a crash left half-written. It was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file.
    pub segment: PathBuf,
    /// Where the valid part ends.
    pub offset: u64,
    /// How many bytes were dropped.
    pub bytes: u64,
}

/// What was on disk.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Term and vote.
    pub hard_state: HardState,
    /// The snapshot and its data.
    pub snapshot: Option<(SnapshotMeta, Bytes)>,
    /// The log behind the snapshot, without gaps.
    pub entries: Vec<Entry>,
    /// What had to be cut off.
    pub torn: Option<TornTail>,
}

/// A place that keeps what a node must not forget.
pub trait Disk: Send {
    /// Reads everything. Called once, before anything else.
    fn recover(&mut self) -> Result<Recovered, StorageError>;
    /// Takes term, vote and entries. They may be lost until the next [`Disk::flush`] returns.
    fn append(&mut self, persist: &Persist) -> Result<(), StorageError>;
    /// Makes everything appended durable.
    fn flush(&mut self) -> Result<(), StorageError>;
    /// Makes a snapshot durable, replacing an older one.
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError>;
    /// May drop the log up to here; a durable snapshot covers it.
    fn compact(&mut self, index: Index) -> Result<(), StorageError>;
}

/// The disk: segments and snapshots in one directory.
#[derive(Debug)]
pub struct FileDisk {
    volume: Arc<dyn Volume>,
    options: WalOptions,
    /// `None` until recovered.
    wal: Option<Wal>,
}

impl FileDisk {
    /// A disk in this directory.
    pub fn new(directory: &Path, options: WalOptions) -> FileDisk {
        FileDisk::on(Arc::new(Directory::new(directory)), options)
    }

    /// A disk on this volume.
    pub fn on(volume: Arc<dyn Volume>, options: WalOptions) -> FileDisk {
        FileDisk { volume, options, wal: None }
    }

    /// The same disk on another volume: one that wraps the one it had.
    pub(crate) fn through(self, wrap: impl FnOnce(Arc<dyn Volume>) -> Arc<dyn Volume>) -> FileDisk {
        FileDisk { volume: wrap(self.volume), ..self }
    }

    /// Where the files are.
    pub fn volume(&self) -> &dyn Volume {
        &*self.volume
    }

    /// Refuses files that say that others are lost. Nothing is written before this: a log that was begun
    /// here would be there at the next start, which would then see nothing wrong.
    fn check_complete(&self, is_snapshot_there: bool) -> Result<(), StorageError> {
        let why = match wal::first_segment(&*self.volume)? {
            None if is_snapshot_there => {
                "there is a snapshot and no log: term and vote are lost".to_owned()
            }
            // Segments go only once a snapshot covers what is in them.
            Some(first) if first > 1 && !is_snapshot_there => {
                format!("the log begins with segment {first} and the snapshot before it is missing")
            }
            _ => return Ok(()),
        };
        Err(StorageError::corrupt(&self.volume.path(""), 0, why))
    }

    fn wal(&mut self) -> &mut Wal {
        self.wal.as_mut().expect("a disk is recovered before it is used")
    }
}

impl Disk for FileDisk {
    fn recover(&mut self) -> Result<Recovered, StorageError> {
        let snapshot = snapshot::load(&*self.volume, self.options.fsync)?;
        self.check_complete(snapshot.is_some())?;
        let (wal, contents) = Wal::open(&self.volume, self.options)?;
        self.wal = Some(wal);
        let WalContents { hard_state, mut entries, reset, torn } = contents;
        let covered = snapshot.as_ref().map_or(0, |(meta, _)| meta.last.index);
        let first = entries.first().map_or(covered + 1, |first| first.index);
        let needed = reset.map_or(first - 1, |reset| reset.index.max(first - 1));
        if needed > covered {
            let why = format!(
                "the log begins at entry {} and the snapshot before it is missing",
                needed + 1
            );
            return Err(StorageError::corrupt(&self.volume.path(""), 0, why));
        }
        // The log ends with an earlier snapshot's word: the next entry would leave a gap behind that.
        let ends_before =
            |last: Index| entries.is_empty() && reset.is_some_and(|reset| reset.index < last);
        if let Some((meta, _)) = &snapshot
            && (ends_before(meta.last.index) || !wal::keep_after_snapshot(&mut entries, meta.last))
        {
            // A crash came between the snapshot and the log's word that it was replaced. Said now, or
            // the entries that follow would leave a gap behind the old ones.
            self.wal().reset(meta.last);
        }
        Ok(Recovered { hard_state, snapshot, entries, torn })
    }

    fn append(&mut self, persist: &Persist) -> Result<(), StorageError> {
        self.wal().append(persist);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.wal().flush()
    }

    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StorageError> {
        snapshot::save(&*self.volume, meta, data, self.options.fsync)
    }

    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        self.wal().compact(index)
    }
}

/// Makes names durable.
pub(crate) fn sync_names(volume: &dyn Volume) -> Result<(), StorageError> {
    volume.sync().map_err(|source| StorageError::io("sync directory", &volume.path(""), source))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use whitewater_raft::{Chain, Membership, Payload, Position};

    use super::*;

    fn entries(range: std::ops::RangeInclusive<Index>) -> Persist {
        let command = || Payload::Command(Arc::from(&b"x"[..]));
        let entries = range.map(|index| Entry { index, term: 1, payload: command() }).collect();
        Persist { number: 1, hard_state: None, entries, snapshot: None }
    }

    /// Found by the simulator, seeds 375, 1360 and 1940.
    #[test]
    fn a_crash_between_a_leaders_snapshot_and_the_logs_reset_does_not_leave_a_gap() {
        let directory = tempfile::tempdir().unwrap();
        let options = WalOptions { node: 1, segment_bytes: 4_096, fsync: false };
        let open = || {
            let mut disk = FileDisk::new(directory.path(), options);
            let recovered = disk.recover().unwrap();
            (disk, recovered)
        };
        let (mut disk, _) = open();
        disk.append(&entries(1..=5)).unwrap();
        disk.flush().unwrap();
        let last = Position { index: 8, term: 1 };
        let meta = SnapshotMeta { last, chain: Chain(7), membership: Membership::default() };
        disk.save_snapshot(&meta, b"state").unwrap();
        drop(disk);
        let (mut disk, recovered) = open();
        assert_eq!(recovered.entries, []);
        disk.append(&entries(9..=10)).unwrap();
        disk.flush().unwrap();
        drop(disk);
        let (_, recovered) = open();
        assert_eq!(recovered.snapshot.unwrap().0, meta);
        assert_eq!(recovered.entries, entries(9..=10).entries);
    }

    /// Found by the simulator, seed 5259: the log held nothing but an earlier snapshot's reset.
    #[test]
    fn a_crash_between_two_snapshots_of_a_leader_does_not_leave_a_gap() {
        let directory = tempfile::tempdir().unwrap();
        let options = WalOptions { node: 1, segment_bytes: 4_096, fsync: false };
        let open = || {
            let mut disk = FileDisk::new(directory.path(), options);
            let recovered = disk.recover().unwrap();
            (disk, recovered)
        };
        let meta = |index| SnapshotMeta {
            last: Position { index, term: 1 },
            chain: Chain(7),
            membership: Membership::default(),
        };
        let (mut disk, _) = open();
        disk.save_snapshot(&meta(8), b"state").unwrap();
        let reset = Persist { entries: Vec::new(), snapshot: Some(meta(8)), ..entries(9..=9) };
        disk.append(&reset).unwrap();
        disk.flush().unwrap();
        disk.save_snapshot(&meta(20), b"later").unwrap();
        drop(disk);
        let (mut disk, recovered) = open();
        assert_eq!(recovered.entries, []);
        disk.append(&entries(21..=22)).unwrap();
        disk.flush().unwrap();
        drop(disk);
        let (_, recovered) = open();
        assert_eq!(recovered.snapshot.unwrap().0, meta(20));
        assert_eq!(recovered.entries, entries(21..=22).entries);
    }
}
