//! A disk in memory, as the shipped log and snapshot code sees it, that forgets what was not synced.
//!
//! Operations take virtual time and stay in a journal until a sync makes them durable. A crash strikes
//! at a moment: operations that were still to come did not happen. One of the machine keeps, loses or tears
//! each unsynced one before it. One of the process alone leaves them in the page cache: whoever comes next
//! reads them, and a later crash of the machine may still lose them. Names (created, renamed, removed)
//! reach the disk in order, as on a journaling file system.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use whitewater_server::storage::{Volume, VolumeFile};

use super::chance::Chance;

/// The unit in which a disk tears a write.
const SECTOR_BYTES: usize = 512;
/// How long a call takes that does not wait for the disk.
const CALL_NS: u64 = 10_000;

/// How a disk behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskHabits {
    /// Shortest and longest usual time of a sync.
    pub(super) sync_ns: (u64, u64),
    /// So many syncs in a million are slow.
    pub(super) slow_in_a_million: u32,
    /// How long a slow one takes.
    pub(super) slow_ns: (u64, u64),
    /// So many syncs in a million fail, and with them the node.
    pub(super) failing_in_a_million: u32,
}

impl DiskHabits {
    /// A disk that is so many times slower.
    pub(super) fn slower(mut self, times: u64) -> Self {
        self.sync_ns = (self.sync_ns.0 * times, self.sync_ns.1 * times);
        self
    }
}

/// What dies in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// The process: everything written can be read, and is no more durable than it was.
    Process,
    /// The machine: what was not synced may be lost, whichever process wrote it.
    Power,
}

/// A disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct MemoryVolume {
    node: u32,
    state: Arc<Mutex<State>>,
}

type Inode = u64;

#[derive(Debug)]
struct State {
    /// What is surely on disk.
    names: BTreeMap<String, Inode>,
    contents: BTreeMap<Inode, Vec<u8>>,
    /// What processes see.
    current: BTreeMap<String, Inode>,
    /// What happened since, in order of time.
    journal: Vec<(u64, Change)>,
    next_inode: Inode,
    /// The virtual time, as far as the work under way has come.
    now_ns: u64,
    habits: DiskHabits,
    chance: Chance,
}

#[derive(Clone, Debug)]
enum Change {
    Name(NameChange),
    Write { inode: Inode, offset: usize, bytes: Vec<u8> },
    Length { inode: Inode, bytes: usize },
    Sync(Inode),
    SyncNames,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, Inode),
    Rename(String, String),
    Remove(String),
}

impl MemoryVolume {
    /// An empty disk.
    pub(super) fn new(node: u32, habits: DiskHabits, chance: Chance) -> Self {
        let state = State {
            names: BTreeMap::new(),
            contents: BTreeMap::new(),
            current: BTreeMap::new(),
            journal: Vec::new(),
            next_inode: 1,
            now_ns: 0,
            habits,
            chance,
        };
        Self { node, state: Arc::new(Mutex::new(state)) }
    }

    /// Work on the disk begins now.
    pub(super) fn begin(&self, now_ns: u64) {
        let mut state = self.lock();
        state.fold(false);
        state.now_ns = now_ns;
    }

    /// The time to which the work under way has come.
    pub(super) fn now_ns(&self) -> u64 {
        self.lock().now_ns
    }

    /// From here on the disk does as it should.
    pub(super) fn calm_down(&self) {
        let mut state = self.lock();
        state.habits.failing_in_a_million = 0;
        state.habits.slow_in_a_million = 0;
    }

    /// Everything on it is removed, and the disk has forgotten it ever was there.
    pub(super) fn wipe(&self) {
        let mut state = self.lock();
        state.names.clear();
        state.contents.clear();
        state.current.clear();
        state.journal.clear();
    }

