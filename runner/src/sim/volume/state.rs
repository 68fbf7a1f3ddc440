//! What is on a disk for sure, what may be, and what a crash makes of it.
//!
//! Every change since the last sync is in a journal. A sync that succeeds makes sure of the changes before it, and one that
//! fails takes them for written without having written them, as kernels do (Rebello et al., ATC 2020): no later sync
//! speaks of them again. Only who writes the same bytes once more, or sets the same name, and syncs that, is sure.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::{Crash, DiskHabits};
use crate::sim::chance::Chance;

/// The unit in which a disk tears a write.
const SECTOR_BYTES: usize = 512;
/// How long a call takes that does not wait for the disk.
const CALL_NS: u64 = 10_000;

/// A file, whatever it is called.
pub(super) type Inode = u64;

/// A disk's content.
#[derive(Debug)]
pub(super) struct State {
    /// What is surely on disk.
    names: BTreeMap<String, Inode>,
    contents: BTreeMap<Inode, Vec<u8>>,
    /// What processes see.
    pub(super) current: BTreeMap<String, Inode>,
    /// What happened and is not surely on disk, in order of time.
    journal: Vec<Entry>,
    next_inode: Inode,
    /// The virtual time, as far as the work under way has come.
    pub(super) now_ns: u64,
    pub(super) habits: DiskHabits,
    chance: Chance,
}

#[derive(Clone, Debug)]
struct Entry {
    at_ns: u64,
    sureness: Sureness,
    change: Change,
}

/// How sure it is that a change is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sureness {
    /// No sync came after it.
    Unsynced,
    /// The sync after it failed: the page cache takes it for written, and it need not be.
    Failed,
    /// The sync after it succeeded.
    Synced,
}

/// Something that was done to a disk.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// These names now stand for these files, or for none. They change together.
    Names(Vec<(String, Option<Inode>)>),
    /// Bytes of a file were written.
    Write { inode: Inode, offset: usize, bytes: Vec<u8> },
    /// A file is this long: cut off, or filled up with zeros.
    Length { inode: Inode, bytes: usize },
    /// A file's content was synced, or failed to be.
    Sync { inode: Inode, is_ok: bool },
    /// The names were synced, or failed to be.
    SyncNames { is_ok: bool },
}

impl State {
    /// An empty disk.
    pub(super) fn new(habits: DiskHabits, chance: Chance) -> Self {
        Self {
            names: BTreeMap::new(),
            contents: BTreeMap::new(),
            current: BTreeMap::new(),
            journal: Vec::new(),
            next_inode: 1,
            now_ns: 0,
            habits,
            chance,
        }
    }

    /// Everything on it is gone, and the disk has forgotten it ever was there.
    pub(super) fn wipe(&mut self) {
        self.names.clear();
        self.contents.clear();
        self.current.clear();
        self.journal.clear();
    }

    /// The number of a new file.
    pub(super) fn new_inode(&mut self) -> Inode {
        self.next_inode += 1;
        self.next_inode - 1
    }

