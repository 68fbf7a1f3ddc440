//! A disk in memory, as the shipped log and snapshot code sees it, that forgets what was not synced.
//!
//! Operations take virtual time, and a sync makes them durable. A crash strikes at a moment: operations that
//! were still to come did not happen. One of the machine keeps, loses or tears each unsynced one before it. One
//! of the process alone leaves them in the page cache: whoever comes next reads them, and a later crash of the
//! machine may still lose them. A sync may fail: what it was to make durable never is, whatever succeeds after
//! it, until it is written anew. Names (created, renamed, removed) reach the disk in order, as on a journaling
//! file system. The model is in [`state`].

mod state;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use whitewater_server::storage::{Volume, VolumeFile};

use self::state::{Change, Inode, State};
use super::chance::Chance;

/// How a disk behaves.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct DiskHabits {
    /// Shortest and longest usual time of a sync.
    pub(super) sync_ns: (u64, u64),
    /// So many syncs in a million are slow.
    pub(super) slow_in_a_million: u32,
    /// How long a slow one takes.
    pub(super) slow_ns: (u64, u64),
    /// So many syncs in a million fail: of a file or of the directory.
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

impl MemoryVolume {
    /// An empty disk.
    pub(super) fn new(node: u32, habits: DiskHabits, chance: Chance) -> Self {
        let state = State::new(habits, chance);
        Self { node, state: Arc::new(Mutex::new(state)) }
    }

    /// Work on the disk begins now.
    pub(super) fn begin(&self, now_ns: u64) {
        let mut state = self.lock();
        state.settle();
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

    /// So many syncs in a million fail from here on.
    #[cfg(test)]
    pub(super) fn fail_syncs(&self, in_a_million: u32) {
        self.lock().habits.failing_in_a_million = in_a_million;
    }

    /// Everything on it is removed, and the disk has forgotten it ever was there.
    pub(super) fn wipe(&self) {
        self.lock().wipe();
    }

    /// A crash at this time. What is left is what a restarted node finds.
    pub(super) fn crash(&self, now_ns: u64, crash: Crash) {
        self.lock().crash(now_ns, crash);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        Ok(state.content(state.inode(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        let mut state = self.lock();
        let inode = match state.inode(name) {
            Ok(inode) => {
                state.record(Change::Length { inode, bytes: 0 });
                inode
            }
            Err(_) => {
                let inode = state.new_inode();
                state.record(Change::Names(vec![(name.to_owned(), Some(inode))]));
                inode
            }
        };
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
        state.record(Change::Names(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.inode(name)?;
        state.record(Change::Names(vec![(name.to_owned(), None)]));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().sync(None)
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
        self.lock().sync(Some(self.inode))
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync()
    }
}

#[cfg(test)]
mod tests;