    /// A crash at this time. What is left is what a restarted node finds.
    pub(super) fn crash(&self, now_ns: u64, crash: Crash) {
        self.lock().crash(now_ns, crash);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn record(&mut self, change: Change) {
        self.now_ns += CALL_NS;
        self.journal.push((self.now_ns, change));
    }

    /// A sync takes its time, and may fail. What failed to sync may be lost, and is not tried again.
    fn wait_for_sync(&mut self) -> io::Result<()> {
        let DiskHabits { sync_ns, slow_in_a_million, slow_ns, failing_in_a_million } = self.habits;
        let is_slow = self.chance.in_a_million(slow_in_a_million);
        self.now_ns += self.chance.between(if is_slow { slow_ns } else { sync_ns });
        if self.chance.in_a_million(failing_in_a_million) {
            return Err(io::Error::other("simulated input/output error"));
        }
        Ok(())
    }

    /// Moves what is durable from the journal to the disk. A power loss decides about the rest as well.
    fn fold(&mut self, is_power_lost: bool) {
        let journal = std::mem::take(&mut self.journal);
        let mut synced: BTreeMap<Inode, usize> = BTreeMap::new();
        let mut names_synced = 0;
        for (at, (_, change)) in journal.iter().enumerate() {
            match change {
                Change::Sync(inode) => drop(synced.insert(*inode, at)),
                Change::SyncNames => names_synced = at,
                _ => {}
            }
        }
        let is_loose = |(at, (_, change)): (usize, &(u64, Change))| {
            at >= names_synced && matches!(change, Change::Name(_))
        };
        let loose = journal.iter().enumerate().filter(|it| is_loose(*it)).count() as u64;
        // A power loss keeps a beginning of the name changes that were not synced.
        let mut names_kept = if is_power_lost { self.chance.between((0, loose)) } else { 0 };
        for (at, (at_ns, change)) in journal.into_iter().enumerate() {
            match &change {
                Change::Sync(_) | Change::SyncNames => continue,
                Change::Name(name) if at < names_synced => name.carry_out(&mut self.names),
                Change::Name(name) if names_kept > 0 => {
                    names_kept -= 1;
                    name.carry_out(&mut self.names);
                }
                Change::Write { inode, .. } | Change::Length { inode, .. }
                    if synced.get(inode).is_some_and(|synced| at < *synced) =>
                {
                    change.carry_out(&mut self.contents);
                }
                Change::Write { .. } | Change::Length { .. } if is_power_lost => self.keep(&change),
                Change::Name(_) if is_power_lost => {}
                _ => self.journal.push((at_ns, change)),
            }
        }
        self.see_names();
        if loose > 0 || names_synced > 0 {
            self.forget_unnamed();
        }
    }

    /// What processes see: what is on disk, and what happened since.
    fn see_names(&mut self) {
        self.current = self.names.clone();
        for (_, change) in &self.journal {
            if let Change::Name(name) = change {
                name.carry_out(&mut self.current);
            }
        }
    }

    /// Drops the content of files that have no name, and will have none whatever crash comes.
    fn forget_unnamed(&mut self) {
        let mut named: BTreeSet<Inode> =
            self.names.values().chain(self.current.values()).copied().collect();
        // An unsynced name may come back by a crash that loses the change after it.
        named.extend(self.journal.iter().filter_map(|(_, change)| match change {
            Change::Name(NameChange::Create(_, inode)) => Some(*inode),
            _ => None,
        }));
        self.contents.retain(|inode, _| named.contains(inode));
        self.journal.retain(|(_, change)| match change {
            Change::Write { inode, .. } | Change::Length { inode, .. } => named.contains(inode),
            _ => true,
        });
    }

    fn crash(&mut self, now_ns: u64, crash: Crash) {
        self.journal.retain(|(at_ns, _)| *at_ns <= now_ns);
        self.fold(crash == Crash::Power);
    }

    /// What a power loss leaves of a change of content.
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

    fn inode(&self, name: &str) -> io::Result<Inode> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such simulated file");
        self.current.get(name).copied().ok_or_else(missing)
    }
}

