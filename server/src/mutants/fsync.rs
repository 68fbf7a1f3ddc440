//! The mutant of a failed fsync: it is tried again, as PostgreSQL did until 2018 ("fsyncgate").
//!
//! A kernel that could not write a page may take it for written all the same, so the second fsync has nothing to
//! write and succeeds. What it was to make durable is in the page cache alone.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{BLANK, Bug, Card, Real};
use crate::storage::{Volume, VolumeFile};

/// So often, before the failure is believed.
const RETRIES: u32 = 3;

pub(super) const FSYNC_RETRIED: Card = Card {
    name: "fsync-retried",
    broken: "a failed fsync is tried again, and its success is believed",
    rule: "Rebello et al., ATC 2020",
    expose: "a disk that fails an fsync, and a power loss later",
    leads: &["processes", "boot-equals-disk"],
    bug: Bug::Volume(|volume| Arc::new(FsyncRetried(volume))),
    real: Real { workload: "register", faults: "kill", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

/// A volume that tries its syncs again.
#[derive(Debug)]
struct FsyncRetried(Arc<dyn Volume>);

#[derive(Debug)]
struct Retrying(Box<dyn VolumeFile>);

fn retried(mut sync: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut result = sync();
    for _ in 0..RETRIES {
        if result.is_ok() {
            break;
        }
        result = sync();
    }
    result
}

impl Volume for FsyncRetried {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }
    fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.0.read(name)
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(Retrying(self.0.create(name)?)))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(Retrying(self.0.open(name)?)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync(&self) -> io::Result<()> {
        retried(|| self.0.sync())
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
    fn wait(&self, time: Duration) {
        self.0.wait(time);
    }
}

impl VolumeFile for Retrying {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        self.0.allocate(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        retried(|| self.0.sync())
    }
    fn sync_data(&mut self) -> io::Result<()> {
        retried(|| self.0.sync_data())
    }
}
