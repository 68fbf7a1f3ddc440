//! The file system as the log and the snapshots see it: one flat directory.
//!
//! The server's is [`Directory`]. The simulator has one in memory that forgets what was not synced, so
//! that the very code that writes and recovers a log is what its crashes strike.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::clock::monotonic_ns;

/// A directory without folders in it, and the time as whoever writes to it sees it.
pub trait Volume: Debug + Send + Sync {
    /// Where a file lies, for people.
    fn path(&self, name: &str) -> PathBuf;
    /// The names in it, in no order.
    fn names(&self) -> io::Result<Vec<String>>;
    /// A whole file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// A new, empty file; an old one of that name is emptied.
    fn create(&self, name: &str) -> io::Result<Box<dyn VolumeFile>>;
    /// An existing file, for writing.
    fn open(&self, name: &str) -> io::Result<Box<dyn VolumeFile>>;
    /// Gives a file another name, in one step; a file of that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: what was created, renamed or removed.
    fn sync(&self) -> io::Result<()>;
    /// Time since some moment. Only mutants ask.
    fn elapsed(&self) -> Duration;
    /// Lets time pass between two operations. Only mutants do.
    fn wait(&self, time: Duration);
}

/// An open file of a [`Volume`].
pub trait VolumeFile: Debug + Send {
    /// Writes all bytes at this place.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the file at least this long, with zeros that take real blocks.
    fn allocate(&mut self, bytes: u64) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Makes content durable; the length too where content could not be read back without it.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// A directory of the real file system.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// This directory, which exists.
    pub fn new(path: &Path) -> Directory {
        Directory(path.to_owned())
    }
}

impl Volume for Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|file| Ok(file?.file_name().into_string()));
        // What is not text is no file of ours.
        Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(options.open(self.path(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(self.path(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(monotonic_ns())
    }

    fn wait(&self, time: Duration) {
        thread::sleep(time);
    }
}

impl VolumeFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        let length = i64::try_from(bytes).map_err(io::Error::other)?;
        Ok(nix::fcntl::posix_fallocate(self, 0, length)?)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }
}