impl Change {
    fn carry_out(&self, contents: &mut BTreeMap<Inode, Vec<u8>>) {
        match self {
            Change::Write { inode, offset, bytes } => write(contents, *inode, *offset, bytes),
            Change::Length { inode, bytes } => {
                contents.entry(*inode).or_default().resize(*bytes, 0);
            }
            Change::Name(_) | Change::Sync(_) | Change::SyncNames => {}
        }
    }
}

impl NameChange {
    fn carry_out(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            NameChange::Create(name, inode) => drop(names.insert(name.clone(), *inode)),
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            NameChange::Remove(name) => drop(names.remove(name)),
        }
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

impl Volume for MemoryVolume {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("n{}:/{name}", self.node))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().current.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let inode = state.inode(name)?;
        let mut content = BTreeMap::new();
        content.insert(inode, state.contents.get(&inode).cloned().unwrap_or_default());
        for (_, change) in &state.journal {
            match change {
                Change::Write { inode: of, .. } | Change::Length { inode: of, .. }
                    if *of == inode =>
                {
                    change.carry_out(&mut content);
                }
                _ => {}
            }
        }
        Ok(content.remove(&inode).unwrap_or_default())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        let mut state = self.lock();
        let inode = state.next_inode;
        state.next_inode += 1;
        state.current.insert(name.to_owned(), inode);
        state.record(Change::Name(NameChange::Create(name.to_owned(), inode)));
        Ok(Box::new(MemoryFile { state: Arc::clone(&self.state), inode, length: 0 }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        let length = self.read(name)?.len();
        let inode = self.lock().inode(name)?;
        Ok(Box::new(MemoryFile { state: Arc::clone(&self.state), inode, length }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.inode(from)?;
        state.current.remove(from);
        state.current.insert(to.to_owned(), inode);
        state.record(Change::Name(NameChange::Rename(from.to_owned(), to.to_owned())));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.inode(name)?;
        state.current.remove(name);
        state.record(Change::Name(NameChange::Remove(name.to_owned())));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.wait_for_sync()?;
        state.record(Change::SyncNames);
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now_ns())
    }

    fn wait(&self, time: Duration) {
        self.lock().now_ns += u64::try_from(time.as_nanos()).expect("a short wait");
    }
}

/// An open file.
#[derive(Debug)]
struct MemoryFile {
    state: Arc<Mutex<State>>,
    inode: Inode,
    length: usize,
}

impl MemoryFile {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VolumeFile for MemoryFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let (inode, bytes) = (self.inode, bytes.to_vec());
        self.length = self.length.max(offset + bytes.len());
        self.lock().record(Change::Write { inode, offset, bytes });
        Ok(())
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        self.length = self.length.max(usize::try_from(bytes).map_err(io::Error::other)?);
        self.lock().record(Change::Length { inode: self.inode, bytes: self.length });
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.lock();
        state.wait_for_sync()?;
        state.record(Change::Sync(self.inode));
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: DiskHabits = DiskHabits {
        sync_ns: (1_000_000, 1_000_000),
        slow_in_a_million: 0,
        slow_ns: (0, 0),
        failing_in_a_million: 0,
    };

    fn volume(seed: u64) -> MemoryVolume {
        MemoryVolume::new(1, CALM, Chance::new(seed, 0))
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_is_kept_lost_or_torn() {
        let mut left = BTreeSet::new();
        for seed in 0..60 {
            let volume = volume(seed);
            let mut file = volume.create("a").unwrap();
            file.write_at(b"durable", 0).unwrap();
            file.sync().unwrap();
            volume.sync().unwrap();
            file.write_at(b"-loose-", 7).unwrap();
            volume.crash(volume.now_ns(), Crash::Power);
            left.insert(String::from_utf8(volume.read("a").unwrap()).unwrap());
        }
        assert!(left.iter().all(|content| content.starts_with("durable")), "{left:?}");
        assert!(left.contains("durable") && left.contains("durable-loose-"), "{left:?}");
        assert!(left.contains("durable-lo"), "torn in the middle: {left:?}");
    }

    #[test]
    fn a_crash_comes_before_what_had_still_to_happen() {
        let volume = volume(1);
        volume.begin(5_000_000);
        let mut file = volume.create("a").unwrap();
        file.write_at(b"x", 0).unwrap();
        let before_sync = volume.now_ns();
        file.sync().unwrap();
        volume.rename("a", "b").unwrap();
        volume.crash(before_sync, Crash::Process);
        assert_eq!(volume.names().unwrap(), ["a"]);
        assert_eq!(volume.read("a").unwrap(), b"x");
    }

    #[test]
    fn what_a_killed_process_did_not_sync_is_read_by_the_next_and_lost_by_a_power_loss() {
        let mut left = BTreeSet::new();
        for seed in 0..60 {
            let volume = volume(seed);
            let mut file = volume.create("a").unwrap();
            file.write_at(b"durable", 0).unwrap();
            file.sync().unwrap();
            volume.sync().unwrap();
            file.write_at(b"-loose-", 7).unwrap();
            volume.rename("a", "b").unwrap();
            volume.crash(volume.now_ns(), Crash::Process);
            for _ in 0..2 {
                assert_eq!(volume.names().unwrap(), ["b"]);
                assert_eq!(volume.read("b").unwrap(), b"durable-loose-");
                volume.begin(volume.now_ns());
            }
            volume.crash(volume.now_ns(), Crash::Power);
            let name = volume.names().unwrap().concat();
            let content = String::from_utf8(volume.read(&name).unwrap()).unwrap();
            left.insert((name, content));
        }
        for name in ["a", "b"] {
            for content in ["durable", "durable-loose-"] {
                assert!(left.contains(&(name.into(), content.into())), "{left:?}");
            }
        }
    }

    #[test]
    fn whoever_syncs_a_file_makes_durable_what_a_killed_process_left_in_it() {
        for seed in 0..20 {
            let volume = volume(seed);
            let mut file = volume.create("a").unwrap();
            volume.sync().unwrap();
            file.write_at(b"x", 0).unwrap();
            volume.crash(volume.now_ns(), Crash::Process);
            volume.open("a").unwrap().sync().unwrap();
            volume.crash(volume.now_ns(), Crash::Power);
            assert_eq!(volume.read("a").unwrap(), b"x");
        }
    }

    /// Two renames over the same name, neither of them synced: a power loss may leave the first one.
    #[test]
    fn a_name_that_comes_back_brings_its_content() {
        let mut found = BTreeSet::new();
        for seed in 0..60 {
            let volume = volume(seed);
            for content in [b"first", b"later"] {
                let mut file = volume.create("t").unwrap();
                file.write_at(content, 0).unwrap();
                file.sync().unwrap();
                volume.rename("t", "a").unwrap();
                volume.crash(volume.now_ns(), Crash::Process);
            }
            volume.crash(volume.now_ns(), Crash::Power);
            if let Ok(content) = volume.read("a") {
                found.insert(content);
            }
        }
        assert_eq!(found, [b"first".to_vec(), b"later".to_vec()].into());
    }

    #[test]
    fn an_unsynced_rename_may_be_undone_and_a_synced_one_may_not() {
        let mut found = BTreeSet::new();
        for seed in 0..30 {
            let volume = volume(seed);
            volume.create("a").unwrap().sync().unwrap();
            volume.sync().unwrap();
            volume.rename("a", "b").unwrap();
            if seed % 2 == 0 {
                volume.sync().unwrap();
            }
            volume.crash(volume.now_ns(), Crash::Power);
            found.insert((seed % 2, volume.names().unwrap().concat()));
        }
        let expected =
            [(0, "b"), (1, "a"), (1, "b")].map(|(is_loose, name)| (is_loose, name.into()));
        assert_eq!(found, expected.into());
    }

    #[test]
    fn a_sync_can_fail() {
        let habits = DiskHabits { failing_in_a_million: 1_000_000, ..CALM };
        let volume = MemoryVolume::new(1, habits, Chance::new(1, 0));
        assert!(volume.create("a").unwrap().sync().is_err());
        volume.calm_down();
        assert!(volume.create("b").unwrap().sync().is_ok());
    }
}
