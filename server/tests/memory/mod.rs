//! A volume in memory that can be looked at, damaged, put back and robbed of its power: recovery tests need
//! tens of thousands.

#![allow(dead_code, reason = "each test binary uses its own part of the volume")]

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use whitewater_server::storage::{Volume, VolumeFile};

/// The files' contents by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Clones are the same volume.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    files: BTreeMap<String, File>,
    /// The names that a power loss leaves.
    durable: BTreeMap<String, File>,
    /// What was in it when a mutant last waited.
    at_wait: Option<Files>,
}

/// A file keeps its content when it is renamed, as an open one would.
#[derive(Clone, Debug, Default)]
struct File(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    /// What processes read.
    cached: Vec<u8>,
    /// What a power loss leaves.
    durable: Vec<u8>,
    /// What the kernel has still to write.
    dirty: Vec<Range<usize>>,
    fault: Option<SyncFault>,
}

/// Why a sync does not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncFault {
    /// The process is killed before it: nothing was written, and the kernel knows.
    Killed,
    /// The disk fails: nothing was written, and the kernel takes it for written (as ext4 does).
    Failed,
}

impl Content {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        self.cached.resize(self.cached.len().max(end), 0);
        self.cached[offset..end].copy_from_slice(bytes);
        self.dirty.push(offset..end);
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(fault) = self.fault.take() {
            if fault == SyncFault::Failed {
                self.dirty.clear();
            }
            return Err(io::Error::other("the sync did not come to its end"));
        }
        self.durable.resize(self.cached.len(), 0);
        for range in self.dirty.drain(..) {
            self.durable[range.clone()].copy_from_slice(&self.cached[range]);
        }
        Ok(())
    }
}

impl File {
    fn of(bytes: Vec<u8>) -> File {
        let content = Content { durable: bytes.clone(), cached: bytes, ..Content::default() };
        File(Arc::new(Mutex::new(content)))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    pub(crate) fn of(files: Files) -> Memory {
        let file = |(name, content)| (name, File::of(content));
        let files: BTreeMap<String, File> = files.into_iter().map(file).collect();
        let durable = files.clone();
        Memory(Arc::new(Mutex::new(Table { files, durable, at_wait: None })))
    }

    /// The next sync of this file does not come to its end.
    pub(crate) fn fail_next_sync(&self, name: &str, fault: SyncFault) {
        self.table().files[name].content().fault = Some(fault);
    }

    /// Another volume, with what a power loss now would leave of this one.
    pub(crate) fn after_power_loss(&self) -> Memory {
        let content =
            |(name, file): (&String, &File)| (name.clone(), file.content().durable.clone());
        Memory::of(self.table().durable.iter().map(content).collect())
    }

    /// What is in it now.
    pub(crate) fn files(&self) -> Files {
        copy(&self.table().files)
    }

    /// Another volume, with what was in this one when a mutant last waited.
    pub(crate) fn at_last_wait(&self) -> Option<Memory> {
        self.table().at_wait.clone().map(Memory::of)
    }

    /// The names with this extension, in order.
    pub(crate) fn with_extension(&self, extension: &str) -> Vec<String> {
        self.table().files.keys().filter(|name| name.ends_with(extension)).cloned().collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, name: &str) -> io::Result<File> {
        self.table().files.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn copy(files: &BTreeMap<String, File>) -> Files {
    files.iter().map(|(name, file)| (name.clone(), file.content().cached.clone())).collect()
}

impl Volume for Memory {
    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.table().files.keys().cloned().collect())
    }
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(name)?.content().cached.clone())
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        self.table().files.insert(name.to_owned(), File::default());
        self.open(name)
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(self.file(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let files = &mut self.table().files;
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.table().files.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn sync(&self) -> io::Result<()> {
        let mut table = self.table();
        table.durable = table.files.clone();
        Ok(())
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    fn wait(&self, _time: Duration) {
        let mut table = self.table();
        table.at_wait = Some(copy(&table.files));
    }
}

impl VolumeFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.content().write(bytes, usize::try_from(offset).map_err(io::Error::other)?);
        Ok(())
    }
    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let mut content = self.content();
        let longer = content.cached.len().max(length);
        content.cached.resize(longer, 0);
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        self.content().sync()
    }
    fn sync_data(&mut self) -> io::Result<()> {
        self.content().sync()
    }
}