    /// The file of this name.
    pub(super) fn inode(&self, name: &str) -> io::Result<Inode> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such simulated file");
        self.current.get(name).copied().ok_or_else(missing)
    }

    /// A file's content as a process reads it.
    pub(super) fn content(&self, inode: Inode) -> Vec<u8> {
        let mut contents = BTreeMap::new();
        contents.insert(inode, self.contents.get(&inode).cloned().unwrap_or_default());
        for entry in self.journal.iter().filter(|entry| entry.change.file() == Some(inode)) {
            entry.change.carry_out(&mut contents);
        }
        contents.remove(&inode).unwrap_or_default()
    }

    /// A call that does not wait for the disk.
    pub(super) fn record(&mut self, change: Change) {
        if let Change::Names(names) = &change {
            set_names(&mut self.current, names);
        }
        self.now_ns += CALL_NS;
        self.journal.push(Entry { at_ns: self.now_ns, sureness: Sureness::Unsynced, change });
    }

    /// A sync takes its time, and may fail: of a file, or of the names.
    pub(super) fn sync(&mut self, file: Option<Inode>) -> io::Result<()> {
        let DiskHabits { sync_ns, slow_in_a_million, slow_ns, failing_in_a_million } = self.habits;
        let is_slow = self.chance.in_a_million(slow_in_a_million);
        self.now_ns += self.chance.between(if is_slow { slow_ns } else { sync_ns });
        let is_ok = !self.chance.in_a_million(failing_in_a_million);
        self.record(match file {
            Some(inode) => Change::Sync { inode, is_ok },
            None => Change::SyncNames { is_ok },
        });
        if is_ok { Ok(()) } else { Err(io::Error::other("simulated input/output error")) }
    }

    /// What was done so far has happened: what is sure of it goes from the journal to the disk.
    pub(super) fn settle(&mut self) {
        self.fold(false);
    }

    /// What is left of the work that was under way at this time, and of what was never synced.
    pub(super) fn crash(&mut self, now_ns: u64, crash: Crash) {
        self.journal.retain(|entry| entry.at_ns <= now_ns);
        self.see_names();
        self.fold(crash == Crash::Power);
        if crash == Crash::Process {
            self.evict();
        }
    }

    /// A power loss decides about what is not sure as well.
    fn fold(&mut self, is_power_lost: bool) {
        let (names, contents): (Vec<Entry>, Vec<Entry>) = judged(std::mem::take(&mut self.journal))
            .into_iter()
            .partition(|entry| matches!(entry.change, Change::Names(_)));
        let are_names_known = names.is_empty() && !is_power_lost;
        if !are_names_known {
            self.fold_names(names, is_power_lost);
        }
        self.fold_contents(contents, is_power_lost);
        if !are_names_known {
            self.see_names();
            self.forget_unnamed();
        }
    }

    /// Names reach the disk in order. A power loss keeps a beginning of those that failed to be synced, and
    /// of those that were not.
    fn fold_names(&mut self, entries: Vec<Entry>, is_power_lost: bool) {
        let (mut failed, mut unsynced) = (Vec::<Entry>::new(), Vec::new());
        for entry in entries {
            match (entry.sureness, &entry.change) {
                (Sureness::Synced, Change::Names(names)) => {
                    set_names(&mut self.names, names);
                    failed.iter_mut().for_each(|earlier| earlier.change.forget(names));
                }
                (Sureness::Failed, _) => failed.push(entry),
                _ => unsynced.push(entry),
            }
        }
        failed.retain(|entry| !matches!(&entry.change, Change::Names(names) if names.is_empty()));
        if !is_power_lost {
            self.journal.extend(failed.into_iter().chain(unsynced));
            return;
        }
        if !failed.is_empty() {
            self.keep_beginning(failed);
        }
        self.keep_beginning(unsynced);
    }

    fn keep_beginning(&mut self, entries: Vec<Entry>) {
        let kept = self.chance.between((0, entries.len() as u64));
        for entry in entries.into_iter().take(usize::try_from(kept).unwrap_or(0)) {
            if let Change::Names(names) = entry.change {
                set_names(&mut self.names, &names);
            }
        }
    }

    /// Changes of a file stay in order: a sure one behind a failed one waits for that one's fate.
    fn fold_contents(&mut self, entries: Vec<Entry>, is_power_lost: bool) {
        let mut waiting = BTreeSet::new();
        for entry in entries {
            let inode = entry.change.file();
            match entry.sureness {
                Sureness::Synced if inode.is_none_or(|inode| !waiting.contains(&inode)) => {
                    entry.change.carry_out(&mut self.contents);
                }
                Sureness::Failed | Sureness::Unsynced if is_power_lost => self.keep(&entry.change),
                _ => {
                    waiting.extend(inode);
                    self.journal.push(entry);
                }
            }
        }
    }

    /// Pages that a kernel takes for written may leave its memory whenever it likes, and are read from the disk
    /// again, which may hold none of them.
    fn evict(&mut self) {
        let mut waiting = BTreeSet::new();
        for entry in std::mem::take(&mut self.journal) {
            let is_first = entry.change.file().is_some_and(|inode| !waiting.contains(&inode));
            if is_first && entry.sureness == Sureness::Failed && self.chance.below(2) == 0 {
                self.keep(&entry.change);
            } else {
                waiting.extend(entry.change.file());
                self.journal.push(entry);
            }
        }
    }

    /// What processes see: what is on disk, and what happened since.
    fn see_names(&mut self) {
        self.current = self.names.clone();
        for entry in &self.journal {
            if let Change::Names(names) = &entry.change {
                set_names(&mut self.current, names);
            }
        }
    }

    /// Drops the content of files that have no name, and will have none whatever crash comes.
    fn forget_unnamed(&mut self) {
        let mut named: BTreeSet<Inode> =
            self.names.values().chain(self.current.values()).copied().collect();
        // An unsynced name may come back by a crash that loses the change after it.
        for entry in &self.journal {
            if let Change::Names(names) = &entry.change {
                named.extend(names.iter().filter_map(|(_, inode)| *inode));
            }
        }
        self.contents.retain(|inode, _| named.contains(inode));
        self.journal.retain(|entry| entry.change.file().is_none_or(|it| named.contains(&it)));
    }

    /// What a power loss leaves of a change of content that was not sure.
    fn keep(&mut self, change: &Change) {
        match (self.chance.below(4), change) {
            (0, _) => change.carry_out(&mut self.contents),
            (1, _) => {}
            (2, Change::Write { inode, offset, bytes }) => {
                let kept = usize::try_from(self.chance.below(bytes.len() as u64)).unwrap_or(0);
                write(&mut self.contents, *inode, *offset, &bytes[..kept]);
            }
            (_, Change::Write { inode, offset, bytes }) => {
                for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                    if self.chance.below(2) == 0 {
                        let at = *offset + number * SECTOR_BYTES;
                        write(&mut self.contents, *inode, at, sector);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The changes without the syncs, each as sure as the first sync after it made it.
fn judged(journal: Vec<Entry>) -> Vec<Entry> {
    let mut next_sync = BTreeMap::new();
    let mut judged = Vec::with_capacity(journal.len());
    for mut entry in journal.into_iter().rev() {
        match entry.change {
            Change::Sync { inode, is_ok } => drop(next_sync.insert(Some(inode), is_ok)),
            Change::SyncNames { is_ok } => drop(next_sync.insert(None, is_ok)),
            Change::Names(_) | Change::Write { .. } | Change::Length { .. } => {
                if entry.sureness == Sureness::Unsynced {
                    entry.sureness = match next_sync.get(&entry.change.file()) {
                        Some(true) => Sureness::Synced,
                        Some(false) => Sureness::Failed,
                        None => Sureness::Unsynced,
                    };
                }
                judged.push(entry);
            }
        }
    }
    judged.reverse();
    judged
}

impl Change {
    /// The file whose content it changes.
    fn file(&self) -> Option<Inode> {
        match self {
            Change::Write { inode, .. } | Change::Length { inode, .. } => Some(*inode),
            Change::Names(_) | Change::Sync { .. } | Change::SyncNames { .. } => None,
        }
    }

    fn carry_out(&self, contents: &mut BTreeMap<Inode, Vec<u8>>) {
        match self {
            Change::Write { inode, offset, bytes } => write(contents, *inode, *offset, bytes),
            Change::Length { inode, bytes } => {
                contents.entry(*inode).or_default().resize(*bytes, 0);
            }
            Change::Names(_) | Change::Sync { .. } | Change::SyncNames { .. } => {}
        }
    }

    /// Leaves out the names that a later change has set for sure.
    fn forget(&mut self, later: &[(String, Option<Inode>)]) {
        if let Change::Names(names) = self {
            names.retain(|(name, _)| later.iter().all(|(set, _)| set != name));
        }
    }
}

fn set_names(names: &mut BTreeMap<String, Inode>, change: &[(String, Option<Inode>)]) {
    for (name, inode) in change {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

fn write(contents: &mut BTreeMap<Inode, Vec<u8>>, inode: Inode, offset: usize, bytes: &[u8]) {
    let file = contents.entry(inode).or_default();
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}
