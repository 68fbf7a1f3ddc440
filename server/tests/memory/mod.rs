//! A volume in memory that can be looked at, damaged and put back: recovery tests need tens of thousands.

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
pub(crate) struct Memory(Arc<Mutex<BTreeMap<String, File>>>);

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
        Memory(Arc::new(Mutex::new(files.into_iter().map(file).collect())))
    }

    /// What is in it now.
    pub(crate) fn files(&self) -> Files {
        self.table().iter().map(|(name, file)| (name.clone(), file.content().clone())).collect()
    }

    /// The names with this extension, in order.
    pub(crate) fn with_extension(&self, extension: &str) -> Vec<String> {
        self.table().keys().filter(|name| name.ends_with(extension)).cloned().collect()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, name: &str) -> io::Result<File> {
        self.table().get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Volume for Memory {
    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.table().keys().cloned().collect())
    }
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(name)?.content().clone())
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        self.table().insert(name.to_owned(), File::default());
        self.open(name)
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(self.file(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.table();
        let file = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.to_owned(), file);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.table().remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    fn wait(&self, _time: Duration) {}
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
