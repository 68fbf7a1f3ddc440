//! A volume in memory that can be looked at, damaged and put back: recovery tests need tens of thousands.

#![allow(dead_code, reason = "each test binary uses its own part of the volume")]

use std::collections::BTreeMap;
use std::io;
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
    /// What was in it when a seeded bug last waited.
    at_wait: Option<Files>,
}

/// A file keeps its content when it is renamed, as an open one would.
#[derive(Clone, Debug, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl File {
    fn content(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    pub(crate) fn of(files: Files) -> Memory {
        let file = |(name, content)| (name, File(Arc::new(Mutex::new(content))));
        let files = files.into_iter().map(file).collect();
        Memory(Arc::new(Mutex::new(Table { files, at_wait: None })))
    }

    /// What is in it now.
    pub(crate) fn files(&self) -> Files {
        copy(&self.table().files)
    }

    /// Another volume, with what was in this one when a seeded bug last waited.
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
    files.iter().map(|(name, file)| (name.clone(), file.content().clone())).collect()
}

impl Volume for Memory {
    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.table().files.keys().cloned().collect())
    }
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(name)?.content().clone())
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
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.allocate((offset + bytes.len()) as u64)?;
        self.content()[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    fn set_length(&mut self, bytes: u64) -> io::Result<()> {
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        self.content().resize(length, 0);
        Ok(())
    }
    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        let length = self.content().len() as u64;
        if length < bytes { self.set_length(bytes) } else { Ok(()) }
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}
